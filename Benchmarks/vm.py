# SPDX-License-Identifier: Apache-2.0
"""The latency measure once more on a kernel that allows kprobes and fentry, where the tools that need them can run.

A throw-away guest (TCG: no hardware help, so times are long and only the ratios say something) boots into this very
driver, with the same binary; what it prints is the table.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERIES = "6.12"
KILLS = 40
MEMORY_MEGABYTES = 3072
TIMEOUT_SECONDS = 300
BOOTS = 3
PYTHON = "/usr/bin/python3"  # Debian's, whose library lies in /usr/lib
PROGRAMS = (PYTHON, "tail", "dmesg", "bpftrace", "oomkill", "oomkill.bt")
BEGIN, END = "<<<bench", "bench>>>"
INIT = f"""#!/bin/sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox mount -t devtmpfs d /dev
/bin/busybox mkdir -p /dev/pts /dev/shm
for one in "proc p /proc" "sysfs s /sys" "devpts t /dev/pts" "tracefs t /sys/kernel/tracing" "bpf b /sys/fs/bpf" \\
  "cgroup2 c /sys/fs/cgroup" "debugfs g /sys/kernel/debug"; do
  set -- $one
  /bin/busybox mount -t $1 $2 $3
done
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
/bin/busybox dmesg -n 1
echo '{BEGIN}'
{PYTHON} /bench/Benchmarks/run.py --only latency --kills {KILLS} --binary /bench/oomwitness 2>&1
echo '{END}'
/bin/busybox poweroff -f
"""


def libraries(path):
    told = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return [word for word in told.split() if word.startswith("/")]


def bring(guest, path):
    """One program with its libraries, under the same names as here."""
    for one in [path, *libraries(path)]:
        target = guest / one.lstrip("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(os.path.realpath(one), target)


def image(options, init=INIT, programs=PROGRAMS, files=()):
    """The guest's files as an initrd; returns its path."""
    guest = pathlib.Path(options.folder) / "guest"
    (guest / "bin").mkdir(parents=True)
    shutil.copy2("/bin/busybox", guest / "bin/busybox")
    os.symlink("busybox", guest / "bin/sh")
    for name in programs:
        path = shutil.which(name)
        if path is None:
            raise RuntimeError(f"{name} is not installed")
        bring(guest, path)
    for path in filter(os.path.isfile, files):
        bring(guest, path)
    version = re.search(r"python3\.\d+", os.path.realpath(PYTHON)).group()
    shutil.copytree(f"/usr/lib/{version}", guest / f"usr/lib/{version}", symlinks=True,
                    ignore=shutil.ignore_patterns("__pycache__", "test", "tests", "config-*", "idlelib", "dist-packages"))
    for library in (guest / f"usr/lib/{version}/lib-dynload").glob("*.so"):
        for one in libraries(str(library)):
            if not (guest / one.lstrip("/")).exists():
                bring(guest, one)
    bring(guest, options.binary)
    shutil.copytree(ROOT / "Benchmarks", guest / "bench/Benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(options.binary, guest / "bench/oomwitness")
    (guest / "init").write_text(init, encoding="ascii")
    (guest / "init").chmod(0o755)
    target = pathlib.Path(options.folder) / "guest.cpio"
    with open(target, "wb") as output:
        names = subprocess.run(["find", "."], cwd=guest, capture_output=True, check=True).stdout
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=guest, input=names, stdout=output, check=True)
    return target


def kernel():
    sys.path.insert(0, str(ROOT / "Tests/VM"))
    from kernels import get_kernel  # Debian's cloud kernels, as the VM tests use them
    return get_kernel(SERIES).folder / "vmlinuz"


def console(options, initrd):
    """All that the guest printed until it was off."""
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MEGABYTES),
               "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-kernel", str(kernel()),
               "-initrd", str(initrd), "-append", "console=ttyS0 panic=-1 quiet"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                          timeout=TIMEOUT_SECONDS, check=False)
    return done.stdout.replace("\r", "") + done.stderr


def boot(options):
    """What the driver printed in the guest, and how often the guest did not come as far as to start it.

    Only such a boot is tried again: a guest that goes down once our programs may be loaded is a failure, and told.
    """
    initrd = image(options)
    for failed in range(BOOTS):
        text = console(options, initrd)
        if BEGIN in text and END in text:
            return text.split(BEGIN)[1].split(END)[0], failed
        if BEGIN in text:
            break
        options.progress(f"vm: boot {failed + 1} did not reach the driver: {panic(text)}")
    raise RuntimeError(f"the guest {'went down while it measured' if BEGIN in text else 'did not boot'}: {panic(text)}")


def panic(text):
    """The kernel's own words on where it went down."""
    words = re.findall(r"(?:BUG:|Oops|RIP:|general protection|Kernel panic).*", text)
    return "; ".join(words[:4]) or repr(text[-300:])


class Told:
    """What the guest printed, as a section."""

    def __init__(self, text):
        self._text = text

    def text(self):
        return self._text


def measure(options):
    options.progress(f"vm: {SERIES}, {KILLS} kills, under TCG")
    printed, failed = boot(options)
    text = "\n".join(line for line in printed.splitlines() if not line.startswith("bench: ")).strip()
    title, _, rest = text.partition("\n")
    if not title.startswith("## "):
        raise RuntimeError(f"the guest says: {text[-800:]}")
    return Told(
        f"{title}, on Debian's kernel {SERIES}\n\nIn a guest under TCG (an emulated processor: only the ratios say something), where "
        f"kprobes and fentry are allowed. Boots that did not come as far as the driver: {failed}.\n\n{rest.strip()}\n")
