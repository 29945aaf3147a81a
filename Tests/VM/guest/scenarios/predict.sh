# SPDX-License-Identifier: Apache-2.0
# What: over forty random situations, each from its seed: three to six processes in three groups below a limit, of random size (a quarter
# as large as the one before), oom_score_adj and kind: shared pages, a dead first thread, a sharer of the memory; some with swap, some
# with memory.oom.group. `oomwitness next` says who will be killed; then an unkillable process grows until the limit is hit, or (v2,
# odd seeds) the limit is written below what is in use. The kernel's choice is compared by predictions.py; and so are, of every fifth,
# the first of `oomwitness scores` where BPF ranks them, and where all processes are read.
# boot: memcg
# cgroups: 1 2
# expect: kills=40+ scope=MEMCG

SITUATIONS=50 # of the ten with swap some are over the edge before anybody is asked: it is written more slowly than memory is taken

setup() {
  swapon /dev/vda
}

run() {
  # There is no program to ask where the scenarios are run without a tracer.
  [ -x /bin/oomwitness ] || SITUATIONS=0
  seed=1
  while [ $seed -le $SITUATIONS ]; do
    echo "predict: seed $seed"
    situation $seed
    seed=$((seed + 1))
  done
}

teardown() {
  swapoff /dev/vda
}

# Lines `DIRECTORY ADJ MIB KIND`, the same for the same seed.
plan() {
  awk -v seed="$1" 'BEGIN {
    srand(seed)
    count = 3 + int(rand() * 4)
    split("0 0 0 0 100 300 -100 -300 500 -500 999 -999 -1000 0", adj, " ")
    split("a b c", groups, " ")
    split("plain plain plain shmem leaderless sharer", kinds, " ")
    for (i = 1; i <= count; i++) {
      size = i > 1 && rand() < 0.25 ? size : 2 + int(rand() * 13)
      print groups[1 + int(rand() * 3)], i == 1 ? 0 : adj[1 + int(rand() * 14)], size, kinds[1 + int(rand() * 6)]
    }
  }'
}

situation() {
  top=s$1
  FIRST=$(kill_count)
  plan "$1" >/run/plan
  group $top
  for child in a b c; do
    group $top/$child
  done
  total=0
  while read -r directory adj size kind; do
    total=$((total + size))
  done </run/plan
  make_limits "$1"
  number=0
  while read -r directory adj size kind; do
    number=$((number + 1))
    name=$top-$number
    start_one
    ready $name
  done </run/plan
  [ "$CGROUP" = 1 ] || [ $(($1 % 7)) != 3 ] || echo 1 >$G/$top/a/memory.oom.group
  [ "$(kill_count)" != "$FIRST" ] || push "$1"
  kill_hogs
  HOGS=
  until_ is_removed $G/$top
  rm -f /run/$top-* /run/plan
}

# Every fifth has less memory than its processes need, and swap for the rest.
make_limits() {
  most=$((total + 12))
  if [ $(($1 % 5)) = 0 ]; then
    most=$((total * 4 / 5 + 6))
    swap=$total
  else
    swap=0
  fi
  limit $top $most
  if [ "$CGROUP" = 2 ]; then
    echo ${swap}M >$G/$top/memory.swap.max
  else
    echo $((most + swap))M >$G/$top/memory.memsw.limit_in_bytes
  fi
}

start_one() {
  case $kind in
    plain) hog join=$G/$top/$directory name=$name adj=$adj anon=$size ready=/run/$name ;;
    shmem) hog join=$G/$top/$directory name=$name adj=$adj anon=$((size - 1)) shmem=1 ready=/run/$name ;;
    leaderless) hog join=$G/$top/$directory name=$name adj=$adj leaderless anon=$size ready=/run/$name ;;
    sharer) hog join=$G/$top/$directory name=$name adj=$adj anon=$size sharer=${name}x ready=/run/$name ;;
  esac
}

push() {
  if [ $(($1 % 5)) = 1 ]; then
    /bin/oomwitness scores --top 4 --output ndjson >"$R/ranked.$1"
    /bin/oomwitness scores --top 4 --filter '*' --output ndjson >"$R/read.$1"
  fi
  if [ "$CGROUP" = 2 ] && [ $(($1 % 2)) = 1 ] && [ $swap = 0 ]; then
    less=$((total / 2))
    /bin/oomwitness next --limit /$top=${less}M --depth 9 --candidates all --output json >"$R/next.$1.json"
    limit $top $less
  else
    /bin/oomwitness next --cgroup /$top --depth 9 --candidates all --output json >"$R/next.$1.json"
    hog join=$G/$top/c name=$top-push adj=-1000 anon=$((most + swap - total + 2))
  fi
  await $((FIRST + 1)) 60
  usleep 300000
}

is_removed() {
  rmdir "$1"/a "$1"/b "$1"/c "$1" 2>/dev/null
  ! [ -d "$1" ]
}
