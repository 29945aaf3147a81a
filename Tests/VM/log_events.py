# SPDX-License-Identifier: Apache-2.0
"""What `oomwitness analyze` has to say of a kernel's log, worked out again: from the lines by kernel_log.py, and from
them to fields by what docs/schema/oomwitness.v1.schema.json says of each, and the kernel's formulas.

    python3 log_events.py BINARY FILE.kmsg...       prints each difference between this and what the binary says; exit 1
    python3 log_events.py --write FILE.kmsg...      writes FILE.ndjson, the events expected of each, one a line

Shares nothing with Sources/KernelLog. Where FILE.ndjson is there, it has to be what is worked out here, so that neither
this nor the binary can change alone. A log is one as /dev/kmsg gives it: it names no host, no boot and no wall-clock time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from candidates import row_parts
from kernel_log import UNLIMITED_KB, Decision, KernelLog, Kill, Report, TaskRow, parse
from limits import node_list
from owners import owner

PAGE = 4096
SCOPES = {"NONE": "system", "MEMCG": "memcg", "CPUSET": "cpuset", "MEMORY_POLICY": "mempolicy"}
COUNTERS = {
    "free": "free_pages",
    "shmem": "shmem_pages",
    "slab_reclaimable": "slab_reclaimable_pages",
    "slab_unreclaimable": "slab_unreclaimable_pages",
    "pagetables": "page_tables_pages",
}
# No log has them; /proc does not either, of a process that is long dead.
NEVER = ("victim.ppid", "victim.start_time", "victim.threads", "victim.cmdline", "victim.exe")
# Held elsewhere: the number of the line by `check`, the sentence by Tests/EventsTests/ExplanationTests.swift.
LEFT_OUT = ("schema", "seq", "explanation")


def pages(kilobytes: int) -> int:
    return kilobytes * 1024 // PAGE


def present(**fields: object) -> dict:
    """What is None was not observed, and is absent."""
    return {name: value for name, value in fields.items() if value is not None}


def name(key: str, text: bytes | None) -> dict:
    """A name, and all of its bytes where the text could not hold them."""
    if text is None:
        return {}
    try:
        return {key: text.decode()}
    except UnicodeDecodeError:
        # As Swift does it: one U+FFFD for each maximal part of a sequence that is not UTF-8; so does Python.
        return {key: text.decode(errors="replace"), f"{key}_hex": text.hex()}


def placed(path: bytes, report: Report | None) -> dict:
    """A cgroup, and whose it is as far as its path tells."""
    return {"cgroup": name("path", path) | present(version=cgroup_version(report))} | owner(path)


def expected_events(raw: bytes) -> list[dict]:
    """All kills in the kernel's order, then the reports after which nobody was killed, then what the reaper said."""
    log = parse(raw)
    kills: list[dict] = []
    for number, decision in enumerate(log.decisions, 1):
        kills += DecisionEvents(number, decision).kills()
    without = sorted(log.no_killable + log.exiting, key=lambda report: report.end_microseconds)
    return kills + [no_kill(report) for report in without] + outcomes(log, kills)


