# SPDX-License-Identifier: Apache-2.0
"""The guide's analyser of a kernel log, in our words and with its work: the whole text is read and split into lines, each line is
searched for the sentence of a choice as kernels up to 5.0 print it, and after one for the kill; kills are told one by one,
then by name. It reads a file here where the guide has `dmesg`.
"""

import re
import sys
from collections import Counter

CHOICE = re.compile(r"\[([\d.]+)\].*Out of memory: Kill process (\d+) \(([^)]+)\) score (\d+)")
KILL = re.compile(r"Killed process \d+ \([^)]+\) total-vm:(\d+)kB, anon-rss:(\d+)kB, file-rss:(\d+)kB")


def read(text):
    kills, choice = [], None
    for line in text.split("\n"):
        match = CHOICE.search(line)
        if match:
            choice = match
            continue
        if choice and (match := KILL.search(line)):
            kills.append((float(choice[1]), int(choice[2]), choice[3], int(choice[4]), *map(int, match.groups())))
            choice = None
    return kills


def main():
    with open(sys.argv[1], errors="replace") as file:
        kills = read(file.read())
    for time, pid, name, score, *sizes in kills:
        print(f"{time:.6f} {name} (PID: {pid}) score {score}", *(f"{size / 1024:.1f} MB" for size in sizes))
    for name, count in Counter(kill[2] for kill in kills).most_common():
        print(f"{name}: {count}")


main()
