# SPDX-License-Identifier: Apache-2.0
"""The judge of pressure/judge.py finds what is wrong: a scene that is right, and the same with one thing changed each."""

from __future__ import annotations

import json
import sys
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "pressure"))

import judge  # noqa: E402

TOTAL = 200 << 8  # pages of a group of 200 MiB
STEPS = [(0, 10), (5, 72), (15, 88), (25, 96), (45, 1)]  # seconds, percent of it used
Told = list[dict]


def used(second: float) -> int:
    return TOTAL * [percent for begin, percent in STEPS if begin <= second][-1] // 100


def event(seq: int, second: float, previous: str, level: str) -> dict:
    pages = used(second)
    return {
        "seq": seq, "monotonic_ns": int(second * 1e9), "previous_level": previous, "level": level, "total_pages": TOTAL,
        "available_pages": TOTAL - pages, "used_percent": 100 * pages / TOTAL, "cgroup": {"path": "/shop"},
        "pressure_stall": {"some": {"avg10": 0.0}, "full": {"avg10": 0.0}},
    }  # fmt: skip


def right() -> Told:
    levels = ["normal", "low", "medium", "critical", "normal"]
    seconds = [6, 16, 26, 50]
    return [event(place + 1, second, *levels[place : place + 2]) for place, second in enumerate(seconds)]


def sample(second: float) -> str:
    folder = "/sys/fs/cgroup/shop"
    stall = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0;full avg10=0.00 avg60=0.00 avg300=0.00 total=0;"
    files = {"memory.current": f"{used(second) * 4096 + 8192};", "memory.stat": "anon 1;inactive_file 8192;", "memory.pressure": stall}
    return "\t".join([str(int(second * 1e9)), *(word for name, text in files.items() for word in (f"{folder}/{name}", text))])


def status(percent: float) -> str:
    level = judge.LEVELS[sum(percent >= least for least in (70, 85, 95))]
    stall = {"some": {"avg10": 0.0}, "full": {"avg10": 0.0}}
    return json.dumps({"level": level, "targets": [{"used_percent": percent, "pressure_stall": stall}]})


class PressureJudgeTests(unittest.TestCase):
    def judged(self, change: Callable[[Told], None] = lambda told: None, codes: str = "1 2 3", ended: str = "0") -> list[str]:
        told = right()
        change(told)
        names = ("low", "medium", "critical")
        facts = ["release=6.12.1", f"exit={ended}", "mark=begun 1 1", "mark=ending 55 30"]
        facts += [f"status={name} {code}" for name, code in zip(names, codes.split())]
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "facts").write_text("\n".join(facts) + "\n")
            (folder / "pressure.ndjson").write_text("".join(json.dumps(line) + "\n" for line in told))
            (folder / "samples").write_text("\n".join(sample(tenth / 10) for tenth in range(550)) + "\nnot a sam")
            for name, percent in zip(names, (72.0, 88.0, 96.0)):
                (folder / f"status-{name}.json").write_text(status(percent))
            return judge.judge("group_memory", folder)[0]

    def test_a_scene_that_is_right_has_no_problem(self) -> None:
        self.assertEqual(self.judged(), [])

    def test_each_thing_that_is_wrong_is_found(self) -> None:
        def late(told: Told) -> None:
            del told[1:]
            told.append(event(2, 50, "low", "normal"))

        table: list[tuple[str, Callable[[Told], None]]] = [
            ("event 2 (medium): available_pages 20480", lambda told: told[1].update(available_pages=TOTAL * 40 // 100)),
            ("event 2 (medium): total_pages 51201", lambda told: told[1].update(total_pages=TOTAL + 1)),
            ("event 1 (medium): its numbers make it low", lambda told: told[0].update(level="medium")),
            ("event 3 (critical): some 3.0", lambda told: told[2]["pressure_stall"]["some"].update(avg10=3.0)),
            ("event 2: it comes from normal, and low was told", lambda told: told[1].update(previous_level="normal")),
            ("seq has holes", lambda told: told[3].update(seq=5)),
            ("at 35.1 s it was critical for 20 s, and low was told", late),
            ("event 1 (low): no samples around it", lambda told: told[0].update(monotonic_ns=-(10**11))),
            ("nothing was told", lambda told: told.clear()),
            ("told low medium critical, and not", lambda told: told.pop()),
        ]
        for expected, change in table:
            with self.subTest(expected):
                problems = self.judged(change)
                self.assertTrue(any(problem.startswith(expected) for problem in problems), problems)

    def test_status_and_exit_status_count(self) -> None:
        self.assertTrue(any("status medium: medium, exit status 1" in problem for problem in self.judged(codes="1 1 3")))
        self.assertTrue(any(problem.startswith("exit status 1") for problem in self.judged(ended="1")))
        self.assertEqual(judge.judge("levels", Path("/nonexistent"))[0], ["the guest did not come so far"])


if __name__ == "__main__":
    unittest.main()
