# SPDX-License-Identifier: Apache-2.0
# What: the machine itself is out of memory, with a spread of other processes to consider.
# boot: system
# cgroups: 1 2
# expect: kills=1 scope=NONE victims=till

run() {
  group shop
  hog name=shelf anon=20 ready=/run/shelf
  hog name=lamp adj=-300 uid=1000 anon=60 ready=/run/lamp
  ready shelf lamp
  hog join=$G/shop name=till anon=2000
  kills 1
}
