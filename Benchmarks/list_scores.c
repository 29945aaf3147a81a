// SPDX-License-Identifier: Apache-2.0
// What `oomwitness scores --read proc` does, in plain C: of each process /proc/PID/status and oom_score_adj, of those
// that are shown cgroup and oom_score as well. Usage: list_scores HOW_MANY
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct process {
	int pid;
	unsigned uid;
	long anon, file, shmem, swap, tables, adj, points;
	char comm[64];
};

static int proc;
static char text[65536];

/* The beginning of a file of a process, in `text`; 0 where it is gone. */
static int get(int pid, const char *name)
{
	char path[64];
	int file;
	ssize_t count;

	snprintf(path, sizeof(path), "%d/%s", pid, name);
	file = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return 0;
	count = read(file, text, sizeof(text) - 1);
	close(file);
	if (count <= 0)
		return 0;
	text[count] = 0;
	return 1;
}

/* Pages of one process; 0 for a kernel thread and for one that is gone. */
static int look(int pid, struct process *process)
{
	long kilobytes = sysconf(_SC_PAGESIZE) / 1024;
	int has_memory = 0;
	char *line, *end;

	if (!get(pid, "status"))
		return 0;
	memset(process, 0, sizeof(*process));
	process->pid = pid;
	for (line = text; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			break;
		if (!strncmp(line, "Name:\t", 6))
			snprintf(process->comm, sizeof(process->comm), "%.*s", (int)(end - line - 6), line + 6);
		else if (!strncmp(line, "Uid:\t", 5))
			process->uid = strtoul(line + 5, NULL, 10);
		else if (!strncmp(line, "RssAnon:", 8))
			process->anon = strtol(line + 8, NULL, 10) / kilobytes, has_memory = 1;
		else if (!strncmp(line, "RssFile:", 8))
			process->file = strtol(line + 8, NULL, 10) / kilobytes;
		else if (!strncmp(line, "RssShmem:", 9))
			process->shmem = strtol(line + 9, NULL, 10) / kilobytes;
		else if (!strncmp(line, "VmSwap:", 7))
			process->swap = strtol(line + 7, NULL, 10) / kilobytes;
		else if (!strncmp(line, "VmPTE:", 6))
			process->tables = strtol(line + 6, NULL, 10) / kilobytes;
	}
	if (!has_memory || !get(pid, "oom_score_adj"))
		return 0;
	process->adj = strtol(text, NULL, 10);
	return 1;
}

static long total_pages(void)
{
	char line[256];
	long sum = 0, value;
	FILE *file = fopen("/proc/meminfo", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemTotal: %ld", &value) == 1 || sscanf(line, "SwapTotal: %ld", &value) == 1)
			sum += value;
	if (file)
		fclose(file);
	return sum / (sysconf(_SC_PAGESIZE) / 1024);
}

static int by_pid(const void *one, const void *other)
{
	return *(const int *)one - *(const int *)other;
}

static int by_points(const void *one, const void *other)
{
	const struct process *a = one, *b = other;

	return a->points != b->points ? (a->points < b->points) - (a->points > b->points) : b->pid - a->pid;
}

static void show(const struct process *process, int rank)
{
	char group[4096] = "-";
	long score = get(process->pid, "oom_score") ? strtol(text, NULL, 10) : -1;
	char *line, *end, *path;

	if (get(process->pid, "cgroup"))
		for (line = text; (end = strchr(line, '\n')); line = end + 1) {
			*end = 0;
			path = strstr(line, ":memory:");
			if (path || !strncmp(line, "0::", 3))
				snprintf(group, sizeof(group), "%s", path ? path + 8 : line + 3);
			if (path)
				break;
		}
	printf("%4d %7d %5u %10ld %5ld %5ld %8ld %8ld %8ld %8ld %6ld %-16s %s\n", rank, process->pid, process->uid,
	       process->points, score, process->adj, process->anon, process->file, process->shmem, process->swap,
	       process->tables, process->comm, group);
}

int main(int argc, char **argv)
{
	int shown = argc > 1 ? atoi(argv[1]) : 10;
	int *pids = NULL;
	size_t count = 0, room = 0, found = 0, index;
	long total = total_pages();
	struct process *all;
	struct dirent *entry;
	DIR *folder = opendir("/proc");

	if (!folder)
		return 1;
	proc = dirfd(folder);
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		if (count == room && !(pids = realloc(pids, (room = room ? room * 2 : 1024) * sizeof(*pids))))
			return 1;
		pids[count++] = atoi(entry->d_name);
	}
	qsort(pids, count, sizeof(*pids), by_pid);
	all = calloc(count + 1, sizeof(*all));
	if (!all)
		return 1;
	for (index = 0; index < count; index++) {
		struct process *process = all + found;

		if (!look(pids[index], process) || process->adj == -1000 || process->pid == 1)
			continue;
		process->points = process->anon + process->file + process->shmem + process->swap + process->tables +
				  process->adj * (total / 1000);
		found++;
	}
	qsort(all, found, sizeof(*all), by_points);
	for (index = 0; index < found && index < (size_t)shown; index++)
		show(all + index, (int)index + 1);
	return 0;
}
