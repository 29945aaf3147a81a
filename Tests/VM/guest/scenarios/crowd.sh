# SPDX-License-Identifier: Apache-2.0
# What: a group of thirty, of which four are protected, and two tracers more that are asked for the first 5 and the first 28: what the
# programs left out must not change what is listed.
# boot: memcg
# cgroups: 1 2
# expect: kills=1 scope=MEMCG victims=last limit=/square

setup() {
  FEWER="5 28"
}

run() {
  group square 128
  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29; do
    adj=$((i * 11 % 29 * 7 - 100))
    [ $((i % 7)) -ne 0 ] || adj=-1000
    hog join=$G/square name=c$i adj=$adj anon=$((1 + i % 3)) ready=/run/c$i
    ready c$i
  done
  hog join=$G/square name=last adj=300 anon=140
  kills 1
}
