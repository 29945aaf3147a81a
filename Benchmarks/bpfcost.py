# SPDX-License-Identifier: Apache-2.0
"""What our BPF programs cost the kernel."""

import contextlib
import glob
import json
import subprocess

from kills import Cgroup, Crowd, kill_one, read, write
from tables import Section, verdict
from tracers import oomwitness, pump

SWITCH = "/proc/sys/kernel/bpf_stats_enabled"
CROWDS = (100, 1000, 10000)
KILLS_BESIDE_A_CROWD = 20
AIM_NANOSECONDS = 300


def ids(pid, kind):
    """Ids of the BPF objects that a process holds. File: /proc/PID/fdinfo."""
    found = set()
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        with contextlib.suppress(FileNotFoundError):
            found |= {int(line.split()[1]) for line in read(path).splitlines() if line.startswith(f"{kind}:")}
    return found


def shown(kind):
    return json.loads(subprocess.run(["bpftool", kind, "show", "--json"], capture_output=True, check=True).stdout)


def map_bytes(pid):
    mine = ids(pid, "map_id")
    return sum(one.get("bytes_memlock", 0) for one in shown("map") if one["id"] in mine)


def costs(pid):
    """Program -> (nanoseconds, runs) so far."""
    mine = ids(pid, "prog_id")
    return {one["name"]: (one.get("run_time_ns", 0), one.get("run_cnt", 0)) for one in shown("prog") if one["id"] in mine}


def growth(before, after):
    return {name: (after[name][0] - time, after[name][1] - runs) for name, (time, runs) in before.items()}


@contextlib.contextmanager
def statistics():
    was = read(SWITCH).strip()
    write(SWITCH, 1)
    try:
        yield
    finally:
        write(SWITCH, was)


def killed(tracer, cgroup, count):
    """The programs' costs during so many kills, and how many candidates each event tells (the last one's)."""
    tracer.forget()
    before = costs(tracer.pid)
    for _ in range(count):
        pid = kill_one(cgroup)
        pump([tracer], 2, lambda: pid in tracer.arrivals)
    pump([tracer], 0.1)
    after = costs(tracer.pid)
    events = [json.loads(line) for _, line in tracer.lines]
    candidates = [event["candidates"]["considered"] for event in events if event["type"] == "oom_kill"]
    return growth(before, after), candidates[-1] if candidates else 0


def processes():
    return len(glob.glob("/proc/[0-9]*"))


def per_kill(section, tracer, options):
    with Cgroup("bpf", 8 << 20) as cgroup:
        cost, _ = killed(tracer, cgroup, options.kills)
    table = [[name, runs, time / runs, time / options.kills] for name, (time, runs) in cost.items() if runs]
    table.append(["all", sum(runs for _, runs in cost.values()), "", sum(time for time, _ in cost.values()) / options.kills])
    section.say(f"**{options.kills} kills**, {processes()} processes on the host, no crowd (runs count every signal and every exit on the host meanwhile):")
    section.table(["program", "runs", "ns a run", "ns a kill"], table)


def walker(cost):
    """The program that looks at the candidates: by rung."""
    for name in ("fentry_oom_evaluate_task", "kprobe_oom_evaluate_task", "on_mark_victim"):
        for known, numbers in cost.items():
            if numbers[1] and known and name.startswith(known[:15]):
                return known, numbers
    raise RuntimeError("no program of ours saw a candidate")


def beside_crowd(tracer, size, inside):
    """One row: the walk with a crowd of so many in the victim's cgroup, or outside of it."""
    with Cgroup(f"crowd{size}", 1 << 40) as cgroup, Crowd(size, cgroup if inside else None):
        cgroup.set_limit(cgroup.usage_bytes() + (16 << 20))
        cost, considered = killed(tracer, cgroup, KILLS_BESIDE_A_CROWD)
    _, (time, _) = walker(cost)
    return considered, time / KILLS_BESIDE_A_CROWD


def per_candidate(section, tracer, options):
    rows, worst = [], {}
    with Cgroup("crowd0", 16 << 20) as cgroup:
        cost, considered = killed(tracer, cgroup, KILLS_BESIDE_A_CROWD)
    name, (time, _) = walker(cost)
    alone = time / KILLS_BESIDE_A_CROWD
    rows.append(["none", 0, considered, alone, "-"])
    for inside in (True, False):
        for size in CROWDS:
            where = "in the victim's cgroup" if inside else "outside of it"
            options.progress(f"bpf: {size} sleepers {where}")
            considered, nanoseconds = beside_crowd(tracer, size, inside)
            each = (nanoseconds - alone) / size
            worst[inside] = max(worst.get(inside, 0), each)
            rows.append([where, size, considered, nanoseconds, each])
    section.say(f"**A crowd of sleepers**, {KILLS_BESIDE_A_CROWD} kills beside each; time of `{name}`, which looks at every task:")
    section.table(["sleepers", "count", "candidates told", "ns a kill", "ns more for each sleeper"], rows)
    section.say(
        f"Aim: under {AIM_NANOSECONDS} ns a candidate: {verdict(worst[True], AIM_NANOSECONDS)} (worst {worst[True]:.0f} ns for one in the cgroup, "
        f"{worst[False]:.0f} ns for one outside).")


def measure(options):
    section = Section(
        "What the BPF programs cost the kernel",
        "kernel.bpf_stats_enabled=1; run_time_ns and run_cnt of our programs by `bpftool prog show --json`, before and after.")
    with statistics(), oomwitness(options.binary) as tracer:
        per_kill(section, tracer, options)
        per_candidate(section, tracer, options)
    return section
