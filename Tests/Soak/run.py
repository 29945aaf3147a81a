# SPDX-License-Identifier: Apache-2.0
"""The daemon through bad hours: what all receivers got together has to be what the kernel counted, no more and no less.

    python3 Tests/Soak/run.py --minutes 5            in CI
    python3 Tests/Soak/guest.py                      in a guest, with clock steps: two hours, 20,000 kills

Real kills in a control group of our own. Meanwhile receivers are taken away and brought back, the disk of the state fills up,
the daemon gets SIGKILL (each minute), SIGHUP, and its file of events is moved away. In the last quarter it lives on, so that its memory and
descriptors can be looked at. With --clock the clock of the host jumps, an hour forth and back: for machines of their own.

A line is in the union once, by its stream and number. A line that is no JSON is a fault, as is one that a receiver never got, a victim that
nobody told of, and a sum of `kernel_count` that is not the growth of /proc/vmstat's oom_kill.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
GROUP_BYTES = 4 << 20
STATE_BYTES = 64 << 20
QUIET_SECONDS = 70  # `per_minute` may make a line wait for a minute
REQUEST_DESCRIPTORS = 8  # pipes and files of a request that is under way


def cgroup_folder() -> Path:
    for top, limit in ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max")):
        folder = top / f"oomwitness-soak-{os.getpid()}"
        try:
            folder.mkdir()
            (folder / limit).write_text(str(GROUP_BYTES))
            return folder
        except OSError:
            if folder.exists():
                folder.rmdir()
    raise SystemExit("soak: no memory cgroup can be made here")


def oom_kill_count() -> int:
    return next(int(line.split()[1]) for line in open("/proc/vmstat") if line.startswith("oom_kill "))


class Receiver:
    """Keeps whole lines as they came; what of a connection is no whole line when it breaks is counted."""

    def __init__(self, name: str):
        self.name = name
        self.lines: list[bytes] = []
        self.torn = 0
        self.lock = threading.Lock()

    def take(self, data: bytes) -> None:
        with self.lock:
            self.lines += data.splitlines(keepends=True)


class TCP(Receiver):
    """A listener that goes away, with its connections, and comes back on its port."""

    def __init__(self):
        super().__init__("tcp")
        self.listener: socket.socket | None = None
        self.connections: list[socket.socket] = []
        self.port = 0
        self.start()

    def start(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.read, args=(connection,), daemon=True).start()

    def read(self, connection: socket.socket) -> None:
        rest = b""
        while True:
            try:
                data = connection.recv(1 << 16)
            except OSError:
                break
            if not data:
                break
            whole, newline, rest = (rest + data).rpartition(b"\n")
            self.take(whole + newline)
        self.torn += bool(rest)

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        self.connections = []


class HTTP(Receiver):
    """A server that goes away, and sometimes answers with 503 or 429."""

    def __init__(self):
        super().__init__("http")
        self.port = 0
        self.chance = random.Random(2)
        self.start()

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                refused = receiver.chance.random() < 0.1
                if not refused:
                    receiver.take(body)
                self.send_response(receiver.chance.choice([503, 429]) if refused else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Daemon:
    """The daemon with its state on a file system of its own, which can be filled up."""

    def __init__(self, binary: Path, work: Path, tcp: TCP, http: HTTP):
        self.binary = binary
        self.work = work
        self.state = work / "state"
        self.state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={STATE_BYTES}", "tmpfs", self.state], check=True)
        self.config = work / "config.yaml"
        self.config.write_text(f"""
state_directory: {self.state}
spool: {{max_size: 24M}}
history: {{max_size: 16M}}
sinks:
  - {{type: file, path: {work}/events}}
  - {{type: stream, address: "tcp:127.0.0.1:{tcp.port}"}}
  - {{type: http, url: "http://127.0.0.1:{http.port}/", per_minute: 30}}
