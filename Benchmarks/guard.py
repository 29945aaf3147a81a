# SPDX-License-Identifier: Apache-2.0
"""The guard beside earlyoom: what it takes at rest, and how long it takes to find whom to end among many processes."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from kills import Crowd, read
from tables import Section, median, ratio, verdict

AIM_PERCENT = 0.1
REST_SECONDS = 30
DECISIONS = 5
CROWD = 10000


def earlyoom(folder):
    """Installed, or Debian's program from its package, unpacked and not installed; None where there is neither."""
    installed = shutil.which("earlyoom")
    if installed:
        return installed
    with tempfile.TemporaryDirectory() as scratch:
        got = subprocess.run(["apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", "earlyoom"], cwd=scratch, capture_output=True, check=False)
        packages = list(pathlib.Path(scratch).glob("earlyoom_*.deb"))
        if got.returncode or not packages:
            return None
        subprocess.run(["dpkg", "-x", packages[0], folder], check=True)
    return f"{folder}/usr/bin/earlyoom"


def at_rest(command):
    """Percent of a processor after the first second, and resident megabytes of 10^6 bytes."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(1)
        spent = lambda: int(read(f"/proc/{process.pid}/schedstat").split()[0]) / 1e9
        began, first = time.monotonic(), spent()
        time.sleep(REST_SECONDS)
        share = 100 * (spent() - first) / (time.monotonic() - began)
        resident = next(int(line.split()[1]) for line in read(f"/proc/{process.pid}/status").splitlines() if line.startswith("VmRSS"))
        process.terminate()
    return share, resident * 1024 / 1e6


def ours_decides(binary, *options):
    """Milliseconds from a reading to the signal that a dry run does not send."""
    command = [binary, "guard", "--dry-run", "-m", "100,0", "-s", "100,0", "--output", "ndjson", "--duration", "1", *options]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(said.splitlines()[0])["latency"]["threshold_to_signal_us"] / 1000


def theirs_decides(binary, *options):
    """The same of earlyoom, as it says itself with -d; a dry run too."""
    with subprocess.Popen([binary, "--dryrun", "-d", "-m", "99,98", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        times = []
        for line in process.stdout:  # the first is that of its test at start
            found = re.search(r"selecting victim took (\d+\.\d+) ms", line)
            times += [float(found[1])] if found else []
            if len(times) == 2:
                break
        process.terminate()
        process.stdout.read()
    if len(times) < 2:
        raise RuntimeError("earlyoom did not decide")
    return times[1]


def measure(options):
    section = Section(
        "The guard",
        f"Beside earlyoom where apt has it. At rest: {REST_SECONDS} s with memory far from the thresholds, CPU time from schedstat. Deciding: a dry run",
        f"with everything below its threshold, {DECISIONS} times; ours from the end of the reading to where the signal would be sent, theirs as `-d` says it.")
    theirs = earlyoom(options.folder)
    programs = {"oomwitness guard": [options.binary, "guard", "--dry-run", "-m", "0.01,0", "-s", "100"]}
    if theirs:
        programs["earlyoom"] = [theirs, "--dryrun", "-m", "1", "-r", "0"]
    rest = {}
    for name, command in programs.items():
        options.progress(f"guard: {name} at rest for {REST_SECONDS} s")
        rest[name] = at_rest(command)
    section.table(["at rest", "% of a processor", "RSS MB"], [[name, f"{share:.4f}", megabytes] for name, (share, megabytes) in rest.items()])
    patterns = ("--prefer", "^java$", "--avoid", "^(sshd|init)$")
    with Crowd(CROWD):
        options.progress(f"guard: deciding among {CROWD} sleepers")
        rows, middles = [], {}
        for name, decide, binary in [("oomwitness guard", ours_decides, options.binary), ("earlyoom", theirs_decides, theirs)]:
            for what, more in [("no pattern", ()), ("two patterns", patterns)]:
                if binary:
                    times = [decide(binary, *more) for _ in range(DECISIONS)]
                    middles[name, what] = median(times)
                    rows.append([name, what, median(times), max(times), ratio(median(times), middles["oomwitness guard", what])])
    section.say(f"**One decision among {CROWD:,} sleepers more:**")
    section.table(["program", "patterns", "median ms", "most ms", "median / ours"], rows)
    share = rest["oomwitness guard"][0]
    section.say(f"Aim: under {AIM_PERCENT} % of a processor at rest: {verdict(share, AIM_PERCENT)} ({share:.4f}).")
    return section
