# SPDX-License-Identifier: Apache-2.0
"""Compares the limit that was hit, and the size of the domain, with what the kernel's report says of both."""

from __future__ import annotations

from findings import Findings, Motion
from kernel_log import UNLIMITED_KB, Report


def check_limit(findings: Findings, event: dict, report: Report, facts: dict[str, str], dead: set[int]) -> None:
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
    ours = event.get("limit", {})
    check_usage(findings, findings.pages(usage), ours.get("usage_pages"), dead, inferred=ours.get("inferred") is True)
    if "swap" in report.usage_kb:
        swap = report.usage_kb["swap"][1]
        name = "swap_unlimited" if swap == UNLIMITED_KB else "swap_limit_pages"
        findings.expect(event, f"limit.{name}", True if swap == UNLIMITED_KB else findings.pages(swap))


def check_usage(
    findings: Findings, kernel: int, ours: int | None, dead: set[int], *, inferred: bool, field: str = "limit.usage_pages",
    motion: Motion = Motion.RUNS,
) -> None:
    """The usage of the group, read a moment earlier than printed, or later where the limit is inferred: it falls where an
    earlier victim is exiting, and its swap with it.
    """
    if ours is None:
        return
    fell = kernel - ours if inferred else ours - kernel
    if dead and fell > findings.slack_pages:
        findings.note(f"{field} fell: an earlier victim was exiting", fell)
    else:
        findings.counter(field, kernel, ours, motion)


def domain_pages(findings: Findings, report: Report, facts: dict[str, str]) -> int | None:
    """oc->totalpages from the log alone. Kernel: oom_kill.c, constrained_alloc() with mem_cgroup_get_max()."""
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
