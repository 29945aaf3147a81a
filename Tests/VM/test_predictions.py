# SPDX-License-Identifier: Apache-2.0
"""The judge of predictions, on made-up situations: what it lets pass, and what it must not."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

from predictions import check_predictions

KILLED = (
    "Memory cgroup out of memory: Killed process {tid} ({comm}) total-vm:8kB, anon-rss:4kB, file-rss:4kB, "
    "shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0"
)


def death(tid: int, role: str = "chosen", comm: str = "") -> dict:
    return {"victim": {"pid": tid, "tid": tid, "comm": comm or f"s1-{tid}", "role": role}}


def forecast(*decisions: list[dict], points: dict[int, int]) -> dict:
    first, *rest = [one[0] | ({"with_it": one[1:]} if one[1:] else {}) for one in decisions]
    candidates = [{"pid": tid, "tid": tid, "points": value} for tid, value in points.items()]
    return first | {"outcome": "kill", "explanation": "it", "follow_ups": rest, "candidates": {"list": candidates}}


class PredictionTests(unittest.TestCase):
    def check(self, told: dict, kills: list[int], group: bool = False) -> tuple[int, int, int]:
        """Decisions as predicted, those by margin, mismatches."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "next.1.json").write_text(json.dumps(told))
            lines = [KILLED.format(tid=tid, comm=f"s1-{tid}") for tid in kills]
            if group:
                lines.insert(1, "Tasks in /s1 are going to be killed due to memory.oom.group set")
            (folder / "kmsg.raw").write_text(
                "".join(f"3,{number},{number * 1000000},-;{line}\n" for number, line in enumerate(lines, 1))
            )
            tally = check_predictions(folder, "6.12.0", 2)
            self.assertEqual(tally.situations, 1)
            self.assertIn("1 situations were asked about", tally.mismatches[-1])
            return tally.decisions, tally.by_margin, len(tally.mismatches) - 1

    def test_the_right_one_and_those_that_follow(self) -> None:
        told = forecast([death(5)], [death(6)], points={5: 9000, 6: 100})
        self.assertEqual(self.check(told, [5, 6]), (2, 0, 0))
        self.assertEqual(self.check(told, [5]), (1, 0, 0))

    def test_another_one_is_a_miss_unless_the_counters_may_have_moved_so_far(self) -> None:
        self.assertEqual(self.check(forecast([death(5)], points={5: 9000, 6: 100}), [6]), (0, 0, 1))
        self.assertEqual(self.check(forecast([death(5)], points={5: 9000, 6: 8999}), [6]), (0, 1, 0))
        self.assertEqual(self.check(forecast([death(5)], points={5: 9000}), [6]), (0, 0, 1))

    def test_more_kills_than_were_predicted_are_a_miss_and_none_is_too(self) -> None:
        self.assertEqual(self.check(forecast([death(5)], points={5: 9}), [5, 6]), (1, 0, 1))
        self.assertEqual(self.check(forecast([death(5)], points={5: 9}), []), (0, 0, 1))

    def test_a_group_is_all_of_its_members_and_no_sharer(self) -> None:
        told = forecast([death(5), death(6, "group"), death(7, "shares_memory")], points={5: 9, 6: 8})
        self.assertEqual(self.check(told, [5, 6, 5], group=True), (1, 0, 0))
        self.assertEqual(self.check(told, [5, 5], group=True), (0, 0, 1))

    def test_of_members_that_share_one_memory_the_log_may_name_the_first_alone(self) -> None:
        told = forecast([death(5), death(6, "group"), death(7, "group", "s1-6x")], points={5: 9, 6: 8})
        self.assertEqual(self.check(told, [5, 6, 5], group=True), (1, 0, 0))
        self.assertEqual(self.check(told, [5, 5], group=True), (0, 0, 1))
        self.assertEqual(self.check(told, [5, 6, 8, 5], group=True), (0, 0, 1))


if __name__ == "__main__":
    unittest.main()
