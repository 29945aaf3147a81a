#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs in a guest that has no oomwitness: installs the package, and tries the service as those who run it do. Each process that is to
# die has a unit and a name of its own.
. /job/checks.sh
. /job/service_checks.sh

cp /job/keep.sh /usr/lib/systemd/system-shutdown/keep
touch /job/began
# A unit that comes to its limit while it ends; one that answers requests.
cat >/etc/systemd/system/late.service <<EOF
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/job/hog name=late anon=100
MemoryMax=30M
MemorySwapMax=0
EOF
cat >/etc/systemd/system/webhook.socket <<EOF
[Socket]
ListenStream=127.0.0.1:8080
Accept=yes
EOF
cat >/etc/systemd/system/webhook@.service <<EOF
[Service]
StandardInput=socket
StandardOutput=socket
ExecStart=/job/answer.sh
EOF

# 1. Installed.
check "dpkg installs it" 0 "Setting up oomwitness" dpkg -i /job/oomwitness.deb
check "it is enabled" 0 "enabled" systemctl is-enabled $UNIT
check "it is active" 0 "active" systemctl is-active $UNIT
check "it has said itself that it is ready" 0 "watching: trace, pressure" field StatusText
figure "start to READY, ms" "$(start_milliseconds)"
check "systemd-analyze verify has nothing to say" 0 "" verified
check "systemd-analyze security gives 3.0 at most" 0 "" systemd-analyze security --no-pager --threshold=30 $UNIT
figure "systemd-analyze security" "$(systemd-analyze security --no-pager $UNIT 2>/dev/null | grep -o '[0-9.]* OK')"
check "never chosen by the kernel" 0 "-1000" cat "/proc/$(main_pid)/oom_score_adj"
check "bounded in memory" 0 "134217728" cat "$GROUP/memory.max"
check "protected in memory" 0 "33554432" cat "$GROUP/memory.min"
check "watched over" 0 "4min" field WatchdogUSec
check "it is no root" 0 "a dynamic user" user
check "it has the rights of its unit, and hands none on" 0 "$RIGHTS" rights
figure "rights of its threads" "$(thread_rights)"

# 2. What it sees by.
check "it has the highest rung" 0 "$RUNG" rung
check "no rung was refused" 0 "0" refused_rungs

# 3. Kills.
die first
check "a kill is told in the file" 0 "1" once first
check "it names the unit" 0 '"systemd_unit":"first.service"' line first
check "it was seen as it happened" 0 "\"source\":\"$RUNG\"" line first
check "root reads the history" 0 "first" history_with first
check "nobody else does, and is told so" 1 "permission denied" as nobody oomwitness history list
figure "RSS, KiB" "$(resident)"
figure "memory of its control group, KiB" $(($(cat "$GROUP/memory.current") / 1024))

write_config "$SINKS"
systemctl start webhook.socket
before=$(main_pid)
check "a changed configuration is taken by reload" 0 "" systemctl reload $UNIT
await 60 test -S $SOCKET
check "reload starts no other daemon" 0 "$before" main_pid
die second
check "a new sink has what happens" 0 "1" entries_with MESSAGE_ID=$KILLED OOMWITNESS_VICTIM_COMM=second
check "journald shows nobody's word but root's in another's unit" 0 "0" entries -u second.service MESSAGE_ID=$KILLED
check "metrics count it" 0 'oomwitness_kills_total{scope="memcg"} 2' metrics
check "curl(1) tells it from within the unit" 0 "second" in_file second /run/webhook.bodies
check "the file goes on" 0 "1" once second

# 4. All of the system's memory; and what dies in its own group.
systemd-run --quiet --unit flood /job/hog name=flood anon=700 anon=700
await 90 died flood
check "a kill of the whole system is told" 0 "1" once flood
check "by its scope" 0 '"scope":"system"' line flood
check "its teller is the same as before" 0 "$before" main_pid
systemd-run --quiet --unit=child /job/hog join=$GROUP name=child anon=300
check "what dies in its own group is told" 0 "1" once child
sleep 2
check "and is not the end of it" 0 "$before" main_pid

# 5. Configuration, signals and time.
echo "sink: []" >$CONFIG
check "a broken configuration is read at reload" 0 "" systemctl reload $UNIT
check "it says what is wrong" 0 "unknown key 'sink'; did you mean 'sinks'?" said "unknown key 'sink'"
check "and what it does" 0 "the configuration is as it was" said "the configuration is as it was"
die third
check "what was before goes on" 0 "1" once third
check "it does not start with a broken configuration" 1 "" systemctl restart $UNIT
sleep 4
check "nor is it tried again" 0 "failed 64 0" state
die fourth
write_config "$SINKS"
drop_in /run/systemd/system test "RestartSec=5s" "WatchdogSec=6s"
check "mended, it starts" 0 "" systemctl start $UNIT
check "what died meanwhile is told" 0 "1" once fourth
check "from the kernel's log" 0 '"source":"kmsg"' line fourth

