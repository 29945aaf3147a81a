# SPDX-License-Identifier: Apache-2.0
# What: a kill by hand (SysRq f) while there is memory enough: the trigger is a kernel thread, the order is -1.
# boot: system
# cgroups: 1 2
# expect: kills=1 scope=NONE victims=till

setup() {
  echo 1 >/proc/sys/kernel/sysrq
}

run() {
  hog name=shelf anon=10 ready=/run/shelf
  hog name=till anon=30 ready=/run/till
  ready shelf till
  echo f >/proc/sysrq-trigger
  kills 1
}
