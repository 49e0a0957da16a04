/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Userspace interface of /dev/procmon.
 *
 * This header is the only definition of the interface: the kernel module and the Rust library both
 * take their types and numbers from it through bindgen, and C and C++ programs can include it as
 * it is, 32-bit and 64-bit ones alike. examples/snapshot.c is a whole program that lists all
 * processes; its core is:
 *
 *	struct procmon_record records[256];
 *	struct procmon_snapshot snapshot = {
 *		.size = sizeof(snapshot),
 *		.records = (uintptr_t)records,
 *		.stride = sizeof(records[0]),
 *		.capacity = 256,
 *	};
 *
 *	do {
 *		if (ioctl(fd, PROCMON_SNAPSHOT, &snapshot) != 0)
 *			return -1;
 *		for (__u32 i = 0; i < snapshot.count; i++)
 *			printf("%d %s\n", records[i].pid, records[i].comm);
 *	} while (snapshot.cursor != 0);
 */
#ifndef _PROCMON_UAPI_H
#define _PROCMON_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * The device holds one message. write(2) replaces it as a whole; splice(2) and sendfile(2) do, too,
 * with each piece that they hand over. A read from offset 0 that gets a part of the message begins
 * a pass: until a read of that open file has come to the end, reads from other offsets continue in
 * the same message, though it may have been replaced in between.
 *
 * PROCMON_KEPT_MESSAGES replaced messages are held for such passes: the latest ones that passes
 * have read a part of. The next read of a pass whose message is no longer held fails with ESTALE,
 * once, which ends the pass: begin again at offset 0.
 */
#define PROCMON_KEPT_MESSAGES 4

/*
 * Parameters of the module, in /sys/module/procmon/parameters: values that are out of range are
 * refused with EINVAL.
 */

/* buffer_size: limit of one write, in bytes. */
#define PROCMON_BUFFER_SIZE_MIN		1
#define PROCMON_BUFFER_SIZE_MAX		1048576
#define PROCMON_BUFFER_SIZE_DEFAULT	1024

/* monitor_interval_ms: time between two samples of the monitor. */
#define PROCMON_MONITOR_INTERVAL_MS_MIN		10
#define PROCMON_MONITOR_INTERVAL_MS_MAX		3600000
#define PROCMON_MONITOR_INTERVAL_MS_DEFAULT	1000

/* events_kb: size of the ring of events, in KiB. A power of two is taken that is not less. */
#define PROCMON_EVENTS_KB_MIN		64
#define PROCMON_EVENTS_KB_MAX		1048576
#define PROCMON_EVENTS_KB_DEFAULT	4096

/* events_record: 1 if events are recorded without a reader. Set when the module is loaded only. */
#define PROCMON_EVENTS_RECORD_MIN	0
#define PROCMON_EVENTS_RECORD_MAX	1
#define PROCMON_EVENTS_RECORD_DEFAULT	0

/*
 * hidepid: what a caller without CAP_SYS_PTRACE in the initial user namespace gets of processes
 * that it may not trace, as by the mount option of proc(5). Set when the module is loaded only.
 *
 * - 0: all that /proc shows by default.
 * - 1: their PIDs and owners: records with PROCMON_TASK_REDACTED.
 * - 2: nothing, as if they did not exist.
 */
#define PROCMON_HIDEPID_MIN	0
#define PROCMON_HIDEPID_MAX	2
#define PROCMON_HIDEPID_DEFAULT	0

/* history: number of samples that are kept. Set when the module is loaded only. */
#define PROCMON_HISTORY_MIN	1
#define PROCMON_HISTORY_MAX	65536
#define PROCMON_HISTORY_DEFAULT	3600

/* Size of a process name, with its terminating NUL. */
#define PROCMON_COMM_LEN 16

/*
 * targets: the processes that the monitor follows, in places from 0 on, separated by commas. Set
 * when the module is loaded; the attribute "targets" in sysfs is for later, and takes white space
 * between them as well. Each is one of:
 *
 * - a number: a process, as for PROCMON_SET_FILTER, which sets the first place. 0 leaves it empty.
 * - a name: a process with that name, as the first 15 characters of its program's file are. If
 *   there is none, the next one that executes such a program, also after it has ended.
 */
