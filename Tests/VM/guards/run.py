# SPDX-License-Identifier: Apache-2.0
"""Compares guards of memory in throw-away machines: six workloads, two sizes, with and without swap.

    python3 Tests/VM/guards/run.py                             everything; prints the table of docs/guard.md
    python3 Tests/VM/guards/run.py --memory 512 --swap no --guards oomwitness,earlyoom --workloads fast,leak --repeat 1
    python3 Tests/VM/guards/run.py --systemd                   beside systemd-oomd, where all of them are units
    python3 Tests/VM/guards/run.py --check                     only whether ours does what it should: make vmtest-guards

earlyoom and nohang come from this machine's own apt, and are unpacked, not installed. Guards take turns row by row, each row
`--repeat` times; times are medians. When a signal is sent the kernel's own tracing says, for all guards alike; the rest is what
load.c sees, which looks every two milliseconds. Under emulation times are larger than on any host, and comparable with each
other alone. A machine has one processor: qemu runs two of them in turns of up to 100 ms, which hides all else. Two machines run at
once, with all right of way that this host can give (nice -20), so that what else it does weighs little: 14 minutes in all.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import check  # noqa: E402
import machine  # noqa: E402
import systemd_guest  # noqa: E402
from guest_image import REGULAR, Archive, build_base, compiled  # noqa: E402
from kernels import KernelError, get_kernel  # noqa: E402
from programs import add_earlyoom, add_nohang  # noqa: E402

ROOT = HERE.parents[2]
WORKLOADS = ("fast", "leak", "bomb", "cache", "deaf", "thrash")
GUARDS = ("oomwitness", "earlyoom", "nohang", "none")
SECONDS_EACH = 30
SECONDS_OF_CACHE = 4
SECONDS_OF_BOMB = 15
FILL_PERCENT = {512: 50, 2048: 75}
# One processor: see above. What clears a page by single bytes is emulated byte by byte, and takes ten times as long. Without
# prealloc the first who fills the guest waits for this host to find each page.
MACHINE = {"processors": 1, "cpu": ",-erms,-fsrm", "memory": ",prealloc=on"}
HEAD = (
    "memory", "swap", "workload", "guard", "in time", "right one", "short to signal, ms", "short to end, ms",
    "short to back, ms", "it says, ms", "ended", "by the kernel", "bystanders hurt",
)  # fmt: skip


def settings(options, memory: int, swap: str) -> bytes:
    """What rows.sh reads."""
    lines = {"CGROUP": "2", "SWAP": swap, "REPEAT": options.repeat, "FILL": FILL_PERCENT.get(memory, 50)}
    lines |= {"GUARDS": f"'{options.guards.replace(',', ' ')}'", "WORKLOADS": f"'{options.workloads.replace(',', ' ')}'"}
    lines |= {"SECONDS_EACH": SECONDS_EACH, "SECONDS_OF_CACHE": SECONDS_OF_CACHE, "SECONDS_OF_BOMB": SECONDS_OF_BOMB}
    return "".join(f"{key}={value}\n" for key, value in lines.items()).encode()


def image(kernel, build: Path, options, memory: int, swap: str) -> Path:
    """The common image with another first process, the load, and the guards."""
    base = build_base(kernel, options.binary, build)
    more = Archive()
    more.add("/bin/load", compiled(HERE / "load.c", build / "load").read_bytes())
    add_earlyoom(more)
    add_nohang(more)
    # Archives are unpacked one over another: this one's /init is the one that stays.
    for name in ("init", "rows.sh"):
        more.add(f"/guards/{name}", (HERE / name).read_bytes())
    more.add("/job/settings", settings(options, memory, swap), REGULAR)
    path = build / f"initrd-{memory}-{swap}"
    path.write_bytes(base + more.finish())
    return path


def median_milliseconds(lines: list[dict], later: str, earlier: str) -> str:
    loads = [line["load"] for line in lines]
    spans = [load[later] - load[earlier] for load in loads if later in load and earlier in load]
    return str(round(statistics.median(spans) / 1000)) if spans else "-"


def is_in_time(line: dict) -> bool:
    """Somebody was ended, and the kernel ended nobody. Of a cache that nobody was."""
    load = line["load"]
    if load["mode"] == "cache":
        return load["deaths"] == 0 and load["kernel"] == 0
    return load["deaths"] > 0 and load["kernel"] == 0


def is_right(line: dict) -> bool:
    return is_in_time(line) and line["bystanders"] == 2 and line["guard_lives"] == "yes"


def row(memory: int, swap: str, lines: list[dict]) -> str:
    load = lines[0]["load"]
    own = [line["own_us"] for line in lines if line["own_us"] is not None]
    cells = [f"{memory} MB", swap, load["mode"], lines[0]["guard"]]
    cells += [f"{sum(map(count, lines))} of {len(lines)}" for count in (is_in_time, is_right)]
    cells += [median_milliseconds(lines, name, "short_us") for name in ("signal_us", "death_us", "back_us")]
    cells += [f"{statistics.median(own) / 1000:.1f}" if own else "-"]
    cells += [f"{statistics.median(line['load'][key] for line in lines):g}" for key in ("deaths", "kernel")]
    cells += [f"{statistics.median(2 - line['bystanders'] for line in lines):g}"]
    return "| " + " | ".join(cells) + " |"


def never_short(line: dict) -> bool:
    load = line["load"]
    return load["mode"] != "cache" and "short_us" not in load and load["deaths"] == 0


def results(console: str) -> list[dict]:
    found = []
    for text in re.findall(r"^row: (\{.*\})\r?$", console, re.MULTILINE):
        try:
            line = json.loads(text)
            load = line["load"]
            # After load.c is over the guard's own end is a signal too.
            if line["first"] and load["deaths"]:
                load["signal_us"] = line["first"]["us"] - load["began_us"]
            found.append(line)
        except (json.JSONDecodeError, KeyError):
            print(f"not a result: {text}", file=sys.stderr)
    return found


def totals(all_lines: list[tuple[int, str, dict]], guards: list[str]) -> list[str]:
    """How often each was in time, and what it took beside ours where both were: the median of the ratios of the rows' medians."""
    text = ["", "| guard | in time | right one | times in which it was slower than ours | its time to ours, median of rows |", "|---|---|---|---|---|"]
    spans = defaultdict(list)
    for memory, swap, line in all_lines:
        load = line["load"]
        if load["mode"] != "cache" and is_in_time(line) and "short_us" in load:
            spans[memory, swap, load["mode"], line["guard"]].append(max(1, load["death_us"] - load["short_us"]))
    for guard in guards:
        lines = [line for _, _, line in all_lines if line["guard"] == guard]
        ratios = [
            statistics.median(values) / statistics.median(spans[*key[:3], "oomwitness"])
            for key, values in spans.items()
            if key[3] == guard and spans.get((*key[:3], "oomwitness"))
        ]
        slower = f"{sum(ratio > 1 for ratio in ratios)} of {len(ratios)} rows" if guard != "oomwitness" else "-"
        share = f"{statistics.median(ratios):.2f}" if ratios else "-"
        counts = [f"{sum(map(count, lines))} of {len(lines)}" for count in (is_in_time, is_right)]
        text.append("| " + " | ".join([guard, *counts, slower, share]) + " |")
    return text


