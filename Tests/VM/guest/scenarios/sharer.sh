# SPDX-License-Identifier: Apache-2.0
# What: two processes share one memory and are not threads of each other. One is chosen; the other dies with it, and the kernel neither
# logs nor counts that.
# boot: memcg
# cgroups: 1 2
# expect: kills=1 scope=MEMCG limit=/shop

run() {
  group shop 48
  hog join=$G/shop name=till anon=8 sharer=twin anon=60
  kills 1
}
