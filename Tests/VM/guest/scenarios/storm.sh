# SPDX-License-Identifier: Apache-2.0
# What: twelve control groups, each with three kills one after another, all at once. The kernel leaves most of its reports out (ten in five
# seconds, and no more), but each kill has its line.
# boot: memcg
# cgroups: 1 2
# expect: kills=36

run() {
  for number in 1 2 3 4 5 6 7 8 9 10 11 12; do
    group storm$number 16
    three_times storm$number &
  done
  kills 36
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
