# SPDX-License-Identifier: Apache-2.0
# What: memory.oom.group takes two processes that share one memory. The second gets SIGKILL for the memory that it shares, which nobody
# counts, and once more as a member, which the kernel logs and counts if it has not ended by then.
# boot: memcg
# cgroups: 2
# expect: kills=2+ scope=MEMCG limit=/shop group=/shop

run() {
  group shop 48
  echo 1 >$G/shop/memory.oom.group
  hog join=$G/shop name=till anon=8 sharer=twin anon=60
  kills 2
}
