# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes control plane and a kubelet, built from Debian's source package, since no package or wheel has them.

    python3 Tests/Kubernetes/build.py        (make testbed-kubernetes does it first)

bookworm's `kubernetes` 1.20 is the last source package that is whole: those of trixie and sid hold kubectl alone. It is built once,
niced and by one process at a time (about 11 minutes alone on two processors, 1.5 GB of cache, which goes with the work folder), and
kept in ${OOMWITNESS_CACHE:-$HOME/.cache/oomwitness}/kubernetes: PROGRAMS, and `version`, which is written
last and says that all are there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "VM"))

from kernels import KEYRING, KernelError, cache_folder, mirrors

PROGRAMS = ("kube-apiserver", "kubelet", "kube-scheduler", "kube-controller-manager", "kubectl")
MARK = "+k8s:openapi-gen="


def main() -> int:
    try:
        folder = get_kubernetes()
    except (KernelError, subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    print(f"Kubernetes {(folder / 'version').read_text().strip()} is in {folder}")
    return 0


def get_kubernetes() -> Path:
    """The folder of the programs; builds them where they are not there yet."""
    folder = cache_folder().parent / "kubernetes"
    if (folder / "version").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        source, version = unpack(Path(scratch))
        print(f"Kubernetes {version}: builds {', '.join(PROGRAMS)}, once; about 11 minutes", flush=True)
        compile_programs(source, version, Path(scratch), folder)
    (folder / "version").write_text(version + "\n")
    print(f"built in {time.monotonic() - began:.0f} s", flush=True)
    return folder


def unpack(scratch: Path) -> tuple[Path, str]:
    """Debian's upstream archive at the place where GOPATH wants it, and the version that its name says."""
    apt = scratch / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "sources.list").write_text(f"deb-src [signed-by={KEYRING}] {mirrors()[0]} bookworm main\n")
    options = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    subprocess.run(["apt-get", *words, "-qq", "update"], check=True)
    subprocess.run(["apt-get", *words, "-qq", "source", "--download-only", "kubernetes"], cwd=scratch, check=True)
    archive = next(scratch.glob("kubernetes_*.orig.tar.gz"))
    version = re.search(r"(?:\+really)?(\d+\.\d+\.\d+)\.orig", archive.name)[1]
    source = scratch / "go/src/k8s.io/kubernetes"
    source.mkdir(parents=True)
    subprocess.run(["tar", "-xzf", archive, "--strip-components=1", "-C", source], check=True)
    return source, version


def compile_programs(source: Path, version: str, scratch: Path, folder: Path) -> None:
    """Module mode fails on Debian's tree ("updates to go.mod needed"): GOPATH mode, with its vendor folder, does not."""
    environment = os.environ | {
        "GO111MODULE": "off", "GOPATH": str(scratch / "go"), "GOFLAGS": "", "CGO_ENABLED": "0", "GOCACHE": str(scratch / "cache"),
        "GOTMPDIR": str(scratch),
    }

    def run(*command: str | Path) -> None:
        subprocess.run(["nice", "-n", "19", *command], cwd=source, env=environment, check=True)

    run("go", "build", "-p", "1", "-o", "openapi-gen", "./vendor/k8s.io/kube-openapi/cmd/openapi-gen")
    run(
        "./openapi-gen", "-i", ",".join(described_packages(source)), "-p", "k8s.io/kubernetes/pkg/generated/openapi",
        "-O", "zz_generated.openapi", "-h", "hack/boilerplate/boilerplate.generatego.txt", "-r", str(scratch / "violations"),
    )
    package = "k8s.io/kubernetes/vendor/k8s.io/component-base/version"
    major, minor = version.split(".")[:2]
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    flags = " ".join(["-s -w", *[f"-X {package}.{name}={value}" for name, value in values.items()]])
    for name in PROGRAMS:
        began = time.monotonic()
        run("go", "build", "-p", "1", "-ldflags", flags, "-o", str(scratch / name), f"./cmd/{name}")
        shutil.move(scratch / name, folder / name)
        print(f"  {name} {time.monotonic() - began:.0f} s", flush=True)


def described_packages(source: Path) -> list[str]:
    """The Go packages whose types the apiserver describes: without the file made from them it does not compile."""
    names = set()
    for tree in (source / "pkg", source / "cmd", source / "staging/src/k8s.io"):
        for file in tree.rglob("*.go"):
            if not file.is_symlink() and MARK in file.read_text(errors="replace"):
                names.add(str(file.parent.relative_to(source)).replace("staging/src/", "vendor/"))
    return [f"k8s.io/kubernetes/{name}" for name in sorted(names) if "/code-generator/" not in name and "/testdata" not in name]


if __name__ == "__main__":
    sys.exit(main())
