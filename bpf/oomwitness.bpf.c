// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The witness: one OOM kill from the decision to the exit, in the order in which the kernel reaches the programs.
//
//   out_of_memory          bounds a scan
//     oom_evaluate_task      one candidate
//       oom_badness            its points
//     oom_kill_process       the decision: written to the ring with all candidates
//       __oom_kill_process     whom the next counted SIGKILL is for
//         signal_generate        one kill
//         mark_victim            tracepoint rung: all of the above at once
//   task reaping, sched_process_exit, exit_mmap: what came of it
//
// All callers of out_of_memory() hold oom_lock, so one scan exists at a time on a host, and `scan` has one owner: the
// task that is in it. It may change CPU meanwhile (the scan sleeps since 6.14), so per-CPU state would be wrong.
#include "read.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SIGKILL 9
#define SEND_SIG_PRIV 1UL /* include/linux/sched/signal.h */
#define VICTIMS_MAX 1024
#define TASKS_PER_PART 256
#define TASKS_PARTS 128 /* times 256: list nodes that the tracepoint rung looks at */
#define NONE ((__u32)-1)
#define NEAR_LIMIT_PAGES 1024		      /* a full memcg: charges come in batches */
#define POINTS_INELIGIBLE ((long)(1UL << 63)) /* LONG_MIN */

/* True on the rung that has no decision hooks: mark_victim then tells all. */
const volatile bool tracepoint_alone = false;

/* Read by user space, never reset: how much did not fit. */
__u64 lost_records[OW_KINDS];
__u64 lost_kernel_count;
__u64 untracked_victims;
__u64 decisions;
__u64 victims_live;

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
	__u32 stored;
	__u32 pending; /* candidate whose points are being made */
	__u32 padding;
	__u64 pending_mm;
	__u32 counted;
	__s32 killing; /* tgid in __oom_kill_process() */
	__s32 last_tgid;
	__u64 group_css; /* tracepoint rung: the open decision kills this group */
	__u64 group_kills;
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
 * Whether a record of detail may be sent: a quarter of the ring is kept for kills, so that ten thousand candidates never
 * take the room of the one line that matters.
 */
static __always_inline bool has_room(__u64 bytes)
{
	__u64 size = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE);

	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) + bytes + size / 4 <= size;
}

/* ---- scan ---- */

static __always_inline void scan_begin(__u64 oc)
{
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
	scan.pending = NONE;
	scan.counted = 0;
	scan.killing = 0;
	scan.last_tgid = 0;
	scan.group_css = 0;
}

static __always_inline struct ow_candidate *candidate_at(__u32 index)
{
	__u32 chunk_index = index / OW_CANDIDATES_PER_CHUNK;
	struct ow_candidates *chunk = bpf_map_lookup_elem(&chunks, &chunk_index);

	return chunk ? &chunk->list[index % OW_CANDIDATES_PER_CHUNK] : NULL;
}

/* Keeps one process as a candidate. Kernel threads are not kept: the kernel never takes one. */
__noinline int keep_candidate(__u64 leader_address)
{
	const struct task_struct *leader = (const void *)leader_address, *task;
	struct ow_candidate *candidate;
	const struct mm_struct *mm;
	__u32 index = scan.stored;

	scan.pending = NONE;
	if (BPF_CORE_READ(leader, flags) & PF_KTHREAD)
		return 0;
	scan.considered++;
	candidate = index < OW_CANDIDATES_MAX ? candidate_at(index) : NULL;
	if (!candidate)
		return 0;
	task = (const void *)thread_with_mm(leader_address);
	mm = task ? BPF_CORE_READ(task, mm) : NULL;
	if (!task)
		task = leader;
	candidate->pid = BPF_CORE_READ(leader, tgid);
	candidate->tid = BPF_CORE_READ(task, pid);
	candidate->uid = BPF_CORE_READ(task, real_cred, uid.val);
	candidate->oom_score_adj = BPF_CORE_READ(task, signal, oom_score_adj);
	candidate->cgroup = css_id(task_memcg(task));
	candidate->flags = candidate_flags(task, mm) | (candidate->pid == 1 ? OW_CANDIDATE_INIT : 0);
	candidate->points = 0;
	bpf_probe_read_kernel(candidate->comm, sizeof(candidate->comm), task->comm);
	if (mm)
		read_memory(mm, &candidate->memory);
	else
		__builtin_memset(&candidate->memory, 0, sizeof(candidate->memory));
	scan.pending_mm = (__u64)mm;
	scan.pending = index;
	scan.stored = index + 1;
	return 0;
}

