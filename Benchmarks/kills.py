# SPDX-License-Identifier: Apache-2.0
"""Real OOM kills, in scratch memory cgroups of this host."""

import os
import re
import signal
import subprocess
import sys
import time

HOG = ["tail", "/dev/zero"]  # coreutils: reads for a newline that never comes
V1 = "/sys/fs/cgroup/memory"
V2 = "/sys/fs/cgroup"


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(text))


def oom_kill_count():
    """How many kills the kernel has counted since it booted. File: /proc/vmstat."""
    for line in read("/proc/vmstat").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    raise RuntimeError("/proc/vmstat has no oom_kill")


class Cgroup:
    """A scratch memory cgroup, of version 1 or 2 as the host has it; removed at the end of the `with`."""

    def __init__(self, name, limit_bytes):
        name = f"oomwitness-bench-{os.getpid()}-{name}"
        self.version = 1 if os.path.exists(f"{V1}/memory.limit_in_bytes") else 2
        if self.version == 1:
            self.path = f"{V1}/{name}"
        else:
            if "memory" not in read(f"{V2}/cgroup.subtree_control").split():
                write(f"{V2}/cgroup.subtree_control", "+memory")
            self.path = f"{V2}/{name}"
        os.mkdir(self.path)
        self.set_limit(limit_bytes)

    def set_limit(self, limit_bytes):
        write(f"{self.path}/{'memory.limit_in_bytes' if self.version == 1 else 'memory.max'}", limit_bytes)

    def usage_bytes(self):
        return int(read(f"{self.path}/{'memory.usage_in_bytes' if self.version == 1 else 'memory.current'}"))

    def enter(self):
        write(f"{self.path}/cgroup.procs", 0)

    def remove(self):
        for attempt in range(200):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.01)
        print(f"bench: {self.path} is left behind", file=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()


class Victim:
    """A process in a cgroup that takes memory, once released, until the kernel kills it."""

    def __init__(self, cgroup, processors=None):
        gate, self.gate = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.gate)
                if processors:
                    os.sched_setaffinity(0, processors)
                cgroup.enter()
                write("/proc/self/oom_score_adj", 1000)
                os.read(gate, 1)
                os.execvp(HOG[0], HOG)
            finally:
                os._exit(111)
        os.close(gate)

    def release(self):
        os.write(self.gate, b"x")
        os.close(self.gate)

    def wait(self):
        status = os.waitpid(self.pid, 0)[1]
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            raise RuntimeError(f"victim {self.pid} ended with status {status}, not by SIGKILL")


def kill_one(cgroup):
    """One kill; returns the victim's pid when it is dead."""
    victim = Victim(cgroup)
    victim.release()
    victim.wait()
    return victim.pid


SLEEPERS = """
import os, signal, sys
count = int(sys.argv[1])
for index in range(count):
    if os.fork() == 0:
        signal.pause()
        os._exit(0)
print("ready", flush=True)
sys.stdin.read()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.killpg(0, signal.SIGTERM)
for index in range(count):
    os.wait()
"""


class Crowd:
    """So many sleeping processes, in a cgroup or outside of any scratch one."""

    def __init__(self, count, cgroup=None):
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", SLEEPERS, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True, preexec_fn=cgroup.enter if cgroup else None)
        if self.process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{count} sleepers could not be started")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.wait()


class KernelTimes:
    """When the kernel decided, by CLOCK_MONOTONIC from an own ftrace instance: a t0 that belongs to none of the tracers.

    The entry of oom_kill_process() where the kernel has kprobes, else the mark of the victim. Set up before any tracer, so
    that its probes are the first that the kernel calls.
    """

    EVENT = "oomwitness_bench/decision"

    def __init__(self):
        self.root = next(path for path in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing") if os.path.isdir(f"{path}/instances"))
        self.path = f"{self.root}/instances/oomwitness-bench-{os.getpid()}"
        self.enabled = []

    @property
    def what(self):
        return "the entry of oom_kill_process() (kprobe event)" if self.EVENT in self.enabled else "its own oom:mark_victim"

    def _kprobe_event(self, command):
        """Without O_APPEND all others' events would go; open(…, "a") seeks to the end, which this file refuses."""
        descriptor = os.open(f"{self.root}/kprobe_events", os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, command.encode())
        finally:
            os.close(descriptor)

    def __enter__(self):
        try:
            self._kprobe_event(f"p:{self.EVENT} oom_kill_process\n")
            self.enabled.append(self.EVENT)
        except OSError:  # no CONFIG_KPROBES
            pass
        os.mkdir(self.path)
        self.enabled.append("oom/mark_victim")
        write(f"{self.path}/trace_clock", "mono")
        write(f"{self.path}/buffer_size_kb", 512)
        for event in self.enabled:
            write(f"{self.path}/events/{event}/enable", 1)
        return self

    def __exit__(self, *exception):
        for event in self.enabled:
            write(f"{self.path}/events/{event}/enable", 0)
        os.rmdir(self.path)
        if self.EVENT in self.enabled:
            self._kprobe_event(f"-:{self.EVENT}\n")

    def by_pid(self):
        """Nanoseconds (told to the microsecond) of the decision for each victim: by the thread that both are made in."""
        times, decided = {}, {}
        for line in read(f"{self.path}/trace").splitlines():
            found = TRACE_LINE.match(line)
            if not found:
                continue
            thread, now = found["thread"], int(found["seconds"]) * 10**9 + int(found["micros"]) * 1000
            if found["event"] == "decision":
                decided[thread] = now
            elif found["event"] == "mark_victim":
                times.setdefault(int(found["rest"].split("pid=")[1].split()[0]), decided.get(thread, now))
        return times


TRACE_LINE = re.compile(
    r".*?-(?P<thread>\d+) +\[\d+\] \S+ +(?P<seconds>\d+)\.(?P<micros>\d{6}): (?P<event>\w+): (?P<rest>.*)")
