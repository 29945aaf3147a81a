# SPDX-License-Identifier: Apache-2.0
"""A syslog of many OOM kills on three hosts over three weeks, for the report's tests and picture: kernel_log.py KILLS

Each report is one that a kernel printed (Tests/KernelLogTests/Fixtures, 6.12), with other times, names and sizes: a java that
leaks, workers of a pod that are killed at their limit, and builds that die for what others hold. Which process is killed is
worked out as the kernel does. The same number of kills gives the same log.
"""

import datetime
import pathlib
import random
import re
import sys

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "KernelLogTests" / "Fixtures"
BEGIN = datetime.datetime(2026, 11, 3, 4, 12, tzinfo=datetime.timezone.utc)
DAYS = 21
PAGE = 4096
MIB = 1 << 20
POD = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod3012e4ab_71fe_4572_c2a3_bdaf901b51ef.slice"
CONTAINER = POD + "/cri-containerd-" + "45a5e91c" * 8 + ".scope"
# Name, uid, MiB anonymous, of files, shared, in swap, oom_score_adj.
SERVICES = (
    ("systemd-journal", 0, 14, 6, 0, 2, -250), ("sshd", 0, 5, 3, 0, 0, -1000), ("dbus-daemon", 103, 3, 2, 0, 0, -900),
    ("containerd", 0, 96, 20, 0, 8, -999), ("kubelet", 0, 140, 24, 0, 6, -999), ("postgres", 111, 820, 40, 1400, 120, -500),
    ("redis-server", 112, 610, 4, 0, 30, 0), ("prometheus", 114, 740, 60, 0, 0, 0), ("nginx", 33, 44, 8, 12, 2, 0),
    ("nginx", 33, 46, 8, 12, 2, 0), ("node", 1001, 380, 30, 0, 12, 0), ("python3", 1001, 260, 12, 0, 0, 0),
    ("fluent-bit", 0, 52, 6, 0, 0, 0), ("cron", 0, 2, 1, 0, 0, 0), ("chronyd", 104, 3, 2, 0, 0, 0), ("rsyslogd", 105, 9, 3, 0, 0, 0),
    ("bash", 1000, 4, 3, 0, 0, 0), ("vim", 1000, 12, 6, 0, 0, 0), ("agetty", 0, 1, 1, 0, 0, 0))


def frame(name):
    """Texts of a report before its table, with the lines that a record continues."""
    texts = []
    for line in (FIXTURES / name).read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(("#", " ")):
            continue
        text = line.split(";", 1)[1]
        texts += text.split("\\x0a")
        if "rss_anon" in text:
            return texts
    raise SystemExit(f"kernel_log: no table in {name}")


