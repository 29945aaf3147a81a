# SPDX-License-Identifier: Apache-2.0
"""Many kills at once, with a ring of one page: nothing may go missing without being told."""

import contextlib
import json

from kills import Cgroup, Victim, oom_kill_count
from tables import Section
from tracers import oomwitness, pump, runnable

RINGS = ("4096", None)


class Disturbed(RuntimeError):
    """Somebody else's kill fell between our reading of the counter and a tracer's start or end."""


def storm(tracers, count):
    """As many cgroups as kills, all victims let go at the same moment."""
    with contextlib.ExitStack() as stack:
        victims = [Victim(stack.enter_context(Cgroup(f"storm{index}", 4 << 20))) for index in range(count)]
        for victim in victims:
            victim.release()
        pump(tracers, 0)
        for victim in victims:
            victim.wait()
            pump(tracers, 0)
        pids = {victim.pid for victim in victims}
        pump(tracers, 10, lambda: all(pids <= tracer.arrivals.keys() for tracer in tracers) or quiet(tracers))
    return pids


def quiet(tracers):
    """Nothing came for half a second."""
    before = [len(tracer.lines) for tracer in tracers]
    pump(tracers, 0.5)
    return before == [len(tracer.lines) for tracer in tracers]


def books(lines):
    """Sum of kernel_count of the events, told losses, and what the end of the stream says of itself."""
    told = lost = 0
    end = {}
    for _, line in lines:
        event = json.loads(line)
        if event["type"] == "oom_kill":
            told += event["victim"]["kernel_count"]
        elif event["type"] == "loss":
            lost += event.get("kernel_count", 0)
        elif event["type"] == "stream_end":
            end = event
    return told, lost, end


def one(options, ring):
    """Ours with one ring under a storm; a row of the table."""
    start = oom_kill_count()
    arguments = ["--ring-bytes", ring] if ring else []
    tracer = oomwitness(options.binary, *arguments)
    try:
        if oom_kill_count() != start:
            raise Disturbed
        pids = storm([tracer], options.storm)
        end = oom_kill_count()
    finally:
        tracer.stop()
    if oom_kill_count() != end:
        raise Disturbed
    told, lost, _ = books(tracer.lines)
    named = len(pids & tracer.arrivals.keys())
    return [f"--ring-bytes {ring}" if ring else "default ring", named, told, lost, told + lost, end - start, end - start - told - lost]


def undisturbed(attempt):
    for _ in range(5):
        with contextlib.suppress(Disturbed):
            return attempt()
    raise RuntimeError("kills by others came between in all of 5 attempts")


def measure(options):
    section = Section(
        "No loss in a storm",
        f"{options.storm} victims in {options.storm} memory cgroups, let go at the same moment. The events' sum(kernel_count) and the told",
        "losses must be the growth of oom_kill in /proc/vmstat, which the driver reads itself before the start and after the storm.")
    rows = []
    for ring in RINGS:
        options.progress(f"storm: ours, ring {ring or 'default'}")
        rows.append(undisturbed(lambda: one(options, ring)))
    section.table(["oomwitness", "victims named", "sum(kernel_count)", "told losses", "both", "vmstat growth", "missing"], rows)
    options.progress("storm: the others")
    others = {name: make for name, make in runnable(options.binary)[0].items() if name != "oomwitness"}
    table = []
    for name, make in others.items():
        with make() as tracer:
            pids = storm([tracer], options.storm)
            named = len(pids & tracer.arrivals.keys())
        table.append([name, named, options.storm - named])
    section.say("The others, each alone under the same storm:")
    section.table(["tracer", "victims named", "not named"], table)
    section.say("Aim: nothing missing: " + ("met." if all(row[-1] == 0 for row in rows) else "MISSED."))
    return section
