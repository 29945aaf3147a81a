# SPDX-License-Identifier: Apache-2.0
"""`oomwitness history` at a million events, beside sqlite3(1) over the same file.

    python3 Benchmarks/history.py FILE [EVENTS]      makes such lines
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

from tables import Section, median, ratio

HERE = pathlib.Path(__file__).resolve().parent
SAMPLE = HERE.parent / "Tests/VM/Fixtures/6.12-v2-memcg/trace.ndjson"
EVENTS, ROUNDS = 1_000_000, 5
SECOND, DAY = 10**9, 86_400 * 10**9
BEGIN = 1_795_564_800 * SECOND
HOSTS, NAMES, PODS = 200, 400, 3000


def stamp(nanoseconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // SECOND)) + f".{nanoseconds % SECOND:09d}Z"


def samples():
    """A real kill and its outcome; of the candidates three stay, so that a line has a kilobyte and a half and not eight."""
    lines = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    kill = next(line for line in lines if line["type"] == "oom_kill")
    outcome = next(line for line in lines if line["type"] == "oom_outcome")
    if "candidates" in kill:
        kill["candidates"]["list"] = kill["candidates"]["list"][:3]
    return kill, outcome


def make_lines(path, count=EVENTS):
    """A fleet's week: half of the lines are kills, half their outcomes, in order of time."""
    numbers = random.Random(1)
    kill, outcome = samples()
    boots = [f"{numbers.getrandbits(32):08x}-0000-4000-8000-{numbers.getrandbits(48):012x}" for _ in range(HOSTS)]
    sequences = [0] * HOSTS
    with open(path, "w", encoding="utf-8") as file:
        for place in range(count // 2):
            host = numbers.randrange(HOSTS)
            at = BEGIN + place * 7 * DAY // (count // 2)
            pid = 1000 + place % 4_000_000
            comm = f"app-{int(NAMES * numbers.random() ** 2)}"
            pod = numbers.randrange(PODS)
            for line, later in ((kill, 0), (outcome, 20_000_000)):
                sequences[host] += 1
                line |= {"time": stamp(at + later), "monotonic_ns": at + later - BEGIN + 10**12, "host": f"node-{host}",
                         "boot_id": boots[host], "seq": sequences[host], "decision": dict(line["decision"], id=place + 1)}
                line["victim"] |= {"pid": pid, "comm": comm}
                if "tid" in line["victim"]:
                    line["victim"]["tid"] = pid
                    line["victim"]["start_time"] = stamp(at - 600 * SECOND)
                    line["victim"]["cgroup"] = {"path": f"/kubepods/burstable/pod{pod:08x}/app", "id": pod + 1, "version": 2}
                    line["victim"]["kubernetes"] = {"namespace": f"team-{pod % 40}", "pod": f"cart-{pod}", "container": "app"}
                file.write(json.dumps(line, separators=(",", ":")) + "\n")


def run(command, output):
    """Seconds, and megabytes of resident memory at the most; what it says goes to the file `output`.

    The kernel counts the memory of whoever forked to a program's ru_maxrss: this process has to stay small.
    """
    began = time.monotonic()
    with open(output, "wb") as file, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE) as process:
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])} ended with {process.returncode}: {errors.decode()[:300]}")
    return seconds, usage.ru_maxrss / 1024


def contents(path):
    """How many lines a file has, and a number that is the same for the same lines in any order."""
    count, total = 0, 0
    with open(path, "rb") as file:
        for line in file:
            count += 1
            total += int.from_bytes(hashlib.blake2b(line.rstrip(b"\n"), digest_size=16).digest(), "big")
    return count, total % 2**128