class Process:
    def __init__(self, pid, name, uid, anon, file, shmem, swap, adj):
        self.pid, self.name, self.uid, self.adj = pid, name, uid, adj
        self.anon, self.file, self.shmem, self.swap = (int(size * MIB / PAGE) for size in (anon, file, shmem, swap))
        self.pgtables = max(9, (self.anon + self.file + self.shmem + self.swap) // 440) * PAGE

    def points(self, domain):
        """Kernel: mm/oom_kill.c, oom_badness()."""
        if self.adj == -1000:
            return None
        return self.anon + self.file + self.shmem + self.swap + self.pgtables // PAGE + self.adj * (domain // 1000)

    def row(self):
        rss = self.anon + self.file + self.shmem
        return (f"[{self.pid:7d}] {self.uid:5d} {self.pid:5d} {rss * 2:8d} {rss:8d} {self.anon:8d} {self.file:8d} {self.shmem:9d} "
                f"{self.pgtables:8d} {self.swap:8d}         {self.adj:5d} {self.name}")


class Host:
    def __init__(self, name, ram, swap, random):
        self.name, self.ram, self.swap, self.random = name, ram, swap, random
        self.pid = 2000

    def processes(self, *more):
        chosen = []
        for name, uid, anon, file, shmem, swap, adj in SERVICES + more:
            self.pid += self.random.randint(1, 40)
            change = self.random.uniform(0.9, 1.1)
            chosen.append(Process(self.pid, name, uid, anon * change, file, shmem, swap if self.swap else 0, adj))
        return chosen

    def report(self, texts, processes, asks, limit=None):
        """The lines of a report and of its kill; `limit` is a cgroup and its MiB."""
        pages = (limit[1] if limit else self.ram + self.swap) * MIB // PAGE
        victim = max((one for one in processes if one.adj != -1000), key=lambda one: one.points(pages))
        for text in texts:
            text = re.sub(r"^\S+ (invoked oom-killer.*)oom_score_adj=.*", rf"{asks.name} \g<1>oom_score_adj={asks.adj}", text)
            text = re.sub(r"PID: \d+ Comm: \S+", f"PID: {asks.pid} Comm: {asks.name}", text)
            text = re.sub(r"^\d+ pages RAM", f"{self.ram * MIB // PAGE} pages RAM", text)
            text = re.sub(r"^\d+ pages reserved", "0 pages reserved", text)
            text = re.sub(r"^Free swap  = .*", f"Free swap  = {self.swap * 1024 // 60}kB", text)
            text = re.sub(r"^Total swap = .*", f"Total swap = {self.swap * 1024}kB", text)
            if limit:
                text = re.sub(r"^memory: usage \d+kB, limit \d+kB", f"memory: usage {limit[1] * 1024}kB, limit {limit[1] * 1024}kB", text)
                text = re.sub(r"^swap: usage \d+kB, limit \d+kB", "swap: usage 0kB, limit 0kB", text)
                text = re.sub(r"^Memory cgroup stats for [^:]*:", f"Memory cgroup stats for {limit[0]}:", text)
            yield text
        yield from (one.row() for one in processes)
        where = f"oom_memcg={limit[0]},task_memcg={limit[0]}" if limit else f"global_oom,task_memcg=/system.slice/{victim.name}.service"
        yield (f"oom-kill:constraint=CONSTRAINT_{'MEMCG' if limit else 'NONE'},nodemask=(null),cpuset=/,mems_allowed=0,{where},"
               f"task={victim.name},pid={victim.pid},uid={victim.uid}")
        kilobytes = PAGE // 1024
        yield (f"{'Memory cgroup out of memory' if limit else 'Out of memory'}: Killed process {victim.pid} ({victim.name}) "
               f"total-vm:{(victim.anon + victim.file + victim.shmem) * 2 * kilobytes}kB, anon-rss:{victim.anon * kilobytes}kB, "
               f"file-rss:{victim.file * kilobytes}kB, shmem-rss:{victim.shmem * kilobytes}kB, UID:{victim.uid} "
               f"pgtables:{victim.pgtables // 1024}kB oom_score_adj:{victim.adj}")


def kills(count):
    """(time, host, lines) of each, in the order of time."""
    dice = random.Random(count)
    system, memcg = frame("6.12-system.kmsg"), frame("6.12-memcg.kmsg")
    web, node, build = Host("web-1", 8192, 2048, dice), Host("node-7", 32768, 0, dice), Host("build-2", 16384, 0, dice)
    times = sorted(BEGIN + datetime.timedelta(days=DAYS * dice.betavariate(1.6, 1.1)) for _ in range(count))
    for place, time in enumerate(times):
        kind = dice.choices(("leak", "limit", "adj", "large"), (4, 9, 3, 2))[0]
        if kind == "leak":
            size = 2300 + 2600 * place / count + dice.uniform(-60, 60)
            processes = web.processes(("java", 1002, size, 38, 0, 190, 0))
            yield time, web, web.report(system, processes, dice.choice(processes[-4:]))
        elif kind == "limit":
            workers = [Process(node.pid + 3 * number, "worker", 1000, dice.uniform(150, 168), 6, 1, 0, 968) for number in range(3)]
            node.pid += 30
            yield time, node, node.report(memcg, workers, workers[0], (CONTAINER, 512))
        elif kind == "adj":
            processes = build.processes(("backup", 0, dice.uniform(190, 230), 18, 0, 0, 600), ("ld", 1004, 5200, 30, 0, 0, 0))
            yield time, build, build.report(system, processes, processes[-1])
        else:
            processes = build.processes(("clickhouse", 115, dice.uniform(8300, 8900), 80, 0, 0, 0))
            yield time, build, build.report(system, processes, dice.choice(processes))


def lines(count):
    for time, host, texts in kills(count):
        stamp = (time - BEGIN).total_seconds() + 3600
        for number, text in enumerate(texts):
            at = time + datetime.timedelta(microseconds=11 * number)
            yield f"{at.isoformat(timespec='microseconds')} {host.name} kernel: [{stamp + 0.000011 * number:12.6f}] {text}\n"


if __name__ == "__main__":
    sys.stdout.writelines(lines(int(sys.argv[1])))
