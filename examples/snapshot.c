// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints PID and name of all processes, as "ps -e" does, with one system call for 256 of them.
 *
 *	cc -I. -o snapshot examples/snapshot.c && sudo ./snapshot
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "procmon_uapi.h"

#define CAPACITY 256

int main(void)
{
	static struct procmon_record records[CAPACITY];
	struct procmon_snapshot snapshot = {
		.size = sizeof(snapshot),
		.groups = PROCMON_GROUP_BASIC,
		.records = (uintptr_t)records,
		.stride = sizeof(records[0]),
		.capacity = CAPACITY,
	};
	int fd = open("/dev/procmon", O_RDONLY);
	__u32 i;

	if (fd < 0) {
		perror("open /dev/procmon");
		return 1;
	}
	/* Each call continues at the cursor that the one before has left. */
	do {
		if (ioctl(fd, PROCMON_SNAPSHOT, &snapshot) != 0) {
			perror("PROCMON_SNAPSHOT");
			return 1;
		}
		for (i = 0; i < snapshot.count; i++)
			printf("%d %s\n", records[i].pid, records[i].comm);
	} while (snapshot.cursor != 0);
	return 0;
}
