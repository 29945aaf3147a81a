# SPDX-License-Identifier: Apache-2.0
# What: as the kubelet has it on cgroup v2 since 1.28: memory.oom.group of each container. The limit is the pod's, and all of the container
# that has the victim dies, its shell too; the other container lives.
# boot: memcg
# cgroups: 2
# needs: runc
# expect: kills=3 scope=MEMCG victims=till,sh,till limit=/kubepods/burstable/pod8f3c2a1e-5b7d-4c60-9a42-d1e0c9b8a7f6 group=/kubepods/burstable/pod8f3c2a1e-5b7d-4c60-9a42-d1e0c9b8a7f6/1111111111111111111111111111111111111111111111111111111111111111 owner=shop/cart-0/web

. /guest/pods.sh

run() {
  pod cgroupfs 64
  container job $JOB -1 1 /bin/hog name=clerk anon=10 ready=/run/clerk
  ready clerk
  container web $WEB -1 1 /bin/sh -c "/bin/hog name=till anon=80; exec /bin/hog name=after"
  kills 3
}
