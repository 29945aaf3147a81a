# SPDX-License-Identifier: Apache-2.0
"""Compares guards of memory in throw-away machines: six workloads, two sizes, with and without swap.

    python3 Tests/VM/guards/run.py                             everything; prints the table of docs/guard.md
    python3 Tests/VM/guards/run.py --memory 512 --swap no --guards oomwitness,earlyoom --workloads fast,leak

earlyoom comes from this machine's own apt, and is unpacked, not installed. Times are those of load.c, which looks every two
milliseconds: under emulation they are larger than on any host, and comparable with each other alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import machine  # noqa: E402
from guest_image import REGULAR, Archive, build_base, compiled, libraries  # noqa: E402
from kernels import KernelError, cache_folder, get_kernel  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
WORKLOADS = ("fast", "leak", "bomb", "cache", "deaf", "thrash")
GUARDS = ("oomwitness", "earlyoom", "none")
SECONDS_EACH = 40  # with 512 MB; more memory takes longer to fill


def earlyoom() -> Path:
    """Debian's program, from its package."""
    folder = cache_folder().parent / "guards"
    program = folder / "usr/bin/earlyoom"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(["apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", "earlyoom"], cwd=scratch, check=True)
            package = next(Path(scratch).glob("earlyoom_*.deb"))
            subprocess.run(["dpkg", "-x", package, folder], check=True)
    return program


def image(kernel, build: Path, options, memory: int, swap: str) -> Path:
    """The common image with another first process, the load, and the guards."""
    base = build_base(kernel, ROOT / ".build/release/oomwitness", build)
    more = Archive()
    more.add("/bin/load", compiled(HERE / "load.c", build / "load").read_bytes())
    program = earlyoom()
    more.add("/bin/earlyoom", program.read_bytes())
    for library in libraries(program):
        more.add(str(library), library.read_bytes())
    # Archives are unpacked one over another: this one's /init is the one that stays.
    more.add("/guards/init", (HERE / "init").read_bytes())
    settings = {"CGROUP": "2", "SWAP": swap, "GUARDS": f"'{options.guards.replace(',', ' ')}'"}
    settings |= {"WORKLOADS": f"'{options.workloads.replace(',', ' ')}'", "SECONDS_EACH": str(SECONDS_EACH * memory // 512)}
    more.add("/job/settings", "".join(f"{key}={value}\n" for key, value in settings.items()).encode(), REGULAR)
    path = build / f"initrd-{memory}-{swap}"
    path.write_bytes(base + more.finish())
    return path


def milliseconds(load: dict, later: str, earlier: str) -> str:
    if later not in load or earlier not in load:
        return "-"
    return str(round((load[later] - load[earlier]) / 1000))


def row(memory: int, swap: str, line: dict) -> str:
    load = line["load"]
    signal = {15: "SIGTERM", 9: "SIGKILL"}.get(load.get("signal"), "-")
    if load["kernel"] and not load["by_term"]:
        first = "kernel"
    elif load["deaths"]:
        first = signal
    else:
        first = "nobody"
    hurt = 2 - line["bystanders"]
    cells = [f"{memory} MB", swap, load["mode"], line["guard"], first, milliseconds(load, "death_us", "short_us")]
    cells += [milliseconds(load, "back_us", "short_us"), str(load["deaths"]), str(load["kernel"]), str(hurt)]
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="6.12")
    parser.add_argument("--memory", default="512,2048", help="MiB")
    parser.add_argument("--swap", default="no,yes")
    parser.add_argument("--guards", default=",".join(GUARDS))
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--build", type=Path, default=ROOT / ".build/vm-guards")
    options = parser.parse_args()
    try:
        kernel = get_kernel(options.kernel)
    except KernelError as error:
        print(error, file=sys.stderr)
        return 2
    options.build.mkdir(parents=True, exist_ok=True)
    print("| memory | swap | workload | guard | first end | short to end, ms | short to back, ms | ended | by the kernel | bystanders hurt |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    failed = 0
    machine.APPEND += " rdinit=/guards/init"
    for memory in map(int, options.memory.split(",")):
        for swap in options.swap.split(","):
            place = options.build / f"{memory}-{swap}"
            place.mkdir(exist_ok=True)
            initrd = image(kernel, options.build, options, memory, swap)
            ended = machine.boot(kernel, initrd, memory, place, place / "results")
            if ended.problem:
                failed += 1
                print(ended.problem, file=sys.stderr)
            lines = place / "results/lines"
            for line in lines.read_text().splitlines() if lines.exists() else []:
                try:
                    print(row(memory, swap, json.loads(line)), flush=True)
                except (json.JSONDecodeError, KeyError):
                    print(f"not a result: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