static __always_inline __s64 parts_sum(const struct ow_memory *memory)
{
	return memory->anon_pages + memory->file_pages + memory->shmem_pages + memory->swap_pages +
	       memory->pgtable_pages;
}

/* Takes what oom_badness() returned; where the plain counters do not add up to it, tries the exact ones. */
static __always_inline int keep_points(long points)
{
	struct ow_candidate *candidate;
	struct ow_memory exact;
	__s64 unexplained;

	if (!owned() || scan.pending >= OW_CANDIDATES_MAX)
		return 0;
	candidate = candidate_at(scan.pending);
	if (!candidate)
		return 0;
	scan.pending = NONE;
	candidate->points = points;
	candidate->flags |= OW_CANDIDATE_POINTS;
	unexplained = points - candidate->oom_score_adj * (__s64)(scan.domain_pages / 1000);
	if (points == POINTS_INELIGIBLE || !scan.pending_mm || parts_sum(&candidate->memory) == unexplained)
		return 0;
	exact.pgtable_pages = candidate->memory.pgtable_pages;
	if (read_memory_exact((const void *)scan.pending_mm, &exact) && parts_sum(&exact) == unexplained) {
		candidate->memory = exact;
		candidate->flags |= OW_CANDIDATE_RSS_EXACT;
	}
	return 0;
}

/* ---- records ---- */

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
		barrier_var(used); /* so that the check below is on the very register that is used: before 6.2 it must be */
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
	chunk->first = first;
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

/* ---- the decision hooks: each as fentry and as kprobe, user space loads one kind ---- */

/* An argument of fentry and fexit as a number: the verifier will not let a typed pointer into a global function. */
static __always_inline __u64 argument(const __u64 *ctx, __u32 index)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), ctx + index);
	return value;
}

/*
 * out_of_memory(oc): a task is out of memory and holds oom_lock; process context, may sleep. Without it the reads of
 * /proc/PID/oom_score, which run oom_badness() too, could not be told from a scan.
 */
SEC("fentry/out_of_memory")
int fentry_out_of_memory(const __u64 *ctx)
{
	scan_begin(argument(ctx, 0));
	return 0;
}

SEC("kprobe/out_of_memory")
int BPF_KPROBE(kprobe_out_of_memory, __u64 oc)
{
	scan_begin(oc);
	return 0;
}

static __always_inline int evaluate(__u64 task, const struct oom_control *oc)
{
	if (!owned())
		return 0;
	if (!scan.domain_pages)
		scan.domain_pages = BPF_CORE_READ(oc, totalpages);
	return keep_candidate(task);
}

/*
 * oom_evaluate_task(task, oc): once for each task of the domain, in the kernel's order; RCU or css_task_iter held.
 * Without it only the victim would be known, and nobody who was spared.
 */
SEC("fentry/oom_evaluate_task")
int fentry_oom_evaluate_task(const __u64 *ctx)
{
	return evaluate(argument(ctx, 0), (const void *)argument(ctx, 1));
}

SEC("kprobe/oom_evaluate_task")
int BPF_KPROBE(kprobe_oom_evaluate_task, __u64 task, __u64 oc)
{
	return evaluate(task, (const void *)oc);
}

/*
 * oom_badness() returns: the kernel's own points of the task that is being evaluated. Where GCC has split it (5.10)
 * the part is what returns in a scan. Without it points are computed from the counters.
 */
SEC("fexit/oom_badness")
int fexit_oom_badness(const __u64 *ctx)
{
	return keep_points(argument(ctx, 2)); /* after the two arguments, what it returned */
}

SEC("kretprobe/oom_badness")
int BPF_KRETPROBE(kretprobe_oom_badness, long points)
{
	return keep_points(points);
}

static __always_inline int decide(const struct oom_control *oc, const char *message)
{
	const struct mem_cgroup *memcg = BPF_CORE_READ(oc, memcg);

	if (!owned())
		scan_begin((__u64)oc);
	scan.domain_pages = BPF_CORE_READ(oc, totalpages);
	send_decision(oc, BPF_CORE_READ(oc, chosen), memcg ? &memcg->css : NULL, message, 0);
	return 0;
}

/*
 * oom_kill_process(oc, message): the choice is made; same context. Without it there are kills, and no reasons.
 */
