# SPDX-License-Identifier: Apache-2.0
# What: the biggest process has oom_score_adj -1000, so a smaller one dies in its place.
# boot: memcg
# cgroups: 1 2
# expect: kills=1 scope=MEMCG victims=till limit=/shop

run() {
  group shop 64
  hog join=$G/shop name=safe adj=-1000 anon=40 ready=/run/safe
  ready safe
  hog join=$G/shop name=till anon=60
  kills 1
}
