# SPDX-License-Identifier: Apache-2.0
# What: swap is in use in the victim, and the group has a limit for it as well.
# boot: memcg
# cgroups: 1 2
# expect: kills=1 scope=MEMCG victims=till limit=/shop swapped=yes

setup() {
  swapon /dev/vda
}

run() {
  group shop 32
  if [ "$CGROUP" = 2 ]; then
    echo 16M >$G/shop/memory.swap.max
  else
    echo 48M >$G/shop/memory.memsw.limit_in_bytes
  fi
  hog join=$G/shop name=till anon=80
  kills 1
}

teardown() {
  swapoff /dev/vda
}
