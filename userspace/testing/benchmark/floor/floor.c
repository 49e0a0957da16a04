// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor of snapshots: plain C that reads the same fields of all processes, in the order of
 * their PIDs, with as little as possible around it. The benchmark loads it in a guest, and nothing
 * else ever should: it does not care for tasks that end or execute programs, and tells addresses.
 *
 * ioctl(2) on /dev/floor writes a record for each process to the address given, and returns their
 * number. /proc/floor has the sizes and offsets of the kernel's objects, and the address of each.
 */
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/radix-tree.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/* The commands of ioctl(2). */
#define FLOOR_SOME	0x4600
#define FLOOR_ALL	0x4601

/* Records are copied to the caller in batches of this many. */
#define BATCH		64

/* The fields of the BPF iterator, task-iter.bpf.c. */
struct some_record {
	s32 pid, tgid, ppid, threads;
	u32 uid;
	s32 nice;
	u32 state, flags;
	u64 utime, stime, start_time, vsize, min_flt, maj_flt;
	char comm[TASK_COMM_LEN];
	u64 reserved;
};

/* The fields of a procmon_record. */
struct all_record {
	u32 groups;
	s32 pid, tgid, ppid, state;
	u32 flags, threads;
	char comm[TASK_COMM_LEN];
	u32 cpu;
	u64 utime, stime, start_time;
	s32 nice;
	u32 policy, uid, euid, gid, egid;
	u64 min_flt, maj_flt, vsize, anon, file, shmem, nvcsw, nivcsw, read_bytes, write_bytes;
	u64 cgroup;
};

union batch {
	struct some_record some[BATCH];
	struct all_record all[BATCH];
};

static __always_inline void read_some(struct some_record *record, struct task_struct *task)
{
	struct mm_struct *mm;

	record->pid = task->pid;
	record->tgid = task->tgid;
	record->ppid = rcu_dereference(task->real_parent)->tgid;
	record->threads = task->signal->nr_threads;
	record->uid = __task_cred(task)->uid.val;
	record->nice = task->static_prio - 120;
	record->state = READ_ONCE(task->__state) | task->exit_state;
	record->flags = task->flags;
	record->utime = task->utime;
	record->stime = task->stime;
	record->start_time = task->start_boottime;
	task_lock(task);
	mm = task->mm;
	record->vsize = mm ? mm->total_vm << PAGE_SHIFT : 0;
	task_unlock(task);
	record->min_flt = task->min_flt;
	record->maj_flt = task->maj_flt;
	memcpy(record->comm, task->comm, sizeof(record->comm));
	record->reserved = 0;
}

/* Sums over the threads, those that have ended included. */
static __always_inline void read_sums(struct all_record *record, struct signal_struct *signal)
{
	struct task_struct *thread;
	unsigned int seq;
	u64 runtime;

	do {
		seq = read_seqbegin(&signal->stats_lock);
		record->utime = signal->utime;
		record->stime = signal->stime;
		record->min_flt = signal->min_flt;
		record->maj_flt = signal->maj_flt;
		record->nvcsw = signal->nvcsw;
		record->nivcsw = signal->nivcsw;
		record->read_bytes = signal->ioac.read_bytes;
		record->write_bytes = signal->ioac.write_bytes;
		runtime = signal->sum_sched_runtime;
		__for_each_thread(signal, thread) {
			record->utime += thread->utime;
			record->stime += thread->stime;
			record->min_flt += thread->min_flt;
			record->maj_flt += thread->maj_flt;
			record->nvcsw += thread->nvcsw;
			record->nivcsw += thread->nivcsw;
			record->read_bytes += thread->ioac.read_bytes;
			record->write_bytes += thread->ioac.write_bytes;
			runtime += thread->se.sum_exec_runtime;
		}
	} while (read_seqretry(&signal->stats_lock, seq));
	/* The usual case of cputime_adjust(): the times were told before, and are not to fall. */
	if (signal->prev_cputime.utime + signal->prev_cputime.stime >= runtime) {
		record->utime = signal->prev_cputime.utime;
		record->stime = signal->prev_cputime.stime;
	}
}

static __always_inline u64 rss(struct mm_struct *mm, int member)
{
	return percpu_counter_read_positive(&mm->rss_stat[member]) << PAGE_SHIFT;
}

