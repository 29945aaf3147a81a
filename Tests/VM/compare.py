# SPDX-License-Identifier: Apache-2.0
"""Compares a stream of oomwitness with the kernel's own log of the same minutes, field by field.

    python3 compare.py FOLDER...     prints each mismatch, then what was let pass and how often; exit 1 on a mismatch

A folder holds kmsg.raw (raw /dev/kmsg records), trace.ndjson, vmstat.before, vmstat.after (/proc/vmstat) and facts
(lines `KEY=VALUE` or of /proc/meminfo; read: cpus, tracer_exit, whole_log, SwapTotal). A field that is in the stream is compared
with what the log says of it, whoever saw it; one that is absent has to be named in `unavailable`. All numbers are in
pages here.

One thing is let pass, counted and told: a process that is not the one in the allocator goes on running while the kernel
scores it, prints it and kills it, and counters that are kept per CPU reach the sum in batches. Such a counter may
differ by what the batches of all CPUs hold (Kernel: lib/percpu_counter.c, percpu_counter_batch). The parts have to add
up to the points all the same.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

from candidates import check_candidates, row_parts
from findings import RSS_COUNTERS, Findings, Motion
from kernel_log import Decision, Kill, Report, parse
from limits import check_limit
from stream import read_stream

SCOPES = {"NONE": "system", "MEMCG": "memcg", "CPUSET": "cpuset", "MEMORY_POLICY": "mempolicy"}
FILES = ("kmsg.raw", "trace.ndjson", "vmstat.before", "vmstat.after")


def compare(folder: Path) -> list[str]:
    """Every mismatch of one run, as `FIELD: kernel VALUE, ours VALUE` after the kill that it is about."""
    return examine(folder).mismatches


def examine(folder: Path) -> Findings:
    """One run: the mismatches, and what was let pass."""
    absent = [name for name in FILES if not (folder / name).exists()]
    if absent:
        findings = Findings()
        findings.mismatches.append(f"nothing to compare: {', '.join(absent)} absent")
        return findings
    events, problems = read_stream(folder / "trace.ndjson")
    facts = read_facts(folder / "facts")
    start = events[0] if events else {}
    findings = Findings(
        start.get("page_size", 4096),
        int(facts.get("cpus", 2)),
        start.get("kernel_release", ""),
        int(facts.get("SwapTotal", 0)) > 0,
    )
    findings.mismatches += problems
    log = parse((folder / "kmsg.raw").read_bytes())
    findings.check("kmsg.raw: records missing", 0, log.missing_records)
    findings.check("exit status of the tracer", "0", facts.get("tracer_exit", "0"))
    pool = [event for event in events if event["type"] == "oom_kill"]
    losses = [event for event in events if event["type"] == "loss"]
    findings.unsettled = sum(event["kernel_count"] for event in losses)
    findings.lacks_details = any(event["reason"] == "ring_full" for event in losses)
    dead: set[int] = set()
    owners: dict[int, int] = {}
    for number, decision in enumerate(log.decisions):
        told = match_decision(findings, decision, pool, number, owners)
        for event, kill in told:
            findings.where = f"kill of {kill.tid} {kill.comm!r}"
            check_victim(findings, event, kill, decision)
            check_report(findings, event, decision, facts, dead)
        sharers = take_sharers(pool, told)
        for event in sharers:
            findings.where = f"kill of {event['victim']['tid']}, which shares memory"
            check_sharer(findings, event, decision)
            check_report(findings, event, decision, facts, dead)
        check_decision(findings, [event for event, _ in told] + sharers, decision)
        dead |= {event["victim"]["pid"] for event, _ in told} | {event["victim"]["pid"] for event in sharers}
    for fewer in sorted(folder.glob("trace.first-*.ndjson")):
        check_fewer(findings, fewer, [event for event in events if event["type"] == "oom_kill"])
    findings.where = "stream"
    for event in pool:
        if event["victim"].get("kernel_count") != 0 or event["decision"]["id"] not in owners:
            findings.add(f"oom_kill seq {event['seq']} of {event['victim'].get('tid')}: kernel none, ours one")
    check_no_kills(findings, events, log.no_killable)
    check_outcomes(findings, events)
    check_counts(findings, events, folder, sum(len(decision.kills) for decision in log.decisions), facts)
    return findings


def read_facts(path: Path) -> dict[str, str]:
    """`KEY=VALUE` and `Key:   123 kB`, whichever a line is."""
    text = path.read_text() if path.exists() else ""
    return dict(re.findall(r"^(\w+)(?:=|: +)(\S+)", text, re.MULTILINE))


def match_decision(
    findings: Findings, decision: Decision, pool: list[dict], number: int, owners: dict[int, int]
) -> list[tuple[dict, Kill]]:
    """Takes the events of a decision out of `pool`: one for each thread that the log names, however often."""
    told: list[tuple[dict, Kill]] = []
    for tid in decision.counts():
        kill = next(kill for kill in decision.kills if kill.tid == tid)
        findings.where = f"kill of {tid} {kill.comm!r}"
        event = next(
            (event for event in pool if event["victim"].get("tid") == tid and event["victim"]["kernel_count"]), None
        )
        if event is None:
            findings.add("oom_kill: kernel one, ours none")
            continue
        pool.remove(event)
        findings.check("decision.id", number, owners.setdefault(event["decision"]["id"], number))
        told.append((event, kill))
    return told


def take_sharers(pool: list[dict], told: list[tuple[dict, Kill]]) -> list[dict]:
    """Takes the events out of `pool` of those that were killed and not counted: they share a victim's memory."""
    ids = {event["decision"]["id"] for event, _ in told}
    found = [
        event for event in pool if event["decision"]["id"] in ids and event["victim"].get("role") == "shares_memory"
    ]
    for event in found:
        pool.remove(event)
    return found