SEC("fentry/oom_kill_process")
int fentry_oom_kill_process(const __u64 *ctx)
{
	return decide((const void *)argument(ctx, 0), (const void *)argument(ctx, 1));
}

SEC("kprobe/oom_kill_process")
int BPF_KPROBE(kprobe_oom_kill_process, __u64 oc, __u64 message)
{
	return decide((const void *)oc, (const void *)message);
}

static __always_inline int killing(const struct task_struct *victim)
{
	if (owned())
		scan.killing = BPF_CORE_READ(victim, tgid);
	return 0;
}

/*
 * __oom_kill_process(victim, message): once for the chosen process, then for each member of its group. Without it a
 * member could not be told from a process that only shares the victim's memory.
 */
SEC("fentry/__oom_kill_process")
int fentry_one_kill(const __u64 *ctx)
{
	return killing((const void *)argument(ctx, 0));
}

SEC("kprobe/__oom_kill_process")
int BPF_KPROBE(kprobe_one_kill, __u64 victim)
{
	return killing((const void *)victim);
}

static __always_inline int decision_end(void)
{
	struct ow_decision_end *record;

	if (!owned() || !scan.decision)
		return 0;
	record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
	if (record) {
		__builtin_memset(record, 0, sizeof(*record));
		fill_header(&record->header, OW_DECISION_END, sizeof(*record), 0);
		record->counted = scan.counted;
		bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
	} else {
		lose(OW_DECISION_END);
	}
	scan.decision = 0;
	return 0;
}

/* oom_kill_process() returns: all kills of the decision are told. Without it a group's size would be a guess. */
SEC("fexit/oom_kill_process")
int fexit_oom_kill_process(const __u64 *ctx)
{
	return decision_end();
}

SEC("kretprobe/oom_kill_process")
int BPF_KRETPROBE(kretprobe_oom_kill_process)
{
	return decision_end();
}

static __always_inline int scan_end(void)
{
	const struct oom_control *oc = (const void *)scan.oc;

	if (!owned())
		return 0;
	if (scan.considered && !scan.counted && oc && !BPF_CORE_READ(oc, chosen))
		send_no_kill(NULL, OW_NO_KILLABLE_PROCESS);
	scan.owner = 0;
	return 0;
}

/* out_of_memory() returns: closes the scan. Without it a task's later reads of oom_score would look like candidates. */
SEC("fexit/out_of_memory")
int fexit_out_of_memory(const __u64 *ctx)
{
	return scan_end();
}

SEC("kretprobe/out_of_memory")
int BPF_KRETPROBE(kretprobe_out_of_memory)
{
	return scan_end();
}

/* ---- tracepoint rung: the same from mark_victim alone ---- */

