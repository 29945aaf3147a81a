#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs in the guest once systemd has come up: the load is a unit below work.slice, and the guards are units too. systemd-oomd has the
# shortest time that it takes, and a limit of stalls far below its default of 60 %: it watches the slice, whose units it ends whole.
. /job/rows.sh
. /job/settings
RESULTS=/run/results

say() { echo "$1" >/dev/ttyS0; }

start_guard() {
  case $1 in
    oomwitness)
      systemd-run --quiet --unit=guard -p OOMScoreAdjust=-1000 -p StandardOutput=file:/run/guard.out \
        oomwitness guard -m 10,5 -s 10,5 --output ndjson
      UNIT=guard.service
      ;;
    systemd-oomd)
      systemctl start systemd-oomd
      UNIT=systemd-oomd.service
      ;;
    none)
      systemd-run --quiet --unit=guard sleep 1000
      UNIT=guard.service
      ;;
  esac
  GUARD=$(systemctl show -p MainPID --value $UNIT)
  SINCE=$(date +%s)
}

stop_guard() {
  systemctl stop $UNIT load.service 2>/dev/null
  [ $1 = oomwitness ] || journalctl -q -u $UNIT --since=@$SINCE >/run/guard.out
  systemctl reset-failed 2>/dev/null
}

# A unit with a sleeper in it, which the load joins: its onlooker stays outside.
make_group() {
  systemd-run --quiet --unit=load --slice=work.slice -p OOMPolicy=continue sleep 1000
  GROUP=/sys/fs/cgroup/work.slice/load.service
}

mkdir -p $RESULTS /etc/systemd/oomd.conf.d
echo "1 4 1 7" >/proc/sys/kernel/printk
echo 1 >/proc/sys/vm/overcommit_memory
echo -1000 >/proc/self/oom_score_adj
for module in /modules/*.ko; do
  busybox insmod "$module" || say "init: $module was refused"
done
systemd-sysusers
# It has read its policies before the user of one of them was there, and would refuse systemd-oomd its name for 90 seconds.
systemctl reload dbus
cat >/etc/systemd/oomd.conf.d/fast.conf <<EOF
[OOM]
SwapUsedLimit=90%
DefaultMemoryPressureDurationSec=1s
EOF
cat >/etc/systemd/system/work.slice <<EOF
[Slice]
ManagedOOMSwap=kill
ManagedOOMMemoryPressure=kill
ManagedOOMMemoryPressureLimit=5%
EOF
systemctl daemon-reload
systemctl start work.slice
if [ "$SWAP" = yes ]; then
  mkswap /dev/vda >/dev/null
  swapon /dev/vda
fi
ln -s /dev/vdc /cache.img
trace_signals
rows
tar -c -f /dev/vdb -C $RESULTS . && sync
say "init: all scenarios have ended"
