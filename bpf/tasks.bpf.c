// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// iter/task: one record per process, for snapshots. Ten thousand processes in milliseconds, where /proc takes 40 times
// as long.
#include "read.h"

/* The kernel scores by exact sums (since 7.0), so those are read; else what a plain read of the counters gives. */
const volatile bool reads_exactly = false;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Every thread on the host, in the reader's context; only leaders of user processes are written. */
SEC("iter/task")
int snapshot(struct bpf_iter__task *ctx)
{
	const struct task_struct *task, *alive;
	const struct mm_struct *mm;
	struct ow_task record = {};
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &ctx->task); /* as a number, for a global function */
	task = (const void *)address;
	if (!task || BPF_CORE_READ(task, flags) & PF_KTHREAD)
		return 0;
	record.pid = BPF_CORE_READ(task, tgid);
	if (record.pid != BPF_CORE_READ(task, pid))
		return 0;
	alive = (const void *)thread_with_mm(address);
	mm = alive ? BPF_CORE_READ(alive, mm) : NULL;
	record.tid = alive ? BPF_CORE_READ(alive, pid) : record.pid;
	record.start_boottime_ns = BPF_CORE_READ(task, start_boottime);
	record.uid = BPF_CORE_READ(task, real_cred, uid.val);
	record.oom_score_adj = BPF_CORE_READ(task, signal, oom_score_adj);
	record.cgroup = css_id(task_memcg(task));
	record.flags =
		candidate_flags(task, mm, BPF_CORE_READ(task, signal)) | (record.pid == 1 ? OW_CANDIDATE_INIT : 0);
	record.mm = (__u64)mm;
	if (mm) {
		read_memory(mm, &record.memory);
		if (reads_exactly)
			read_memory_exact(mm, &record.memory);
	}
	bpf_probe_read_kernel(record.comm, sizeof(record.comm), task->comm);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}
