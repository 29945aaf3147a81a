# SPDX-License-Identifier: Apache-2.0
"""The daemon: what it takes at rest with everything on, and how long after the kernel's decision each receiver has the line."""

import contextlib
import ctypes
import http.server
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time

from kills import Cgroup, KernelTimes, kill_one, read
from quiet import memory, wakeups
from tables import Section, median, quantile, verdict

AIM_MEGABYTES, AIM_PERCENT = 20, 0.2
REST_SECONDS = 60
IN_MODIFY = 0x2


class Arrivals:
    """When each victim's kill came to each receiver, by CLOCK_MONOTONIC in nanoseconds: read once the kernel has it."""

    def __init__(self):
        self.times = {}  # receiver -> pid of the victim -> nanoseconds

    def take(self, receiver, now, line):
        """`line` is one line of the stream, or whatever has one in it."""
        begin = line.find(b'{"schema":"oomwitness.v1"')
        if begin < 0:
            return
        event, _ = json.JSONDecoder().raw_decode(line[begin:].decode())
        if event["type"] == "oom_kill":
            self.times.setdefault(receiver, {}).setdefault(event["victim"]["pid"], now)


def follow(arrivals, name, read_some):
    """A thread that takes lines as they come, until there is nothing more to come."""

    def loop():
        rest = b""
        while data := read_some():
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                arrivals.take(name, now, line)

    threading.Thread(target=loop, daemon=True).start()


def accept(arrivals, name, listener):
    def loop():
        connection, _ = listener.accept()
        follow(arrivals, name, lambda: connection.recv(1 << 16))

    threading.Thread(target=loop, daemon=True).start()


def follow_file(arrivals, name, path):
    """By inotify, as tail -f does."""
    libc = ctypes.CDLL(None)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    pathlib.Path(path).touch()
    libc.inotify_add_watch(descriptor, os.fsencode(path), IN_MODIFY)
    file = open(path, "rb", buffering=0)

    def read_some():
        while not (data := file.read()):
            os.read(descriptor, 4096)
        return data

    follow(arrivals, name, read_some)


def follow_datagrams(arrivals, name, path):
    """A message of syslog: what is after its head is the line."""
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(path)
    follow(arrivals, name, lambda: receiver.recv(1 << 18) + b"\n")


def serve(arrivals, name):
    """The port of a web server."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            for line in body.split(b"\n"):
                arrivals.take(name, now, line)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


@contextlib.contextmanager
def daemon(options, config):
    """The daemon, once it watches; its state is below a folder of its own."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = pathlib.Path(folder) / "config.yaml"
        path.write_text(config.replace("@W@", folder), encoding="utf-8")
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ready.bind(f"{folder}/notify")
        ready.settimeout(30)
        with open(f"{folder}/errors", "wb") as errors, subprocess.Popen(
                [options.binary, "daemon", "--config", path], env={**os.environ, "NOTIFY_SOCKET": f"{folder}/notify"},
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors) as process:
            try:
                try:
                    while b"READY=1" not in ready.recv(4096):
                        pass
                except TimeoutError as error:
                    raise RuntimeError(f"the daemon did not begin: {read(f'{folder}/errors')[:500]}") from error
                yield process, folder
            finally:
                process.terminate()


EVERYTHING = """
state_directory: @W@/state
history: {}
metrics: {listen: 'unix:@W@/metrics.sock'}
pressure: {}
guard: {dry_run: true}
protect: {preset: [sshd]}
"""
SINKS = """
sinks:
  - {type: file, path: @W@/events}
  - {type: stream, address: 'unix:@W@/stream'}
  - {type: syslog, address: 'unix:@W@/syslog', body: json}
"""


