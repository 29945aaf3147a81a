#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs in the guest of service.sh once it has come up again: the service was started by the boot.
. /job/checks.sh
. /job/service_checks.sh
COLLECTED=/run/collected

# since_boot UNIT: microseconds until it was active.
since_boot() { systemctl show -p ActiveEnterTimestampMonotonic --value "$1"; }
is_before() { [ "$(since_boot $UNIT)" -gt 0 ] && [ "$(since_boot $UNIT)" -lt "$(since_boot "$1")" ]; }
boots() { lines | grep '"type":"stream_start"' | grep -o '"boot_id":"[^"]*"' | sort -u; }
count_boots() { boots | wc -l; }
last_of_first_boot() { lines | grep -v "$(cat /proc/sys/kernel/random/boot_id)" | tail -1; }
collected() { grep -c "\"victim\":{[^{}]*\"comm\":\"$1\"" $COLLECTED; }
is_collected() { [ "$(collected "$1")" -gt 0 ]; }
each_collected() {
  local name
  await 60 is_collected last
  for name; do collected "$name"; done | tr '\n' ' ' | sed 's/ $//'
}
# What has its name, without the scripts of this guest and systemd's own book-keeping.
left() { find / /run -xdev -name '*oomwitness*' -not -path '/job/*' -not -path '/run/systemd/*'; }
count_left() { left | wc -l; }

check "it was started by the boot" 0 "active" systemctl is-active $UNIT
check "before sysinit.target" 0 "" is_before sysinit.target
check "before basic.target" 0 "" is_before basic.target
check "no cycle of orders was broken" 0 "0" entries -b _PID=1 -g "ordering cycle"
figure "READY, ms since boot" $(($(since_boot $UNIT) / 1000))
figure "sysinit.target, ms since boot" $(($(since_boot sysinit.target) / 1000))
figure "start to READY, ms" "$(start_milliseconds)"
check "as a dynamic user" 0 "a dynamic user" user
check "by the highest rung" 0 "$RUNG" rung
check "the file has both boots" 0 "2" count_boots
check "what died while the host went down was seen" 0 "\"source\":\"$RUNG\"" line late
check "the stream of that boot has its end" 0 '"type":"stream_end"' last_of_first_boot
check "the history has what was before" 0 "first" history_with first
die last
check "and what is now" 0 "last" history_with last
check "nothing is told twice" 0 "1 1 1 1" each_told first fifth late last

# A collector that was never there until now.
cat >/etc/systemd/system/collector.socket <<EOF
[Socket]
ListenStream=/run/collector.sock
Accept=yes
EOF
cat >/etc/systemd/system/collector@.service <<EOF
[Service]
StandardInput=socket
StandardOutput=append:$COLLECTED
ExecStart=/bin/cat
EOF
touch $COLLECTED
systemctl start collector.socket
check "what a sink has missed over both boots it has now, once" 0 "1 1 1 1 1" each_collected second flood fifth late last

touch /etc/oomwitness/mine
check "dpkg removes it" 0 "Removing oomwitness" dpkg --remove oomwitness
check "nothing of it runs" 3 "inactive" systemctl is-active $UNIT
check "what it has kept is there" 0 "last" line last
check "dpkg purges it" 0 "Purging configuration files" dpkg --purge oomwitness
check "what is left is the administrator's" 0 "/etc/oomwitness" left
check "nothing else is" 0 "1" count_left
check "no user is left" 2 "" getent passwd oomwitness
check "systemd knows it no more" 0 "not-found" systemctl show -p LoadState --value $UNIT
