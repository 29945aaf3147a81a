# SPDX-License-Identifier: Apache-2.0
"""Loads the BPF objects of arm64 into Debian's arm64 kernels, provokes kills, and compares the records with the kernel's log.

    python3 Tests/VM/arm64/run.py
    python3 Tests/VM/arm64/run.py --kernels 6.1 --rungs kprobe --scenarios memcg

The frame is that of ../run.py: its kernels, machine, guest and scenarios. In the place of the tracer stands loader.c, a static program that
loads the same objects, program by program as Sources/KernelProbe/RungPrograms.swift lists them, and writes each record as a line. Compiler
and emulator are this machine's; libbpf, libelf, zlib and busybox for arm64 are unpacked from Debian's packages into BUILD/sysroot.

One line for each kernel and rung; the last is `N passed, N failed`; exit status 1 where one failed, 2 where it cannot run here.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

from compare import read_facts
from expected import Scenario, read_scenarios, unexpected
from guest_image import Archive, build_base, build_settings, compiled
from kernels import Apt, Kernel, KernelError, cache_folder, get_kernel
from machine import boot
from records import Comparison

ROOT = HERE.parents[2]
BUILD = ROOT / ".build/vm-arm64"  # the Makefile puts the skeletons here
RUNGS = ("fentry", "kprobe", "tracepoint")
KERNELS = {  # the rungs that each does not have. Kernel: arm64 has BPF trampolines since 6.0, and ftrace that calls them since 6.4
    "5.10": {"fentry"},
    "6.1": {"fentry"},
    "6.12": set(),
    "7.x": set(),
}
SCENARIOS = ["adjusted", "kinds", "memcg"]
COMPILER = "aarch64-linux-gnu-gcc"
PACKAGES = ("libbpf-dev", "libelf-dev", "zlib1g-dev", "busybox-static")
SPLIT_BADNESS = "kretprobe_oom_badness@oom_badness.part.0?"
MEMORY_MIB = 1024
PROBLEMS_SHOWN = 20


def main() -> int:
    arguments = parse_arguments()
    try:
        loader = build_loader(get_sysroot())
        kernels = [get_kernel(series, architecture="arm64") for series in arguments.kernels]
    except (KernelError, subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    scenarios = read_scenarios(arguments.scenarios)
    results = []
    for kernel in kernels:
        base = build_base(kernel, None, BUILD, busybox=BUILD / "sysroot/bin/busybox", compiler=COMPILER)
        image = base + build_stand_in(loader)
        results += [perform(kernel, rung, image, scenarios) for rung in arguments.rungs]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) and results else 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Loads the BPF objects of arm64 and compares what they tell with the kernel's log.")
    parser.add_argument("--kernels", type=names, default=list(KERNELS), help=f"of {', '.join(KERNELS)} (default: all)")
    parser.add_argument("--rungs", type=names, default=list(RUNGS), help=f"of {', '.join(RUNGS)} (default: all)")
    parser.add_argument("--scenarios", type=names, default=SCENARIOS, help=f"default: {','.join(SCENARIOS)}")
    return parser.parse_args()


def names(text: str) -> list[str]:
    return text.split(",")


def get_sysroot() -> Path:
    """Headers, static libraries and busybox of arm64. `complete` is written last."""
    sysroot = BUILD / "sysroot"
    if not (sysroot / "complete").exists():
        shutil.rmtree(sysroot, ignore_errors=True)
        packages = BUILD / "packages"
        packages.mkdir(parents=True, exist_ok=True)
        apt = Apt(cache_folder() / "apt/bookworm-arm64", "bookworm", True, "arm64")
        apt.run("update", "-qq")
        apt.run("download", "-qq", *PACKAGES, cwd=packages)
        for package in packages.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, sysroot], check=True)
        (sysroot / "complete").touch()
    return sysroot


def build_loader(sysroot: Path) -> Path:
    skeletons = [BUILD / f"{name}.skel.h" for name in ("oomwitness", "tasks")]
    subprocess.run(["make", "-s", *(str(path.relative_to(ROOT)) for path in skeletons)], cwd=ROOT, check=True)
    include = [f"-I{folder}" for folder in (BUILD, ROOT / "bpf/include", sysroot / "usr/include")]
    libraries = [f"-L{sysroot}/usr/lib/aarch64-linux-gnu", "-lbpf", "-lelf", "-lz"]
    return compiled(HERE / "loader.c", BUILD / "loader", COMPILER, include + libraries)


def build_stand_in(loader: Path) -> bytes:
    """The loader where the frame looks for the tracer, and the programs of each rung."""
    archive = Archive()
    archive.add("/bin/loader", loader.read_bytes())
    archive.add("/bin/oomwitness", (HERE / "guest/oomwitness.sh").read_bytes())
    for rung, programs in read_programs().items():
        archive.add(f"/job/{rung}", " ".join(programs).encode())
    return archive.finish()


def read_programs() -> dict[str, list[str]]:
    """The programs of each rung, `?` after those that it can do without. File: Sources/KernelProbe/RungPrograms.swift"""
    text = (ROOT / "Sources/KernelProbe/RungPrograms.swift").read_text()
    blocks = re.split(r"\n +case \.(?=fentry:|kprobe:|tracepoint:)|\n +(?=programs =)", text)
    found = {}
    for block in blocks[1:]:
        program = r'(hook|tracepoint)\("[^"]+", p\.(\w+)(?:, on: "\w+")?(?:, required: (\w+))?\)'
        programs = [name + ("?" if required == "false" else "") for _, name, required in re.findall(program, block)]
        programs += [f"{name}?" for name in re.findall(r"pointer: p\.(\w+), target: \.iteratorOnce, required: false", block)]
        if len(programs) != len(re.findall(r"\bp\.\w+", block)):
            raise SystemExit(f"run.py: RungPrograms.swift is written in another way than it was: {block[:60]!r}")
        found[re.match(r"\w+", block)[0]] = programs
    every = found.pop("programs")
    split = {"fentry": [SPLIT_BADNESS], "kprobe": [SPLIT_BADNESS], "tracepoint": []}
    return {rung: found[rung] + split[rung] + every for rung in RUNGS}


def perform(kernel: Kernel, rung: str, image: bytes, scenarios: list[Scenario]) -> bool:
    """One boot, and its line."""
    folder = BUILD / "boots" / kernel.series / rung
    results = BUILD / "results" / kernel.series / rung
    for old in (folder, results):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True)
    initrd = folder / "initrd"
    initrd.write_bytes(image + build_settings(2, rung, [scenario.name for scenario in scenarios]))
    done = boot(kernel, initrd, MEMORY_MIB, folder, results)
    initrd.unlink()
    problems, told, compared = [done.problem] if done.problem else [], {}, 0
    for scenario in scenarios:
        wrong, said, count = judge(kernel, rung, scenario, results / scenario.name)
        problems += [f"{scenario.name}: {problem}" for problem in wrong]
        told[said] = None
        compared += count
    head = f"{kernel.release} {rung}"
    if problems:
        shown = [f"    {problem}" for problem in problems[:PROBLEMS_SHOWN]]
        print(f"FAILED  {head}: {len(problems)} problems", *shown, f"    kept in {results}", sep="\n", flush=True)
    else:
        count = f"{compared} comparisons in {len(scenarios)} scenarios, {done.seconds:.1f} s"
        print(f"passed  {head}: {count}; {'; '.join(told)}", flush=True)
    return not problems


def judge(kernel: Kernel, rung: str, scenario: Scenario, result: Path) -> tuple[list[str], str, int]:
    """What is wrong with one result, what is to be told of the rung, and how much was compared."""
    if not (result / "kmsg.raw").exists():
        return ["the guest did not come to its end"], "", 0
    (result / "trace.ndjson").rename(result / "records.txt")  # where the frame puts a tracer's output: ours is no JSON
    problems = [f"scenario: {problem}" for problem in unexpected(scenario, result)]
    status = read_facts(result / "facts").get("tracer_exit")
    comparison = Comparison(rung, result)
    refused = ", ".join(line.text.removeprefix("refused ") for line in comparison.of("refused")) or "nothing"
    if rung in KERNELS[kernel.series]:
        if status != "2" or refused == "nothing":
            problems.append(f"this kernel was thought not to have it: exit status {status}, refused {refused}")
        return problems, f"refused, as known: {refused}", 0
    if status != "0":
        said = (result / "trace.err").read_text(errors="replace").strip()[-1500:]
        return [*problems, f"loader: exit status {status}, refused {refused}: {said}"], "", 0
    problems += comparison.run()
    return problems, f"refused {refused}", comparison.compared


if __name__ == "__main__":
    sys.exit(main())
