# SPDX-License-Identifier: Apache-2.0
"""`oomwitness scores` beside what people list the kernel's scores with, and what its screen costs."""

import fcntl
import os
import pathlib
import pty
import select
import shutil
import struct
import subprocess
import sys
import termios
import time

from kills import Crowd, read
from tables import Section, median, quantile, verdict

HERE = pathlib.Path(__file__).resolve().parent
CROWDS = (1000, 10000)
AIM_MILLISECONDS, AIM_TIMES_PYTHON, AIM_TIMES_C, AIM_SCREEN_PERCENT = 40, 100, 1.2, 1
SHOWN = "10"
ROUNDS = 3
SCREEN_SECONDS, SCREEN_EVERY_SECONDS = 30, 2
OURS, WITHOUT_BPF, IN_C = "oomwitness scores", "oomwitness scores --read proc", "list_scores.c"
MONITOR, LOOP, PS = "the guide's monitor (psutil)", "the guide's loop (bash)", "ps -eo pid,oom,oomadj,comm"


def compiled(folder):
    target = f"{folder}/list_scores"
    subprocess.run(["gcc", "-O2", "-o", target, str(HERE / "list_scores.c")], check=True)
    return target


def commands(options):
    """Name -> command, and how often it is run beside so many processes."""
    few = lambda size: 1 if size > 1000 else 3
    return {
        OURS: ([options.binary, "scores", "--top", SHOWN], lambda size: 41),
        WITHOUT_BPF: ([options.binary, "scores", "--top", SHOWN, "--read", "proc"], lambda size: 21),
        IN_C: ([compiled(options.folder), SHOWN], lambda size: 21),
        PS: (["ps", "-eo", "pid,oom,oomadj,comm", "--sort=-oom"], lambda size: 5),
        MONITOR: ([sys.executable, str(HERE / "monitor_psutil.py")], lambda size: 3),
        LOOP: (["bash", str(HERE / "list_scores.sh")], few),
    }


def environment():
    return {**os.environ, "PYTHONPATH": str(HERE.parent / ".build/python"), "PYTHONDONTWRITEBYTECODE": "1"}


def run(command):
    """Milliseconds from the start to the end, milliseconds of a processor, and the output."""
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment()) as process:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 or not output:
        raise RuntimeError(f"{command} ended with status {process.returncode} and {len(output)} bytes of output")
    return took * 1000, (usage.ru_utime + usage.ru_stime) * 1000, output


def interleaved(options, size):
    """Name -> milliseconds of each run; the programs take turns, so that a busy moment meets all of them."""
    chosen = commands(options)
    times = {name: [] for name in chosen}
    for turn in range(max(runs(size) for _, runs in chosen.values())):
        for name, (command, runs) in chosen.items():
            if turn < runs(size):
                times[name].append(run(command)[0])
    return times


def rounds(options):
    """Milliseconds of a processor for one look more, of ours and of the guide's monitor: their starts are not counted."""
    monitor = [sys.executable, str(HERE / "monitor_psutil.py")]
    first, several = run([*monitor, "1"])[1], run([*monitor, str(ROUNDS + 1)])[1]
    theirs = (several - first) / ROUNDS
    once = median([run([options.binary, "scores", "--top", SHOWN])[1] for _ in range(5)])
    _, spent, output = run([options.binary, "scores", "--top", SHOWN, "--watch", "0.1", "--duration", "5"])
    ours = (spent - once) / (output.count(b"RANK") - 1)
    return ours, theirs


def screen_percent(binary):
    """What the screen takes of a processor on a terminal of 80 by 24: with its start, and after it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(binary, [binary, "scores", "--watch", str(SCREEN_EVERY_SECONDS), "--duration", str(SCREEN_SECONDS)],
                  {**os.environ, "TERM": "xterm-256color"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    began = time.monotonic()
    settled, drawn = None, 0
    while True:
        readable, _, _ = select.select([terminal], [], [], 0.5)
        try:
            drawn += len(os.read(terminal, 1 << 16)) if readable else 0
        except OSError:  # EIO: it has ended
            break
        if settled is None and time.monotonic() - began > 1:
            settled = time.monotonic(), int(read(f"/proc/{pid}/schedstat").split()[0]) / 1e9
    ended = time.monotonic()
    _, status, usage = os.wait4(pid, 0)
    os.close(terminal)
    if os.waitstatus_to_exitcode(status) != 0 or drawn < 5000:
        raise RuntimeError(f"the screen ended with status {os.waitstatus_to_exitcode(status)} after {drawn} bytes")
    spent = usage.ru_utime + usage.ru_stime
    return 100 * spent / (ended - began), 100 * (spent - settled[1]) / (ended - settled[0])


def listing(section, options, size):
    times = interleaved(options, size)
    middle = {name: median(values) for name, values in times.items()}
    section.say(f"**{size:,} sleepers more**, from the start of each program to its end:")
    section.table(
        ["program", "runs", "median ms", "p99 ms", "median / ours", "median / --read proc"],
        [[name, len(values), middle[name], quantile(values, 0.99), f"{middle[name] / middle[OURS]:.2f}",
          f"{middle[name] / middle[WITHOUT_BPF]:.2f}"] for name, values in times.items()])
    return middle


def aims(section, middle, size, look):
    python = middle[MONITOR] / middle[OURS]
    without = middle[WITHOUT_BPF] / middle[IN_C]
    ours, theirs = look
    section.say(
        f"One look more of a program that goes on looking, in milliseconds of a processor (`--watch` piped; the monitor's next round): ours "
        f"{ours:.2f}, the monitor {theirs:.1f}, {theirs / ours:.1f} times as much.")
    section.say(
        (f"Aims: under {AIM_MILLISECONDS} ms with the iterator: {verdict(middle[OURS], AIM_MILLISECONDS)} ({middle[OURS]:.1f}); " if size == max(CROWDS) else "Aims: ")
        + f"at least {AIM_TIMES_PYTHON} times the Python: whole programs {'met' if python >= AIM_TIMES_PYTHON else 'MISSED'} ({python:.1f}), "
        f"look by look {'met' if theirs / ours >= AIM_TIMES_PYTHON else 'MISSED'} ({theirs / ours:.1f}); "
        f"without BPF at most {AIM_TIMES_C} times the C program: {'met' if without <= AIM_TIMES_C else 'MISSED'} ({without:.2f}).")


def measure(options):
    section = Section(
        "Listing the scores",
        f"The {SHOWN} highest of all processes, by each program to a pipe; the programs take turns, in one run. `list_scores.c` reads the same files of",
        "each process as `--read proc`: status and oom_score_adj, of the rows that are shown cgroup and oom_score too. The guide's monitor and loop are",
        "written anew, with their work. ps knows the score as `oom`.")
    if not shutil.which("gcc"):
        raise RuntimeError("gcc is not installed")
    for size in CROWDS:
        options.progress(f"scores: {size} sleepers")
        with Crowd(size):
            middle = listing(section, options, size)
            aims(section, middle, size, rounds(options))
            if size == min(CROWDS):
                options.progress(f"scores: the screen for {SCREEN_SECONDS} s")
                share, settled = screen_percent(options.binary)
                screen = (
                    f"**The screen** (`scores --watch {SCREEN_EVERY_SECONDS}` on a terminal of 80 by 24, {SCREEN_SECONDS} s, {size:,} sleepers): {share:.2f} % of a "
                    f"processor with its start, {settled:.2f} % after the first second. Aim: under {AIM_SCREEN_PERCENT} %: {verdict(share, AIM_SCREEN_PERCENT)}.")
    section.say(screen)
    return section
