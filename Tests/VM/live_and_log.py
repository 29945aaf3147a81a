# SPDX-License-Identifier: Apache-2.0
"""Live against log: what the tracer told of a guest, and what `oomwitness analyze` tells of the log that the guest left.

Each kill is told by both; each field that both know has to agree. What is no fact of both is in NOT_SHARED, with why.
Counters of a process that was running meanwhile may differ as findings.py allows, and are counted.
"""

from __future__ import annotations

import json
from pathlib import Path

from compare import read_facts
from findings import RSS_COUNTERS, Findings, Motion
from limits import check_usage
from log_events import analyzed, check, expected_events

NOT_SHARED = {
    "schema", "seq", "host", "boot_id",  # of the line, not of the kill
    "time", "monotonic_ns",  # the tracer's is the decision's, the log's is the kill line's
    "source", "unavailable", "explanation", "latency",  # who saw it, and how much of it
    "memory", "pressure_stall",  # read by the tracer from /proc, some milliseconds after the kernel printed its own
    "decision.id",  # each stream numbers for itself; `agree` holds them together
    "decision.kills", "decision.index",  # those that share memory die without a line of the log
    "badness.points_source", "badness.reconciled", "badness.residue_pages",  # how the tracer came to the points
    "candidates.considered", "candidates.listed", "candidates.omitted",  # the kernel prints no row of those that it cannot take
    "candidates.runner_up_margin", "candidates.list",  # `agree_on_candidates`
}  # fmt: skip


def compare_live(folder: Path, binary: Path) -> list[str]:
    """Every mismatch of `analyze` with the guest's log, and with the tracer's stream."""
    log = folder / "kmsg.raw"
    from_log = analyzed(binary, log)
    (folder / "analyze.ndjson").write_text("".join(json.dumps(event) + "\n" for event in from_log))
    problems = [f"analyze: {problem}" for problem in check(from_log, expected_events(log.read_bytes()))]
    live = [json.loads(line) for line in (folder / "trace.ndjson").read_bytes().splitlines()]
    if not live:
        return problems + ["live and log: the tracer said nothing"]
    findings = agree(live, from_log, read_facts(folder / "facts"))
    return problems + [f"live and log: {problem}" for problem in findings.mismatches]


def agree(live: list[dict], from_log: list[dict], of_guest: dict[str, str]) -> Findings:
    """Kills by the thread that the kernel named, in its order; a kill of the one alone is a mismatch."""
    start = live[0]
    swaps = int(of_guest.get("SwapTotal", 0)) > 0
    findings = Findings(start["page_size"], int(of_guest.get("cpus", 2)), start["kernel_release"], swaps)
    waiting = [event for event in live if event["type"] == "oom_kill" and event["victim"]["kernel_count"]]
    # Of a kill that counts twice the ring may have lost one, and that is told.
    unsettled = sum(event["kernel_count"] for event in live if event["type"] == "loss")
    owners: dict[int, int] = {}
    dead: set[int] = set()
    for kill in (event for event in from_log if event["type"] == "oom_kill"):
        findings.where = f"kill of {kill['victim']['tid']} {kill['victim']['comm']!r}"
        twin = next((event for event in waiting if event["victim"].get("tid") == kill["victim"]["tid"]), None)
        if twin is None:
            findings.add("log one, live none")
            continue
        waiting.remove(twin)
        live_id = twin["decision"]["id"]
        findings.check("decision.id", owners.setdefault(live_id, kill["decision"]["id"]), kill["decision"]["id"])
        lacking = kill["victim"]["kernel_count"] - twin["victim"]["kernel_count"]
        if 0 < lacking <= unsettled:
            unsettled -= lacking
            kill = kill | {"victim": kill["victim"] | {"kernel_count": twin["victim"]["kernel_count"]}}
        agree_on_kill(findings, twin, kill, dead)
        dead.add(twin["victim"]["pid"])
    findings.where = "stream"
    for event in waiting:
        findings.add(f"kill of {event['victim']['tid']}: live one, log none")
    return findings


def agree_on_kill(findings: Findings, live: dict, from_log: dict, dead: set[int]) -> None:
    motion = findings.motion(live, live["victim"], live.get("badness", {}).get("points_source"), live["victim"].get("threads", 1))
    # The log's points are of rows that were printed before the kill line, and its parts of 5.10 to 6.7 of that line.
    if motion is Motion.NONE and live["victim"].get("tid") != live.get("trigger", {}).get("tid"):
        motion = Motion.RUNS
    walk(findings, "", live, from_log, motion, dead)
    agree_on_candidates(findings, live, from_log)


def walk(findings: Findings, path: str, live: dict, from_log: dict, motion: Motion, dead: set[int]) -> None:
    """Every field that both have."""
    for key in sorted(live.keys() & from_log.keys()):
        place = f"{path}.{key}".lstrip(".")
        one, other = live[key], from_log[key]
        if place in NOT_SHARED:
            continue
        if isinstance(one, dict):
            walk(findings, place, one, other, motion, dead)
        elif place == "limit.usage_pages":
            check_usage(findings, other, one, dead, inferred=live.get("inferred") is True)
        elif place == "limit.swap_usage_pages":
            moves = Motion.SWAPPED if findings.swaps else Motion.NONE
            check_usage(findings, other, one, dead, inferred=live.get("inferred") is True, field=place, motion=moves)
        elif place == "limit.inferred":
            continue  # the tracer may have to conclude what the log is told
        elif place.endswith("_pages") and "breakdown" in place:
            findings.counter(place, other, one, motion)
        elif place == "badness.points":
            findings.counter(place, other, one, motion, counters=RSS_COUNTERS)
        elif place == "trigger.gfp_flags":
            findings.check(place, sorted(other), sorted(one))
        else:
            findings.check(place, other, one)


def agree_on_candidates(findings: Findings, live: dict, from_log: dict) -> None:
    """Each process that both list; who is in the log has to be among the tracer's."""
    if "candidates" not in live or "candidates" not in from_log or "candidates" in live.get("unavailable", []):
        return  # absent, or what the ring had no room for, which is said
    ours = {one["tid"]: one for one in live["candidates"]["list"]}
    for row in from_log["candidates"]["list"]:
        one = ours.get(row["tid"])
        if one is None:
            # The tracepoint's walk comes after the kill: by then others may have ended.
            if live["source"] != "tracepoint":
                findings.add(f"candidate {row['tid']}: log one, live none")
            continue
        for key in ("pid", "uid", "oom_score_adj"):
            findings.check(f"candidate {row['tid']}: {key}", row[key], one.get(key))
        if one.get("skipped") in (None, "oom_score_adj_min"):
            findings.check(f"candidate {row['tid']}: eligible", row["eligible"], one["eligible"])
        threads = live["victim"].get("threads", 1) if one["pid"] == live["victim"]["pid"] else 1
        motion = findings.motion(live, one, one.get("points_source"), threads)
        if "points" in row and "points" in one:
            findings.counter("candidate: points", row["points"], one["points"], motion, counters=RSS_COUNTERS, place=f"{row['tid']} as ")
        parts, told = row.get("breakdown", {}), one.get("breakdown", {})
        for part in parts.keys() & told.keys() - {"adj_points"}:
            findings.counter(f"candidate: {part}", parts[part], told[part], motion, place=f"{row['tid']} as ")
        if "adj_points" in parts.keys() & told.keys():
            findings.check(f"candidate {row['tid']}: adj_points", parts["adj_points"], told["adj_points"])
