# SPDX-License-Identifier: Apache-2.0
"""From the kernel's decision to the line on standard output."""

import contextlib
import glob
import json
import os

from kills import Cgroup, KernelTimes, Victim, read
from tables import Section, median, quantile, ratio
from tracers import pump, runnable

LIMIT_BYTES = 8 << 20


@contextlib.contextmanager
def apart():
    """Keeps the driver to the last processor; gives the first, for the victims.

    A victim is in the kernel for milliseconds, and nobody else gets its processor meanwhile: the driver's own wake-up,
    which ends each figure, must not wait there. The tracers are where the scheduler puts them.
    """
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(processors)})
    try:
        yield {min(processors)}
    finally:
        os.sched_setaffinity(0, processors)


def kills(tracers, count):
    """One kill at a time, each told by all (or 2 s gone by) before the next. Returns the victims' pids."""
    pids = []
    with Cgroup("latency", LIMIT_BYTES) as cgroup, apart() as processors:
        for _ in range(count):
            victim = Victim(cgroup, processors)
            pump(tracers, 0.02)  # what else they say of the one before (its outcome) is not part of this one
            victim.release()
            pump(tracers, 2, lambda: all(victim.pid in tracer.arrivals for tracer in tracers))
            victim.wait()
            pids.append(victim.pid)
    return pids


def processor_nanoseconds(pid):
    """What all threads of a process have run so far. File: /proc/PID/task/TID/schedstat."""
    return sum(int(read(path).split()[0]) for path in glob.glob(f"/proc/{pid}/task/*/schedstat"))


def run(chosen, count):
    """These tracers in one run: name -> microseconds from the kernel's mark to each arrival; name -> microseconds of a
    processor that it took for each kill; and of ours the distance of the clocks and its own account.
    """
    with KernelTimes() as kernel, contextlib.ExitStack() as stack:
        tracers = [stack.enter_context(make()) for make in chosen]
        before = {tracer.name: processor_nanoseconds(tracer.pid) for tracer in tracers}
        pids = kills(tracers, count)
        work = {tracer.name: (processor_nanoseconds(tracer.pid) - before[tracer.name]) / count / 1000 for tracer in tracers}
        marked = kernel.by_pid()
    results = {}
    for tracer in tracers:
        arrived = tracer.arrivals
        if tracer.process.returncode not in (0, -2, -15):
            raise RuntimeError(f"{tracer.name} ended with status {tracer.process.returncode}: {tracer.errors.strip()[-300:]}")
        results[tracer.name] = [(arrived[pid] - marked[pid]) / 1000 for pid in pids if pid in arrived and pid in marked]
    own = [line for tracer in tracers if tracer.name == "oomwitness" for _, line in tracer.lines]
    return results, work, clock_distance(own, marked), self_told(own)


def events(lines):
    return [event for event in map(json.loads, lines) if event["type"] == "oom_kill"]


def clock_distance(lines, marked):
    """Microseconds from the mark in the kernel's trace buffer to the decision's own monotonic_ns."""
    return [(event["monotonic_ns"] - marked[event["victim"]["pid"]]) / 1000
            for event in events(lines) if event["victim"]["pid"] in marked]


def self_told(lines):
    return [event["latency"]["decision_to_event_us"] for event in events(lines) if "latency" in event]


def rows(results, work, count):
    ours = median(results["oomwitness"]) if results.get("oomwitness") else None
    lines = []
    for name, values in results.items():
        if not values:
            lines.append([name, f"0 of {count}", "-", "-", "-", "-", "-"])
            continue
        middle = median(values)
        lines.append([name, f"{len(values)} of {count}", middle, quantile(values, 0.99), max(values),
                      "1" if name == "oomwitness" else ratio(middle, ours), work[name]])
    return lines


HEAD = ["tracer", "told", "median us", "p99 us", "max us", "median / ours", "its own work, us a kill"]


def t0():
    with KernelTimes() as kernel:
        return kernel.what


def measure(options):
    section = Section(
        "From the kernel's decision to the line",
        f"{options.kills} kills one after another, each of `tail /dev/zero` in a memory cgroup of {LIMIT_BYTES >> 20} MiB.",
        f"t0 is the same for all and belongs to none of them: of the kernel, {t0()}, in an ftrace instance (CLOCK_MONOTONIC, told",
        "to the microsecond) that is set before any tracer's. The end is the return of the poll(2) with which the driver",
        "waits for the tracer's standard output. A victim is in the kernel for milliseconds, and where that is not preempted",
        "nobody else gets its processor meanwhile: so victims run on the first one, the driver keeps to the last, and the",
        "tracers are where the scheduler puts them. Their own work is the growth of all their threads' run time (schedstat).")
    chosen, refused = runnable(options.binary)
    for name, why in refused.items():
        section.say(f"{name} cannot run here: {why}")
    alone, alone_work = {}, {}
    for name, make in chosen.items():
        options.progress(f"latency: {name} alone")
        results, work, distance, told = run([make], options.kills)
        alone.update(results)
        alone_work.update(work)
        if name == "oomwitness":
            own_distance, own_told = distance, told
    section.say("**Each alone, one run after the other:**")
    section.table(HEAD, rows(alone, alone_work, options.kills))
    options.progress("latency: all at once")
    together, together_work, _, _ = run(list(chosen.values()), options.kills)
    section.say("**All at once, in one run** (the driver's one poll waits for all pipes; they compete for the processors, "
                "and whoever is woken later waits for the others):")
    section.table(HEAD, rows(together, together_work, options.kills))
    section.say(
        f"oomwitness's own account, alone: `latency.decision_to_event_us` has a median of {median(own_told):,} and a p99 of "
        f"{quantile(own_told, 0.99):,}; its decision's `monotonic_ns` lies {median(own_distance):.1f} us (median) after t0.")
    section.say("Aim: faster than each. " + " ".join(
        f"{name}: {'met' if median(values) > median(alone['oomwitness']) else 'MISSED'} alone, "
        f"{'met' if median(together[name]) > median(together['oomwitness']) else 'MISSED'} at once."
        for name, values in alone.items() if name != "oomwitness" and values and together[name]))
    return section