/* Whether mark_victim hands over the task, and not only its pid. */
static __always_inline bool mark_victim_has_task(void)
{
	return bpf_core_field_exists(struct trace_event_raw_mark_victim, total_vm);
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

/* Keeps one node of the task list, if it is in the domain, and gives the next. */
__noinline __u64 visit(__u64 task_address)
{
	const struct task_struct *task = (const void *)task_address;
	__u64 next = (__u64)BPF_CORE_READ(task, tasks.next);

	if (!scan.domain_css || is_below(task_memcg(task), scan.domain_css))
		keep_candidate(task_address);
	return next ? next - bpf_core_field_offset(struct task_struct, tasks) : 0;
}

static __always_inline __u64 memcg_events(const struct cgroup_subsys_state *css, bool local, __u64 event)
{
	const struct mem_cgroup *memcg = memcg_of(css);
	const atomic_long_t *counters = local ? memcg->memory_events_local : memcg->memory_events;
	__u64 count = 0;

	bpf_probe_read_kernel(&count, sizeof(count), &counters[event]);
	return count;
}

/*
 * The nearest group at or above the victim whose limit was hit: it had a MEMCG_OOM event since it was last looked at,
 * it is full, and the current task is in it (or has just lowered its limit). 0: nobody's, so the system's.
 */
__noinline __u64 binding_memcg(__u64 css_address)
{
	const struct cgroup_subsys_state *css = (const void *)css_address;
	const struct cgroup_subsys_state *mine = task_memcg((const void *)bpf_get_current_task());
	__u64 event = bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM);
	__u32 level;

	for (level = 0; level < OW_CGROUP_LEVELS && css; level++) {
		__u64 id = css_id(css), now = memcg_events(css, true, event);
		const __u64 *seen = bpf_map_lookup_elem(&oom_events_seen, &id);
		__u64 usage = BPF_CORE_READ(memcg_of(css), memory.usage.counter);
		__u64 limit = BPF_CORE_READ(memcg_of(css), memory.max);

		if (now > (seen ? *seen : 0) && usage + NEAR_LIMIT_PAGES >= limit &&
		    (usage > limit || is_below(mine, (__u64)css))) {
			bpf_map_update_elem(&oom_events_seen, &id, &now, BPF_ANY);
			return (__u64)css;
		}
		css = BPF_CORE_READ(css, parent);
	}
	return 0;
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

/* A kill that the tracepoint rung sees: decision, candidates and kill at once. */
static __always_inline void tracepoint_kill(const struct task_struct *task)
{
	const struct cgroup_subsys_state *css = task_memcg(task);
	__u16 flags = OW_INFERRED | OW_WALKED;
	__u64 limit;

	if (owned() && scan.decision && scan.group_css && is_below(css, scan.group_css) && group_follows()) {
		send_kill((__u64)task, OW_GROUP | OW_EXPECT_MORE);
		return;
	}
	scan_begin(0);
	limit = binding_memcg((__u64)css);
	scan.domain_css = limit;
	scan.group_css = group_memcg((__u64)css, limit);
	if (scan.group_css) {
		scan.group_kills = group_kills(scan.group_css);
		flags |= OW_GROUP | OW_EXPECT_MORE;
	}
	if (BPF_CORE_READ(task, mm, mm_users.counter) > BPF_CORE_READ(task, signal, nr_threads))
		flags |= OW_EXPECT_MORE;
	walk_tasks((__u64)BPF_CORE_READ(task, group_leader));
	send_decision(NULL, task, (const void *)limit, NULL, flags);
	send_kill((__u64)task, flags & (OW_EXPECT_MORE | OW_GROUP));
}

/*
 * signal_generate: every signal on the host; atomic context, cheap way out first. The kernel sends SIGKILL exactly once
 * for each kill that it counts in /proc/vmstat, and once to each process that shares the victim's memory. Without it
 * those would be missed, and a dying task would look like a kill.
 */
SEC("raw_tp/signal_generate")
int on_signal_generate(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *task = (const void *)ctx->args[2];
	struct pending_kill *pending;
	__s32 tgid;
	__u32 zero = 0;

	if ((__u32)ctx->args[0] != SIGKILL || ctx->args[1] != SEND_SIG_PRIV)
		return 0;
	tgid = BPF_CORE_READ(task, tgid);
	if (!tracepoint_alone) {
		if (owned() && scan.decision)
			send_kill((__u64)task, tgid == scan.killing ? 0 : OW_SHARES_MEMORY);
		return 0;
	}
	if (owned() && scan.decision && tgid != scan.last_tgid && scan.last_mm) {
		const struct task_struct *alive = (const void *)thread_with_mm((__u64)task);

		if (alive && (__u64)BPF_CORE_READ(alive, mm) == scan.last_mm)
			return send_kill((__u64)task, OW_SHARES_MEMORY | OW_EXPECT_MORE);
	}
	if (BPF_CORE_READ(task, signal, oom_mm))
		return send_kill((__u64)task, OW_AGAIN | OW_EXPECT_MORE);
	pending = bpf_map_lookup_elem(&pending_kills, &zero);
	if (pending) {
		pending->owner = bpf_get_current_task();
		pending->task = (__u64)task;
	}
	return 0;
}

/*
 * mark_victim: the process may use the reserves from here on; oom_lock and, after a kill, the victim's task_lock held,
 * the current task is the one that asked for memory. Also fires for tasks that were dying anyway: no kill then.
 */
SEC("raw_tp/mark_victim")
int on_mark_victim(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *current = (const void *)bpf_get_current_task();
	const struct task_struct *task = mark_victim_has_task() ? (const void *)ctx->args[0] : NULL;
	const struct task_struct *signalled;
	struct pending_kill *pending;
	__u32 zero = 0;
	__s32 tid;

	if (!tracepoint_alone) {
		if (owned() && !scan.decision)
			send_no_kill(current, OW_ALLOCATING_TASK_DYING);
		return 0;
	}
	pending = bpf_map_lookup_elem(&pending_kills, &zero);
	if (!pending)
		return 0;
	tid = task ? BPF_CORE_READ(task, pid) : (__s32)ctx->args[0];
	signalled = (const void *)pending->task;
	if (pending->owner == (__u64)current && BPF_CORE_READ(signalled, pid) == tid) {
		pending->owner = 0;
		tracepoint_kill(signalled);
		return 0;
	}
	if (BPF_CORE_READ(current, pid) == tid)
		send_no_kill(current, OW_ALLOCATING_TASK_DYING);
	else if (task)
		send_no_kill(task, OW_CHOSEN_TASK_DYING);
	return 0;
}

/* Learns the MEMCG_OOM events that happened before we came: run once at start on the tracepoint rung. */
SEC("iter/task")
int remember_oom_events(struct bpf_iter__task *ctx)
{
	const struct task_struct *task = ctx->task;
	const struct cgroup_subsys_state *css;
	__u64 event = bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM);
	__u32 level;

	if (!task)
		return 0;
	css = task_memcg(task);
	for (level = 0; level < OW_CGROUP_LEVELS && css; level++) {
		__u64 id = css_id(css), now = memcg_events(css, true, event);

		bpf_map_update_elem(&oom_events_seen, &id, &now, BPF_ANY);
		css = BPF_CORE_READ(css, parent);
	}
	return 0;
}

