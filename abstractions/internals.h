/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Offsets and functions from headers of the kernel that its own bindings lack.
 *
 * Kbuild generates Rust constants and declarations from them, which abstractions/internals.rs
 * includes. It names the functions. This file has no code, and repeats no definition.
 */
#include <linux/binfmts.h>
#include <linux/cgroup-defs.h>
#include <linux/cgroup_namespace.h>
#include <linux/mm_types.h>
#include <linux/nsproxy.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/cputime.h>
#if __has_include("linux/sched/exec_state.h")
#include <linux/sched/exec_state.h>
#endif
#include <linux/stddef.h>
#include <linux/time_namespace.h>

enum internals {
	/* What decides on core dumps and on access by others: abstractions/compat.rs. */
#if __has_include("linux/sched/exec_state.h")
	HAS_EXEC_STATE = 1,
	TASK_EXEC_STATE = offsetof(struct task_struct, exec_state),
	EXEC_STATE_DUMPABLE = offsetof(struct task_exec_state, dumpable),
#else
	HAS_EXEC_STATE = 0,
	TASK_EXEC_STATE = 0,
	EXEC_STATE_DUMPABLE = 0,
#endif
#ifdef CONFIG_CGROUPS
	/* The array of a cgroup's ancestors. */
	CGROUP_ANCESTORS = offsetof(struct cgroup, ancestors),
	/*
	 * The root of a cgroup namespace. Bindgen loses a part of struct ns_common of Linux 7.2,
	 * which precedes it: a struct with a tag and no name in a union.
	 */
	CGROUP_NAMESPACE_ROOT_CSET = offsetof(struct cgroup_namespace, root_cset),
	/* Fields of the bindings whose offsets are asserted. */
	CGROUP_LEVEL = offsetof(struct cgroup, level),
	CGROUP_KN = offsetof(struct cgroup, kn),
	CSS_SET_DFL_CGRP = offsetof(struct css_set, dfl_cgrp),
	NSPROXY_CGROUP_NS = offsetof(struct nsproxy, cgroup_ns),
#endif
	/* The name of the file of a program that is executed. */
	LINUX_BINPRM_FILENAME = offsetof(struct linux_binprm, filename),
	MM_FLAGS = offsetof(struct mm_struct, flags),
	/* A time namespace's offset of CLOCK_BOOTTIME. */
	TIME_NAMESPACE_BOOTTIME = offsetof(struct time_namespace, offsets.boottime),
	NSPROXY_TIME_NS = offsetof(struct nsproxy, time_ns),
	PID_NAMESPACE_IDR = offsetof(struct pid_namespace, idr),
	PID_NAMESPACE_LEVEL = offsetof(struct pid_namespace, level),
	PID_NAMESPACE_PID_MAX = offsetof(struct pid_namespace, pid_max),
};
