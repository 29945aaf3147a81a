# SPDX-License-Identifier: Apache-2.0
"""The guest's root file system: busybox, the tracer with its libraries, what is in guest/, and the kernel's modules, as cpio archives.

The kernel unpacks archives that follow one another into one tree, so the big part is built once and each boot adds its own /job/settings.
Format: Documentation/driver-api/early-userspace/buffer-format.rst ("newc").
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from kernels import Kernel

GUEST = Path(__file__).parent / "guest"
BUSYBOX = Path("/bin/busybox")
CFLAGS = ["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-pthread"]
DIRECTORY, REGULAR, SYMLINK = 0o040755, 0o100755, 0o120777


class Archive:
    """A cpio archive in the making. Everything is owned by root, and anyone may run it."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.names: set[str] = set()

    def add(self, path: str, content: bytes, mode: int = REGULAR) -> None:
        """A file at `path`, with the folders that it is in."""
        for parent in reversed(Path(path).parents):
            if str(parent) not in self.names | {"/", "."}:
                self.entry(str(parent), b"", DIRECTORY)
        self.entry(path, content, mode)

    def entry(self, path: str, content: bytes, mode: int) -> None:
        if path in self.names:
            return
        self.names.add(path)
        name = path.lstrip("/").encode() + b"\0"
        fields = [len(self.names), mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0]
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        self.blocks.append(padded(header + name) + padded(content))

    def finish(self) -> bytes:
        self.entry("TRAILER!!!", b"", 0)
        return b"".join(self.blocks)


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def build_base(
    kernel: Kernel, binary: Path | None, build: Path, *, busybox: Path = BUSYBOX, compiler: str = "gcc"
) -> bytes:
    """All that is the same for each boot of one kernel. Without `binary` there is no tracer in it.

    `busybox` and what `compiler` makes are the guest's; the list of applets is taken from this machine's busybox.
    """
    archive = Archive()
    for folder in ("/proc", "/sys", "/dev", "/run", "/tmp", "/bin"):
        archive.entry(folder, b"", DIRECTORY)
    archive.add("/bin/busybox", busybox.read_bytes())
    for applet in subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split():
        archive.add(f"/bin/{applet}", b"busybox", SYMLINK)
    for module in kernel.modules:
        archive.add(f"/modules/{module.name}", module.read_bytes())
    for script in [GUEST / "init", *GUEST.glob("*.sh"), *GUEST.glob("scenarios/*.sh")]:
        archive.add(f"/guest/{script.relative_to(GUEST)}", script.read_bytes())
    archive.add("/init", b"guest/init", SYMLINK)
    for name in ("hog", "kmsg", "await"):
        archive.add(f"/bin/{name}", compiled(GUEST / f"{name}.c", build / name, compiler).read_bytes())
    if binary:
        stripped = build / "oomwitness"
        subprocess.run(["strip", "-o", stripped, binary], check=True)
        archive.add("/bin/oomwitness", stripped.read_bytes())
        for library in libraries(binary):
            archive.add(str(library), library.read_bytes())
    return archive.finish()


def build_settings(cgroup: int, rung: str, scenarios: list[str], programs: set[str] = frozenset()) -> bytes:
    """What is different from boot to boot. File: guest/init. `programs`: of this machine, with the libraries that they need."""
    archive = Archive()
    for program in sorted(programs):
        path = shutil.which(program, path="/usr/sbin:/usr/bin")
        if path is None:
            raise FileNotFoundError(f"a scenario needs {program}, which is not on this machine")
        archive.add(f"/bin/{program}", Path(path).read_bytes())
        for library in libraries(Path(path)):
            archive.add(str(library), library.read_bytes())
    text = f"CGROUP={cgroup}\nRUNG={rung}\nSCENARIOS='{' '.join(scenarios)}'\n"
    archive.add("/job/settings", text.encode())
    return archive.finish()


def compiled(source: Path, program: Path, compiler: str = "gcc", flags: Sequence[str | Path] = ()) -> Path:
    """A static program. `flags` come after the source, so that libraries may be among them."""
    subprocess.run([compiler, *CFLAGS, source, *flags, "-o", program], check=True)
    return program


def libraries(binary: Path) -> list[Path]:
    """The shared libraries and the loader, at the paths where the binary looks for them; ours has none."""
    listing = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", listing)]
