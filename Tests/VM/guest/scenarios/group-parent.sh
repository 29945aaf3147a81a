# SPDX-License-Identifier: Apache-2.0
# What: memory.oom.group is set on the parent, as Kubernetes does it for a pod; the limit is there too, the processes are in its children.
# boot: memcg
# cgroups: 2
# expect: kills=3 scope=MEMCG limit=/pod group=/pod

run() {
  group pod 48
  group pod/app
  group pod/sidecar
  echo 1 >$G/pod/memory.oom.group
  hog join=$G/pod/sidecar name=sidecar anon=4 ready=/run/sidecar
  ready sidecar
  hog join=$G/pod/app name=app anon=60
  kills 3
}