def at_rest(section, options):
    began = time.monotonic()
    with daemon(options, EVERYTHING + SINKS) as (process, folder):
        stream, syslog = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        stream.bind(f"{folder}/stream")
        stream.listen()
        syslog.bind(f"{folder}/syslog")
        with Cgroup("daemon", 8 << 20) as cgroup:
            for _ in range(options.kills):
                kill_one(cgroup)
        time.sleep(5)  # the first look at all processes, and the last of the kills
        options.progress(f"daemon: {REST_SECONDS} s at rest")
        spent = lambda: sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{process.pid}/task").glob("*/schedstat")) / 1e9
        began, first, woken = time.monotonic(), spent(), wakeups(process.pid)
        time.sleep(REST_SECONDS)
        seconds = time.monotonic() - began
        share, woken = 100 * (spent() - first) / seconds, (wakeups(process.pid) - woken) / seconds
        resident, proportional, private = memory(process.pid)
        threads = len(os.listdir(f"/proc/{process.pid}/task"))
    section.table(
        ["at rest", "% of a core", "wake-ups a second", "RSS MB", "Pss MB", "private MB", "threads"],
        [["daemon", f"{share:.3f}", woken, resident, proportional, private, threads]])
    section.say(
        f"Aims: under {AIM_PERCENT} % of a core: {verdict(share, AIM_PERCENT)} ({share:.3f}); under {AIM_MEGABYTES} MB resident: "
        f"{verdict(resident, AIM_MEGABYTES)} ({resident:.1f}).")


def arrivals_of(section, options):
    arrivals = Arrivals()
    port = serve(arrivals, "http")
    config = EVERYTHING + SINKS + f"""  - {{type: stream, name: tcp, address: 'tcp:127.0.0.1:@PORT@'}}
  - {{type: http, url: 'http://127.0.0.1:{port}/'}}
"""
    tcp = socket.create_server(("127.0.0.1", 0))
    accept(arrivals, "stream, TCP", tcp)
    config = config.replace("@PORT@", str(tcp.getsockname()[1]))
    with KernelTimes() as kernel, daemon(options, config) as (_, folder):
        stream = socket.socket(socket.AF_UNIX)
        stream.bind(f"{folder}/stream")
        stream.listen()
        accept(arrivals, "stream, Unix", stream)
        follow_datagrams(arrivals, "syslog, Unix", f"{folder}/syslog")
        follow_file(arrivals, "file", f"{folder}/events")
        time.sleep(5)  # who was away at the start is tried again
        options.progress(f"daemon: {options.kills} kills, each to five sinks")
        with Cgroup("daemon", 8 << 20) as cgroup:
            victims = []
            for _ in range(options.kills):
                victims.append(kill_one(cgroup))
                time.sleep(0.1)
        time.sleep(2)
        decided, what = kernel.by_pid(), kernel.what
    rows = []
    for name, times in sorted(arrivals.times.items()):
        took = [(times[pid] - decided[pid]) / 1e6 for pid in victims if pid in times and pid in decided]
        rows.append([name, f"{len(took)} of {len(victims)}", *(f"{value:.2f}" for value in (median(took), quantile(took, 0.99), max(took)))])
    section.say(f"**From the kernel's decision ({what}) to each receiver, ms:**")
    section.table(["sink", "kills", "p50", "p99", "most"], rows)
    missing = {"file", "stream, TCP", "stream, Unix", "syslog, Unix", "http"} - set(arrivals.times)
    if missing:
        raise RuntimeError(f"nothing came to {', '.join(sorted(missing))}")


def measure(options):
    section = Section(
        "The daemon",
        f"At rest: tracer, log, pressure, guard (a dry run), protection (a preset that matches nobody here), history, metrics, three sinks whose receivers are there; {REST_SECONDS} s",
        f"after {options.kills} kills; CPU time of all threads by schedstat. To each sink: {options.kills} kills, ten a second, receivers in the bench's own",
        "process (Python: its waking up and one thread at a time are in the figures); the file by inotify; http by one curl(1) a request.")
    at_rest(section, options)
    arrivals_of(section, options)
    return section
