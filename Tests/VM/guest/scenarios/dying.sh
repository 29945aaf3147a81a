# SPDX-License-Identifier: Apache-2.0
# What: the process that the kernel chooses has been killed before, and is held in a frozen group. The kernel lets it go and counts no kill.
# Where its memory comes back too late, the one that asked dies as well.
# boot: memcg
# cgroups: 1 2
# expect: kills=0+ no_kill=chosen_task_dying

run() {
  group shop 64
  mkdir /freezer/ice
  hog join=$G/shop join=/freezer/ice name=frozen anon=40 ready=/run/frozen
  ready frozen
  echo FROZEN >/freezer/ice/freezer.state
  until_ grep -q FROZEN /freezer/ice/freezer.state
  kill -KILL $!
  frozen=$!
  hog join=$G/shop name=till anon=30
  gone "$frozen"
}
