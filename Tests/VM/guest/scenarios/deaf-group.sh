# SPDX-License-Identifier: Apache-2.0
# What: the same with groups that die as one: where the ring fills amid a group, some of its kills come by the probes and some from the log.
# boot: memcg
# cgroups: 2
# expect: kills=30 from_log=1+

OPTIONS="--ring-bytes 4096"

run() {
  [ "$RUNG" = none ] || kill -STOP $TRACER
  for number in 1 2 3 4 5; do
    group shop$number 64
    echo 1 >$G/shop$number/memory.oom.group
    for name in shelf lamp desk chair; do
      hog join=$G/shop$number name=$name$number anon=2 ready=/run/$name$number
      ready $name$number
    done
    hog join=$G/shop$number name=till$number adj=200 anon=80
    kills $((number * 6))
  done
  [ "$RUNG" = none ] || kill -CONT $TRACER
}
