# SPDX-License-Identifier: Apache-2.0
"""The independent reader of the kernel's log, on lines that kernels printed and on lines that only an attacker would
want printed.

python3 -m unittest discover -s Tests/VM
"""

from __future__ import annotations

import unittest

from kernel_log import parse, read_records

HEADER_510 = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
HEADER_612 = (
    "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name"
)
KILLED = (
    "Memory cgroup out of memory: Killed process {tid} ({comm}) total-vm:23772kB, anon-rss:22112kB, file-rss:4kB, "
    "shmem-rss:772kB, UID:{uid} pgtables:84kB oom_score_adj:-50"
)
GROUP = "Tasks in /grp are going to be killed due to memory.oom.group set"


def kmsg(*texts: str, first: int = 100) -> bytes:
    """Records as read(2) gives them; a text may begin with `PRIO,FLAG;`, and backslashes in it are escapes already."""
    lines = []
    for number, text in enumerate(texts, first):
        head, _, rest = text.partition(";")
        priority, flag = head.split(",") if head[:1].isdigit() and rest else ("6", "-")
        lines.append(f"{priority},{number},1000,{flag};{rest if head[:1].isdigit() and rest else text}")
    return "\n".join(lines).encode() + b"\n"


def report(
    comm: str = "hog",
    cgroup: str = "/par",
    task: str = "/par/kid",
    row: str = "",
    pid: int = 84,
    header: str = HEADER_510,
) -> list[str]:
    """One report of a memory cgroup, with the lines that are read of it."""
    return [
        f"{comm} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=-50",
        f"CPU: 0 UID: 7 PID: {pid} Comm: {comm} Not tainted 6.12.118 #1",
        "memory: usage 32648kB, limit 32768kB, failcnt 51",
        "swap: usage 0kB, limit 9007199254740988kB, failcnt 0",
        f"Memory cgroup stats for {cgroup}:",
        header,
        row or f"[{pid:7d}]     0 {pid:5d}     5943     5722    86016        0           -50 {comm}",
        f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={cgroup},"
        f"task_memcg={task},task={comm},pid={pid},uid=0",
    ]