#define PROCMON_TARGETS_MAX 16

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
	int current_filter_pid;		/* The target: see PROCMON_SET_FILTER. */
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
#define PROCMON_STATE_UNKNOWN		(-2)	/* The caller may not see it: hidepid=1. */
#define PROCMON_STATE_RUNNING		0	/* R: running, or waiting for a CPU. */
#define PROCMON_STATE_SLEEPING		1	/* S: interruptible sleep. */
#define PROCMON_STATE_DISK_SLEEP	2	/* D: uninterruptible sleep. */
#define PROCMON_STATE_STOPPED		4	/* T: stopped by a signal. */
#define PROCMON_STATE_TRACED		8	/* t: stopped by a tracer. */
#define PROCMON_STATE_DEAD		16	/* X: being taken down. */
#define PROCMON_STATE_ZOMBIE		32	/* Z: ended, not yet reaped. */
#define PROCMON_STATE_PARKED		64	/* P: parked kernel thread. */
#define PROCMON_STATE_IDLE		128	/* I: idle kernel thread. */

/*
 * Groups of fields of a procmon_record. A group costs time only if it is requested.
 */
#define PROCMON_GROUP_BASIC	(1 << 0)	/* Always delivered, requested or not. */
#define PROCMON_GROUP_CPU	(1 << 1)
#define PROCMON_GROUP_CREDS	(1 << 2)
#define PROCMON_GROUP_FAULTS	(1 << 3)
#define PROCMON_GROUP_MEM	(1 << 4)	/* Not of kernel threads and zombies. */
#define PROCMON_GROUP_SCHED	(1 << 5)
#define PROCMON_GROUP_IO	(1 << 6)	/* Only of tasks that the caller may trace. */
#define PROCMON_GROUP_CGROUP	(1 << 7)
#define PROCMON_GROUP_RUNTIME	(1 << 8)	/* Since ABI version 2. */
/*
 * The arguments of the program, in the second buffer of a snapshot: set in the records of processes
 * that have an entry there. Not of kernel threads and zombies, and not while the process executes a
 * program or changes its memory, nor of arguments that are swapped out. Since ABI version 5.
 */
#define PROCMON_GROUP_ARGS	(1 << 9)

/* Flags of PROCMON_SNAPSHOT. */
#define PROCMON_SNAPSHOT_THREADS	(1 << 0)	/* A record for each thread. */
#define PROCMON_SNAPSHOT_NO_KTHREADS	(1 << 1)	/* None for kernel threads. */
#define PROCMON_SNAPSHOT_BY_UID		(1 << 2)	/* Only tasks with this uid, ... */
#define PROCMON_SNAPSHOT_BY_PPID	(1 << 3)	/* ... and this ppid, ... */
#define PROCMON_SNAPSHOT_BY_TGID	(1 << 4)	/* ... and this tgid. */

/* Bits of procmon_record.flags. */
#define PROCMON_TASK_KTHREAD	(1 << 0)	/* A kernel thread. */
#define PROCMON_TASK_EXITING	(1 << 1)	/* Exiting, or a zombie. */
/*
 * A mixed record: the process was executing a program and did not finish soon, so fields may be of
 * the program before and of the one after. Since ABI version 2.
 */
#define PROCMON_TASK_MIXED	(1 << 2)
/*
 * A process that the module's parameter "hidepid" keeps from the caller: there are only its PID
 * and, in CREDS, the effective user and group that own its directory in /proc, as the real ones as
 * well. The state is PROCMON_STATE_UNKNOWN, and all other fields are 0. It has no records of
 * threads but the main one. Filters go by what the record tells: it passes PROCMON_SNAPSHOT_BY_UID
 * by these users, PROCMON_SNAPSHOT_NO_KTHREADS always, and PROCMON_SNAPSHOT_BY_PPID never. Since
 * ABI version 5.
 */
#define PROCMON_TASK_REDACTED	(1 << 3)

