# SPDX-License-Identifier: Apache-2.0
"""Runs every scenario on every kernel in throw-away machines, and compares what the tracer said with what the kernel said.

    python3 Tests/VM/run.py                                all kernels, both cgroup versions, the best rung that each kernel has
    python3 Tests/VM/run.py --quick                        the few that stand for the rest
    python3 Tests/VM/run.py --no-tracer                    only that each scenario makes the kernel say what it is made for
    python3 Tests/VM/run.py --kernels 6.12 --scenarios storm,group --rungs fentry,tracepoint

A scenario is one file in guest/scenarios; its head says in which boot it runs, with which cgroup versions, and what the kernel's log has
to show for it (expected.py). Scenarios of one boot run one after another, each with a fresh tracer. What they left stays in

    BUILD/results/KERNEL/vCGROUP/RUNG/SCENARIO/
        kmsg.raw         the kernel's records since the scenario began, as /dev/kmsg gave them: `prio,seq,usec,flags;text`
        trace.ndjson     the tracer's standard output      trace.err    its standard error
        vmstat.before    /proc/vmstat when the tracer had begun, before the first hog        vmstat.after    before it ended
        analyze.ndjson   what `oomwitness analyze` makes of kmsg.raw afterwards, here on the host
        facts            KEY=VALUE (scenario, release, cgroup, rung, cpus, tracer_exit; whole_log=1 where kmsg.raw and the kills to be told
                         begin with the boot), then /proc/meminfo

and each machine's console in BUILD/boots. One line a kernel and scenario; the last is `N passed, N failed`; exit status 1 where one failed,
2 where it cannot run here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from compare import compare, read_facts
from expected import Scenario, read_scenarios, unexpected
from guest_image import build_base, build_settings
from kernels import SERIES, Kernel, KernelError, get_kernel
from live_and_log import compare_live
from machine import boot
from predictions import check_predictions
from predictions import Tally as Predictions

ROOT = Path(__file__).resolve().parents[2]
MEMORY_MIB = {"memcg": 1024, "system": 512, "fresh": 1024}  # by the kind of boot
PROBLEMS_SHOWN = 20  # of one scenario
PROBLEM_CHARACTERS = 2000
QUICK_KERNELS = ("5.10", "7.x")


@dataclass(frozen=True)
class Job:
    """One boot."""

    kernel: Kernel
    cgroup: int
    rung: str
    kind: str
    scenarios: tuple[Scenario, ...]

    @property
    def place(self) -> Path:
        return Path(self.kernel.series) / f"v{self.cgroup}" / self.rung


class Tally:
    """Prints each result as it comes, and counts."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.passed = 0
        self.failed = 0

    def tell(self, what: str, problems: list[str], kept: Path) -> None:
        with self.lock:
            if problems:
                self.failed += 1
                shown = [f"    {problem[:PROBLEM_CHARACTERS]}" for problem in problems[:PROBLEMS_SHOWN]]
                if len(problems) > PROBLEMS_SHOWN:
                    shown.append(f"    and {len(problems) - PROBLEMS_SHOWN} more")
                print(f"FAILED  {what}", *shown, f"    kept in {kept}", sep="\n", flush=True)
            else:
                self.passed += 1
                print(f"passed  {what}", flush=True)

    def remark(self, text: str) -> None:
        with self.lock:
            print(text, flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs the scenarios in throw-away machines and compares tracer and kernel.")
    parser.add_argument("--kernels", type=names, default=list(SERIES), help=f"of {', '.join(SERIES)} (default: all)")
    parser.add_argument("--cgroups", type=names, default=["2", "1"], help="2, 1 or both (default: both)")
    parser.add_argument("--scenarios", type=names, help="by the names of their files (default: all)")
    parser.add_argument("--rungs", type=names, default=["auto"], help="values of --probe (default: auto)")
    parser.add_argument("--no-tracer", action="store_true", help="check the scenarios alone")
    parser.add_argument("--quick", action="store_true", help=f"only kernels {' and '.join(QUICK_KERNELS)}, cgroup v2")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="machines at a time (default: one a CPU)")
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/oomwitness")
    parser.add_argument("--build", type=Path, default=ROOT / ".build/vm", help="where results and images go")
    parser.add_argument("--refresh", action="store_true", help="get the newest kernels, even where there are some in the cache")
    return parser.parse_args()


