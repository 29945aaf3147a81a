# SPDX-License-Identifier: Apache-2.0
"""Memory when idle and after kills, and wake-ups in a quiet minute."""

import contextlib
import glob
import time

import bpfcost
from kills import Cgroup, kill_one, oom_kill_count, read
from tables import Section, ratio, verdict
from tracers import pump, runnable

AIM_MEGABYTES = 12
AIM_WAKEUPS = 2


def kilobytes(path, *names):
    found = dict(line.split(":", 1) for line in read(path).splitlines() if ":" in line)
    return [int(found[name].split()[0]) for name in names]


def memory(pid):
    """Resident, proportional and private, in 10^6 bytes."""
    resident, = kilobytes(f"/proc/{pid}/status", "VmRSS")
    pss, clean, dirty = kilobytes(f"/proc/{pid}/smaps_rollup", "Pss", "Private_Clean", "Private_Dirty")
    return [value * 1024 / 1e6 for value in (resident, pss, clean + dirty)]


def wakeups(pid):
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/status"):
        with contextlib.suppress(FileNotFoundError):
            total += sum(kilobytes(path, "voluntary_ctxt_switches"))
    return total


def measure(options):
    section = Section(
        "Memory and wake-ups",
        f"All at the same time: idle for 3 s after their start, then after {options.kills} kills, then",
        f"{options.quiet_seconds} s without a kill of ours. Memory in megabytes of 10^6 bytes (VmRSS; Pss, private: smaps_rollup); wake-ups are the",
        "growth of voluntary_ctxt_switches of all threads.")
    with contextlib.ExitStack() as stack:
        tracers = [stack.enter_context(make()) for make in runnable(options.binary)[0].values()]
        pump(tracers, 3)
        idle = {tracer.name: memory(tracer.pid) for tracer in tracers}
        with Cgroup("quiet", 8 << 20) as cgroup:
            for _ in range(options.kills):
                kill_one(cgroup)
                pump(tracers, 0.01)
        pump(tracers, 3)
        after = {tracer.name: memory(tracer.pid) for tracer in tracers}
        maps = {tracer.name: bpfcost.map_bytes(tracer.pid) / 1e6 for tracer in tracers}
        options.progress(f"quiet: {options.quiet_seconds} s of nothing")
        kills, before = oom_kill_count(), {tracer.name: wakeups(tracer.pid) for tracer in tracers}
        time.sleep(options.quiet_seconds)  # the pipes are not read: nothing of ours runs either
        woken = {tracer.name: wakeups(tracer.pid) - before[tracer.name] for tracer in tracers}
        kills = oom_kill_count() - kills
    ours = after["oomwitness"][0]
    section.table(
        ["tracer", "RSS idle", "Pss idle", "RSS after", "Pss after", "private after", "RSS / ours", "BPF maps", "wake-ups"],
        [[name, *idle[name][:2], *after[name], "1" if name == "oomwitness" else ratio(after[name][0], ours), maps[name], woken[name]]
         for name in idle])
    section.say(
        f"Aims: under {AIM_MEGABYTES} MB resident: {verdict(ours, AIM_MEGABYTES)} ({ours:.1f}); at most {AIM_WAKEUPS} wake-ups in a quiet minute: "
        f"{'met' if woken['oomwitness'] <= AIM_WAKEUPS else 'MISSED'} ({woken['oomwitness']} in {options.quiet_seconds} s). "
        f"Kills by others during it (each wakes a tracer): {kills}. BPF maps are kernel memory (bytes_memlock).")
    return section