/*
 * One process, or with PROCMON_SNAPSHOT_THREADS one thread.
 *
 * Values are sums over all threads of the process, those that have ended included, unless they are
 * marked as the main thread's. In the record of a thread all are its own, but for "threads" and
 * MEM, which are those of the process. Users and groups are those of the caller's user namespace
 * (the overflow ID where it has none), and PIDs those of its PID namespace. Times since boot are
 * those of CLOCK_BOOTTIME in its time namespace, here as everywhere.
 */
struct procmon_record {
	__u32 groups;		/* PROCMON_GROUP_*: the fields of all others are 0. */
	/* BASIC */
	__s32 pid;		/* Of the process, or of the thread. */
	__s32 tgid;		/* Of the process. */
	__s32 ppid;		/* Of the parent, 0 if it is outside of the PID namespace. */
	__s32 state;		/* PROCMON_STATE_*, of the main thread. */
	__u32 flags;		/* PROCMON_TASK_*. */
	__u32 threads;		/* Number of threads. */
	char comm[PROCMON_COMM_LEN];	/* Name of the main thread, NUL-padded. */
	/* CPU */
	__u32 cpu;		/* CPU that the main thread runs on, or ran on last. */
	__u64 utime;		/* User time in ns, as /proc/PID/stat has it. */
	__u64 stime;		/* System time in ns: an estimate, as is the user time. */
	__u64 start_time;	/* Start of the main thread, in ns since boot. */
	__s32 nice;		/* -20 to 19, of the main thread. */
	__u32 policy;		/* SCHED_*, of the main thread. */
	/* CREDS, of the main thread. */
	__u32 uid;
	__u32 euid;
	__u32 gid;
	__u32 egid;
	/* FAULTS */
	__u64 minor_faults;	/* Page faults that took no I/O. */
	__u64 major_faults;	/* Page faults that did. */
	/* MEM, in bytes, with the accuracy of /proc/PID/stat. */
	__u64 vsize;		/* Size of the address space. */
	__u64 rss_anon;		/* Resident anonymous memory. */
	__u64 rss_file;		/* Resident memory of files. */
	__u64 rss_shmem;	/* Resident shared memory. */
	/* SCHED: context switches. */
	__u64 voluntary_switches;	/* The task had nothing to do. */
	__u64 involuntary_switches;	/* Another task's turn came. */
	/* IO: bytes read from and written to block devices. */
	__u64 read_bytes;
	__u64 write_bytes;
	/* CGROUP: not of a task outside of the root of the caller's cgroup namespace. */
	__u64 cgroup_id;	/* In the unified hierarchy: inode number of its directory. */
	/* RUNTIME. A record of ABI version 1 ends before it. */
	__u64 runtime;		/* Time on a CPU in ns, as the scheduler counts it: exact. */
};

/* Result of PROCMON_INFO: abilities of the loaded module. */
struct procmon_info {
	__u32 abi_version;	/* PROCMON_ABI_VERSION of the module's own header. */
	__u32 groups;		/* PROCMON_GROUP_* that it knows. */
	__u32 snapshot_flags;	/* PROCMON_SNAPSHOT_* that it knows. */
	__u32 snapshot_size;	/* sizeof(struct procmon_snapshot). */
	__u32 record_size;	/* sizeof(struct procmon_record). */
	__u32 max_stride;	/* Largest stride that it takes. */
	__u32 sample_size;	/* sizeof(struct procmon_sample). */
	__u32 history_size;	/* sizeof(struct procmon_history). */
	/* Since ABI version 3. */
	__u32 event_classes;	/* Classes of events that the kernel tells of. */
	__u32 events_size;	/* sizeof(struct procmon_events). */
};

#define PROCMON_ABI_VERSION 5

/* Smallest strides: a record of the group BASIC, and a sample of ABI version 1. */
#define PROCMON_RECORD_STRIDE_MIN	48
#define PROCMON_SAMPLE_STRIDE_MIN	232

/*
 * Argument of PROCMON_SNAPSHOT.
 *
 * A later version may be longer. A module takes a longer one than its own if all bytes behind its
 * own are 0, and a shorter one, back to that of ABI version 1, as if the missing ones were 0.
 *
 * A stride may be longer or shorter than the module's record. The bytes behind the module's record
 * are set to 0. A group is delivered if all of its fields lie within the stride, else it is left
 * out.
 *
 * Records come in the order of their PIDs. A process that exists from the first call to the last
 * one of a snapshot is in it exactly once, however many calls it takes.
 *
 * The call waits for no lock that another process may hold for long. It reads a process that is
 * executing a program a few times, and then delivers the record with PROCMON_TASK_MIXED set.
 */
