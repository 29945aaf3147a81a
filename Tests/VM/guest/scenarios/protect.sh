# SPDX-License-Identifier: Apache-2.0
# What: the biggest process of a group would be killed, and `protect plan` says so, and whom the kernel would take if it had -900. `protect
# apply` gives it that, and another process and the sharer of its memory -300. Then batch, which is smaller, grows up to the limit: the kernel
# takes batch, as the plan has said. `protect revert` takes it back, and the database grows: now it is taken, where with -900 spare would be.
# Who grows is who is to die, and the database is stopped until then (even a look for a file takes memory of the group): so nobody asks for
# more while a victim ends. What we ourselves find wrong on the way is said on the
# console, and nobody grows: then the kills are not there.
# boot: memcg
# cgroups: 1 2
# expect: kills=2 scope=MEMCG victims=batch,database limit=/shop

RULES="--rule comm=database:-900 --rule comm=small:-300"

run() {
  group shop 96
  hog join=$G/shop name=database anon=50 ready=/run/database go=/run/grow-database anon=60
  database=$!
  hog join=$G/shop name=batch anon=20 ready=/run/batch go=/run/grow-batch anon=60
  hog join=$G/shop name=spare anon=12 ready=/run/spare
  hog join=$G/shop name=small anon=1 sharer=shared ready=/run/small
  small=$!
  ready database batch spare small
  kill -STOP $database
  shared=$(grep -lx shared /proc/[0-9]*/comm | sed 's,/proc/\([0-9]*\)/comm,\1,')
  wrong=
  if [ -x /bin/oomwitness ]; then protect; else echo -900 >/proc/$database/oom_score_adj; fi
  [ -z "$wrong" ] || return
  : >/run/grow-batch
  kills 1
  sleep 1
  if [ -x /bin/oomwitness ]; then revert; else echo 0 >/proc/$database/oom_score_adj; fi
  [ -z "$wrong" ] || return
  : >/run/grow-database
  kill -CONT $database
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
  check "apply: database" has $database -900
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
