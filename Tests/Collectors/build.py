# SPDX-License-Identifier: Apache-2.0
"""Receivers that no suite and no wheel has as a program, built from what Debian has of them.

    python3 Tests/Collectors/build.py        (make testbed-collectors does it first)

An OpenTelemetry Collector is collector.go and the library that sid has as a package; VictoriaLogs, which takes Loki's push, is in
trixie's source package of VictoriaMetrics. Neither a chroot nor this machine's apt is needed: the packages are taken apart into a
folder, and its Go makes one static program. Each is built once (2 to 5 minutes of one processor, 310 MB of packages, which go with the
work folder) and kept in ${OOMWITNESS_CACHE:-$HOME/.cache/oomwitness}/FOLDER: the program, and `version`, which is written last and
says that it is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "VM"))

from kernels import Apt, KernelError, cache_folder

LIBRARY = "golang-opentelemetry-collector-dev"
VICTORIA = "github.com/VictoriaMetrics/VictoriaMetrics"
# What app/victoria-logs imports.
VICTORIA_LIBRARIES = [f"golang-{name}-dev" for name in (
    "github-bmatcuk-doublestar", "github-cespare-xxhash", "github-gogo-protobuf", "github-golang-snappy", "github-klauspost-compress",
    "github-valyala-fastjson", "github-valyala-fastrand", "github-valyala-fasttemplate", "github-valyala-gozstd",
    "github-valyala-histogram", "github-valyala-quicktemplate", "github-victoriametrics-easyproto", "github-victoriametrics-fastcache",
    "github-victoriametrics-metrics", "github-victoriametrics-metricsql", "golang-x-net", "golang-x-sys", "gopkg-yaml.v2",
)]  # fmt: skip


@dataclass(frozen=True)
class Program:
    """What is built, of which suite's packages; `source` puts it below a GOPATH and says its version, which the linker sets."""

    title: str
    folder: str
    name: str
    suite: str
    libraries: list[str]
    package: str
    variable: str
    source: Callable[[Apt, Path, Path], str]
    with_sources: bool = False


def main() -> int:
    try:
        for program in (COLLECTOR, VICTORIA_LOGS):
            folder = get_program(program)
            print(f"{program.title} {(folder / 'version').read_text().strip()} is in {folder}")
    except (KernelError, subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    return 0


def get_program(program: Program) -> Path:
    """The folder of the program; builds it where it is not there yet."""
    folder = cache_folder().parent / program.folder
    if (folder / "version").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        scratch = Path(name)
        # The list of what is installed is empty: so everything that is needed comes, and nothing is installed.
        apt = Apt(scratch / "apt", program.suite, False, with_sources=program.with_sources)
        apt.run("update", "-qq")
        apt.run("install", "--download-only", "-qq", "-y", "--no-install-recommends", "golang-go", *program.libraries)
        for package in packages(apt):
            subprocess.run(["dpkg-deb", "-x", package, scratch / "root"], check=True)
        version = program.source(apt, scratch, scratch / "go/src" / program.package)
        print(f"{program.title} {version}: builds it, once", flush=True)
        compile_program(program, version, scratch)
        shutil.move(scratch / program.name, folder / program.name)
    (folder / "version").write_text(version + "\n")
    print(f"built in {time.monotonic() - began:.0f} s", flush=True)
    return folder


def packages(apt: Apt) -> list[Path]:
    return sorted((apt.folder / "cache/archives").glob("golang-*.deb"))


def collector_source(apt: Apt, scratch: Path, package: Path) -> str:
    """The library's version, which only the package's name says."""
    package.mkdir(parents=True)
    shutil.copy(HERE / "collector.go", package / "main.go")
    return next(file.name.split("_")[1] for file in packages(apt) if file.name.startswith(LIBRARY)).rpartition("-")[0]


def victoria_source(apt: Apt, scratch: Path, package: Path) -> str:
    apt.run("source", "--download-only", "-qq", "victoriametrics", cwd=scratch)
    archive = next(scratch.glob("victoriametrics_*.orig.tar.xz"))
    tree = scratch / "go/src" / VICTORIA
    tree.mkdir(parents=True)
    subprocess.run(["tar", "-xJf", archive, "--strip-components=1", "-C", tree], check=True)
    return archive.name.split("_")[1].partition("+")[0].removesuffix(".orig.tar.xz")


def compile_program(program: Program, version: str, scratch: Path) -> None:
    """Debian's libraries are no modules: GOPATH mode finds them."""
    root = scratch / "root"
    go = (root / "usr/lib/go").resolve()
    environment = os.environ | {
        "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "", "CGO_ENABLED": "0", "GOROOT": str(go),
        "GOPATH": f"{scratch}/go:{root}/usr/share/gocode", "GOCACHE": str(scratch / "cache"), "GOTMPDIR": str(scratch),
    }
    flags = f"-s -w -X {program.variable}={version}"
    command = ["nice", "-n", "19", go / "bin/go", "build", "-ldflags", flags, "-o", scratch / program.name, program.package]
    subprocess.run(command, env=environment, check=True)


COLLECTOR = Program("OpenTelemetry Collector", "collector", "otelcol", "sid", [LIBRARY], "otelcol", "main.version", collector_source)
VICTORIA_LOGS = Program(
    "VictoriaLogs of VictoriaMetrics", "victoria-logs", "victoria-logs", "trixie", VICTORIA_LIBRARIES,
    f"{VICTORIA}/app/victoria-logs", f"{VICTORIA}/lib/buildinfo.Version", victoria_source, with_sources=True,
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
