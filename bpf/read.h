// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Reads of kernel objects that both BPF objects need. Addresses travel as __u64, since a global function (verified
// once, whoever calls it) takes no pointers to kernel objects.
#ifndef OOMWITNESS_READ_H
#define OOMWITNESS_READ_H

#include "kernel.h"
#include "include/wire.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define PF_KTHREAD 0x00200000
#define MMF_OOM_SKIP 21
#define THREADS_MAX 64 /* threads looked at for one that has an mm, behind a leader that is gone */
#define CPUS_MAX 1024
#define COUNTERS_BYTES_MAX 192 /* four struct percpu_counter, of 40 bytes without lock debugging */

const volatile __u32 page_shift = 12;
const volatile __u32 cpu_count = 1;

/* True where the kernel lets us cast an address to a type (since 6.2), so that a load does what else takes a call. */
const volatile bool may_cast = false;

extern void *bpf_rdonly_cast(const void *object, __u32 type_id) __ksym __weak;

/*
 * One field of the kernel object of this type at an address; zeros where nothing is there. By a load it takes 2 ns, by
 * the call that BPF_CORE_READ makes 45 ns: so it is read in whatever is done for each task, of which there may be ten
 * thousand.
 */
#define FIELD(type, address, field)                                                                                    \
	({                                                                                                             \
		__typeof__(((type *)0)->field) value_;                                                                 \
                                                                                                                       \
		if (may_cast)                                                                                          \
			value_ = ((type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type)))     \
					 ->field;                                                                      \
		else                                                                                                   \
			bpf_core_read(&value_, sizeof(value_), &((type *)(address))->field);                           \
		value_;                                                                                                \
	})

/* A field that is a pointer, as a number: negated twice, it is no kernel object any more to the verifier. */
#define ADDRESS(type, address, field)                                                                                  \
	({                                                                                                             \
		__u64 number_ = (__u64)FIELD(type, address, field);                                                    \
                                                                                                                       \
		asm volatile("%0 = -%0\n%0 = -%0" : "+r"(number_));                                                    \
		(void *)number_;                                                                                       \
	})

static __always_inline void read_comm(const struct task_struct *task, char *comm)
{
	const char *known;

	if (!may_cast) {
		bpf_probe_read_kernel(comm, OW_COMM_BYTES, task->comm);
		return;
	}
	known = bpf_rdonly_cast(task, bpf_core_type_id_kernel(struct task_struct));
	known += bpf_core_field_offset(struct task_struct, comm);
	((__u64 *)comm)[0] = ((const __u64 *)known)[0];
	((__u64 *)comm)[1] = ((const __u64 *)known)[1];
}

extern const void __per_cpu_offset __ksym __weak; /* needs CONFIG_KALLSYMS_ALL; 0 elsewhere */

static __always_inline __u64 clamped(__s64 pages)
{
	return pages < 0 ? 0 : pages;
}

static __always_inline bool has_percpu_rss(void)
{
	return !bpf_core_type_exists(struct mm_rss_stat);
}

/*
 * The counters as get_mm_counter() gives them: without what CPUs keep for themselves. All four lie side by side and are
 * read at once where a read is a call.
 */
static __always_inline void read_memory(const struct mm_struct *mm, struct ow_memory *memory)
{
	if (has_percpu_rss() && may_cast) {
		memory->file_pages = clamped(FIELD(struct mm_struct, mm, rss_stat[0].count));
		memory->anon_pages = clamped(FIELD(struct mm_struct, mm, rss_stat[1].count));
		memory->swap_pages = clamped(FIELD(struct mm_struct, mm, rss_stat[2].count));
		memory->shmem_pages = clamped(FIELD(struct mm_struct, mm, rss_stat[3].count));
	} else if (has_percpu_rss()) {
		__u64 size = bpf_core_type_size(struct percpu_counter);
		__u64 count = bpf_core_field_offset(struct percpu_counter, count);
		char counters[COUNTERS_BYTES_MAX];

		if (size * 4 > sizeof(counters) ||
		    bpf_probe_read_kernel(counters, size * 4, __builtin_preserve_access_index(&mm->rss_stat)))
			__builtin_memset(counters, 0, sizeof(counters));
		memory->file_pages = clamped(*(__s64 *)(counters + count));
		memory->anon_pages = clamped(*(__s64 *)(counters + size + count));
		memory->swap_pages = clamped(*(__s64 *)(counters + size * 2 + count));
		memory->shmem_pages = clamped(*(__s64 *)(counters + size * 3 + count));
	} else {
		const struct mm_struct___counters *old = (const void *)mm;
		__s64 counters[4] = {};

		bpf_core_read(counters, sizeof(counters), &old->rss_stat);
		memory->file_pages = clamped(counters[0]);
		memory->anon_pages = clamped(counters[1]);
		memory->swap_pages = clamped(counters[2]);
		memory->shmem_pages = clamped(counters[3]);
	}
	memory->pgtable_pages = clamped(FIELD(struct mm_struct, mm, pgtables_bytes.counter)) >> page_shift;
}

