# SPDX-License-Identifier: Apache-2.0
"""Reads OOM reports out of raw /dev/kmsg records: the independent witness beside the tracer.

Nothing here shares a line, or an idea, with Sources/KernelLog: what both agree on is not an error of one parser. Names
are bytes and stay bytes. Sizes keep the unit that the kernel prints: `_kb` is kB, the task table is in pages.
Sources: Linux 5.10 to 7.2, mm/oom_kill.c (dump_header, dump_tasks, __oom_kill_process), mm/memcontrol.c
(mem_cgroup_print_oom_context, mem_cgroup_print_oom_meminfo), mm/show_mem.c, kernel/printk/printk.c
(msg_print_ext_body).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

UNLIMITED_KB = 9007199254740988  # PAGE_COUNTER_MAX in kB: "no limit". Kernel: include/linux/page_counter.h
CUT_BYTES = 960  # the kernel cuts a fragment somewhat above this. Kernel: printk.c, PRINTKRB_RECORD_MAX is 1024
NAME = rb"(.{0,15})"  # a comm: any byte but NUL, at most 15

INVOKED = re.compile(
    NAME + rb" invoked oom-killer: gfp_mask=(0x[0-9a-f]+|0)\((.*)\), order=(-?\d+), oom_score_adj=(-?\d+)", re.DOTALL
)
CPU = re.compile(rb"CPU: \d+ (?:UID: (\d+) )?PID: (\d+) Comm: ")
USAGE = re.compile(rb"(memory|memory\+swap|swap): usage (\d+)kB, limit (\d+)kB, failcnt \d+")
STATS = re.compile(rb"Memory cgroup stats for (.*):", re.DOTALL)
ZONE = re.compile(rb"Node (\d+) (\S+) free:(\d+)kB (?:boost:\d+kB )?min:(\d+)kB .* present:(\d+)kB managed:")
RESERVE = re.compile(rb"lowmem_reserve\[\]:((?: \d+)+) ?")
COUNTED = re.compile(rb"(\d+) pages (RAM|reserved)")
SWAP = re.compile(rb"(Total|Free) swap  ?= (\d+)kB")
COUNTERS = re.compile(rb"\b(free|shmem|slab_reclaimable|slab_unreclaimable|pagetables):(\d+)(?!\d*kB)")
TABLE = re.compile(rb"\[  pid  \] +(uid .*) name")
CONSTRAINT = re.compile(rb"oom-kill:constraint=CONSTRAINT_(\w+),nodemask=(\(null\)|[\d,-]*),cpuset=(.*)", re.DOTALL)
TASK_END = re.compile(rb",task=" + NAME + rb",pid=(\d+),uid=(-?\d+)\Z", re.DOTALL)
EXITING = re.compile(
    rb"(?:Out of memory|Memory cgroup out of memory): OOM victim (\d+) \((.*)\) is already exiting\. Skip killing the task", re.DOTALL
)
KILLED = re.compile(
    rb"(Out of memory(?: \(oom_kill_allocating_task\))?|Memory cgroup out of memory): Killed process (\d+) \("
    + NAME
    + rb"\) total-vm:(\d+)kB, anon-rss:(\d+)kB, file-rss:(\d+)kB, shmem-rss:(\d+)kB, "
    + rb"UID:(\d+) pgtables:(\d+)kB oom_score_adj:(-?\d+)",
    re.DOTALL,
)
GROUP = re.compile(rb"Tasks in (.*) are going to be killed due to memory\.oom\.group set", re.DOTALL)
REAPED = re.compile(rb"oom_reaper: reaped process (\d+) \(" + NAME + rb"\), now anon-rss:", re.DOTALL)
NOT_REAPED = re.compile(rb"oom_reaper: unable to reap pid:(\d+) \(" + NAME + rb"\)", re.DOTALL)
SUPPRESSED = re.compile(rb"oom_kill_process: (\d+) callbacks suppressed")
NO_KILLABLE = b"Out of memory and no killable processes..."


@dataclass
class Record:
    """One record of /dev/kmsg: `prio,seq,usec,flags;text`, with the escapes of the text undone."""

    sequence: int
    microseconds: int
    facility: int
    text: bytes
    may_be_cut: bool


@dataclass
class TaskRow:
    """One row of the task table, in pages but for pgtables_bytes. `rss_*` are there since 6.8."""

    tid: int
    uid: int
    tgid: int
    columns: dict[str, int]
    comm: bytes


@dataclass
class Constraint:
    """The line `oom-kill:constraint=...`. Paths are None where the kernel cut it, or it has two readings."""

    scope: str
    nodemask: bytes
    cpuset: bytes | None = None
    mems_allowed: bytes | None = None
    oom_memcg: bytes | None = None
    task_memcg: bytes | None = None
    tid: int | None = None
    uid: int | None = None
    comm: bytes | None = None


@dataclass
class Report:
    """What dump_header() printed. The kernel leaves whole reports out: ten in five seconds, and no more."""

    trigger_comm: bytes
    gfp_mask: int
    gfp_flags: frozenset[str]
    order: int
    trigger_adj: int
    trigger_tid: int | None = None
    trigger_uid: int | None = None
    usage_kb: dict[str, tuple[int, int]] = field(default_factory=dict)  # "memory", "swap", "memory+swap": usage, limit
    stats_path: bytes | None = None
    present_kb: dict[int, int] = field(default_factory=dict)  # by NUMA node
    zones: list[dict] = field(default_factory=list)  # node, name, free_kb, min_kb, and what its reserve is at most, in pages
    ram_pages: int | None = None
    reserved_pages: int | None = None
    swap_total_kb: int | None = None
    swap_free_kb: int | None = None
    counters: dict[str, int] = field(default_factory=dict)  # pages of the host: "free", "shmem", ...
    columns: list[str] | None = None
    rows: list[TaskRow] = field(default_factory=list)
    constraint: Constraint | None = None
    gone: tuple[int, bytes] | None = None  # the chosen one's tid and name, where it had gone before it was killed
    end_microseconds: int = 0  # when the line came that ends it, on the log's clock

    def row(self, tid: int) -> TaskRow | None:
        return next((row for row in self.rows if row.tid == tid), None)


@dataclass
class Kill:
    """One line `Killed process`: one count of /proc/vmstat's oom_kill. `tid` is the thread that the kernel named."""

    message: str
    tid: int
    comm: bytes
    total_vm_kb: int
    anon_kb: int
    file_kb: int
    shmem_kb: int
    uid: int
    pgtables_kb: int
    oom_score_adj: int
    microseconds: int  # on the log's clock


