// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Fills the records of wire.h and sends them, or counts what did not fit.
#ifndef OOMWITNESS_RECORDS_H
#define OOMWITNESS_RECORDS_H

#include "candidates.h"

static __always_inline const struct mem_cgroup *memcg_of(const struct cgroup_subsys_state *css)
{
	return (const void *)((__u64)css - bpf_core_field_offset(struct mem_cgroup, css));
}

static __always_inline void fill_level(struct ow_cgroup_level *level, const struct cgroup_subsys_state *css)
{
	const struct mem_cgroup *memcg = memcg_of(css);

	level->id = css_id(css);
	level->usage_pages = clamped(BPF_CORE_READ(memcg, memory.usage.counter));
	level->limit_pages = BPF_CORE_READ(memcg, memory.max);
	level->swap_usage_pages = clamped(BPF_CORE_READ(memcg, swap.usage.counter));
	level->swap_limit_pages = BPF_CORE_READ(memcg, swap.max);
}

/* Sends a control group with its ancestors, unless it was the last one sent in this decision. */
__noinline int send_cgroup(__u64 css_address)
{
	const struct cgroup_subsys_state *css = (const void *)css_address;
	struct ow_cgroup *record;
	__u64 used = 0, bytes;
	__u32 zero = 0, level;
	__u16 flags = 0;

	record = bpf_map_lookup_elem(&cgroup_scratch, &zero);
	if (!css || !record || scan.last_cgroup == css_address)
		return 0;
	scan.last_cgroup = css_address;
	if (BPF_CORE_READ(css, cgroup, root, hierarchy_id) == 0)
		flags |= OW_CGROUP_V2;
	for (level = 0; level < OW_CGROUP_LEVELS && css; level++) {
		const char *name = BPF_CORE_READ(css, cgroup, kn, name);
		long length;

		fill_level(&record->level[level], css);
		barrier_var(
			used); /* so that the check below is on the very register that is used: before 6.2 it must be */
		if (used > OW_CGROUP_NAMES_BYTES - OW_CGROUP_NAME_BYTES)
			break;
		length = bpf_probe_read_kernel_str(&record->names[used], OW_CGROUP_NAME_BYTES, name);
		if (length < 1 || length > OW_CGROUP_NAME_BYTES)
			break;
		used += length;
		css = BPF_CORE_READ(css, parent);
	}
	if (css)
		flags |= OW_TRUNCATED;
	record->levels = level;
	record->names_bytes = used;
	bytes = sizeof(*record) - sizeof(record->names) + used;
	fill_header(&record->header, OW_CGROUP, bytes, flags);
	barrier_var(bytes);
	if (bytes > sizeof(*record))
		return 0;
	if (!has_room(bytes) || bpf_ringbuf_output(&events, record, bytes, BPF_RB_NO_WAKEUP))
		lose(OW_CGROUP);
	return 0;
}

/* Sends the candidates of one chunk; 0 where there were none. */
__noinline int send_chunk(__u32 index)
{
	struct ow_candidates *chunk = bpf_map_lookup_elem(&chunks, &index);
	__u32 first = index * OW_CANDIDATES_PER_CHUNK;
	__u64 count, bytes;

	if (!chunk || first >= scan.stored)
		return 0;
	count = scan.stored - first;
	if (count > OW_CANDIDATES_PER_CHUNK)
		count = OW_CANDIDATES_PER_CHUNK;
	bytes = sizeof(*chunk) - sizeof(chunk->list) + count * sizeof(chunk->list[0]);
	chunk->padding = 0;
	chunk->count = count;
	fill_header(&chunk->header, OW_CANDIDATES, bytes, 0);
	barrier_var(bytes);
	if (bytes > sizeof(*chunk))
		return 0;
	if (!has_room(bytes) || bpf_ringbuf_output(&events, chunk, bytes, BPF_RB_NO_WAKEUP))
		lose(OW_CANDIDATES);
	return 1;
}

