# SPDX-License-Identifier: Apache-2.0
# What: the victim holds anonymous, shared and file memory, so that each part of its score is there.
# boot: memcg
# cgroups: 1 2
# expect: kills=1 scope=MEMCG victims=till limit=/shop

run() {
  group shop 64
  hog join=$G/shop name=till file=6:/run/map shmem=7 anon=80
  kills 1
}
