# SPDX-License-Identifier: Apache-2.0
"""The comparison of arm64's records: right on three captured runs, and wrong where a single number is made wrong.

python3 -m unittest discover -s Tests/VM/arm64

Fixtures/KERNEL-RUNG-SCENARIO are what run.py left in BUILD/results.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import unittest
from pathlib import Path

from records import Comparison, read_lines
from run import RUNGS, read_programs

FIXTURES = Path(__file__).parent / "Fixtures"

# What is made wrong in a line of the records: the line's word, the key, and what the problem has to name.
MUTATIONS = [
    ("decision", "tid", "trigger"),
    ("decision", "adj", "trigger's oom_score_adj"),
    ("decision", "chosen_pid", "chosen"),
    ("decision", "gfp_mask", "gfp_mask, order, constraint"),
    ("decision", "constraint", "gfp_mask, order, constraint"),
    ("decision", "domain", "domain"),
    ("decision", "chosen_points", "chosen_points beside the most"),
    ("decision", "considered", "considered, stored"),
    ("decision", "limit_cgroup", "control group of the limit is told"),
    ("candidate", "tid", "candidates"),
    ("candidate", "uid", ": name"),
    ("candidate", "points", ": points"),
    ("candidate", "anon", ": rss"),
    ("candidate", "swap", ": swap_pages"),
    ("candidate", "pgtable", ": pgtable_pages"),
    ("cgroup", "limit", "control group: path"),
    ("cgroup", "levels", "control group: path"),
    ("kill", "tid", "killed"),
    ("kill", "decision", "killed"),
    ("kill", "total_vm", "victim"),
    ("kill", "anon", "victim: anon"),
    ("kill", "file", "victim: file"),
    ("kill", "shmem", "victim: shmem"),
    ("kill", "pgtable", "victim: pgtable"),
    ("decision_end", "counted", "counted at the end"),
    ("outcome", "pid", "outcomes of the victim"),
    ("argv", "pid", "first argument"),
    ("task", "pid", "process"),
    ("stream_end", "lost_kills", "lost"),
]


class RecordsTests(unittest.TestCase):
    def test_captured_runs_are_found_right(self):
        fixtures = sorted(path for path in FIXTURES.iterdir() if path.is_dir())
        self.assertEqual(len(fixtures), 3)
        for fixture in fixtures:
            with self.subTest(fixture=fixture.name):
                comparison = Comparison(fixture.name.split("-")[1], fixture)
                self.assertEqual(comparison.run(), [])
                self.assertGreater(comparison.compared, 30)

    def test_each_single_wrong_number_is_found_and_named(self):
        for word, key, problem in MUTATIONS:
            with self.subTest(word=word, key=key):
                self.assert_told(self.problems_with(rb"^%s .*?\b%s=" % (word.encode(), key.encode())), problem)

    def test_names_and_missing_lines_are_found(self):
        raw = (FIXTURES / "6.1-kprobe-memcg/records.txt").read_bytes()
        for old, new, problem in (
            (rb"^kill (.*) comm=till$", rb"kill \1 comm=tilt", "victim"),
            (rb"^decision (.*) comm=till$", rb"decision \1 comm=till ", "trigger"),
            (rb"^candidate (.*) comm=shelf$", rb"candidate \1 comm=", ": name"),
            (rb"^candidate .* comm=shelf\n", rb"", "candidates"),
            (rb"^kill .*\n", rb"", "kills beside /proc/vmstat"),
            (rb"^stream_end .*\n", rb"", "lost"),
            (rb"^decision .*\n", rb"", "decisions"),
            (rb"\Z", rb"kind_77\n", "lines of no known kind"),
        ):
            with self.subTest(old=old):
                changed, count = re.subn(old, new, raw, count=1, flags=re.MULTILINE)
                self.assertEqual(count, 1)
                self.assert_told(self.problems_of(changed), problem)

    def test_a_name_may_say_what_a_line_says(self):
        (line,) = read_lines(b"kill pid=7 anon=-3 comm=x pid=8 comm=y\xff\n")
        self.assertEqual((line.word, line.numbers, line.name), ("kill", {"pid": 7, "anon": -3}, b"x pid=8 comm=y\xff"))

    def test_the_programs_are_those_of_the_tracer(self):
        programs = read_programs()
        self.assertEqual(list(programs), list(RUNGS))
        self.assertEqual(programs["tracepoint"][:3], ["remember_oom_events?", "on_signal_generate", "on_mark_victim"])
        self.assertIn("kprobe_oom_evaluate_task", programs["kprobe"])
        self.assertIn("fexit_exit_mmap?", programs["fentry"])

    def problems_with(self, pattern: bytes) -> list[str]:
        """Adds one to the number after `pattern`, in the first line that has it."""
        raw = (FIXTURES / "6.1-kprobe-memcg/records.txt").read_bytes()
        changed, count = re.subn(
            rb"(" + pattern + rb")(-?\d+)",
            lambda match: match[1] + b"%d" % (int(match[2]) + 1),
            raw,
            count=0 if b"outcome" in pattern or b"task" in pattern else 1,
            flags=re.MULTILINE,
        )
        self.assertGreater(count, 0)
        return self.problems_of(changed)

    def problems_of(self, records: bytes) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copytree(FIXTURES / "6.1-kprobe-memcg", folder, dirs_exist_ok=True))
            (copy / "records.txt").write_bytes(records)
            return Comparison("kprobe", copy).run()

    def assert_told(self, problems: list[str], word: str) -> None:
        self.assertTrue(any(word in problem for problem in problems), f"{word!r} in none of {problems}")


if __name__ == "__main__":
    unittest.main()
