// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The tracepoint rung: from mark_victim alone, whose limit was hit, who could have been chosen, and the kill, all at
// once.
#ifndef OOMWITNESS_WALK_H
#define OOMWITNESS_WALK_H

#include "records.h"

/* Whether mark_victim hands over the task, and not only its pid. */
static __always_inline bool mark_victim_has_task(void)
{
	return bpf_core_field_exists(struct trace_event_raw_mark_victim, total_vm);
}

static __always_inline __u64 next_task(__u64 task)
{
	__u64 node = (__u64)ADDRESS(struct task_struct, task, tasks.next);

	return node ? node - bpf_core_field_offset(struct task_struct, tasks) : 0;
}

/* Keeps one node of the task list, if it is in the domain, and gives the next. */
static __always_inline __u64 visit(__u64 task_address)
{
	const struct task_struct *task = (const void *)task_address;
	__u64 next = next_task(task_address);

	know_cgroup(task);
	if (scan.in_domain)
		keep_candidate(task_address);
	return next;
}

static __always_inline __u64 memcg_events(const struct cgroup_subsys_state *css, bool local, __u64 event)
{
	const struct mem_cgroup *memcg = memcg_of(css);
	const atomic_long_t *counters = local ? memcg->memory_events_local : memcg->memory_events;
	__u64 count = 0;

	bpf_probe_read_kernel(&count, sizeof(count), &counters[event]);
	return count;
}

enum oom_caller { CALLER_NOT_SEEN, CALLER_ALLOCATOR, CALLER_MEMCG, CALLER_SYSRQ };

__u64 oom_stack[STACK_DEPTH];

static __always_inline bool is_within(__u64 address, const volatile __u64 *code)
{
	return address >= code[0] && address < code[1];
}

/* Who called out_of_memory(), by the return addresses on the kernel's stack: no counter can be mistaken there. */
static __always_inline enum oom_caller oom_caller(void *ctx)
{
	long bytes = bpf_get_stack(ctx, oom_stack, sizeof(oom_stack), 0);
	enum oom_caller caller = CALLER_NOT_SEEN;
	__u32 i;

	for (i = 0; i < STACK_DEPTH && (long)(i * sizeof(__u64)) < bytes; i++) {
		__u64 address = oom_stack[i];

		if (is_within(address, out_of_memory_code))
			caller = CALLER_ALLOCATOR;
		else if (is_within(address, memcg_oom_code))
			return CALLER_MEMCG;
		else if (is_within(address, sysrq_oom_code))
			return CALLER_SYSRQ;
	}
	/* Who was seen to be neither may only have been hidden. */
	return memcg_oom_code[0] ? caller : CALLER_NOT_SEEN;
}

static __always_inline void remember_oom_event(const struct cgroup_subsys_state *css)
{
	__u64 id = css_id(css), now = memcg_events(css, true, bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM));

	bpf_map_update_elem(&oom_events_seen, &id, &now, BPF_ANY);
}

/*
 * The nearest group at or above the victim whose limit was hit: it had a MEMCG_OOM event since it was last looked at,
 * it is full, and the current task is in it (or has just lowered its limit). Where it is certain that there is one, but
 * memory has come back meanwhile: that with the event, else the fullest of those that the task is in. The root has no
 * limit. 0: nobody's, so the system's.
 */
__noinline __u64 binding_memcg(__u64 css_address, __u32 certain)
{
	__u64 with_event = 0, fullest = 0, least_room = ~0ULL;
	const struct cgroup_subsys_state *css = (const void *)css_address;
	const struct cgroup_subsys_state *mine = task_memcg((const void *)bpf_get_current_task());
	__u64 event = bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM);
	__u32 level;

	for (level = 0; level < OW_CGROUP_LEVELS && css; level++) {
		__u64 id = css_id(css), now = memcg_events(css, true, event);
		const __u64 *seen = bpf_map_lookup_elem(&oom_events_seen, &id);
		__u64 usage = BPF_CORE_READ(memcg_of(css), memory.usage.counter);
		__u64 limit = BPF_CORE_READ(memcg_of(css), memory.max);
		__u64 room = usage < limit ? limit - usage : 0;
		bool event_is_new = now > (seen ? *seen : 0);
		const struct cgroup_subsys_state *parent = BPF_CORE_READ(css, parent);

		if (!parent)
			break;
		if (usage > limit || is_below(mine, (__u64)css)) {
			if (event_is_new && room <= NEAR_LIMIT_PAGES)
				return (__u64)css;
			if (room < least_room) {
				least_room = room;
				fullest = (__u64)css;
			}
		}
		if (event_is_new && !with_event)
			with_event = (__u64)css;
		css = parent;
	}
	if (!certain)
		return 0;
	return with_event ? with_event : fullest;
}

/*
 * Size of a group's domain in pages: its limit, and as much swap as it may have of what there is; 0 where it has no
 * limit. Kernel: mm/memcontrol.c, mem_cgroup_get_max().
 */
