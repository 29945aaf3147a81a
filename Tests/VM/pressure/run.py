# SPDX-License-Identifier: Apache-2.0
"""`oomwitness pressure` on real PSI and a real cgroup v2, in throw-away machines of each kernel; judge.py says what is wrong.

    python3 Tests/VM/pressure/run.py                               all kernels, all scenes
    python3 Tests/VM/pressure/run.py --kernels 6.12 --scenes stall

What each scene left stays in BUILD/KERNEL/results/SCENE. The last line is `N passed, N failed`; exit status 1 where one failed, 2
where it cannot run here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import machine  # noqa: E402
from guest_image import Archive, build_base, compiled  # noqa: E402
from judge import SCENES, judge  # noqa: E402
from kernels import SERIES, Kernel, KernelError, get_kernel  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
MEMORY_MIB = 768
SILENT_SECONDS = 420  # scenes wait for half a minute at a time, in seconds of a guest that may get a tenth of a processor


def image(kernel: Kernel, binary: Path, build: Path, scenes: list[str]) -> bytes:
    """The common image with another first process, and what looks at the kernel's files beside the watch."""
    more = Archive()
    more.add("/bin/sampler", compiled(HERE / "sampler.c", build / "sampler").read_bytes())
    more.add("/pressure/init", (HERE / "init").read_bytes())
    more.add("/job/settings", f"CGROUP=2\nSCENES='{' '.join(scenes)}'\n".encode())
    return build_base(kernel, binary, build) + more.finish()


def perform(kernel: Kernel, binary: Path, build: Path, scenes: list[str]) -> list[tuple[str, list[str], list[str]]]:
    """Boots. For each scene its name, what is wrong with it, and what was measured."""
    folder = build / kernel.series
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "image").mkdir(parents=True)
    initrd = folder / "initrd"
    initrd.write_bytes(image(kernel, binary, folder / "image", scenes))
    done = machine.boot(kernel, initrd, MEMORY_MIB, folder, folder / "results")
    initrd.unlink()
    outcomes = []
    for scene in scenes:
        problems, figures = judge(scene, folder / "results" / scene)
        outcomes.append((f"{kernel.series} {scene}", problems, figures))
    if done.problem:
        outcomes.append((f"{kernel.series} boot", [done.problem], []))
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", default=",".join(SERIES))
    parser.add_argument("--scenes", default=",".join(SCENES))
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="machines at a time (default: one a CPU)")
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/oomwitness")
    parser.add_argument("--build", type=Path, default=ROOT / ".build/vm-pressure")
    options = parser.parse_args()
    if not options.binary.exists():
        print(f"run.py: no {options.binary}: build it with make", file=sys.stderr)
        return 2
    try:
        kernels = [get_kernel(series) for series in options.kernels.split(",")]
    except KernelError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    machine.STALL_SECONDS = SILENT_SECONDS
    # no_timer_check: where the host is busy the kernel misses its first ticks, and gives up.
    machine.APPEND += " rdinit=/pressure/init no_timer_check"
    passed = failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(perform, kernel, options.binary, options.build, options.scenes.split(",")) for kernel in kernels]
        for run in runs:
            for what, problems, figures in run.result():
                failed, passed = (failed + 1, passed) if problems else (failed, passed + 1)
                print(f"{'FAILED' if problems else 'passed'}  {what}{''.join(f'; {figure}' for figure in figures)}")
                for problem in problems:
                    print(f"    {problem}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