def systemd_image(kernel, build: Path, options, memory: int, swap: str) -> Path:
    """The guest with systemd. The common image is built for the stripped program alone."""
    build_base(kernel, options.binary, build)
    path = build / f"initrd-systemd-{memory}-{swap}"
    return systemd_guest.build_image(kernel, options.binary, build, settings(options, memory, swap), path)


def compare(kernel, options) -> int:
    failed, kept, table = 0, [], []
    guards = options.guards.split(",")
    # A busy host makes the kernel believe that its timer does not work.
    machine.APPEND += systemd_guest.APPEND if options.systemd else " rdinit=/guards/init no_timer_check"
    make_image = systemd_image if options.systemd else image
    machines = [(int(memory), swap) for memory in options.memory.split(",") for swap in options.swap.split(",")]
    images = [make_image(kernel, options.build, options, memory, swap) for memory, swap in machines]

    def boot(number: int) -> tuple[machine.Boot, list[dict]]:
        memory, swap = machines[number]
        place = options.build / f"{memory}-{swap}"
        place.mkdir(exist_ok=True)
        disks = {"cache": 2 * memory << 20}
        ended = machine.boot(kernel, images[number], memory, place, place / "results", more_disks=disks, **MACHINE)
        print(f"{memory} MB, swap {swap}: {ended.seconds:.0f} s", file=sys.stderr, flush=True)
        return ended, results(machine.read_console(place / "console.txt"))

    with ThreadPoolExecutor(options.jobs) as pool:
        booted = list(pool.map(boot, range(len(machines))))
    for (memory, swap), (ended, lines) in zip(machines, booted, strict=True):
        if ended.problem:
            failed += 1
            print(ended.problem, file=sys.stderr)
        groups = defaultdict(list)
        for line in lines:
            groups[line["load"]["mode"], line["guard"]].append(line)
            kept.append((memory, swap, line))
            if never_short(line):
                print(f"never short: {line}", file=sys.stderr)
        for workload in options.workloads.split(","):
            table += [row(memory, swap, groups[workload, guard]) for guard in guards if groups[workload, guard]]
    print("| " + " | ".join(HEAD) + " |")
    print("|---" * len(HEAD) + "|")
    print("\n".join(table + totals(kept, guards)))
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systemd", action="store_true", help="beside systemd-oomd, in a guest with systemd")
    parser.add_argument("--kernel", help="default: 6.12; with --systemd 6.1")
    parser.add_argument("--memory", help="MiB, default: 512,2048; with --systemd 1024")
    parser.add_argument("--swap", default="no,yes")
    parser.add_argument("--guards", help="default: oomwitness,earlyoom,nohang,none; with --systemd oomwitness,systemd-oomd,none")
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="whether ours acts where it should, on cgroup v2 and PSI; no comparison")
    parser.add_argument("--jobs", type=int, default=2, help="machines at once; each takes one processor of this host")
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/oomwitness")
    parser.add_argument("--build", type=Path, default=ROOT / ".build/vm-guards")
    options = parser.parse_args()
    options.kernel = options.kernel or (systemd_guest.SERIES if options.systemd else "6.12")
    options.memory = options.memory or (str(systemd_guest.MEMORY_MIB) if options.systemd else "512,2048")
    options.guards = options.guards or ",".join(systemd_guest.GUARDS if options.systemd else GUARDS)
    try:
        kernel = get_kernel(options.kernel)
    except KernelError as error:
        print(error, file=sys.stderr)
        return 2
    options.build.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except PermissionError:
        print("without the right to nice -20: what else this host does weighs in", file=sys.stderr)
    if options.check:
        return check.run(kernel, options.binary, options.build, MACHINE)
    status = compare(kernel, options)
    took = time.monotonic() - began
    print(f"\n{kernel.release}, {options.repeat} runs of each row, {took / 60:.0f} minutes in all", file=sys.stderr)
    return status


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
