# SPDX-License-Identifier: Apache-2.0
# What: the limit is on the parent; the process that goes over it is in one child, another is in a second child.
# boot: memcg
# cgroups: 1 2
# expect: kills=1 scope=MEMCG victims=till limit=/shop

run() {
  group shop 48
  group shop/front
  group shop/back
  hog join=$G/shop/back name=shelf anon=12 ready=/run/shelf
  ready shelf
  hog join=$G/shop/front name=till anon=60
  kills 1
}
