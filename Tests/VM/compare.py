# SPDX-License-Identifier: Apache-2.0
"""Compares a stream of oomwitness with the kernel's own log of the same minutes, field by field.

    python3 compare.py FOLDER...     prints each mismatch, then what was let pass and how often; exit 1 on a mismatch

A folder holds kmsg.raw (raw /dev/kmsg records), trace.ndjson, vmstat.before, vmstat.after (/proc/vmstat) and facts (lines `KEY=VALUE` or
of /proc/meminfo; read: cpus, SwapTotal). A field that is in the stream is compared with what the log says of it, whoever saw it; one
that is absent has to be named in `unavailable`. All numbers are in pages here.

One thing is let pass, counted and told: a process that is not the one in the allocator goes on running while the kernel scores it,
prints it and kills it, and counters that are kept per CPU reach the sum in batches. Such a counter may differ by what the batches of all
CPUs hold (Kernel: lib/percpu_counter.c, percpu_counter_batch). The parts have to add up to the points all the same.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

from candidates import check_candidates, row_parts
from findings import Findings
from kernel_log import UNLIMITED_KB, Decision, Kill, Report, parse
from stream import read_stream

SCOPES = {"NONE": "system", "MEMCG": "memcg", "CPUSET": "cpuset", "MEMORY_POLICY": "mempolicy"}


def compare(folder: Path) -> list[str]:
    """Every mismatch of one run, as `FIELD: kernel VALUE, ours VALUE` after the kill that it is about."""
    return examine(folder).mismatches


def examine(folder: Path) -> Findings:
    """One run: the mismatches, and what was let pass."""
    events, problems = read_stream(folder / "trace.ndjson")
    facts = read_facts(folder / "facts")
    findings = Findings(page_size=events[0].get("page_size", 4096) if events else 4096, cpus=int(facts.get("cpus", 2)))
    findings.mismatches += problems
    log = parse((folder / "kmsg.raw").read_bytes())
    findings.check("kmsg.raw: records missing", 0, log.missing_records)
    pool = [event for event in events if event["type"] == "oom_kill"]
    dead: set[int] = set()
    owners: dict[int, int] = {}
    for number, decision in enumerate(log.decisions):
        told = match_decision(findings, decision, pool, number, owners)
        for event, kill in told:
            findings.where = f"kill of {kill.tid} {kill.comm!r}"
            check_victim(findings, event, kill, decision)
            check_report(findings, event, decision, facts, dead)
        check_decision(findings, [event for event, _ in told] + sharers(pool, told), decision)
        dead |= {event["victim"]["pid"] for event, _ in told}
    findings.where = "stream"
    for event in pool:
        if event["victim"].get("kernel_count") != 0 or event["decision"]["id"] not in owners:
            findings.add(f"oom_kill seq {event['seq']} of {event['victim'].get('tid')}: kernel none, ours one")
    check_no_kills(findings, events, log.no_killable)
    check_outcomes(findings, events)
    check_counts(findings, events, folder, sum(len(decision.kills) for decision in log.decisions))
    return findings


def read_facts(path: Path) -> dict[str, str]:
    """`KEY=VALUE` and `Key:   123 kB`, whichever a line is."""
    text = path.read_text() if path.exists() else ""
    return dict(re.findall(r"^(\w+)(?:=|: +)(\S+)", text, re.MULTILINE))


def match_decision(
    findings: Findings, decision: Decision, pool: list[dict], number: int, owners: dict[int, int]
) -> list[tuple[dict, Kill]]:
    """Takes the events of a decision out of `pool`: one for each thread that the log names, however often it names it."""
    told: list[tuple[dict, Kill]] = []
    for tid, count in decision.counts().items():
        kill = next(kill for kill in decision.kills if kill.tid == tid)
        findings.where = f"kill of {tid} {kill.comm!r}"
        event = next((event for event in pool if event["victim"].get("tid") == tid and event["victim"]["kernel_count"]), None)
        if event is None:
            findings.add("oom_kill: kernel one, ours none")
            continue
        pool.remove(event)
        findings.expect(event, "victim.kernel_count", count)
        findings.check("decision.id", number, owners.setdefault(event["decision"]["id"], number))
        told.append((event, kill))
    return told


def sharers(pool: list[dict], told: list[tuple[dict, Kill]]) -> list[dict]:
    """Takes the events of those out of `pool` that the kernel killed and did not count: they share a victim's memory."""
    ids = {event["decision"]["id"] for event, _ in told}
    found = [event for event in pool if event["decision"]["id"] in ids and event["victim"].get("role") == "shares_memory"]
    for event in found:
        pool.remove(event)
    return found


