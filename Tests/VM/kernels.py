# SPDX-License-Identifier: Apache-2.0
"""Debian's cloud kernels, one of each series, from a package download that never touches the machine's own apt.

A series is fetched once and kept in ${OOMWITNESS_CACHE:-$HOME/.cache/oomwitness}/kernels/SERIES (SERIES-arm64 for that architecture):

    vmlinuz            the kernel
    config             its configuration, which says what it can do (cgroup v1 has no memory controller on newer ones)
    release            one line, as uname -r prints it
    modules/NN-NAME.ko what the guest loads for its disk, decompressed, in the order in which it has to

Each suite has lists and a cache of its own. The mirror is the one that this machine's own sources name, or OOMWITNESS_DEBIAN_URI
(and OOMWITNESS_DEBIAN_SECURITY_URI) where it has none of Debian.
"""

from __future__ import annotations

import fcntl
import io
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SERIES = {  # series: suite, whether it has a security archive, what its releases begin with
    "5.10": ("bullseye", True, r"5\.10\."),
    "6.1": ("bookworm", True, r"6\.1\."),
    "6.12": ("trixie", True, r"6\.12\."),
    "7.x": ("sid", False, r"7\."),
}
MODULES = ("virtio_pci", "virtio_blk")
PACKAGES = ("linux-image-{}", "linux-image-{}-unsigned")  # the first that can be downloaded
PARTS = ("linux-base-{}", "linux-binary-{}", "linux-modules-{}")  # where the image package is an empty shell: since 7.x


class KernelError(Exception):
    """A kernel that cannot be had, and why."""


@dataclass(frozen=True)
class Kernel:
    """One unpacked kernel. `folder` has the layout above."""

    series: str
    folder: Path
    architecture: str = "amd64"

    @property
    def release(self) -> str:
        return (self.folder / "release").read_text().strip()

    @property
    def modules(self) -> list[Path]:
        return sorted((self.folder / "modules").iterdir())

    def cgroup_versions(self) -> list[int]:
        """Those that have a memory controller. Kernel: CONFIG_MEMCG_V1 exists since 6.11; before, v1 was always there."""
        config = (self.folder / "config").read_text()
        return [2] if "# CONFIG_MEMCG_V1 is not set" in config else [2, 1]


def cache_folder() -> Path:
    return Path(os.environ.get("OOMWITNESS_CACHE") or Path.home() / ".cache/oomwitness") / "kernels"


def get_kernel(series: str, *, refresh: bool = False, architecture: str = "amd64") -> Kernel:
    """The kernel of this series, from the cache or by apt. Raises KernelError."""
    folder = cache_folder() / for_architecture(series, architecture)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f"{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if refresh or not (folder / "release").exists():
            fetch(series, folder, architecture)
    return Kernel(series, folder, architecture)


def for_architecture(name: str, architecture: str) -> str:
    return name if architecture == "amd64" else f"{name}-{architecture}"


def fetch(series: str, folder: Path, architecture: str) -> None:
    suite, security, prefix = SERIES[series]
    apt = Apt(cache_folder() / "apt" / for_architecture(suite, architecture), suite, security, architecture)
    apt.run("update", "-qq")
    releases = newest_first(apt.names(), prefix, architecture)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        for release in releases:
            packages = apt.download(release, Path(scratch))
            if packages:
                shutil.rmtree(folder, ignore_errors=True)
                unpack(packages, folder, release)
                return
    raise KernelError(f"no kernel {series} in {suite}: tried {', '.join(releases) or 'nothing, none is listed'}")


def newest_first(names: set[str], prefix: str, architecture: str = "amd64") -> list[str]:
    """`5.10.0-46-cloud-amd64` and its like, out of all package names."""
    pattern = re.compile(rf"linux-image-({prefix}\S*-cloud-{architecture})(?:-unsigned)?")
    releases = {match[1] for name in names if (match := pattern.fullmatch(name)) and "deb11" not in name and "deb12" not in name}
    return sorted(releases, key=lambda release: [int(number) for number in re.findall(r"\d+", release)], reverse=True)


