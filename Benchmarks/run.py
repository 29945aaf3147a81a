#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""oomwitness beside what people use for the same, in one run. Needs root; `make bench` calls it.

Prints the tables; --write puts them into docs/benchmarks.md as well. Progress goes to standard error.
"""

import argparse
import datetime
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import bpfcost
import containers
import daemon
import guard
import history
import latency
import log
import pressure
import quiet
import scores
import size
import storm
import vm

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
MEASURES = {
    "latency": latency.measure,
    "quiet": quiet.measure,
    "size": size.measure,
    "bpf": bpfcost.measure,
    "storm": storm.measure,
    "scores": scores.measure,
    "containers": containers.measure,
    "pressure": pressure.measure,
    "log": log.measure,
    "guard": guard.measure,
    "history": history.measure,
    "daemon": daemon.measure,
    "vm": vm.measure,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=MEASURES, help="this measure alone; may be repeated")
    parser.add_argument("--kills", type=int, default=100, help="kills of one run (100)")
    parser.add_argument("--storm", type=int, default=500, help="kills of the storm (500)")
    parser.add_argument("--quiet-seconds", type=int, default=60, help="how long wake-ups are counted (60)")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / ".build/release/oomwitness")
    parser.add_argument("--write", action="store_true", help=f"also write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write takes a whole run, not --only")
    return options


def stripped(binary, folder):
    """What `make install` installs: a copy, so that a build that runs meanwhile changes nothing."""
    copy = pathlib.Path(folder) / "oomwitness"
    shutil.copy2(binary, copy)
    if shutil.which("strip"):  # a guest has none, and gets what is stripped already
        subprocess.run(["strip", copy], check=True)
    return str(copy)


def promptly():
    """The driver's own wake-up is part of each figure: it comes before other work, and its children do not inherit that."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except PermissionError:
        print("bench: no right to SCHED_FIFO: on a busy host the figures hold the driver's own waiting", file=sys.stderr)


def said(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    return f"{os.cpu_count()} x {model}, {memory / 2**20:.1f} GiB"


def heading(began, load, seconds):
    commit = said("git", "rev-parse", "--short", "HEAD") or "unknown"
    if said("git", "status", "--porcelain"):
        commit += " with changes that are not committed"
    others = [said("dmesg", "--version"), said("bpftrace", "--version"), said("bpftool", "version").split("\n")[0], said("rg", "--version").split("\n")[0]]
    command = " ".join(["python3", "Benchmarks/run.py", *sys.argv[1:]])
    return f"""# Benchmarks

Written by a run of `make bench`; no figure in it was typed. A figure that misses its aim stands as it is.

| | |
|---|---|
| date | {began:%Y-%m-%d %H:%M} UTC |
| commit | {commit} |
| machine | {machine()} |
| kernel | {platform.release()} |
| load when it began | {load:.2f} (1 minute, {os.cpu_count()} processors) |
| beside | {", ".join(filter(None, others))} |
| command | `{command}` |
| took | {seconds:.0f} s |
"""


def main():
    options = arguments()
    options.progress = lambda text: print(f"bench: {text}", file=sys.stderr, flush=True)
    if os.geteuid() != 0:
        sys.exit("bench: needs root: it kills processes for memory and loads BPF programs")
    if not options.binary.exists():
        sys.exit(f"bench: {options.binary} is missing; run make")
    promptly()
    date, load = datetime.datetime.now(datetime.timezone.utc), os.getloadavg()[0]
    began, failed = time.monotonic(), 0
    sections = []
    with tempfile.TemporaryDirectory(prefix="oomwitness-bench-") as folder:
        options.folder = folder
        options.binary = stripped(options.binary, folder)
        for name in options.only or MEASURES:
            options.progress(name)
            try:
                sections.append(MEASURES[name](options).text())
            except Exception as error:  # one measure that is not possible here must not hide the others
                failed += 1
                sections.append(f"## {name}\n\nNot measured: {type(error).__name__}: {error}\n")
                options.progress(f"{name} failed: {error!r}")
            print(sections[-1], flush=True)
    page = heading(date, load, time.monotonic() - began) + "\n" + "\n".join(sections)
    if options.write:
        PAGE.write_text(page, encoding="utf-8")
        options.progress(f"written: {PAGE}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
