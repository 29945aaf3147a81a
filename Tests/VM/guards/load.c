// SPDX-License-Identifier: Apache-2.0
// Takes memory in one of several ways in a child, and looks on: when memory got short, when who ended, when it was back.
//
//   load MODE PERCENT SECONDS FILL [GROUP]
//
// MODE: fast (as fast as memset goes), leak (2 MiB every 10 ms), bomb (processes of 2 MiB, one every 5 ms), cache (reads a
// disk that is larger than memory), deaf (leaks and ignores SIGTERM), thrash (touches more than there is, over and over),
// churn (touches what it filled, over and over: for a control group that has less).
// Before that it takes FILL percent of what is available at once, so that a large machine is short in seconds.
// The child is put into the control group GROUP, so that who ends all of that leaves the one who looks on.
// Short is what both MemAvailable and SwapFree are at or below PERCENT of. It ends SECONDS after that was filled, or once memory
// was back for a while. One line of JSON; moments are counted from `began_us`,
// which is CLOCK_MONOTONIC, and one that did not come is absent.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 // Kernel: 5.14
#endif

enum { MEBIBYTE = 1 << 20, CHILDREN_MAX = 4096, SAMPLE_MICROSECONDS = 2000, AFTER_MICROSECONDS = 1000000, FILL_SECONDS_MAX = 60 };

struct seen {
	volatile long deaths, by_term, by_kill, first_death, last_death, first_signal, filled, made_all;
};

static struct seen *seen;