class Apt:
    """apt-get with lists, cache and sources of its own in `folder`."""

    def __init__(self, folder: Path, suite: str, security: bool, architecture: str = "amd64", *, with_sources: bool = False):
        self.folder = folder
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        uri, security_uri = mirrors()
        lines = [f"deb [signed-by={KEYRING}] {uri} {suite} main"]
        lines += [f"deb [signed-by={KEYRING}] {security_uri} {suite}-security main"] if security else []
        lines += [f"deb-src [signed-by={KEYRING}] {uri} {suite} main"] if with_sources else []
        (folder / "sources.list").write_text("\n".join(lines) + "\n")
        (folder / "status").touch()
        options = {
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "APT::Architecture": architecture,
            "APT::Architectures::": architecture,
            "APT::Sandbox::User": "root",
        }
        self.options = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]

    def run(self, *arguments: str, tool: str = "apt-get", cwd: Path | None = None) -> str:
        """Standard output. Raises KernelError with what apt said."""
        command = [tool, *self.options, *arguments]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
        if done.returncode != 0:
            raise KernelError(f"{tool} {' '.join(arguments)}: {done.stderr.strip() or done.returncode}")
        return done.stdout

    def names(self) -> set[str]:
        return set(self.run("pkgnames", "linux-", tool="apt-cache").split())

    def download(self, release: str, folder: Path) -> list[Path]:
        """The packages of one release; none where the archive lists it and no longer (or not yet) has it."""
        names = self.names()
        for pattern in PACKAGES:
            wanted = [name.format(release) for name in (pattern, *PARTS)]
            try:
                self.run("download", "-qq", *[name for name in wanted if name in names], cwd=folder)
                return sorted(folder.glob("*.deb"))
            except KernelError:
                for left in folder.glob("*.deb"):
                    left.unlink()
        return []


def mirrors() -> tuple[str, str]:
    """The URIs of Debian's archive and of its security archive, as this machine's own sources have them."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    uris = [uri.rstrip("/") for uri in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()]
    archive = os.environ.get("OOMWITNESS_DEBIAN_URI") or next((uri for uri in uris if uri.endswith("/debian")), None)
    if not archive:
        raise KernelError("this machine's sources name no mirror of Debian: set OOMWITNESS_DEBIAN_URI to one")
    security = os.environ.get("OOMWITNESS_DEBIAN_SECURITY_URI") or next((uri for uri in uris if "debian-security" in uri), None)
    return archive, security or archive + "-security"


def unpack(packages: list[Path], folder: Path, release: str) -> None:
    """Takes the kernel, its configuration and the modules out of the packages. `release` is written last: it says all is there."""
    (folder / "modules").mkdir(parents=True)
    modules: dict[str, bytes] = {}
    for package in packages:
        archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            for member in filter(tarfile.TarInfo.isfile, members):
                name = Path(member.name).name
                if re.fullmatch(r"(vmlinuz|config)(-.*)?", name):
                    (folder / name.partition("-")[0]).write_bytes(members.extractfile(member).read())
                elif "/kernel/drivers/" in member.name and re.search(r"/(virtio|block)/[^/]*\.ko(\.xz)?$", member.name):
                    modules[name.partition(".")[0].replace("-", "_")] = plain(members.extractfile(member).read())
    missing = [name for name in ("vmlinuz", "config") if not (folder / name).exists()]
    if missing:
        raise KernelError(f"{release}: no {' and no '.join(missing)} in {', '.join(package.name for package in packages)}")
    for number, name in enumerate(load_order(modules)):
        (folder / "modules" / f"{number:02}-{name}.ko").write_bytes(modules[name])
    (folder / "release").write_text(release + "\n")


def plain(module: bytes) -> bytes:
    return lzma.decompress(module) if module.startswith(b"\xfd7zXZ") else module


def load_order(modules: dict[str, bytes]) -> list[str]:
    """MODULES and what they need, each after what it needs. One that is not there is built in. File: the section .modinfo"""
    order: list[str] = []

    def add(name: str) -> None:
        if name not in modules or name in order:
            return
        needs = re.search(rb"\0depends=([^\0]*)\0", modules[name])
        for needed in needs[1].decode().split(",") if needs else []:
            add(needed.replace("-", "_"))
        order.append(name)

    for name in MODULES:
        add(name)
    return order