@dataclass
class Reaped:
    """What the reaper did to a thread's memory: `finished`, or gave up."""

    tid: int
    finished: bool
    microseconds: int


@dataclass
class Decision:
    """One oom_kill_process(): the first kill is of the chosen process. `group` is the path of memory.oom.group."""

    report: Report | None
    kills: list[Kill]
    group: bytes | None = None

    def counts(self) -> dict[int, int]:
        """How often each thread was counted, in the order of the first lines."""
        counts: dict[int, int] = {}
        for kill in self.kills:
            counts[kill.tid] = counts.get(kill.tid, 0) + 1
        return counts


@dataclass
class KernelLog:
    decisions: list[Decision] = field(default_factory=list)
    no_killable: list[Report] = field(default_factory=list)
    exiting: list[Report] = field(default_factory=list)  # whose choice had gone before it was killed
    reaped: list[Reaped] = field(default_factory=list)
    reports_suppressed: int = 0
    missing_records: int = 0


def unescape(text: bytes) -> bytes:
    """Undoes `\\xHH`, which stands for each byte that is not printable ASCII, and for the backslash."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), text)


def read_records(raw: bytes) -> tuple[list[Record], int]:
    """All records, and how many between the first and the last are missing.

    A record with the flag `c` goes on with a line that had grown too long: it is put back together here. Lines that
    begin with a space are the dictionary of the record before.
    """
    records: list[Record] = []
    sequences: list[int] = []
    for line in raw.split(b"\n"):
        match = re.fullmatch(rb"(\d+),(\d+),(\d+),([^;,]*)(?:,[^;]*)?;(.*)", line, re.DOTALL)
        if not match:
            continue
        text = unescape(match[5])
        record = Record(int(match[2]), int(match[3]), int(match[1]) >> 3, text, len(text) >= CUT_BYTES)
        sequences.append(record.sequence)
        begun = next((old for old in reversed(records[-8:]) if is_unfinished(old.text)), None)
        if match[4] == b"c" and begun:
            begun.text += record.text
            begun.may_be_cut |= record.may_be_cut
        else:
            records.append(record)
    missing = sequences[-1] - sequences[0] + 1 - len(sequences) if sequences else 0
    return records, missing


def is_unfinished(text: bytes) -> bool:
    """Whether this is one of the two lines that grow with a path, and has no end yet."""
    if text.startswith(b"oom-kill:constraint="):
        return not TASK_END.search(text)
    return text.startswith(b"Memory cgroup stats for ") and not text.endswith(b":")


def parse(raw: bytes) -> KernelLog:
    """The decisions in a log, in the kernel's order (oom_lock lets it take one at a time)."""
    records, missing = read_records(raw)
    log = KernelLog(missing_records=missing)
    report: Report | None = None
    kernels = [record for record in records if record.facility == 0]  # others were written by user space
    lines = [record.text for record in kernels]
    for index, record in enumerate(kernels):
        text = record.text
        if match := INVOKED.fullmatch(text):
            report = begin_report(match)
        elif match := KILLED.fullmatch(text):
            add_kill(log, report, make_kill(match, record.microseconds), opens_group=announces_group(lines, index))
            report = None
        elif match := GROUP.fullmatch(text):
            log.decisions[-1].group = match[1]
        elif text == NO_KILLABLE:
            log.no_killable += [replace(report, end_microseconds=record.microseconds)] if report else []
            report = None
        elif (match := EXITING.fullmatch(text)) and report:
            log.exiting.append(replace(report, end_microseconds=record.microseconds, gone=(int(match[1]), match[2])))
            report = None
        elif match := REAPED.match(text) or NOT_REAPED.fullmatch(text):
            log.reaped.append(Reaped(int(match[1]), match.re is REAPED, record.microseconds))
        elif match := SUPPRESSED.fullmatch(text):
            log.reports_suppressed += int(match[1])
        elif report:
            add_to_report(report, record)
    return log