static long now_us(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000L + time.tv_nsec / 1000;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static void set_adj(const char *text)
{
	put("/proc/self/oom_score_adj", text);
}

static void join(const char *group)
{
	static char path[4096];
	snprintf(path, sizeof path, "%s/cgroup.procs", group);
	put(path, "0");
}

static void note(int status)
{
	if (!WIFSIGNALED(status))
		return;
	int number = WTERMSIG(status);
	if (!seen->deaths) {
		seen->first_death = now_us();
		seen->first_signal = number;
	}
	seen->deaths++;
	seen->last_death = now_us();
	seen->by_term += number == SIGTERM;
	seen->by_kill += number == SIGKILL;
}

static char *take(size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		_exit(3);
	return memory;
}

// Takes so much at the beginning of this memory at once. Another kind of memory would be another victim.
static void fill(const char *mode, char *memory, size_t bytes)
{
	int is_bomb = !strcmp(mode, "bomb");
	// What a bomb forks would share it, and seem to hold it: a process of its own has it, which nobody takes.
	if (!is_bomb || fork() == 0) {
		if (madvise(memory, bytes, MADV_POPULATE_WRITE) != 0)
			memset(memory, 1, bytes);
		seen->filled = now_us();
		while (is_bomb)
			pause();
	}
	while (!seen->filled)
		usleep(10000);
}

static void leak(void)
{
	for (;;) {
		memset(take(2 * MEBIBYTE), 1, 2 * MEBIBYTE);
		usleep(10000);
	}
}

// What is left below what it filled, three tenths more than that, a process each.
static void bomb(long left_kib)
{
	long children = left_kib / 2048 * 13 / 10;
	int status;
	for (long made = 0; made < children && made < CHILDREN_MAX; made++) {
		if (fork() == 0) {
			set_adj("0");
			prctl(PR_SET_NAME, "bomblet");
			memset(take(2 * MEBIBYTE), 1, 2 * MEBIBYTE);
			for (;;)
				pause();
		}
		usleep(5000);
		while (waitpid(-1, &status, WNOHANG) > 0)
			note(status);
	}
	seen->made_all = now_us();
	for (;;) {
		if (waitpid(-1, &status, 0) > 0)
			note(status);
		else
			_exit(0);
	}
}

static void cache(void)
{
	static char buffer[MEBIBYTE];
	for (;;) {
		int fd = open("/cache.img", O_RDONLY);
		if (fd < 0)
			_exit(3);
		while (read(fd, buffer, sizeof buffer) > 0)
			;
		close(fd);
	}
}

static void thrash(char *memory, size_t bytes)
{
	for (;;)
		for (size_t offset = 0; offset < bytes; offset += 4096)
			memory[offset]++;
}

static void work(const char *mode, long total_kib, long swap_kib, long filled_kib)
{
	size_t all = (size_t)(total_kib + swap_kib) * 1024, filled = (size_t)filled_kib * 1024;
	set_adj("0");
	if (!strcmp(mode, "deaf"))
		signal(SIGTERM, SIG_IGN);
	if (!strcmp(mode, "bomb")) {
		prctl(PR_SET_NAME, "bomber");
		set_adj("-999");
	}
	char *memory = take(all * 2);
	fill(mode, memory, filled);
	if (!strcmp(mode, "fast"))
		memset(memory + filled, 1, all * 2 - filled);
	if (!strcmp(mode, "leak") || !strcmp(mode, "deaf"))
		leak();
	if (!strcmp(mode, "bomb"))
		bomb(total_kib + swap_kib - filled_kib);
	if (!strcmp(mode, "cache"))
		cache();
	if (!strcmp(mode, "thrash"))
		thrash(memory, all / 100 * 97);
	if (!strcmp(mode, "churn"))
		thrash(memory, filled);
	_exit(3);
}

static long field(const char *text, const char *key)
{
	const char *place = strstr(text, key);
	return place ? atol(place + strlen(key)) : 0;
}

static long read_field(const char *path, const char *key)
{
	static char text[32768];
	int fd = open(path, O_RDONLY);
	long count = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	close(fd);
	text[count < 0 ? 0 : count] = 0;
	return field(text, key);
}

int main(int count, char **arguments)
{
	if (count != 5 && count != 6)
		return 64;
	const char *mode = arguments[1];
	long percent = atol(arguments[2]), seconds = atol(arguments[3]);
	set_adj("-1000");
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	long total = read_field("/proc/meminfo", "MemTotal:"), swap = read_field("/proc/meminfo", "SwapTotal:");
	long filled = read_field("/proc/meminfo", "MemAvailable:") / 100 * atol(arguments[4]);
	long kills = read_field("/proc/vmstat", "oom_kill ");
	long began = now_us(), below = 0, back = 0, least = total;
	pid_t child = fork();
	if (child == 0) {
		munlockall();
		setpgid(0, 0);
		if (count == 6)
			join(arguments[5]);
		work(mode, total, swap, filled);
	}
	int reaped = 0, status = 0;
	while (seen->filled ? now_us() - seen->filled < seconds * 1000000L : now_us() - began < FILL_SECONDS_MAX * 1000000L) {
		long available = read_field("/proc/meminfo", "MemAvailable:"), now = now_us();
		int is_short = available * 100 <= total * percent &&
			       read_field("/proc/meminfo", "SwapFree:") * 100 <= swap * percent;
		if (available < least)
			least = available;
		if (is_short && !below)
			below = now;
		if (!reaped && waitpid(child, &status, WNOHANG) == child) {
			reaped = 1;
			note(status);
		}
		if (seen->deaths && !back && !is_short)
			back = now_us();
		if (reaped && back && now - back > AFTER_MICROSECONDS)
			break;
		if (back && seen->made_all && now - seen->made_all > AFTER_MICROSECONDS && now - seen->last_death > AFTER_MICROSECONDS)
			break;
		usleep(SAMPLE_MICROSECONDS);
	}
	long kernel = read_field("/proc/vmstat", "oom_kill ") - kills;
	kill(-child, SIGKILL);
	while (waitpid(-1, &status, 0) > 0)
		;
	printf("{\"mode\":\"%s\",\"began_us\":%ld,\"filled_us\":%ld", mode, began, seen->filled ? seen->filled - began : -1);
	if (below)
		printf(",\"short_us\":%ld", below - began);
	if (seen->deaths)
		printf(",\"death_us\":%ld,\"signal\":%ld", seen->first_death - began, seen->first_signal);
	if (back)
		printf(",\"back_us\":%ld", back - began);
	printf(",\"deaths\":%ld,\"by_term\":%ld,\"by_kill\":%ld,\"kernel\":%ld,\"least_kib\":%ld}\n", seen->deaths,
	       seen->by_term, seen->by_kill, kernel, least);
	return 0;
}