def check_decision(findings: Findings, events: list[dict], decision: Decision) -> None:
    """What the events of one decision say of it, together: its number of kills, who was chosen, and how."""
    findings.where = f"decision about {decision.kills[0].tid}"
    path = {"memcg_group"} if decision.group else {"scan"}
    if "oom_kill_allocating_task" in decision.kills[0].message:
        path = {"allocating_task"}
    elif decision.report and decision.report.order == -1:
        path = {"sysrq"}
    elif not decision.report:
        path |= {"sysrq"}
    # Where the ring had no room for all, the log tells the rest: by the number of the same decision, with its own count of it.
    logged = [event for event in events if event["source"] == "kmsg"]
    probed = [event for event in events if event["source"] != "kmsg"]
    for part in filter(None, (probed, logged)):
        check_order(findings, part, decision, whole=len(part) == len(events))
        findings.check("decision.id, path, message, kills: how many of each", 1, len({shared(event) for event in part}))
    for event in events:
        findings.expect(event, "decision.kills", len(probed) if event in probed else len(decision.counts()))
        ours = event["decision"].get("path")
        if ours not in path and not (ours is None and findings.declared(event, "decision.path")):
            findings.add(f"decision.path: kernel {' or '.join(sorted(path))}, ours {ours}")
        check_role(findings, event, decision)
        check_sum(findings, "badness", event.get("badness"))


def shared(event: dict) -> tuple:
    """The part of `decision` that is the same in each of its events."""
    return tuple(event["decision"].get(name) for name in ("id", "path", "message", "kills"))


def check_order(findings: Findings, events: list[dict], decision: Decision, *, whole: bool) -> None:
    """`index` counts the events of a decision in the kernel's order; sharers are in no line of its log.

    Of a decision that is not told `whole` by one source, the log has the places of its own events.
    """
    indices = sorted(event["decision"].get("index", 0) for event in events)
    places = list(range(1, len(events) + 1))
    if not whole and events[0]["source"] == "kmsg":
        places = [place for place, tid in enumerate(decision.counts(), 1) if tid in {event["victim"]["tid"] for event in events}]
    findings.check("decision.index of all", places, indices)
    in_order = sorted(events, key=lambda event: event["decision"].get("index", 0))
    counted = [event["victim"]["tid"] for event in in_order if event["victim"]["kernel_count"]]
    findings.check("decision.index: order of tids", [tid for tid in decision.counts() if tid in counted], counted)


