# SPDX-License-Identifier: Apache-2.0
"""Debian's bookworm with systemd, as a guest's root file system: by debootstrap, once, in the cache folder of the kernels."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from kernels import cache_folder

SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus"
LEFT_OUT = ("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*", "./var/cache/*", "./var/lib/apt/*", "./boot/*")


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
