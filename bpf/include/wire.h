// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The records that cross the ring buffer. Fixed widths, padded by hand, every size asserted: Swift reads these very
// structs, so no layout is written twice. All memory sizes are in pages, all times CLOCK_MONOTONIC nanoseconds.
#ifndef OOMWITNESS_WIRE_H
#define OOMWITNESS_WIRE_H

#include <linux/types.h>

#define OW_COMM_BYTES 16
#define OW_MESSAGE_BYTES 64
#define OW_ARGV_BYTES 1024
#define OW_CGROUP_LEVELS 16
#define OW_CGROUP_NAME_BYTES 256
#define OW_CGROUP_NAMES_BYTES 2048
#define OW_CANDIDATES_PER_CHUNK 32
#define OW_CHUNKS 512
#define OW_KEPT_MAX 64 /* candidates that can be ranked in the kernel; else all are sent */
#define OW_CANDIDATES_MAX (OW_CANDIDATES_PER_CHUNK * OW_CHUNKS)

enum ow_kind {
	OW_DECISION = 1,     /* oom_kill_process() was entered: who asked, whose limit, whom it chose */
	OW_CANDIDATES = 2,   /* up to 32 of the tasks that it looked at */
	OW_CGROUP = 3,	     /* one control group with its ancestors: names, usage, limits */
	OW_ARGV = 4,	     /* the command line of a victim that asked for the memory itself */
	OW_KILL = 5,	     /* SIGKILL was sent to one process for memory */
	OW_DECISION_END = 6, /* oom_kill_process() has returned: nothing more comes of this decision */
	OW_NO_KILL = 7,	     /* out of memory, and nobody was killed */
	OW_OUTCOME = 8,	     /* reaper and exit of a victim */
	OW_GUARD = 9,	     /* another program that guards memory sent a signal */
	OW_KINDS = 10,
};

/* First of every record. `decision` is 0 where the record belongs to none. */
struct ow_header {
	__u16 kind;
	__u16 flags; /* enum ow_record_flags */
	__u32 bytes; /* of the whole record */
	__u64 monotonic_ns;
	__u64 decision;
};
_Static_assert(sizeof(struct ow_header) == 24, "ow_header");

enum ow_record_flags {
	OW_INFERRED = 1 << 0,	 /* the binding limit was concluded from counters: tracepoint rung */
	OW_EXPECT_MORE = 1 << 1, /* more kills of this decision may follow, and no OW_DECISION_END will */
	OW_CGROUP_V2 = 1 << 2,
	OW_TRUNCATED = 1 << 3,	   /* deeper or longer than the record holds */
	OW_SHARES_MEMORY = 1 << 4, /* killed for sharing the victim's mm; the kernel does not count it */
	OW_GROUP = 1 << 6,	   /* memory.oom.group applies */
	OW_TRIGGER_KTHREAD = 1 << 7,
	OW_SYSRQ = 1 << 8, /* sysrq-f asked for it: tracepoint rung, which sees no order */
	OW_AGAIN = 1 << 9, /* the kernel counts a process that it killed before once more */
};

/* Memory counters of one mm, clamped at 0 as the kernel does. */
struct ow_memory {
	__u64 anon_pages;
	__u64 file_pages;
	__u64 shmem_pages;
	__u64 swap_pages;
	__u64 pgtable_pages;
};
_Static_assert(sizeof(struct ow_memory) == 40, "ow_memory");

/* The task that is in out_of_memory(): it asked for memory, or lowered a limit. */
struct ow_trigger {
	__u64 cgroup; /* id of its memory cgroup */
	__s32 pid;
	__s32 tid;
	__u32 uid;
	__s32 order; /* -1: sysrq-f */
	__u32 gfp_mask;
	__s16 oom_score_adj;
	__u8 constraint; /* enum oom_constraint; OW_NOT_SEEN: neither it nor gfp_mask and order were seen */
	__u8 padding;
	char comm[OW_COMM_BYTES];
};
_Static_assert(sizeof(struct ow_trigger) == 48, "ow_trigger");
#define OW_NOT_SEEN 255

struct ow_decision {
	struct ow_header header;
	struct ow_trigger trigger;
	__u64 scan_began_ns; /* 0: not seen */
	__u64 domain_pages;  /* oc->totalpages; 0: not seen */
	__s64 chosen_points; /* oc->chosen_points */
	__u64 limit_cgroup;  /* id; 0: no memcg limit */
	__u32 considered;    /* user tasks looked at */
	__u32 stored;	     /* of these in OW_CANDIDATES records: all, or what the list needs */
	__s32 chosen_pid;
	__s32 chosen_tid;
	char message[OW_MESSAGE_BYTES]; /* empty: not seen */
};
_Static_assert(sizeof(struct ow_decision) == 184, "ow_decision");

