# SPDX-License-Identifier: Apache-2.0
"""Memory pressure as it is watched by hand: used memory by psutil each ten seconds, and the five biggest processes."""

import sys
import time

import psutil

LEVELS = (("critical", 95), ("medium", 85), ("low", 70))


def look():
    used = psutil.virtual_memory().percent
    psutil.swap_memory()
    processes = sorted(psutil.process_iter(["pid", "name", "memory_percent"]),
                       key=lambda process: process.info["memory_percent"] or 0, reverse=True)
    return next((name for name, least in LEVELS if used >= least), "normal"), processes[:5]


print("watching", flush=True)
last = "normal"
while True:
    level, _ = look()
    if level != last:
        print(level, flush=True)
    last = level
    time.sleep(float(sys.argv[1]))
