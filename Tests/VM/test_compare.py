# SPDX-License-Identifier: Apache-2.0
"""The comparison finds nothing in streams that are right, and finds each single thing that is made wrong in one.

    python3 -m unittest discover -s Tests/VM

Streams and logs are real, from VMs: Fixtures/README.md says which.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path

from compare import compare, examine
from limits import node_list

FIXTURES = Path(__file__).resolve().parent / "Fixtures"
Edit = Callable[[list[dict]], object]


def of_type(events: list[dict], name: str) -> list[dict]:
    return [event for event in events if event["type"] == name]


def in_kill(path: str, value: object, number: int = 0) -> Edit:
    """Sets, or by a function changes, the field at `path` of a kill. Numbers in a path are indices; None removes."""

    def edit(events: list[dict]) -> None:
        place: object = of_type(events, "oom_kill")[number]
        *parents, last = [int(name) if name.isdigit() else name for name in path.split(".")]
        for name in parents:
            place = place[name]
        if value is None:
            del place[last]
        else:
            place[last] = value(place[last]) if callable(value) else value

    return edit


def one_more(number: int) -> int:
    return number + 1


def last_byte_fe(digits: str) -> str:
    return digits[:-2] + "fe"


def renumber(events: list[dict]) -> None:
    for sequence, event in enumerate(events, 1):
        event["seq"] = sequence


def without_kill(events: list[dict]) -> None:
    events.remove(of_type(events, "oom_kill")[-1])
    renumber(events)


def with_kill_twice(events: list[dict]) -> None:
    kill = of_type(events, "oom_kill")[0]
    events.insert(events.index(kill), json.loads(json.dumps(kill)))
    renumber(events)


def with_last_kill_twice(events: list[dict]) -> None:
    kill = of_type(events, "oom_kill")[-1]
    events.insert(events.index(kill), json.loads(json.dumps(kill)))
    renumber(events)


def without_loss(events: list[dict]) -> None:
    events.remove(of_type(events, "loss")[0])
    renumber(events)


def with_kill_of_nobody(events: list[dict]) -> None:
    with_kill_twice(events)
    in_kill("victim.tid", 9999)(events)
    in_kill("decision.id", 77)(events)
    in_kill("victim.kernel_count", 0)(events)


def without_candidate(events: list[dict]) -> None:
    candidates = of_type(events, "oom_kill")[0]["candidates"]
    del candidates["list"][1]
    candidates["considered"] -= 1
    candidates["listed"] -= 1


def with_foreign_candidate(events: list[dict]) -> None:
    candidates = of_type(events, "oom_kill")[0]["candidates"]
    candidates["list"].append(candidates["list"][-1] | {"pid": 7777, "tid": 7777})
    candidates["considered"] += 1
    candidates["listed"] += 1


def with_hole(events: list[dict]) -> None:
    for event in events[1:]:
        event["seq"] += 1


def both(*edits: Edit) -> Edit:
    return lambda events: [edit(events) for edit in edits]


def in_end(name: str, value: object) -> Edit:
    return lambda events: events[-1].update({name: value})


PART = "badness.breakdown."
TRACER = "candidates.list.5.breakdown."
FIRST, SECOND = "candidates.list.0.", "candidates.list.1."

# What is made wrong, in which fixture, how, and a word of the sentence that has to tell it.
MUTATIONS: list[tuple[str, str, Edit, str]] = [
    ("pid", "6.12-v2-memcg", in_kill("victim.pid", one_more), "victim.pid"),
    ("tid", "6.12-v2-memcg", in_kill("victim.tid", one_more), "oom_kill: kernel one, ours none"),
    ("a byte of comm", "6.12-v2-memcg", in_kill("victim.comm", "bad,pid=2"), "victim.comm"),
    ("uid", "6.12-v2-memcg", in_kill("victim.uid", 0), "victim.uid"),
    ("uid absent", "6.12-v2-memcg", in_kill("victim.uid", None), "victim.uid"),
    ("oom_score_adj", "6.12-v2-memcg", in_kill("victim.oom_score_adj", -49), "victim.oom_score_adj"),
    ("total_vm", "6.12-v2-memcg", in_kill("victim.total_vm_pages", one_more), "victim.total_vm_pages"),
    ("scope", "6.12-v2-memcg", in_kill("scope", "system"), "scope"),
    ("scope of the system", "6.12-v2-system", in_kill("scope", "cpuset"), "scope"),
    ("path of the victim", "6.12-v2-memcg", in_kill("victim.cgroup.path", "/par"), "victim.cgroup.path"),
    ("path of the limit", "6.12-v2-memcg", in_kill("limit.cgroup.path", "/par/kid"), "limit.cgroup.path"),
    ("path absent", "6.12-v2-memcg", in_kill("limit.cgroup.path", None), "limit.cgroup.path"),
    ("a byte of a path", "5.10-v1-hostile", in_kill("limit.cgroup.path_hex", last_byte_fe), "limit.cgroup.path"),
    (
        "a byte of the victim's path",
        "5.10-v1-hostile",
        in_kill("victim.cgroup.path_hex", last_byte_fe),
        "victim.cgroup.path",
    ),
    ("a byte of comm_hex", "5.10-v1-hostile", in_kill("victim.comm_hex", last_byte_fe, 4), "victim.comm"),
    ("limit of a group for the system", "6.12-v2-system", in_kill("limit.cgroup", {"path": "/"}), "limit.cgroup"),
    ("cgroup version", "6.12-v2-memcg", in_kill("limit.cgroup.version", 1), "limit.cgroup.version"),
    ("limit", "6.12-v2-memcg", in_kill("limit.limit_pages", one_more), "limit.limit_pages"),
    ("usage", "6.12-v2-memcg", in_kill("limit.usage_pages", 1), "limit.usage_pages"),
    ("domain of a group", "6.12-v2-memcg", in_kill("limit.total_pages", one_more), "limit.total_pages"),
    ("domain of the system", "6.12-v2-system", in_kill("badness.total_pages", one_more), "badness.total_pages"),
    ("trigger comm", "6.12-v2-memcg", in_kill("trigger.comm", "hog"), "trigger.comm"),
    ("trigger tid", "6.12-v2-memcg", in_kill("trigger.tid", one_more), "trigger.tid"),
    ("trigger pid", "6.12-v2-memcg", in_kill("trigger.pid", one_more), "trigger.pid"),
    ("trigger uid", "6.12-v2-memcg", in_kill("trigger.uid", one_more), "trigger.uid"),
    ("trigger adj", "6.12-v2-memcg", in_kill("trigger.oom_score_adj", 0), "trigger.oom_score_adj"),
    ("gfp_mask", "6.12-v2-memcg", in_kill("trigger.gfp_mask", one_more), "trigger.gfp_mask"),
    ("gfp_flags", "6.12-v2-system", in_kill("trigger.gfp_flags.1", "__GFP_ATOMIC"), "trigger.gfp_flags"),
    ("order", "6.12-v2-memcg", in_kill("trigger.order", 1), "trigger.order"),
    ("is_victim", "6.12-v2-memcg", in_kill("trigger.is_victim", False), "trigger.is_victim"),
    ("anon", "6.12-v2-memcg", in_kill(PART + "anon_pages", one_more), PART + "anon_pages"),
    ("file", "6.12-v2-memcg", in_kill(PART + "file_pages", one_more), PART + "file_pages"),
    ("shmem", "6.12-v2-memcg", in_kill(PART + "shmem_pages", one_more), PART + "shmem_pages"),
    ("swap", "6.12-v2-memcg", in_kill(PART + "swap_pages", one_more), PART + "swap_pages"),
    ("pgtables", "6.12-v2-memcg", in_kill(PART + "pgtable_pages", one_more), PART + "pgtable_pages"),
    ("adj points", "6.12-v2-memcg", in_kill(PART + "adj_points", one_more), PART + "adj_points"),
    ("points", "6.12-v2-memcg", in_kill("badness.points", one_more), "badness.points"),
    ("anon of one that could move", "7.2-v2-group", in_kill(PART + "anon_pages", one_more, 1), "parts beside points"),
    (
        "anon and points of one that could move, too far",
        "7.2-v2-group",
        both(in_kill(PART + "anon_pages", 1200, 1), in_kill("badness.points", 1406, 1)),
        PART + "anon_pages",
    ),
    ("message", "6.12-v2-memcg", in_kill("decision.message", "Out of memory"), "decision.message"),
    ("path of the decision", "6.12-v2-memcg", in_kill("decision.path", "sysrq"), "decision.path"),
    ("kills of the decision", "6.12-v2-memcg", in_kill("decision.kills", 2), "decision.kills"),
    ("index", "6.12-v2-memcg", in_kill("decision.index", 2), "decision.index"),
    (
        "order of the group",
        "7.2-v2-group",
        both(in_kill("decision.index", 3, 1), in_kill("decision.index", 2, 2)),
        "decision.index",
    ),
    ("one decision as two", "7.2-v2-group", in_kill("decision.id", 2, 1), "decision.id"),
    ("role", "7.2-v2-group", in_kill("victim.role", "chosen", 1), "victim.role"),
    ("chosen of a group counted once", "7.2-v2-group", in_kill("victim.kernel_count", 1), "victim.kernel_count"),
    ("member counted twice", "7.2-v2-group", in_kill("victim.kernel_count", 2, 1), "victim.kernel_count"),
    ("sharer counted", "5.10-v2-share", in_kill("victim.kernel_count", 1, 1), "kernel_count"),
    ("sharer with another name", "5.10-v2-share", in_kill("victim.comm", "sharer", 1), "victim.comm"),
    ("a kill missing", "7.2-v2-group", without_kill, "oom_kill: kernel one, ours none"),
    ("a kill told twice", "6.12-v2-memcg", with_kill_twice, "kernel none, ours one"),
    ("a kill of nobody", "6.12-v2-memcg", with_kill_of_nobody, "kernel none, ours one"),
    ("a candidate missing", "6.12-v2-memcg", without_candidate, "candidates.list, by tid"),
    ("a candidate of elsewhere", "6.12-v2-memcg", with_foreign_candidate, "candidates.list, by tid"),
    ("candidates absent", "6.12-v2-memcg", in_kill("candidates", None), "candidates"),
    ("candidates miscounted", "6.12-v2-memcg", in_kill("candidates.considered", 4), "candidates.considered"),
    ("pid of a candidate", "6.12-v2-memcg", in_kill(SECOND + "pid", one_more), ": pid"),
    ("uid of a candidate", "6.12-v2-memcg", in_kill(SECOND + "uid", 5), ": uid"),
    ("adj of a candidate", "6.12-v2-memcg", in_kill(SECOND + "oom_score_adj", 0), ": oom_score_adj"),
    ("comm of a candidate", "6.12-v2-memcg", in_kill(SECOND + "comm", "hag"), ": comm"),
    (
        "pages of a candidate",
        "6.12-v2-memcg",
        in_kill(SECOND + "breakdown.shmem_pages", one_more),
        "parts beside points",
    ),
    (
        "pages of a candidate of 5.10",
        "5.10-v2-share",
        in_kill(FIRST + "breakdown.file_pages", one_more),
        "parts beside points",
    ),
    ("points of the allocating candidate", "6.12-v2-memcg", in_kill(FIRST + "points", one_more), "points"),
    ("protected process as eligible", "6.12-v2-memcg", in_kill("candidates.list.2.skipped", None), "eligible"),
    ("a tracer that shrank", "6.12-v2-system", in_kill(TRACER + "file_pages", lambda pages: pages + 200), "file_pages"),
    ("a tracer that grew too far", "6.12-v2-system", in_kill(TRACER + "file_pages", 900), "file_pages"),
    ("ranks", "6.12-v2-memcg", in_kill(SECOND + "rank", 3), "candidates: ranks"),
    ("margin", "6.12-v2-memcg", in_kill("candidates.runner_up_margin", one_more), "runner_up_margin"),
    ("a hole in seq", "6.12-v2-memcg", with_hole, "seq"),
    ("no end", "6.12-v2-memcg", lambda events: events.pop(), "stream_end"),
    ("no start", "6.12-v2-memcg", lambda events: (events.pop(0), renumber(events)), "stream_start"),
    ("two boots", "6.12-v2-memcg", lambda events: events[1].update(boot_id="other"), "boot_id"),
    ("another schema", "6.12-v2-memcg", lambda events: events[1].update(schema="oomwitness.v2"), "schema"),
    ("a sentinel", "6.12-v2-memcg", in_kill("victim.threads", (1 << 63) - 1), "sentinel"),
    ("nothing as a value", "6.12-v2-memcg", lambda events: events[1].update(source=""), "what was not observed"),
    ("outcome of nobody", "6.12-v2-memcg", lambda events: events[2]["victim"].update(pid=5), "oom_outcome"),
    ("outcome missing", "6.12-v2-memcg", lambda events: (events.pop(2), renumber(events)), "oom_outcome"),
    ("kills miscounted at the end", "6.12-v2-memcg", in_end("kills", 2), "stream_end.kills"),
    ("growth miscounted at the end", "6.12-v2-memcg", in_end("vmstat_oom_kill_growth", 2), "vmstat_oom_kill_growth"),
    ("a kill of the log twice", "5.10-v2-deaf-group", with_last_kill_twice, "kernel none, ours one"),
    ("a kill of the log in another decision", "5.10-v2-deaf-group", in_kill("decision.id", 1 << 40, 12), "decision.id"),
    ("place of a kill of the log", "5.10-v2-deaf-group", in_kill("decision.index", one_more, 12), "decision.index"),
    ("the log's number of kills", "5.10-v2-deaf-group", in_kill("decision.kills", one_more, 12), "decision.kills"),
    ("the probes' number of kills", "5.10-v2-deaf-group", in_kill("decision.kills", 13), "path, message, kills"),
    ("a count lost that was not told", "5.10-v2-deaf-group", without_loss, "kernel_count"),
    ("kills from the log miscounted", "5.10-v2-deaf-group", in_end("kills_from_log", 4), "stream_end.kills_from_log"),
]

# What is made wrong in the bytes of a file: fixture, file, what, by what, and a word of the sentence.
FILES: list[tuple[str, str, str, bytes, bytes, str]] = [
    ("a record of the log lost", "6.12-v2-memcg", "kmsg.raw", b"", b"", "records missing"),
    ("a field twice", "6.12-v2-memcg", "trace.ndjson", b'"scope":"memcg"', b'"scope":"memcg","scope":"memcg"', "twice"),
    ("not JSON", "6.12-v2-memcg", "trace.ndjson", b'"index":1', b'"index":NaN', "not JSON"),
    ("not UTF-8", "6.12-v2-memcg", "trace.ndjson", b'"memcg"', b'"mem\xffg"', "not JSON"),
    ("a raw escape", "6.12-v2-memcg", "trace.ndjson", b'"scope":"memcg"', b'"scope":"mem\x7fcg"', "control character"),
    (
        "a kill that nobody told",
        "6.12-v2-memcg",
        "vmstat.after",
        b"oom_kill 1",
        b"oom_kill 2",
        "kernel_count of all kills",
    ),
    (
        "another comm in the log",
        "6.12-v2-memcg",
        "kmsg.raw",
        b"Killed process 198 (bad,pid=1)",
        b"Killed process 198 (bad,pid=\\xff)",
        "victim.comm",
    ),
]


def changed(folder: Path, fixture: str, edit: Edit) -> list[str]:
    """Mismatches of a fixture whose stream went through `edit`."""
    copy = Path(shutil.copytree(FIXTURES / fixture, folder / "run", dirs_exist_ok=True))
    events = [json.loads(line) for line in (copy / "trace.ndjson").read_text().splitlines()]
    edit(events)
    lines = [json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n" for event in events]
    (copy / "trace.ndjson").write_text("".join(lines))
    return compare(copy)


class CompareTests(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def test_streams_that_are_right_are_found_right(self):
        fixtures = sorted(path for path in FIXTURES.iterdir() if path.is_dir())
        self.assertGreater(len(fixtures), 3)
        for fixture in fixtures:
            with self.subTest(fixture=fixture.name):
                findings = examine(fixture)
                self.assertEqual(findings.mismatches, [])
                self.assertGreater(findings.counters_compared, 8)

    def test_each_single_wrong_thing_is_found_and_named(self):
        for name, fixture, edit, word in MUTATIONS:
            with self.subTest(name=name):
                self.assert_told(changed(self.folder, fixture, edit), word)

    def test_an_edit_that_changes_nothing_finds_nothing(self):
        self.assertEqual(changed(self.folder, "6.12-v2-memcg", lambda events: None), [])

    def test_damage_in_a_file_is_found(self):
        for name, fixture, file, old, new, word in FILES:
            with self.subTest(name=name):
                copy = Path(shutil.copytree(FIXTURES / fixture, self.folder / "run", dirs_exist_ok=True))
                raw = (copy / file).read_bytes()
                lines = raw.split(b"\n")
                damaged = raw.replace(old, new) if old else b"\n".join(lines[:5] + lines[6:])
                self.assertNotEqual(damaged, raw)
                (copy / file).write_bytes(damaged)
                self.assert_told(compare(copy), word)

    def test_a_field_that_is_said_to_be_unavailable_may_be_absent_but_not_wrong(self):
        def absent(events: list[dict]) -> None:
            of_type(events, "oom_kill")[0]["unavailable"] = ["limit", "badness.total_pages"]
            in_kill("limit", None)(events)

        def wrong(events: list[dict]) -> None:
            of_type(events, "oom_kill")[0]["unavailable"] = ["limit"]
            in_kill("limit.limit_pages", 7)(events)

        self.assertEqual(changed(self.folder, "6.12-v2-memcg", absent), [])
        self.assert_told(changed(self.folder, "6.12-v2-memcg", wrong), "limit.limit_pages")

    def test_candidates_without_points_have_to_be_declared(self):
        def without(*names: str):
            def edit(events: list[dict]) -> None:
                kill = of_type(events, "oom_kill")[0]
                kill["unavailable"] = list(names)
                for candidate in kill["candidates"]["list"]:
                    for name in ("points", "points_source", "rank"):
                        candidate.pop(name, None)
                kill["candidates"].pop("runner_up_margin", None)

            return edit

        names = [f"candidates.list.{name}" for name in ("points", "rank")]
        self.assertEqual(changed(self.folder, "6.12-v2-memcg", without(*names)), [])
        self.assert_told(changed(self.folder, "6.12-v2-memcg", without(names[0])), "rank there")
        self.assert_told(changed(self.folder, "6.12-v2-memcg", without(names[1])), "points there")

    def test_a_folder_without_files_is_a_mismatch(self):
        self.assert_told(compare(self.folder), "kmsg.raw, trace.ndjson, vmstat.before, vmstat.after absent")

    def test_lists_of_nodes(self):
        for text, nodes in ((b"0", [0]), (b"0-1", [0, 1]), (b"0,2-3", [0, 2, 3]), (b"", [])):
            with self.subTest(text=text):
                self.assertEqual(node_list(text), nodes)

    def assert_told(self, mismatches: list[str], word: str) -> None:
        self.assertTrue(any(word in mismatch for mismatch in mismatches), f"{word!r} in none of {mismatches}")


if __name__ == "__main__":
    unittest.main()
