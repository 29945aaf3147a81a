# SPDX-License-Identifier: Apache-2.0
# What the scripts of the guests with systemd begin with. They print `passed NAME`, or `FAILED NAME` and what was seen, and
# `figure NAME: VALUE` for what is measured and not judged.

# check NAME STATUS TEXT COMMAND...: the command ends with the status and says the text, or, where that is a number, no more.
check() {
  local name=$1 status=$2 text=$3 said got
  shift 3
  said=$("$@" 2>&1)
  got=$?
  if [[ "$text" =~ ^-?[0-9]+$ ]] && [ "$said" != "$text" ]; then
    echo "FAILED $name: $said, not $text"
  elif [ $got = "$status" ] && [[ "$said" == *"$text"* ]]; then
    echo "passed $name"
  else
    echo "FAILED $name: status $got of $status, wanted '$text', said: ${said//$'\n'/ | }"
  fi
}

# await SECONDS COMMAND...: until the command is true; false where that takes longer.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.3
  done
}

echo "1 4 1 7" >/proc/sys/kernel/printk
