# SPDX-License-Identifier: Apache-2.0
"""The judges of `analyze` find nothing where log and tracer are of one run, and find each single thing that is made wrong.

    python3 -m unittest discover -s Tests/VM

Here the events of the log are those that log_events.py works out: whether the binary's are the same, the VMs and
Tests/CommandTests/CorpusTests.swift say.
"""

from __future__ import annotations

import copy
import json
import unittest
from pathlib import Path

from compare import read_facts
from findings import Findings
from limits import check_usage
from live_and_log import agree
from log_events import check, expected_events

FIXTURES = Path(__file__).resolve().parent / "Fixtures"


def run(name: str) -> tuple[list[dict], list[dict], dict[str, str]]:
    """The tracer's events of a run, those of its log, and the guest's facts."""
    folder = FIXTURES / name
    live = [json.loads(line) for line in (folder / "trace.ndjson").read_bytes().splitlines()]
    return live, expected_events((folder / "kmsg.raw").read_bytes()), read_facts(folder / "facts")


def leaves(value: object, path: tuple = ()) -> list[tuple]:
    if isinstance(value, dict):
        return [leaf for key, child in value.items() for leaf in leaves(child, (*path, key))]
    if isinstance(value, list):
        return [leaf for key, child in enumerate(value) for leaf in leaves(child, (*path, key))]
    return [path]


def changed(event: dict, path: tuple) -> dict:
    event = copy.deepcopy(event)
    place = event
    for key in path[:-1]:
        place = place[key]
    old = place[path[-1]]
    place[path[-1]] = (not old) if isinstance(old, bool) else old + 9000 if isinstance(old, int) else f"{old}?"
    return event


class LiveAndLogTests(unittest.TestCase):
    def test_streams_of_one_run_agree(self):
        for folder in FIXTURES.iterdir():
            if folder.is_dir():
                live, from_log, facts = run(folder.name)
                findings = agree(live, from_log, facts)
                self.assertEqual(findings.mismatches, [], folder.name)
                self.assertGreater(findings.counters_compared, 4, folder.name)

    def test_a_kill_of_the_one_alone_is_told(self):
        live, from_log, facts = run("7.2-v2-group")
        self.assertIn("live one, log none", agree(live, from_log[1:], facts).mismatches[-1])
        without = [event for event in live if event["type"] != "oom_kill" or event["victim"]["role"] != "chosen"]
        self.assertIn("log one, live none", agree(without, from_log, facts).mismatches[0])

    def test_a_usage_falls_where_an_earlier_victim_is_exiting_and_nowhere_else(self):
        for field in ("limit.usage_pages", "limit.swap_usage_pages"):
            for kernel, ours, dead, found in ((5079, 5608, {7}, 0), (5079, 5608, set(), 1), (5608, 5079, {7}, 1), (5079, 5079, set(), 0)):
                findings = Findings(swaps=True)
                check_usage(findings, kernel, ours, dead, inferred=False, field=field)
                self.assertEqual(len(findings.mismatches), found, (field, kernel, ours, dead))

    def test_each_field_that_both_know_is_held(self):
        live, from_log, facts = run("6.12-v2-memcg")
        place = next(place for place, event in enumerate(live) if event["type"] == "oom_kill")
        fields = (
            "scope", "decision.path", "decision.message", "trigger.pid", "trigger.tid", "trigger.comm", "trigger.uid",
            "trigger.oom_score_adj", "trigger.gfp_mask", "trigger.order", "trigger.is_victim", "trigger.cgroup.path",
            "limit.cgroup.path", "limit.limit_pages", "limit.usage_pages", "limit.swap_unlimited", "victim.pid",
            "victim.comm", "victim.role", "victim.uid", "victim.oom_score_adj", "victim.total_vm_pages",
            "victim.kernel_count", "victim.cgroup.path", "badness.breakdown.anon_pages", "badness.breakdown.pgtable_pages",
            "candidates.list.0.pid", "candidates.list.0.uid", "candidates.list.0.oom_score_adj",
            "candidates.list.0.eligible", "candidates.list.0.breakdown.anon_pages",
        )  # fmt: skip
        for field in fields:
            path = tuple(int(key) if key.isdigit() else key for key in field.split("."))
            wrong = [changed(event, path) if number == place else event for number, event in enumerate(live)]
            self.assertEqual(len(agree(wrong, from_log, facts).mismatches), 1, field)


class LogEventsTests(unittest.TestCase):
    def test_each_leaf_of_each_event_is_held(self):
        for name in ("6.12-v2-system", "5.10-v1-hostile", "7.2-v2-group"):
            _, expected, _ = run(name)
            for place, event in enumerate(expected, 1):
                event["seq"] = place
            self.assertEqual(check(expected, expected), [])
            for path in leaves(expected[0]):
                if path == ("type",):
                    continue
                wrong = [changed(expected[0], path), *expected[1:]]
                self.assertNotEqual(check(wrong, expected), [], f"{name}: {path}")

    def test_an_event_too_many_or_too_few_is_told(self):
        _, expected, _ = run("7.2-v2-group")
        for place, event in enumerate(expected, 1):
            event["seq"] = place
        self.assertIn("oom_kill: expected 3, ours 2", check(expected[:2] + expected[3:], expected))
        self.assertNotEqual(check([], expected), [])
        self.assertIn("seq: not from 1 without holes", check(expected[1:], expected))


if __name__ == "__main__":
    unittest.main()
