/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers from headers of the kernel that its own bindings leave out.
 *
 * Kbuild makes Rust constants of them, which abstractions/internals.rs includes. There is no code
 * in here, and nothing that is defined elsewhere is written down a second time.
 */
#include <linux/cgroup-defs.h>
#include <linux/stddef.h>
#include <linux/time_namespace.h>

enum internals {
#ifdef CONFIG_CGROUPS
	/* Where a cgroup has the array of its ancestors. */
	CGROUP_ANCESTORS = offsetof(struct cgroup, ancestors),
#endif
	/* Where a time namespace has the offset of CLOCK_BOOTTIME. */
	TIME_NAMESPACE_BOOTTIME = offsetof(struct time_namespace, offsets.boottime),
};