static __always_inline void read_all(struct all_record *record, struct task_struct *task)
{
	const struct cred *cred = __task_cred(task);
	struct mm_struct *mm;

	record->groups = 0xff;
	record->pid = task->pid;
	record->tgid = task->tgid;
	record->ppid = rcu_dereference(task->real_parent)->tgid;
	record->state = READ_ONCE(task->__state) | task->exit_state;
	record->flags = !!(task->flags & PF_KTHREAD);
	record->threads = task->signal->nr_threads;
	memcpy(record->comm, task->comm, sizeof(record->comm));
	record->cpu = task_cpu(task);
	record->start_time = task->start_boottime;
	record->nice = task->static_prio - 120;
	record->policy = task->policy;
	record->uid = cred->uid.val;
	record->euid = cred->euid.val;
	record->gid = cred->gid.val;
	record->egid = cred->egid.val;
	read_sums(record, task->signal);
	record->vsize = 0;
	record->anon = 0;
	record->file = 0;
	record->shmem = 0;
	task_lock(task);
	mm = task->mm;
	if (mm && !(task->flags & PF_KTHREAD)) {
		record->vsize = mm->total_vm << PAGE_SHIFT;
		record->anon = rss(mm, MM_ANONPAGES);
		record->file = rss(mm, MM_FILEPAGES);
		record->shmem = rss(mm, MM_SHMEMPAGES);
	}
	task_unlock(task);
	record->cgroup = cgroup_id(rcu_dereference(task->cgroups)->dfl_cgrp);
}

/* Returns the process that an entry of the tree of IDs is for, or NULL. */
static __always_inline struct task_struct *process_of(struct pid *pid)
{
	struct hlist_node *first;

	/* Other entries have one of these bits set. */
	if (!pid || (unsigned long)pid & 3)
		return NULL;
	first = READ_ONCE(pid->tasks[PIDTYPE_TGID].first);
	return first ? container_of(first, struct task_struct, pid_links[PIDTYPE_TGID]) : NULL;
}

static __always_inline int flush(void __user **to, void *batch, size_t size)
{
	if (copy_to_user_nofault(*to, batch, size))
		return -EFAULT;
	*to += size;
	return 0;
}

/* Reads all processes. Both arguments at the end are constants wherever it is inlined. */
static __always_inline long walk(union batch *batch, void __user *to, const bool all)
{
	const size_t size = all ? sizeof(batch->all[0]) : sizeof(batch->some[0]);
	struct pid_namespace *ns = task_active_pid_ns(current);
	struct radix_tree_iter iter = { .next_index = 0 };
	void __rcu **slots;
	size_t n = 0;
	long total = 0;

	rcu_read_lock();
	while ((slots = radix_tree_next_chunk(&ns->idr.idr_rt, &iter, 0))) {
		const long count = iter.next_index - iter.index;
		long k;

		for (k = 0; k < count; k++) {
			struct task_struct *task = process_of(rcu_dereference_raw(slots[k]));

			if (!task)
				continue;
			if (all)
				read_all(&batch->all[n], task);
			else
				read_some(&batch->some[n], task);
			total++;
			if (++n < BATCH)
				continue;
			if (flush(&to, batch, n * size))
				goto fault;
			n = 0;
		}
	}
	if (n && flush(&to, batch, n * size))
		goto fault;
	rcu_read_unlock();
	return total;

fault:
	rcu_read_unlock();
	return -EFAULT;
}

static noinline long walk_some(union batch *batch, void __user *to)
{
	return walk(batch, to, false);
}

static noinline long walk_all(union batch *batch, void __user *to)
{
	return walk(batch, to, true);
}

static long floor_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *to = (void __user *)argument;
	union batch *batch;
	long result;

	batch = kvmalloc_obj(*batch);
	if (!batch)
		return -ENOMEM;
	switch (command) {
	case FLOOR_SOME:
		result = walk_some(batch, to);
		break;
	case FLOOR_ALL:
		result = walk_all(batch, to);
		break;
	default:
		result = -ENOTTY;
	}
	kvfree(batch);
	return result;
}

/* "node ADDRESS SIZE" for each node of the tree of IDs. */
static void show_nodes(struct seq_file *m, unsigned long entry)
{
	struct xa_node *node;
	int k;

	if ((entry & 3) != 2 || entry < PAGE_SIZE)
		return;
	node = (struct xa_node *)(entry - 2);
	seq_printf(m, "node %lx %zu\n", (unsigned long)node, sizeof(*node));
	for (k = 0; node->shift && k < XA_CHUNK_SIZE; k++)
		show_nodes(m, (unsigned long)node->slots[k]);
}