class DecisionEvents:
    """One decision's events."""

    def __init__(self, number: int, decision: Decision):
        self.number = number
        self.decision = decision
        self.report = decision.report
        self.constraint = self.report.constraint if self.report else None
        self.first = decision.kills[0]

    def kills(self) -> list[dict]:
        counts = self.decision.counts()
        return [self.kill(tid, count, index, len(counts)) for index, (tid, count) in enumerate(counts.items(), 1)]

    def kill(self, tid: int, count: int, index: int, of: int) -> dict:
        line = next(kill for kill in self.decision.kills if kill.tid == tid)
        row = self.report.row(tid) if self.report else None
        is_chosen = index == 1
        pid = row.tgid if row else chosen_pid(self.report, line) if is_chosen else None
        victim = present(
            pid=pid or tid, tid=tid, role="chosen" if is_chosen else "group", kernel_count=count, uid=line.uid,
            oom_score_adj=line.oom_score_adj, total_vm_pages=pages(line.total_vm_kb),
        ) | name("comm", line.comm)  # fmt: skip
        if is_chosen and (path := self.task_path()) is not None:
            victim |= placed(path, self.report)
        scope = scope_of(self.report, line.message.startswith("Memory cgroup"))
        total = domain_pages(self.report)
        event = present(
            type="oom_kill", monotonic_ns=line.microseconds * 1000, source="log", scope=scope,
            decision=present(id=self.number, path=self.path(line), message=line.message, kills=of, index=index),
            trigger=trigger(self.report, pid, tid, self.task_path()), limit=limit(self.report, scope), victim=victim,
            badness=badness(line, row, total), memory=memory(self.report),
        )  # fmt: skip
        by_scan = is_chosen and "oom_kill_allocating_task" not in line.message
        if by_scan and self.report and self.report.columns:
            event["candidates"] = candidates(self.report, line, row, total)
        event["unavailable"] = unavailable(event, pid is not None, by_scan)
        return event

    def path(self, line: Kill) -> str | None:
        if self.decision.group is not None:
            return "memcg_group"
        if "oom_kill_allocating_task" in line.message:
            return "allocating_task"
        if line.message.startswith("Memory cgroup"):
            return "scan"
        return None if not self.report else "sysrq" if self.report.order == -1 else "scan"

    def task_path(self) -> bytes | None:
        return self.constraint.task_memcg if self.constraint else None


def chosen_pid(report: Report | None, line: Kill | None) -> int | None:
    """The scan goes over processes; who allocates is a thread."""
    if not report or not report.constraint or report.constraint.tid is None:
        return None
    row = report.row(report.constraint.tid)
    if row:
        return row.tgid
    return None if line and "oom_kill_allocating_task" in line.message else report.constraint.tid


def cgroup_version(report: Report | None) -> int | None:
    usage = report.usage_kb if report else {}
    return 1 if "memory+swap" in usage else 2 if "swap" in usage else None


def scope_of(report: Report | None, is_memcg: bool) -> str | None:
    if report and report.constraint:
        return SCOPES[report.constraint.scope]
    return "memcg" if is_memcg else None


def trigger(report: Report | None, victim_pid: int | None, victim_tid: int | None, task_path: bytes | None) -> dict | None:
    """Who asked. Its process is known where the table has its thread, or where it is the chosen one itself."""
    if not report:
        return None
    tid = report.trigger_tid
    row = report.row(tid) if tid is not None else None
    chosen = chosen_pid(report, None)
    is_chosen = chosen is not None and (tid == report.constraint.tid or bool(row) and row.tgid == chosen)
    pid = chosen if is_chosen else row.tgid if row else None
    if tid is not None and tid == victim_tid:
        pid = victim_pid if victim_pid is not None else pid
    if report.order == -1:  # a kernel thread, which sysrq-f has woken
        pid = tid
    uid = report.trigger_uid if report.trigger_uid is not None else row.uid if row else None
    told = present(
        pid=pid, tid=tid, uid=uid, oom_score_adj=report.trigger_adj, gfp_mask=report.gfp_mask,
        gfp_flags=sorted(report.gfp_flags), order=report.order,
    ) | name("comm", report.trigger_comm)  # fmt: skip
    if is_chosen and task_path is not None:
        told |= placed(task_path, report)
    if victim_tid is not None and (tid == victim_tid or None not in (pid, victim_pid)):
        told["is_victim"] = tid == victim_tid or pid == victim_pid
    return told


def swap_limit_kb(report: Report) -> int | None:
    """What a group may swap; on v1 what both together leave above the memory."""
    if "swap" in report.usage_kb:
        return report.usage_kb["swap"][1]
    if "memory+swap" not in report.usage_kb or "memory" not in report.usage_kb:
        return None
    both = report.usage_kb["memory+swap"][1]
    return both if both >= UNLIMITED_KB else max(0, both - report.usage_kb["memory"][1])


