# SPDX-License-Identifier: Apache-2.0
# What: memory.max is written below what is in use. The one who asked for the kill is the writer, who is not in the group.
# boot: memcg
# cgroups: 2
# expect: kills=1 scope=MEMCG victims=till limit=/shop

run() {
  group shop 64
  hog join=$G/shop name=till anon=40 ready=/run/till
  ready till
  limit shop 16
  kills 1
}
