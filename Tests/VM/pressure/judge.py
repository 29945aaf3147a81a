# SPDX-License-Identifier: Apache-2.0
"""Holds what `oomwitness pressure` said in a guest against what the kernel's files said at the same time.

A scene's folder has, beside the watch's lines, `samples`: each tenth of a second the text of the files (sampler.c). A reading
of the watch has to lie between the least and the most that the files said around it; its level has to be the one that its numbers
make by the thresholds of docs/pressure.md; and where the files were above a threshold for long, it has to be told.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

PAGE = 4096
LEVELS = ("normal", "low", "medium", "critical")
AROUND_SECONDS = 2.0  # a reading is taken before its event is told: 0.3 s for a second look, and an emulated guest is slow
TOLD_SECONDS = 20  # memory is looked at each ten seconds at least
STALL_SECONDS = 5  # the kernel wakes the watch for stall: within its window of two seconds, and a look is a second away
# The first look at processes loads BPF programs: milliseconds on any host, and up to half a minute in a guest that is emulated on a busy one.
FIRST_SECONDS = 30
SLACK_PAGES = 2 << 20 >> 12
MEMORY = (40.0, 60.0, 80.0)
STALL = (10.0, 30.0, 60.0)
STALL_FULL = (5.0, 20.0, 40.0)
NEVER = (100.0, 100.0, 100.0)
FALL = 3.0


@dataclass
class Sample:
    """What the files said at one time."""

    seconds: float
    files: dict[str, str] = field(default_factory=dict)

    def number(self, path: str, name: str) -> int | None:
        """`NAME: 12 kB` of /proc/meminfo, `name 12` of vmstat and memory.stat."""
        found = re.search(rf"(?:^|;){name}:?\s+(\d+)", self.files.get(path, ""))
        return int(found[1]) if found else None

    def stall(self, path: str) -> dict[str, float]:
        found = re.findall(r"(some|full) avg10=([\d.]+)", self.files.get(path, ""))
        return {kind: float(value) for kind, value in found}


@dataclass
class Target:
    """Whose memory: the system's, or that of a group."""

    group: str | None = None
    limit_mib: int = 0
    memory: tuple[float, ...] = NEVER
    some: tuple[float, ...] = NEVER
    full: tuple[float, ...] = NEVER

    def pages(self, sample: Sample) -> tuple[int, int] | None:
        """All, and what can be had: by the kernel's files alone."""
        if self.group is None:
            total, available = sample.number("/proc/meminfo", "MemTotal"), sample.number("/proc/meminfo", "MemAvailable")
            return (total // 4, available // 4) if total and available is not None else None
        current = sample.files.get(f"{self.folder}/memory.current", "").rstrip(";")
        inactive = sample.number(f"{self.folder}/memory.stat", "inactive_file")
        if not current.isdigit() or inactive is None:
            return None
        total = self.limit_mib << 8
        return total, total - max(0, int(current) - inactive) // PAGE

    def stall(self, sample: Sample) -> dict[str, float]:
        return sample.stall("/proc/pressure/memory" if self.group is None else f"{self.folder}/memory.pressure")

    @property
    def folder(self) -> str:
        return f"/sys/fs/cgroup{self.group}"

    def level(self, used: float, stall: dict[str, float], slack: float = 0.0) -> int:
        steps = [(used, self.memory), (stall.get("some", 0), self.some), (stall.get("full", 0), self.full)]
        return max(sum(value >= least - min(slack, least / 2) for least in those) for value, those in steps)

    def sampled(self, sample: Sample, slack: float = 0.0) -> int | None:
        pages = self.pages(sample)
        return None if pages is None else self.level(100 * (1 - pages[1] / pages[0]), self.stall(sample), slack)


SCENES = {
    "levels": Target(memory=MEMORY),
    "stall": Target(some=STALL, full=STALL_FULL),
    "group_stall": Target("/slow", 400, some=STALL, full=STALL_FULL),
    "group_memory": Target("/shop", 200, memory=(70.0, 85.0, 95.0)),
    "drop_caches": Target(memory=(40.0, 60.0, 95.0)),
    "reclaim": Target("/shop", 150, memory=(40.0, 60.0, 95.0)),
}


class Scene:
    """One folder, read."""

    def __init__(self, folder: Path, target: Target) -> None:
        self.folder, self.target = folder, target
        self.facts = self.text("facts").splitlines()
        self.events = [json.loads(line) for line in self.text("pressure.ndjson").splitlines()]
        self.samples = []
        for line in self.text("samples").splitlines():
            first, *rest = line.split("\t")
            if first.isdigit() and len(rest) % 2 == 0:
                self.samples.append(Sample(int(first) / 1e9, dict(zip(rest[::2], rest[1::2]))))

    def text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def fact(self, name: str) -> str | None:
        return next((line.partition("=")[2] for line in self.facts if line.startswith(name + "=")), None)

    def marks(self) -> list[tuple[str, float, int]]:
        """What init marked: the name, the time, and how often the watch had slept by then."""
        words = [line.removeprefix("mark=").split() for line in self.facts if line.startswith("mark=")]
        return [(name, float(seconds), int(sleeps)) for name, seconds, sleeps in words]

    def changes(self) -> list[dict]:
        return [event for event in self.events if "cleanup" not in event]

    def around(self, event: dict) -> list[Sample]:
        """And the last sample before, since what looks at the files may have to wait for a processor as well."""
        seconds = event["monotonic_ns"] / 1e9
        before = [sample for sample in self.samples if sample.seconds < seconds - AROUND_SECONDS]
        return before[-1:] + [sample for sample in self.samples if abs(sample.seconds - seconds) <= AROUND_SECONDS]


def judge(name: str, folder: Path) -> tuple[list[str], list[str]]:
    """What is wrong, and what was measured."""
    if not (folder / "facts").exists():
        return ["the guest did not come so far"], []
    scene = Scene(folder, SCENES[name])
    if refused := scene.fact("refused"):
        return of_refusal(scene, refused), ["memory.reclaim is not there, and that was said"]
    problems = [] if scene.fact("exit") == "0" else [f"exit status {scene.fact('exit')}: {scene.text('pressure.err')[-300:]}"]
    if len(scene.samples) < 20:
        return [*problems, f"only {len(scene.samples)} samples"], []
    if not scene.events:
        return [*problems, "nothing was told"], []
    problems += of_readings(scene) + of_order(scene) + of_delays(scene) + of_statuses(scene)
    more, figures = {
        "levels": of_levels, "stall": of_stall, "group_stall": of_group_stall, "group_memory": of_group_memory,
        "reclaim": of_reclaim, "drop_caches": of_drop_caches,
    }[name](scene)  # fmt: skip
    return problems + more, figures


def of_readings(scene: Scene) -> list[str]:
    """Each number of each event, against the files of the same time; and the level, against the numbers."""
    problems = []
    for event in scene.events:
        what = f"event {event['seq']} ({event['level']})"
        near = scene.around(event)
        pages = [pages for pages in map(scene.target.pages, near) if pages]
        if not pages:
            problems.append(f"{what}: no samples around it")
            continue
        if event["total_pages"] != pages[0][0]:
            problems.append(f"{what}: total_pages {event['total_pages']}, the kernel says {pages[0][0]}")
        least, most = (min(page[1] for page in pages) - SLACK_PAGES, max(page[1] for page in pages) + SLACK_PAGES)
        if not least <= event["available_pages"] <= most:
            problems.append(f"{what}: available_pages {event['available_pages']}, the kernel said {least} to {most}")
        said = {kind: line["avg10"] for kind, line in event.get("pressure_stall", {}).items()}
        for kind in ("some", "full"):
            values = [stall[kind] for stall in map(scene.target.stall, near) if kind in stall]
            if kind not in said or not values or not min(values) <= said[kind] <= max(values):
                problems.append(f"{what}: {kind} {said.get(kind)}, the kernel said {values[:1]} to {values[-1:]}")
        reached = LEVELS[scene.target.level(event["used_percent"], said)]
        rises = LEVELS.index(event["level"]) > LEVELS.index(event["previous_level"])
        if rises and event["level"] != reached:
            problems.append(f"{what}: its numbers make it {reached}")
    return problems


def of_order(scene: Scene) -> list[str]:
    """Each change begins where the last one ended, and `seq` has no holes."""
    problems, level = [], "normal"
    for event in scene.changes():
        if event["previous_level"] != level:
            problems.append(f"event {event['seq']}: it comes from {event['previous_level']}, and {level} was told before")
        level = event["level"]
    if [event["seq"] for event in scene.events] != list(range(1, len(scene.events) + 1)):
        problems.append("seq has holes")
    return problems


def of_delays(scene: Scene) -> list[str]:
    """Where the files were above what was told for longer than the watch may sleep."""
    told = [(event["monotonic_ns"] / 1e9, LEVELS.index(event["level"])) for event in scene.changes()]
    ending = next((seconds for name, seconds, _ in scene.marks() if name == "ending"), float("inf"))
    since = None
    for sample in scene.samples:
        level = scene.target.sampled(sample)
        said = next((level for seconds, level in reversed(told) if seconds <= sample.seconds), 0)
        if level is None or level <= said or sample.seconds > ending:
            since = None
            continue
        since = since or sample.seconds
        seconds = TOLD_SECONDS + (FIRST_SECONDS if not told or told[0][0] > since else 0)
        if sample.seconds - since > seconds:
            return [f"at {sample.seconds:.1f} s it was {LEVELS[level]} for {seconds} s, and {LEVELS[said]} was told"]
    return []


def of_statuses(scene: Scene) -> list[str]:
    """`status` exits with the level that it shows, which its numbers make."""
    problems = []
    for line in scene.facts:
        if not line.startswith("status="):
            continue
        name, code = line.removeprefix("status=").split()
        try:
            document = json.loads(scene.text(f"status-{name}.json"))
        except json.JSONDecodeError:
            problems.append(f"status {name}: no JSON, exit status {code}: {scene.text(f'status-{name}.err')}")
            continue
        reading = document["targets"][0]
        said = {kind: line["avg10"] for kind, line in reading.get("pressure_stall", {}).items()}
        level = LEVELS[scene.target.level(reading["used_percent"], said)]
        if (document["level"], int(code)) != (level, LEVELS.index(level)):
            problems.append(f"status {name}: {document['level']}, exit status {code}; its numbers make it {level}")
    return problems


def passage(scene: Scene) -> list[str]:
    return [event["level"] for event in scene.changes()]


def expect(scene: Scene, levels: list[str]) -> list[str]:
    return [] if passage(scene) == levels else [f"told {' '.join(passage(scene))}, and not {' '.join(levels)}"]


def of_levels(scene: Scene) -> tuple[list[str], list[str]]:
    problems = expect(scene, ["low", "medium", "critical", "medium", "low", "normal"])
    codes = [line.split()[1] for line in scene.facts if line.startswith("status=")]
    if codes != ["0", "1", "1", "2", "3", "0"]:
        problems.append(f"status exited with {' '.join(codes)}")
    within = next((seconds for name, seconds, _ in scene.marks() if name == "within"), 0)
    used = [100 * (1 - pages[1] / pages[0]) for sample in scene.samples if within - 12 < sample.seconds < within
            and (pages := scene.target.pages(sample))]  # fmt: skip
    if not used or not MEMORY[1] - FALL < min(used) <= max(used) < MEMORY[1]:
        problems.append(f"the scene itself: within the margin it was {min(used, default=0):.1f} to {max(used, default=0):.1f} %")
    return problems, [f"a margin held at {min(used, default=0):.1f} %"]


def delays(scene: Scene) -> list[float]:
    """From the file's first value above a threshold of the lowest level to the event, for each time."""
    found = []
    for event in scene.changes():
        if event["previous_level"] != "normal":
            continue
        seconds = event["monotonic_ns"] / 1e9
        before = [sample for sample in scene.samples if sample.seconds <= seconds]
        first = seconds
        for sample in reversed(before):
            if not scene.target.sampled(sample):
                break
            first = sample.seconds
        found.append(seconds - first)
    return found


def late(waits: list[float]) -> list[str]:
    return [f"told {wait:.1f} s after the kernel's file said it" for place, wait in enumerate(waits)
            if wait > (STALL_SECONDS if place else STALL_SECONDS + FIRST_SECONDS)]  # fmt: skip


def of_stall(scene: Scene) -> tuple[list[str], list[str]]:
    rises, waits = passage(scene).count("normal"), delays(scene)
    problems = [] if rises == 3 and len(waits) == 3 else [f"told {' '.join(passage(scene))}: three stalls, three ends"]
    problems += late(waits)
    for event in scene.changes():
        if event["level"] != "normal" and not set(event["causes"]) <= {"stall_some", "stall_full"}:
            problems.append(f"event {event['seq']}: causes {event['causes']}")
    marks = {name: (seconds, sleeps) for name, seconds, sleeps in reversed(scene.marks())}
    seconds, sleeps = (marks["rested"][0] - marks["begun"][0], marks["rested"][1] - marks["begun"][1])
    # Each ten seconds a look; the first trigger's window may end in between.
    if sleeps > seconds / 10 + 3:
        problems.append(f"at rest it woke {sleeps} times in {seconds:.0f} s")
    return problems, [f"told {', '.join(f'{wait:.1f}' for wait in waits)} s after it", f"{sleeps} wakes in {seconds:.0f} s of rest"]


def of_group_stall(scene: Scene) -> tuple[list[str], list[str]]:
    others = next((seconds for name, seconds, _ in scene.marks() if name == "others"), 0)
    problems = [f"event {event['seq']}: another group's stall" for event in scene.events if event["monotonic_ns"] / 1e9 < others]
    waits = delays(scene)
    problems += [] if len(waits) == 2 and passage(scene)[-1] == "normal" else [f"told {' '.join(passage(scene))}"]
    problems += late(waits)
    problems += [f"event {event['seq']} is of {event.get('cgroup')}" for event in scene.events
                 if event.get("cgroup", {}).get("path") != "/slow"]  # fmt: skip
    if not any(line.startswith("status=stalled ") and not line.endswith(" 0") for line in scene.facts):
        problems.append("status exited with 0 while the group stood still")
    return problems, [f"told {', '.join(f'{wait:.1f}' for wait in waits)} s after it"]


def of_group_memory(scene: Scene) -> tuple[list[str], list[str]]:
    # The three are ended one after another: it may be seen on the way down.
    problems = expect(scene, ["low", "medium", "critical", *[level for level in passage(scene)[3:-1] if level == "low"], "normal"])
    codes = [line.split()[1] for line in scene.facts if line.startswith("status=")]
    return problems + ([] if codes == ["1", "2", "3"] else [f"status exited with {' '.join(codes)}"]), []


def of_refusal(scene: Scene, status: str) -> list[str]:
    sentence = "oomwitness: /shop has no memory.reclaim: it takes a control group of version 2 and kernel 5.19\n"
    problems = [] if status == "2" and scene.text("refused.err") == sentence else [f"{status}: {scene.text('refused.err')}"]
    release = tuple(map(int, re.findall(r"\d+", scene.fact("release") or "")[:2]))
    return problems + (["this kernel has memory.reclaim"] if release >= (5, 19) else [])


def cleaned(scene: Scene, action: str) -> tuple[dict | None, list[str]]:
    """The one line of what was done, with before and after held against the files."""
    done = [event for event in scene.events if "cleanup" in event]
    if len(done) != 1 or done[0]["cleanup"]["action"] != action:
        return None, [f"{len(done)} clean-ups were told"]
    cleanup = done[0]["cleanup"]
    seconds = done[0]["monotonic_ns"] / 1e9
    begin = seconds - cleanup["duration_ms"] / 1000
    pages = [(sample.seconds, page[1]) for sample in scene.samples if (page := scene.target.pages(sample))]
    problems = []
    for key, when in (("available_before_pages", begin), ("available_after_pages", seconds)):
        near = [available for time, available in pages if abs(time - when) <= AROUND_SECONDS]
        if not near or not min(near) - SLACK_PAGES <= cleanup[key] <= max(near) + SLACK_PAGES:
            problems.append(f"{key} {cleanup[key]}, the kernel said {min(near, default=0)} to {max(near, default=0)}")
    return cleanup, problems + ([f"it failed: {cleanup['error']}"] if "error" in cleanup else [])


def change(scene: Scene, value, until: float = float("inf")) -> int:
    """How much less `value` of the samples was at the end, or at that time, than at its most."""
    values = [found for sample in scene.samples if sample.seconds <= until and (found := value(sample)) is not None]
    return max(values, default=0) - (values[-1] if values else 0)


def of_reclaim(scene: Scene) -> tuple[list[str], list[str]]:
    cleanup, problems = cleaned(scene, "reclaim")
    if cleanup is None:
        return problems, []
    path = f"{scene.target.folder}/memory.current"

    def current(sample: Sample) -> int | None:
        text = sample.files.get(path, "").rstrip(";")
        return int(text) // PAGE if text.isdigit() else None

    reclaimed = next((seconds for name, seconds, _ in scene.marks() if name == "reclaimed"), 0)
    fell = change(scene, current, reclaimed)
    if fell < cleanup["wanted_pages"] * 0.9:
        problems.append(f"{cleanup['wanted_pages']} pages were wanted, and memory.current fell by {fell}")
    if cleanup["available_after_pages"] <= cleanup["available_before_pages"]:
        problems.append("no more can be had after it")
    problems += expect(scene, [*[level for level in passage(scene)[:1] if level == "low"], "medium", "low"])
    gained = cleanup["available_after_pages"] - cleanup["available_before_pages"]
    return problems, [f"wanted {cleanup['wanted_pages']} pages, gained {gained}, memory.current fell by {fell}"]


def of_drop_caches(scene: Scene) -> tuple[list[str], list[str]]:
    cleanup, problems = cleaned(scene, "drop_caches")
    dropped = [scene.samples[place].number("/proc/vmstat", "drop_pagecache") or 0 for place in (0, -1)]
    if dropped[1] != dropped[0] + 1:
        problems.append(f"the kernel counts {dropped[1] - dropped[0]} drops of the page cache")

    def cache(sample: Sample) -> int:
        return (sample.number("/proc/meminfo", "Buffers") or 0) + (sample.number("/proc/meminfo", "Cached") or 0)

    fell = change(scene, cache) // 1024
    if fell < 100:
        problems.append(f"of a page cache with a disk's 120 MiB in it {fell} MiB went")
    return problems, [f"page cache fell by {fell} MiB"] + ([f"{cleanup['duration_ms']} ms"] if cleanup else [])
