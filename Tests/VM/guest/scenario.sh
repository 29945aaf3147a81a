# SPDX-License-Identifier: Apache-2.0
# The words that scenarios are written in, and the frame around each.

POLL_MICROSECONDS=50000
PATIENCE=1200 # polls: a minute

# hog ACTION...: starts one in the background. What it can do is written at the top of hog.c.
hog() {
  /bin/hog "$@" &
  HOGS="$HOGS $!"
}

# group PATH [MIB]: makes the control group $G/PATH, with a limit.
group() {
  mkdir "$G/$1"
  [ "$CGROUP" = 1 ] || case $1 in
    */*) echo +memory >"$G/${1%/*}/cgroup.subtree_control" ;;
  esac
  [ -z "$2" ] || limit "$1" "$2"
}

# limit PATH MIB
limit() {
  if [ "$CGROUP" = 2 ]; then
    echo "${2}M" >"$G/$1/memory.max"
  else
    echo "${2}M" >"$G/$1/memory.limit_in_bytes"
  fi
}

# until_ COMMAND...: waits until it succeeds, for a minute at most.
until_() {
  polls=0
  until "$@"; do
    usleep $POLL_MICROSECONDS
    polls=$((polls + 1))
    [ $polls -lt $PATIENCE ] || return 1
  done
}

# ready NAME...: waits until hogs have said ready=/run/NAME.
ready() {
  for name; do
    until_ test -e "/run/$name"
  done
}

# gone PID: waits until the process has ended.
gone() {
  until_ has_ended "$1"
}

has_ended() {
  ! [ -d "/proc/$1" ] || grep -q '^State:.*zombie' "/proc/$1/status" 2>/dev/null
}

# kills N: waits until the kernel has counted N more than at the start of the scenario, for a minute at most.
kills() {
  await $((FIRST_COUNT + $1)) 60
}

# kernel_says TEXT: whether it is in the kernel's log of this scenario.
kernel_says() {
  kmsg | grep -q "$1"
}

kill_count() {
  sed -n 's/^oom_kill //p' /proc/vmstat
}

# The frame: a log that begins here, the tracer, the scenario, and all put back as it was.
run_scenario() {
  R=/results/$SCENARIO
  HOGS=
  FEWER= # numbers of candidates; for each a tracer more lists so many
  OPTIONS= # more options of the tracer
  WHOLE_LOG= # yes: what was before the tracer counts too
  mkdir -p "$R"
  setup() { :; }
  before() { :; }
  teardown() { :; }
  trace() { trace_here "$@"; }
  . "/guest/scenarios/$SCENARIO.sh"
  setup
  [ -n "$WHOLE_LOG" ] || kmsg clear
  before
  [ "$RUNG" = none ] || start_tracer
  FIRST_COUNT=$(kill_count)
  write_facts
  cat /proc/vmstat >"$R/vmstat.before"
  run
  sleep 1
  cat /proc/vmstat >"$R/vmstat.after"
  [ "$RUNG" = none ] || stop_tracer
  kmsg >"$R/kmsg.raw"
  end_hogs
  teardown
  remove_groups
  rm -rf /run/*
}

write_facts() {
  {
    echo "scenario=$SCENARIO"
    echo "release=$(uname -r)"
    echo "cgroup=$CGROUP"
    echo "rung=$RUNG"
    echo "cpus=$(nproc)"
    [ -z "$WHOLE_LOG" ] || echo "whole_log=1"
    cat /proc/meminfo
  } >"$R/facts"
}

start_tracer() {
  OTHERS=
  for few in $FEWER; do
    trace "$few" "$R/trace.first-$few.ndjson"
    OTHERS="$OTHERS $TRACER"
  done
  trace all "$R/trace.ndjson"
}

# trace N|all FILE, as long as a scenario does not start it in another way
trace_here() {
  /bin/oomwitness trace --output ndjson --candidates "$1" --probe "$RUNG" $OPTIONS >"$2" 2>>"$R/trace.err" &
  TRACER=$!
  until_ tracer_has_begun "$2" || echo "tracer_start=never" >>"$R/facts"
}

tracer_has_begun() {
  grep -q stream_start "$1" || has_ended $TRACER
}

stop_tracer() {
  for tracer in $OTHERS $TRACER; do
    kill -TERM $tracer
    gone $tracer || kill -KILL $tracer
    wait $tracer
    status=$?
    [ $status -eq 0 ] || break
  done
  echo "tracer_exit=$status" >>"$R/facts"
}

# By what they run, and by the number under which they were started: one whose first thread has ended shows nothing that it runs.
end_hogs() {
  kill_hogs
  wait
}

kill_hogs() {
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/exe")" != /bin/hog ] || HOGS="$HOGS ${process#/proc/}"
  done
  [ -z "$HOGS" ] || kill -KILL $HOGS 2>/dev/null
  for process in $HOGS; do
    gone "$process"
  done
}

remove_groups() {
  for hierarchy in "$G" "$CPUSETS" /freezer; do
    until_ are_removed "$hierarchy"
  done
}

are_removed() {
  find "$1" -mindepth 1 -depth -type d -exec rmdir '{}' ';' 2>/dev/null
  [ -z "$(find "$1" -mindepth 1 -type d)" ]
}
