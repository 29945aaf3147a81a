// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The one scan that exists on a host, and its candidates. All callers of out_of_memory() hold oom_lock, so `scan` has
// one owner: the task that is in it. It may change CPU meanwhile (the scan sleeps since 6.14), so per-CPU state would
// be wrong.
#ifndef OOMWITNESS_SCAN_H
#define OOMWITNESS_SCAN_H

#include "read.h"

#define SIGKILL 9
#define SIGTERM 15
#define SEND_SIG_PRIV 1UL /* include/linux/sched/signal.h */
#define VICTIMS_MAX 1024
#define TASKS_PER_PART 256
#define TASKS_PARTS 128	      /* times 256: list nodes that the tracepoint rung looks at */
#define STACK_DEPTH 16	      /* return addresses from mark_victim up; memcg's and sysrq's callers are within 8 */
#define NEAR_LIMIT_PAGES 1024 /* a full memcg: charges come in batches */

/* True on the rung that has no decision hooks: mark_victim then tells all. */
const volatile bool tracepoint_alone = false;

/* Tracepoint rung: where the code of three functions begins and ends, by kallsyms; 0 where that hides it. */
const volatile __u64 out_of_memory_code[2];
const volatile __u64 memcg_oom_code[2];
const volatile __u64 sysrq_oom_code[2];

/* Tracepoint rung: RAM and swap of the host, its swap, and whether more than one node has memory. */
const volatile __u64 system_pages;
const volatile __u64 swap_pages;
const volatile bool has_many_nodes = false;

/* Read by user space, never reset: how much did not fit. */
__u64 lost_records[OW_KINDS];
__u64 lost_kernel_count;
__u64 untracked_victims;
__u64 decisions;
__u64 victims_live;
/* The kernel scores by exact sums (since 7.0): seen once where only they add up to its points. */
__u64 scores_exactly;

struct {
	__u64 owner;
	__u64 oc;
	__u64 began_ns;
	__u64 decision; /* 0: none is open */
	__u64 domain_pages;
	__u64 domain_css;  /* tracepoint rung: candidates are below it; 0: all */
	__u64 last_mm;	   /* of the last counted kill */
	__u64 last_cgroup; /* whose record was sent last */
	__u32 considered;
	__u32 stored;	 /* slots in use, one after another */
	__u32 eligible;	 /* of these, candidates that could be taken */
	__u32 lowest;	 /* index in `best` of the one that goes first, once all of it is in use */
	bool is_pending; /* the slot behind them holds the last candidate */
	bool awaits_points;
	__u64 pending_mm;
	__u64 cred;    /* of the last candidate, and its uid: children share it */
	__u64 css_set; /* of the last task looked at, with its memcg, that one's id, and whether it is in the domain */
	__u64 css_id;
	__u32 in_domain;
	__u32 uid;
	__u32 padding_uid;
	__u32 counted;
	__s32 killing; /* tgid in __oom_kill_process() */
	__s32 last_tgid;
	__u64 group_css; /* tracepoint rung: the open decision kills this group */
	__u64 group_kills;
	__u64 kills_in_group; /* MEMCG_OOM_KILL events of it, when it was last looked at */
} scan;

/* Tracepoint rung: SIGKILL was just sent; mark_victim, still under the victim's task_lock, tells whether for memory. */
struct pending_kill {
	__u64 owner;
	__u64 task;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024); /* user space sets it */
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OW_CHUNKS);
	__type(key, __u32);
	__type(value, struct ow_candidates);
} chunks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ow_cgroup);
} cgroup_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ow_argv);
} argv_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pending_kill);
} pending_kills SEC(".maps");

/* Victims that have not ended yet: tgid to decision, and mm to decision. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VICTIMS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} victims SEC(".maps");

struct victim_mm {
	__u64 decision;
	__s32 pid;
	__s32 tid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VICTIMS_MAX);
	__type(key, __u64);
	__type(value, struct victim_mm);
} victim_mms SEC(".maps");

/* Tracepoint rung: MEMCG_OOM events of a memcg when it was last looked at; those born later begin at 0. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} oom_events_seen SEC(".maps");

static __always_inline bool owned(void)
{
	return scan.owner && scan.owner == bpf_get_current_task();
}

static __always_inline void lose(__u32 kind)
{
	if (kind < OW_KINDS)
		__sync_fetch_and_add(&lost_records[kind], 1);
}

static __always_inline void fill_header(struct ow_header *header, __u16 kind, __u32 bytes, __u16 flags)
{
	header->kind = kind;
	header->flags = flags;
	header->bytes = bytes;
	header->monotonic_ns = bpf_ktime_get_ns();
	header->decision = scan.decision;
}

/*
 * Whether a record of detail may be sent: a quarter of the ring is kept for kills, so that ten thousand candidates
 * never take the room of the one line that matters.
 */
static __always_inline bool has_room(__u64 bytes)
{
	__u64 size = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE);

	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) + bytes + size / 4 <= size;
}

/*
 * Wakes user space before there is anything to read: it is there, and has read memory and pressure, by the time that
 * the kernel has chosen and said so. What is discarded is never seen there.
 */
static __always_inline void announce(void)
{
	void *nothing = bpf_ringbuf_reserve(&events, sizeof(__u64), 0);

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void scan_begin(__u64 oc)
{
	announce();
	scan.owner = bpf_get_current_task();
	scan.oc = oc;
	scan.began_ns = bpf_ktime_get_ns();
	scan.decision = 0;
	scan.domain_pages = 0;
	scan.domain_css = 0;
	scan.last_mm = 0;
	scan.last_cgroup = 0;
	scan.considered = 0;
	scan.stored = 0;
	scan.eligible = 0;
	scan.is_pending = false;
	scan.awaits_points = false;
	scan.cred = 0;
	scan.css_set = 0;
	scan.counted = 0;
	scan.killing = 0;
	scan.last_tgid = 0;
	scan.group_css = 0;
}

static __always_inline bool is_below(const struct cgroup_subsys_state *css, __u64 ancestor)
{
	__u32 level;

	for (level = 0; level < OW_CGROUP_LEVELS && css; level++) {
		if ((__u64)css == ancestor)
			return true;
		css = BPF_CORE_READ(css, parent);
	}
	return false;
}

/* Looks up the memory cgroup of a task, once for a row of tasks in the same cgroups: mostly neighbours are. */
__noinline int look_up_cgroup(__u64 css_set)
{
	const struct cgroup_subsys_state *css = set_memcg((const void *)css_set);

	scan.css_set = css_set;
	scan.css_id = css_id(css);
	scan.in_domain = !scan.domain_css || is_below(css, scan.domain_css);
	return 0;
}

static __always_inline void know_cgroup(const struct task_struct *task)
{
	__u64 css_set = (__u64)ADDRESS(struct task_struct, task, cgroups);

	if (scan.css_set != css_set)
		look_up_cgroup(css_set);
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VICTIMS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} leaving SEC(".maps");

#endif
