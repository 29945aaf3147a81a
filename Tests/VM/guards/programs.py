# SPDX-License-Identifier: Apache-2.0
"""The guards that ours is compared with, as Debian has them: unpacked from their packages, not installed."""

from __future__ import annotations

import json
import py_compile
import re
import subprocess
import tempfile
from pathlib import Path

from guest_image import REGULAR, Archive, libraries
from kernels import cache_folder

PYTHON = Path("/usr/bin/python3")
# What nohang imports; the interpreter is started without site.
NOHANG_MODULES = "os, ctypes, time, operator, sys, re, sre_constants, signal, random, logging, threading, shlex, subprocess"
# The same thresholds for all; the rest of its configuration is Debian's, which leaves PSI alone.
NOHANG_SETTINGS = {
    "soft_threshold_min_mem": "10 %",
    "hard_threshold_min_mem": "5 %",
    "soft_threshold_min_swap": "10 %",
    "hard_threshold_min_swap": "5 %",
}


def unpacked(package: str, file: str) -> Path:
    """A file of a Debian package of this machine's own apt."""
    folder = cache_folder().parent / "guards" / package
    if not (folder / file).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(["apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", package], cwd=scratch, check=True)
            archive = next(Path(scratch).glob(f"{package}_*.deb"))
            subprocess.run(["dpkg", "-x", archive, folder], check=True)
    return folder / file


def add_program(archive: Archive, path: str, program: Path) -> None:
    archive.add(path, program.read_bytes())
    for library in libraries(program):
        archive.add(str(library), library.read_bytes())


def add_earlyoom(archive: Archive) -> None:
    add_program(archive, "/bin/earlyoom", unpacked("earlyoom", "usr/bin/earlyoom"))


def nohang_configuration() -> str:
    """Raises ValueError where a setting is no longer there: then thresholds would differ unnoticed."""
    text = unpacked("nohang", "etc/nohang/nohang.conf").read_text()
    for name, value in NOHANG_SETTINGS.items():
        text, count = re.subn(rf"(?m)^{name} *=.*$", f"{name} = {value}", text)
        if count != 1:
            raise ValueError(f"nohang.conf has {count} lines of {name}")
    return text


def add_nohang(archive: Archive) -> None:
    """With this machine's own interpreter, and of its library what nohang imports, compiled."""
    script = f"import sys, {NOHANG_MODULES}\nimport json\nprint(json.dumps([getattr(m, '__file__', None) for m in list(sys.modules.values())]))"
    listing = subprocess.run([PYTHON, "-S", "-E", "-W", "ignore", "-c", script], capture_output=True, text=True, check=True).stdout
    files = sorted({Path(name) for name in json.loads(listing) if name})
    with tempfile.TemporaryDirectory() as scratch:
        for file in files:
            if file.suffix == ".so":
                add_program(archive, str(file), file)
            elif file.suffix == ".py":
                compiled = Path(scratch) / "module.pyc"
                py_compile.compile(file, compiled, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
                archive.add(str(file.with_suffix(".pyc")), compiled.read_bytes(), REGULAR)
    add_program(archive, "/bin/python3", PYTHON.resolve())
    archive.add("/usr/sbin/nohang", unpacked("nohang", "usr/sbin/nohang").read_bytes())
    archive.add("/etc/nohang.conf", nohang_configuration().encode(), REGULAR)
