#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# First process of the guest in which the guard is looked at where it counts: memory of the machine, of a control group of version 2,
# and stalls of both. What the guard says goes to NAME.out of the second disk, and what the kernel says to NAME.facts.
. /guest/mounts.sh
CGROUP=2

mount_all
echo "1 4 1 7" >/proc/sys/kernel/printk
echo 1 >/proc/sys/vm/overcommit_memory
echo -1000 >/proc/self/oom_score_adj
for module in /modules/*.ko; do
  insmod "$module" || echo "init: $module was refused"
done
mkswap /dev/vda >/dev/null
ln -s /dev/vdc /cache.img
R=/results

# begin NAME MEBIBYTES FILE VALUE OPTIONS...: a group with this setting, a bystander outside of so many, and the guard.
begin() {
  name=$1 size=$2 file=$3 value=$4
  shift 4
  echo "init: $name"
  kills=$(awk '/^oom_kill / { print $2 }' /proc/vmstat)
  mkdir $G/box
  echo "$value" >$G/box/$file
  hog anon=$size name=bystander ready=/run/there &
  BYSTANDER=$!
  until [ -e /run/there ]; do usleep 50000; done
  oomwitness guard --output ndjson "$@" >$R/$name.out 2>$R/$name.err &
  GUARD=$!
  sleep 1
}

# inside COMMAND...: in the group.
inside() { sh -c 'echo $$ >'$G'/box/cgroup.procs; exec "$@"' inside "$@"; }

# end: what is left, then all goes.
end() {
  usleep 300000
  lives=false
  [ -d /proc/$BYSTANDER ] && grep -q '^State:.*[SDR] ' /proc/$BYSTANDER/status && lives=true
  kill $GUARD
  wait $GUARD
  status=$?
  after=$(awk '/^oom_kill / { print $2 }' /proc/vmstat)
  peak=$(cat $G/box/memory.peak 2>/dev/null)
  echo "{\"kernel\":$((after - kills)),\"bystander\":$lives,\"status\":$status,\"peak\":${peak:-0}}" >$R/$name.facts
  kill -9 $BYSTANDER
  wait
  rm -f /run/there
  rmdir $G/box
}

begin system 40 memory.max max -m 10,5
load leak 10 30 30 >/dev/null
end

begin deaf 40 memory.max max -m 10,1 --grace 0.3
load deaf 10 30 30 >/dev/null
end

# The bystander is larger than the group, and nobody of the group's.
begin limit 120 memory.max 96M --cgroup /box -m 20,5
inside load leak 10 30 5 >/dev/null
end

begin cache 120 memory.max 48M --cgroup /box -m 20,5
inside timeout 4 dd if=/cache.img of=/dev/null bs=1M
end

swapon /dev/vda
begin stall-system 40 memory.max 64M -m 0.01,0 -s 0.01,0 --pressure-full 10 --pressure-seconds 1
inside load churn 10 40 40 >/dev/null
end

begin stall-group 120 memory.high 48M --cgroup /box -m 0.01,0 -s 0.01,0 --pressure-some 10 --pressure-seconds 1
inside load churn 10 40 40 >/dev/null
end

tar -c -f /dev/vdb -C $R . && sync
echo "init: all scenarios have ended"
poweroff -f