/* "size OBJECT BYTES", and "field OBJECT NAME OFFSET" for what anything here reads. */
#define SIZE(object, type) seq_printf(m, "size %s %zu\n", object, sizeof(struct type))
#define FIELD(object, type, name) \
	seq_printf(m, "field %s %s %zu\n", object, #name, offsetof(struct type, name))

static void show_layout(struct seq_file *m)
{
	SIZE("task", task_struct);
	FIELD("task", task_struct, __state);
	FIELD("task", task_struct, usage);
	FIELD("task", task_struct, flags);
	FIELD("task", task_struct, static_prio);
	FIELD("task", task_struct, se.sum_exec_runtime);
	FIELD("task", task_struct, policy);
	FIELD("task", task_struct, tasks);
	FIELD("task", task_struct, mm);
	FIELD("task", task_struct, exit_state);
	FIELD("task", task_struct, pid);
	FIELD("task", task_struct, tgid);
	FIELD("task", task_struct, real_parent);
	FIELD("task", task_struct, group_leader);
	FIELD("task", task_struct, thread_pid);
	FIELD("task", task_struct, pid_links);
	FIELD("task", task_struct, thread_node);
	FIELD("task", task_struct, utime);
	FIELD("task", task_struct, stime);
	FIELD("task", task_struct, nvcsw);
	FIELD("task", task_struct, nivcsw);
	FIELD("task", task_struct, start_boottime);
	FIELD("task", task_struct, min_flt);
	FIELD("task", task_struct, maj_flt);
	FIELD("task", task_struct, real_cred);
	FIELD("task", task_struct, cred);
	FIELD("task", task_struct, comm);
	FIELD("task", task_struct, nsproxy);
	FIELD("task", task_struct, signal);
	FIELD("task", task_struct, sighand);
	FIELD("task", task_struct, self_exec_id);
	FIELD("task", task_struct, alloc_lock);
	FIELD("task", task_struct, ioac);
	FIELD("task", task_struct, cgroups);
	SIZE("signal", signal_struct);
	FIELD("signal", signal_struct, nr_threads);
	FIELD("signal", signal_struct, thread_head);
	FIELD("signal", signal_struct, stats_lock);
	FIELD("signal", signal_struct, utime);
	FIELD("signal", signal_struct, stime);
	FIELD("signal", signal_struct, prev_cputime);
	FIELD("signal", signal_struct, nvcsw);
	FIELD("signal", signal_struct, nivcsw);
	FIELD("signal", signal_struct, min_flt);
	FIELD("signal", signal_struct, maj_flt);
	FIELD("signal", signal_struct, ioac);
	FIELD("signal", signal_struct, sum_sched_runtime);
	FIELD("signal", signal_struct, exec_update_lock);
	SIZE("mm", mm_struct);
	FIELD("mm", mm_struct, total_vm);
	FIELD("mm", mm_struct, rss_stat);
	SIZE("cred", cred);
	FIELD("cred", cred, usage);
	FIELD("cred", cred, uid);
	FIELD("cred", cred, gid);
	FIELD("cred", cred, euid);
	FIELD("cred", cred, egid);
	FIELD("cred", cred, user_ns);
	/* With the number in the initial namespace, which is the first. */
	seq_printf(m, "size pid %zu\n", struct_size_t(struct pid, numbers, 1));
	FIELD("pid", pid, count);
	FIELD("pid", pid, level);
	FIELD("pid", pid, tasks);
	FIELD("pid", pid, numbers);
}

/* "process PID" with the addresses of its objects, an mm of a kernel thread being 0. */
static int floor_show(struct seq_file *m, void *data)
{
	struct task_struct *task;

	show_layout(m);
	rcu_read_lock();
	show_nodes(m, (unsigned long)init_pid_ns.idr.idr_rt.xa_head);
	for_each_process(task)
		seq_printf(m, "process %d %lx %lx %lx %lx %lx\n", task->pid,
			   (unsigned long)task, (unsigned long)task->signal,
			   (unsigned long)task->mm, (unsigned long)task->real_cred,
			   (unsigned long)task->thread_pid);
	rcu_read_unlock();
	return 0;
}

static const struct file_operations floor_operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = floor_ioctl,
};

static struct miscdevice floor_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "floor",
	.fops = &floor_operations,
	.mode = 0600,
};

static int __init floor_init(void)
{
	if (!proc_create_single("floor", 0400, NULL, floor_show))
		return -ENOMEM;
	if (misc_register(&floor_device)) {
		remove_proc_entry("floor", NULL);
		return -ENODEV;
	}
	return 0;
}

static void __exit floor_exit(void)
{
	misc_deregister(&floor_device);
	remove_proc_entry("floor", NULL);
}

module_init(floor_init);
module_exit(floor_exit);

MODULE_DESCRIPTION("Floor of procmon's snapshots, for its benchmark");
MODULE_LICENSE("GPL");
