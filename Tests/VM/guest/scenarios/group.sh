# SPDX-License-Identifier: Apache-2.0
# What: memory.oom.group takes all of a group but for the protected one. The kernel logs, and counts, the chosen victim twice.
# boot: memcg
# cgroups: 2
# expect: kills=4 scope=MEMCG victims=till,shelf,lamp,till limit=/shop group=/shop

run() {
  group shop 64
  echo 1 >$G/shop/memory.oom.group
  hog join=$G/shop name=safe adj=-1000 anon=2 ready=/run/safe
  ready safe
  hog join=$G/shop name=shelf anon=4 ready=/run/shelf
  ready shelf
  hog join=$G/shop name=lamp adj=100 anon=2 ready=/run/lamp
  ready lamp
  hog join=$G/shop name=till adj=200 anon=80
  kills 4
}