struct procmon_snapshot {
	__u32 size;		/* In: size of this struct. */
	__u32 flags;		/* In: PROCMON_SNAPSHOT_*. */
	__u32 groups;		/* In: PROCMON_GROUP_* that are requested; out: those delivered. */
	__s32 cursor;		/* In: first PID, 0 to begin; out: the next one, 0 at the end. */
	__u64 records;		/* In: address of the first record. */
	__u32 stride;		/* In: bytes from one record to the next, a multiple of 8. */
	__u32 capacity;		/* In: number of records that fit, at least 1. */
	__u32 count;		/* Out: number of records that were written. */
	__u32 uid;		/* In: for PROCMON_SNAPSHOT_BY_UID, else 0. */
	__s32 ppid;		/* In: for PROCMON_SNAPSHOT_BY_PPID, else 0. */
	__s32 tgid;		/* In: for PROCMON_SNAPSHOT_BY_TGID, else 0. */
	__u64 time;		/* Out: beginning of this call, in ns since boot. */
	/* Since ABI version 3. */
	__u64 sequence;		/* Out: newest event at that moment, 0 if there is none. */
	/* Since ABI version 5, for PROCMON_GROUP_ARGS, else 0. */
	__u64 args;		/* In: address of the second buffer. */
	__u32 args_capacity;	/* In: its size in bytes: at least that of one longest entry. */
	__u32 args_max;		/* In: limit of the text of an entry, 1 to PROCMON_ARGS_MAX. */
	__u32 args_bytes;	/* Out: size of the entries that were written. */
	__u32 reserved;		/* In: 0. */
};

/* Largest limit of the text of one process. */
#define PROCMON_ARGS_MAX	4096

/*
 * An entry of the second buffer of a snapshot, of the process of a record with PROCMON_GROUP_ARGS:
 * the beginning of what /proc/PID/cmdline has, with the same rights. Entries are in the order of
 * their records, without those of threads but the main one. A call ends before a record whose entry
 * does not fit.
 */
struct procmon_args {
	__u32 size;		/* Of the whole entry in bytes, a multiple of 8. */
	__s32 pid;		/* The process. */
	/*
	 * Size of all arguments, each with its NUL; of a title that is cut, the largest size that
	 * it may have.
	 */
	__u32 args_size;
	__u32 args_stored;	/* Size of those that follow, padded with NULs. */
};

/* Bits of procmon_sample.flags. */
#define PROCMON_SAMPLE_PROCESS	(1 << 0)	/* "process" is the record of the target. */
#define PROCMON_SAMPLE_GONE	(1 << 1)	/* The target is gone: only its pid and start. */

/*
 * The system at one moment, with the record of a target: the process that PROCMON_SET_FILTER names,
 * or one of those that were set together. Each place has samples of its own, numbered by
 * themselves; the first place has samples of the system also while it is empty.
 *
 * A target stays the same process until its place is set again. After it is gone, one last sample
 * says so, and no others are recorded until then, or until there is another process with the name
 * that the place was set to, so that its history stays. PIDs, users and groups are those of the
 * initial namespaces. If the place was set to a PID of no process, in another PID namespace, the
 * PID is 0 in that sample.
 */
struct procmon_sample {
	__u64 sequence;		/* 1 for the first sample, then counted up without gaps. */
	__u64 time;		/* Time of the sample, in ns since boot. */
	__u32 flags;		/* PROCMON_SAMPLE_*. */
	__u32 processes;	/* Processes, zombies included. */
	__u32 threads;		/* Threads of those processes. */
	__u32 running;		/* Threads that run or wait for a CPU. */
	__u32 uninterruptible;	/* Threads in PROCMON_STATE_DISK_SLEEP. */
	__u32 zombies;		/* Processes in PROCMON_STATE_ZOMBIE. */
	/*
	 * Processes and threads started since the sample before, by the number of PIDs allocated:
	 * wrong if /proc/sys/kernel/ns_last_pid was written in between.
	 */
	__u32 forks;
	__u32 reserved;		/* 0 */
	struct procmon_record process;	/* All 0 unless PROCMON_SAMPLE_PROCESS is set. */
};

