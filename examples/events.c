// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the status of each process that ends.
 *
 *	cc -I. -o events examples/events.c && sudo ./events
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "procmon_uapi.h"

int main(void)
{
	static __u64 buffer[8192];
	const struct procmon_event_exit *end;
	const char *event;
	struct procmon_events events = {
		.size = sizeof(events),
		.classes = 1 << PROCMON_EVENT_EXIT,
		.timeout_ms = -1,
		.buffer = (uintptr_t)buffer,
		.capacity = sizeof(buffer),
	};
	int fd = open("/dev/procmon", O_RDONLY);

	while (fd >= 0 && ioctl(fd, PROCMON_EVENTS, &events) == 0) {
		for (event = (const char *)buffer; event < (const char *)buffer + events.bytes;
		     event += end->event.size) {
			end = (const void *)event;
			if (end->event.type == PROCMON_EVENT_EXIT)
				printf("%d %s %d\n", end->event.tgid, end->comm, end->status);
		}
		fflush(stdout);
	}
	perror("/dev/procmon");
	return 1;
}
