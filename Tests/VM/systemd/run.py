# SPDX-License-Identifier: Apache-2.0
"""`oomwitness protect` against a real systemd: Debian's of bookworm, in a guest under Debian's kernel 6.1.

    make vmtest-systemd

The guest's files are made once by debootstrap, in the cache folder of the kernels; guest.sh runs in it and prints a line for each
check. The last line is `N passed, N failed`; exit status 1 where one failed, 2 where it cannot run here.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

from guest_image import Archive
from kernels import KernelError, cache_folder, get_kernel
from machine import end_with_parent

ROOT = HERE.parents[2]
SERIES, SUITE = "6.1", "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus"
LEFT_OUT = ("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*", "./var/cache/*", "./var/lib/apt/*", "./boot/*")
MEMORY_MIB = 3072
TIMEOUT_SECONDS = 300
BEGIN, LAST = "<<<guest", "guest.sh came to its end"
UNIT = f"""[Unit]
After=multi-user.target
[Service]
Type=oneshot
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/bash -c 'echo "{BEGIN}"; /job/guest.sh'
ExecStopPost=/bin/systemctl --force --force poweroff
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs `oomwitness protect` against a real systemd in a guest.")
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/oomwitness")
    arguments = parser.parse_args()
    if not arguments.binary.exists():
        print(f"run.py: there is no {arguments.binary} (make builds it)", file=sys.stderr)
        return 2
    try:
        kernel, system = get_kernel(SERIES), get_system()
    except (KernelError, subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        initrd = Path(folder) / "initrd"
        initrd.write_bytes(system.read_bytes() + build_job(arguments.binary))
        text = console(kernel.folder / "vmlinuz", initrd)
    if BEGIN not in text or LAST not in text:
        print(f"FAILED the guest did not come to its end: {text[-400:]!r}")
        return 1
    lines = re.findall(r"^(?:passed|FAILED) .*", text.split(BEGIN)[1].split(LAST)[0], re.MULTILINE)
    print("\n".join(lines))
    failed = sum(line.startswith("FAILED") for line in lines)
    print(f"{len(lines) - failed} passed, {failed} failed")
    return 1 if failed or not lines else 0


def get_system(more: str = "") -> Path:
    """The guest's files as one archive, made once, with `more` packages, as "python3,curl". It gets its name when it is whole."""
    names = ["systemd", SUITE, *more.split(",")] if more else ["systemd", SUITE]
    archive = cache_folder() / f"{'-'.join(names)}.cpio"
    if archive.exists():
        return archive
    packages = f"{PACKAGES},{more}" if more else PACKAGES
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        tree, new = Path(folder) / "root", Path(folder) / "new"
        print(f"systemd of {SUITE}: by debootstrap, once", flush=True)
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={packages}", SUITE, tree], check=True, stdout=subprocess.DEVNULL)
        (tree / "init").symlink_to("/lib/systemd/systemd")
        omit = [word for pattern in LEFT_OUT for word in ("-not", "-path", pattern)]
        names = subprocess.run(["find", ".", "-xdev", *omit], cwd=tree, check=True, capture_output=True).stdout
        with new.open("wb") as output:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names, stdout=output, check=True)
        shutil.move(new, archive)
    return archive


def build_job(binary: Path) -> bytes:
    """What is added to the system: the binary, the script, and the unit that runs it."""
    archive = Archive()
    with tempfile.TemporaryDirectory() as folder:
        stripped = Path(folder) / "oomwitness"
        subprocess.run(["strip", "-o", stripped, binary], check=True)
        archive.add("/usr/bin/oomwitness", stripped.read_bytes())
    archive.add("/job/guest.sh", (HERE / "guest.sh").read_bytes())
    archive.add("/etc/systemd/system/job.service", UNIT.encode(), 0o100644)
    archive.add("/etc/systemd/system/multi-user.target.wants/job.service", b"../job.service", 0o120777)
    return archive.finish()


def console(vmlinuz: Path, initrd: Path) -> str:
    """All that the guest printed until it was off."""
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB)]
    command += ["-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-kernel", vmlinuz, "-initrd", initrd]
    command += ["-append", "console=ttyS0 panic=-1 quiet systemd.show_status=0 systemd.unified_cgroup_hierarchy=1"]
    guest = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        preexec_fn=end_with_parent,
    )
    try:
        return guest.communicate(timeout=TIMEOUT_SECONDS)[0].replace("\r", "")
    except subprocess.TimeoutExpired:
        guest.kill()
        return guest.communicate()[0].replace("\r", "") + f"\nnot at its end after {TIMEOUT_SECONDS} s"


if __name__ == "__main__":
    sys.exit(main())
