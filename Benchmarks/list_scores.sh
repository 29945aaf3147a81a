#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One pass of the guide's loop, in our words and with its work: three cats a process, sorted, the ten highest.
set -u
of() { cat "/proc/$1/$2" 2>/dev/null || echo "$3"; }
ps -eo pid --no-headers | while read -r pid; do
  [ -f "/proc/$pid/oom_score" ] || continue
  echo "$(of "$pid" oom_score 0) $(of "$pid" oom_score_adj 0) $pid $(of "$pid" comm unknown)"
done | sort -rn | head -n 10
