// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// iter/task: one record per process, for snapshots. Ten thousand processes in milliseconds, where /proc takes 40 times
// as long.

/*
 * What this object does not call is left out of it, and with percpu_part() its kernel symbol: to find that, libbpf
 * would read all of /proc/kallsyms, which takes 60 ms, four times as long as all else together.
 */
#define __noinline static __attribute__((noinline, unused))
#include "read.h"

/* The kernel scores by exact sums (since 7.0), so those are read; else what a plain read of the counters gives. */
const volatile bool reads_exactly = false;

/* Where the kernel keeps how far each CPU's variables lie from the first's; 0 where `find_offsets` has not found it. */
__u64 per_cpu_offsets = 0;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * Run once by the loader, in its own context, before the first snapshot and only where the kernel scores by exact sums:
 * without it the sums lack what each CPU keeps of a counter for itself. Takes CONFIG_KALLSYMS_ALL.
 */
SEC("syscall")
int find_offsets(void *ctx)
{
	static const char name[] = "__per_cpu_offset";
	__u64 address = 0;

	if (bpf_kallsyms_lookup_name(name, sizeof(name), 0, &address) == 0)
		per_cpu_offsets = address;
	return 0;
}

/* A counter as get_mm_counter_sum() gives it: with what the CPUs keep of it for themselves. */
static __u64 exact_pages(__s64 count, const __s32 *counters)
{
	const __u64 *offsets = (const __u64 *)per_cpu_offsets;
	__u32 cpu;

	for (cpu = 0; cpu < CPUS_MAX; cpu++) {
		__u64 offset = 0;
		__s32 part = 0;

		if (cpu >= cpu_count)
			break;
		bpf_probe_read_kernel(&offset, sizeof(offset), offsets + cpu);
		bpf_probe_read_kernel(&part, sizeof(part), (const void *)((__u64)counters + offset));
		count += part;
	}
	return clamped(count);
}

#define EXACT(mm, kind) exact_pages(BPF_CORE_READ(mm, rss_stat[kind].count), BPF_CORE_READ(mm, rss_stat[kind].counters))

static __always_inline void read_exactly(const struct mm_struct *mm, struct ow_memory *memory)
{
	memory->file_pages = EXACT(mm, 0);
	memory->anon_pages = EXACT(mm, 1);
	memory->swap_pages = EXACT(mm, 2);
	memory->shmem_pages = EXACT(mm, 3);
}

/* The id of its group in the memory hierarchy, by loads alone where the kernel allows them; 0 where it has none. */
static __always_inline __u64 memory_group(const struct task_struct *task)
{
	const struct css_set *set = ADDRESS(struct task_struct, task, cgroups);
	const void *css, *cgroup, *node;

	if (may_cast) {
		const char *cast = bpf_rdonly_cast(set, bpf_core_type_id_kernel(struct css_set));
		__u64 number;

		cast += bpf_core_field_offset(struct css_set, subsys);
		cast += bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) * sizeof(void *);
		number = (__u64) * (void *const *)cast;
		asm volatile("%0 = -%0\n%0 = -%0" : "+r"(number));
		css = (const void *)number;
	} else {
		css = set_memcg(set);
	}
	cgroup = ADDRESS(struct cgroup_subsys_state, css, cgroup);
	node = ADDRESS(struct cgroup, cgroup, kn);
	return FIELD(struct kernfs_node, node, id);
}

/* Every thread on the host, in the reader's context; only those that lead their process are written. */
SEC("iter/task")
int snapshot(struct bpf_iter__task *ctx)
{
	const struct task_struct *task, *alive;
	const struct signal_struct *signal;
	const struct mm_struct *mm;
	const struct cred *cred;
	struct ow_task record = {};
	__u64 address = 0;
	bool is_kthread;

	bpf_probe_read_kernel(&address, sizeof(address), &ctx->task); /* as a number, for a global function */
	task = (const void *)address;
	if (!task)
		return 0;
	record.pid = FIELD(struct task_struct, task, tgid);
	record.tid = FIELD(struct task_struct, task, pid);
	if (record.pid != record.tid)
		return 0;
	is_kthread = FIELD(struct task_struct, task, flags) & PF_KTHREAD;
	mm = is_kthread ? NULL : ADDRESS(struct task_struct, task, mm); /* one that a kernel thread has is borrowed */
	if (!mm && !is_kthread) { /* the leader is gone, and another thread may still have the memory */
		alive = (const void *)thread_with_mm(address);
		if (alive) {
			mm = ADDRESS(struct task_struct, alive, mm);
			record.tid = FIELD(struct task_struct, alive, pid);
		}
	}
	signal = ADDRESS(struct task_struct, task, signal);
	record.start_boottime_ns = FIELD(struct task_struct, task, start_boottime);
	cred = ADDRESS(struct task_struct, task, real_cred);
	record.uid = FIELD(struct cred, cred, uid.val);
	record.oom_score_adj = FIELD(struct signal_struct, signal, oom_score_adj);
	record.cgroup = memory_group(task);
	record.flags = candidate_flags(task, mm, signal) | (record.pid == 1 ? OW_CANDIDATE_INIT : 0);
	if (is_kthread)
		record.flags |= OW_CANDIDATE_KTHREAD;
	record.mm = (__u64)mm;
	if (mm) {
		read_memory(mm, &record.memory);
		if (reads_exactly && has_percpu_rss() && per_cpu_offsets)
			read_exactly(mm, &record.memory);
	}
	read_comm(task, record.comm);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}
