# SPDX-License-Identifier: Apache-2.0
# What: eight threads of one process go over the limit together. While it dies, the others ask for memory too: that is still one kill.
# boot: memcg
# cgroups: 1 2
# expect: kills=1 scope=MEMCG victims=till limit=/shop

HUGE_PAGES=/sys/kernel/mm/transparent_hugepage/enabled

# The other threads run on while the kernel scores and prints. A huge page from one of them would be 512 pages between the two.
setup() {
  echo never >$HUGE_PAGES
}

run() {
  group shop 48
  hog join=$G/shop name=till thread thread thread anon=30
  kills 1
}

teardown() {
  echo always >$HUGE_PAGES
}
