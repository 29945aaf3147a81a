// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Only the kernel fields that we read. CO-RE moves each access to where the running kernel keeps the field; a
// ___flavour is another shape of the same struct, with the kernel commit that made the difference.
#ifndef OOMWITNESS_KERNEL_H
#define OOMWITNESS_KERNEL_H

#include <linux/bpf.h>
#define __VMLINUX_H__ /* bpf_tracing.h then takes the kernel's names of registers, not those of ptrace(2) */

typedef _Bool bool;
enum { false = 0, true = 1 };
#define NULL ((void *)0)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* x86 and arm64 registers, for kprobe arguments. */
struct pt_regs {
	unsigned long di, si, dx, cx, r8, ax;
};
struct user_pt_regs {
	__u64 regs[31];
};

typedef struct {
	int counter;
} atomic_t;
typedef struct {
	long counter;
} atomic_long_t;
typedef struct {
	unsigned int val;
} kuid_t;

struct list_head {
	struct list_head *next;
};

struct percpu_counter {
	__s64 count;
	__s32 *counters;
};

/* Since f1a7941243c1 "mm: convert mm's rss stats into percpu_counter" (6.2). */
struct mm_struct {
	atomic_t mm_users;
	atomic_long_t pgtables_bytes;
	unsigned long total_vm;
	unsigned long arg_start;
	unsigned long arg_end;
	unsigned long flags;
	struct percpu_counter rss_stat[4];
};

/* Before it. */
struct mm_rss_stat {
	atomic_long_t count[4];
};
struct mm_struct___counters {
	struct mm_rss_stat rss_stat;
};

/* Since 6.18 mm->flags is a bitmap in a struct of its own: "mm: add bitmap mm->flags field". */
typedef struct {
	unsigned long __mm_flags[1];
} mm_flags_t___bitmap;
struct mm_struct___bitmap {
	mm_flags_t___bitmap flags;
};

struct signal_struct {
	atomic_t live;
	int nr_threads;
	struct list_head thread_head;
	short oom_score_adj;
	struct mm_struct *oom_mm;
};

struct cred {
	kuid_t uid;
};

struct cgroup;
struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

enum cgroup_subsys_id {
	memory_cgrp_id = 4, /* the running kernel's number is asked by bpf_core_enum_value() */
};

struct css_set {
	struct cgroup_subsys_state *subsys[14];
};

struct kernfs_node {
	struct kernfs_node *__parent; /* since 633488947ef6 "kernfs: Use RCU to access kernfs_node::parent" (6.15) */
	const char *name;
	__u64 id;
};
struct kernfs_node___parent {
	struct kernfs_node *parent;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct task_struct {
	unsigned int flags;
	struct list_head tasks;
	struct mm_struct *mm;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct list_head thread_node;
	void *vfork_done;
	__u64 start_boottime;
	const struct cred *real_cred;
	char comm[16];
	struct signal_struct *signal;
	struct css_set *cgroups;
};

struct page_counter {
	atomic_long_t usage;
	unsigned long max;
};

enum memcg_memory_event {
	MEMCG_OOM = 3, /* asked at run time: the enum has grown in the middle */
	MEMCG_OOM_KILL = 4,
	MEMCG_OOM_GROUP_KILL = 5,
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
	struct page_counter swap; /* in a union with memsw: v2 counts swap there, v1 memory and swap */
	atomic_long_t memory_events[9];
	atomic_long_t memory_events_local[9];
	bool oom_group;
};

/* Before 4.20-era layouts are not supported: the floor is 5.8. */
enum oom_constraint { CONSTRAINT_NONE = 0 };

struct oom_control {
	struct mem_cgroup *memcg;
	unsigned int gfp_mask;
	int order;
	unsigned long totalpages;
	struct task_struct *chosen;
	long chosen_points;
	enum oom_constraint constraint;
};

/* Since "mm/oom_kill: trace more at mark_victim" (6.9, and backported): the tracepoint's argument is the task. */
struct trace_event_raw_mark_victim {
	unsigned long total_vm;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#endif