enum ow_candidate_flags {
	OW_CANDIDATE_POINTS = 1 << 0, /* `points` is what oom_badness() returned */
	OW_CANDIDATE_INIT = 1 << 1,
	OW_CANDIDATE_NO_MM = 1 << 2,
	OW_CANDIDATE_OOM_SKIP = 1 << 3,
	OW_CANDIDATE_VFORK = 1 << 4,
	OW_CANDIDATE_VICTIM = 1 << 5, /* signal->oom_mm was set: an earlier kill is in flight */
	OW_CANDIDATE_RSS_EXACT = 1 << 6,
	OW_CANDIDATE_KTHREAD = 1 << 7, /* struct ow_task alone */
	OW_CANDIDATE_PASSED_OVER = OW_CANDIDATE_INIT | OW_CANDIDATE_NO_MM | OW_CANDIDATE_OOM_SKIP | OW_CANDIDATE_VFORK |
				   OW_CANDIDATE_VICTIM | OW_CANDIDATE_KTHREAD,
};

struct ow_candidate {
	struct ow_memory memory;
	__s64 points;
	__u64 cgroup;
	__s32 pid;
	__s32 tid;
	__u32 uid;
	__s16 oom_score_adj;
	__u16 flags;
	__u32 order; /* its place among all that were considered, as the kernel came to them */
	__u32 padding;
	char comm[OW_COMM_BYTES];
};
_Static_assert(sizeof(struct ow_candidate) == 96, "ow_candidate");

struct ow_candidates {
	struct ow_header header;
	__u32 padding;
	__u32 count;
	struct ow_candidate list[OW_CANDIDATES_PER_CHUNK]; /* `count` of them are sent */
};
_Static_assert(sizeof(struct ow_candidates) == 32 + 32 * 96, "ow_candidates");

/* Limits of PAGE_COUNTER_MAX and more mean none; `swap` is the swap counter on v2, memory+swap on v1. */
struct ow_cgroup_level {
	__u64 id;
	__u64 usage_pages;
	__u64 limit_pages;
	__u64 swap_usage_pages;
	__u64 swap_limit_pages;
};
_Static_assert(sizeof(struct ow_cgroup_level) == 40, "ow_cgroup_level");

struct ow_cgroup {
	struct ow_header header;
	__u32 levels; /* from the group itself up to the root */
	__u32 names_bytes;
	struct ow_cgroup_level level[OW_CGROUP_LEVELS];
	char names[OW_CGROUP_NAMES_BYTES]; /* one name a level, each ending in NUL; `names_bytes` of them are sent */
};
_Static_assert(sizeof(struct ow_cgroup) == 32 + 16 * 40 + 2048, "ow_cgroup");

struct ow_argv {
	struct ow_header header;
	__s32 pid;
	__u32 argv_bytes;
	char argv[OW_ARGV_BYTES]; /* NUL between arguments; `argv_bytes` of them are sent */
};
_Static_assert(sizeof(struct ow_argv) == 32 + 1024, "ow_argv");

struct ow_kill {
	struct ow_header header;
	struct ow_memory memory; /* when SIGKILL was sent */
	__u64 total_vm_pages;
	__u64 start_boottime_ns;
	__u64 cgroup;
	__u64 mm; /* tells processes that share memory; no address is shown to users */
	__s32 pid;
	__s32 tid;
	__s32 ppid;
	__u32 uid;
	__u32 threads;
	__s16 oom_score_adj;
	__u16 padding;
	char comm[OW_COMM_BYTES];
	char parent_comm[OW_COMM_BYTES];
};
_Static_assert(sizeof(struct ow_kill) == 152, "ow_kill");

struct ow_decision_end {
	struct ow_header header;
	__u32 counted; /* how often the kernel counted a kill in this decision */
	__u32 padding;
};
_Static_assert(sizeof(struct ow_decision_end) == 32, "ow_decision_end");

enum ow_no_kill_reason {
	OW_ALLOCATING_TASK_DYING = 1,
	OW_CHOSEN_TASK_DYING = 2,
	OW_NO_KILLABLE_PROCESS = 3,
};

struct ow_no_kill {
	struct ow_header header;
	struct ow_trigger trigger;
	__u64 domain_pages;
	__u64 limit_cgroup;
	__u32 considered;
	__u32 reason; /* enum ow_no_kill_reason */
	__s32 pid;    /* the dying one; 0: none */
	__s32 tid;
	char comm[OW_COMM_BYTES];
};
_Static_assert(sizeof(struct ow_no_kill) == 120, "ow_no_kill");

enum ow_stage {
	OW_REAP_START = 1,
	OW_REAP_FINISH = 2,
	OW_REAP_SKIP = 3,
	OW_EXIT = 4,	     /* the last thread is gone */
	OW_MEMORY_FREED = 5, /* exit_mmap() has returned */
};

struct ow_outcome {
	struct ow_header header;
	__s32 pid; /* 0 where only the thread is known */
	__s32 tid;
	__u32 stage; /* enum ow_stage */
	__u32 padding;
};
_Static_assert(sizeof(struct ow_outcome) == 40, "ow_outcome");

/* earlyoom and its like have sent SIGTERM or SIGKILL; the one that got it need not have ended of it. */
struct ow_guard {
	struct ow_header header;
	__s32 sender_pid;
	__u32 signal;
	__s32 pid;
	__s32 tid;
	char sender_comm[OW_COMM_BYTES];
	char comm[OW_COMM_BYTES];
};
_Static_assert(sizeof(struct ow_guard) == 72, "ow_guard");

#endif
