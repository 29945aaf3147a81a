// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// loader RUNG PROGRAM...: loads the BPF objects as Sources/KernelProbe does, and writes each record as a line, until
// SIGTERM. A PROGRAM is its name, `@SYMBOL` where it goes to the return of a symbol that its section does not name, if
// there is one, and `?` where the rung can do without it. A line is a word, KEY=VALUE... and last comm=TEXT. At the end
// come the processes that are there, from tasks.bpf.c. Exit status: 0 done, 2 the kernel will not have the rung.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "oomwitness.skel.h"
#include "tasks.skel.h"
#include "processes.h"

enum { POLL_MILLISECONDS = 100, LINE_SIZE = 512, LINKS_MAX = 32 };

static volatile sig_atomic_t ended;
static struct bpf_link *links[LINKS_MAX]; // by the number of the argument; they go when the process does
static struct {
	char name[64];
	char *symbol;
	bool optional;
	struct bpf_program *program;
} wanted[LINKS_MAX];

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static void refused(const char *what, const char *which, int error)
{
	printf("refused what=%s which=%s error=%d\n", what, which, error < 0 ? -error : error);
}

static bool kernel_has(const char *symbol)
{
	char line[LINE_SIZE], name[LINE_SIZE];
	FILE *symbols = fopen("/proc/kallsyms", "r");
	bool found = false;
	while (symbols && !found && fgets(line, sizeof line, symbols))
		found = sscanf(line, "%*s %*s %511s", name) == 1 && !strcmp(name, symbol);
	if (symbols)
		fclose(symbols);
	return found;
}

// One program that cannot be found a place for lets no other be loaded either: such a one is left out beforehand.
static bool has_place(const struct bpf_program *program, const char *symbol, const struct btf *types)
{
	const char *section = bpf_program__section_name(program), *function = strchr(section, '/');
	if (symbol)
		return kernel_has(symbol);
	if (!strncmp(section, "fentry", 6) || !strncmp(section, "fexit", 5))
		return btf__find_by_name_kind(types, function + 1, BTF_KIND_FUNC) > 0;
	return true;
}

static void choose(struct oomwitness *probe, int count, char **arguments)
{
	struct btf *types = btf__load_vmlinux_btf();
	struct bpf_program *program;
	bpf_object__for_each_program(program, probe->obj) bpf_program__set_autoload(program, false);
	for (int i = 0; i < count && i < LINKS_MAX; i++) {
		snprintf(wanted[i].name, sizeof wanted[i].name, "%s", arguments[i]);
		char *end = wanted[i].name + strlen(wanted[i].name) - 1;
		if ((wanted[i].optional = *end == '?'))
			*end = 0;
		if ((wanted[i].symbol = strchr(wanted[i].name, '@')))
			*wanted[i].symbol++ = 0;
		program = bpf_object__find_program_by_name(probe->obj, wanted[i].name);
		if (program && has_place(program, wanted[i].symbol, types)) {
			bpf_program__set_autoload(program, true);
			wanted[i].program = program;
		} else if (!program || !wanted[i].symbol)
			refused("place", arguments[i], ENOENT);
	}
	btf__free(types);
}

// Runs an iterator once, to its end; what it writes is told to `each`.
static int iterate(const struct bpf_program *program, void (*each)(const struct ow_task *))
{
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -errno;
	struct ow_task task;
	while (fd >= 0 && read(fd, &task, sizeof task) == sizeof task)
		each(&task);
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return fd < 0 ? fd : 0;
}

static void ignore(const struct ow_task *task)
{
	(void)task;
}

static int attach(int i)
{
	const struct bpf_program *program = wanted[i].program;
	if (!strncmp(bpf_program__section_name(program), "iter/", 5))
		return iterate(program, ignore);
	links[i] = wanted[i].symbol ? bpf_program__attach_kprobe(program, true, wanted[i].symbol)
				    : bpf_program__attach(program);
	return links[i] ? 0 : -errno;
}

static void write_memory(const struct ow_memory *memory)
{
	printf(" anon=%llu file=%llu shmem=%llu swap=%llu pgtable=%llu", memory->anon_pages, memory->file_pages,
	       memory->shmem_pages, memory->swap_pages, memory->pgtable_pages);
}

static void write_task(const struct ow_task *task)
{
	printf("task pid=%d uid=%u adj=%d flags=%u", task->pid, task->uid, task->oom_score_adj, task->flags);
	write_memory(&task->memory);
	printf(" comm=%.16s\n", task->comm);
}

static void write_candidates(const struct ow_candidates *chunk)
{
	for (__u32 i = 0; i < chunk->count; i++) {
		const struct ow_candidate *one = &chunk->list[i];
		printf("candidate decision=%llu pid=%d tid=%d uid=%u adj=%d flags=%u points=%lld",
		       chunk->header.decision, one->pid, one->tid, one->uid, one->oom_score_adj, one->flags,
		       one->points);
		write_memory(&one->memory);
		printf(" comm=%.16s\n", one->comm);
	}
}

static void write_decision(const struct ow_decision *it)
{
	printf("decision decision=%llu flags=%u pid=%d tid=%d uid=%u order=%d gfp_mask=%u adj=%d constraint=%u "
	       "domain=%llu "
	       "chosen_points=%lld chosen_pid=%d considered=%u stored=%u limit_cgroup=%llu comm=%.16s\n",
	       it->header.decision, it->header.flags, it->trigger.pid, it->trigger.tid, it->trigger.uid,
	       it->trigger.order, it->trigger.gfp_mask, it->trigger.oom_score_adj, it->trigger.constraint,
	       it->domain_pages, it->chosen_points, it->chosen_pid, it->considered, it->stored, it->limit_cgroup,
	       it->trigger.comm);
}

