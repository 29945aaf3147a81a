# SPDX-License-Identifier: Apache-2.0
"""The screen of `oomwitness scores --watch`, captured in tmux and drawn as SVG: `make picture`.

What is shown is real: processes with the names, users, sizes, adjustments and control groups that a server has, started for
it in a guest of two gigabytes, where root may protect whom it likes.
"""

import argparse
import glob
import html
import json
import mmap
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import vm

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = ((80, 24), (200, 60))
SECONDS = 30  # an emulated processor takes its time, and the growing ones have to grow between two frames
CGROUPS = "/sys/fs/cgroup"
SESSION = "/user.slice/user-1000.slice/session-3.scope"
POD = "/kubepods.slice/kubepods-burstable.slice/pod3012e4ab-71fe-4572-c2a3-bdaf901b51ef/cri-containerd-" + "45a5e91c" * 8 + ".scope"
USERS = {"root": 0, "ada": 1000, "postgres": 111, "redis": 112, "elastic": 113, "prometheus": 114, "www-data": 33, "messagebus": 103}
# Name, user, control group, megabytes of its own, megabytes shared, oom_score_adj, megabytes more every two seconds.
CROWD = (
    ("systemd-journal", "root", "/system.slice/systemd-journald.service", 14, 0, -250, 0),
    ("sshd", "root", "/system.slice/ssh.service", 5, 0, -1000, 0), ("cron", "root", "/system.slice/cron.service", 2, 0, 0, 0),
    ("dbus-daemon", "messagebus", "/system.slice/dbus.service", 3, 0, -900, 0), ("containerd", "root", "/system.slice/containerd.service", 38, 0, -999, 0),
    ("postgres", "postgres", "/system.slice/postgresql.service", 160, 150, -500, 0), ("redis-server", "redis", "/system.slice/redis-server.service", 120, 0, 0, 0),
    ("prometheus", "prometheus", "/system.slice/prometheus.service", 96, 0, 0, 1), ("java", "elastic", "/system.slice/elasticsearch.service", 420, 0, 0, 2),
    ("nginx", "www-data", "/system.slice/nginx.service", 11, 6, 0, 0), ("node", "root", "/system.slice/docker-" + "9f3c0b7d" * 8 + ".scope", 150, 0, 0, 3),
    ("pause", "root", POD, 1, 0, -998, 0), ("worker", "root", POD, 64, 0, 1000, 0), ("chrome", "ada", SESSION, 140, 40, 200, -1),
    ("chrome", "ada", SESSION, 60, 40, 200, 0), ("backup", "root", "/system.slice/backup.service", 40, 0, 600, 0), ("bash", "ada", SESSION, 3, 0, 0, 0),
)
FILES = ("/lib/terminfo/s/screen", "/lib/terminfo/l/linux", *glob.glob("/usr/lib/locale/C.utf8/**", recursive=True))
BEGIN, END = "<<<picture", "picture>>>"
INIT = f"""#!/bin/sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /etc
/bin/busybox mount -t devtmpfs d /dev
/bin/busybox mkdir -p /dev/pts /dev/shm
for one in "proc p /proc" "sysfs s /sys" "devpts t /dev/pts" "bpf b /sys/fs/bpf" "cgroup2 c {CGROUPS}"; do
  set -- $one
  /bin/busybox mount -t $1 $2 $3
done
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8 TERM=linux SHELL=/bin/sh
/bin/busybox dmesg -n 1
{vm.PYTHON} /bench/Benchmarks/picture.py --inside 2>&1
/bin/busybox poweroff -f
"""


def touched(megabytes, flags):
    memory = mmap.mmap(-1, max(1, megabytes) << 20, flags=flags | mmap.MAP_ANONYMOUS)
    for page in range(0, len(memory), mmap.PAGESIZE):
        memory[page] = 1
    return memory


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def live(name, user, folder, own, shared, adjustment, growth):
    """A process of the crowd; does not return. One that shrinks gives back what it has taken for that."""
    write(f"{folder}/cgroup.procs", "0")
    write("/proc/self/oom_score_adj", str(adjustment))
    write("/proc/self/comm", name)
    os.setuid(USERS[user])
    spare = [touched(-growth, mmap.MAP_PRIVATE) for _ in range(60 * (growth < 0))]
    held = [touched(own - len(spare), mmap.MAP_PRIVATE)] + ([touched(shared, mmap.MAP_SHARED)] if shared else [])
    while growth > 0 or spare:
        time.sleep(2)
        if spare:
            spare.pop()
        else:
            held.append(touched(growth, mmap.MAP_PRIVATE))
    while True:
        signal.pause()


