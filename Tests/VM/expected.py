# SPDX-License-Identifier: Apache-2.0
"""What the head of a scenario promises, and whether the kernel's log keeps it: that the thing to be witnessed did happen.

    # What: sentences for the reader
    # boot: memcg | system | fresh    the kind of machine; `fresh` is for one scenario alone, whose log begins with the kernel's
    # cgroups: 1 2              the cgroup versions that it makes sense for
    # needs: runc               programs of this machine that the guest has then; may be left out
    # expect: KEY=VALUE ...     of the list below; nothing else is promised

    kills=N          lines `Killed process`          no_killable=N+     lines that say nobody may be killed; `N+` is "at least N"
    no_kill=REASON   the tracer told an oom_no_kill of this reason, if it sees decisions (rungs kprobe and fentry); the log has no line for it
    scope=NAME       CONSTRAINT_NAME of each report  limit=PATH         oom_memcg of each report
    victims=A,B      the names of the killed, in the kernel's order; bytes escaped as \\xHH, a comma too; `,...` where there may be more
    group=PATH       the group that died as one      message=TEXT       is in the message of each kill
    swapped=yes      the victim's row has pages in swap
    from_log=N+      kills that the tracer told from the log, beside those of its probes
    owner=NAMESPACE/POD/CONTAINER        whom the tracer told that each victim belongs to; trigger_owner, limit_owner the same of those; `,...` as above
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from kernel_log import KernelLog, parse, unescape

SCENARIOS = Path(__file__).parent / "guest/scenarios"


@dataclass(frozen=True)
class Scenario:
    """The head of one file. `expect` maps the keys above to their text."""

    name: str
    boot: str
    cgroups: tuple[int, ...]
    expect: dict[str, str]
    needs: tuple[str, ...] = ()


def read_scenarios(wanted: list[str] | None) -> list[Scenario]:
    """All scenarios, or those named, in the order of their names."""
    found = [read_scenario(path) for path in sorted(SCENARIOS.glob("*.sh"))]
    unknown = set(wanted or []) - {scenario.name for scenario in found}
    if unknown:
        raise SystemExit(f"run.py: no scenario {', '.join(sorted(unknown))} in {SCENARIOS}")
    return [scenario for scenario in found if not wanted or scenario.name in wanted]


def read_scenario(path: Path) -> Scenario:
    head = dict(re.findall(r"^# (boot|cgroups|needs|expect): (.*)$", path.read_text(), re.MULTILINE))
    expect = dict(item.split("=", 1) for item in head["expect"].split())
    return Scenario(path.stem, head["boot"], tuple(map(int, head["cgroups"].split())), expect, tuple(head.get("needs", "").split()))


def unexpected(scenario: Scenario, result: Path) -> list[str]:
    """Each promise that what the scenario left in the folder `result` does not keep."""
    seen = observe(parse((result / "kmsg.raw").read_bytes()), scenario.expect)
    events = read_events(result / "trace.ndjson")
    seen["no_kill"] = told_no_kills(events)
    seen["from_log"] = told_from_log(events)
    seen |= {key: told_owners(events, role) for key, role in (("owner", "victim"), ("trigger_owner", "trigger"), ("limit_owner", "limit"))}
    return [
        f"{key}: expected {value}, there is {seen[key]}"
        for key, value in scenario.expect.items()
        if seen[key] is not None and not keeps(value, seen[key])
    ]


def read_events(trace: Path) -> list[dict]:
    return [json.loads(line) for line in trace.read_bytes().splitlines()] if trace.exists() else []


def told_from_log(events: list[dict]) -> int | None:
    """How many kills have source kmsg; None where there is no tracer."""
    return sum(event["type"] == "oom_kill" and event["source"] == "kmsg" for event in events) if events else None


def told_owners(events: list[dict], role: str) -> set[str] | None:
    """Namespace, pod and container of the victims, triggers or limits of all kills; None where there is no tracer."""
    kills = [event for event in events if event["type"] == "oom_kill"]
    owners = [kill.get(role, {}).get("kubernetes", {}) for kill in kills]
    return {"/".join(owner.get(key, "?") for key in ("namespace", "pod", "container")) for owner in owners} if events else None


def told_no_kills(events: list[dict]) -> set[str] | None:
    """The reasons of all oom_no_kill; None where there is no tracer, or one that cannot know."""
    sources = {event.get("source") for event in events if event["type"] == "stream_start"}
    if not sources & {"kprobe", "fentry"}:
        return None
    return {event["reason"] for event in events if event["type"] == "oom_no_kill"}


def observe(log: KernelLog, expect: dict[str, str]) -> dict[str, object]:
    """For each key what the log has of it."""
    kills = [kill for decision in log.decisions for kill in decision.kills]
    constraints = [decision.report.constraint for decision in log.decisions if decision.report and decision.report.constraint]
    rows = [decision.report.row(decision.kills[0].tid) for decision in log.decisions if decision.report]
    return {
        "kills": len(kills),
        "no_killable": len(log.no_killable),
        "scope": {constraint.scope for constraint in constraints},
        "limit": {constraint.oom_memcg for constraint in constraints},
        "victims": [kill.comm for kill in kills],
        "group": {decision.group for decision in log.decisions},
        "message": {expect.get("message") for kill in kills if expect.get("message", "") in kill.message},
        "swapped": {"yes" for row in rows if row and row.columns["swapents"]},
    }


def keeps(value: str, seen: object) -> bool:
    if isinstance(seen, int):
        return seen >= int(value[:-1]) if value.endswith("+") else seen == int(value)
    if isinstance(seen, list):
        names = [unescape(name.encode()) for name in value.removesuffix(",...").split(",")]
        return (seen[: len(names)] if value.endswith(",...") else seen) == names
    if value.endswith(",..."):
        return value.removesuffix(",...") in seen
    return seen in ({value}, {value.encode()})
