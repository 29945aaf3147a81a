# SPDX-License-Identifier: Apache-2.0
# What: one process goes over the limit of its control group; a second, smaller one is there to be considered.
# boot: memcg
# cgroups: 1 2
# expect: kills=1 scope=MEMCG victims=till limit=/shop

run() {
  group shop 48
  hog join=$G/shop name=shelf uid=1000 anon=8 ready=/run/shelf
  ready shelf
  hog join=$G/shop name=till anon=60
  kills 1
}
