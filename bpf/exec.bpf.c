// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One record for each program that is started: whom `oomwitness protect watch` has to look at.
#include "kernel.h"
#include "include/processes.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} execs SEC(".maps");

__u64 lost_execs; /* found no room on the ring */

/*
 * sched_process_exec(task, old_pid, bprm): execve(2) has come past the point of no return, in the context of the task
 * itself, which is the leader by now and has its new name; it has not run an instruction of the program yet. Without it
 * a process is found by the next poll.
 */
SEC("raw_tp/sched_process_exec")
int on_sched_process_exec(const struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *task = (const void *)ctx->args[0];
	struct ow_exec *record = bpf_ringbuf_reserve(&execs, sizeof(*record), 0);

	if (!record) {
		__sync_fetch_and_add(&lost_execs, 1);
		return 0;
	}
	record->start_boottime_ns = BPF_CORE_READ(task, start_boottime);
	record->pid = BPF_CORE_READ(task, tgid);
	record->padding = 0;
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), task->comm);
	bpf_ringbuf_submit(record, 0);
	return 0;
}