before=$(main_pid)
systemctl kill -s KILL $UNIT
die fifth
check "killed, it is started again" 0 "" await 60 is_another "$before"
check "what died meanwhile is told, too" 0 "1" once fifth
check "nothing is told twice" 0 "1 1 1 1 1 1 1" each_told first second flood child third fourth fifth
before=$(main_pid)
kill -STOP "$before"
check "one that stands still is started again" 0 "" await 90 is_another "$before"
check "since its watchdog is not fed" 0 "Watchdog timeout" entries_text -u $UNIT
rm -r /run/systemd/system/$UNIT.d

# 6. The drop-ins.
shipped root
check "root.conf: it starts" 0 "" systemctl restart $UNIT
check "root.conf: as root" 0 "root" user
check "root.conf: it has the rights of its unit" 0 "$RIGHTS" rights
check "root.conf: the highest rung" 0 "$RUNG" rung
check "root.conf: what was kept is there" 0 "first" history_with first
die sixth
check "root.conf: the victim's own unit has it" 0 "1" entries_with -u sixth.service MESSAGE_ID=$KILLED
check "root.conf: with its fields" 0 "OOMWITNESS_VICTIM_UNIT=sixth.service" entries_text -u sixth.service MESSAGE_ID=$KILLED -o verbose
figure "root.conf: journalctl -u" "$(entries_text -u sixth.service MESSAGE_ID=$KILLED -o cat)"

useradd --system --user-group oomwitness
useradd --groups oomwitness reader
shipped reader
check "reader.conf: it starts" 0 "" systemctl restart $UNIT
check "reader.conf: the highest rung" 0 "$RUNG" rung
check "reader.conf: a reader has the history" 0 "sixth" as reader oomwitness history list
check "reader.conf: and the file" 0 "oomwitness.v1" as reader tail -1 $EVENTS
check "reader.conf: and the metrics" 0 "oomwitness_kills_total" as reader curl -sS --unix-socket $SOCKET http://x/metrics
check "reader.conf: others have nothing" 1 "permission denied" as nobody oomwitness history list
# A user of the unit's name would be taken by systemd, and a group without one is in its way.
systemctl stop $UNIT
userdel reader
userdel oomwitness

shipped
for name in leak ward; do
  systemd-run --quiet --unit $name -p MemoryMax=200M -p MemorySwapMax=0 /job/hog name=$name ready=/run/$name.ready go=/run/leak.go anon=190
  await 60 test -e /run/$name.ready
done
printf 'rules:\n  - match: {comm: ward}\n    oom_score_adj: -500\n' >/etc/oomwitness/protect.yaml
write_config "$SINKS" "guard: {cgroup: /system.slice/leak.service, memory: '50,40'}" "protect: {rules: /etc/oomwitness/protect.yaml, poll: 1}"
check "a guard without its drop-in" 1 "" systemctl restart $UNIT
check "is not possible, and not tried again" 0 "failed 2 0" state
check "and says why" 0 "may not be signalled: operation not permitted (needs root, or CAP_KILL" said "may not be signalled"
shipped guard
check "guard.conf: it starts" 0 "" systemctl restart $UNIT
check "protection without its drop-in says what it cannot" 0 "permission denied (needs root" in_file "permission denied (needs root" $EVENTS
shipped guard protect
check "protect.conf: it starts" 0 "" systemctl restart $UNIT
check "protect.conf: it sets another's score" 0 "" await 60 has_score ward -500
check "protect.conf: root takes it back" 0 "-500 -> 0" oomwitness protect revert
touch /run/leak.go
check "guard.conf: it acts" 0 '"threshold":{"cause":"memory"' action leak
check "guard.conf: before the kernel has to" 0 "0" told leak

# 7. The same package again, and the service as it was.
shipped
rmdir $DROP_INS
write_config "$SINKS"
before=$(main_pid)
check "dpkg takes the package again" 0 "Setting up oomwitness" dpkg -i /job/oomwitness.deb
check "another daemon runs then" 0 "" is_another "$before"
check "as a dynamic user again" 0 "a dynamic user" user
check "the history is as it was" 0 "first" history_with first
check "the configuration is as it was" 0 "late" cat $CONFIG

systemctl start late.service