/*
 * Argument of PROCMON_HISTORY, which may grow as that of PROCMON_SNAPSHOT may.
 *
 * The smallest stride is PROCMON_SAMPLE_STRIDE_MIN. A group of the process that does not lie within
 * the stride is left out.
 *
 * The module keeps the latest samples of each place that was ever set, their number being the
 * parameter "history". Samples between
 * the requested one and the first one that is delivered are lost.
 */
struct procmon_history {
	__u32 size;		/* In: size of this struct. */
	__u32 flags;		/* In: 0. */
	__u64 sequence;		/* In: first sample, 0 for the oldest; out: the next one. */
	__u64 samples;		/* In: address of the first sample. */
	__u32 stride;		/* In: bytes from one sample to the next, a multiple of 8. */
	__u32 capacity;		/* In: number of samples that fit, may be 0. */
	__u32 count;		/* Out: number of samples that were written. */
	__u32 interval_ms;	/* Out: the time between two samples, in ms. */
	__u64 oldest;		/* Out: sequence of the oldest one, "newest" + 1 if none is kept. */
	__u64 newest;		/* Out: sequence of the newest sample, 0 before the first one. */
	/* Since ABI version 4. */
	__u32 target;		/* In: place of the target, less than PROCMON_TARGETS_MAX. */
	__u32 reserved;		/* In: 0. */
};

/*
 * Events: what happens to processes, in the order in which it happens, on all CPUs.
 *
 * The class of a type is 1 << type.
 */
#define PROCMON_EVENT_FORK		0	/* A process came to be: procmon_event_fork. */
#define PROCMON_EVENT_EXEC		1	/* It runs a program: procmon_event_exec. */
#define PROCMON_EVENT_EXIT		2	/* It ends: procmon_event_exit. */
#define PROCMON_EVENT_THREAD_START	3	/* A thread came to be: procmon_event_fork. */
#define PROCMON_EVENT_THREAD_EXIT	4	/* It ends: procmon_event_exit. */
#define PROCMON_EVENT_COMM		5	/* A task has a new name: procmon_event_comm. */
#define PROCMON_EVENT_CGROUP		6	/* It was moved: procmon_event_cgroup. */
#define PROCMON_EVENT_OOM		7	/* It is killed for its memory: procmon_event. */
#define PROCMON_EVENT_TYPES		8	/* Number of the types above. */
#define PROCMON_EVENT_LOST		255	/* Events were lost: procmon_event_lost. */

/* Bits of procmon_event.flags. */
#define PROCMON_EVENT_KTHREAD	(1 << 0)	/* The task is a kernel thread. */
#define PROCMON_EVENT_WORKER	(1 << 1)	/* The thread is one of io_uring or vhost. */
#define PROCMON_EVENT_TRUNCATED	(1 << 2)	/* Not all of the arguments are there. */
#define PROCMON_EVENT_PROTECTED	(1 << 3)	/* ptrace(2) is not for each process of its user. */
#define PROCMON_EVENT_REDACTED	(1 << 4)	/* The reader does not see all: 0, or no name. */

/*
 * The beginning of each event. IDs are those of the initial namespaces, times are in ns since boot.
 *
 * "start_time" is that of the process' main thread, which names the process for good, together with
 * "tgid": the same as in procmon_record.
 */
struct procmon_event {
	__u16 size;		/* Of the whole event in bytes, a multiple of 8. */
	__u16 tail;		/* Offset of the part whose length varies, "size" without one. */
	__u8 type;		/* PROCMON_EVENT_*. */
	__u8 reserved;		/* 0 */
	__u16 flags;		/* PROCMON_EVENT_*. */
	__u64 sequence;		/* Consecutive over all events, of all classes. */
	__u64 time;		/* Not less than that of the event before. */
	__u64 start_time;	/* Start of the process. */
	__s32 tgid;		/* The process. */
	__s32 pid;		/* The task: the process' main thread, or another one. */
	__s32 ppid;		/* The parent of the process. */
	__u32 cpu;		/* The CPU on which this happened. */
	__u32 uid;
	__u32 euid;
	__u64 cgroup_id;	/* Of the task, as in procmon_record. */
};

