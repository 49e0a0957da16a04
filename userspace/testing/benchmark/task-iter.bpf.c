// SPDX-License-Identifier: GPL-2.0-only
/*
 * BPF task iterator with which the benchmark compares snapshots: it writes for each process those
 * fields of a procmon_record that any program gets at the lowest cost.
 *
 * bpftool(8) loads it, and pins it as a file that has one record after the other.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* The fields of the kernel's types that are used here: the loader finds the offsets. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cred {
	struct {
		__u32 val;
	} uid;
};

struct mm_struct {
	unsigned long total_vm;
};

struct signal_struct {
	int nr_threads;
};

struct task_struct {
	unsigned int __state;
	unsigned int flags;
	int exit_state;
	int static_prio;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	__u64 utime;
	__u64 stime;
	__u64 start_boottime;
	unsigned long min_flt;
	unsigned long maj_flt;
	const struct cred *real_cred;
	struct signal_struct *signal;
	struct mm_struct *mm;
	char comm[16];
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

struct entry {
	__s32 pid, tgid, ppid, threads;
	__u32 uid;
	__s32 nice;
	__u32 state, flags;
	__u64 utime, stime, start_time, vsize, min_flt, maj_flt;
	__u8 comm[16];
	__u64 reserved;
};

SEC("iter/task")
int dump_tasks(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct entry entry = {};
	struct mm_struct *mm;

	if (!task || task != task->group_leader)
		return 0;

	entry.pid = task->pid;
	entry.tgid = task->tgid;
	entry.ppid = task->real_parent->tgid;
	entry.threads = task->signal->nr_threads;
	entry.uid = task->real_cred->uid.val;
	entry.nice = task->static_prio - 120;
	entry.state = task->__state | task->exit_state;
	entry.flags = task->flags;
	entry.utime = task->utime;
	entry.stime = task->stime;
	entry.start_time = task->start_boottime;
	mm = task->mm;
	if (mm)
		entry.vsize = mm->total_vm << 12;
	entry.min_flt = task->min_flt;
	entry.maj_flt = task->maj_flt;
	__builtin_memcpy(entry.comm, task->comm, sizeof(entry.comm));
	bpf_seq_write(context->meta->seq, &entry, sizeof(entry));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
