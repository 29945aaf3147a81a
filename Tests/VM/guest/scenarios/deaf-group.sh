# SPDX-License-Identifier: Apache-2.0
# What: the same with groups that die as one: where the ring fills amid a group, some of its kills come by the probes and some from the log.
# boot: memcg
# cgroups: 2
# expect: kills=42 from_log=1+

OPTIONS="--ring-bytes 4096"

run() {
  [ "$RUNG" = none ] || kill -STOP $TRACER
  for number in 1 2 3; do
    group shop$number 64
    echo 1 >$G/shop$number/memory.oom.group
    for name in a b c d e f g h i j k l; do
      hog join=$G/shop$number name=$name$number anon=1 ready=/run/$name$number
      ready $name$number
    done
    hog join=$G/shop$number name=till$number adj=200 anon=80
    kills $((number * 14))
  done
  [ "$RUNG" = none ] || kill -CONT $TRACER
}
