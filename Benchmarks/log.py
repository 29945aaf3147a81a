# SPDX-License-Identifier: Apache-2.0
"""`oomwitness analyze` beside what people search a kernel log with: a log of a gigabyte with 2,000 reports in it.

    python3 Benchmarks/log.py FILE [BYTES [REPORTS]]      makes such a log
"""

import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

from tables import Section, median, quantile, ratio, verdict

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "Tests/KernelLogTests/Fixtures"
BYTES, REPORTS = 10**9, 2000
ROUNDS = 7
AIM_OF_RIPGREP, AIM_TIMES_PYTHON, AIM_MEGABYTES = 2, 100, 64
OURS, RIPGREP, GREP, GUIDE = "oomwitness analyze", "rg -c 'Killed process'", "grep -c 'Killed process'", "the guide's analyser (Python)"

# One of these is said in a line; {} is a number. One in 500 lines speaks of a kill that is none of the kernel's.
SAYINGS = (
    "systemd[1]: Started session-{}.scope - Session {} of User deploy.",
    "sshd[{}]: Accepted publickey for deploy from 10.0.{}.{} port {} ssh2: ED25519 SHA256:tYx3c9bP0vVq",
    "kernel: [{}.{}] IPv6: ADDRCONF(NETDEV_CHANGE): veth{}: link becomes ready",
    "kernel: [{}.{}] docker0: port {}(veth{}) entered forwarding state",
    "CRON[{}]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly)",
    "postgres[{}]: [{}-1] LOG:  checkpoint complete: wrote {} buffers ({}%); 0 WAL file(s) added, {} removed",
    "nginx: 10.0.{}.{} - - \"GET /api/v1/rooms/{}/messages?limit=50 HTTP/1.1\" 200 {}",
    "kubelet[{}]: I1125 10:16:30.{} {} reconciler.go:224] operationExecutor.VerifyControllerAttachedVolume started for volume",
    "kernel: [{}.{}] audit: type=1400 audit({}.{}:{}): apparmor=\"STATUS\" operation=\"profile_replace\" info=\"same as current\"",
    "systemd[1]: logrotate.service: Deactivated successfully.",
)
OF_KILLS = (
    "systemd[1]: app.service: Sent signal SIGKILL to main process {} (java) on client request.",
    "app[{}]: worker {} was killed after {} s, a new one is on its way",
)


def ordinary_lines(count, numbers):
    """Lines of a syslog file, each with its newline."""
    lines = []
    for place in range(count):
        saying = numbers.choice(OF_KILLS if place % 500 == 0 else SAYINGS)
        said = re.sub(r"\{\}", lambda _: str(numbers.randrange(10 ** numbers.randrange(1, 6))), saying)
        lines.append(f"Nov 25 10:16:{place % 60:02d} db-1 {said}\n")
    return lines


def reports():
    """Reports of real kernels, of a cgroup and of the whole system, as syslog has them."""
    made = []
    for name in ("5.10-memcg", "6.1-system", "6.12-memcg", "6.12-system", "7.2-memcg", "7.2-system"):
        text = []
        for line in (FIXTURES / f"{name}.kmsg").read_text().splitlines():
            match = re.fullmatch(r"[0-7],\d+,(\d+),[^;]*;(.*)", line)
            if match:
                stamp = f"[{int(match[1]) // 10**6:5d}.{int(match[1]) % 10**6:06d}]"
                text += [f"Nov 25 10:16:30 db-1 kernel: {stamp} {part}\n" for part in match[2].split("\\x0a")]
        made.append("".join(text))
    return made


def make_log(path, size=BYTES, count=REPORTS):
    """Of so many bytes, nearly, with so many reports at even distances."""
    numbers = random.Random(1)
    blocks = ["".join(ordinary_lines(5000, numbers)).encode() for _ in range(8)]
    inserted = [text.encode() for text in reports()]
    left = size - sum(len(inserted[place % len(inserted)]) for place in range(count))
    with open(path, "wb") as file:
        for place in range(count):
            target, written = left // count, 0
            while written < target:
                block = blocks[numbers.randrange(len(blocks))]
                start = block.index(b"\n", numbers.randrange(len(block) // 2)) + 1
                piece = block[start : start + target - written]
                piece = piece[: piece.rfind(b"\n") + 1] or block[start : block.index(b"\n", start) + 1]
                file.write(piece)
                written += len(piece)
            file.write(inserted[place % len(inserted)])


def run(command, counted):
    """Seconds, megabytes of resident memory at the most, and how many kills it told."""
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024, counted(output)


def commands(options, path):
    """Name -> command, how its kills are counted, and how often it is run."""
    lines = lambda kind: lambda output: output.count(kind)
    number = lambda output: int(output)
    chosen = {
        OURS: ([options.binary, "analyze", "--output", "ndjson", path], lines(b'"type":"oom_kill"'), ROUNDS),
        f"{OURS}, as text": ([options.binary, "analyze", path], lambda _: None, ROUNDS),
        RIPGREP: (["rg", "-c", "Killed process", path], number, ROUNDS),
        GREP: (["grep", "-c", "Killed process", path], number, ROUNDS),
        GUIDE: ([sys.executable, str(HERE / "analyze_guide.py"), path], lines(b"(PID:"), 1),
    }
    return {name: one for name, one in chosen.items() if shutil.which(one[0][0])}


def measure(options):
    path = f"{options.folder}/kernel.log"
    make_log(path)
    size = os.path.getsize(path)
    section = Section(
        "Log",
        f"A syslog file of {size / 1e9:.2f} GB with {REPORTS:,} reports of real kernels among ordinary lines, read from the page cache; one",
        "line in 500 speaks of a kill that is none of the kernel's. Each program by itself, in turns: seconds from its start to its end,",
        "and its resident memory at the most, where no figure can be less than this driver's own. The limit is what finds one string and",
        "no more.",
    )
    chosen = commands(options, path)
    taken = {name: [] for name in chosen}
    for round_ in range(ROUNDS):
        for name, (command, counted, rounds) in chosen.items():
            if round_ < rounds:
                options.progress(f"log: round {round_ + 1}: {name}")
                taken[name].append(run(command, counted))
    seconds = {name: median([one[0] for one in runs]) for name, runs in taken.items()}
    rows = [
        [name, len(runs), seconds[name], quantile([one[0] for one in runs], 0.99), size / seconds[name] / 1e6,
         ratio(seconds[name], seconds[OURS]), max(one[1] for one in runs), runs[0][2]]
        for name, runs in taken.items()
    ]
    section.table(["program", "runs", "median s", "p99 s", "MB/s", "times ours", "resident MB", "kills told"],
                  [[f"{cell:.3f}" if place in (2, 3) else "-" if cell is None else cell for place, cell in enumerate(row)] for row in rows])
    if RIPGREP in seconds:
        share = seconds[OURS] / seconds[RIPGREP]
        section.say(f"Aim: half of ripgrep's speed or more: {1 / share:.2f} of it: {verdict(share, AIM_OF_RIPGREP)}.")
    times = seconds[GUIDE] / seconds[OURS]
    section.say(f"Aim: {AIM_TIMES_PYTHON} times the guide's Python: {times:.0f} times: {'met' if times >= AIM_TIMES_PYTHON else 'MISSED'}.")
    resident = max(one[1] for one in taken[OURS])
    section.say(f"Aim: under {AIM_MEGABYTES} MB resident: {resident:.1f} MB: {verdict(resident, AIM_MEGABYTES)}.")
    os.unlink(path)
    return section


if __name__ == "__main__":
    make_log(sys.argv[1], *map(int, sys.argv[2:]))