def domain_pages(report: Report | None) -> int | None:
    """oc->totalpages, where a log alone tells it: a group's also depends on swap that no report of a group tells of.

    Kernel: mm/oom_kill.c, constrained_alloc()
    """
    constraint = report.constraint if report else None
    if not report or not constraint:
        return None
    if constraint.scope == "MEMCG":
        if swap_limit_kb(report) != 0 or report.usage_kb["memory"][1] >= UNLIMITED_KB:
            return None
        return pages(report.usage_kb["memory"][1]) or 1
    if report.swap_total_kb is None:
        return None
    if constraint.scope == "NONE":
        return report.ram_pages - report.reserved_pages + pages(report.swap_total_kb)
    mask = constraint.nodemask if constraint.scope == "MEMORY_POLICY" else constraint.mems_allowed
    if mask is None:
        return None
    return pages(report.swap_total_kb) + sum(pages(report.present_kb.get(node, 0)) for node in node_list(mask))


def limit(report: Report | None, scope: str | None) -> dict | None:
    """Whose limit it was, and the size of the domain."""
    total = domain_pages(report)
    if scope != "memcg":
        return {"total_pages": total} if total is not None else None
    if not report:
        return None
    path = report.stats_path if report.stats_path is not None else report.constraint and report.constraint.oom_memcg
    told = present(total_pages=total, inferred=False)
    if path is not None:
        told |= placed(path, report)
    if "memory" in report.usage_kb:
        usage, most = report.usage_kb["memory"]
        told |= {"usage_pages": pages(usage)} | bound("limit_pages", "unlimited", most)
    if (swap := swap_limit_kb(report)) is not None:
        both = report.usage_kb.get("memory+swap", (0, 0))[0] - report.usage_kb["memory"][0]
        used = report.usage_kb["swap"][0] if "swap" in report.usage_kb else max(0, both)
        told |= {"swap_usage_pages": pages(used)} | bound("swap_limit_pages", "swap_unlimited", swap)
    return told


def bound(key: str, key_of_none: str, kilobytes: int) -> dict:
    return {key_of_none: True} if kilobytes >= UNLIMITED_KB else {key: pages(kilobytes)}


