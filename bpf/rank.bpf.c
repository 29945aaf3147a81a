// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The first of all processes by badness, ranked where they are: of ten thousand only those that are listed are copied.
// For kernels that take loads by a cast and bpf_loop(), since 6.2; the others are read by tasks.bpf.c.
#include "task.h"

/* Set by the reader before each run: how many are wanted, and what a thousandth of oom_score_adj weighs. */
__u32 wanted;
__s64 pages_per_thousandth;

/* The answer: so many of them, in no order; and whether the walk came round. */
__u32 ranked_count;
__u32 is_whole;
struct ow_ranked ranked[OW_RANKED_MAX];

static __u32 lowest;
static __u64 first;
static __u64 visited;
static __u64 order;
static __u64 thread;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The mask says nothing new; the verifier sees by it that the index is one. */
static __always_inline struct ow_ranked *ranked_at(__u32 index)
{
	barrier_var(index);
	return &ranked[index & (OW_RANKED_MAX - 1)];
}

/* Whether the kernel would rather kill this one: more points, and of equals the later. */
static __always_inline bool is_above(__s64 points, __u64 place, const struct ow_ranked *other)
{
	return points != other->points ? points > other->points : place > other->order;
}

static long keep_lower(__u32 index, void *unused)
{
	if (is_above(ranked_at(lowest)->points, ranked_at(lowest)->order, ranked_at(index)))
		lowest = index;
	return 0;
}

static long find_memory(__u32 index, __u64 *mm)
{
	const struct task_struct *task =
		(const void *)(thread - bpf_core_field_offset(struct task_struct, thread_node));

	*mm = (__u64)ADDRESS(struct task_struct, task, mm);
	if (*mm) {
		thread = (__u64)task;
		return 1;
	}
	thread = (__u64)ADDRESS(struct task_struct, task, thread_node.next);
	return 0;
}

/* The memory of a process whose leader is gone, and in `thread` the one that find_lock_task_mm() takes. */
static __always_inline const struct mm_struct *memory_of_others(const struct signal_struct *signal)
{
	__u64 mm = 0;

	thread = (__u64)ADDRESS(struct signal_struct, signal, thread_head.next);
	bpf_loop(FIELD(struct signal_struct, signal, nr_threads), find_memory, &mm, 0);
	return (const void *)mm;
}

static __always_inline void keep(const struct task_struct *leader)
{
	const struct signal_struct *signal = ADDRESS(struct task_struct, leader, signal);
	const struct mm_struct *mm = ADDRESS(struct task_struct, leader, mm);
	const struct task_struct *task = leader;
	struct ow_memory memory = {};
	struct ow_ranked *place;
	__s16 oom_score_adj;
	__s64 points;

	if (!mm) {
		mm = memory_of_others(signal);
		if (!mm)
			return;
		task = (const void *)thread;
	}
	oom_score_adj = FIELD(struct signal_struct, signal, oom_score_adj);
	if (oom_score_adj == -1000)
		return;
	read_counters(mm, &memory);
	points = memory.anon_pages + memory.file_pages + memory.shmem_pages + memory.swap_pages + memory.pgtable_pages +
		 oom_score_adj * pages_per_thousandth;
	if (ranked_count >= wanted && !is_above(points, order, ranked_at(lowest)))
		return;
	if (candidate_flags(task, mm, signal) || FIELD(struct task_struct, leader, tgid) == 1)
		return;
	place = ranked_at(ranked_count < wanted ? ranked_count++ : lowest);
	place->points = points;
	place->order = order;
	place->task.memory = memory;
	place->task.oom_score_adj = oom_score_adj;
	place->task.mm = (__u64)mm;
	place->task.pid = FIELD(struct task_struct, leader, tgid);
	place->task.tid = FIELD(struct task_struct, task, pid);
	place->task.flags = 0;
	place->task.cgroup = 0;
	describe(leader, &place->task);
	if (ranked_count >= wanted) {
		lowest = 0;
		bpf_loop(wanted, keep_lower, NULL, 0);
	}
}

/* The list is a ring with the idle task in it, which stands before the first: whoever comes after it is earlier. */
static long visit(__u32 index, void *unused)
{
	const struct task_struct *task = (const void *)visited;

	if (!FIELD(struct task_struct, task, tgid))
		order = 0;
	else if (!(FIELD(struct task_struct, task, flags) & PF_KTHREAD))
		keep(task);
	order++;
	visited =
		(__u64)ADDRESS(struct task_struct, task, tasks.next) - bpf_core_field_offset(struct task_struct, tasks);
	is_whole = visited == first;
	return is_whole;
}

/*
 * Run once for each look, by the reader; not attached. RCU holds all that it meets, as in the kernel's own walk, which
 * is as long: select_bad_process().
 */
SEC("raw_tp/sys_enter")
int rank(void *ctx)
{
	const struct task_struct *current = (const void *)bpf_get_current_task();

	first = (__u64)ADDRESS(struct task_struct, current, group_leader);
	visited = first;
	order = 1ULL << 32;
	ranked_count = 0;
	lowest = 0;
	is_whole = 0;
	bpf_loop(OW_RANKED_TASKS_MAX, visit, NULL, 0);
	return 0;
}
