# SPDX-License-Identifier: Apache-2.0
# What: two kills before the tracer, a storm of twelve while it starts, one after: each is told once, from the log or by the probes. The machine
# is fresh, so that all that its kernel counted is in its log.
# boot: fresh
# cgroups: 1 2
# expect: kills=15 from_log=2+

OPTIONS=--since-boot
WHOLE_LOG=yes

before() {
  group old 32
  for number in 1 2; do
    /bin/hog join=$G/old name=old.$number anon=40
  done
  for number in 1 2 3 4; do
    group storm$number 16
    three_times storm$number &
  done
}

run() {
  until_ has_killed 14
  group new 32
  hog join=$G/new name=new anon=40
  until_ has_killed 15
}

has_killed() {
  [ "$(kill_count)" -ge "$1" ]
}

three_times() {
  for turn in 1 2 3; do
    /bin/hog join=$G/$1 name=$1.$turn anon=24
  done
}
