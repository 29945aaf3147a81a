// SPDX-License-Identifier: Apache-2.0
// A process to be killed. It does what its arguments say, one after another, then sleeps for ever:
//
//   hog join=/sys/fs/cgroup/shop adj=500 name=till anon=40 ready=/run/full -- this is never read
//
//   join=DIR     enters a control group
//   adj=N        writes its own oom_score_adj
//   name=TEXT    takes a name
//   comm=HEX     takes a name of any bytes
//   uid=N        changes its user
//   anon=N       touches N MiB of anonymous memory
//   shmem=N      the same, shared
//   file=N:PATH  makes PATH N MiB long and maps it
//   node=N       takes memory from NUMA node N alone (mempolicy)
//   ready=PATH   says that it came so far
//   go=PATH      waits until PATH is there
//   thread       a new thread does the rest as well
//   leaderless   a new thread does the rest, and the first thread ends
//   sharer=TEXT  a child of this name shares the memory, and is no thread
//   --           what follows is only there to be seen in the command line
//
// oom_score_adj is 0 unless an argument says otherwise: what started it may be protected.
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MEBIBYTE = 1 << 20, COMM_SIZE = 16, POLL_MICROSECONDS = 5000 };

static void perform(char **actions);

static void must(int fine, const char *what)
{
	if (!fine) {
		perror(what);
		_exit(1);
	}
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	must(fd >= 0, path);
	must(write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
}

// Writes each page once: a page that was only read is the shared page of zeroes.
static void touch(int mebibytes, int flags, int fd)
{
	size_t size = (size_t)mebibytes * MEBIBYTE;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	must(memory != MAP_FAILED, "mmap");
	for (size_t offset = 0; offset < size; offset += 4096)
		memory[offset] = 1;
}

static void map_file(const char *text)
{
	const char *path = strchr(text, ':') + 1;
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	must(fd >= 0 && ftruncate(fd, (off_t)atoi(text) * MEBIBYTE) == 0, path);
	touch(atoi(text), MAP_SHARED, fd);
}

static void take_name(const char *hex)
{
	char name[COMM_SIZE] = {0};
	for (int i = 0; i < COMM_SIZE - 1 && hex[2 * i]; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
		name[i] = (char)strtol(digits, NULL, 16);
	}
	must(prctl(PR_SET_NAME, name) == 0, "PR_SET_NAME");
}

static void bind_to(int node)
{
	unsigned long mask = 1UL << node;
	must(syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof mask) == 0, "set_mempolicy");
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static int be_sharer(void *name)
{
	must(prctl(PR_SET_NAME, name) == 0, "PR_SET_NAME");
	sleep_for_ever();
	return 0;
}

// Shares the memory and is no thread: CLONE_VM without CLONE_THREAD.
static void start_sharer(char *name)
{
	static char stack[65536];
	must(clone(be_sharer, stack + sizeof stack, CLONE_VM | SIGCHLD, name) > 0, "clone");
}

static void *perform_rest(void *actions)
{
	perform(actions);
	return NULL;
}

static void start_thread(char **actions)
{
	pthread_t thread;
	must(pthread_create(&thread, NULL, perform_rest, actions) == 0, "pthread_create");
}

static void wait_for(const char *path)
{
	while (access(path, F_OK) != 0)
		usleep(POLL_MICROSECONDS);
}

static void perform_one(const char *name, char *value, char **rest)
{
	if (!strcmp(name, "join")) {
		char path[512];
		snprintf(path, sizeof path, "%s/cgroup.procs", value);
		put(path, "0");
	} else if (!strcmp(name, "adj"))
		put("/proc/self/oom_score_adj", value);
	else if (!strcmp(name, "name"))
		must(prctl(PR_SET_NAME, value) == 0, "PR_SET_NAME");
	else if (!strcmp(name, "comm"))
		take_name(value);
	else if (!strcmp(name, "uid"))
		must(setuid(atoi(value)) == 0, "setuid");
	else if (!strcmp(name, "anon"))
		touch(atoi(value), MAP_PRIVATE | MAP_ANONYMOUS, -1);
	else if (!strcmp(name, "shmem"))
		touch(atoi(value), MAP_SHARED | MAP_ANONYMOUS, -1);
	else if (!strcmp(name, "file"))
		map_file(value);
	else if (!strcmp(name, "node"))
		bind_to(atoi(value));
	else if (!strcmp(name, "ready"))
		put(value, "");
	else if (!strcmp(name, "go"))
		wait_for(value);
	else if (!strcmp(name, "sharer"))
		start_sharer(value);
	else if (!strcmp(name, "thread"))
		start_thread(rest);
	else if (!strcmp(name, "leaderless")) {
		start_thread(rest);
		pthread_exit(NULL);
	} else {
		fprintf(stderr, "hog: unknown action %s\n", name);
		_exit(64);
	}
}

static void perform(char **actions)
{
	for (; *actions && strcmp(*actions, "--"); actions++) {
		char name[16];
		size_t length = strcspn(*actions, "=");
		snprintf(name, sizeof name, "%.*s", (int)length, *actions);
		char *value = (*actions)[length] ? *actions + length + 1 : *actions + length;
		perform_one(name, value, actions + 1);
	}
	sleep_for_ever();
}

int main(int count, char **arguments)
{
	(void)count;
	put("/proc/self/oom_score_adj", "0");
	perform(arguments + 1);
}