class KernelLogTests(unittest.TestCase):
    def test_a_report_of_5_10_is_read_field_by_field(self):
        log = parse(kmsg(*report(), KILLED.format(tid=84, comm="hog", uid=1234)))
        (decision,) = log.decisions
        found, kill, row = decision.report, decision.kills[0], decision.report.rows[0]
        self.assertEqual((found.trigger_comm, found.trigger_tid, found.trigger_uid), (b"hog", 84, 7))
        self.assertEqual(
            (found.gfp_mask, found.gfp_flags, found.order, found.trigger_adj), (0xCC0, {"GFP_KERNEL"}, 0, -50)
        )
        self.assertEqual(found.usage_kb, {"memory": (32648, 32768), "swap": (0, 9007199254740988)})
        self.assertEqual((found.constraint.oom_memcg, found.constraint.task_memcg), (b"/par", b"/par/kid"))
        self.assertEqual((found.constraint.cpuset, found.constraint.mems_allowed), (b"/", b"0"))
        self.assertEqual((row.tid, row.tgid, row.uid, row.comm), (84, 84, 0, b"hog"))
        self.assertEqual(row.columns["pgtables_bytes"], 86016)
        self.assertEqual((kill.tid, kill.comm, kill.uid, kill.oom_score_adj), (84, b"hog", 1234, -50))
        self.assertEqual((kill.anon_kb, kill.file_kb, kill.shmem_kb, kill.pgtables_kb), (22112, 4, 772, 84))
        self.assertEqual(kill.message, "Memory cgroup out of memory")

    def test_the_columns_of_6_8_are_read_by_their_header(self):
        row = "[     84]    -2    80     5943     5699     5536        0       163    86016        3           -50  5 7"
        (decision,) = parse(
            kmsg(*report(header=HEADER_612, row=row), KILLED.format(tid=84, comm="hog", uid=1))
        ).decisions
        found = decision.report.rows[0]
        self.assertEqual(
            (found.columns["rss_anon"], found.columns["rss_shmem"], found.columns["swapents"]), (5536, 163, 3)
        )
        self.assertEqual((found.tgid, found.uid, found.comm), (80, 0xFFFFFFFE, b" 5 7"))

    def test_names_that_say_what_the_line_says_are_taken_as_names(self):
        table = [
            ("a,pid=1,uid=0", "/x,task_memcg=/y", "/x,task_memcg=/y/z"),
            (",task=x", "/a,task=b", "/a,task=b"),
            (") total-vm:1kB", "/,global_oom", "/,global_oom/k"),
            (",task=a,pid=1", "/,oom_memcg=/u,task_memcg=/u", "/,oom_memcg=/u,task_memcg=/u/v"),
        ]
        for comm, cgroup, task in table:
            with self.subTest(comm=comm, cgroup=cgroup):
                lines = report(comm=comm, cgroup=cgroup, task=task)
                (decision,) = parse(kmsg(*lines, KILLED.format(tid=84, comm=comm, uid=0))).decisions
                constraint = decision.report.constraint
                self.assertEqual((constraint.comm, constraint.tid), (comm.encode(), 84))
                self.assertEqual((constraint.oom_memcg, constraint.task_memcg), (cgroup.encode(), task.encode()))
                self.assertEqual(decision.kills[0].comm, comm.encode())

    def test_escapes_become_bytes_and_a_backslash_of_a_name_stays_one(self):
        line = KILLED.format(tid=84, comm=r"\xff\xfe\x1b]\x5cx30", uid=0)
        self.assertEqual(parse(kmsg(line)).decisions[0].kills[0].comm, b"\xff\xfe\x1b]\\x30")

    def test_what_user_space_wrote_is_no_kill(self):
        self.assertEqual(parse(kmsg("11,-;" + KILLED.format(tid=1, comm="init", uid=0))).decisions, [])

    def test_a_long_line_is_put_together_over_a_foreign_one(self):
        start, task = report()[-1].split("/par/kid")
        lines = report()[:-1] + [f"6,-;{start}", "4,-;eth0: link up", "4,c;/par/kid", f"4,c;{task}"]
        (decision,) = parse(kmsg(*lines, KILLED.format(tid=84, comm="hog", uid=0))).decisions
        self.assertEqual(decision.report.constraint.task_memcg, b"/par/kid")

    def test_of_a_path_that_the_kernel_cut_nothing_is_claimed(self):
        start, task = report()[-1].split("/par/kid")
        lines = report()[:-1] + [f"6,-;{start}", "4,c;/par/" + "k" * 1000, f"4,c;{task}"]
        constraint = parse(kmsg(*lines, KILLED.format(tid=84, comm="hog", uid=0))).decisions[0].report.constraint
        self.assertEqual((constraint.tid, constraint.task_memcg), (84, None))

    def test_a_group_is_one_decision_and_its_chosen_process_is_counted_twice(self):
        killed = [KILLED.format(tid=tid, comm="hog", uid=0) for tid in (84, 85, 84, 86)]
        lines = report() + [killed[0], GROUP] + killed[1:]
        (decision,) = parse(kmsg(*lines)).decisions
        self.assertEqual((decision.group, decision.counts()), (b"/grp", {84: 2, 85: 1, 86: 1}))

    def test_groups_whose_reports_were_left_out_are_told_apart(self):
        killed = [KILLED.format(tid=tid, comm="hog", uid=0) for tid in (84, 84, 90, 90)]
        log = parse(
            kmsg(killed[0], GROUP, killed[1], killed[2], GROUP, killed[3], "oom_kill_process: 2 callbacks suppressed")
        )
        self.assertEqual([decision.counts() for decision in log.decisions], [{84: 2}, {90: 2}])
        self.assertEqual(log.reports_suppressed, 2)

    def test_no_killable_process_is_a_report_without_a_kill(self):
        lines = [*report()[:-1], "Out of memory and no killable processes...", KILLED.format(tid=5, comm="x", uid=0)]
        log = parse(kmsg(*lines))
        self.assertEqual(([found.trigger_tid for found in log.no_killable], log.decisions[0].report), ([84], None))

    def test_records_that_were_overwritten_are_counted_and_dictionaries_are_none(self):
        raw = kmsg("a") + b" SUBSYSTEM=pci\n DEVICE=+pci:0000:00\n" + kmsg("b", first=104)
        records, missing = read_records(raw)
        self.assertEqual(([record.text for record in records], missing), ([b"a", b"b"], 3))


if __name__ == "__main__":
    unittest.main()