def crowd():
    """Starts all of them, each in its control group."""
    write("/etc/passwd", "".join(f"{name}:x:{number}:{number}::/:/bin/sh\n" for name, number in USERS.items()))
    for name, user, group, *rest in CROWD:
        folder = CGROUPS
        for part in group.strip("/").split("/"):
            write(f"{folder}/cgroup.subtree_control", "+memory")
            folder += "/" + part
            os.makedirs(folder, exist_ok=True)
        if os.fork() == 0:
            try:
                live(name, user, folder, *rest)
            finally:
                os._exit(1)


def captured(binary, columns, rows):
    """The screen's lines with their colours. Source: tmux(1), capture-pane."""
    def tmux(*arguments):
        command = ["tmux", "-L", f"oomwitness-{columns}", "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), f"exec {binary} scores --watch 2", ";", "set", "-g", "status", "off")
    try:
        time.sleep(SECONDS)
        return tmux("capture-pane", "-e", "-p").rstrip("\n").split("\n")
    finally:
        tmux("kill-server")


BACKGROUND, FOREGROUND = "#11151c", "#d5dae3"
COLOURS = {31: "#ff6b6b", 33: "#f0c05a", 32: "#7fd18b", 36: "#6cc7d9"}
DIM = "#7d8696"
CELL, LINE, FONT = 8.4, 18, 14


def runs(lines):
    """(line, column, text, colour, bold) of each piece; a style goes on into the next line. Source: ECMA-48, SGR."""
    colour, bold = FOREGROUND, False
    for number, line in enumerate(lines):
        column = 0
        for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
            if not piece.startswith("\x1b["):
                if piece:
                    yield number, column, piece, colour, bold
                column += len(piece)
                continue
            for code in (int(word or 0) for word in piece[2:-1].split(";")):
                if code in (0, 39):
                    colour, bold = FOREGROUND, bold and code == 39
                elif code == 1:
                    bold = True
                else:
                    colour = DIM if code == 2 else COLOURS.get(code, colour)


def svg(lines, columns):
    """As high as what is shown: the rest of the terminal is empty."""
    width, height = columns * CELL + 24, len(lines) * LINE + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}" '
        f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{FONT}">',
        "<title>oomwitness scores --watch</title>", f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>']
    for number, column, text, colour, bold in runs(lines):
        for word in re.finditer(r"\S+(?: \S+)*", text):
            x, length = 12 + (column + word.start()) * CELL, len(word.group()) * CELL
            weight = ' font-weight="bold"' if bold else ""
            parts.append(
                f'<text x="{x:.1f}" y="{10 + LINE * (number + 0.75):.1f}" fill="{colour}"{weight} textLength="{length:.1f}" '
                f'lengthAdjust="spacingAndGlyphs">{html.escape(word.group())}</text>')
    return "\n".join([*parts, "</svg>\n"])


def inside():
    """In the guest: the captures of all sizes as one line of JSON."""
    crowd()
    time.sleep(20)
    print(BEGIN, json.dumps([captured("/bench/oomwitness", *size) for size in SIZES]), END, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=str(ROOT / ".build/release/oomwitness"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return inside()
    with tempfile.TemporaryDirectory(prefix="oomwitness-picture-") as options.folder:
        initrd = vm.image(options, INIT, (vm.PYTHON, "tmux"), FILES)
        printed = vm.console(options, initrd)
    if END not in printed:
        sys.exit(f"picture: the guest says: {printed[-2000:]}")
    for (columns, rows), lines in zip(SIZES, json.loads(printed.split(BEGIN)[1].split(END)[0])):
        path = ROOT / "docs" / f"scores-{columns}x{rows}.svg"
        path.write_text(svg(lines, columns), encoding="utf-8")
        print(f"written: {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
