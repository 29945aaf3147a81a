# SPDX-License-Identifier: Apache-2.0
"""The programs that are compared: how each is started, when it is ready, and what its line for a kill looks like."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

BPFTRACE = 'tracepoint:oom:mark_victim { printf("victim %d\\n", args->pid) }'
MARK = re.compile(rb"^victim (\d+)")
KMSG = re.compile(rb"Killed process (\d+) ")
OOMKILL = re.compile(rb"OOM kill of PID (\d+) ")
READY_SECONDS = 180  # bpftrace compiles at its start, which takes an emulated processor a minute


class CannotRun(RuntimeError):
    """A tracer that this host does not let run, and its own words why."""



OURS = re.compile(rb'"type":"oom_kill".*?"victim":\{"pid":(\d+)')


def last_line(text):
    lines = [line.strip() for line in text.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no word why"


def told_by(pattern):
    def told(line):
        found = pattern.search(line)
        return int(found.group(1)) if found else None
    return told


class Tracer:
    """A running tracer whose standard output we read; `lines` are (CLOCK_MONOTONIC ns, bytes).

    The output is a pipe, or a terminal for one that would keep its lines back on a pipe.
    """

    def __init__(self, name, command, told, is_ready, terminal=False):
        self.name, self.told = name, told
        self.lines, self.rest = [], b""
        self.arrivals = {}  # victim's pid -> when the first line that tells it arrived
        self.descriptor, theirs = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE)
        os.close(theirs)
        self.pid = self.process.pid
        os.set_blocking(self.descriptor, False)
        try:
            self._until_ready(is_ready)
        except CannotRun:
            self.stop()
            raise

    def _until_ready(self, is_ready):
        end = time.monotonic() + READY_SECONDS
        quiet = 0
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise CannotRun(f"ended with status {self.process.returncode}: {last_line(self.process.stderr.read())}")
            before = len(self.lines)
            pump([self], 0.25)
            quiet = quiet + 1 if len(self.lines) == before else 0
            if is_ready(self.lines, quiet):
                return
        raise CannotRun(f"not ready within {READY_SECONDS} s")

    def take(self, now):
        """Reads what is there and stamps it with `now`."""
        try:
            data = os.read(self.descriptor, 1 << 20)
        except BlockingIOError:
            return True
        except OSError:  # EIO: the last writer of a terminal has gone
            return False
        *whole, self.rest = (self.rest + data).split(b"\n")
        for line in whole:
            self.lines.append((now, line))
            pid = self.told(line)
            if pid is not None:
                self.arrivals.setdefault(pid, now)
        return bool(data)

    def forget(self):
        self.lines, self.arrivals = [], {}

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM if self.name == "oomwitness" else signal.SIGINT)
        end = time.monotonic() + 20
        while time.monotonic() < end and pump([self], 0.1):
            pass
        if self.process.poll() is None:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.errors = self.process.stderr.read().decode(errors="replace")
        self.process.stderr.close()
        os.close(self.descriptor)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()


def pump(tracers, seconds, enough=lambda: False):
    """Reads the tracers' pipes for so long, or until `enough`. False when all have closed theirs.

    One poll(2) wakes for any of them; its return is the stamp of all that are readable then.
    """
    poll = select.poll()
    open_ones = {tracer.descriptor: tracer for tracer in tracers}
    for descriptor in open_ones:
        poll.register(descriptor, select.POLLIN)
    end = time.monotonic() + seconds
    while open_ones and not enough():
        left = end - time.monotonic()
        if left <= 0:
            return True
        ready = poll.poll(left * 1000)
        now = time.monotonic_ns()
        for descriptor, _ in ready:
            if not open_ones[descriptor].take(now):
                poll.unregister(descriptor)
                del open_ones[descriptor]
    return bool(open_ones)


def oomwitness(binary, *options):
    return Tracer(
        "oomwitness", [binary, "trace", "--output", "ndjson", *options], told_by(OURS),
        lambda lines, quiet: bool(lines) and quiet >= 1)


def dmesg():
    return Tracer("dmesg --follow", ["dmesg", "--follow"], told_by(KMSG), lambda lines, quiet: quiet >= 3)


def bpftrace():
    return Tracer(
        "bpftrace", ["bpftrace", "-B", "line", "-e", BPFTRACE], told_by(MARK),
        lambda lines, quiet: any(b"Attaching" in line for _, line in lines) and quiet >= 8)


def bpftrace_oomkill():
    return Tracer(
        "bpftrace oomkill.bt", ["bpftrace", "-B", "line", shutil.which("oomkill.bt")], told_by(OOMKILL),
        lambda lines, quiet: any(b"Tracing" in line for _, line in lines) and quiet >= 8)


def oomkill():
    return Tracer(
        "libbpf-tools oomkill", ["oomkill"], told_by(OOMKILL),
        lambda lines, quiet: any(b"Tracing" in line for _, line in lines) and quiet >= 2, terminal=True)


def makers(binary):
    """Name -> how to start it; ours first, and of the others those that are installed."""
    found = {"oomwitness": lambda: oomwitness(binary)}
    for name, program, make in (
            ("dmesg --follow", "dmesg", dmesg), ("bpftrace", "bpftrace", bpftrace),
            ("bpftrace oomkill.bt", "oomkill.bt", bpftrace_oomkill), ("libbpf-tools oomkill", "oomkill", oomkill)):
        if shutil.which(program):
            found[name] = make
    return found


def runnable(binary):
    """Those of `makers` that this host lets run, and for each other its name and its words why."""
    able, refused = {}, {}
    for name, make in makers(binary).items():
        try:
            with make():
                able[name] = make
        except CannotRun as error:
            refused[name] = str(error)
    return able, refused
