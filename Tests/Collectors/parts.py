# SPDX-License-Identifier: Apache-2.0
"""Programs that are started, ended, killed and started again, each with what it said in a file of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parents[2]
# As .ci/packages unpacks them: installed they would start services, and two of them exclude each other.
UNPACKED = ROOT / ".build/collectors"
FLEET = ROOT / "deploy/fleet"
PATIENCE_SECONDS = 240


class Failure(Exception):
    pass


def wait(what: str, ready: Callable[[], object], seconds: float = PATIENCE_SECONDS, pause: float = 0.2) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise Failure(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def lines_by_number(work: Path) -> dict[tuple[str, str], tuple[bytes, dict]]:
    """The lines of the daemon's own file and what they say, by boot and number."""
    told = {}
    for path in work.glob("events.ndjson*"):
        # One that is just being written has no end yet.
        for line in filter(lambda line: line.endswith(b"\n"), lines_of(path)):
            event = json.loads(line)
            told[event["boot_id"], str(event["seq"])] = line, event
    return told


def controls_as_spaces(text: str) -> str:
    """What a sink of type `syslog` makes of them."""
    return re.sub(r"[\x00-\x1f\x7f]", " ", text)


def libraries(folder: Path) -> dict[str, str]:
    """Where programs of Debian that were only unpacked find what came with them."""
    machine = os.uname().machine + "-linux-gnu"
    found = [folder / "usr/lib" / machine, folder / "lib" / machine, folder / "usr/lib/syslog-ng"]
    return os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, found))}


class Part:
    """A program. With `pause` it is started again so many seconds after it has failed, as systemd does with Restart=on-failure."""

    def __init__(self, name: str, work: Path, command: list, ready: Callable[[], bool], pause: float | None = None, **options):
        self.name, self.command, self.ready, self.pause, self.options = name, command, ready, pause, options
        self.log = work / f"{name}.log"
        self.process: subprocess.Popen | None = None
        self.wanted = False
        self.failures = 0
        self.keeper: threading.Thread | None = None

    def spawn(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.options)

    def start(self) -> None:
        self.wanted = True
        self.spawn()
        if self.pause is not None:
            self.keeper = threading.Thread(target=self.keep, daemon=True)
            self.keeper.start()
        try:
            wait("it to be ready", lambda: self.ready() or self.has_failed(), 60)
        except Failure as failure:
            raise Failure(f"{self.name}: {failure}") from None
        if self.has_failed():
            raise Failure(f"{self.name} ended with {self.process.returncode}")

    def has_failed(self) -> bool:
        return self.pause is None and self.process.poll() is not None

    def keep(self) -> None:
        while self.wanted:
            if self.process.wait() == 0 or not self.wanted:
                return
            self.failures += 1
            time.sleep(self.pause)
            if self.wanted:
                self.spawn()

    def stop(self, how: signal.Signals) -> int:
        """Its exit status: nats-server has 1 after SIGTERM, others 0 or the signal."""
        self.wanted = False
        self.process.send_signal(how)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure(f"{self.name} did not end for a minute after {how.name}") from None
        if self.keeper:
            self.keeper.join()
            # It was just being started again.
            self.close()
        return status

    def close(self) -> None:
        self.wanted = False
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-600:] if self.log.exists() else ""