/* ---- what came of it ---- */

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

/* The reaper took up, finished or gave up a victim; its kthread, pid is the victim thread's. */
SEC("raw_tp/start_task_reaping")
int on_start_task_reaping(struct bpf_raw_tracepoint_args *ctx)
{
	send_outcome(0, 0, ctx->args[0], OW_REAP_START);
	return 0;
}

SEC("raw_tp/finish_task_reaping")
int on_finish_task_reaping(struct bpf_raw_tracepoint_args *ctx)
{
	send_outcome(0, 0, ctx->args[0], OW_REAP_FINISH);
	return 0;
}

SEC("raw_tp/skip_task_reaping")
int on_skip_task_reaping(struct bpf_raw_tracepoint_args *ctx)
{
	send_outcome(0, 0, ctx->args[0], OW_REAP_SKIP);
	return 0;
}

/* Every exit on the host: one load where no victim is alive. Without it nobody knows when the victim was gone. */
SEC("raw_tp/sched_process_exit")
int on_sched_process_exit(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *task = (const void *)ctx->args[0];
	const __u64 *decision;
	__u64 of;
	__u32 tgid;

	if (!victims_live)
		return 0;
	tgid = BPF_CORE_READ(task, tgid);
	decision = bpf_map_lookup_elem(&victims, &tgid);
	if (!decision || BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	of = *decision;
	if (bpf_map_delete_elem(&victims, &tgid) == 0) {
		__sync_fetch_and_add(&victims_live, -1);
		send_outcome(of, tgid, BPF_CORE_READ(task, pid), OW_EXIT);
	}
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VICTIMS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} leaving SEC(".maps");

static __always_inline int memory_freed(__u64 mm)
{
	const struct victim_mm *victim = bpf_map_lookup_elem(&victim_mms, &mm);

	if (victim) {
		send_outcome(victim->decision, victim->pid, victim->tid, OW_MEMORY_FREED);
		bpf_map_delete_elem(&victim_mms, &mm);
	}
	return 0;
}

/*
 * exit_mmap(mm) returns, in whoever dropped the last reference: the memory is given back. Without it only the exit is
 * known, and another holder of the memory would go unseen.
 */
SEC("fexit/exit_mmap")
int fexit_exit_mmap(const __u64 *ctx)
{
	return memory_freed(argument(ctx, 0));
}

SEC("kprobe/exit_mmap")
int BPF_KPROBE(kprobe_exit_mmap, __u64 mm)
{
	__u64 task = bpf_get_current_task();

	if (bpf_map_lookup_elem(&victim_mms, &mm))
		bpf_map_update_elem(&leaving, &task, &mm, BPF_ANY);
	return 0;
}

SEC("kretprobe/exit_mmap")
int BPF_KRETPROBE(kretprobe_exit_mmap)
{
	__u64 task = bpf_get_current_task();
	const __u64 *mm = bpf_map_lookup_elem(&leaving, &task);

	if (!mm)
		return 0;
	memory_freed(*mm);
	bpf_map_delete_elem(&leaving, &task);
	return 0;
}
