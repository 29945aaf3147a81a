# SPDX-License-Identifier: Apache-2.0
# What: the victim's cpuset binds it to NUMA node 1, which is full while node 0 is not.
# boot: system
# cgroups: 1 2
# expect: kills=1 scope=CPUSET victims=till

run() {
  mkdir $CPUSETS/bound
  cat /sys/devices/system/cpu/online >$CPUSETS/bound/cpuset.cpus
  echo 1 >$CPUSETS/bound/cpuset.mems
  hog name=free anon=30 ready=/run/free
  hog join=$CPUSETS/bound name=shelf anon=10 ready=/run/shelf
  ready free shelf
  hog join=$CPUSETS/bound name=till anon=2000
  kills 1
}
