# SPDX-License-Identifier: Apache-2.0
"""Compares the candidates of a decision with the kernel's task table of the same decision."""

from __future__ import annotations

from findings import RSS_COUNTERS, Findings
from kernel_log import Decision, TaskRow

# Kernel: mm/oom_kill.c, dump_task() prints no row for these, or no longer: their memory may be gone by then.
ROWLESS = {"init", "kernel_thread", "no_mm", "outside_cpuset", "already_victim", "mmf_oom_skip"}


def row_parts(row: TaskRow, page_size: int) -> dict[str, int]:
    """The parts of a row's badness in pages; before 6.8 the first three are printed as one, `rss`."""
    columns = row.columns
    parts = {"swap_pages": columns["swapents"], "pgtable_pages": columns["pgtables_bytes"] // page_size}
    if "rss_anon" not in columns:
        return {"rss": columns["rss"]} | parts
    return {f"{name}_pages": columns[f"rss_{name}"] for name in ("anon", "file", "shmem")} | parts


def check_candidates(findings: Findings, event: dict, decision: Decision, dead: set[int]) -> None:
    """Same processes, and the same numbers for each; `dead` are the processes killed before, which are passed over."""
    candidates = event.get("candidates")
    if candidates is None:
        if "oom_kill_allocating_task" not in decision.kills[0].message:
            findings.expect(event, "candidates", "a task table")
        return
    ours = candidates["list"]
    findings.check("candidates.listed", len(ours), candidates["listed"])
    findings.check("candidates.considered", candidates["listed"] + candidates["omitted"], candidates["considered"])
    rows = {row.tid: row for row in decision.report.rows}
    tids = [candidate["tid"] for candidate in ours]
    if candidates["omitted"] and findings.lacks_details:
        findings.note("candidates that the ring had no room for")
        rows = {tid: row for tid, row in rows.items() if tid in tids}
    else:
        findings.check("candidates.omitted", 0, candidates["omitted"])
    expected = sorted(tid for tid in tids if tid in rows) + sorted(set(rows) - set(tids))
    rowless = [
        candidate["tid"] for candidate in ours if candidate.get("skipped") in ROWLESS and candidate["tid"] not in rows
    ]
    findings.check("candidates.list, by tid", sorted(expected), sorted(set(tids) - set(rowless)))
    findings.check("candidates.list: processes told twice", 0, len(tids) - len(set(tids)))
    for candidate in ours:
        if candidate["tid"] in rows:
            check_candidate(findings, event, candidate, rows[candidate["tid"]], dead)
    if not (candidates["omitted"] and findings.lacks_details):
        check_ranks(findings, ours, decision.kills[0].tid, candidates.get("runner_up_margin"))


def check_candidate(findings: Findings, event: dict, candidate: dict, row: TaskRow, dead: set[int]) -> None:
    """One candidate against its row."""
    place = f"candidate {row.tid}"
    name = bytes.fromhex(candidate["comm_hex"]) if "comm_hex" in candidate else candidate["comm"].encode()
    if name != row.comm and has_run_exec(candidate, row):
        findings.note("candidate: comm changed with all else, by execve(2)")
    else:
        findings.check(f"{place}: comm", row.comm, name)
    findings.check(f"{place}: pid", row.tgid, candidate["pid"])
    findings.check(f"{place}: uid", row.uid, candidate.get("uid"))
    findings.check(f"{place}: oom_score_adj", row.columns["oom_score_adj"], candidate["oom_score_adj"])
    check_eligible(findings, place, event, candidate, row, dead)
    breakdown = candidate.get("breakdown")
    if not breakdown:
        return
    kernel = row_parts(row, findings.page_size)
    if "rss" in kernel:
        breakdown = {"rss": sum(breakdown[f"{part}_pages"] for part in ("anon", "file", "shmem"))} | breakdown
    threads = event["victim"].get("threads", 1) if candidate["pid"] == event["victim"]["pid"] else 1
    motion = findings.motion(event, candidate, candidate.get("points_source"), threads)
    for part, pages in kernel.items():
        counters = 3 if part == "rss" else 1
        findings.counter(
            f"candidate: {part}", pages, breakdown.get(part), motion, counters=counters, place=f"{row.tid} as "
        )
    if "points" not in candidate:
        return
    total = event["badness"].get("total_pages")
    if total is not None:
        adj_points = row.columns["oom_score_adj"] * (total // 1000)
        findings.check(f"{place}: adj_points", adj_points, breakdown.get("adj_points"))
        points = sum(kernel.values()) + adj_points
        findings.counter(
            "candidate: points", points, candidate["points"], motion, counters=RSS_COUNTERS, place=f"{row.tid} as "
        )
    parts = sum(pages for part, pages in breakdown.items() if part != "rss") + candidate.get("residue_pages", 0)
    findings.check(f"{place}: parts beside points", candidate["points"], parts)


def has_run_exec(candidate: dict, row: TaskRow) -> bool:
    """Whether the process that the kernel scored has another memory by now, under another name."""
    resident = sum(candidate.get("breakdown", {}).get(f"{part}_pages", 0) for part in ("anon", "file", "shmem"))
    return resident != row.columns["rss"]


def check_eligible(
    findings: Findings, place: str, event: dict, candidate: dict, row: TaskRow, dead: set[int]
) -> None:
    """-1000 is never taken, nor a process that was killed before; of others a reason is told that no log can deny."""
    skipped = candidate.get("skipped")
    findings.check(f"{place}: eligible", skipped is None, candidate["eligible"])
    for name in ("points", "rank"):
        # Without an adjustment the pages are the points, whatever the size of the domain: a log may tell them all the same.
        if name == "points" and candidate["oom_score_adj"] == 0 and findings.declared(event, "candidates.list.points"):
            continue
        wanted = skipped is None and not findings.declared(event, f"candidates.list.{name}")
        findings.check(f"{place}: {name} there", wanted, name in candidate)
    if row.tgid in dead:
        findings.check(f"{place}: passed over, being dead", True, skipped is not None)
    elif row.columns["oom_score_adj"] == -1000:
        # The walk of that rung comes after the kill: by then it may have ended, as what waits for the kernel's count does.
        ended = event["source"] == "tracepoint" and skipped == "no_mm"
        findings.check(f"{place}: skipped", "oom_score_adj_min", "oom_score_adj_min" if ended else skipped)
    else:
        findings.check(f"{place}: skipped", True, skipped in (None, "in_vfork", "mmf_oom_skip", "no_mm"))


def check_ranks(findings: Findings, candidates: list[dict], chosen_tid: int, margin: int | None) -> None:
    """Ranks are 1.. by points, the chosen one first, also among equals; the margin is to the best of the others."""
    ranked = sorted((c for c in candidates if "rank" in c), key=lambda c: c["rank"])
    findings.check("candidates: ranks", list(range(1, len(ranked) + 1)), [c["rank"] for c in ranked])
    chosen = next((c for c in ranked if c["tid"] == chosen_tid), None)
    others = [c["points"] for c in ranked if c is not chosen]
    if chosen is None:
        findings.check("candidates: points by rank", sorted(others, reverse=True), others)
        return
    approximate = findings.kernel_is_exact and chosen.get("points_source") != "kernel"
    if approximate and max(others, default=chosen["points"]) > chosen["points"]:
        # Told first where the rung knows that it was taken, else by its points; a margin would be no fact.
        findings.note("chosen one not first, by approximate points")
        findings.check("candidates: points of the others by rank", sorted(others, reverse=True), others)
        findings.check("candidates.runner_up_margin", None, margin)
        return
    points = [c["points"] for c in ranked]
    findings.check("candidates: points by rank", sorted(points, reverse=True), points)
    findings.check("candidates.runner_up_margin", chosen["points"] - max(others) if others else None, margin)
    findings.check("candidates: rank of the chosen one", 1, chosen["rank"])
