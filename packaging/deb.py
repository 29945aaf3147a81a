# SPDX-License-Identifier: Apache-2.0
"""Builds the Debian package of a staged tree: deb.py STAGED-ROOT BINARY FOLDER

The tree is what packaging/stage made with the prefix /usr. Its files get their dates from SOURCE_DATE_EPOCH, so that the same tree
makes the same package. Without a unit in the tree there are no maintainer scripts.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

DEBIAN = Path(__file__).resolve().parent / "debian"
SCRIPTS = ("postinst", "prerm", "postrm")


def output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def complete(root: Path, version: str) -> None:
    """What only a package has: copyright, changelog, overrides."""
    doc = root / "usr/share/doc/oomwitness"
    shutil.copy(DEBIAN / "copyright", doc / "copyright")
    changelog = (DEBIAN / "changelog").read_bytes()
    newest = re.match(rb"oomwitness \(([^)]+)\)", changelog)
    if not newest or newest[1].decode() != version:
        raise SystemExit(f"deb.py: packaging/debian/changelog does not begin with version {version} of the binary")
    (doc / "changelog.gz").write_bytes(gzip.compress(changelog, 9, mtime=0))
    overrides = root / "usr/share/lintian/overrides/oomwitness"
    overrides.parent.mkdir(parents=True)
    shutil.copy(DEBIAN / "lintian-overrides", overrides)
    for path in (doc / "copyright", doc / "changelog.gz", overrides):
        path.chmod(0o644)


def control(root: Path, version: str) -> None:
    """DEBIAN/: control, md5sums, and with a unit conffiles and scripts."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    # As dpkg-gencontrol counts: each file in whole KiB, each folder as one.
    kib = sum((path.stat().st_size + 1023) // 1024 for path in files) + sum(path.is_dir() for path in root.rglob("*"))
    folder = root / "DEBIAN"
    folder.mkdir()
    facts = {"VERSION": version, "ARCHITECTURE": output("dpkg", "--print-architecture"), "SIZE": str(kib)}
    text = (DEBIAN / "control").read_text()
    for name, value in facts.items():
        text = text.replace(f"@{name}@", value)
    (folder / "control").write_text(text)
    kept = [path for path in files if path.relative_to(root).parts[0] == "etc"]
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files if path not in kept]
    (folder / "md5sums").write_text("".join(sums))
    if kept:
        (folder / "conffiles").write_text("".join(f"/{path.relative_to(root)}\n" for path in kept))
    if any((root / place / "systemd/system/oomwitness.service").exists() for place in ("usr/lib", "lib")):
        for name in SCRIPTS:
            shutil.copy(DEBIAN / name, folder / name)
    for path in folder.iterdir():
        path.chmod(0o755 if path.name in SCRIPTS else 0o644)


def date(root: Path) -> None:
    """One date for all, and modes that do not depend on who builds."""
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    for path in [*root.rglob("*"), root]:
        if path.is_dir():
            path.chmod(0o755)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def main() -> int:
    if len(sys.argv) != 4 or "SOURCE_DATE_EPOCH" not in os.environ:
        print(__doc__, file=sys.stderr)
        return 64
    root, binary, folder = map(Path, sys.argv[1:])
    version = output(binary, "--version")
    complete(root, version)
    control(root, version)
    date(root)
    package = folder / f"oomwitness_{version}_{output('dpkg', '--print-architecture')}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, package], check=True, stdout=subprocess.DEVNULL)
    print(package)
    return 0


if __name__ == "__main__":
    sys.exit(main())
