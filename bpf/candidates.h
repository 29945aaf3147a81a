// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The candidates of the open scan: all of them, or as many of the first as are listed, so that of ten thousand most
// cost no more than their score.
#ifndef OOMWITNESS_CANDIDATES_H
#define OOMWITNESS_CANDIDATES_H

#include "scan.h"

#define POINTS_INELIGIBLE ((__s64)(1ULL << 63)) /* LONG_MIN */
#define POINTS_FIRST ((__s64) ~(1ULL << 63))	/* LONG_MAX */

/*
 * How many candidates are kept of those that could be taken, the best of them, and how many of those that could not,
 * the first of them; 0: all. Nobody asks for the second where the first are enough.
 */
const volatile __u32 eligible_kept = 0;
const volatile __u32 skipped_kept = 0;

/* The return of oom_badness() is seen: user space says so once it is attached. */
__u64 sees_badness;

struct ranked {
	__s64 points;
	__u32 order;
	__u32 slot;
};

/* Of the candidates in slots those that could be taken, scan.eligible of them, in no order. */
static struct ranked best[OW_KEPT_MAX];

/* The mask says nothing new; the verifier sees by it that the index is one. */
static __always_inline struct ranked *ranked_at(__u32 index)
{
	barrier_var(index);
	return &best[index & (OW_KEPT_MAX - 1)];
}

static __always_inline struct ow_candidate *candidate_at(__u32 index)
{
	__u32 chunk_index = index / OW_CANDIDATES_PER_CHUNK;
	struct ow_candidates *chunk = bpf_map_lookup_elem(&chunks, &chunk_index);

	return chunk ? &chunk->list[index % OW_CANDIDATES_PER_CHUNK] : NULL;
}

static __always_inline __u32 known_uid(const struct cred *cred)
{
	if (scan.cred != (__u64)cred) {
		scan.cred = (__u64)cred;
		scan.uid = FIELD(struct cred, cred, uid.val);
	}
	return scan.uid;
}

/* Whether the kernel would rather kill this one than that: more points, and of equals the later. */
static __always_inline bool is_above(__s64 points, __u32 order, const struct ranked *other)
{
	return points != other->points ? points > other->points : order > other->order;
}

static __always_inline bool is_full(void)
{
	return eligible_kept && scan.eligible >= eligible_kept;
}

static __always_inline void find_lowest(void)
{
	__u32 index, lowest = 0;

	for (index = 1; index < OW_KEPT_MAX && index < eligible_kept; index++) {
		if (is_above(ranked_at(lowest)->points, ranked_at(lowest)->order, ranked_at(index)))
			lowest = index;
	}
	scan.lowest = lowest;
}

static __always_inline __s64 parts_sum(const struct ow_memory *memory)
{
	return memory->anon_pages + memory->file_pages + memory->shmem_pages + memory->swap_pages +
	       memory->pgtable_pages;
}

static __always_inline __s64 adj_points(__s16 oom_score_adj)
{
	return oom_score_adj * (__s64)(scan.domain_pages / 1000);
}

/* Whether the last candidate could have been taken, and with how many points: the kernel's where they were seen. */
static __always_inline bool rank(const struct ow_candidate *candidate, struct ranked *ranked)
{
	const struct oom_control *oc = (const void *)scan.oc;

	ranked->order = candidate->order;
	ranked->slot = scan.stored;
	ranked->points = candidate->points;
	if (candidate->flags & OW_CANDIDATE_POINTS)
		return candidate->points != POINTS_INELIGIBLE;
	ranked->points = parts_sum(&candidate->memory) + adj_points(candidate->oom_score_adj);
	/* The walk begins at the victim, which looks like one by now. */
	if (tracepoint_alone && !candidate->order) {
		ranked->points = POINTS_FIRST;
		return true;
	}
	if (candidate->flags & OW_CANDIDATE_PASSED_OVER || candidate->oom_score_adj == -1000)
		return false;
	/* Not scored though it could be: it is outside of the cpuset. In a group all are scored. */
	return !sees_badness || !oc || BPF_CORE_READ(oc, memcg);
}

/* Decides on the last candidate: it stays, it takes the place of the lowest, or it goes. */
__noinline int settle(void)
{
	const struct ow_candidate *candidate = candidate_at(scan.stored);
	struct ranked ranked;
	struct ow_candidate *lowest;

	if (!scan.is_pending || !candidate)
		return 0;
	scan.is_pending = false;
	scan.awaits_points = false;
	if (!eligible_kept) {
		scan.stored++;
		return 0;
	}
	if (!rank(candidate, &ranked)) {
		if (scan.stored - scan.eligible < skipped_kept)
			scan.stored++;
		return 0;
	}
	if (scan.eligible < eligible_kept) {
		*ranked_at(scan.eligible++) = ranked;
		scan.stored++;
	} else if (is_above(ranked.points, ranked.order, ranked_at(scan.lowest))) {
		ranked.slot = ranked_at(scan.lowest)->slot;
		lowest = candidate_at(ranked.slot);
		if (!lowest)
			return 0;
		*lowest = *candidate;
		*ranked_at(scan.lowest) = ranked;
	} else {
		return 0;
	}
	if (is_full())
		find_lowest();
	return 0;
}

