# SPDX-License-Identifier: Apache-2.0
"""Compares the lines that loader.c wrote with what the kernel's own log says of the same kills.

A line is a word, then KEY=NUMBER..., and last comm=TEXT where it has a name.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from candidates import row_parts
from compare import read_facts
from findings import Findings
from kernel_log import Decision, Kill, TaskRow, parse
from limits import domain_pages

PARTS = ("anon", "file", "shmem", "swap", "pgtable")
HAS_POINTS, SHARES_MEMORY, CGROUP_V2 = 1, 16, 4  # File: bpf/include/wire.h
PASSED_OVER = 4 | 8 | 32  # no mm, MMF_OOM_SKIP, a victim already: the kernel may print no row for such a one
EXIT, MEMORY_FREED, CONSTRAINT_MEMCG = 4, 5, 3


@dataclass
class Line:
    """One line: `numbers` by their keys, `name` as bytes, empty where there is none."""

    word: str
    numbers: dict[str, int]
    name: bytes
    text: str

    def __getitem__(self, key: str) -> int:
        return self.numbers[key]

    def parts(self) -> dict[str, int]:
        return {f"{part}_pages": self[part] for part in PARTS}


def read_lines(raw: bytes) -> list[Line]:
    lines = []
    for text in raw.splitlines():
        head, _, name = text.partition(b" comm=")
        numbers = {key.decode(): int(value) for key, value in re.findall(rb" (\w+)=(-?\d+)(?= |$)", head)}
        lines.append(Line(head.split(b" ")[0].decode(), numbers, name, text.decode(errors="replace")))
    return lines


class Comparison:
    """One run of the loader beside one log. `problems` has a sentence for each thing that is not the same."""

    def __init__(self, rung: str, folder: Path):
        self.rung = rung
        self.lines = read_lines((folder / "records.txt").read_bytes())
        self.log = parse((folder / "kmsg.raw").read_bytes())
        self.facts = read_facts(folder / "facts")
        start = next((line for line in self.lines if line.word == "stream_start"), None)
        cpus = int(self.facts["cpus"])
        self.findings = Findings(start["page_size"] if start else 4096, cpus, self.facts["release"])
        self.problems: list[str] = []
        self.compared = 0
        self.counted = [counts_kills(folder / f"vmstat.{when}") for when in ("before", "after")]

    def of(self, word: str) -> list[Line]:
        return [line for line in self.lines if line.word == word]

    def check(self, what: str, kernel: object, ours: object, *, slack: int = 0) -> None:
        self.compared += 1
        if kernel != ours and not (slack and abs(kernel - ours) <= slack):
            self.problems.append(f"{what}: kernel {kernel!r}, ours {ours!r}")

    def run(self) -> list[str]:
        known = {"stream_start", "stream_end", "refused", "decision", "candidate", "cgroup", "argv"}
        known |= {"kill", "decision_end", "outcome", "task"}
        self.check("lines of no known kind", [], [line.text for line in self.lines if line.word not in known])
        self.check("lost", [(0, 0)], [(end["lost_kills"], end["lost_details"]) for end in self.of("stream_end")])
        kills = [line for line in self.of("kill") if not line["flags"] & SHARES_MEMORY]
        self.check("kills beside /proc/vmstat", self.counted[1] - self.counted[0], len(kills))
        self.check("decisions", len(self.log.decisions), len(self.of("decision")))
        for line, decision in zip(self.of("decision"), self.log.decisions):
            self.check_decision(line, decision)
        self.check_tasks()
        return self.problems

    def check_decision(self, line: Line, decision: Decision) -> None:
        number = line["decision"]
        report = decision.report
        self.check("trigger", (report.trigger_tid, report.trigger_comm), (line["tid"], line.name))
        self.check("trigger's oom_score_adj", report.trigger_adj, line["adj"])
        self.check("chosen", report.constraint.tid, line["chosen_pid"])
        if self.rung != "tracepoint":
            seen = (report.gfp_mask, report.order, CONSTRAINT_MEMCG)
            self.check("gfp_mask, order, constraint", seen, (line["gfp_mask"], line["order"], line["constraint"]))
            self.check("domain", domain_pages(self.findings, report, self.facts), line["domain"])
            ends = [end["counted"] for end in self.of("decision_end") if end["decision"] == number]
            self.check("counted at the end of the decision", [len(decision.kills)], ends)
        candidates = [one for one in self.of("candidate") if one["decision"] == number]
        self.check_cgroup(line, decision)
        self.check("considered, stored", (line["considered"],) * 2, (line["stored"], len(candidates)))
        told = [one["tid"] for one in candidates if report.row(one["tid"]) or not one["flags"] & PASSED_OVER]
        self.check("candidates", sorted(row.tid for row in report.rows), sorted(told))
        dead = [one.tid for past in self.log.decisions[: self.log.decisions.index(decision)] for one in past.kills]
        for one in candidates:
            if (row := report.row(one["tid"])) and row.tid not in dead:
                self.check_candidate(line, one, row)
        if self.rung != "tracepoint":
            best = max((one["points"] for one in candidates), default=None)
            self.check("chosen_points beside the most of all candidates", best, line["chosen_points"])
        kills = [one for one in self.of("kill") if one["decision"] == number and not one["flags"] & SHARES_MEMORY]
        self.check("killed", [one.tid for one in decision.kills], [one["tid"] for one in kills])
        for one, kill in zip(kills, decision.kills):
            self.check_kill(one, kill, waits=kill.tid == report.trigger_tid)
        if line["chosen_pid"] == line["pid"]:
            argv = [one.name for one in self.of("argv") if one["pid"] == line["pid"]]
            self.check("first argument of the victim", [b"/bin/hog"], argv)

    def check_cgroup(self, line: Line, decision: Decision) -> None:
        limit = self.findings.pages(decision.report.usage_kb["memory"][1])
        path = decision.report.constraint.oom_memcg
        groups = [one for one in self.of("cgroup") if one["id"] == line["limit_cgroup"]]
        self.check("control group of the limit is told", True, bool(groups))
        for one in groups:
            told = (b"/" + one.name, one["limit"], bool(one["flags"] & CGROUP_V2), one["levels"])
            self.check("control group: path, limit, v2, levels", (path, limit, True, path.count(b"/") + 1), told)

    def check_parts(self, what: str, row: TaskRow, ours: dict[str, int], slack: int) -> None:
        kernel = row_parts(row, self.findings.page_size)
        if "rss" in kernel:
            ours = ours | {"rss": sum(ours[f"{part}_pages"] for part in ("anon", "file", "shmem"))}
        for part, pages in kernel.items():
            self.check(f"{what}: {part}", pages, ours[part], slack=0 if part == "pgtable_pages" else slack)

    def check_candidate(self, line: Line, one: Line, row: TaskRow) -> None:
        what = f"candidate {row.tid}"
        adj = row.columns["oom_score_adj"]
        self.check(f"{what}: name", (row.tgid, row.uid, adj, row.comm), (one["pid"], one["uid"], one["adj"], one.name))
        has_points = self.rung != "tracepoint" and bool(one["flags"] & HAS_POINTS)
        # Kernel: since 7.0 sums of all CPUs are scored and printed, and only its points tell that they are.
        approximate = self.findings.kernel_is_exact and not has_points
        wakes_up = self.rung == "tracepoint" and row.tid == line["chosen_pid"] != line["pid"]
        slack = self.findings.slack_pages if approximate or wakes_up else 0
        self.check_parts(what, row, one.parts(), slack)
        if has_points:
            own = adj * (line["domain"] // 1000)
            kernel = row_parts(row, self.findings.page_size)
            self.check(f"{what}: points", sum(kernel.values()) + own, one["points"])
            self.check(f"{what}: parts beside points", one["points"], sum(one.parts().values()) + own)

    def check_kill(self, one: Line, kill: Kill, *, waits: bool) -> None:
        """A victim that does not wait in the allocator wakes up, and before 6.2 first hands in what its thread counted for itself."""
        pages = self.findings.pages
        kernel = (kill.tid, kill.comm, kill.uid, kill.oom_score_adj, pages(kill.total_vm_kb))
        self.check("victim", kernel, (one["tid"], one.name, one["uid"], one["adj"], one["total_vm"]))
        approximate = self.findings.kernel_is_exact and self.rung == "tracepoint"
        slack = self.findings.slack_pages if approximate or not waits else 0
        for part in ("anon", "file", "shmem"):
            self.check(f"victim: {part}", pages(getattr(kill, f"{part}_kb")), one[part], slack=slack)
        self.check("victim: pgtable", pages(kill.pgtables_kb), one["pgtable"])
        stages = {line["stage"] for line in self.of("outcome") if line["pid"] == one["pid"]}
        expected = {EXIT} if self.rung == "tracepoint" else {EXIT, MEMORY_FREED}
        self.check("outcomes of the victim", expected, stages & {EXIT, MEMORY_FREED})

    def check_tasks(self) -> None:
        """Those that slept through the last decision and live, as iter/task sees them afterwards."""
        if not self.log.decisions:
            return
        report = self.log.decisions[-1].report
        dead = {kill.tid for decision in self.log.decisions for kill in decision.kills}
        tasks = {line["pid"]: line for line in self.of("task")}
        for row in report.rows:
            if row.tid in dead or row.tid == report.trigger_tid:
                continue
            told = tasks.get(row.tgid)
            name = (told["uid"], told["adj"], told.name) if told else None
            self.check(f"process {row.tgid}", (row.uid, row.columns["oom_score_adj"], row.comm), name)
            if told:
                slack = self.findings.slack_pages if self.findings.kernel_is_exact else 0
                self.check_parts(f"process {row.tgid}", row, told.parts(), slack)


def counts_kills(path: Path) -> int:
    return int(re.search(rb"^oom_kill (\d+)$", path.read_bytes(), re.MULTILINE)[1])
