# SPDX-License-Identifier: Apache-2.0
"""Compares what `oomwitness next` said with whom the kernel took, situation by situation (guest/scenarios/predict.sh).

Each situation has names of its own, s<SEED>-<NUMBER>, so that the kernel's lines tell whose they are. The first decision
has to be the predicted one, and each that follows the next of the follow-ups; of a group all members. A miss is let pass,
counted and told, where the kernel took the runner-up and the two were no more pages apart than the counters' own batches.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from findings import RSS_COUNTERS, Findings
from kernel_log import Decision, parse


SITUATIONS_MIN = 40


@dataclass
class Tally:
    """Over all situations of one folder."""

    situations: int = 0
    decisions: int = 0
    by_margin: int = 0
    mismatches: list[str] = field(default_factory=list)

    def summary(self) -> str:
        return f"{self.situations} situations, {self.decisions} decisions as predicted, {self.by_margin} told apart by margin"


def check_predictions(folder: Path, release: str, cpus: int) -> Tally:
    """All next.SEED.json of a scenario's folder against its log."""
    tally = Tally()
    slack = Findings(cpus=cpus, release=release).slack_pages * RSS_COUNTERS
    decisions = defaultdict(list)
    for decision in parse((folder / "kmsg.raw").read_bytes()).decisions:
        match = re.match(rb"s(\d+)-", decision.kills[0].comm)
        if match:
            decisions[int(match[1])].append(decision)
    for path in sorted(folder.glob("next.*.json"), key=lambda path: int(path.suffixes[0][1:])):
        seed = int(path.suffixes[0][1:])
        tally.situations += 1
        try:
            forecast = json.loads(path.read_text())
        except json.JSONDecodeError:
            tally.mismatches.append(f"seed {seed}: next said no JSON")
            continue
        check_situation(tally, seed, forecast, decisions[seed], slack)
        check_ranking(tally, seed, folder)
    if tally.situations < SITUATIONS_MIN:
        tally.mismatches.append(f"{tally.situations} situations were asked about, {SITUATIONS_MIN} are wanted")
    return tally


def check_ranking(tally: Tally, seed: int, folder: Path) -> None:
    """ranked.SEED and read.SEED, rows of scores: the situation's own processes, which stand still, are the same in both."""
    paths = [folder / f"{way}.{seed}" for way in ("ranked", "read")]
    if not paths[0].exists():
        return
    ranked, read = ([own_row(line) for line in path.read_text().splitlines() if is_own(line, seed)] for path in paths)
    count = min(len(ranked), len(read))
    if count == 0 or ranked[:count] != read[:count]:
        tally.mismatches.append(f"seed {seed}: scores ranks {ranked} by BPF, and {read} where all processes are read")


def is_own(line: str, seed: int) -> bool:
    return json.loads(line)["comm"].startswith(f"s{seed}-")


def own_row(line: str) -> tuple:
    row = json.loads(line)
    return row["pid"], row["tid"], row["uid"], row["points"], row["oom_score_adj"], tuple(row["breakdown"].items())


def check_situation(tally: Tally, seed: int, forecast: dict, decisions: list[Decision], slack: int) -> None:
    if not decisions:
        tally.mismatches.append(f"seed {seed}: the kernel killed nobody, next said {forecast['explanation']}")
        return
    predicted = [forecast, *forecast["follow_ups"]] if forecast["outcome"] == "kill" else []
    for number, decision in enumerate(decisions):
        if number >= len(predicted):
            tally.mismatches.append(f"seed {seed}: decision {number + 1} took {decision.kills[0].comm!r}, next ended before")
            return
        deaths = [predicted[number], *predicted[number].get("with_it", [])]
        ours = [death["victim"] for death in deaths if death["victim"]["role"] != "shares_memory"]
        if ours[0]["tid"] == decision.kills[0].tid and are_all(ours, decision):
            tally.decisions += 1
            continue
        other = ours[0]["tid"] != decision.kills[0].tid
        margin = apart(forecast, ours[0]["pid"], decision.kills[0].tid) if other else None
        if margin is not None and margin <= slack:
            tally.by_margin += 1
            return  # what follows is predicted of another world
        kernel = [kill.comm.decode() for kill in decision.kills]
        pages = "" if margin is None else f", {margin} pages apart"
        tally.mismatches.append(
            f"seed {seed}: decision {number + 1}: kernel {kernel}, ours {[one['comm'] for one in ours]}{pages}"
        )
        return


def are_all(ours: list[dict], decision: Decision) -> bool:
    """Whether the kernel named our victims and no others. Of members of a group that share one memory (s<SEED>-<NUMBER>
    and the same with an x) the second got its SIGKILL as a sharer: it is named only if it has not ended by then.
    """
    named = {kill.comm.decode().rstrip("x") for kill in decision.kills}
    return set(decision.counts()) <= {one["tid"] for one in ours} and named == {one["comm"].rstrip("x") for one in ours}


def apart(forecast: dict, pid: int, tid: int) -> int | None:
    """Points between two candidates; None where one is not among them."""
    by_pid = {one["pid"]: one.get("points") for one in forecast["candidates"]["list"]}
    by_tid = {one["tid"]: one.get("points") for one in forecast["candidates"]["list"]}
    if by_pid.get(pid) is None or by_tid.get(tid) is None:
        return None
    return abs(by_pid[pid] - by_tid[tid])
