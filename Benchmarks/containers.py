# SPDX-License-Identifier: Apache-2.0
"""`oomwitness containers` beside `docker stats --no-stream`, and what it takes to name a thousand containers."""

import json
import os
import pathlib
import select
import shutil
import subprocess
import time

from kills import V1, V2
from scores import run
from tables import Section, median, quantile

NAMED, LISTED, REAL = 1000, 500, 50
LOOKS, COLD_RUNS, OURS_RUNS, THEIRS_RUNS = 5, 11, 21, 5
AIM_TIMES = 10
LIMIT = "64m"
OURS, THEIRS = "oomwitness containers", "docker stats --no-stream"


class Groups:
    """So many empty cgroups, named as Docker's cgroupfs driver names them; removed at the end of the `with`."""

    def __init__(self, count):
        top = V1 if os.path.exists(f"{V1}/memory.limit_in_bytes") else V2
        self.parent = f"{top}/oomwitness-bench-{os.getpid()}"
        self.ids = [f"{os.getpid():08x}{number:08x}" + "5e" * 24 for number in range(count)]

    def __enter__(self):
        os.makedirs(f"{self.parent}/docker")
        for name in self.ids:
            os.mkdir(f"{self.parent}/docker/{name}")
        return self

    def __exit__(self, *exception):
        for name in self.ids:
            os.rmdir(f"{self.parent}/docker/{name}")
        os.rmdir(f"{self.parent}/docker")
        os.rmdir(self.parent)


def states(folder, ids):
    """Docker's own files of these containers, below a data root. Source: moby's container/container.go, ToDisk()."""
    for number, name in enumerate(ids):
        path = pathlib.Path(folder) / "containers" / name
        path.mkdir(parents=True)
        config = {"ID": name, "Name": f"/bench-{number}", "Driver": "vfs", "State": {"Running": True, "Pid": 1},
                  "Config": {"Image": "bb:latest", "Env": ["A=1"] * 20, "Cmd": ["/bin/sleep", "1000"],
                             "Labels": {"com.docker.compose.project": "bench", "com.docker.compose.service": f"s{number}"}}}
        (path / "config.v2.json").write_text(json.dumps(config), encoding="utf-8")


def with_state(folder, command):
    """The command where /var/lib/docker is that folder, for it alone."""
    os.makedirs("/var/lib/docker", exist_ok=True)
    return ["unshare", "-m", "sh", "-c", f'mount --bind "{folder}" /var/lib/docker && exec "$@"', "sh", *command]