static void write_cgroup(const struct ow_cgroup *it)
{
	printf("cgroup flags=%u levels=%u id=%llu usage=%llu limit=%llu comm=%s\n", it->header.flags, it->levels,
	       it->level[0].id, it->level[0].usage_pages, it->level[0].limit_pages, it->names);
}

static void write_kill(const struct ow_kill *it)
{
	printf("kill decision=%llu flags=%u pid=%d tid=%d ppid=%d uid=%u adj=%d threads=%u total_vm=%llu",
	       it->header.decision, it->header.flags, it->pid, it->tid, it->ppid, it->uid, it->oom_score_adj,
	       it->threads, it->total_vm_pages);
	write_memory(&it->memory);
	printf(" comm=%.16s\n", it->comm);
}

static int write_record(void *context, void *data, size_t size)
{
	const struct ow_header *header = data;
	(void)context;
	if (size < header->bytes)
		printf("short kind=%u bytes=%u size=%zu\n", header->kind, header->bytes, size);
	else if (header->kind == OW_DECISION)
		write_decision(data);
	else if (header->kind == OW_CANDIDATES)
		write_candidates(data);
	else if (header->kind == OW_CGROUP)
		write_cgroup(data);
	else if (header->kind == OW_ARGV)
		printf("argv pid=%d comm=%.1024s\n", ((struct ow_argv *)data)->pid, ((struct ow_argv *)data)->argv);
	else if (header->kind == OW_KILL)
		write_kill(data);
	else if (header->kind == OW_DECISION_END)
		printf("decision_end decision=%llu counted=%u\n", header->decision,
		       ((struct ow_decision_end *)data)->counted);
	else if (header->kind == OW_OUTCOME)
		printf("outcome pid=%d tid=%d stage=%u\n", ((struct ow_outcome *)data)->pid,
		       ((struct ow_outcome *)data)->tid, ((struct ow_outcome *)data)->stage);
	else
		printf("kind_%u\n", header->kind);
	return 0;
}

static bool has_cast(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool found = btf && btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return found;
}

static int snapshot(void)
{
	struct tasks *tasks = tasks__open();
	if (tasks) {
		tasks->rodata->may_cast = has_cast();
		bpf_program__set_autoload(tasks->progs.find_offsets, false); /* kernels before 5.14 know no such program */
	}
	int error = tasks ? tasks__load(tasks) : -errno;
	if (error)
		return error;
	return iterate(tasks->progs.snapshot, write_task);
}

/* Where the code of a function lies, by kallsyms: from its address to the next symbol's. */
static void find_code(const char *function, volatile __u64 code[2])
{
	FILE *file = fopen("/proc/kallsyms", "re");
	unsigned long long address, begin = 0;
	char name[256];

	while (file && fscanf(file, "%llx %*c %255s%*[^\n]", &address, name) == 2) {
		if (begin && address > begin) {
			code[0] = begin;
			code[1] = address;
			break;
		}
		if (!strcmp(name, function))
			begin = address;
	}
	if (file)
		fclose(file);
}

static int load(struct oomwitness *probe, const char *rung)
{
	find_code("out_of_memory", (volatile __u64 *)probe->rodata->out_of_memory_code);
	find_code("mem_cgroup_out_of_memory", (volatile __u64 *)probe->rodata->memcg_oom_code);
	find_code("moom_callback", (volatile __u64 *)probe->rodata->sysrq_oom_code);
	probe->rodata->may_cast = has_cast();
	probe->rodata->page_shift = __builtin_ctzl(sysconf(_SC_PAGESIZE));
	probe->rodata->cpu_count = libbpf_num_possible_cpus();
	probe->rodata->tracepoint_alone = !strcmp(rung, "tracepoint");
	int error = oomwitness__load(probe);
	if (error)
		refused("load", rung, error);
	for (int i = 0; i < LINKS_MAX && !error; i++) {
		int failure = wanted[i].program ? attach(i) : 0;
		if (failure)
			refused("attach", wanted[i].name, failure);
		if (failure && !wanted[i].optional)
			error = failure;
	}
	return error;
}

int main(int count, char **arguments)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGTERM, end);
	struct oomwitness *probe = count > 1 ? oomwitness__open() : NULL;
	if (!probe)
		return 64;
	choose(probe, count - 2, arguments + 2);
	if (load(probe, arguments[1]))
		return 2;
	struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(probe->maps.events), write_record, NULL, NULL);
	if (!ring)
		return 2;
	printf("stream_start rung=%s page_size=%ld cpus=%d\n", arguments[1], sysconf(_SC_PAGESIZE),
	       libbpf_num_possible_cpus());
	while (!ended)
		ring_buffer__poll(ring, POLL_MILLISECONDS);
	int error = snapshot();
	ring_buffer__consume(ring);
	if (error)
		refused("load", "tasks", error);
	printf("stream_end lost_kills=%llu lost_details=%llu\n", probe->bss->lost_records[OW_KILL],
	       probe->bss->lost_records[OW_CANDIDATES] + probe->bss->lost_records[OW_CGROUP] +
		       probe->bss->lost_records[OW_ARGV]);
	return error ? 1 : 0;
}
