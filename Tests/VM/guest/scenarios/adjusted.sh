# SPDX-License-Identifier: Apache-2.0
# What: four values of oom_score_adj in one group. The smallest process has the highest, and dies for it; the allocating one then
# brings the group over its limit once more. It may die too: a victim that is ending, and has not yet given its memory back, is seen by no
# scan of a control group (Kernel: css_task_iter skips those that are dying), and does not hold the next kill up.
# boot: memcg
# cgroups: 1 2
# expect: kills=2+ scope=MEMCG victims=volunteer,likely,... limit=/shop

run() {
  group shop 96
  hog join=$G/shop name=unlikely adj=-500 anon=36 ready=/run/unlikely
  hog join=$G/shop name=likely adj=300 uid=65534 anon=20 ready=/run/likely
  hog join=$G/shop name=volunteer adj=1000 anon=4 ready=/run/volunteer
  ready unlikely likely volunteer
  hog join=$G/shop name=plain anon=50
  kills 2
}
