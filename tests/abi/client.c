// SPDX-License-Identifier: GPL-2.0-only
/*
 * A C program that does not know procmon_uapi.h: it has a copy of the definitions in the
 * specification. With -DUSE_HEADER it takes those of procmon_uapi.h, and must be the same program.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifdef USE_HEADER
#include "procmon_uapi.h"
#else
struct procmon_stats {
	unsigned long total_opens;
	unsigned long total_reads;
	unsigned long total_writes;
	unsigned long total_ioctls;
	int current_filter_pid;
};

struct procmon_query {
	int pid;
	char comm[16];
	int state;
	unsigned long vsize;
};

#define PROCMON_MAGIC 'P'
#define PROCMON_GET_STATS _IOR(PROCMON_MAGIC, 2, struct procmon_stats)
#define PROCMON_QUERY_PID _IOWR(PROCMON_MAGIC, 4, struct procmon_query)
#endif

int main(void)
{
	struct procmon_query query = { .pid = 1 };
	struct procmon_stats stats;
	int fd = open("/dev/procmon", O_RDWR);

	if (fd < 0) {
		perror("open /dev/procmon");
		return 1;
	}
	if (ioctl(fd, PROCMON_QUERY_PID, &query) != 0) {
		perror("PROCMON_QUERY_PID");
		return 1;
	}
	printf("PID 1: comm=%s, state=%d, vsize=%lu\n", query.comm, query.state, query.vsize);
	if (ioctl(fd, PROCMON_GET_STATS, &stats) != 0) {
		perror("PROCMON_GET_STATS");
		return 1;
	}
	printf("Stats: opens=%lu, reads=%lu, writes=%lu, ioctls=%lu, filter=%d\n",
	       stats.total_opens, stats.total_reads, stats.total_writes, stats.total_ioctls,
	       stats.current_filter_pid);
	close(fd);
	return 0;
}