def names(text: str) -> list[str]:
    return text.split(",")


def plan(arguments: argparse.Namespace, scenarios: list[Scenario], tally: Tally) -> list[Job]:
    """One boot for each kernel, cgroup version, rung and kind."""
    jobs = []
    rungs = ["none"] if arguments.no_tracer else arguments.rungs
    for series in QUICK_KERNELS if arguments.quick else arguments.kernels:
        kernel = get_kernel(series, refresh=arguments.refresh)
        for cgroup in (2,) if arguments.quick else map(int, arguments.cgroups):
            if cgroup not in kernel.cgroup_versions():
                tally.remark(f"absent  {series} v{cgroup}: {kernel.release} has no memory controller for cgroup v{cgroup}")
                continue
            for rung in rungs:
                for kind in MEMORY_MIB:
                    fitting = tuple(scenario for scenario in scenarios if scenario.boot == kind and cgroup in scenario.cgroups)
                    jobs += [Job(kernel, cgroup, rung, kind, fitting)] if fitting else []
    return sorted(jobs, key=lambda job: -len(job.scenarios))


def perform(job: Job, bases: dict[str, bytes], binary: Path | None, build: Path, tally: Tally) -> None:
    """Boots, and judges each scenario of the boot. Without a `binary` that it does what it is made for."""
    folder = build / "boots" / job.place / job.kind
    results = build / "results" / job.place
    programs = {program for scenario in job.scenarios for program in scenario.needs}
    settings = build_settings(job.cgroup, job.rung, [scenario.name for scenario in job.scenarios], programs)
    for old in (folder, *(results / scenario.name for scenario in job.scenarios)):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True)
    initrd = folder / "initrd"
    initrd.write_bytes(bases[job.kernel.series] + settings)
    done = boot(job.kernel, initrd, MEMORY_MIB[job.kind], folder, results)
    initrd.unlink()
    for scenario in job.scenarios:
        problems = judge(scenario, results / scenario.name, binary)
        said = ""
        if scenario.name == "predict" and job.rung != "none":
            predicted = predictions(results / scenario.name)
            problems += predicted.mismatches
            said = f": {predicted.summary()}"
        tally.tell(f"{job.place} {scenario.name}{said}", problems, results / scenario.name)
    tally.remark(f"boot    {job.place} {job.kind}: {len(job.scenarios)} scenarios in {done.seconds:.1f} s")
    if done.problem:
        tally.tell(f"{job.place} boot of {job.kind}", [done.problem], folder)


def judge(scenario: Scenario, result: Path, binary: Path | None) -> list[str]:
    """What is wrong with one result: with the scenario itself, then with what the tracer and `analyze` made of it."""
    if not (result / "kmsg.raw").exists():
        return ["the guest did not come to its end"]
    problems = [f"scenario: {problem}" for problem in unexpected(scenario, result)]
    if not binary:
        return problems
    status = read_facts(result / "facts").get("tracer_exit")
    if status != "0":
        problems.append(f"tracer: exit status {status}: {(result / 'trace.err').read_text(errors='replace').strip()[-500:]}")
    return problems + compare(result) + compare_live(result, binary)


def predictions(result: Path) -> Predictions:
    facts = read_facts(result / "facts")
    return check_predictions(result, facts.get("release", ""), int(facts.get("cpus", 2)))


def main() -> int:
    arguments = parse_arguments()
    tally = Tally()
    scenarios = read_scenarios(arguments.scenarios)
    binary = None if arguments.no_tracer else arguments.binary
    if binary and not binary.exists():
        print(f"run.py: no {binary}: build it with make, or run with --no-tracer", file=sys.stderr)
        return 2
    arguments.build.mkdir(parents=True, exist_ok=True)
    try:
        jobs = plan(arguments, scenarios, tally)
    except KernelError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    bases = {job.kernel.series: build_base(job.kernel, binary, arguments.build) for job in jobs}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for future in [pool.submit(perform, job, bases, binary, arguments.build, tally) for job in jobs]:
            future.result()
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