def check_decision(findings: Findings, events: list[dict], decision: Decision) -> None:
    """What the events of one decision say of it, together: its number of kills, who was chosen, and how."""
    findings.where = f"decision about {decision.kills[0].tid}"
    path = {"memcg_group", "scan"} if decision.group else {"scan"}
    if "oom_kill_allocating_task" in decision.kills[0].message:
        path = {"allocating_task"}
    elif decision.report and decision.report.order == -1:
        path = {"sysrq"}
    elif not decision.report:
        path |= {"sysrq"}
    indices = sorted(event["decision"].get("index", 0) for event in events)
    findings.check("decision.index of all", list(range(1, len(events) + 1)), indices)
    findings.check("decision.id, path, message, kills: how many of each", 1, len({shared(event) for event in events}))
    for event in events:
        findings.expect(event, "decision.kills", len(events))
        ours = event["decision"].get("path")
        if ours not in path and not (ours is None and findings.declared(event, "decision.path")):
            findings.add(f"decision.path: kernel {' or '.join(sorted(path))}, ours {ours}")
        check_role(findings, event, decision)
        check_sum(findings, "badness", event.get("badness"))


def shared(event: dict) -> tuple:
    """The part of `decision` that is the same in each of its events."""
    return tuple(event["decision"].get(name) for name in ("id", "path", "message", "kills"))


def check_role(findings: Findings, event: dict, decision: Decision) -> None:
    tid = event["victim"]["tid"]
    role = "chosen" if tid == decision.kills[0].tid else "group" if tid in decision.counts() else "shares_memory"
    findings.expect(event, "victim.role", role)
    if role != "shares_memory":
        return
    findings.expect(event, "victim.kernel_count", 0)
    rows = [decision.report.row(number) if decision.report else None for number in (tid, decision.kills[0].tid)]
    if rows[0] and rows[1]:
        same = [{name: row.columns[name] for name in ("total_vm", "rss", "pgtables_bytes")} for row in rows]
        findings.check("victim.role shares_memory: its row beside the victim's", same[1], same[0])