/* FORK and THREAD_START. The task itself has not run yet. */
struct procmon_event_fork {
	struct procmon_event event;
	__u64 clone_flags;	/* CLONE_*, as for clone3(2). */
	__u64 parent_start_time;	/* Start of the parent. */
	__u64 creator_start_time;	/* Start of the process that has made it. */
	__s32 creator_tgid;	/* That process, which is not always the parent. */
	__s32 creator;		/* Thread of that process. */
	char comm[PROCMON_COMM_LEN];
};

/* EXEC. The tail has the name of the program's file, and its arguments, each with its NUL. */
struct procmon_event_exec {
	struct procmon_event event;
	__u32 args_size;	/* Size of all arguments. */
	__u32 args_stored;	/* Size of those in the tail. */
	__u32 name_size;	/* Size of the name in the tail, with its NUL. */
	__s32 old_pid;		/* The thread that has called execve(2). */
	__u32 gid;
	__u32 egid;
	char comm[PROCMON_COMM_LEN];
};

/*
 * EXIT and THREAD_EXIT. The values of EXIT are sums over all threads, those that ended before
 * included, without what it takes to take the process down: wait4(2) has this as well.
 */
struct procmon_event_exit {
	struct procmon_event event;
	__s32 status;		/* As wait(2) has it. */
	__u32 gid;
	__u64 utime;		/* As in procmon_record, as the following. */
	__u64 stime;
	__u64 runtime;
	__u64 minor_faults;
	__u64 major_faults;
	__u64 voluntary_switches;
	__u64 involuntary_switches;
	__u64 read_bytes;
	__u64 write_bytes;
	__u64 max_rss;		/* Most memory that was resident at a time, in bytes. */
	__u64 wait_time;	/* Time of waiting for a CPU, in ns; of EXIT: the last thread's. */
	/* Of the children that it has waited for, theirs included; of THREAD_EXIT: 0. */
	__u64 child_utime;
	__u64 child_stime;
	__u64 child_minor_faults;
	__u64 child_major_faults;
	__u64 child_max_rss;	/* That of the child which had most. */
	char comm[PROCMON_COMM_LEN];
};

/* COMM */
struct procmon_event_comm {
	struct procmon_event event;
	char old_comm[PROCMON_COMM_LEN];
	char comm[PROCMON_COMM_LEN];
};

/* CGROUP. The tail has the path of the new cgroup in the unified hierarchy, with its NUL. */
struct procmon_event_cgroup {
	struct procmon_event event;
	__u64 new_cgroup_id;
};

/*
 * LOST: the events from "event.sequence" to "last" were replaced by newer ones before they were
 * read. It has no other fields of "event" than size, type and sequence.
 */
struct procmon_event_lost {
	struct procmon_event event;
	__u64 last;
	__u64 counts[PROCMON_EVENT_TYPES];	/* Lost events of each wanted type. */
};

/* Flags of PROCMON_EVENTS. */
#define PROCMON_EVENTS_FROM_OLDEST	(1 << 0)	/* Begin with the oldest one kept. */
#define PROCMON_EVENTS_BY_UID		(1 << 1)	/* Only of processes with this uid, ... */
#define PROCMON_EVENTS_BY_SUBTREE	(1 << 2)	/* ... that descend from this one, ... */
#define PROCMON_EVENTS_BY_CGROUP	(1 << 3)	/* ... and are in this cgroup. */

/*
 * Argument of PROCMON_EVENTS, which may grow as that of PROCMON_SNAPSHOT may.
 */
