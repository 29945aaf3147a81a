# SPDX-License-Identifier: Apache-2.0
# What: the same two containers with paths as of the systemd driver; the limit is of one alone, whose pid 1 lives on when its child is killed.
# boot: memcg
# cgroups: 1 2
# needs: runc
# expect: kills=1 scope=MEMCG victims=till limit=/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8f3c2a1e_5b7d_4c60_9a42_d1e0c9b8a7f6.slice/cri-containerd-1111111111111111111111111111111111111111111111111111111111111111.scope owner=shop/cart-0/web limit_owner=shop/cart-0/web

. /guest/pods.sh

run() {
  pod systemd 256
  container job $JOB -1 0 /bin/hog name=clerk anon=30 ready=/run/clerk
  ready clerk
  container web $WEB 50331648 0 /bin/sh -c "/bin/hog name=till anon=60; exec /bin/hog name=after"
  kills 1
}
