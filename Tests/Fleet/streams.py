# SPDX-License-Identifier: Apache-2.0
"""The streams of many hosts, made of real lines of the tracer: what people ask of a fleet is known beforehand.

Each line is one that a tracer wrote in a VM (Tests/VM/Fixtures), under another host, time, process and control group. Every
number that a query has to find is counted while the lines are made, and not by reading them.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[1] / "VM/Fixtures"
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
DAYS = 14
NAMES = ["java", "postgres", "node", "python3", "chrome", "mysqld", "nginx", "gunicorn", "php-fpm8.2", "ruby", "beam.smp"]
DOUBLED = 0.01  # lines that a sink delivers once more after it was away


@dataclass
class Truth:
    """What the queries of deploy/fleet have to find."""

    lines: int = 0
    doubled: int = 0
    victims: Counter = field(default_factory=Counter)  # of the last seven days, by comm
    pods: Counter = field(default_factory=Counter)  # kills at their own limit, by namespace and name
    thrashing: Counter = field(default_factory=Counter)  # changes to critical, by host
    in_spite: Counter = field(default_factory=Counter)  # kills after an action of a guard, by host

    def add(self, other: "Truth") -> None:
        self.lines += other.lines
        self.doubled += other.doubled
        for name in ("victims", "pods", "thrashing", "in_spite"):
            getattr(self, name).update(getattr(other, name))


def templates() -> tuple[dict, dict]:
    """A kill at a limit, and its outcome: kernel 6.12, cgroup version 2."""
    lines = [json.loads(line) for line in (FIXTURES / "6.12-v2-memcg/trace.ndjson").read_text().splitlines()]
    return next(line for line in lines if line["type"] == "oom_kill"), next(
        line for line in lines if line["type"] == "oom_outcome"
    )


class Host:
    """One host's stream over two weeks."""

    def __init__(self, number: int, lines: int, pressure: dict):
        self.random = random.Random(number)
        self.name = f"host-{number:04d}"
        self.boot_id = f"{number:08x}-0000-4000-8000-{number:012x}"
        self.stream = f"{number:016x}"
        self.lines = lines
        self.truth = Truth()
        self.kill, self.outcome = templates()
        self.change = pressure
        self.guarded = number % 5 == 0
        self.kubernetes = number % 2 == 0

    def __iter__(self):
        sequence = 0
        step = timedelta(days=DAYS) / self.lines
        moment = NOW - timedelta(days=DAYS)
        decision = 0
        while sequence < self.lines:
            moment += step * self.random.uniform(0.5, 1.5)
            if moment >= NOW:
                moment = NOW - timedelta(seconds=1)
            if self.random.random() < 0.15:
                events = [self.pressure(moment)]
            else:
                decision += 1
                events = self.decision(decision, moment)
            for event in events:
                sequence += 1
                event |= {"host": self.name, "boot_id": self.boot_id, "stream": self.stream, "seq": sequence}
                line = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
                self.truth.lines += 1
                yield line
                if self.random.random() < DOUBLED:
                    self.truth.doubled += 1
                    yield line

    def envelope(self, event: dict, moment: datetime) -> dict:
        since = int((moment - (NOW - timedelta(days=DAYS))).total_seconds() * 1e9)
        return event | {"time": moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z"), "monotonic_ns": since}

    def pressure(self, moment: datetime) -> dict:
        level = self.random.choices(["low", "medium", "critical"], [6, 3, 1])[0]
        if level == "critical":
            self.truth.thrashing[self.name] += 1
        return self.envelope(self.change | {"level": level}, moment)

    def decision(self, number: int, moment: datetime) -> list[dict]:
        kill = self.envelope(copy.deepcopy(self.kill), moment)
        pid = self.random.randrange(1000, 4_000_000)
        comm = self.random.choices(NAMES, range(len(NAMES), 0, -1))[0]
        kill["decision"]["id"] = number
        kill["victim"] |= {"pid": pid, "tid": pid, "comm": comm}
        kill["candidates"]["list"][0] |= {"pid": pid, "tid": pid, "comm": comm}
        if self.kubernetes:
            app = self.random.randrange(40)
            namespace, pod = f"team-{app % 7}", f"app-{app}-{self.random.randrange(3)}"
            path = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{app:08x}.slice"
            kill["victim"]["kubernetes"] = {"namespace": namespace, "pod": pod, "container": "main"}
            kill["victim"]["cgroup"]["path"] = path + "/cri-containerd-main.scope"
            kill["limit"]["cgroup"]["path"] = path
            self.truth.pods[f"{namespace}/{pod}"] += 1
        if self.guarded and self.random.random() < 0.1:
            kill["after_guard_action"] = {"by": "oomwitness", "signal": "SIGTERM", "pid": 77, "comm": "java", "milliseconds": 900}
            self.truth.in_spite[self.name] += 1
        if moment >= NOW - timedelta(days=7):
            self.truth.victims[comm] += 1
        outcome = self.envelope(copy.deepcopy(self.outcome), moment + timedelta(milliseconds=12))
        outcome["decision"]["id"] = number
        outcome["victim"] |= {"pid": pid, "comm": comm}
        return [kill, outcome]
