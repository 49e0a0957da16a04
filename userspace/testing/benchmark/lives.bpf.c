// SPDX-License-Identifier: GPL-2.0-only
/*
 * BPF programs with which the benchmark compares procmon's events: they write the fields of its
 * FORK, EXEC and EXIT to a ring buffer.
 *
 * Where procmon does more, these do what such programs usually do: the times of the CPU are those
 * of the scheduler's ticks, the sums are those of the last thread and of the ended ones, and an
 * event has its largest size, since the ring buffer takes no other one at this cost. Lost events
 * are not counted.
 *
 * bpftool(8) loads and pins them; the benchmark attaches them.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define CLONE_THREAD 0x00010000
#define NAME_MAX 256
#define ARGS_MAX 512

/* The fields of the kernel's types that are used here: the loader finds the offsets. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cred {
	struct {
		__u32 val;
	} uid, euid, gid, egid;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct mm_struct {
	unsigned long arg_start, arg_end;
};

struct task_io_accounting {
	__u64 read_bytes, write_bytes;
};

struct sched_info {
	unsigned long long run_delay;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

struct signal_struct {
	int group_exit_code;
	unsigned long long sum_sched_runtime;
	__u64 utime, stime, cutime, cstime;
	unsigned long nvcsw, nivcsw, min_flt, maj_flt, cmin_flt, cmaj_flt, maxrss, cmaxrss;
	struct task_io_accounting ioac;
};

struct task_struct {
	unsigned int flags;
	int exit_code;
	int pid, tgid;
	struct task_struct *real_parent, *group_leader;
	__u64 utime, stime, start_boottime;
	unsigned long nvcsw, nivcsw, min_flt, maj_flt;
	const struct cred *real_cred;
	struct signal_struct *signal;
	struct mm_struct *mm;
	struct css_set *cgroups;
	struct task_io_accounting ioac;
	struct sched_info sched_info;
	struct sched_entity se;
	char comm[16];
};

struct linux_binprm {
	const char *filename;
};

#pragma clang attribute pop

struct header {
	__u32 type, flags;
	__u64 time, start_time;
	__s32 tgid, pid, ppid;
	__u32 cpu, uid, euid;
	__u64 cgroup_id;
};

struct fork_event {
	struct header header;
	__u64 clone_flags, parent_start_time, creator_start_time;
	__s32 creator_tgid, creator;
	char comm[16];
};

struct exec_event {
	struct header header;
	__u32 args_size, args_stored, name_size;
	__s32 old_pid;
	__u32 gid, egid;
	char comm[16];
	char name[NAME_MAX];
	char args[ARGS_MAX];
};

struct exit_event {
	struct header header;
	__s32 status;
	__u32 gid;
	__u64 utime, stime, runtime, minor_faults, major_faults, voluntary_switches;
	__u64 involuntary_switches, read_bytes, write_bytes, max_rss, wait_time;
	__u64 child_utime, child_stime, child_minor_faults, child_major_faults, child_max_rss;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} events SEC(".maps");

static __always_inline void fill(struct header *header, struct task_struct *task, __u32 type)
{
	header->type = type;
	header->flags = task->flags;
	header->time = bpf_ktime_get_boot_ns();
	header->start_time = task->group_leader->start_boottime;
	header->tgid = task->tgid;
	header->pid = task->pid;
	header->ppid = task->real_parent->tgid;
	header->cpu = bpf_get_smp_processor_id();
	header->uid = task->real_cred->uid.val;
	header->euid = task->real_cred->euid.val;
	header->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(forked, struct task_struct *task, __u64 clone_flags)
{
	struct task_struct *creator = bpf_get_current_task_btf();
	struct fork_event *event;

	if (clone_flags & CLONE_THREAD)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;

	fill(&event->header, task, 0);
	event->clone_flags = clone_flags;
	event->parent_start_time = task->real_parent->group_leader->start_boottime;
	event->creator_start_time = creator->group_leader->start_boottime;
	event->creator_tgid = creator->tgid;
	event->creator = creator->pid;
	__builtin_memcpy(event->comm, task->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(executed, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct exec_event *event;
	unsigned long start, size;
	struct mm_struct *mm;
	long length;

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;

	fill(&event->header, task, 1);
	event->old_pid = old_pid;
	event->gid = task->real_cred->gid.val;
	event->egid = task->real_cred->egid.val;
	__builtin_memcpy(event->comm, task->comm, sizeof(event->comm));
	length = bpf_probe_read_kernel_str(event->name, sizeof(event->name), bprm->filename);
	event->name_size = length;
	event->args_size = 0;
	event->args_stored = 0;
	mm = task->mm;
	if (mm) {
		start = mm->arg_start;
		size = mm->arg_end - start;
		event->args_size = size;
		if (size > sizeof(event->args))
			size = sizeof(event->args);
		if (!bpf_probe_read_user(event->args, size, (void *)start))
			event->args_stored = size;
	}
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(ended, struct task_struct *task, bool group_dead)
{
	struct signal_struct *signal = task->signal;
	struct exit_event *event;

	if (!group_dead)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;

	fill(&event->header, task, 2);
	event->status = signal->group_exit_code;
	event->gid = task->real_cred->gid.val;
	event->utime = signal->utime + task->utime;
	event->stime = signal->stime + task->stime;
	event->runtime = signal->sum_sched_runtime + task->se.sum_exec_runtime;
	event->minor_faults = signal->min_flt + task->min_flt;
	event->major_faults = signal->maj_flt + task->maj_flt;
	event->voluntary_switches = signal->nvcsw + task->nvcsw;
	event->involuntary_switches = signal->nivcsw + task->nivcsw;
	event->read_bytes = signal->ioac.read_bytes + task->ioac.read_bytes;
	event->write_bytes = signal->ioac.write_bytes + task->ioac.write_bytes;
	event->max_rss = signal->maxrss << 12;
	event->wait_time = task->sched_info.run_delay;
	event->child_utime = signal->cutime;
	event->child_stime = signal->cstime;
	event->child_minor_faults = signal->cmin_flt;
	event->child_major_faults = signal->cmaj_flt;
	event->child_max_rss = signal->cmaxrss << 12;
	__builtin_memcpy(event->comm, task->group_leader->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
