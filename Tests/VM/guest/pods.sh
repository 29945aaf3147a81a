# SPDX-License-Identifier: Apache-2.0
# Words for scenarios of containers: real ones, by Debian's runc from an OCI bundle where containerd keeps it, with the annotations that its
# CRI plugin writes. There is no containerd and no kubelet: what they leave on a node is made here. A scenario includes this file.
# Source: containerd, pkg/cri/annotations/annotations.go, pkg/cri/server/container_create.go; runtime-spec, config-linux.md.

POD_UID=8f3c2a1e-5b7d-4c60-9a42-d1e0c9b8a7f6
BUNDLES=/run/containerd/io.containerd.runtime.v2.task/k8s.io
WEB=1111111111111111111111111111111111111111111111111111111111111111
JOB=2222222222222222222222222222222222222222222222222222222222222222

# pod STYLE [MIB]: the cgroup of a Burstable pod as the kubelet makes it with this driver, cgroupfs or systemd.
pod() {
  STYLE=$1
  case $STYLE in
    cgroupfs) POD=kubepods/burstable/pod$POD_UID ;;
    systemd) POD=kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$(echo $POD_UID | tr - _).slice ;;
  esac
  group "${POD%%/*}"
  group "${POD%/*}"
  group "$POD" "$2"
}

# member ID: the cgroup of a container of the pod.
member() {
  case $STYLE in
    cgroupfs) echo "$POD/$1" ;;
    systemd) echo "$POD/cri-containerd-$1.scope" ;;
  esac
}

# container NAME ID BYTES|-1 OOM_GROUP COMMAND...: runs it, with a limit of its own or none. COMMAND is /bin/hog or /bin/sh, as pid 1.
container() {
  name=$1 id=$2 bytes=$3 oom_group=$4
  shift 4
  bundle=$BUNDLES/$id
  mkdir -p $bundle/rootfs/bin $bundle/rootfs/proc $bundle/rootfs/run $bundle/rootfs/dev
  cp /bin/busybox /bin/hog $bundle/rootfs/bin
  ln -s busybox $bundle/rootfs/bin/sh
  arguments=
  for word; do arguments="$arguments, \"$word\""; done
  namespaces='{"type": "mount"}, {"type": "pid"}'
  unified=
  # On v2 containerd gives each container a cgroup namespace; the kubelet sets memory.oom.group since 1.28.
  if [ "$CGROUP" = 2 ]; then
    namespaces="$namespaces, {\"type\": \"cgroup\"}"
    unified=", \"unified\": {\"memory.oom.group\": \"$oom_group\"}"
  fi
  cat >$bundle/config.json <<END
{"ociVersion": "1.0.2",
 "process": {"terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "args": [${arguments#, }], "oomScoreAdj": 0},
 "root": {"path": "rootfs"},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/run", "type": "bind", "source": "/run", "options": ["bind", "rw"]}],
 "annotations": {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.container-name": "$name",
  "io.kubernetes.cri.sandbox-name": "cart-0", "io.kubernetes.cri.sandbox-namespace": "shop", "io.kubernetes.cri.sandbox-uid": "$POD_UID",
  "io.kubernetes.cri.sandbox-id": "3333333333333333333333333333333333333333333333333333333333333333",
  "io.kubernetes.cri.image-name": "registry.example/shop/$name:1"},
 "linux": {"cgroupsPath": "/$(member $id)", "namespaces": [$namespaces],
  "resources": {"memory": {"limit": $bytes}$unified}}}
END
  runc --root /run/runc run --detach --no-pivot --bundle $bundle $id >>"$R/runc" 2>&1 </dev/null || echo "runc=$?" >>"$R/facts"
}

# Devices: runc makes no container on cgroup v1 without that hierarchy.
setup() {
  [ "$CGROUP" = 2 ] || {
    mkdir -p /sys/fs/cgroup/devices
    mount -t cgroup -o devices devices /sys/fs/cgroup/devices
  }
}

teardown() {
  for id in $WEB $JOB; do runc --root /run/runc delete --force $id 2>/dev/null; done
  [ "$CGROUP" = 2 ] || {
    find /sys/fs/cgroup/devices -mindepth 1 -depth -type d -exec rmdir '{}' ';'
    umount /sys/fs/cgroup/devices
  }
}
