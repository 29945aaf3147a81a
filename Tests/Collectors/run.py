# SPDX-License-Identifier: Apache-2.0
"""Real kills through the daemon's sinks to real collectors; each line at the far end is held against the daemon's own file.

    python3 Tests/Collectors/run.py [--binary FILE] [--kills 32] [--only NAME] [--keep]

None may be lost and none changed; one may come again under the same (stream, seq). All collectors are away when the daemon
starts; then those that it speaks to end, and are killed; then those behind them end (what is behind the OpenTelemetry Collector
answers 503 and 429), and are killed, and the first ones are killed while the second ones are away. In each of these times
there are kills. The collectors run with the files of deploy/fleet as they are, on 127.0.0.1. Prints the table of docs/fleet.md;
exit 1 where a line differs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / ".build/python"), str(HERE)]

from parts import Failure, Part, wait  # noqa: E402
from receivers import RECEIVERS  # noqa: E402

GROUP_BYTES = 48 << 20
# Longer than a sink believes that what was acknowledged has arrived: docs/sinks.md, stream.
AWAY_SECONDS = 7
# What a victim calls itself: quotes and brackets of every format on the way, a line feed, letters of others, no UTF-8.
NAMES = (b"shop", b'q"b\\r]s[=', "bücher".encode(), "한국어".encode(), b"two\nlines", b"\xff\xfe raw", b"%m $MSG `x`", b"tab\there")
# So many neighbours with long command lines make a line as long as they get.
NEIGHBOURS = 24


class Group:
    """A memory cgroup with neighbours, in which a process that takes more than there is gets killed."""

    def __init__(self):
        v1 = Path("/sys/fs/cgroup/memory")
        name = f"oomwitness-collectors-{os.getpid()}"
        self.folder = (v1 if v1.is_dir() else Path("/sys/fs/cgroup")) / name
        self.folder.mkdir()
        (self.folder / ("memory.limit_in_bytes" if v1.is_dir() else "memory.max")).write_text(str(GROUP_BYTES))
        enter = f"echo $$ >'{self.folder}/cgroup.procs'; exec sleep 100000"
        self.neighbours = [subprocess.Popen(["/bin/sh", "-c", enter]) for _ in range(NEIGHBOURS)]
        self.victims: list[int] = []

    def kill(self) -> None:
        comm = NAMES[len(self.victims) % len(NAMES)]
        script = f"open('/proc/self/comm','wb').write(bytes.fromhex('{comm.hex()}')); x=bytearray(128<<20)"
        enter = f"echo $$ >'{self.folder}/cgroup.procs'; exec \"$@\""
        words = ["-", sys.executable, "-ISc", script, "a \"word\"\n" * 20, "\x01\x7f é %s ${MSG}"]
        process = subprocess.Popen(["/bin/sh", "-c", enter, *words], stderr=subprocess.DEVNULL)
        if process.wait() != -signal.SIGKILL:
            raise Failure(f"a process of {self.folder} ended with {process.returncode} and was not killed")
        self.victims.append(process.pid)

    def close(self) -> None:
        for neighbour in self.neighbours:
            neighbour.kill()
            neighbour.wait()
        wait(f"{self.folder} to be empty", lambda: not (self.folder / "cgroup.procs").read_text(), 10)
        self.folder.rmdir()


def oom_kill_count() -> int:
    return next(int(line.split()[1]) for line in open("/proc/vmstat") if line.startswith("oom_kill "))


class Bed:
    def __init__(self, options, work: Path):
        self.work, self.options = work, options
        self.receivers = {name: RECEIVERS[name](work) for name in options.only or RECEIVERS}
        sinks = [{"type": "file", "path": f"{work}/events.ndjson"}]
        for receiver in self.receivers.values():
            sinks += receiver.sinks
        # JSON is YAML.
        settings = {
            "state_directory": f"{work}/state", "history": False, "pressure": {"memory": "0.01,100,100"}, "sinks": sinks,
        }  # fmt: skip
        (work / "config.yaml").write_text(json.dumps(settings))
        self.daemon = Part("daemon", work, [options.binary, "daemon", "--config", work / "config.yaml"], self.has_begun)
        self.group = Group()

    def has_begun(self) -> bool:
        return b'"stream_start"' in b"".join(self.told_lines())

    def parts(self, *places: str) -> list:
        return [part for receiver in self.receivers.values() for place in places for part in getattr(receiver, place)]

    def told_lines(self) -> list[bytes]:
        return [line for path in sorted(self.work.glob("events.ndjson*")) for line in path.read_bytes().splitlines(keepends=True)]

    def kill(self, count: int) -> None:
        for _ in range(count):
            self.group.kill()

    def stop(self, parts: list, how: signal.Signals) -> None:
        for part in parts:
            part.stop(how)

    def start(self, parts: list) -> None:
        for part in parts:
            part.start()

    def round(self, title: str, parts: list, how: signal.Signals, during=lambda: None) -> None:
        """Kills before, while away, and after."""
        began = time.monotonic()
        quarter = max(1, self.options.kills // 4)
        self.kill(quarter)
        self.stop(parts, how)
        self.kill(quarter)
        time.sleep(AWAY_SECONDS)
        during()
        self.kill(quarter)
        self.start(parts)
        self.kill(quarter)
        self.await_all()
        print(f"  {title}: {time.monotonic() - began:.0f} s", flush=True)

    def missing(self) -> dict[str, int]:
        """How many lines have not come yet, by way."""
        told = set(self.told_lines())
        ways = {way: set(lines) for receiver in self.receivers.values() for way, lines in receiver.arrived().items()}
        return {way: len(told - lines) for way, lines in ways.items() if told - lines}

    def await_all(self) -> None:
        def told() -> bool:
            text = b"".join(self.told_lines())
            return all(f'"victim":{{"pid":{pid},'.encode() in text for pid in self.group.victims)

        wait("each kill to be told", told)
        try:
            wait("each line at the far end", lambda: not self.missing(), pause=2)
        except Failure as failure:
            raise Failure(f"{failure}; missing: {self.missing()}") from None

    def close(self) -> None:
        for part in [self.daemon, *self.parts("first", "second")]:
            part.close()
        for receiver in self.receivers.values():
            getattr(receiver, "clear", lambda: None)()
        self.group.close()


def run(bed: Bed) -> None:
    """The hours in which a line could be lost."""
    first, second = bed.parts("first"), bed.parts("second")
    bed.daemon.start()
    bed.kill(bed.options.kills // 2)
    time.sleep(AWAY_SECONDS)
    bed.start(first + second)
    bed.await_all()
    print("  away at the start: all came", flush=True)
    bed.round("first hops end", first, signal.SIGTERM)
    bed.round("first hops are killed", first, signal.SIGKILL)
    bed.round("second hops end, or refuse", second, signal.SIGTERM)

    def first_too() -> None:
        bed.stop(first, signal.SIGKILL)
        bed.kill(2)
        bed.start(first)

    bed.round("second hops are killed, and first ones while they are away", second, signal.SIGKILL, first_too)
    rotate(bed)
    bed.await_all()
    if status := bed.daemon.stop(signal.SIGTERM):
        raise Failure(f"the daemon ended with {status}")
    bed.await_all()


def rotate(bed: Bed) -> None:
    """As logrotate does: the file gets another name, the daemon SIGHUP."""
    bed.kill(2)
    (bed.work / "events.ndjson").rename(bed.work / "events.ndjson.1")
    bed.daemon.process.send_signal(signal.SIGHUP)
    bed.kill(2)


def judge(bed: Bed, growth: int) -> list[str]:
    """Prints a row for each way; what is wrong."""
    lines = bed.told_lines()
    events = {}
    faults = []
    for line in lines:
        event = json.loads(line)
        events[f"{event['stream']}/{event['seq']}"] = event
    whole = set(lines)
    kinds = Counter(event["type"] for event in events.values())
    longest, size = max(map(len, whole)), sum(map(len, whole)) / len(whole)
    print(f"{len(bed.group.victims)} kills of ours, {growth} by the kernel's count")
    print(f"{len(whole)} lines told, {size:.0f} bytes each, {longest} at most: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items()))
    # What the kernel's log had of kills before is told at the start as well.
    since = min(event["time"] for event in events.values() if event["type"] == "stream_start")
    told = [event for event in events.values() if event["type"] == "oom_kill" and event["time"] >= since]
    if sum(event["victim"]["kernel_count"] for event in told) != growth:
        faults.append(f"the kernel counted {growth} kills, {len(told)} were told")
    if kinds["loss"]:
        faults.append(f"the daemon tells of losses: {[event for event in events.values() if event['type'] == 'loss']}")
    if len(whole) != len(events) or kinds["stream_end"] != 1:
        faults.append(f"the daemon's file has {len(whole)} lines, {len(events)} numbers, {kinds['stream_end']} ends")
    print("| receiver | way | lines | lost | changed | came again |\n|---|---|---|---|---|---|")
    for name, receiver in bed.receivers.items():
        for way, arrived in receiver.arrived().items():
            counts = Counter(arrived)
            lost, changed = whole - set(counts), set(counts) - whole
            cells = [f"{name} {receiver.version()}", way.partition(": ")[2], len(counts), len(lost), len(changed), len(arrived) - len(counts)]
            print("| " + " | ".join(map(str, cells)) + " |")
            faults += [f"{way}: {len(lost)} lines lost, first {sorted(lost)[0][:300]}"] if lost else []
            faults += [f"{way}: {len(changed)} lines changed, first {sorted(changed)[0][:300]}"] if changed else []
    for name, receiver in bed.receivers.items():
        # What was never told has no fields to be held against.
        found = receiver.faults(events) if not faults else ["not looked at"]
        print(f"{name}: {found[0] if found else receiver.note()}", flush=True)
        faults += found
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/oomwitness")
    parser.add_argument("--kills", type=int, default=32, help="of each round")
    parser.add_argument("--only", action="append", choices=list(RECEIVERS))
    parser.add_argument("--keep", action="store_true", help="the work folder")
    options = parser.parse_args()
    # What was started ends with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began, work = time.monotonic(), Path(tempfile.mkdtemp(prefix="oomwitness-collectors-"))
    before, bed = oom_kill_count(), None
    try:
        bed = Bed(options, work)
        run(bed)
        faults = judge(bed, oom_kill_count() - before)
    except Failure as failure:
        faults = [str(failure)]
        if bed:
            parts = [bed.daemon, *bed.parts("first", "second")]
            faults += [f"{part.name} said: {part.tail()}" for part in parts if part.tail()]
    finally:
        if bed:
            bed.close()
        if options.keep:
            print(f"kept: {work}")
        else:
            subprocess.run(["rm", "-rf", work], check=True)
    for fault in faults[:20]:
        print(f"FAULT {fault}", file=sys.stderr)
    print(f"{time.monotonic() - began:.0f} s", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
