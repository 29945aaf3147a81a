# SPDX-License-Identifier: Apache-2.0
# What: the tracer is in a container itself, with the rights and mounts of deploy/kubernetes/daemonset.yaml and no more; on cgroup v2 it has a
# cgroup namespace of its own, from which the paths of all others begin elsewhere. It tells the kill in a pod as from outside.
# As in pod.sh, who asks may be killed as well.
# boot: memcg
# cgroups: 1 2
# needs: runc
# expect: kills=1+ scope=MEMCG victims=till,... limit=/kubepods/burstable/pod8f3c2a1e-5b7d-4c60-9a42-d1e0c9b8a7f6 owner=shop/cart-0/web,... trigger_owner=shop/cart-0/job

. /guest/pods.sh

run() {
  pod cgroupfs 96
  container web $WEB -1 0 /bin/hog name=till anon=72 ready=/run/till
  ready till
  container job $JOB -1 0 /bin/hog name=clerk anon=32
  kills 1
}

# trace N|all FILE: in place of the frame's.
trace() {
  bundle=/run/witness
  mkdir -p $bundle/rootfs/proc $bundle/rootfs/sys $bundle/rootfs/run/containerd $bundle/rootfs/dev
  cp /bin/oomwitness $bundle/rootfs/oomwitness
  namespaces='{"type": "mount"}, {"type": "uts"}, {"type": "ipc"}'
  [ "$CGROUP" = 1 ] || namespaces="$namespaces, {\"type\": \"cgroup\"}"
  # What older kernels want beside those of the manifest is said in deploy/README.md.
  case $(uname -r) in
    5.*) more=', "CAP_SYS_RESOURCE"' ;;
    *) more= ;;
  esac
  # Debian's kernels give perf events, and kprobes with them, to CAP_SYS_ADMIN alone: kernel.perf_event_paranoid is 3.
  [ "$RUNG" != kprobe ] || more="$more, \"CAP_SYS_ADMIN\""
  rights="[\"CAP_BPF\", \"CAP_PERFMON\", \"CAP_SYS_PTRACE\", \"CAP_DAC_READ_SEARCH\", \"CAP_IPC_LOCK\", \"CAP_SYSLOG\"$more]"
  cat >$bundle/config.json <<END
{"ociVersion": "1.0.2",
 "process": {"terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/"], "oomScoreAdj": -997, "noNewPrivileges": true,
  "args": ["/oomwitness", "trace", "--output", "ndjson", "--candidates", "$1", "--probe", "$RUNG"],
  "capabilities": {"bounding": $rights, "effective": $rights, "permitted": $rights}},
 "root": {"path": "rootfs"},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
  {"destination": "/sys/fs/cgroup", "type": "bind", "source": "/sys/fs/cgroup", "options": ["rbind", "ro"]},
  {"destination": "/run/containerd", "type": "bind", "source": "/run/containerd", "options": ["rbind", "ro", "rslave"]}],
 "linux": {"cgroupsPath": "/witness", "namespaces": [$namespaces]}}
END
  mkdir -p /run/containerd
  runc --root /run/runc run --no-pivot --bundle $bundle witness >"$2" 2>>"$R/trace.err" </dev/null &
  TRACER=$!
  until_ tracer_has_begun "$2" || echo "tracer_start=never" >>"$R/facts"
}
