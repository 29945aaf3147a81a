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
  kills 1 &
  usleep 300000
  # From here until the kill nothing may start: the kernel thread scores and prints while this shell goes on.
  echo f >/proc/sysrq-trigger
  wait $!
}