static __always_inline __u64 memcg_pages(const struct cgroup_subsys_state *css)
{
	const struct mem_cgroup *memcg = memcg_of(css);
	bool is_v2 = BPF_CORE_READ(css, cgroup, root, hierarchy_id) == 0;
	__u64 limit = BPF_CORE_READ(memcg, memory.max), swap = BPF_CORE_READ(memcg, swap.max);

	if (limit >= (__u64)(~0UL >> 1) >> page_shift)
		return 0;
	if (!is_v2) /* the counter is of memory and swap together */
		swap = swap > limit ? swap - limit : 0;
	return limit + (swap < swap_pages ? swap : swap_pages);
}

/* The highest group at or above the victim, and below the limit's, that is killed as one; 0: none. */
__noinline __u64 group_memcg(__u64 css_address, __u64 limit)
{
	const struct cgroup_subsys_state *css = (const void *)css_address;
	__u64 group = 0;
	__u32 level;

	for (level = 0; level < OW_CGROUP_LEVELS && css; level++) {
		const struct cgroup_subsys_state *parent = BPF_CORE_READ(css, parent);

		if (parent && BPF_CORE_READ(memcg_of(css), oom_group))
			group = (__u64)css;
		if ((__u64)css == limit)
			break;
		css = parent;
	}
	return group;
}

/* How often the group was killed as one; the kernel counts that since 5.17. */
static __always_inline __u64 group_kills(__u64 css)
{
	if (!bpf_core_enum_value_exists(enum memcg_memory_event, MEMCG_OOM_GROUP_KILL))
		return 0;
	return memcg_events((const void *)css, false,
			    bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM_GROUP_KILL));
}

/* Whether the kernel has, since the decision was opened, gone on to kill its group; where it does not count: yes. */
static __always_inline bool group_follows(void)
{
	return !bpf_core_enum_value_exists(enum memcg_memory_event, MEMCG_OOM_GROUP_KILL) ||
	       group_kills(scan.group_css) == scan.group_kills + 1;
}

static __always_inline __u64 kills_in(__u64 group)
{
	return memcg_events((const void *)group, false, bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM_KILL));
}

/*
 * Whether the kernel has counted one more kill in the group of the open decision: it does so right before each SIGKILL
 * but those to sharers of the memory, and v2 counts for the groups above too.
 */
static __always_inline bool is_counted_in_group(void)
{
	__u64 before = scan.kills_in_group;

	scan.kills_in_group = kills_in(scan.group_css);
	return scan.kills_in_group != before;
}

/* A part of the walk, since the verifier follows no more than 8192 open branches: the next task, 0 at the end. */
__noinline __u64 visit_some(__u64 task, __u64 leader)
{
	__u32 i;

	for (i = 0; i < TASKS_PER_PART; i++) {
		task = visit(task);
		if (!task || task == leader)
			return 0;
	}
	return task;
}

static __always_inline void walk_tasks(__u64 leader)
{
	__u64 task = leader;
	__u32 i;

	for (i = 0; i < TASKS_PARTS; i++) {
		task = visit_some(task, leader);
		if (!task)
			break;
	}
}

/*
 * A kill that the tracepoint rung sees: decision, candidates and kill at once. SIGKILL was sent before, so the victim
 * may be gone by the time that it is remembered: sched_process_exit, after exit_mm() and its task_lock up to 6.14,
 * comes before them since 6.17.
 */
static __always_inline void tracepoint_kill(void *ctx, const struct task_struct *task)
{
	const struct cgroup_subsys_state *css = task_memcg(task);
	__u16 flags = OW_INFERRED;
	enum oom_caller caller;
	__u64 limit = 0;

	if (owned() && scan.decision && scan.group_css && is_below(css, scan.group_css) && group_follows()) {
		send_kill((__u64)task, OW_GROUP | OW_EXPECT_MORE);
		tell_exit(task);
		return;
	}
	scan_begin(0);
	caller = oom_caller(ctx);
	if (caller == CALLER_SYSRQ)
		flags |= OW_SYSRQ;
	if (caller == CALLER_MEMCG || caller == CALLER_NOT_SEEN)
		limit = binding_memcg((__u64)css, caller == CALLER_MEMCG);
	if (limit)
		remember_oom_event((const void *)limit);
	scan.domain_css = limit;
	if (limit)
		scan.domain_pages = memcg_pages((const void *)limit);
	else if (caller == CALLER_SYSRQ || !has_many_nodes) /* else what ran out may have been a part of them */
		scan.domain_pages = system_pages;
	scan.group_css = group_memcg((__u64)css, limit);
	if (scan.group_css) {
		scan.group_kills = group_kills(scan.group_css);
		scan.kills_in_group = kills_in(scan.group_css);
		flags |= OW_GROUP | OW_EXPECT_MORE;
	}
	if (BPF_CORE_READ(task, mm, mm_users.counter) > BPF_CORE_READ(task, signal, nr_threads))
		flags |= OW_EXPECT_MORE;
	walk_tasks((__u64)BPF_CORE_READ(task, group_leader));
	send_decision(NULL, task, (const void *)limit, NULL, flags);
	send_kill((__u64)task, flags & (OW_EXPECT_MORE | OW_GROUP));
	tell_exit(task);
}

#endif
