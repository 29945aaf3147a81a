// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is told of processes where no kill is: tasks.bpf.c, rank.bpf.c, exec.bpf.c. As in wire.h, both sides lay it out
// alike.
#ifndef OOMWITNESS_PROCESSES_H
#define OOMWITNESS_PROCESSES_H

#include "wire.h"

/* One process as iter/task sees it. */
struct ow_task {
	struct ow_memory memory;
	__u64 start_boottime_ns;
	__u64 cgroup;
	__u64 mm; /* tells processes that share memory; no address is shown to users */
	__s32 pid;
	__u32 uid;
	__s16 oom_score_adj;
	__u16 flags; /* enum ow_candidate_flags */
	__s32 tid;
	char comm[OW_COMM_BYTES];
};
_Static_assert(sizeof(struct ow_task) == 96, "ow_task");

/* One of the first by badness: rank.bpf.c. */
struct ow_ranked {
	struct ow_task task;
	__s64 points;
	__u64 order; /* the greater the later, in the kernel's own order */
};
_Static_assert(sizeof(struct ow_ranked) == 112, "ow_ranked");

#define OW_RANKED_MAX 64
#define OW_RANKED_TASKS_MAX (1 << 22) /* PID_MAX_LIMIT */

/* One program that was started: exec.bpf.c. */
struct ow_exec {
	__u64 start_boottime_ns;
	__s32 pid;
	__u32 padding;
	char comm[OW_COMM_BYTES];
};
_Static_assert(sizeof(struct ow_exec) == 32, "ow_exec");

#endif