""")
        self.errors = (work / "errors").open("ab")
        self.lives = 0
        self.begun: list[float] = []
        self.deaths: list[int] = []
        self.samples: list[tuple[int, int]] = []

    def start(self) -> None:
        self.process = subprocess.Popen([self.binary, "daemon", "--config", self.config], stderr=self.errors)
        self.lives += 1
        self.begun.append(time.monotonic())

    def await_start(self) -> None:
        """Until it watches: what came before is none of the soak's."""
        for _ in range(600):
            if (self.work / "events").exists() and b"stream_start" in (self.work / "events").read_bytes():
                return
            time.sleep(0.1)
        raise SystemExit(f"soak: the daemon did not begin: {(self.work / 'errors').read_text()}")

    def kill(self) -> None:
        if self.process.poll() is not None:
            self.deaths.append(self.process.returncode)
        self.process.kill()
        self.process.wait()

    def sample(self) -> None:
        """Resident KiB, open descriptors."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
            self.samples.append((resident, len(os.listdir(f"/proc/{self.process.pid}/fd"))))
        except (OSError, StopIteration):
            pass

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        subprocess.run(["umount", self.state], check=False)

    def lines(self) -> list[bytes]:
        """Of all files of events, in no order."""
        return [line for path in self.work.glob("events*") for line in path.read_bytes().splitlines(keepends=True)]


def make_kill(hog: Path, folder: Path) -> int:
    """The pid of the one that was killed."""
    process = subprocess.Popen([hog, f"join={folder}", "anon=64"], stderr=subprocess.DEVNULL)
    process.wait()
    return process.pid


def compiled_hog(folder: Path) -> Path:
    """The static hog of the guests."""
    sys.path.append(str(ROOT / "Tests/VM"))
    from guest_image import GUEST, compiled

    return compiled(GUEST / "hog.c", folder / "hog")


class Trouble:
    """What happens to the daemon and its receivers, by a clock that is always the same."""

    def __init__(self, daemon: Daemon, tcp: TCP, http: HTTP, clock: bool):
        self.daemon, self.tcp, self.http, self.clock = daemon, tcp, http, clock
        self.done: Counter[str] = Counter()
        self.round = 0

    def next(self) -> None:
        """One piece of trouble, in turn."""
        kinds = [self.receivers, self.rotate, self.disk, self.reload, self.step if self.clock else self.receivers, self.kill]
        kinds[self.round % len(kinds)]()
        self.round += 1

    def receivers(self) -> None:
        for receiver in (self.tcp, self.http):
            receiver.stop()
        time.sleep(3)
        for receiver in (self.tcp, self.http):
            receiver.start()
        self.done["receivers away for 3 s"] += 1

    def rotate(self) -> None:
        events = self.daemon.work / "events"
        if events.exists():
            events.rename(self.daemon.work / f"events.{self.round}")
            self.done["file moved away"] += 1

    def disk(self) -> None:
        filler = self.daemon.state / "filler"
        try:
            with filler.open("wb") as file:
                while True:
                    file.write(bytes(1 << 16))
        except OSError:
            self.done["disk full for 3 s"] += 1
        time.sleep(3)
        filler.unlink(missing_ok=True)

    def reload(self) -> None:
        self.daemon.process.send_signal(signal.SIGHUP)
        self.done["SIGHUP"] += 1

    def kill(self) -> None:
        self.daemon.kill()
        time.sleep(1)
        self.daemon.start()
        self.done["SIGKILL"] += 1

    def step(self) -> None:
        now = time.time()
        time.clock_settime(time.CLOCK_REALTIME, now + (-3600 if self.done["clock moved by an hour"] % 2 else 3600))
        self.done["clock moved by an hour"] += 1


class Told(NamedTuple):
    """What of a line is judged: two hours of whole ones would fill the memory of a small machine."""

    type: str
    boot_id: str
    monotonic_ns: int
    kernel_count: int
    pid: int | None
    comm: str | None


def read(line: bytes) -> tuple[tuple[str, int], Told]:
    event = json.loads(line)
    victim = event.get("victim", {}) if event["type"] == "oom_kill" else {}
    told = Told(
        event["type"], event["boot_id"], event["monotonic_ns"], victim.get("kernel_count") or event.get("kernel_count", 0),
        victim.get("pid"), victim.get("comm"),
    )
    return (event["stream"], event["seq"]), told


def judge(name: str, lines: list[bytes], faults: list[str]) -> dict[tuple[str, int], Told]:
    """The lines of one receiver, each once."""
    union: dict[tuple[str, int], Told] = {}
    for line in lines:
        try:
            key, told = read(line)
        except (ValueError, KeyError) as error:
            faults.append(f"{name}: a line that is none ({error}): {line[:80]!r}")
            continue
        if union.setdefault(key, told) != told:
            faults.append(f"{name}: two lines under one number {key}: {union[key]}, {told}")
    return union


def held_against_kernel(union: dict[tuple[str, int], Told], growth: int, faults: list[str]) -> int:
    """How many kills came under two numbers: what was told while the disk was full, before a SIGKILL, is told again."""
    kills = [told for told in union.values() if told.type == "oom_kill"]
    each = {(kill.boot_id, kill.pid, kill.comm): kill for kill in kills}
    told = sum(kill.kernel_count for kill in each.values())
    lost = sum(line.kernel_count for line in union.values() if line.type == "loss")
    if told + lost != growth:
        faults.append(f"union: kernel {growth}, told {told}, lost {lost}")
    return len(kills) - len(each)


def check_flat(samples: list[tuple[int, int]], faults: list[str]) -> str:
    """The last quarter of a run, which is one life: its second half is no larger than its first, but for a megabyte."""
    half = len(samples) // 2
    first, second = samples[half // 2 : half], samples[half:]
    if not first or not second:
        return "too short to be judged"
    # A program that sends is there for a moment, with its pipes: the middle of all samples is what stays.
    middle = lambda part: tuple(sorted(column)[len(part) // 2] for column in zip(*part))  # noqa: E731
    (resident, descriptors), (later, more) = middle(first), middle(second)
    if later > resident + 1024 or more > descriptors + REQUEST_DESCRIPTORS:
        faults.append(f"not flat: {resident} KiB and {descriptors} descriptors, then {later} and {more}")
    return f"{resident} KiB and {descriptors} descriptors, then {later} KiB and {more}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--kills", type=int, default=600)
    parser.add_argument("--every", type=float, default=10, help="seconds from one piece of trouble to the next")
    parser.add_argument("--clock", action="store_true")
    parser.add_argument("--hog", type=Path, help="who takes memory; Tests/VM/guest/hog.c, compiled here, otherwise")
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/oomwitness")
    options = parser.parse_args()
    folder, faults = cgroup_folder(), []
    with tempfile.TemporaryDirectory(prefix="oomwitness-soak-") as name:
        options.hog = options.hog or compiled_hog(Path(name))
        tcp, http = TCP(), HTTP()
        daemon = Daemon(options.binary, Path(name), tcp, http)
        try:
            daemon.start()
            daemon.await_start()
            trouble = Trouble(daemon, tcp, http, options.clock)
            before = oom_kill_count()
            victims = soak(options, folder, daemon, trouble)
            await_quiet(daemon, (tcp, http))
            growth = oom_kill_count() - before
            status = daemon.end()
            flat = check_flat(daemon.samples, faults)
            results = {"file": judge("file", daemon.lines(), faults)}
            results |= {receiver.name: judge(receiver.name, receiver.lines, faults) for receiver in (tcp, http)}
        finally:
            daemon.close()
            folder.rmdir()
        errors = (Path(name) / "errors").read_text()
        since = min(told.monotonic_ns for told in results["file"].values() if told.type == "stream_start")
        union = {key: told for part in results.values() for key, told in part.items() if told.monotonic_ns >= since}
        again = held_against_kernel(union, growth, faults)
        told = {line.pid for line in union.values() if line.type == "oom_kill"}
        for pid, moment in victims:
            if pid not in told:
                lives = ", ".join(f"{moment - life:.2f} s" for life in daemon.begun if life < moment)
                faults.append(f"nobody told of pid {pid}, whose parent had it back {lives} after a start of the daemon")
        for receiver, part in results.items():
            missing = [key for key in union if key not in part]
            if missing:
                faults.append(f"{receiver}: {len(missing)} lines of {len(union)} never came, {missing[0]} to {missing[-1]}; the last is {max(union)}")
        if daemon.deaths:
            faults.append(f"the daemon ended by itself: {daemon.deaths}; {errors[-600:]}")
        if status:
            faults.append(f"the daemon ended with {status}: {errors[-400:]}")
    print(f"{len(victims)} kills, {growth} counted by the kernel, {len(union)} lines of {daemon.lives} lives, {again} kills under two numbers; {flat}")
    print("; ".join(f"{what}: {count}" for what, count in trouble.done.items()))
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    if faults:
        print(f"the daemon said, at last: {errors[-2000:]}", file=sys.stderr)
    return 1 if faults else 0


def soak(options, folder: Path, daemon: Daemon, trouble: Trouble) -> list[tuple[int, float]]:
    """Kills at an even rate, trouble now and then but in the last quarter; pids and moments of the victims."""
    began, seconds, made, victims = time.monotonic(), options.minutes * 60, 0, []
    next_trouble = next_sample = began + options.every
    next_word = began + 60
    worker: threading.Thread | None = None
    while time.monotonic() - began < seconds or made < options.kills:
        passed = time.monotonic() - began
        if made < options.kills and passed >= made * seconds / options.kills:
            victims.append((make_kill(options.hog, folder), time.monotonic()))
            made += 1
        else:
            time.sleep(0.01)
        now = time.monotonic()
        isQuiet = passed > seconds * 0.75
        if now >= next_trouble and not isQuiet and not (worker and worker.is_alive()):
            worker = threading.Thread(target=trouble.next)
            worker.start()
            next_trouble = now + options.every
        if now >= next_word:
            got = ", ".join(f"{len(receiver.lines)} lines by {receiver.name}" for receiver in (trouble.tcp, trouble.http))
            print(f"soak: {passed / 60:.0f} min, {made} kills, {daemon.lives} lives, {got}", file=sys.stderr, flush=True)
            next_word += 60
        if now >= next_sample and isQuiet:
            daemon.sample()
            next_sample = now + max(1, seconds / 400)
    if worker:
        worker.join()
    return victims


def await_quiet(daemon: Daemon, receivers) -> None:
    """Until nothing has come for so long."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        count = sum(len(receiver.lines) for receiver in receivers)
        if count != last:
            last, since = count, time.monotonic()
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
