// SPDX-License-Identifier: Apache-2.0
// await N SECONDS: waits until /proc/vmstat's oom_kill is N or more; fails when that takes longer.
// One process that is there from the start: a shell that forks while memory is short asks for some itself, and comes
// and goes in the kernel's list of tasks.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POLLS_PER_SECOND = 20, VMSTAT_SIZE = 32768 };

static long count_kills(int fd)
{
	static char text[VMSTAT_SIZE];
	ssize_t size = pread(fd, text, sizeof text - 1, 0);
	if (size < 0)
		return -1;
	text[size] = 0;
	const char *line = strstr(text, "\noom_kill ");
	return line ? atol(line + strlen("\noom_kill ")) : -1;
}

int main(int count, char **arguments)
{
	if (count != 3) {
		fprintf(stderr, "usage: await N SECONDS\n");
		return 64;
	}
	int fd = open("/proc/vmstat", O_RDONLY);
	for (int polls = atoi(arguments[2]) * POLLS_PER_SECOND; polls > 0; polls--) {
		if (count_kills(fd) >= atol(arguments[1]))
			return 0;
		usleep(1000000 / POLLS_PER_SECOND);
	}
	return 1;
}
