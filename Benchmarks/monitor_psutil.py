# SPDX-License-Identifier: Apache-2.0
"""So many rounds (1) of the guide's monitor, in our words and with its work: psutil lists the processes; of each the score and its
adjustment are read from /proc, name and resident memory by psutil; the ten highest above 50 are printed, and how full
the memory is.
"""

import sys

import psutil


def number(pid, name):
    with open(f"/proc/{pid}/{name}") as file:
        return int(file.read().strip())


def look(pid):
    try:
        score, adjustment = number(pid, "oom_score"), number(pid, "oom_score_adj")
        process = psutil.Process(pid)
        return score, adjustment, pid, process.name(), process.memory_info().rss / 2**20
    except (OSError, ValueError, psutil.Error):
        return None


def once():
    seen = [look(process.info["pid"]) for process in psutil.process_iter(["pid"])]
    above = [one for one in seen if one and one[0] > 50]
    for score, adjustment, pid, name, megabytes in sorted(above, key=lambda one: one[0], reverse=True)[:10]:
        print(f"{pid:6d} {name:15s} {score:10d} {adjustment:5d} {megabytes:11.1f}")
    memory = psutil.virtual_memory()
    print(f"{memory.percent:.1f}% of the memory is used, {memory.available / 2**30:.1f} GiB are left")


if __name__ == "__main__":
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        once()
