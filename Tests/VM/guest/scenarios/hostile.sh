# SPDX-License-Identifier: Apache-2.0
# What: names made to break readers: quotes, escape sequences, bytes that are no UTF-8, pieces of JSON and of the kernel's own lines, in
# control groups, comms and arguments.
# boot: memcg
# cgroups: 1 2
# expect: kills=3 scope=MEMCG victims=a"\x2cpid=1\x0a\x1b[31m\xff,{"pid":,)\x2ctask=init\x5c\x09 limit=/q"q,task_memcg=,fake,task=init,pid=1,uid=0

run() {
  outer=$(printf 'q"q,task_memcg=,fake,task=init,pid=1,uid=0')
  inner=$(printf '\033[2J\377\376{"a":1}\\n "')
  group "$outer" 32
  group "$outer/$inner"
  victim 61222c7069643d310a1b5b33316dff 1 && # a",pid=1 newline ESC[31m 0xff
    victim 7b22706964223a 2 &&               # {"pid":
    victim 292c7461736b3d696e69745c09 3      # ),task=init\ tab
}

victim() {
  hog "join=$G/$outer/$inner" comm=$1 anon=40 -- "$(printf 'x\ny\t\033]0;t\007\302\240\300\200')" '"},{"type":"oom_kill"' ''
  kills $2
}
