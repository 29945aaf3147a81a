# SPDX-License-Identifier: Apache-2.0
"""The programs that are compared: how each is started, when it is ready, and what its line for a kill looks like."""

import os
import re
import select
import shutil
import signal
import subprocess
import time

BPFTRACE = 'tracepoint:oom:mark_victim { printf("victim %d\\n", args->pid) }'
MARK = re.compile(rb"^victim (\d+)")
KMSG = re.compile(rb"Killed process (\d+) ")


OURS = re.compile(rb'"type":"oom_kill".*?"victim":\{"pid":(\d+)')


def told_by(pattern):
    def told(line):
        found = pattern.search(line)
        return int(found.group(1)) if found else None
    return told


class Tracer:
    """A running tracer whose standard output is a pipe that we read; `lines` are (CLOCK_MONOTONIC ns, bytes)."""

    def __init__(self, name, command, told, is_ready):
        self.name, self.told = name, told
        self.lines, self.rest = [], b""
        self.arrivals = {}  # victim's pid -> when the first line that tells it arrived
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.pid = self.process.pid
        self.descriptor = self.process.stdout.fileno()
        os.set_blocking(self.descriptor, False)
        self._until_ready(is_ready)

    def _until_ready(self, is_ready):
        end = time.monotonic() + 30
        quiet = 0
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {self.process.stderr.read().decode(errors='replace').strip()}")
            before = len(self.lines)
            pump([self], 0.25)
            quiet = quiet + 1 if len(self.lines) == before else 0
            if is_ready(self.lines, quiet):
                return
        raise RuntimeError(f"{self.name} was not ready within 30 s")

    def take(self, now):
        """Reads what is there and stamps it with `now`."""
        try:
            data = os.read(self.descriptor, 1 << 20)
        except BlockingIOError:
            return True
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
        self.process.stdout.close()
        self.process.stderr.close()

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


def makers(binary):
    """Name -> how to start it; ours first, and of the others those that are installed."""
    all_of_them = {"oomwitness": lambda: oomwitness(binary)}
    if shutil.which("dmesg"):
        all_of_them["dmesg --follow"] = dmesg
    if shutil.which("bpftrace"):
        all_of_them["bpftrace"] = bpftrace
    return all_of_them
