# SPDX-License-Identifier: Apache-2.0
"""One throw-away machine: qemu without KVM, two CPUs on two NUMA nodes, a disk for swap and one that results are written to.

Both CPUs run in one thread of the host (`tcg,thread=single`). With a thread each, qemu 7.2 at times runs old code after the kernel has
patched it (static branches, ftrace), and the kernel falls over a trap that it took back: "Oops: int3", in one boot of ten on a busy host.
One thread is as fast where as many machines run as there are CPUs.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from kernels import Kernel

SWAP_BYTES = 128 << 20
RESULT_BYTES = 256 << 20
CONSOLE_TAIL_LINES = 25
STALL_SECONDS = 180  # the guest says on its console what it begins: a scenario takes no longer, and neither does the boot
POLL_SECONDS = 0.2
APPEND = "quiet panic=-1 printk.devkmsg=on log_buf_len=16M swapaccount=1 numa_balancing=disable"

MACHINES = {  # by Debian's architecture: qemu's program and machine, and the serial line that the kernel finds there
    "amd64": (("qemu-system-x86_64", "-cpu", "max"), "ttyS0"),
    "arm64": (("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"), "ttyAMA0"),
}


@dataclass
class Boot:
    """How one boot ended. `problem` is None where the guest switched itself off in time."""

    seconds: float
    problem: str | None


def boot(
    kernel: Kernel, initrd: Path, memory_mib: int, folder: Path, results: Path,
    *, more_disks: Mapping[str, int] = MappingProxyType({}), processors: int = 2, cpu: str = "", memory: str = "",
) -> Boot:
    """Runs the machine until it is off, and unpacks what it left behind into `results`. `folder` keeps its console.

    `more_disks` are empty, and go behind the two: bytes by name. Each processor has a NUMA node.
    `cpu` is added to the kind of processor, as `,-erms`, and `memory` to that of its memory, as `,prealloc=on`.
    """
    console = folder / "console.txt"
    disks = {folder / "swap.img": SWAP_BYTES, folder / "results.img": RESULT_BYTES}
    disks |= {folder / f"{name}.img": size for name, size in more_disks.items()}
    for path, size in disks.items():
        with open(path, "wb") as disk:
            disk.truncate(size)
    began = time.monotonic()
    problem = run(qemu_command(kernel, initrd, memory_mib, console, list(disks), processors, cpu, memory), console)
    seconds = time.monotonic() - began
    said = read_console(console)
    if not problem and "all scenarios have ended" not in said:
        problem = "the guest went down before its end"
    if problem:
        lines = said.splitlines()[-CONSOLE_TAIL_LINES:]
        problem = "\n".join([f"{problem}; the end of its console:", *(f"    | {line}" for line in lines)])
    unpack(folder / "results.img", results)
    for path in disks:
        path.unlink()
    return Boot(seconds, problem)


def qemu_command(
    kernel: Kernel, initrd: Path, memory_mib: int, console: Path, disks: list[Path], processors: int, cpu: str, memory: str
) -> list[str]:
    """The disks are /dev/vda, /dev/vdb and so on, in their order."""
    part = memory_mib // processors
    machine, serial = MACHINES[kernel.architecture]
    command = [*machine[:-1], machine[-1] + cpu, "-accel", "tcg,thread=single", "-smp", str(processors), "-m", str(memory_mib)]
    for node in range(processors):
        command += ["-object", f"memory-backend-ram,id=node{node},size={part}M{memory}", "-numa", f"node,cpus={node},memdev=node{node}"]
    command += ["-kernel", str(kernel.folder / "vmlinuz"), "-initrd", str(initrd), "-append", f"console={serial} {APPEND}"]
    command += ["-serial", f"file:{console}", "-display", "none", "-monitor", "none", "-net", "none", "-no-reboot"]
    for disk in disks:
        command += ["-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]
    return command


def end_with_parent() -> None:
    """Whoever ends run.py, by whatever signal, ends its machines. Source: prctl(2), PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def run(command: list[str], console: Path, stall_seconds: float = STALL_SECONDS) -> str | None:
    """Waits for the machine to end, for as long as its console goes on growing. What is wrong with it, or None."""
    machine = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=end_with_parent
    )
    seen, since = -1, time.monotonic()
    while machine.poll() is None:
        size = console.stat().st_size if console.exists() else 0
        if size != seen:
            seen, since = size, time.monotonic()
        elif time.monotonic() - since > stall_seconds:
            machine.kill()
            machine.communicate()
            return f"the guest has hung for {stall_seconds} s"
        time.sleep(POLL_SECONDS)
    said, _ = machine.communicate()
    return f"qemu: {said.strip() or machine.returncode}" if machine.returncode != 0 else None


def read_console(console: Path) -> str:
    return console.read_text(errors="replace") if console.exists() else ""


def unpack(disk: Path, results: Path) -> None:
    """One folder for each scenario. A guest that never wrote leaves an empty disk, which is no archive."""
    results.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(disk) as archive:
            archive.extractall(results, filter="data")
    except tarfile.ReadError:
        pass
