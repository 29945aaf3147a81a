# SPDX-License-Identifier: Apache-2.0
# What: four values of oom_score_adj in one group. The smallest process has the highest, and dies for it; the biggest one that is left
# brings the group over its limit once more.
# boot: memcg
# cgroups: 1 2
# expect: kills=2 scope=MEMCG victims=volunteer,likely limit=/shop

run() {
  group shop 96
  hog join=$G/shop name=unlikely adj=-500 anon=36 ready=/run/unlikely
  hog join=$G/shop name=likely adj=300 uid=65534 anon=20 ready=/run/likely
  hog join=$G/shop name=volunteer adj=1000 anon=4 ready=/run/volunteer
  ready unlikely likely volunteer
  hog join=$G/shop name=plain anon=50
  kills 2
}
