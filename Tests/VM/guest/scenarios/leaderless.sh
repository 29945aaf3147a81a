# SPDX-License-Identifier: Apache-2.0
# What: the first thread of the victim has ended, a worker goes on. The kernel names the worker: it is the one that has the memory.
# boot: memcg
# cgroups: 1 2
# expect: kills=1 scope=MEMCG victims=worker limit=/shop

run() {
  group shop 48
  hog join=$G/shop name=first leaderless name=worker anon=60
  kills 1
}
