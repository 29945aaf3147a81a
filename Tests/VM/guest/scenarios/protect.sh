# SPDX-License-Identifier: Apache-2.0
# What: the biggest process of a group would be killed, and `protect plan` says so, and whom the kernel would take if it had -500. `protect
# apply` gives it that, and another process and the sharer of its memory -300; the kernel takes whom the plan has named. `protect revert`
# takes it back, and now the biggest is killed. What we ourselves find wrong on the way is said on the console, and no memory is asked for:
# then the kills are not there.
# boot: memcg
# cgroups: 1 2
# expect: kills=2 scope=MEMCG victims=batch,database limit=/shop

RULES="--rule comm=database:-500 --rule comm=small:-300"

run() {
  group shop 96
  hog join=$G/shop name=database anon=40 ready=/run/database
  database=$!
  hog join=$G/shop name=batch anon=20 ready=/run/batch
  hog join=$G/shop name=small anon=1 sharer=shared ready=/run/small
  small=$!
  ready database batch small
  shared=$(grep -lx shared /proc/[0-9]*/comm | sed 's,/proc/\([0-9]*\)/comm,\1,')
  wrong=
  if [ -x /bin/oomwitness ]; then protect; else echo -500 >/proc/$database/oom_score_adj; fi
  [ -z "$wrong" ] || return
  hog join=$G/shop name=push adj=-1000 anon=45
  kills 1
  sleep 1
  if [ -x /bin/oomwitness ]; then revert; else echo 0 >/proc/$database/oom_score_adj; fi
  [ -z "$wrong" ] || return
  hog join=$G/shop name=push adj=-1000 anon=20
  kills 2
}

# A program that starts is found by the exec tracepoint: the next round is a minute away.
watch() {
  sleep 1234 &
  first=$!
  /bin/oomwitness protect watch --rule 'cmdline=sleep 1234:-700' --poll 60 --journal /run/watch --output ndjson >"$R/watch.ndjson" &
  watcher=$!
  check "watch: what ran before" until_ has $first -700
  sleep 1234 &
  second=$!
  check "watch: what started" until_ has $second -700
  kill -TERM $watcher
  wait $watcher
  check "watch: exit status" test $? = 0
  check "watch: by exec" grep -q '"cause":"exec"' "$R/watch.ndjson"
  kill $first $second
}

protect() {
  watch
  /bin/oomwitness protect plan $RULES --output json >"$R/plan.json"
  domain=$(grep -o '"domains":.*' "$R/plan.json")
  group=${domain#*'"scope":"memcg"'}
  check "plan: now the database" said "$group" 'the kernel would kill database '
  check "plan: then batch" said "$group" 'the kernel would kill batch '
  check "audit: differs before" differs
  /bin/oomwitness protect apply $RULES >"$R/apply.txt"
  check "apply: exit status" test $? = 0
  check "apply: database" has $database -500
  check "apply: small" has $small -300
  check "apply: sharer of small" has "$shared" -300
  check "journal: three entries" test "$(grep -c oom_score_adj_after /run/oomwitness/protect.journal)" = 3
  check "audit: agrees after" /bin/oomwitness protect audit $RULES
  cp /run/oomwitness/protect.journal "$R/journal"
}

revert() {
  /bin/oomwitness protect revert >"$R/revert.txt"
  check "revert: exit status" test $? = 0
  check "revert: database" has $database 0
  check "revert: small" has $small 0
  check "revert: sharer of small" has "$shared" 0
  check "journal: empty" test ! -s /run/oomwitness/protect.journal
}

check() {
  what=$1
  shift
  "$@" && return
  wrong=$what
  echo "protect: not so: $what"
}

differs() {
  /bin/oomwitness protect audit $RULES
  [ $? = 1 ]
}

said() {
  case $1 in *"$2"*) ;; *) return 1 ;; esac
}

has() {
  [ "$(cat /proc/$1/oom_score_adj)" = "$2" ]
}
