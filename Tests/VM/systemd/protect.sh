#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs in the guest once systemd has come up: `oomwitness protect` against a systemd that is there.
. /job/checks.sh

RULES=/run/rules.yaml
DROP_IN=/etc/systemd/system/demo.service.d/50-oomwitness.conf

main_pid() { systemctl show -p MainPID --value demo; }
adj() { cat "/proc/$(main_pid)/oom_score_adj"; }
settings() { systemctl show -p OOMScoreAdjust,OOMPolicy demo | sort | tr '\n' ' '; }
restart() { systemctl restart demo; sleep 1; }
# A rule alone: `rule ADJ` for all of the unit.
rule() { printf 'rules:\n  - name: demo\n    match: {unit: demo.service}\n    oom_score_adj: %s\n' "$1" >$RULES; }
audit() { oomwitness protect audit --rules $RULES; }

cat >/etc/systemd/system/demo.service <<EOF
[Service]
ExecStart=/bin/sh -c 'sleep infinity & exec sleep infinity'
Restart=always
RestartSec=100ms
EOF
systemctl daemon-reload
systemctl start demo
sleep 1

check "the drop-in is shown" 0 "OOMScoreAdjust=-500" oomwitness protect systemd demo --oom-score-adj -500 --oom-policy continue
check "shown, it is not written" 1 "" test -e $DROP_IN
check "it is written, and systemd reads it" 0 "systemd has read its files again" \
  oomwitness protect systemd demo --oom-score-adj -500 --oom-policy continue --write --daemon-reload
check "systemd has taken it" 0 "OOMPolicy=continue OOMScoreAdjust=-500" settings
check "what runs is as it was" 0 "0" adj
restart
check "the next start has it" 0 "-500" adj

rule -500
check "what is declared, set and given by systemd agrees" 0 "all agrees" audit
oomwitness protect systemd demo --oom-score-adj -300 --write --daemon-reload >/dev/null
check "our own file is written anew" 0 "OOMScoreAdjust=-300" settings
check "systemd would give another value" 1 "demo.service starts with OOMScoreAdjust=-300" audit
oomwitness protect systemd demo --oom-score-adj -500 --write --daemon-reload >/dev/null
echo 7 >"/proc/$(main_pid)/oom_score_adj"
check "somebody set another value" 1 "has 7, rule 'demo' ($RULES:2) declares -500" audit
check "plan names the unit" 0 "demo.service" oomwitness protect plan --rules $RULES
check "apply sets the one that differs" 0 "7 -> -500" oomwitness protect apply --rules $RULES
check "then all agrees" 0 "all agrees" audit
rule 300
sed -i 's/demo.service/dem?.s*/' $RULES
check "apply sets all of the unit's group" 0 "2 set, 0 had their value already" oomwitness protect apply --rules $RULES
check "both have it" 0 "300 300" bash -c 'echo $(for pid in $(cat /sys/fs/cgroup/system.slice/demo.service/cgroup.procs); do cat /proc/$pid/oom_score_adj; done)'
check "revert takes it back, both changes at once" 0 "300 -> 7" oomwitness protect revert
check "it is what it was" 0 "7" adj

printf 'rules:\n  - match: {comm: demo-parent}\n    oom_score_adj: -400\n' >$RULES
cp /bin/bash /usr/local/bin/demo-parent
systemd-run --quiet --unit heirs -p OOMScoreAdjust=-400 /usr/local/bin/demo-parent -c 'sleep 1000; true'
sleep 1
check "a child has the value of a ruled parent" 1 "sleep (pid" audit

echo "# by hand" >$DROP_IN
check "a foreign file is left as it is" 1 "is not ours, and was left as it is" \
  oomwitness protect systemd demo --oom-score-adj -100 --write
check "its text is still there" 0 "# by hand" cat $DROP_IN
check "a service that is not there" 1 "systemd knows no nosuch.service; nothing was written" \
  oomwitness protect systemd nosuch --oom-score-adj -100 --write
check "no name of a service" 64 "is no name of a service" oomwitness protect systemd ../demo --oom-score-adj -100
rm $DROP_IN
systemctl daemon-reload

rule -600
oomwitness protect watch --rules $RULES --output ndjson --duration 20 >/run/watch.json 2>&1 &
sleep 8
kill -KILL "$(main_pid)"
sleep 2
check "watch sets what systemd starts again" 0 "-600" adj
check "watch says by what it saw it" 0 '"cause":"exec"' cat /run/watch.json
