# SPDX-License-Identifier: Apache-2.0
"""Whether the guard acts where it should, takes the right one and nobody else, in one guest: check.sh makes it short of memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import machine
from guest_image import Archive, build_base, compiled

HERE = Path(__file__).resolve().parent
MEMORY_MIB = 512
# outcome and signal of each line
TAKEN = [("sent", "SIGTERM"), ("exited", "SIGTERM")]
KILLED = [("sent", "SIGTERM"), ("sent", "SIGKILL"), ("exited", "SIGKILL")]


class Scenario:
    """What was seen of one: the guard's lines, and the kernel's facts."""

    def __init__(self, folder: Path, name: str):
        self.lines = [json.loads(line) for line in (folder / f"{name}.out").read_text().splitlines()]
        self.facts = json.loads((folder / f"{name}.facts").read_text())
        self.errors = (folder / f"{name}.err").read_text()

    def outcomes(self) -> list[tuple[str, str | None]]:
        return [(line["outcome"], line.get("signal")) for line in self.lines]

    def first(self, *keys: str):
        value = self.lines[0]
        for key in keys:
            value = value[key]
        return value


def expect(problems: list[str], what: str, got, wanted) -> None:
    if got != wanted:
        problems.append(f"{what} is {got}, not {wanted}")


def common(seen: Scenario, outcomes: list, group: str, cause: str, scope: str) -> list[str]:
    """What holds wherever somebody was taken."""
    problems: list[str] = []
    expect(problems, "what it did", seen.outcomes(), outcomes)
    expect(problems, "kills of the kernel", seen.facts["kernel"], 0)
    expect(problems, "the bystander's life", seen.facts["bystander"], True)
    expect(problems, "the guard's exit status", seen.facts["status"], 0)
    if not problems:
        expect(problems, "the victim", seen.first("victim", "comm"), "load")
        expect(problems, "its group", seen.first("victim", "cgroup", "path"), group)
        expect(problems, "the cause", seen.first("threshold", "cause"), cause)
        expect(problems, "the scope", seen.first("scope"), scope)
        expect(problems, "its command line", seen.first("victim", "cmdline")[0], "load")
        groups = {candidate["cgroup"]["path"] for candidate in seen.first("candidates", "list") if "cgroup" in candidate}
        expect(problems, "the candidates' groups", groups, {group} if scope == "memcg" else groups | {"/"})
    return problems


def system(seen: Scenario) -> list[str]:
    return common(seen, TAKEN, "/", "memory", "system")


def deaf(seen: Scenario) -> list[str]:
    return common(seen, KILLED, "/", "memory", "system")


def limit(seen: Scenario) -> list[str]:
    problems = common(seen, TAKEN, "/box", "memory", "memcg")
    if not problems:
        expect(problems, "what it is measured against, in pages", seen.first("reading", "total_pages"), 96 * 256)
        expect(problems, "the group that is guarded", seen.first("cgroup", "path"), "/box")
    return problems


def cache(seen: Scenario) -> list[str]:
    problems: list[str] = []
    expect(problems, "what it did", seen.outcomes(), [])
    expect(problems, "kills of the kernel", seen.facts["kernel"], 0)
    expect(problems, "the guard's exit status", seen.facts["status"], 0)
    # Else it was no test.
    expect(problems, "whether the cache filled the limit", seen.facts["peak"] > 46 << 20, True)
    return problems


def stall_system(seen: Scenario) -> list[str]:
    problems = common(seen, TAKEN, "/box", "stall_full", "system")
    if not problems:
        expect(problems, "whether stalls were above the limit", seen.first("reading", "stall_full_percent") >= 10, True)
    return problems


def stall_group(seen: Scenario) -> list[str]:
    problems = common(seen, TAKEN, "/box", "stall_some", "memcg")
    if not problems:
        expect(problems, "whether stalls were above the limit", seen.first("reading", "stall_some_percent") >= 10, True)
    return problems


SCENARIOS: dict[str, Callable[[Scenario], list[str]]] = {
    "system": system, "deaf": deaf, "limit": limit, "cache": cache, "stall-system": stall_system, "stall-group": stall_group,
}  # fmt: skip


def run(kernel, binary: Path, build: Path, shape: dict) -> int:
    """Exit status: 1 where a scenario was not as it should be."""
    more = Archive()
    more.add("/bin/load", compiled(HERE / "load.c", build / "load").read_bytes())
    more.add("/guards/init", (HERE / "check.sh").read_bytes())
    initrd = build / "initrd-check"
    initrd.write_bytes(build_base(kernel, binary, build) + more.finish())
    machine.APPEND += " rdinit=/guards/init no_timer_check psi=1"
    folder = build / "check"
    folder.mkdir(exist_ok=True)
    ended = machine.boot(kernel, initrd, MEMORY_MIB, folder, folder / "results", more_disks={"cache": 1 << 30}, **shape)
    if ended.problem:
        print(ended.problem, file=sys.stderr)
    failed = 0
    for name, check in SCENARIOS.items():
        try:
            seen = Scenario(folder / "results", name)
            problems = check(seen)
            said = seen.errors.strip()
        except (OSError, ValueError, KeyError, IndexError) as error:
            problems, said = [f"{type(error).__name__}: {error}"], ""
        failed += bool(problems)
        print(f"FAILED {name}: {'; '.join(problems)} {said}" if problems else f"passed {name}", flush=True)
    print(f"{len(SCENARIOS) - failed} passed, {failed} failed; {kernel.release}, {ended.seconds:.0f} s")
    return 1 if failed or ended.problem else 0