struct procmon_events {
	__u32 size;		/* In: size of this struct. */
	__u32 flags;		/* In: PROCMON_EVENTS_*. */
	__u32 classes;		/* In: classes that are wanted. */
	__u32 min_bytes;	/* In: wait until there is so much, ... */
	__s32 timeout_ms;	/* In: ... at most so long: 0 not at all, -1 without a limit. */
	__u32 args_max;		/* In: size of the arguments of an EXEC to be delivered. */
	__u64 buffer;		/* In: address of the first event, a multiple of 8. */
	__u32 capacity;		/* In: size of the buffer in bytes. */
	__u32 bytes;		/* Out: size of the events that were written. */
	__u32 count;		/* Out: their number. */
	__u32 uid;		/* In: for PROCMON_EVENTS_BY_UID, else 0. */
	__s32 tgid;		/* In: for PROCMON_EVENTS_BY_SUBTREE, else 0. */
	__u32 reserved;		/* In: 0. */
	__u64 cgroup_id;	/* In: for PROCMON_EVENTS_BY_CGROUP, else 0. */
	__u64 sequence;		/* Out: the next event for this file. */
	__u64 oldest;		/* Out: the oldest event that is kept. */
	__u64 newest;		/* Out: the newest one, 0 before the first. */
	__u64 lost;		/* Out: events that this file has lost so far. */
};

#define PROCMON_MAGIC 'P'

/*
 * Zero the totals and clear all targets; message and per_cpu_ops stay. Needs a file open for
 * writing.
 */
#define PROCMON_RESET		_IO(PROCMON_MAGIC, 0)
/* Length of the message in bytes. */
#define PROCMON_GET_COUNT	_IOR(PROCMON_MAGIC, 1, int)
/* The totals and the target. */
#define PROCMON_GET_STATS	_IOR(PROCMON_MAGIC, 2, struct procmon_stats)
/*
 * Set the filter: the PID of the first target, which is a process that the monitor follows, or 0
 * for none. The others stay. Needs a file open for writing.
 *
 * The PID is one of the caller's PID namespace; a thread's ID stands for its process. The target
 * stays that process, even if the PID is allocated again. PROCMON_GET_STATS and the attribute
 * "stats" show it as the PID that it has in the PID namespace of the reader, or as 0 if it has none
 * there, or if hidepid=2 hides it from the reader. A PID of no process is allowed, as is one of a
 * process that is hidden from the caller, and is shown in the namespace that it was set in, and as
 * 0 elsewhere.
 *
 * EINVAL: the PID is negative.
 */
#define PROCMON_SET_FILTER	_IOW(PROCMON_MAGIC, 3, int)
/*
 * Look up a process. Succeeds with PROCMON_STATE_NOT_FOUND if no process has the PID, or if
 * hidepid=2 hides it from the caller.
 */
#define PROCMON_QUERY_PID	_IOWR(PROCMON_MAGIC, 4, struct procmon_query)

/* Abilities of the module. */
#define PROCMON_INFO		_IOR(PROCMON_MAGIC, 5, struct procmon_info)
/*
 * Deliver records of many processes at once. The size in the command's number is ignored, in favour
 * of that in the argument.
 *
 * E2BIG: the argument is not 0 behind the part that the module knows.
 * EFAULT: the argument cannot be read or written, or no record can be written.
 * EINVAL: the size is too small, a flag, group or stride is unknown or out of range, an unused
 * field is not 0, or the cursor is negative.
 * EINTR: a fatal signal came before the first record.
 */
#define PROCMON_SNAPSHOT	_IOWR(PROCMON_MAGIC, 6, struct procmon_snapshot)
/*
 * Deliver samples of the monitor. poll(2) reports POLLPRI for a file while there are samples from
 * the one on at which its last PROCMON_HISTORY would continue, for the same target.
 *
 * E2BIG, EFAULT, EINVAL: as for PROCMON_SNAPSHOT.
 * EPERM: the caller is not in the initial PID and user namespaces.
 */
#define PROCMON_HISTORY		_IOWR(PROCMON_MAGIC, 7, struct procmon_history)
#define PROCMON_EVENTS		_IOWR(PROCMON_MAGIC, 8, struct procmon_events)

/*
 * The layouts of procmon_stats and procmon_query in a 32-bit process.
 *
 * A 32-bit program needs none of this: it gets the same layouts and numbers from the definitions
 * above. They are for code that serves or imitates such a program from a 64-bit one. A value that
 * does not fit is replaced by the largest one that does.
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
