# SPDX-License-Identifier: Apache-2.0
"""`oomwitness protect` and the service, by its package, with a real systemd: Debian's of bookworm, in guests.

    make vmtest-systemd
    python3 Tests/VM/systemd/run.py --guests service-6.12     one of them

    protect          protect.sh, under Debian's kernel 6.1
    service-KERNEL   service.sh in a guest that has no oomwitness, which installs it; then after.sh, once the guest has gone down and
                     come up again with all that was changed

The guests' files are made once by debootstrap, in the cache folder of the kernels. Each script prints a line for each check. The last
line is `N passed, N failed`; exit status 1 where one failed, 2 where it cannot run here.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

from guest_image import BUSYBOX, GUEST, Archive, compiled, padded
from kernels import Kernel, KernelError, get_kernel
from machine import read_console
from machine import run as run_machine
from systemd_system import get_system

ROOT = HERE.parents[2]
MEMORY_MIB = 1024  # a guest that runs out of it does so soon
DISK_BYTES = 512 << 20
STALL_SECONDS = 400  # a package that is installed is slow where many machines run
LAST = "the script came to its end"
# No device makes a login line appear, and systemd would wait for it for 90 seconds.
APPEND = "console=ttyS0 panic=-1 quiet no_timer_check systemd.show_status=0 systemd.mask=getty.target systemd.unified_cgroup_hierarchy=1"
SYMLINK, FILE = 0o120777, 0o100644
UNIT = f"""[Unit]
After=multi-user.target
[Service]
Type=oneshot
OOMPolicy=continue
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/bash -c '. /job/script.sh; echo "{LAST}"'
ExecStopPost=/bin/systemctl --no-block poweroff
"""


@dataclass(frozen=True)
class Guest:
    """One machine. It is booted with each script in turn; what one boot has changed is there in the next."""

    name: str
    series: str
    scripts: tuple[str, ...]
    more: str = ""
    """Packages of Debian that it has beside systemd."""
    has_binary: bool = True
    """Else it has the package of oomwitness in a file."""


GUESTS = [Guest("protect", "6.1", ("protect.sh",))]
GUESTS += [Guest(f"service-{series}", series, ("service.sh", "after.sh"), "curl", False) for series in ("6.1", "6.12", "7.x")]


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs `oomwitness protect` and the service with a real systemd, in guests.")
    names = [guest.name for guest in GUESTS]
    parser.add_argument("--guests", type=lambda text: text.split(","), default=names, help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="guests at a time (default: one a CPU)")
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/oomwitness")
    parser.add_argument("--package", type=Path, default=next(iter(sorted((ROOT / ".build/deb").glob("*.deb"))), ROOT / ".build/deb/*.deb"))
    arguments = parser.parse_args()
    if unknown := set(arguments.guests) - set(names):
        parser.error(f"there is no guest {', '.join(sorted(unknown))}")
    guests = [guest for guest in GUESTS if guest.name in arguments.guests]
    try:
        for path in (arguments.binary, arguments.package):
            if not path.exists():
                raise FileNotFoundError(f"there is no {path} (make deb builds it)")
        ready = [(guest, get_kernel(guest.series), get_system(guest.more)) for guest in guests]
    except (KernelError, subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        job = build_job(arguments, Path(folder))
        for (guest, kernel, _), lines in zip(ready, pool.map(lambda each: run(*each, job, Path(folder)), ready)):
            print(f"{guest.name}: {kernel.release}", *lines, sep="\n", flush=True)
            passed += sum(line.startswith("passed") for line in lines)
            failed += sum(line.startswith("FAILED") for line in lines)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def build_job(arguments: argparse.Namespace, folder: Path) -> dict[str, bytes]:
    """What the guests may be given, by the place that it has there."""
    stripped = folder / "oomwitness"
    subprocess.run(["strip", "-o", stripped, arguments.binary], check=True)
    files = {"/usr/bin/oomwitness": stripped, "/job/oomwitness.deb": arguments.package, "/job/busybox": BUSYBOX}
    files["/job/hog"] = compiled(GUEST / "hog.c", folder / "hog")
    files |= {f"/job/{script.name}": script for script in HERE.glob("*.sh")}
    return {place: path.read_bytes() for place, path in files.items()}


def run(guest: Guest, kernel: Kernel, system: Path, job: dict[str, bytes], folder: Path) -> list[str]:
    """Boots with each script, and gives the lines that they have printed."""
    lines = []
    changed = b""
    initrd, disk, console = (folder / f"{guest.name}.{kind}" for kind in ("initrd", "disk", "console"))
    for script in guest.scripts:
        initrd.write_bytes(system.read_bytes() + changed + additions(guest, kernel, job, script))
        with disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        began = time.monotonic()
        problem = run_machine(qemu_command(kernel, initrd, disk, console), console, STALL_SECONDS)
        said = read_console(console).replace("\r", "")
        lines += re.findall(r"^(?:passed|FAILED|figure) .*", said, re.MULTILINE)
        lines.append(f"figure seconds of this boot: {time.monotonic() - began:.0f}")
        if problem or LAST not in said:
            return [*lines, f"FAILED {script}: {problem or 'the guest went down before its end'}: {said[-2000:]!r}"]
        # As far as the guest has written; the zeros that end an archive are among those of the disk.
        changed = padded(disk.read_bytes().rstrip(b"\0") + bytes(4))
    return lines


def additions(guest: Guest, kernel: Kernel, job: dict[str, bytes], script: str) -> bytes:
    """What one boot has beside the system: what it is given, its script, and the unit that runs it."""
    archive = Archive()
    for place, content in job.items():
        if not place.startswith("/usr/bin/") or guest.has_binary:
            archive.add(place, content)
    for module in kernel.modules:
        archive.add(f"/job/modules/{module.name}", module.read_bytes(), FILE)
    archive.add("/job/script.sh", script.encode(), SYMLINK)
    archive.add("/etc/systemd/system/job.service", UNIT.encode(), FILE)
    archive.add("/etc/systemd/system/multi-user.target.wants/job.service", b"../job.service", SYMLINK)
    return archive.finish()


def qemu_command(kernel: Kernel, initrd: Path, disk: Path, console: Path) -> list[str]:
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB)]
    command += ["-display", "none", "-monitor", "none", "-net", "none", "-serial", f"file:{console}", "-no-reboot"]
    command += ["-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]
    return [*command, "-kernel", str(kernel.folder / "vmlinuz"), "-initrd", str(initrd), "-append", APPEND]


if __name__ == "__main__":
    sys.exit(main())