def announces_group(lines: list[bytes], index: int) -> bool:
    """Whether the kill at `index` is the chosen one of a group: the announcement comes before any other kill."""
    for text in lines[index + 1 :]:
        if GROUP.fullmatch(text):
            return True
        if KILLED.fullmatch(text) or INVOKED.fullmatch(text):
            return False
    return False


def add_kill(log: KernelLog, report: Report | None, kill: Kill, *, opens_group: bool) -> None:
    """A kill without a report of its own belongs to the open group; else it is a decision whose report was left out."""
    last = log.decisions[-1] if log.decisions else None
    if last and last.group is not None and not report and not opens_group and kill.message == last.kills[0].message:
        last.kills.append(kill)
    else:
        log.decisions.append(Decision(report, [kill]))


def make_kill(match: re.Match[bytes], microseconds: int) -> Kill:
    numbers = [int(match[index]) for index in range(4, 11)]
    return Kill(match[1].decode(), int(match[2]), match[3], *numbers, microseconds)


def begin_report(match: re.Match[bytes]) -> Report:
    flags = frozenset(match[3].decode().split("|"))
    return Report(match[1], int(match[2], 16), flags, int(match[4]), int(match[5]))


def add_to_report(report: Report, record: Record) -> None:
    """Takes one line that came between "invoked oom-killer" and "Killed process"."""
    text = record.text
    if (match := CPU.match(text)) and report.trigger_tid is None:
        report.trigger_uid = int(match[1]) if match[1] else None
        report.trigger_tid = int(match[2])
    elif match := USAGE.fullmatch(text):
        report.usage_kb[match[1].decode()] = (int(match[2]), int(match[3]))
    elif match := STATS.fullmatch(text):
        report.stats_path = None if record.may_be_cut else match[1]
    elif match := ZONE.match(text):
        node = int(match[1])
        report.present_kb[node] = report.present_kb.get(node, 0) + int(match[5])
        report.zones.append({"node": node, "name": match[2].decode(), "free_kb": int(match[3]), "min_kb": int(match[4])})
    elif (match := RESERVE.fullmatch(text)) and report.zones:
        report.zones[-1]["reserve_pages"] = max(map(int, match[1].split()))
    elif match := COUNTED.fullmatch(text):
        name = "ram_pages" if match[2] == b"RAM" else "reserved_pages"
        setattr(report, name, int(match[1]))
    elif match := SWAP.fullmatch(text):
        setattr(report, "swap_total_kb" if match[1] == b"Total" else "swap_free_kb", int(match[2]))
    elif match := TABLE.fullmatch(text):
        report.columns = match[1].decode().split()
    elif match := CONSTRAINT.fullmatch(text):
        report.constraint = make_constraint(match, report, paths=not record.may_be_cut)
    elif report.columns and text.startswith(b"["):
        add_row(report, text)
    else:
        for name, pages in COUNTERS.findall(text):
            report.counters.setdefault(name.decode(), int(pages))


