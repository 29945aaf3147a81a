# SPDX-License-Identifier: Apache-2.0
"""An OpenTelemetry Collector, built from the library that Debian's sid has as a package, since no suite and no wheel has the program.

    python3 Tests/Collectors/build.py        (make testbed-collectors does it first)

Neither a chroot nor this machine's apt is needed: sid's packages are taken apart into a folder, and its Go is one static program. It is
built once (2 minutes of one processor, 310 MB of packages, which go with the work folder) and kept in
${OOMWITNESS_CACHE:-$HOME/.cache/oomwitness}/collector: `otelcol`, and `version`, which is written last and says that it is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "VM"))

from kernels import Apt, KernelError, cache_folder

LIBRARY = "golang-opentelemetry-collector-dev"


def main() -> int:
    try:
        folder = get_collector()
    except (KernelError, subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    print(f"OpenTelemetry Collector {(folder / 'version').read_text().strip()} is in {folder}")
    return 0


def get_collector() -> Path:
    """The folder of the program; builds it where it is not there yet."""
    folder = cache_folder().parent / "collector"
    if (folder / "version").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        root, version = unpack(Path(scratch))
        print(f"OpenTelemetry Collector {version}: builds it, once", flush=True)
        compile_collector(root, version, Path(scratch))
        shutil.move(Path(scratch) / "otelcol", folder / "otelcol")
    (folder / "version").write_text(version + "\n")
    print(f"built in {time.monotonic() - began:.0f} s", flush=True)
    return folder


def unpack(scratch: Path) -> tuple[Path, str]:
    """Go and the libraries of the Collector below one folder, and the version that the package's name says."""
    apt = Apt(scratch / "apt", "sid", False)
    apt.run("update", "-qq")
    # The list of what is installed is empty: so everything that is needed comes, and nothing is installed.
    apt.run("install", "--download-only", "-qq", "-y", "--no-install-recommends", "golang-go", LIBRARY)
    packages = sorted((scratch / "apt/cache/archives").glob("golang-*.deb"))
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", package, scratch / "root"], check=True)
    version = next(package.name.split("_")[1] for package in packages if package.name.startswith(LIBRARY))
    return scratch / "root", version.rpartition("-")[0]


def compile_collector(root: Path, version: str, scratch: Path) -> None:
    """Debian's libraries are no modules: GOPATH mode finds them."""
    package = scratch / "go/src/otelcol"
    package.mkdir(parents=True)
    shutil.copy(HERE / "collector.go", package / "main.go")
    go = (root / "usr/lib/go").resolve()
    environment = os.environ | {
        "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "", "CGO_ENABLED": "0", "GOROOT": str(go),
        "GOPATH": f"{scratch}/go:{root}/usr/share/gocode", "GOCACHE": str(scratch / "cache"), "GOTMPDIR": str(scratch),
    }
    flags = f"-s -w -X main.version={version}"
    command = ["nice", "-n", "19", go / "bin/go", "build", "-ldflags", flags, "-o", scratch / "otelcol", "otelcol"]
    subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
