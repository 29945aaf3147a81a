# SPDX-License-Identifier: Apache-2.0
"""Where a comparison keeps what it found: each mismatch as one sentence, and what it let pass with how often and how
far.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import Enum

from stream import name_bytes


class Motion(Enum):
    """Why a counter need not be what the kernel printed a moment later."""

    NONE = "stood still"  # in the allocator, alone, and the numbers are those that add up to the kernel's points
    RUNS = "moved: its process ran on"
    SWAPPED = "moved: kswapd took pages of it"  # it stood still, its pages did not
    APPROXIMATE = "approximate, where the kernel has the exact sum"
    WAKES = "grew: the tracer, which wakes when the kernel begins to choose"


# Between two of the kernel's looks the tracer faults in the code that tells a kill, each page with its neighbours from the
# page cache (Kernel: mm/memory.c, do_fault_around()): 611 pages were seen on 5.10.
TRACER_GROWTH_PAGES = 1024
RSS_COUNTERS = 4  # anon, file, shmem, swap: what a process's points are the sum of, but for page tables


class Findings:
    """`release` is the kernel's, as uname(2) has it; `swaps`: the guest has swap."""

    def __init__(self, page_size: int = 4096, cpus: int = 2, release: str = "", swaps: bool = False):
        self.page_size = page_size
        self.swaps = swaps
        # Kernel: since 7.0 get_mm_rss_sum() is scored and printed; before, what a plain read of the counters gives.
        version = tuple(int(number) for number in re.findall(r"\d+", release)[:2])
        self.kernel_is_exact = version >= (7, 0)
        # Kernel: since 6.2 lib/percpu_counter.c, compute_batch_value(): each CPU keeps less than this to itself. Before,
        # mm/memory.c, check_sync_rss_stat(): each thread hands over what 66 faults brought, and one runs on each CPU.
        self.slack_pages = (max(32, 2 * cpus) if version >= (6, 2) else 66) * cpus
        self.where = "stream"
        self.mismatches: list[str] = []
        self.notes: Counter[str] = Counter()
        self.farthest: Counter[str] = Counter()
        self.counters_compared = 0
        self.unsettled = 0  # kernel counts that the stream told as lost, and nobody was found for yet
        self.lacks_details = False  # the ring had no room for candidates and groups of some kills

    def motion(self, event: dict, process: dict, points_source: str | None, threads: int) -> Motion:
        """What `process`, a victim or a candidate, may have done between the scan and the kernel's print."""
        if event["source"] in ("kmsg", "log"):
            return Motion.NONE
        if process.get("comm") == "oomwitness" and process.get("oom_score_adj") == -1000:
            return Motion.WAKES
        if self.kernel_is_exact and points_source != "kernel":
            return Motion.APPROXIMATE
        allocates = process.get("tid") == event.get("trigger", {}).get("tid")
        if not allocates or threads != 1:
            return Motion.RUNS
        return Motion.SWAPPED if self.swaps else Motion.NONE

    def pages(self, kilobytes: int) -> int:
        return kilobytes * 1024 // self.page_size

    def add(self, text: str) -> None:
        self.mismatches.append(f"{self.where}: {text}")

    def note(self, text: str, pages: int = 0) -> None:
        self.notes[text] += 1
        self.farthest[text] = max(self.farthest[text], pages)

    def told_notes(self) -> list[str]:
        """`TEXT: 3 times, at most 12 pages (of 90 counters)`, one for each kind."""
        return [
            f"{text}: {count} times"
            + (
                f", at most {self.farthest[text]} pages (of {self.counters_compared} counters)"
                if self.farthest[text]
                else ""
            )
            for text, count in sorted(self.notes.items())
        ]

    def check(self, field: str, kernel: object, ours: object) -> None:
        if kernel != ours:
            self.add(f"{field}: kernel {kernel!r}, ours {ours!r}")

    def counter(
        self, field: str, kernel: int, ours: int | None, motion: Motion, *, counters: int = 1, place: str = ""
    ) -> None:
        """A number of pages, the sum of `counters` per-CPU counters, that may differ where `motion` says so."""
        self.counters_compared += 1
        allowed = 0 if motion is Motion.NONE else counters * self.slack_pages
        growth = TRACER_GROWTH_PAGES if motion is Motion.WAKES else 0
        if ours is None or not -allowed <= kernel - ours <= allowed + growth:
            self.check(f"{place}{field}", kernel, ours)
        elif kernel != ours:
            self.note(f"{field} {motion.value}", abs(kernel - ours))

    def declared(self, event: dict, path: str) -> bool:
        """Whether `unavailable` names this field, or one that it is in."""
        return any(path == name or path.startswith(f"{name}.") for name in event.get("unavailable", []))

    def expect(self, event: dict, path: str, kernel: object, ours: object = None) -> None:
        """The field at `path` is what the kernel says, or is absent and says so."""
        if ours is None:
            ours = value_at(event, path)
        if ours is None and self.declared(event, path):
            return
        if ours is None and self.lacks_details and path.startswith(("limit.", "victim.cgroup.")):
            self.note("fields of a group that the ring had no room for")
            return
        self.check(path, kernel, "absent, and not in unavailable" if ours is None else ours)

    def expect_name(self, event: dict, path: str, kernel: bytes, *, lenient_start: bool = False) -> None:
        """A name, as bytes. With `lenient_start`: at the start of a line the kernel takes \\x01 and a digit for a log
        level.
        """
        place, _, key = path.rpartition(".")
        ours = name_bytes(value_at(event, place), key)
        while lenient_start and ours and ours != kernel and ours[:1] == b"\x01" and ours[1:2] in b"01234567c":
            ours = ours[2:]
        self.expect(event, path, kernel, ours=ours)


def value_at(event: dict, path: str) -> object:
    """The value at `a.b.c`, None where it is absent."""
    value: object = event
    for name in filter(None, path.split(".")):
        value = value.get(name) if isinstance(value, dict) else None
    return value
