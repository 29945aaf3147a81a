# SPDX-License-Identifier: Apache-2.0
# What service.sh and after.sh ask of the service.
UNIT=oomwitness.service
CONFIG=/etc/oomwitness/config.yaml
EVENTS=/var/log/oomwitness/events.ndjson
GROUP=/sys/fs/cgroup/system.slice/$UNIT
DROP_INS=/etc/systemd/system/$UNIT.d
SHIPPED=/usr/share/doc/oomwitness/systemd
SOCKET=/run/oomwitness/metrics.sock
RUNG=fentry
KILLED=65fa2b0f73734e2487776d71cdb638ef
# Permitted, effective, bounding, ambient: BPF, PERFMON, SYSLOG, SYS_RESOURCE, SYS_NICE, SYS_PTRACE, IPC_LOCK, DAC_READ_SEARCH.
RIGHTS="c401884004 c401884004 c401884004 0"
SINKS="metrics: {listen: 'unix:$SOCKET'}
sinks:
  - {type: file, path: $EVENTS, max_size: 64M, keep: 5}
  - {type: journald}
  - {type: webhook, url: 'http://127.0.0.1:8080/oom', filter: {types: [oom_kill]}}
  - {name: late, type: stream, address: 'unix:/run/collector.sock', filter: {types: [oom_kill]}}"

figure() { echo "figure $1: $2"; }
field() { systemctl show -p "$1" --value $UNIT; }
main_pid() { field MainPID; }
state() { echo "$(field ActiveState) $(field ExecMainStatus) $(field NRestarts)"; }
is_another() { systemctl is-active --quiet $UNIT && [ "$(main_pid)" != "$1" ]; }
start_milliseconds() { echo $((($(field ActiveEnterTimestampMonotonic) - $(field InactiveExitTimestampMonotonic)) / 1000)); }
resident() { grep ^VmRSS: "/proc/$(main_pid)/status" | tr -dc 0-9; }
verified() { [ -z "$(systemd-analyze verify --man=no $UNIT 2>&1)" ]; }
write_config() { printf '%s\n' "$@" >$CONFIG; }

# drop_in FOLDER NAME LINE...: of the section Service.
drop_in() {
  local file=$1/$UNIT.d/$2.conf
  shift 2
  mkdir -p "${file%/*}"
  printf '%s\n' "[Service]" "$@" >"$file"
  systemctl daemon-reload
}
# shipped NAME...: these drop-ins that come with the package, and no other.
shipped() {
  local name
  rm -rf $DROP_INS
  mkdir -p $DROP_INS
  for name; do cp "$SHIPPED/$name.conf" $DROP_INS; done
  systemctl daemon-reload
}
# Source: systemd.exec(5), DynamicUser=: 61184 to 65519.
user() {
  local uid
  uid=$(stat -c %u "/proc/$(main_pid)")
  if [ "$uid" = 0 ]; then echo root; elif [ "$uid" -ge 61184 ] && [ "$uid" -le 65519 ]; then echo "a dynamic user"; else echo "$uid"; fi
}
rights() {
  local kind
  for kind in Prm Eff Bnd Amb; do printf '%x ' "0x$(sed -n "s/^Cap$kind:\t//p" "/proc/$(main_pid)/status")"; done | sed 's/ $//'
}
thread_rights() { cat /proc/"$(main_pid)"/task/*/status | sed -n 's/^CapEff:\t0*//p' | sort | uniq -c | tr -s ' \n' ' '; }

lines() { cat $EVENTS; }
started() { lines | grep '"type":"stream_start"' | tail -1; }
rung() { started | grep -o '"source":"[a-z]*"' | cut -d'"' -f4; }
refused_rungs() { started | grep -oE '"name":"(fentry|kprobe|tracepoint)","attached":false' | wc -l; }
# The kill of the process of this name.
line() { lines | grep '"type":"oom_kill"' | grep "\"victim\":{[^{}]*\"comm\":\"$1\""; }
told() { line "$1" | wc -l; }
is_told() { [ "$(told "$1")" -gt 0 ]; }
# once NAME: how often it was told, when it was.
once() { await 60 is_told "$1"; told "$1"; }
each_told() {
  local name
  for name; do told "$name"; done | tr '\n' ' ' | sed 's/ $//'
}
# action NAME: what the guard has sent to the process of this name.
find_action() { lines | grep '"type":"guard_action"' | grep '"action_id"' | grep "\"comm\":\"$1\""; }
action() { await 60 find_action "$1"; find_action "$1"; }
# in_file TEXT FILE: what is around it there.
in_file() { await 60 grep -q -- "$1" "$2"; grep -o -- ".\{0,80\}$1.\{0,80\}" "$2" | tail -1; }

is_kept() { oomwitness history list | grep -q "$1"; }
history_with() { await 60 is_kept "$1"; oomwitness history list; }
entries_text() { journalctl -q --no-pager "$@"; }
entries() { entries_text -o json "$@" | wc -l; }
has_entries() { [ "$(entries "$@")" -gt 0 ]; }
entries_with() { await 60 has_entries "$@"; entries "$@"; }
is_said() { entries_text -u $UNIT -o cat | grep -q -- "$1"; }
# said TEXT: the last that the daemon has said with it.
said() { await 60 is_said "$1"; entries_text -u $UNIT -o cat | grep -- "$1" | tail -1; }
metrics() { curl -sS --unix-socket $SOCKET http://x/metrics; }

died() { [ "$(systemctl show -p Result --value "$1")" = oom-kill ]; }
# die NAME: a unit and its process of this name come to the unit's limit.
die() {
  systemd-run --quiet --unit "$1" -p MemoryMax=30M -p MemorySwapMax=0 /job/hog name="$1" anon=100
  await 60 died "$1"
}
has_score() { [ "$(cat "/proc/$(systemctl show -p MainPID --value "$1")/oom_score_adj")" = "$2" ]; }
# as USER COMMAND...
as() { setpriv --reuid="$1" --regid="$(id -g "$1")" --init-groups "${@:2}"; }
