// SPDX-License-Identifier: Apache-2.0
// kmsg clear: what is in the kernel's log now is old.
// kmsg: writes all newer records as they are, `prio,seq,usec,flags;text`.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/klog.h>
#include <unistd.h>

enum { SYSLOG_ACTION_CLEAR = 5, RECORD_SIZE = 16384 };

int main(int count, char **arguments)
{
	(void)arguments;
	if (count > 1)
		return klogctl(SYSLOG_ACTION_CLEAR, NULL, 0) == 0 ? 0 : 1;
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (fd < 0 || lseek(fd, 0, SEEK_DATA) < 0) {
		perror("/dev/kmsg");
		return 1;
	}
	for (;;) {
		char record[RECORD_SIZE];
		ssize_t size = read(fd, record, sizeof record);
		if (size < 0 && errno == EPIPE)
			continue; // Overwritten while it was read: the numbers show the hole.
		if (size <= 0)
			return errno == EAGAIN ? 0 : 1;
		if (write(1, record, (size_t)size) != size)
			return 1;
	}
}
