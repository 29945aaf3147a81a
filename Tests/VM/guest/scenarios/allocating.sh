# SPDX-License-Identifier: Apache-2.0
# What: vm.oom_kill_allocating_task: the one who asks is the one who dies, and nobody is considered.
# boot: system
# cgroups: 1 2
# expect: kills=1 scope=NONE victims=till message=oom_kill_allocating_task

setup() {
  echo 1 >/proc/sys/vm/oom_kill_allocating_task
}

run() {
  hog name=shelf anon=20 ready=/run/shelf
  ready shelf
  hog name=till anon=2000
  kills 1
}

teardown() {
  echo 0 >/proc/sys/vm/oom_kill_allocating_task
}