/* Sends all candidates that were kept, 32 a record. */
static __always_inline void send_candidates(void)
{
	__u32 index;

	for (index = 0; index < OW_CHUNKS; index++) {
		if (!send_chunk(index))
			break;
	}
}

/* The command line of the current task, whose memory is the victim's. It may be paged out: then there is none. */
static __always_inline void send_argv(void)
{
	const struct task_struct *task = (const void *)bpf_get_current_task();
	struct ow_argv *record;
	__u32 zero = 0;
	__u64 start = BPF_CORE_READ(task, mm, arg_start);
	__u64 bytes = BPF_CORE_READ(task, mm, arg_end) - start;

	record = bpf_map_lookup_elem(&argv_scratch, &zero);
	if (!record || !start)
		return;
	if (bytes > OW_ARGV_BYTES)
		bytes = OW_ARGV_BYTES;
	if (bytes < 1 || bpf_probe_read_user(record->argv, bytes, (const void *)start))
		return;
	record->pid = BPF_CORE_READ(task, tgid);
	record->argv_bytes = bytes;
	fill_header(&record->header, OW_ARGV, sizeof(*record), bytes == OW_ARGV_BYTES ? OW_TRUNCATED : 0);
	if (!has_room(sizeof(*record)) || bpf_ringbuf_output(&events, record, sizeof(*record), BPF_RB_NO_WAKEUP))
		lose(OW_ARGV);
}

static __always_inline __u16 fill_trigger(struct ow_trigger *trigger, const struct oom_control *oc)
{
	const struct task_struct *task = (const void *)bpf_get_current_task();

	trigger->cgroup = css_id(task_memcg(task));
	trigger->pid = BPF_CORE_READ(task, tgid);
	trigger->tid = BPF_CORE_READ(task, pid);
	trigger->uid = BPF_CORE_READ(task, real_cred, uid.val);
	trigger->oom_score_adj = BPF_CORE_READ(task, signal, oom_score_adj);
	trigger->order = oc ? BPF_CORE_READ(oc, order) : 0;
	trigger->gfp_mask = oc ? BPF_CORE_READ(oc, gfp_mask) : 0;
	trigger->constraint = oc ? BPF_CORE_READ(oc, constraint) : OW_NOT_SEEN;
	trigger->padding = 0;
	bpf_probe_read_kernel(trigger->comm, sizeof(trigger->comm), task->comm);
	return BPF_CORE_READ(task, flags) & PF_KTHREAD ? OW_TRIGGER_KTHREAD : 0;
}

static __always_inline void remember_victim(const struct mm_struct *mm, __u32 pid, __u32 tid)
{
	struct victim_mm by_mm = {.decision = scan.decision, .pid = pid, .tid = tid};
	__u64 key = (__u64)mm;

	if (bpf_map_update_elem(&victims, &pid, &scan.decision, BPF_NOEXIST) == 0)
		__sync_fetch_and_add(&victims_live, 1);
	else if (!bpf_map_lookup_elem(&victims, &pid))
		__sync_fetch_and_add(&untracked_victims, 1);
	if (key)
		bpf_map_update_elem(&victim_mms, &key, &by_mm, BPF_NOEXIST);
}

