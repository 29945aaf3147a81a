# SPDX-License-Identifier: Apache-2.0
"""The size of the binary that is installed."""

import os
import shutil
import subprocess

from tables import Section, verdict

AIM_MEGABYTES = 20


def libraries(path):
    """Bytes of the shared libraries that it loads, and how many they are."""
    told = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    paths = {os.path.realpath(word) for word in told.split() if word.startswith("/")}
    return sum(os.path.getsize(path) for path in paths), len(paths)


def measure(options):
    section = Section("Size", "The stripped binary, and the shared libraries that the loader brings (ldd), in megabytes of 10^6 bytes.")
    rows = []
    for name in (options.binary, "bpftrace", "dmesg"):
        path = shutil.which(name)
        if path:
            size, count = libraries(path)
            rows.append([os.path.basename(name), os.path.getsize(os.path.realpath(path)) / 1e6, size / 1e6, count])
    section.table(["program", "binary MB", "libraries MB", "libraries"], rows)
    section.say(f"Aim: under {AIM_MEGABYTES} MB: {verdict(rows[0][1], AIM_MEGABYTES)}.")
    return section
