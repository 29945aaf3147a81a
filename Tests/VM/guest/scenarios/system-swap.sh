# SPDX-License-Identifier: Apache-2.0
# What: the machine is out of memory and of swap.
# boot: system
# cgroups: 2
# expect: kills=1 scope=NONE victims=till swapped=yes

setup() {
  swapon /dev/vda
}

run() {
  hog name=shelf anon=20 ready=/run/shelf
  ready shelf
  hog name=till anon=2000
  kills 1
}

teardown() {
  swapoff /dev/vda
}
