# SPDX-License-Identifier: Apache-2.0
# What: nobody in the group may be killed. The kernel says so, again and again, until the limit is raised.
# boot: memcg
# cgroups: 1 2
# expect: kills=0 no_killable=1+

run() {
  group shop 32
  hog join=$G/shop name=safe adj=-1000 anon=40 ready=/run/safe
  until_ kernel_says "no killable processes"
  limit shop 64
  ready safe
}