/* One process got SIGKILL for memory. Without OW_SHARES_MEMORY the kernel counts it in /proc/vmstat. */
__noinline int send_kill(__u64 task_address, __u32 flags)
{
	const struct task_struct *task = (const void *)task_address;
	const struct task_struct *alive = (const void *)thread_with_mm((__u64)BPF_CORE_READ(task, group_leader));
	const struct mm_struct *mm = BPF_CORE_READ(task, mm);
	bool counted = !(flags & OW_SHARES_MEMORY);
	struct ow_kill *kill;

	if (!mm && alive)
		mm = BPF_CORE_READ(alive, mm);
	if (counted) {
		scan.counted++;
		scan.last_mm = (__u64)mm;
		scan.last_tgid = BPF_CORE_READ(task, tgid);
	}
	send_cgroup((__u64)task_memcg(task));
	kill = bpf_ringbuf_reserve(&events, sizeof(*kill), 0);
	if (!kill) {
		lose(OW_KILL);
		if (counted)
			__sync_fetch_and_add(&lost_kernel_count, 1);
		return 0;
	}
	__builtin_memset(kill, 0, sizeof(*kill));
	fill_header(&kill->header, OW_KILL, sizeof(*kill), flags);
	if (mm) {
		read_memory(mm, &kill->memory);
		if (scores_exactly)
			read_memory_exact(mm, &kill->memory);
		kill->total_vm_pages = BPF_CORE_READ(mm, total_vm);
	}
	kill->start_boottime_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	kill->cgroup = css_id(task_memcg(task));
	kill->mm = (__u64)mm;
	kill->pid = BPF_CORE_READ(task, tgid);
	kill->tid = BPF_CORE_READ(task, pid);
	kill->ppid = BPF_CORE_READ(task, real_parent, tgid);
	kill->uid = BPF_CORE_READ(task, real_cred, uid.val);
	kill->threads = BPF_CORE_READ(task, signal, nr_threads);
	kill->oom_score_adj = BPF_CORE_READ(task, signal, oom_score_adj);
	bpf_probe_read_kernel(kill->comm, sizeof(kill->comm), task->comm);
	bpf_probe_read_kernel(kill->parent_comm, sizeof(kill->parent_comm), BPF_CORE_READ(task, real_parent)->comm);
	remember_victim(mm, kill->pid, kill->tid);
	bpf_ringbuf_submit(kill, BPF_RB_FORCE_WAKEUP);
	return 0;
}

static __always_inline void send_no_kill(const struct task_struct *dying, __u32 reason)
{
	const struct oom_control *oc = (const void *)(tracepoint_alone ? 0 : scan.oc);
	const struct mem_cgroup *memcg = oc ? BPF_CORE_READ(oc, memcg) : NULL;
	struct ow_no_kill *record;

	if (memcg)
		send_cgroup((__u64)&memcg->css);
	record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
	if (!record) {
		lose(OW_NO_KILL);
		return;
	}
	__builtin_memset(record, 0, sizeof(*record));
	fill_header(&record->header, OW_NO_KILL, sizeof(*record), 0);
	record->header.flags = fill_trigger(&record->trigger, oc);
	record->domain_pages = oc ? BPF_CORE_READ(oc, totalpages) : 0;
	record->limit_cgroup = memcg ? css_id(&memcg->css) : 0;
	record->considered = scan.considered;
	record->reason = reason;
	if (dying) {
		record->pid = BPF_CORE_READ(dying, tgid);
		record->tid = BPF_CORE_READ(dying, pid);
		bpf_probe_read_kernel(record->comm, sizeof(record->comm), dying->comm);
	}
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

/* Opens a decision: its record, then all candidates, then the control groups concerned. */
static __always_inline void send_decision(const struct oom_control *oc, const struct task_struct *chosen,
					  const struct cgroup_subsys_state *limit, const char *message, __u16 flags)
{
	const struct task_struct *current = (const void *)bpf_get_current_task();
	const struct mm_struct *mm = BPF_CORE_READ(current, mm);
	struct ow_decision *record;

	scan.decision = ++decisions;
	keep_chosen(chosen);
	record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
	if (record) {
		__builtin_memset(record, 0, sizeof(*record));
		fill_header(&record->header, OW_DECISION, sizeof(*record), flags);
		record->header.flags |= fill_trigger(&record->trigger, oc);
		record->scan_began_ns = scan.began_ns;
		record->domain_pages = scan.domain_pages;
		record->chosen_points = oc ? BPF_CORE_READ(oc, chosen_points) : 0;
		record->limit_cgroup = css_id(limit);
		record->considered = scan.considered;
		record->stored = scan.stored;
		record->chosen_pid = BPF_CORE_READ(chosen, tgid);
		record->chosen_tid = BPF_CORE_READ(chosen, pid);
		if (message)
			bpf_probe_read_kernel_str(record->message, sizeof(record->message), message);
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	} else {
		lose(OW_DECISION);
	}
	send_candidates();
	send_cgroup((__u64)task_memcg(current));
	send_cgroup((__u64)limit);
	if (mm && mm == BPF_CORE_READ(chosen, mm))
		send_argv();
}

static __always_inline void send_outcome(__u64 decision, __s32 pid, __s32 tid, __u32 stage)
{
	struct ow_outcome *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

	if (!record) {
		lose(OW_OUTCOME);
		return;
	}
	__builtin_memset(record, 0, sizeof(*record));
	fill_header(&record->header, OW_OUTCOME, sizeof(*record), 0);
	record->header.decision = decision;
	record->pid = pid;
	record->tid = tid;
	record->stage = stage;
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

/* Tells that a victim's last thread is gone, once, whoever comes first: the lookup and the removal say whose it is. */
static __always_inline void tell_exit(const struct task_struct *task)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);
	const __u64 *decision = bpf_map_lookup_elem(&victims, &tgid);
	__u64 of;

	if (!decision || BPF_CORE_READ(task, signal, live.counter) > 0)
		return;
	of = *decision;
	if (bpf_map_delete_elem(&victims, &tgid) == 0) {
		__sync_fetch_and_add(&victims_live, -1);
		send_outcome(of, tgid, BPF_CORE_READ(task, pid), OW_EXIT);
	}
}

