# SPDX-License-Identifier: Apache-2.0
# What: two containers of a pod, and the limit is the pod's: the one that asks is not the one that is killed. Paths as of the cgroupfs driver.
# Who asks may be killed as well: a victim whose last thread exits is no longer seen by the scan of a memory cgroup, and its memory is given
# back only after that (seen on 7.2, 25 ms later). Kernel: kernel/cgroup/cgroup.c, css_task_iter_advance().
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
