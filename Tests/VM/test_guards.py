# SPDX-License-Identifier: Apache-2.0
"""What the comparison of guards makes of a console."""

import contextlib
import importlib.util
import io
import sys
import unittest
from pathlib import Path

GUARDS = Path(__file__).resolve().parent / "guards"
sys.path.insert(0, str(GUARDS))
SPEC = importlib.util.spec_from_file_location("guards_run", GUARDS / "run.py")
run = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(run)


def console(mode: str, kernel: int, deaths: int, *, bystanders: int = 2, first: str = "null", more: str = "") -> str:
    load = f'{{"mode":"{mode}","began_us":1000,"filled_us":5,"deaths":{deaths},"by_term":1,"by_kill":0,"kernel":{kernel},"least_kib":1{more}}}'
    return f'row: {{"guard":"oomwitness","guard_lives":"yes","bystanders":{bystanders},"own_us":2500,"first":{first},"load":{load}}}\n'


class Results(unittest.TestCase):
    def one(self, *values, **more) -> dict:
        return run.results("init: x\n" + console(*values, **more) + "row: nothing\n")[0]

    def test_in_time_is_an_end_without_the_kernel(self):
        for mode, kernel, deaths, wanted in [
            ("leak", 0, 1, True), ("leak", 1, 1, False), ("leak", 0, 0, False), ("cache", 0, 0, True), ("cache", 0, 1, False),
        ]:  # fmt: skip
            self.assertEqual(run.is_in_time(self.one(mode, kernel, deaths)), wanted, (mode, kernel, deaths))
        self.assertFalse(run.is_right(self.one("leak", 0, 1, bystanders=1)))

    def test_the_first_signal_counts_from_the_beginning_and_only_where_somebody_ended(self):
        first = '{"us":4000,"signal":15,"comm":"load"}'
        self.assertEqual(self.one("leak", 0, 1, first=first)["load"]["signal_us"], 3000)
        self.assertNotIn("signal_us", self.one("leak", 0, 0, first=first)["load"])

    def test_a_row_has_medians_and_a_dash_for_what_did_not_come(self):
        lines = [self.one("leak", 0, 1, first='{"us":9000}', more=f',"short_us":2000,"death_us":{end}') for end in (5000, 9000, 7000)]
        cells = [cell.strip() for cell in run.row(512, "no", lines).split("|")[1:-1]]
        self.assertEqual(cells, ["512 MB", "no", "leak", "oomwitness", "3 of 3", "3 of 3", "6", "5", "-", "2.5", "1", "0", "0"])
        self.assertEqual(len(cells), len(run.HEAD))

    def test_what_is_no_result_is_said(self):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(run.results('row: {"guard"\nrow: {}\n row: {"load":1}\n'), [])
        self.assertIn("not a result", said.getvalue())


if __name__ == "__main__":
    unittest.main()
