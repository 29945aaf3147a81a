# SPDX-License-Identifier: Apache-2.0
# File systems of the guest. $G is where the control groups of the scenarios are made: the root of the memory hierarchy.

mount_all() {
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount -t devtmpfs devtmpfs /dev
  mount -t tmpfs tmpfs /run
  mount -t tracefs tracefs /sys/kernel/tracing
  mount -t bpf bpf /sys/fs/bpf
  mkdir -p /results /freezer
  "mount_cgroup$CGROUP"
  mount -t cgroup -o freezer freezer /freezer
}

mount_cgroup2() {
  G=/sys/fs/cgroup
  CPUSETS=$G
  mount -t cgroup2 cgroup2 $G
  echo "+memory +cpuset" >$G/cgroup.subtree_control
}

mount_cgroup1() {
  G=/sys/fs/cgroup/memory
  CPUSETS=/sys/fs/cgroup/cpuset
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mkdir $G $CPUSETS
  mount -t cgroup -o memory memory $G
  echo 1 >$G/memory.use_hierarchy # as systemd does: without, a limit is not for what is below (Kernel: until 5.11)
  mount -t cgroup -o cpuset cpuset $CPUSETS
}
