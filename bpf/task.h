// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the two objects that read all processes share: tasks.bpf.c writes them all, rank.bpf.c keeps the first.
#ifndef OOMWITNESS_TASK_H
#define OOMWITNESS_TASK_H

/*
 * What an object does not call is left out of it, and with percpu_part() its kernel symbol: to find that, libbpf would
 * read all of /proc/kallsyms, which takes 60 ms, four times as long as all else together.
 */
#define __noinline static __attribute__((noinline, unused))
#include "read.h"
#include "include/processes.h"

/* The kernel scores by exact sums (since 7.0), so those are read; else what a plain read of the counters gives. */
const volatile bool reads_exactly = false;

/* Where the kernel keeps how far each CPU's variables lie from the first's; 0 where `find_offsets` has not found it. */
__u64 per_cpu_offsets = 0;

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

static __always_inline void describe(const struct task_struct *leader, struct ow_task *record)
{
	const struct cred *cred = ADDRESS(struct task_struct, leader, real_cred);

	record->start_boottime_ns = FIELD(struct task_struct, leader, start_boottime);
	record->uid = FIELD(struct cred, cred, uid.val);
	read_comm(leader, record->comm);
}

static __always_inline void read_counters(const struct mm_struct *mm, struct ow_memory *memory)
{
	read_memory(mm, memory);
	if (reads_exactly && has_percpu_rss() && per_cpu_offsets)
		read_exactly(mm, memory);
}

#endif