def add_row(report: Report, text: bytes) -> None:
    """A row has as many numbers as its header has columns; the rest is the name, spaces and digits and all."""
    count = len(report.columns or [])
    match = re.fullmatch(rb"\[ *(\d+)\]((?: +-?\d+){%d}) (.*)" % count, text, re.DOTALL)
    if not match:
        return
    columns = dict(zip(report.columns or [], map(int, match[2].split())))
    uid = columns.pop("uid") & 0xFFFFFFFF  # printed with %d
    report.rows.append(TaskRow(int(match[1]), uid, columns.pop("tgid"), columns, match[3]))


def make_constraint(match: re.Match[bytes], report: Report, *, paths: bool) -> Constraint:
    """Reads the line from both ends: cgroup names may hold whatever the line itself says, but two other lines name the
    same things.

    The task table has the comm, and "Memory cgroup stats for" has oom_memcg.
    """
    constraint = Constraint(match[1].decode(), match[2])
    rest = match[3]
    if end := task_end(rest, report):
        constraint.comm, constraint.tid, constraint.uid = end
        rest = rest[: rest.rindex(b",task=" + end[0] + b",pid=%d,uid=" % end[1])]
    else:
        return constraint
    if paths and (split := split_paths(rest, report.stats_path)):
        head, constraint.oom_memcg, constraint.task_memcg = split
        if names := re.fullmatch(rb"(.*),mems_allowed=([\d,-]*)", head, re.DOTALL):
            constraint.cpuset, constraint.mems_allowed = names.groups()
    return constraint


def task_end(rest: bytes, report: Report) -> tuple[bytes, int, int] | None:
    """comm, tid and uid at the end of the line: the comm is the one that the task table has for this tid."""
    match = TASK_END.search(rest)
    if not match:
        return None
    tid, uid = int(match[2]), int(match[3]) & 0xFFFFFFFF
    row = report.row(tid)
    if row and rest.endswith(b",task=" + row.comm + b",pid=%d,uid=%s" % (tid, match[3])):
        return row.comm, tid, uid
    return match[1], tid, uid


def split_paths(rest: bytes, oom_memcg: bytes | None) -> tuple[bytes, bytes | None, bytes] | None:
    """`cpuset=...,mems_allowed=...` before, oom_memcg (None: global) and task_memcg; None where it is ambiguous."""
    if oom_memcg is not None:
        parts = rest.split(b",oom_memcg=" + oom_memcg + b",task_memcg=")
        return (parts[0], oom_memcg, parts[1]) if len(parts) == 2 else None
    parts = rest.split(b",global_oom,task_memcg=")
    return (parts[0], None, parts[1]) if len(parts) == 2 else None
