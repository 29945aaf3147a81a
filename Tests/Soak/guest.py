# SPDX-License-Identifier: Apache-2.0
"""The soak in a guest, whose clock may jump and whose kills are nobody else's: Debian's bookworm, without systemd, by qemu's TCG.

    python3 Tests/Soak/guest.py                             two hours, 20,000 kills: make soak
    python3 Tests/Soak/guest.py --minutes 5 --kills 300     a look

Prints what run.py prints there. Exit status 1 where it found a fault, 2 where it cannot run here.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "Tests/VM"))

from guest_image import BUSYBOX, GUEST, Archive, compiled
from kernels import KernelError, get_kernel
from machine import end_with_parent
from systemd_system import get_system

PACKAGES = "python3,curl"  # of the receivers, and of the daemon's HTTP
MEMORY_MIB = 3072
LAST = "<<<soak ended with "
INIT = f"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
echo "1 4 1 7" >/proc/sys/kernel/printk
echo 1 >/proc/sys/vm/overcommit_memory
/job/busybox ip link set lo up
. /job/settings
python3 /job/Tests/Soak/run.py --clock --binary /usr/bin/oomwitness --hog /job/hog --minutes "$MINUTES" --kills "$KILLS" --every "$EVERY"
echo "{LAST}$?"
/job/busybox poweroff -f
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--kills", type=int, default=20000)
    parser.add_argument("--every", type=float, default=10, help="seconds from one piece of trouble to the next")
    parser.add_argument("--kernel", default="6.12")
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/oomwitness")
    options = parser.parse_args()
    if not options.binary.exists():
        print(f"guest.py: there is no {options.binary} (make builds it)", file=sys.stderr)
        return 2
    try:
        kernel, system = get_kernel(options.kernel), get_system(PACKAGES)
    except (KernelError, subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"guest.py: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        initrd = Path(folder) / "initrd"
        initrd.write_bytes(system.read_bytes() + job(options))
        status = run(kernel.folder / "vmlinuz", initrd)
    if status is None:
        print("guest.py: the guest did not come to its end", file=sys.stderr)
        return 1
    return status


def job(options: argparse.Namespace) -> bytes:
    archive = Archive()
    with tempfile.TemporaryDirectory() as folder:
        stripped = Path(folder) / "oomwitness"
        subprocess.run(["strip", "-o", stripped, options.binary], check=True)
        archive.add("/usr/bin/oomwitness", stripped.read_bytes())
        archive.add("/job/hog", compiled(GUEST / "hog.c", Path(folder) / "hog").read_bytes())
    archive.add("/job/Tests/Soak/run.py", Path(__file__).with_name("run.py").read_bytes())
    archive.add("/job/busybox", BUSYBOX.read_bytes())
    archive.add("/job/init", INIT.encode())
    archive.add("/job/settings", f"MINUTES={options.minutes}\nKILLS={options.kills}\nEVERY={options.every}\n".encode())
    return archive.finish()


def run(vmlinuz: Path, initrd: Path) -> int | None:
    """Prints what the guest says as it says it. What run.py ended with in it; None where it did not."""
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max", "-smp", "1", "-m", str(MEMORY_MIB)]
    command += ["-display", "none", "-monitor", "none", "-serial", "stdio", "-net", "none", "-no-reboot"]
    command += ["-kernel", vmlinuz, "-initrd", initrd]
    command += ["-append", "console=ttyS0 panic=-1 quiet rdinit=/job/init psi=1 no_timer_check log_buf_len=4M printk.devkmsg=on"]
    guest = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        preexec_fn=end_with_parent,
    )
    status = None
    for line in guest.stdout:
        ended = re.match(f"{re.escape(LAST)}(\\d+)", line)
        if ended:
            status = int(ended[1])
        else:
            print(line.rstrip(), flush=True)
    guest.wait()
    return status


if __name__ == "__main__":
    sys.exit(main())
