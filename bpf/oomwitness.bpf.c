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
// scan.h holds the state, records.h what is sent, walk.h the rung without decision hooks. In all of them oom_lock is
// held.
#include "walk.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

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
	/* totalpages is set once the scan begins: a dying or a patient caller leaves before it. */
	if (oc && !scan.counted && BPF_CORE_READ(oc, totalpages) && !BPF_CORE_READ(oc, chosen))
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

/* ---- kills ---- */

/*
 * Tracepoint rung, a decision is open: whether this SIGKILL is for sharing the memory of the last victim. Of a group's
 * members one may get it for that first and once more as a member, and the one before it again for that.
 */
static __always_inline bool is_for_sharing(const struct task_struct *task, __s32 tgid)
{
	const struct task_struct *alive;

	if (scan.group_css && is_below(task_memcg(task), scan.group_css))
		return !is_counted_in_group();
	if (tgid == scan.last_tgid || !scan.last_mm)
		return false;
	alive = (const void *)thread_with_mm((__u64)task);
	return alive && (__u64)BPF_CORE_READ(alive, mm) == scan.last_mm;
}

/*
 * signal_generate: every signal on the host; atomic context, cheap way out first. The kernel sends SIGKILL exactly once
 * for each kill that it counts in /proc/vmstat, and once to each process that shares the victim's memory. Without it
 * those would be missed, and a dying task would look like a kill. What other guards of memory send comes this way too.
 */
SEC("raw_tp/signal_generate")
int on_signal_generate(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *task = (const void *)ctx->args[2];
	struct pending_kill *pending;
	__s32 tgid;
	__u32 zero = 0;

	if (ctx->args[1] != SEND_SIG_PRIV) {
		if ((__u32)ctx->args[0] == SIGKILL || (__u32)ctx->args[0] == SIGTERM)
			return tell_guard(task, ctx->args[0]);
		return 0;
	}
	if ((__u32)ctx->args[0] != SIGKILL)
		return 0;
	tgid = BPF_CORE_READ(task, tgid);
	if (!tracepoint_alone) {
		if (owned() && scan.decision)
			send_kill((__u64)task, tgid == scan.killing ? 0 : OW_SHARES_MEMORY);
		return 0;
	}
	if (owned() && scan.decision && is_for_sharing(task, tgid))
		return send_kill((__u64)task, OW_SHARES_MEMORY | OW_EXPECT_MORE);
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
		tracepoint_kill(ctx, signalled);
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
	__u32 level;

	if (!task)
		return 0;
	css = task_memcg(task);
	for (level = 0; level < OW_CGROUP_LEVELS && css; level++) {
		remember_oom_event(css);
		css = BPF_CORE_READ(css, parent);
	}
	return 0;
}

/* ---- what came of it ---- */

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
	if (victims_live)
		tell_exit((const void *)ctx->args[0]);
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
