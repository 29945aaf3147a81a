# SPDX-License-Identifier: Apache-2.0
# A workload beside a guard. What came of each is a line of the console: guard, workload, what load.c says, who of the bystanders is
# left, how long the guard says that it took, and the first signal that the kernel saw. What the guards said goes to $RESULTS.
#
# Whoever reads this file says how to start_guard NAME (GUARD is then its pid) and stop_guard, and where the load goes (make_group;
# GROUP is then a control group, or empty).

# Who sends SIGTERM or SIGKILL to whom, and when, as the kernel sees it: the same for each guard.
TRACING=/sys/kernel/tracing
trace_signals() {
  echo mono >$TRACING/trace_clock
  echo 'sig == 9 || sig == 15' >$TRACING/events/signal/signal_generate/filter
  echo 1 >$TRACING/events/signal/signal_generate/enable
}

# Until it has used no processor for a third of a second: a guard that sleeps is a guard that watches.
wait_until_ready() {
  before=""
  for _ in $(seq 40); do
    sleep 0.3
    now=$(cut -d ' ' -f 14,15 /proc/$GUARD/stat) || return
    [ "$now" = "$before" ] && return
    before=$now
  done
}

row() {
  guard=$1
  workload=$2
  say "init: $guard $workload"
  # Two bystanders that are smaller than any victim but a bomb's, and hold something.
  hog anon=8 name=bystander ready=/run/one &
  one=$!
  hog anon=8 name=bystander adj=-500 ready=/run/two &
  two=$!
  until [ -e /run/one ] && [ -e /run/two ]; do sleep 0.05; done
  start_guard $guard
  wait_until_ready
  make_group
  case $workload in
    cache) seconds=$SECONDS_OF_CACHE ;;
    bomb) seconds=$SECONDS_OF_BOMB ;;
    *) seconds=$SECONDS_EACH ;;
  esac
  echo >$TRACING/trace
  said=$(load $workload 10 $seconds $FILL $GROUP)
  # "  earlyoom-84  [000] d..1.  12.345678: signal_generate: sig=15 errno=0 code=0 comm=load pid=91 ...": moment and whom, of the first.
  first=$(sed -n 's/.* \([0-9]*\)\.\([0-9]*\): signal_generate: sig=\([0-9]*\) .* comm=\([^ ]*\) .*/{"us":\1\2,"signal":\3,"comm":"\4"}/p' $TRACING/trace | head -n 1)
  left=0
  for pid in $one $two; do [ -d /proc/$pid ] && grep -q '^State:.*[SDR] ' /proc/$pid/status && left=$((left + 1)); done
  alive=no
  [ -d /proc/$GUARD ] && ! grep -q '^State:.*Z' /proc/$GUARD/status && alive=yes
  stop_guard $guard
  own=$(sed -n 's/.*"outcome":"sent".*"threshold_to_signal_us":\([0-9]*\).*/\1/p;' /run/guard.out | head -n 1)
  say "row: {\"guard\":\"$guard\",\"guard_lives\":\"$alive\",\"bystanders\":$left,\"own_us\":${own:-null},\"first\":${first:-null},\"load\":$said}"
  cp /run/guard.out $RESULTS/$round-$workload-$guard.out
  [ -s /run/guard.err ] && cp /run/guard.err $RESULTS/$round-$workload-$guard.err
  kill -9 $one $two 2>/dev/null
  wait 2>/dev/null
  rm -f /run/one /run/two /run/guard.out /run/guard.err
  [ "$SWAP" = yes ] && swapoff -a && swapon /dev/vda
  echo 3 >/proc/sys/vm/drop_caches
}

rows() {
  round=1
  while [ $round -le $REPEAT ]; do
    for workload in $WORKLOADS; do
      for guard in $GUARDS; do
        # Without a guard it is the kernel's own business: once is enough.
        [ $guard = none ] && [ $round -gt 1 ] && continue
        row $guard $workload
      done
    done
    round=$((round + 1))
  done
}
