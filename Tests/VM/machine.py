# SPDX-License-Identifier: Apache-2.0
"""One throw-away machine: qemu without KVM, two CPUs on two NUMA nodes, a disk for swap and one that results are written to."""

from __future__ import annotations

import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from kernels import Kernel

SWAP_BYTES = 128 << 20
RESULT_BYTES = 256 << 20
CONSOLE_TAIL_LINES = 25
APPEND = "console=ttyS0 quiet panic=-1 printk.devkmsg=on log_buf_len=16M swapaccount=1 numa_balancing=disable"


@dataclass
class Boot:
    """How one boot ended. `problem` is None where the guest switched itself off in time."""

    seconds: float
    problem: str | None


def boot(kernel: Kernel, initrd: Path, memory_mib: int, folder: Path, results: Path, limit_seconds: int) -> Boot:
    """Runs the machine until it is off, and unpacks what it left behind into `results`. `folder` keeps its console."""
    console = folder / "console.txt"
    disks = {"swap.img": SWAP_BYTES, "results.img": RESULT_BYTES}
    for name, size in disks.items():
        with open(folder / name, "wb") as disk:
            disk.truncate(size)
    half = memory_mib // 2
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(memory_mib)]
    for node in (0, 1):
        command += ["-object", f"memory-backend-ram,id=node{node},size={half}M", "-numa", f"node,cpus={node},memdev=node{node}"]
    command += ["-kernel", str(kernel.folder / "vmlinuz"), "-initrd", str(initrd), "-append", APPEND]
    command += ["-serial", f"file:{console}", "-display", "none", "-monitor", "none", "-net", "none", "-no-reboot"]
    for name in disks:
        command += ["-drive", f"file={folder / name},format=raw,if=virtio,cache=unsafe"]
    began = time.monotonic()
    problem = run(command, limit_seconds)
    if not problem and "all scenarios have ended" not in console.read_text(errors="replace"):
        problem = "the guest went down before its end"
    if problem:
        problem += "; the end of its console:\n" + tail(console)
    unpack(folder / "results.img", results)
    for name in disks:
        (folder / name).unlink()
    return Boot(time.monotonic() - began, problem)


def run(command: list[str], limit_seconds: int) -> str | None:
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said, _ = machine.communicate(timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        machine.kill()
        machine.communicate()
        return f"the guest was not done after {limit_seconds} s"
    return f"qemu: {said.strip() or machine.returncode}" if machine.returncode != 0 else None


def tail(console: Path) -> str:
    lines = console.read_text(errors="replace").splitlines() if console.exists() else []
    return "\n".join(f"    | {line}" for line in lines[-CONSOLE_TAIL_LINES:])


def unpack(disk: Path, results: Path) -> None:
    """One folder for each scenario. A guest that never wrote leaves an empty disk, which is an empty archive."""
    results.mkdir(parents=True, exist_ok=True)
    with tarfile.open(disk, ignore_zeros=False) as archive:
        archive.extractall(results, filter="data")
