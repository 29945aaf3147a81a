# SPDX-License-Identifier: Apache-2.0
"""A fleet without hosts: the streams of many, sent at once to a real collector, loaded into real stores, asked what people ask.

    python3 Tests/Fleet/run.py [--hosts 1000] [--lines 200] [--binary FILE]

Each host is a connection of its own to rsyslog (deploy/fleet/rsyslog.conf). Every line has to arrive as it was sent, every
query to find what was counted while the lines were made. Prints the table of docs/fleet.md; exit 1 where something differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".build/python"))

from stores import QUERIES, STORES, timed  # noqa: E402
from streams import NOW, Host, Truth  # noqa: E402

PORT = 15514
SENDERS_AT_ONCE = 1000
SETTLE_SECONDS = 120


def pressure_line(binary: Path) -> dict:
    """A change of level as the tracer writes it, of this very host."""
    command = [binary, "pressure", "--memory", "0.01,100,100", "--output", "ndjson", "--duration", "1"]
    line = json.loads(subprocess.run(command, check=True, capture_output=True).stdout.splitlines()[0])
    assert line["type"] == "pressure"
    return line


class Collector:
    """rsyslogd with deploy/fleet/rsyslog.conf in a folder of its own."""

    def __init__(self, work: Path):
        self.events = work / "events.ndjson"
        configuration = work / "rsyslog.conf"
        configuration.write_text((QUERIES / "rsyslog.conf").read_text().replace("@W@", str(work)))
        command, environment = ["rsyslogd"], dict(os.environ)
        if not Path("/usr/sbin/rsyslogd").exists():
            # As .ci/packages unpacks it: installed it would start a service.
            base = ROOT / ".build/rsyslog/usr"
            command = [base / "sbin/rsyslogd", "-M", base / "lib/x86_64-linux-gnu/rsyslog"]
            environment["LD_LIBRARY_PATH"] = str(base / "lib/x86_64-linux-gnu")
        self.process = subprocess.Popen([*command, "-n", "-f", configuration, "-i", work / "pid"], env=environment)

    def await_lines(self, count: int) -> int:
        """Waits until so many bytes are there, or nothing more comes."""
        last, since = -1, time.monotonic()
        while time.monotonic() - since < SETTLE_SECONDS:
            bytes_now = self.events.stat().st_size if self.events.exists() else 0
            if bytes_now >= count:
                break
            if bytes_now != last:
                last, since = bytes_now, time.monotonic()
            time.sleep(0.1)
        return self.events.stat().st_size

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


async def send(number: int, options, pressure: dict, truth: Truth, sums: list[int], gate: asyncio.Semaphore) -> None:
    async with gate:
        for _ in range(50):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", PORT)
                break
            except OSError:
                await asyncio.sleep(0.2)
        host = Host(number, options.lines, pressure)
        for line in host:
            writer.write(line)
            sums[0] += len(line)
            sums[1] ^= zlib.crc32(line[:-1])
            sums[2] += 1
            if sums[2] % 16 == 0:
                await writer.drain()
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        truth.add(host.truth)


async def send_all(options, pressure: dict) -> tuple[Truth, list[int]]:
    truth, sums, gate = Truth(), [0, 0, 0], asyncio.Semaphore(SENDERS_AT_ONCE)
    await asyncio.gather(*(send(number, options, pressure, truth, sums, gate) for number in range(options.hosts)))
    return truth, sums


def received(path: Path) -> list[int]:
    sums = [0, 0, 0]
    with path.open("rb") as lines:
        for line in lines:
            sums[0] += len(line)
            sums[1] ^= zlib.crc32(line[:-1])
            sums[2] += 1
    return sums


def expected(truth: Truth) -> dict[str, list[tuple]]:
    def top(counter) -> list[tuple]:
        return sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:10]

    return {
        "top victims of the last seven days": top(truth.victims),
        "pods that outgrow their limit": [(pod, kills, 8192 * 4096) for pod, kills in top(truth.pods)],
        "hosts that thrash": top(truth.thrashing),
        "kills in spite of a guard": top(truth.in_spite),
    }


def check(ours: object, theirs: object, what: str) -> int:
    if ours == theirs:
        return 0
    print(f"{what}: wanted {str(ours)[:300]}, got {str(theirs)[:300]}", file=sys.stderr)
    return 1


def ask(store_class, work: Path, path: Path, truth: Truth) -> int:
    store = store_class(work, NOW.strftime("%Y-%m-%d %H:%M:%S"))
    failed = 0
    try:
        _, seconds = timed(store.load, path)
        million = 1e6 / truth.lines
        times = []
        for title, wanted in expected(truth).items():
            rows, took = timed(store.ask, title)
            failed += check(wanted, [tuple(row) for row in rows], f"{store.name}: {title}")
            times.append(f"{took * 1000:.0f}")
        cells = [f"{store.name} {store.version}", f"{seconds * million:.0f}", f"{store.bytes() * million / 1e6:.0f}"]
        print("| " + " | ".join(cells + times) + " |", flush=True)
    finally:
        store.close()
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=200, help="of each host, doubles aside")
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/oomwitness")
    options = parser.parse_args()
    pressure = pressure_line(options.binary)
    with tempfile.TemporaryDirectory(prefix="oomwitness-fleet-") as folder:
        work = Path(folder)
        collector = Collector(work)
        try:
            (truth, sent), seconds = timed(lambda: asyncio.run(send_all(options, pressure)))
            collector.await_lines(sent[0])
        finally:
            collector.close()
        failed = check(sent, received(collector.events), "bytes, sum and lines at the collector")
        lines = sent[2]
        print(f"{options.hosts} hosts at once: {lines} lines, {truth.doubled} of them twice, {sent[0] / 1e6:.0f} MB, ", end="")
        print(f"{lines / seconds:.0f} lines a second made, sent and written; {sent[0] / lines:.0f} bytes a line")
        print("| store | load, s a million | size, MB a million | victims, ms | pods, ms | thrash, ms | in spite, ms |")
        print("|---|---|---|---|---|---|---|")
        for store in STORES:
            failed += ask(store, work, collector.events, truth)
    return 1 if failed else 0


if __name__ == "__main__":
    random.seed(1)
    os.chdir(ROOT)
    sys.exit(main())