def check_victim(findings: Findings, event: dict, kill: Kill, decision: Decision) -> None:
    """The victim against its line `Killed process`, and against its row in the task table for what the line lacks."""
    findings.expect_name(event, "victim.comm", kill.comm)
    findings.expect(event, "victim.uid", kill.uid)
    findings.expect(event, "victim.oom_score_adj", kill.oom_score_adj)
    findings.expect(event, "victim.total_vm_pages", findings.pages(kill.total_vm_kb))
    findings.expect(event, "decision.message", kill.message)
    row = decision.report.row(kill.tid) if decision.report else None
    if row:
        findings.expect(event, "victim.pid", row.tgid)
    badness = event.get("badness")
    if not badness:
        findings.expect(event, "badness", "there")
        return
    still = stands_still(event)
    parts = {
        "anon_pages": findings.pages(kill.anon_kb),
        "file_pages": findings.pages(kill.file_kb),
        "shmem_pages": findings.pages(kill.shmem_kb),
        "pgtable_pages": findings.pages(kill.pgtables_kb),
    }
    if row:
        parts["swap_pages"] = row.columns["swapents"]
    for name, kernel in parts.items():
        findings.counter(f"badness.breakdown.{name}", kernel, badness["breakdown"].get(name), still=still)
    if "total_pages" in badness:
        adj_points = kill.oom_score_adj * (badness["total_pages"] // 1000)
        findings.check("badness.breakdown.adj_points", adj_points, badness["breakdown"].get("adj_points"))
        if row:
            kernel = sum(row_parts(row, findings.page_size).values()) + adj_points
            findings.counter("badness.points", kernel, badness.get("points"), still=still)


def stands_still(event: dict) -> bool:
    """Whether the victim is the one in the allocator, with no other thread, and scored by the kernel: nothing of it can move."""
    victim, trigger = event["victim"], event.get("trigger", {})
    return (
        trigger.get("tid") == victim.get("tid")
        and victim.get("threads", 1) == 1
        and event["badness"].get("points_source") == "kernel"
    )


def check_sum(findings: Findings, path: str, badness: dict | None) -> None:
    """The parts add up to the points, but for a residue that is told."""
    if not badness or "points" not in badness or "adj_points" not in badness["breakdown"]:
        return
    total = sum(badness["breakdown"].values()) + badness.get("residue_pages", 0)
    findings.check(f"{path}: parts beside points", badness["points"], total)


def check_report(findings: Findings, event: dict, decision: Decision, facts: dict[str, str], dead: set[int]) -> None:
    """Trigger, scope, limit and candidates; nothing where the kernel left the report out."""
    report = decision.report
    if not report:
        findings.note("kills without a report in the log")
        return
    check_trigger(findings, event, report)
    constraint = report.constraint
    if constraint:
        scope = SCOPES[constraint.scope]
        findings.expect(event, "scope", scope)
        chosen = event["victim"]["tid"] == decision.kills[0].tid
        if chosen and constraint.task_memcg is not None:
            findings.expect_name(event, "victim.cgroup.path", constraint.task_memcg)
        if chosen and constraint.uid is not None:
            findings.expect(event, "victim.pid", constraint.tid)
        check_limit(findings, event, report, facts)
    if "candidates" in event or event["victim"].get("role") == "chosen":
        check_candidates(findings, event, decision, dead)


def check_trigger(findings: Findings, event: dict, report: Report) -> None:
    """The task that invoked the killer; the log's PID is that of its thread."""
    findings.expect_name(event, "trigger.comm", report.trigger_comm, lenient_start=True)
    findings.expect(event, "trigger.oom_score_adj", report.trigger_adj)
    findings.expect(event, "trigger.gfp_mask", report.gfp_mask)
    findings.expect(event, "trigger.order", report.order)
    flags = event.get("trigger", {}).get("gfp_flags")
    findings.expect(event, "trigger.gfp_flags", sorted(report.gfp_flags), ours=flags and sorted(flags))
    if report.trigger_tid is not None:
        findings.expect(event, "trigger.tid", report.trigger_tid)
        row = report.row(report.trigger_tid)
        if row:
            findings.expect(event, "trigger.pid", row.tgid)
    if report.trigger_uid is not None:
        findings.expect(event, "trigger.uid", report.trigger_uid)
    pid = event.get("trigger", {}).get("pid")
    if pid is not None:
        findings.expect(event, "trigger.is_victim", pid == event["victim"]["pid"])


def check_limit(findings: Findings, event: dict, report: Report, facts: dict[str, str]) -> None:
    """Whose limit it was, and how large the domain is in which the points were counted."""
    domain = domain_pages(findings, report, facts)
    if domain is None:
        findings.note("domains whose size the log does not tell")
    else:
        findings.expect(event, "limit.total_pages", domain)
        findings.expect(event, "badness.total_pages", domain)
    if report.constraint.scope != "MEMCG":
        findings.check("limit.cgroup", None, event.get("limit", {}).get("cgroup"))
        return
    path = report.constraint.oom_memcg or report.stats_path
    if path is not None:
        findings.expect_name(event, "limit.cgroup.path", path)
    findings.expect(event, "limit.cgroup.version", 1 if "memory+swap" in report.usage_kb else 2)
    if "memory" not in report.usage_kb:
        return
    usage, limit = report.usage_kb["memory"]
    findings.expect(event, "limit.limit_pages", findings.pages(limit))
    if usage_ours := event.get("limit", {}).get("usage_pages"):
        findings.counter("limit.usage_pages", findings.pages(usage), usage_ours, still=False)
    if "swap" in report.usage_kb:
        swap = report.usage_kb["swap"][1]
        name = "swap_unlimited" if swap == UNLIMITED_KB else "swap_limit_pages"
        findings.expect(event, f"limit.{name}", True if swap == UNLIMITED_KB else findings.pages(swap))


def domain_pages(findings: Findings, report: Report, facts: dict[str, str]) -> int | None:
    """oc->totalpages from the log alone. Kernel: mm/oom_kill.c, constrained_alloc(); mm/memcontrol.c, mem_cgroup_get_max()."""
    if report.constraint.scope == "MEMCG":
        if "memory" not in report.usage_kb or "SwapTotal" not in facts:
            return None
        limit = report.usage_kb["memory"][1]
        swap = report.usage_kb.get("swap", (0, 0))[1]
        if "memory+swap" in report.usage_kb:
            swap = report.usage_kb["memory+swap"][1] - limit
        return findings.pages(limit + min(swap, int(facts["SwapTotal"]))) or 1
    if report.swap_total_kb is None:
        return None
    swap_pages = findings.pages(report.swap_total_kb)
    if report.constraint.scope == "NONE":
        return report.ram_pages - report.reserved_pages + swap_pages
    mask = report.constraint.nodemask if report.constraint.scope == "MEMORY_POLICY" else report.constraint.mems_allowed
    nodes = node_list(mask or b"")
    return swap_pages + sum(findings.pages(report.present_kb.get(node, 0)) for node in nodes)


def node_list(text: bytes) -> list[int]:
    """`0,2-3` to [0, 2, 3]. Kernel: lib/vsprintf.c, %*pbl"""
    nodes: list[int] = []
    for part in filter(None, text.decode().split(",")):
        first, _, last = part.partition("-")
        nodes += range(int(first), int(last or first) + 1)
    return nodes


def check_no_kills(findings: Findings, events: list[dict], no_killable: int) -> None:
    ours = [event for event in events if event["type"] == "oom_no_kill" and event["reason"] == "no_killable_process"]
    findings.check("oom_no_kill: no killable process", no_killable, len(ours))


def check_outcomes(findings: Findings, events: list[dict]) -> None:
    """Each kill ends in one outcome; the log alone cannot always tell one."""
    key = lambda event: (event["decision"]["id"], event["victim"]["pid"])  # noqa: E731
    kills = Counter(key(event) for event in events if event["type"] == "oom_kill")
    outcomes = Counter(key(event) for event in events if event["type"] == "oom_outcome")
    sources = {event["source"] for event in events if event["type"] == "stream_start"}
    missing = {} if sources & {"kmsg", "log"} else kills - outcomes
    if missing or outcomes - kills:
        findings.add(f"oom_outcome: one for each kill expected, missing {dict(missing)}, additional {dict(outcomes - kills)}")


def check_counts(findings: Findings, events: list[dict], folder: Path, kills_in_log: int) -> None:
    """The books: what the kernel counted = what was told + what was told as lost = the lines of the log."""
    before, after = (oom_kills(folder / f"vmstat.{name}") for name in ("before", "after"))
    growth = after - before
    told = sum(event["victim"]["kernel_count"] for event in events if event["type"] == "oom_kill")
    lost = sum(event["kernel_count"] for event in events if event["type"] == "loss")
    findings.check("lines Killed process beside vmstat's oom_kill", growth, kills_in_log)
    findings.check("kernel_count of all kills and losses beside vmstat's oom_kill", growth, told + lost)
    counts = Counter(event["type"] for event in events)
    end = next((event for event in events if event["type"] == "stream_end"), {})
    expected = {
        "kills": counts["oom_kill"],
        "outcomes": counts["oom_outcome"],
        "no_kills": counts["oom_no_kill"],
        "kernel_count_told": told,
        "kernel_count_lost": lost,
        "vmstat_oom_kill_growth": growth,
    }
    for name, value in expected.items():
        findings.check(f"stream_end.{name}", value, end.get(name))


def oom_kills(path: Path) -> int:
    """`oom_kill` of /proc/vmstat."""
    match = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE)
    return int(match[1]) if match else 0


def main() -> int:
    failed = 0
    for folder in map(Path, sys.argv[1:]):
        findings = examine(folder)
        for mismatch in findings.mismatches:
            print(f"{folder}: {mismatch}")
        for note in findings.told_notes():
            print(f"{folder}: let pass: {note}")
        failed += bool(findings.mismatches)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
