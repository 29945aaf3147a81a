# SPDX-License-Identifier: Apache-2.0
"""Where a comparison keeps what it found: each mismatch as one sentence, and what it let pass with how often and how far."""

from __future__ import annotations

from collections import Counter

from stream import name_bytes


class Findings:
    def __init__(self, page_size: int, cpus: int):
        self.page_size = page_size
        # Kernel: lib/percpu_counter.c, compute_batch_value(): each CPU keeps less than this to itself.
        self.slack_pages = max(32, 2 * cpus) * cpus
        self.where = "stream"
        self.mismatches: list[str] = []
        self.notes: Counter[str] = Counter()
        self.farthest: Counter[str] = Counter()
        self.counters_compared = 0

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
            + (f", at most {self.farthest[text]} pages (of {self.counters_compared} counters)" if self.farthest[text] else "")
            for text, count in sorted(self.notes.items())
        ]

    def check(self, field: str, kernel: object, ours: object) -> None:
        if kernel != ours:
            self.add(f"{field}: kernel {kernel!r}, ours {ours!r}")

    def counter(self, field: str, kernel: int, ours: int | None, *, still: bool) -> None:
        """A number of pages that may have moved, unless its process stood still."""
        self.counters_compared += 1
        if ours is None or still or abs(kernel - ours) > self.slack_pages:
            self.check(field, kernel, ours)
        elif kernel != ours:
            self.note(f"{field} moved", abs(kernel - ours))

    def declared(self, event: dict, path: str) -> bool:
        """Whether `unavailable` names this field, or one that it is in."""
        return any(path == name or path.startswith(f"{name}.") for name in event.get("unavailable", []))

    def expect(self, event: dict, path: str, kernel: object, ours: object = None) -> None:
        """The field at `path` is what the kernel says, or is absent and says so."""
        if ours is None:
            ours = value_at(event, path)
        if ours is None and self.declared(event, path):
            return
        self.check(path, kernel, "absent, and not in unavailable" if ours is None else ours)

    def expect_name(self, event: dict, path: str, kernel: bytes, *, lenient_start: bool = False) -> None:
        """A name, as bytes. With `lenient_start`: at the start of a line the kernel takes \\x01 and a digit for a log level."""
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
