# SPDX-License-Identifier: Apache-2.0
# What: the victim has bound itself to NUMA node 1 (set_mempolicy), which is full while node 0 is not.
# boot: system
# cgroups: 1 2
# expect: kills=1 scope=MEMORY_POLICY victims=till

run() {
  hog name=free anon=30 ready=/run/free
  ready free
  hog node=1 name=till anon=2000
  kills 1
}