def adj_points(oom_score_adj: int, total: int | None) -> int | None:
    if oom_score_adj == 0:
        return 0
    return None if total is None else oom_score_adj * (total // 1000)


def parts_of(line: Kill, row: TaskRow | None) -> dict | None:
    """The victim's parts: its row's, as the kernel scored it; the kill line's where the row does not tell them apart."""
    if not row:
        return None  # its swap is in the table alone
    found = row_parts(row, PAGE)
    if "rss" not in found:
        return found
    of_line = {"anon_pages": line.anon_kb, "file_pages": line.file_kb, "shmem_pages": line.shmem_kb}
    return {key: pages(size) for key, size in of_line.items()} | {key: found[key] for key in ("swap_pages", "pgtable_pages")}


def badness(line: Kill, row: TaskRow | None, total: int | None) -> dict | None:
    parts = parts_of(line, row)
    if not parts:
        return None
    adj = adj_points(line.oom_score_adj, total)
    points = None if adj is None else sum(parts.values()) + adj
    return present(
        points=points, points_source=None if points is None else "computed", total_pages=total,
        breakdown=parts | present(adj_points=adj),
    )  # fmt: skip


def candidates(report: Report, line: Kill, victim_row: TaskRow | None, total: int | None) -> dict:
    """All rows, by points; among equals the later, which is whom the kernel takes. Who may not be killed comes last."""
    told = [candidate(row, line if row is victim_row else None, total) for row in report.rows]
    eligible = [one for one in told if one["eligible"]]
    margin = None
    if all("points" in one for one in eligible):
        order = sorted(enumerate(eligible), key=lambda pair: (-pair[1]["points"], -pair[0]))
        for rank, (_, one) in enumerate(order, 1):
            one["rank"] = rank
        victim = next((one for one in eligible if victim_row and one["tid"] == victim_row.tid), None)
        others = [one["points"] for one in eligible if one is not victim]
        if victim and others and victim["points"] >= max(others):
            margin = victim["points"] - max(others)
    told = sorted(told, key=lambda one: (one.get("rank", len(report.rows) + 1), one["pid"]))
    return present(considered=len(told), listed=len(told), omitted=0, runner_up_margin=margin) | {"list": told}


def candidate(row: TaskRow, victim_line: Kill | None, total: int | None) -> dict:
    adj = row.columns["oom_score_adj"]
    told = present(pid=row.tgid, tid=row.tid, uid=row.uid, oom_score_adj=adj, eligible=adj != -1000) | name("comm", row.comm)
    parts = row_parts(row, PAGE)
    sum_of_row = sum(parts.values())
    if "rss" in parts:
        # The kill line tells the parts of the one who died, if it had not run on since its row was printed.
        of_line = parts_of(victim_line, row) if victim_line else None
        parts = of_line if of_line and sum(of_line.values()) == sum_of_row else None
    of_adj = None if adj == -1000 else adj_points(adj, total)
    if parts:
        told["breakdown"] = parts | present(adj_points=of_adj)
    if adj == -1000:
        told["skipped"] = "oom_score_adj_min"
    elif of_adj is not None:
        told |= {"points": sum_of_row + of_adj, "points_source": "computed"}
    return told


def memory(report: Report | None) -> dict | None:
    """The host's, which only a report that is of no group has."""
    if not report or not report.counters and report.ram_pages is None:
        return None
    total = report.ram_pages - report.reserved_pages if report.ram_pages is not None else None
    swap = {"swap_total_pages": report.swap_total_kb, "swap_free_pages": report.swap_free_kb}
    zones = [
        present(node=zone["node"], name=zone["name"], free_pages=pages(zone["free_kb"]), min_pages=pages(zone["min_kb"]),
                reserve_pages=zone.get("reserve_pages"))
        for zone in report.zones
    ]  # fmt: skip
    return (
        present(total_pages=total, zones=zones or None)
        | {COUNTERS[key]: value for key, value in report.counters.items()}
        | {key: pages(size) for key, size in swap.items() if size is not None}
    )


def unavailable(event: dict, pid_is_known: bool, by_scan: bool) -> list[str]:
    """Each field that a kill may have and this one has not; of what is absent as a whole not its parts."""
    is_memcg = event.get("scope") == "memcg"
    asked = ["scope", "decision.path", "trigger", "limit", "badness", "memory", "victim.cgroup.path"]
    if "trigger" in event:
        asked += ["trigger.pid", "trigger.uid", "trigger.cgroup"]
    if "limit" in event:
        asked += ["limit.total_pages"] + (["limit.cgroup.path", "limit.ancestors"] if is_memcg else [])
    if "badness" in event:
        asked += ["badness.points", "badness.total_pages"]
    asked += ["candidates"] if by_scan else []
    missing = [path for path in asked if not has(event, path)]
    eligible = [one for one in event.get("candidates", {}).get("list", []) if one["eligible"]]
    if any("points" not in one for one in eligible):
        missing += ["candidates.list.points", "candidates.list.rank", "candidates.runner_up_margin"]
    return sorted([*missing, *NEVER, *([] if pid_is_known else ["victim.pid"])])


def has(event: dict, path: str) -> bool:
    value: object = event
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def no_kill(report: Report) -> dict:
    """A decision that found nobody, or one who had gone."""
    scope = scope_of(report, bool(report.usage_kb))
    return present(
        type="oom_no_kill", monotonic_ns=report.end_microseconds * 1000,
        reason="chosen_task_dying" if report.gone else "no_killable_process", source="log",
        scope=scope, trigger=trigger(report, None, None, None), limit=limit(report, scope),
        considered=len(report.rows) if report.columns else None, task=gone(report),
    )  # fmt: skip


def gone(report: Report) -> dict | None:
    """The chosen one that the kernel did not have to kill."""
    if not report.gone:
        return None
    tid, comm = report.gone
    row = report.row(tid)
    return present(pid=row.tgid if row else chosen_pid(report, None), tid=tid) | name("comm", comm)


def outcomes(log: KernelLog, kills: list[dict]) -> list[dict]:
    """What the reaper said of each victim, the latest of that thread where there are several."""
    told = []
    waiting = list(kills)
    for reaped in log.reaped:
        end = reaped.microseconds * 1000
        of_thread = [kill for kill in waiting if kill["victim"]["tid"] == reaped.tid and kill["monotonic_ns"] <= end]
        if not of_thread:
            continue
        kill = of_thread[-1]
        waiting.remove(kill)
        victim = {key: value for key, value in kill["victim"].items() if key in ("pid", "comm", "comm_hex")}
        told.append(
            present(
                type="oom_outcome", monotonic_ns=end, decision={"id": kill["decision"]["id"]}, victim=victim,
                reaper="finished" if reaped.finished else "started", exited=False,
                reaper_end_us=(end - kill["monotonic_ns"]) // 1000 if reaped.finished else None,
            )  # fmt: skip
        )
    return told


# MARK: Comparison


def analyzed(binary: Path, log: Path) -> list[dict]:
    """The binary's events of a log."""
    command = [binary, "analyze", "--output", "ndjson", "--candidates", "all", log]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode or done.stderr:
        raise SystemExit(f"{log}: status {done.returncode}: {done.stderr.decode(errors='replace')}")
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def check(events: list[dict], expected: list[dict]) -> list[str]:
    """Each difference, by its path. Kinds of events may come among each other; those of a kind have an order."""
    problems = []
    if [event.get("seq") for event in events] != list(range(1, len(events) + 1)):
        problems.append("seq: not from 1 without holes")
    for kind in sorted({event["type"] for event in events + expected}):
        ours = [normal(event) for event in events if event["type"] == kind]
        theirs = [normal(event) for event in expected if event["type"] == kind]
        if len(ours) != len(theirs):
            problems.append(f"{kind}: expected {len(theirs)}, ours {len(ours)}")
        for place, pair in enumerate(zip(theirs, ours), 1):
            problems += differences(f"{kind} {place}", *pair)
    return problems


def normal(event: dict) -> dict:
    """Without what is held elsewhere, and with lists of words in one order."""
    event = {key: value for key, value in event.items() if key not in LEFT_OUT}
    if "unavailable" in event:
        event["unavailable"] = sorted(event["unavailable"])
    if "gfp_flags" in event.get("trigger", {}):
        event["trigger"] = event["trigger"] | {"gfp_flags": sorted(event["trigger"]["gfp_flags"])}
    return event


def differences(path: str, expected: object, ours: object) -> list[str]:
    if isinstance(expected, dict) and isinstance(ours, dict):
        keys = sorted(expected.keys() | ours.keys())
        return [text for key in keys for text in differences(f"{path}.{key}", expected.get(key), ours.get(key))]
    if isinstance(expected, list) and isinstance(ours, list) and len(expected) == len(ours):
        return [text for place, pair in enumerate(zip(expected, ours)) for text in differences(f"{path}[{place}]", *pair)]
    return [] if expected == ours and type(expected) is type(ours) else [f"{path}: expected {expected!r}, ours {ours!r}"]


def as_lines(events: list[dict]) -> str:
    return "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)


def write_expected(log: Path) -> None:
    """The events that a log has to give, beside it."""
    log.with_suffix(".ndjson").write_text(as_lines(expected_events(log.read_bytes())))


def main() -> int:
    first, *names = sys.argv[1:]
    failed = 0
    for log in map(Path, names):
        if first == "--write":
            write_expected(log)
            continue
        expected = expected_events(log.read_bytes())
        problems = check(analyzed(Path(first), log), expected)
        kept = log.with_suffix(".ndjson")
        if kept.exists() and kept.read_text() != as_lines(expected):
            problems.append(f"{kept.name} is not what is worked out here: look at both, then --write it")
        for problem in problems:
            print(f"{log.name}: {problem}")
        failed += bool(problems)
    print(f"{len(names)} logs, {failed} with differences")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