/* What the CPUs keep of one percpu_counter for themselves; the kernel adds it in get_mm_counter_sum() since 7.0. */
__noinline int percpu_part(__u64 counters)
{
	const __u64 *offsets = (const __u64 *)&__per_cpu_offset;
	__s32 sum = 0;
	__u32 cpu;

	for (cpu = 0; cpu < CPUS_MAX; cpu++) {
		__u64 offset = 0;
		__s32 part = 0;

		if (cpu >= cpu_count)
			break;
		bpf_probe_read_kernel(&offset, sizeof(offset), offsets + cpu);
		bpf_probe_read_kernel(&part, sizeof(part), (const void *)(counters + offset));
		sum += part;
	}
	return sum;
}

static __always_inline __s64 exact_count(__s64 count, const __s32 *counters)
{
	return clamped(count + percpu_part((__u64)counters));
}

/* The counters as get_mm_counter_sum() gives them. False where this kernel or its symbols do not allow it. */
static __always_inline bool read_memory_exact(const struct mm_struct *mm, struct ow_memory *memory)
{
	if (!has_percpu_rss() || !&__per_cpu_offset)
		return false;
	memory->file_pages = exact_count(BPF_CORE_READ(mm, rss_stat[0].count), BPF_CORE_READ(mm, rss_stat[0].counters));
	memory->anon_pages = exact_count(BPF_CORE_READ(mm, rss_stat[1].count), BPF_CORE_READ(mm, rss_stat[1].counters));
	memory->swap_pages = exact_count(BPF_CORE_READ(mm, rss_stat[2].count), BPF_CORE_READ(mm, rss_stat[2].counters));
	memory->shmem_pages =
		exact_count(BPF_CORE_READ(mm, rss_stat[3].count), BPF_CORE_READ(mm, rss_stat[3].counters));
	return true;
}

static __always_inline __u64 mm_flags(const struct mm_struct *mm)
{
	if (bpf_core_type_exists(mm_flags_t___bitmap))
		return FIELD(struct mm_struct___bitmap, mm, flags.__mm_flags[0]);
	return FIELD(struct mm_struct, mm, flags);
}

/* The thread that find_lock_task_mm() takes: the first of the group that still has an mm; 0 where none has. */
__noinline __u64 thread_with_mm(__u64 leader)
{
	const struct task_struct *task = (const void *)leader;
	const struct list_head *head, *node;
	__u32 i;

	if (BPF_CORE_READ(task, mm))
		return leader;
	head = &BPF_CORE_READ(task, signal)->thread_head;
	head = (const void *)__builtin_preserve_access_index(head);
	node = BPF_CORE_READ(head, next);
	for (i = 0; i < THREADS_MAX && node && node != head; i++) {
		task = (const void *)((__u64)node - bpf_core_field_offset(struct task_struct, thread_node));
		if (BPF_CORE_READ(task, mm))
			return (__u64)task;
		node = BPF_CORE_READ(node, next);
	}
	return 0;
}

static __always_inline const struct cgroup_subsys_state *set_memcg(const struct css_set *set)
{
	__u64 id = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	const struct cgroup_subsys_state *css = NULL;

	bpf_probe_read_kernel(&css, sizeof(css), &set->subsys[id]);
	return css;
}

static __always_inline const struct cgroup_subsys_state *task_memcg(const struct task_struct *task)
{
	return set_memcg(ADDRESS(struct task_struct, task, cgroups));
}

static __always_inline __u64 css_id(const struct cgroup_subsys_state *css)
{
	return css ? BPF_CORE_READ(css, cgroup, kn, id) : 0;
}

/* What makes the kernel pass over a process, in its own order; 0 where nothing does. */
static __always_inline __u16 candidate_flags(const struct task_struct *task, const struct mm_struct *mm,
					     const struct signal_struct *signal)
{
	__u16 flags = 0;

	if (!mm)
		return OW_CANDIDATE_NO_MM;
	if (mm_flags(mm) & (1UL << MMF_OOM_SKIP))
		flags |= OW_CANDIDATE_OOM_SKIP;
	if (FIELD(struct signal_struct, signal, oom_mm))
		flags |= OW_CANDIDATE_VICTIM;
	/* Whoever shares nothing is no vfork(2) child: most cost no look at the rest. */
	if (FIELD(struct mm_struct, mm, mm_users.counter) > 1 && FIELD(struct task_struct, task, vfork_done) &&
	    BPF_CORE_READ(task, real_parent, mm) == mm)
		flags |= OW_CANDIDATE_VFORK;
	return flags;
}

#endif
