/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Userspace interface of /dev/procmon.
 *
 * This header is the only definition of the interface: the kernel module and the Rust client both
 * take their types and numbers from it through bindgen, and C and C++ programs can include it as
 * it is, 32-bit and 64-bit ones alike.
 */
#ifndef _PROCMON_UAPI_H
#define _PROCMON_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Size of a process name in procmon_query, with its terminating NUL. */
#define PROCMON_COMM_LEN 16

/*
 * Result of PROCMON_GET_STATS.
 *
 * The totals count calls since the module was loaded or since the last PROCMON_RESET.
 */
struct procmon_stats {
	unsigned long total_opens;	/* open(2) calls that succeeded. */
	unsigned long total_reads;	/* Reads that delivered at least one byte. */
	unsigned long total_writes;	/* Writes that succeeded. */
	unsigned long total_ioctls;	/* ioctl(2) calls of any kind, this one included. */
	int current_filter_pid;		/* PID of PROCMON_SET_FILTER, 0 for none. */
};

/* Argument of PROCMON_QUERY_PID. */
struct procmon_query {
	int pid;			/* In: process or thread, in the caller's PID namespace. */
	char comm[PROCMON_COMM_LEN];	/* Out: name, NUL-terminated and NUL-padded. */
	int state;			/* Out: one of PROCMON_STATE_*. */
	unsigned long vsize;		/* Out: virtual memory in bytes, 0 for a kernel thread. */
};

/*
 * Values of procmon_query.state: the scheduler state that /proc/PID/stat shows, as the bit that
 * stands for its letter.
 */
#define PROCMON_STATE_NOT_FOUND		(-1)	/* No process has this PID. */
#define PROCMON_STATE_RUNNING		0	/* R: running, or waiting for a CPU. */
#define PROCMON_STATE_SLEEPING		1	/* S: interruptible sleep. */
#define PROCMON_STATE_DISK_SLEEP	2	/* D: uninterruptible sleep. */
#define PROCMON_STATE_STOPPED		4	/* T: stopped by a signal. */
#define PROCMON_STATE_TRACED		8	/* t: stopped by a tracer. */
#define PROCMON_STATE_DEAD		16	/* X: being taken down. */
#define PROCMON_STATE_ZOMBIE		32	/* Z: ended, not yet waited for. */
#define PROCMON_STATE_PARKED		64	/* P: parked kernel thread. */
#define PROCMON_STATE_IDLE		128	/* I: idle kernel thread. */

#define PROCMON_MAGIC 'P'

/* Zero the totals and the filter; message and per_cpu_ops stay. Needs a file open for writing. */
#define PROCMON_RESET		_IO(PROCMON_MAGIC, 0)
/* Length of the message in bytes. */
#define PROCMON_GET_COUNT	_IOR(PROCMON_MAGIC, 1, int)
/* The totals and the filter. */
#define PROCMON_GET_STATS	_IOR(PROCMON_MAGIC, 2, struct procmon_stats)
/* Set the filter to a PID, or to 0 for none. Needs a file open for writing. */
#define PROCMON_SET_FILTER	_IOW(PROCMON_MAGIC, 3, int)
/* Look a process up. Succeeds with PROCMON_STATE_NOT_FOUND where there is none. */
#define PROCMON_QUERY_PID	_IOWR(PROCMON_MAGIC, 4, struct procmon_query)

/*
 * What procmon_stats and procmon_query look like to a 32-bit process.
 *
 * A 32-bit program needs none of this: it gets the same layouts and numbers from the definitions
 * above. They are for code that serves or imitates such a program from a 64-bit one. A value that
 * does not fit is given as the largest one that does.
 */
struct procmon_stats32 {
	__u32 total_opens;
	__u32 total_reads;
	__u32 total_writes;
	__u32 total_ioctls;
	__s32 current_filter_pid;
};

struct procmon_query32 {
	__s32 pid;
	char comm[PROCMON_COMM_LEN];
	__s32 state;
	__u32 vsize;
};

#define PROCMON_GET_STATS32	_IOR(PROCMON_MAGIC, 2, struct procmon_stats32)
#define PROCMON_QUERY_PID32	_IOWR(PROCMON_MAGIC, 4, struct procmon_query32)

#endif /* _PROCMON_UAPI_H */