def queries(binary, database):
    """What is asked -> our command, and the same in SQL for sqlite3(1)."""
    ours = lambda *words: [binary, "history", *words, "--database", database]
    theirs = lambda sql: ["sqlite3", "-readonly", database, sql]
    lines = "SELECT l.line FROM events e JOIN lines l ON l.id = e.id WHERE e.type = 'oom_kill'"
    last = "ORDER BY e.order_ns DESC, e.seq DESC LIMIT 50"
    day = BEGIN + 3 * DAY
    return {
        "the last 50 kills": (ours("list", "--output", "ndjson"), theirs(f"{lines} {last}")),
        "50 of a rare name": (
            ours("list", "--output", "ndjson", "--victim", "app-39[0-9]"), theirs(f"{lines} AND e.comm GLOB 'app-39[0-9]' {last}")),
        "50 of one pod": (
            ours("list", "--output", "ndjson", "--pod", "team-7/cart-7"),
            theirs(f"{lines} AND e.namespace || '/' || e.pod GLOB 'team-7/cart-7' {last}")),
        "a name that nobody has": (
            ours("list", "--output", "ndjson", "--victim", "nobody*"), theirs(f"{lines} AND e.comm GLOB 'nobody*' {last}")),
        "all kills of one hour": (
            ours("export", "--type", "oom_kill", "--since", stamp(day), "--until", stamp(day + DAY // 24)),
            theirs(f"{lines} AND e.order_ns >= {day} AND e.order_ns < {day + DAY // 24} ORDER BY e.order_ns, e.seq, e.source_id")),
        "export of all": (ours("export"), theirs("SELECT line FROM lines ORDER BY id")),
    }


def measure(options):
    lines, database = f"{options.folder}/fleet.ndjson", f"{options.folder}/fleet.db"
    make_lines(lines)
    size = os.path.getsize(lines)
    output = f"{options.folder}/said"
    importing = [options.binary, "history", "import", "--database", database, lines]
    options.progress("history: import")
    seconds, megabytes = run(importing, output)
    said = pathlib.Path(output).read_text(encoding="utf-8")
    again, _ = run(importing, output)
    doubled = pathlib.Path(output).read_text(encoding="utf-8")
    if f"{EVENTS} stored" not in said or f"{EVENTS} there already" not in doubled:
        raise RuntimeError(f"the import said {said!r}, then {doubled!r}")
    kept = os.path.getsize(database)
    section = Section(
        "History",
        f"{EVENTS:,} lines of {HOSTS} hosts, made of one real kill and its outcome ({size / 1e6:,.0f} MB), imported into a file, and asked for.",
        f"Queries are whole runs of the command, with its start, beside sqlite3(1) with the same in SQL over the same file, from the page",
        f"cache; medians of {ROUNDS} runs. What both print is held against each other.")
    section.table(
        ["", "lines a second", "s", "MB resident"],
        [["import", EVENTS / seconds, seconds, megabytes], ["import of the same again", EVENTS / again, again, None]])
    section.say(f"The file has {kept / 1e6:,.0f} MB: {kept / EVENTS:,.0f} bytes an event, of which its line has {size / EVENTS:,.0f}.")
    rows = []
    for name, (ours, theirs) in queries(options.binary, database).items():
        options.progress(f"history: {name}")
        rounds = 1 if name == "export of all" else ROUNDS
        taken, beside, answers = [], [], set()
        has_sqlite = shutil.which("sqlite3") is not None
        for _ in range(rounds):
            seconds, megabytes = run(ours, output)
            taken.append(seconds * 1000)
            answers.add(contents(output))
            if has_sqlite:
                seconds, _ = run(theirs, output)
                beside.append(seconds * 1000)
                answers.add(contents(output))
        if len(answers) != 1:
            raise RuntimeError(f"{name}: sqlite3 answers something else")
        count, _ = answers.pop()
        theirs_ms = median(beside) if beside else None
        rows.append([name, count, median(taken), theirs_ms, ratio(theirs_ms, median(taken)), megabytes])
    seconds, megabytes = run([options.binary, "history", "stats", "--database", database], output)
    rows.append(["stats: the sums of all kills", EVENTS // 2, seconds * 1000, None, "-", megabytes])
    section.table(["", "lines", "ours, ms", "sqlite3, ms", "sqlite3 / ours", "ours, MB resident"], rows)
    return section


if __name__ == "__main__":
    make_lines(sys.argv[1], *map(int, sys.argv[2:3]))
