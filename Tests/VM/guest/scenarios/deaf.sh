# SPDX-License-Identifier: Apache-2.0
# What: a tracer with a ring of one page, which stands still while the kernel kills: what the ring has no room for is told from the log.
# boot: memcg
# cgroups: 1 2
# expect: kills=24 from_log=1+

OPTIONS="--ring-bytes 4096"

run() {
  [ "$RUNG" = none ] || kill -STOP $TRACER
  for number in 1 2 3 4 5 6 7 8; do
    group deaf$number 16
    three_times deaf$number &
  done
  kills 24
  [ "$RUNG" = none ] || kill -CONT $TRACER
}

three_times() {
  for turn in 1 2 3; do
    /bin/hog join=$G/$1 name=$1.$turn anon=24
  done
}

# The next scenario's reports must not be left out.
teardown() {
  sleep 6
}