def watched(command):
    """Milliseconds of a processor: the first look with the start, and each look after it, from a program that goes on."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
    spent, pending, last = [], b"", 0.0
    while len(spent) < LOOKS:
        select.select([process.stdout], [], [], 10)
        pending += os.read(process.stdout.fileno(), 1 << 20)
        if not pending.endswith(b"\n"):
            continue
        pending = b""
        time.sleep(0.02)
        with open(f"/proc/{process.pid}/schedstat", encoding="ascii") as file:
            now = int(file.read().split()[0]) / 1e6
        spent.append(now - last)
        last = now
    process.terminate()
    process.wait()
    return spent[0], median(spent[1:])


def naming(section, options):
    folder = f"{options.folder}/docker-state"
    with Groups(NAMED) as groups:
        states(folder, groups.ids)
        once = with_state(folder, [options.binary, "containers", "--output", "json"])
        rows = [row for row in json.loads(run(once)[2]) if row["container"]["id"] in set(groups.ids)]
        named = sum("name" in row["container"] for row in rows)
        times, spent = zip(*[run(once)[:2] for _ in range(COLD_RUNS)])
        without, without_spent = zip(*[run(with_state(folder, ["echo", "x"]))[:2] for _ in range(COLD_RUNS)])
        first, later = watched(with_state(folder, [options.binary, "containers", "--watch", "0.5"]))
    section.say(f"**{NAMED:,} containers**, empty groups with Docker's own state file each; {len(rows):,} were listed, {named:,} of them with the name of that file.")
    section.table(
        ["look", "median ms", "processor ms"],
        [["cold: the whole program, from its start to its end (with unshare and sh)", median(times), median(spent)],
         ["unshare and sh alone", median(without), median(without_spent)],
         ["cold: the first look of a program that goes on, with its start", "", first],
         ["warm: one look more", "", later]])


class Engine:
    """A dockerd of our own with sleepers in containers; all of it ends with the `with`."""

    def __init__(self, folder, count):
        self.folder, self.count = f"{folder}/engine", count
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{self.folder}/d.sock"}

    def docker(self, *arguments, check=True):
        done = subprocess.run(["docker", *arguments], env=self.environment, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise RuntimeError(f"docker {arguments[0]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def __enter__(self):
        os.makedirs(f"{self.folder}/root/bin")
        shutil.copy2(shutil.which("busybox"), f"{self.folder}/root/bin/busybox")
        os.link(f"{self.folder}/root/bin/busybox", f"{self.folder}/root/bin/sleep")
        subprocess.run(["tar", "-C", f"{self.folder}/root", "-cf", f"{self.folder}/bb.tar", "."], check=True)
        with open(f"{self.folder}/log", "wb") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec", "-H",
                 self.environment["DOCKER_HOST"], "--pidfile", f"{self.folder}/d.pid", "--storage-driver=vfs",
                 "--iptables=false", "--ip6tables=false", "--bridge=none"], stdout=log, stderr=log)
        try:
            for _ in range(300):
                if self.docker("version", check=False).count("Version") > 1:
                    break
                time.sleep(0.1)
            self.docker("import", f"{self.folder}/bb.tar", "bb:latest")
            self.ids = [
                self.docker("run", "-d", "--network", "none", "-m", LIMIT, "--memory-swap", LIMIT, "bb:latest", "/bin/sleep", "100000")
                for _ in range(self.count)]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        ids = self.docker("ps", "-aq", check=False).split()
        if ids:
            self.docker("rm", "-f", *ids, check=False)
        self.process.terminate()
        self.process.wait()


def alike(options, engine):
    """Both programs must speak of the same containers with the same limit."""
    rows = {row["container"]["id"]: row for row in json.loads(run([options.binary, "containers", "--output", "json"])[2])}
    theirs = engine.docker("stats", "--no-stream", "--no-trunc", "--format", "{{.ID}} {{.MemUsage}}").splitlines()
    both = [line.split()[0] for line in theirs if line.split()[0] in rows and line.endswith("/ 64MiB")]
    return sum(rows[name]["binding"]["limit_bytes"] == 64 << 20 for name in both)


def beside(section, options):
    os.environ["DOCKER_HOST"] = f"unix://{options.folder}/engine/d.sock"
    with Engine(options.folder, REAL) as engine:
        same = alike(options, engine)
        commands = {OURS: ([options.binary, "containers"], OURS_RUNS), THEIRS: (["docker", "stats", "--no-stream"], THEIRS_RUNS)}
        times = {name: [] for name in commands}
        spent = {name: [] for name in commands}
        for turn in range(max(runs for _, runs in commands.values())):
            for name, (command, runs) in commands.items():
                if turn < runs:
                    wall, cpu, _ = run(command)
                    times[name].append(wall)
                    spent[name].append(cpu)
    del os.environ["DOCKER_HOST"]
    with Groups(LISTED) as groups:
        states(f"{options.folder}/more-state", groups.ids)
        command = with_state(f"{options.folder}/more-state", [options.binary, "containers"])
        many, many_spent = zip(*[run(command)[:2] for _ in range(OURS_RUNS)])
    middle = {name: median(values) for name, values in times.items()}
    section.say(
        f"**{REAL} containers that run** (dockerd of this host, busybox sleep, limit {LIMIT}; of {same} both programs tell the same id and limit), and ours "
        f"with {LISTED} groups that have Docker's state. Processor time is of the program alone: dockerd's own is not in it.")
    section.table(
        ["program", "containers", "runs", "median ms", "p99 ms", "processor ms", "median / ours"],
        [[name, REAL, len(values), middle[name], quantile(values, 0.99), median(spent[name]), f"{middle[name] / middle[OURS]:.2f}"]
         for name, values in times.items()]
        + [[f"{OURS} (with unshare and sh)", LISTED, len(many), median(many), quantile(many, 0.99), median(many_spent), ""]])
    faster = middle[THEIRS] / middle[OURS]
    section.say(
        f"Aim: {AIM_TIMES} times faster than {THEIRS} with the same containers: {'met' if faster >= AIM_TIMES else 'MISSED'} ({faster:.0f}). "
        f"With {LISTED} groups ours takes {median(many):.1f} ms; {THEIRS} was not run with so many, and takes {middle[THEIRS] / median(many):.0f} times that with {REAL}.")


def measure(options):
    section = Section(
        "Containers",
        "What it takes to list the containers of a host with limit, usage, working set, peak, kills and verdict. `docker stats` waits a second",
        "for two looks at the processor; ours reads memory alone and waits for nothing.")
    options.progress(f"containers: {NAMED} groups with state")
    naming(section, options)
    if not shutil.which("dockerd") or not shutil.which("busybox"):
        raise RuntimeError("docker.io or busybox-static is not installed")
    options.progress(f"containers: dockerd with {REAL} containers")
    beside(section, options)
    return section