/*
 * Looks at one process as a candidate. Kernel threads are none: the kernel never takes one. On the tracepoint rung its
 * points are known at once, and whoever is below all that are kept costs no more than them; of equals there the
 * earlier stays, since that walk's order is not the kernel's.
 */
__noinline int keep_candidate(__u64 leader_address)
{
	const struct task_struct *leader = (const void *)leader_address, *task;
	const struct signal_struct *signal;
	struct ow_candidate *candidate;
	const struct mm_struct *mm;
	struct ow_memory memory = {};
	__s16 oom_score_adj;
	__u32 order;

	settle();
	if (FIELD(struct task_struct, leader, flags) & PF_KTHREAD)
		return 0;
	order = scan.considered++;
	task = leader;
	mm = ADDRESS(struct task_struct, leader, mm);
	if (!mm) {
		task = (const void *)thread_with_mm(leader_address);
		mm = task ? BPF_CORE_READ(task, mm) : NULL;
		if (!task)
			task = leader;
	}
	signal = ADDRESS(struct task_struct, task, signal);
	oom_score_adj = FIELD(struct signal_struct, signal, oom_score_adj);
	if (mm)
		read_memory(mm, &memory);
	if (tracepoint_alone && is_full() &&
	    parts_sum(&memory) + adj_points(oom_score_adj) <= ranked_at(scan.lowest)->points)
		return 0;
	candidate = candidate_at(scan.stored);
	if (!candidate)
		return 0;
	if (!tracepoint_alone || task != leader)
		know_cgroup(task);
	candidate->memory = memory;
	candidate->oom_score_adj = oom_score_adj;
	candidate->order = order;
	candidate->pid = FIELD(struct task_struct, leader, tgid);
	candidate->tid = FIELD(struct task_struct, task, pid);
	candidate->uid = known_uid(ADDRESS(struct task_struct, task, real_cred));
	candidate->cgroup = scan.css_id;
	candidate->flags = candidate_flags(task, mm, signal) | (candidate->pid == 1 ? OW_CANDIDATE_INIT : 0);
	candidate->points = 0;
	candidate->padding = 0;
	read_comm(task, candidate->comm);
	scan.pending_mm = (__u64)mm;
	scan.is_pending = true;
	scan.awaits_points = true;
	return 0;
}

/*
 * The chosen one is among those that are kept, whatever it held: an oom origin is taken without a score. Kernel:
 * oom_evaluate_task().
 */
static __always_inline void keep_chosen(const struct task_struct *chosen)
{
	__s32 tgid = BPF_CORE_READ(chosen, tgid);
	__u32 index;

	settle();
	if (!eligible_kept || !scan.considered)
		return;
	for (index = 0; index < OW_KEPT_MAX && index < eligible_kept && index < scan.eligible; index++) {
		const struct ow_candidate *candidate = candidate_at(ranked_at(index)->slot);

		if (candidate && candidate->pid == tgid)
			return;
	}
	keep_candidate((__u64)BPF_CORE_READ(chosen, group_leader));
	if (!scan.is_pending)
		return;
	scan.is_pending = false;
	scan.considered--;
	scan.stored++;
}

/*
 * Takes what oom_badness() returned. Where the counters do not add up to it, a thread has moved them since they were
 * read: they are read again, nearer to the kernel's own moment; and where they still do not, the exact ones are tried.
 */
static __always_inline int keep_points(long points)
{
	struct ow_candidate *candidate;
	struct ow_memory exact, again;
	__s64 unexplained;

	if (!owned() || !scan.awaits_points)
		return 0;
	candidate = candidate_at(scan.stored);
	if (!candidate)
		return 0;
	scan.awaits_points = false;
	candidate->points = points;
	candidate->flags |= OW_CANDIDATE_POINTS;
	if (!scan.pending_mm)
		return 0;
	exact.pgtable_pages = candidate->memory.pgtable_pages;
	if (points == POINTS_INELIGIBLE) {
		if (scores_exactly && read_memory_exact((const void *)scan.pending_mm, &exact))
			candidate->memory = exact;
		return 0;
	}
	unexplained = points - adj_points(candidate->oom_score_adj);
	if (parts_sum(&candidate->memory) == unexplained)
		return 0;
	if (!scores_exactly) {
		read_memory((const void *)scan.pending_mm, &again);
		if (parts_sum(&again) == unexplained) {
			candidate->memory = again;
			return 0;
		}
	}
	if (read_memory_exact((const void *)scan.pending_mm, &exact) && parts_sum(&exact) == unexplained) {
		candidate->memory = exact;
		candidate->flags |= OW_CANDIDATE_RSS_EXACT;
		scores_exactly = 1;
	}
	return 0;
}

#endif
