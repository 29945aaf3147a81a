# SPDX-License-Identifier: Apache-2.0
"""What `oomwitness pressure` costs while nothing happens, beside a watch by psutil."""

import pathlib
import subprocess
import sys
import time

from kills import Crowd, read
from quiet import memory, wakeups
from scores import environment
from tables import Section, ratio, verdict

HERE = pathlib.Path(__file__).resolve().parent
AIM_PERCENT = 0.1
CROWD = 1000
OURS, THEIRS = "oomwitness pressure", "by hand (psutil, each 10 s)"


def ran(pid):
    """Nanoseconds on a processor, all threads."""
    return sum(int(read(path).split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))


def measure(options):
    section = Section(
        "Memory pressure, at rest",
        f"Both at the same time beside {CROWD} processes that sleep, {options.quiet_seconds} s from the fifth second on;",
        "no level changes. Processor time by /proc/PID/task/*/schedstat, memory (VmRSS) in megabytes of 10^6 bytes.")
    commands = {
        OURS: [options.binary, "pressure", "--output", "ndjson", "--memory", "98,99,100", "--swap", "98,99,100"],
        THEIRS: [sys.executable, str(HERE / "detector_psutil.py"), "10"],
    }
    with Crowd(CROWD):
        started = {name: subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment())
                   for name, command in commands.items()}
        try:
            time.sleep(5)
            options.progress(f"pressure: {options.quiet_seconds} s of nothing")
            before = {name: (ran(process.pid), wakeups(process.pid)) for name, process in started.items()}
            began = time.monotonic()
            time.sleep(options.quiet_seconds)
            took = time.monotonic() - began
            rows = {}
            for name, process in started.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.returncode}")
                percent = (ran(process.pid) - before[name][0]) / 1e7 / took
                rows[name] = (percent, wakeups(process.pid) - before[name][1], memory(process.pid)[0])
        finally:
            for process in started.values():
                process.terminate()
                process.wait()
    ours = rows[OURS][0]
    section.table(
        ["watch", "% of a core", "/ ours", "wake-ups", "RSS"],
        [[name, f"{percent:.4f}", "1" if name == OURS else ratio(percent, ours), woken, resident]
         for name, (percent, woken, resident) in rows.items()])
    section.say(f"Aim: under {AIM_PERCENT} % of a core: {verdict(ours, AIM_PERCENT)} ({ours:.4f} %).")
    return section