def check_role(findings: Findings, event: dict, decision: Decision) -> None:
    tid = event["victim"]["tid"]
    counts = decision.counts()
    role = "chosen" if tid == decision.kills[0].tid else "group" if tid in counts else "shares_memory"
    findings.expect(event, "victim.role", role)
    lacking = counts.get(tid, 0) - event["victim"]["kernel_count"]
    if 0 < lacking <= findings.unsettled and event["victim"]["kernel_count"]:
        findings.unsettled -= lacking
        findings.note("counts of a victim that were told as lost")
        return
    findings.expect(event, "victim.kernel_count", counts.get(tid, 0))


def check_sharer(findings: Findings, event: dict, decision: Decision) -> None:
    """One that the log has no line for: its row is that of the victim's memory under its own name."""
    rows = {row.tid: row for row in decision.report.rows} if decision.report else {}
    row, chosen = rows.get(event["victim"]["tid"]), rows.get(decision.kills[0].tid)
    if not row:
        return
    findings.expect(event, "victim.pid", row.tgid)
    findings.expect_name(event, "victim.comm", row.comm)
    findings.expect(event, "victim.uid", row.uid)
    findings.expect(event, "victim.oom_score_adj", row.columns["oom_score_adj"])
    findings.expect(event, "victim.total_vm_pages", row.columns["total_vm"])
    if chosen and not decision.group:
        findings.check("victim.role: not the chosen one's memory", chosen.columns["total_vm"], row.columns["total_vm"])


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
    victim = event["victim"]
    motion = findings.motion(event, victim, badness.get("points_source"), victim.get("threads", 1))
    parts = {
        "anon_pages": findings.pages(kill.anon_kb),
        "file_pages": findings.pages(kill.file_kb),
        "shmem_pages": findings.pages(kill.shmem_kb),
        "pgtable_pages": findings.pages(kill.pgtables_kb),
    }
    if row:
        parts["swap_pages"] = row.columns["swapents"]
    for name, kernel in parts.items():
        findings.counter(f"badness.breakdown.{name}", kernel, badness["breakdown"].get(name), motion)
    if "total_pages" in badness:
        adj_points = kill.oom_score_adj * (badness["total_pages"] // 1000)
        findings.check("badness.breakdown.adj_points", adj_points, badness["breakdown"].get("adj_points"))
        if row:
            kernel = sum(row_parts(row, findings.page_size).values()) + adj_points
            # The log's own points are those of the kill line, and the row was printed before it.
            stood_still = victim.get("tid") == event.get("trigger", {}).get("tid")
            if motion is Motion.NONE and not stood_still:
                motion = Motion.RUNS
            findings.counter("badness.points", kernel, badness.get("points"), motion, counters=RSS_COUNTERS)


def check_sum(findings: Findings, path: str, badness: dict | None) -> None:
    """The parts add up to the points, but for a residue that is told."""
    if not badness or "points" not in badness or "adj_points" not in badness["breakdown"]:
        return
    total = sum(badness["breakdown"].values()) + badness.get("residue_pages", 0)
    findings.check(f"{path}: parts beside points", badness["points"], total)


def check_fewer(findings: Findings, path: Path, kills: list[dict]) -> None:
    """A stream of fewer candidates has the same kills, and of each the first of the same list."""
    events, problems = read_stream(path)
    findings.mismatches += problems
    told = [event for event in events if event["type"] == "oom_kill"]
    listed = int(path.stem.rpartition("-")[2])
    findings.where = path.name
    findings.check("kills", [kill["victim"]["pid"] for kill in kills], [kill["victim"]["pid"] for kill in told])
    for whole, short in zip(kills, told):
        for name in ("considered", "runner_up_margin"):
            findings.check(f"candidates.{name}", whole["candidates"].get(name), short["candidates"].get(name))
        first = [ranked(one, whole) for one in whole["candidates"]["list"][:listed]]
        findings.check("candidates.list", first, [ranked(one, short) for one in short["candidates"]["list"]])


def ranked(candidate: dict, event: dict) -> tuple:
    """What must not depend on how many are listed. The tracepoint rung looks at the victim when its memory goes already."""
    moves = event["source"] == "tracepoint" and candidate["pid"] == event["victim"]["pid"]
    return candidate["pid"], candidate.get("rank"), candidate.get("skipped"), None if moves else candidate.get("points")


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
        check_limit(findings, event, report, facts, dead)
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
    if pid is not None and "victim" in event:
        findings.expect(event, "trigger.is_victim", pid == event["victim"]["pid"])


def check_no_kills(findings: Findings, events: list[dict], reports: list[Report]) -> None:
    """Decisions that found nobody. Those alike are held back for a second, and counted: in `repeated`, and at the end.

    mark_victim alone does not see them.
    """
    told = [event for event in events if event["type"] == "oom_no_kill"]
    ours = [event for event in told if event["reason"] == "no_killable_process"]
    for event in ours:
        # One task may find nobody in one group after another.
        of_trigger = [report for report in reports if report.trigger_tid == event["trigger"].get("tid")]
        path = ((event.get("limit") or {}).get("cgroup") or {}).get("path", "").encode()
        report = next((report for report in of_trigger if report.stats_path == path), of_trigger[0] if of_trigger else None)
        findings.where = f"oom_no_kill seq {event['seq']}"
        findings.check("no_killable_process: reports of its trigger", True, report is not None)
        if report:
            check_trigger(findings, event, report)
            if report.stats_path is not None:
                findings.expect_name(event, "limit.cgroup.path", report.stats_path)
    findings.where = "stream"
    if any(event.get("source") == "tracepoint" for event in events):
        return
    total = sum(1 + event.get("repeated", 0) for event in told)
    end = sum(event.get("no_kills", 0) for event in events if event["type"] == "stream_end")
    findings.check("oom_no_kill: told at all, where the kernel found nobody", bool(reports), bool(ours))
    findings.check("stream_end.no_kills: as many as were told, or more", True, end >= total)
    if len(ours) == len(told):
        findings.check("stream_end.no_kills: reports of nobody found", len(reports), end)


def check_outcomes(findings: Findings, events: list[dict]) -> None:
    """Each kill ends in one outcome; the log alone cannot always tell one."""
    key = lambda event: (event["decision"]["id"], event["victim"]["pid"])  # noqa: E731
    kills = Counter(key(event) for event in events if event["type"] == "oom_kill")
    outcomes = Counter(key(event) for event in events if event["type"] == "oom_outcome")
    logged = [event for event in events if event["type"] == "oom_kill" and event["source"] in ("kmsg", "log")]
    from_log = Counter(key(event) for event in logged)
    missing = kills - from_log - outcomes
    if missing or outcomes - kills:
        findings.add(
            f"oom_outcome: one for each kill expected, missing {dict(missing)}, additional {dict(outcomes - kills)}"
        )


def check_counts(
    findings: Findings, events: list[dict], folder: Path, kills_in_log: int, facts: dict[str, str]
) -> None:
    """The books: what the kernel counted = what was told + what was told as lost = the lines of the log."""
    before, after = (oom_kills(folder / f"vmstat.{name}") for name in ("before", "after"))
    growth = after if "whole_log" in facts else after - before
    told = sum(event["victim"]["kernel_count"] for event in events if event["type"] == "oom_kill")
    lost = sum(event["kernel_count"] for event in events if event["type"] == "loss")
    findings.check("lines Killed process beside vmstat's oom_kill", growth, kills_in_log)
    findings.check("kernel_count of all kills and losses beside vmstat's oom_kill", growth, told + lost)
    counts = Counter(event["type"] for event in events)
    end = next((event for event in events if event["type"] == "stream_end"), {})
    logged = [event for event in events if event["type"] == "oom_kill" and event["source"] == "kmsg"]
    past = sum(event["victim"]["kernel_count"] for event in logged[: end.get("kills_backfilled", 0)])
    expected = {
        "kills": counts["oom_kill"],
        "outcomes": counts["oom_outcome"],
        "kernel_count_told": told - past,
        "kernel_count_lost": lost,
        "vmstat_oom_kill_growth": growth - past,
    }
    if "kills_from_log" in end:
        expected["kills_from_log"] = len(logged) - end.get("kills_backfilled", 0)
    if "whole_log" in facts:
        expected |= {"kernel_count_backfilled": past, "kernel_count_forgotten": 0}
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