static __always_inline int memory_freed(__u64 mm)
{
	const struct victim_mm *victim = bpf_map_lookup_elem(&victim_mms, &mm);

	if (victim) {
		send_outcome(victim->decision, victim->pid, victim->tid, OW_MEMORY_FREED);
		bpf_map_delete_elem(&victim_mms, &mm);
	}
	return 0;
}

/* A name of 16 bytes as two numbers, so that one is told from another by two comparisons. */
struct guard_name {
	__u64 low;
	__u64 high;
};

/* Little-endian, as every machine that the programs are built for. */
#define NAME8(a, b, c, d, e, f, g, h)                                                                                  \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 |    \
	 (__u64)(g) << 48 | (__u64)(h) << 56)

/* Programs that end others when memory is short, by the name that their process has. */
static __always_inline bool is_guard(const struct guard_name *name)
{
	if (name->low == NAME8('e', 'a', 'r', 'l', 'y', 'o', 'o', 'm'))
		return !name->high;
	if (name->low == NAME8('s', 'y', 's', 't', 'e', 'm', 'd', '-'))
		return name->high == NAME8('o', 'o', 'm', 'd', 0, 0, 0, 0);
	if (name->low == NAME8('o', 'o', 'm', 'w', 'i', 't', 'n', 'e'))
		return name->high == NAME8('s', 's', 0, 0, 0, 0, 0, 0);
	if (name->high)
		return false;
	return name->low == NAME8('n', 'o', 'h', 'a', 'n', 'g', 0, 0) ||
	       name->low == NAME8('k', 'u', 'b', 'e', 'l', 'e', 't', 0) ||
	       name->low == NAME8('o', 'o', 'm', 'd', 0, 0, 0, 0);
}

/* The current task sends a signal to another: told where it is a guard's. */
static __always_inline int tell_guard(const struct task_struct *task, __u32 signal)
{
	struct guard_name sender = {};
	struct ow_guard *record;

	bpf_get_current_comm(&sender, sizeof(sender));
	if (!is_guard(&sender) || !has_room(sizeof(*record)))
		return 0;
	record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
	if (!record) {
		lose(OW_GUARD);
		return 0;
	}
	__builtin_memset(record, 0, sizeof(*record));
	fill_header(&record->header, OW_GUARD, sizeof(*record), 0);
	record->header.decision = 0;
	record->sender_pid = bpf_get_current_pid_tgid() >> 32;
	record->signal = signal;
	record->pid = BPF_CORE_READ(task, tgid);
	record->tid = BPF_CORE_READ(task, pid);
	__builtin_memcpy(record->sender_comm, &sender, sizeof(sender));
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), task->comm);
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
	return 0;
}

#endif
