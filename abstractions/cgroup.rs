// SPDX-License-Identifier: GPL-2.0

//! Cgroups of tasks in the unified hierarchy, as far as a cgroup namespace shows them.
//!
//! C headers: [`include/linux/cgroup.h`](srctree/include/linux/cgroup.h),
//! [`include/linux/cgroup_namespace.h`](srctree/include/linux/cgroup_namespace.h)

use core::{
    marker::PhantomData,
    ptr, //
};

use kernel::{
    bindings,
    prelude::*,
    sync::rcu,
    task::{
        CurrentTask,
        Task, //
    }, //
};

#[cfg(CONFIG_CGROUPS)]
use crate::abstractions::{
    internals::{
        CGROUP_ANCESTORS,
        CGROUP_NAMESPACE_ROOT_CSET, //
    },
    sync::rwonce::read, //
};

/// A cgroup namespace, by its root in the unified hierarchy.
///
/// # Invariants
///
/// `root` is null where all cgroups are visible, else a cgroup that is valid for `'a`.
pub(crate) struct CgroupNamespace<'a> {
    root: *mut bindings::cgroup,
    _caller: PhantomData<&'a CurrentTask>,
}

impl<'a> CgroupNamespace<'a> {
    /// Returns the initial namespace, in which all cgroups are visible.
    pub(crate) fn initial() -> Self {
        // INVARIANT: Null is for this.
        Self {
            root: ptr::null_mut(),
            _caller: PhantomData,
        }
    }

    /// Returns the namespace of the caller.
    pub(crate) fn of_caller(_caller: &'a CurrentTask) -> Self {
        #[cfg(CONFIG_CGROUPS)]
        // SAFETY: A task may read its own namespaces without a lock, and does not change them as
        // long as it is borrowed. They keep their root set of cgroups, and that its cgroups, none
        // of which ever changes its level.
        unsafe {
            let namespace = (*(*_caller.as_ptr()).nsproxy).cgroup_ns;
            // Where the kernel's headers have it, and not its bindings: see `internals.h`.
            let root_set = namespace
                .byte_add(CGROUP_NAMESPACE_ROOT_CSET as usize)
                .cast::<*mut bindings::css_set>()
                .read();
            let root = (*root_set).dfl_cgrp;

            if (*root).level > 0 {
                // INVARIANT: See above.
                return Self {
                    root,
                    _caller: PhantomData,
                };
            }
        }
        // Each cgroup lies below the one of level 0.
        Self::initial()
    }

    /// Returns the ID of a task's cgroup, unless it lies outside of the namespace.
    #[inline(always)]
    pub(crate) fn id_of(&self, task: &Task, _guard: &rcu::Guard) -> Option<u64> {
        #[cfg(CONFIG_CGROUPS)]
        // SAFETY: The set of cgroups that a task has is replaced but its cgroup of the unified
        // hierarchy is not changed. All of these are freed by RCU, and each task has them.
        return unsafe {
            let set = read!((*task.as_ptr()).cgroups);
            let cgroup = (*set).dfl_cgrp;

            (self.root.is_null() || self.is_below_root(cgroup)).then(|| (*(*cgroup).kn).id)
        };
        #[cfg(not(CONFIG_CGROUPS))]
        {
            let _ = task;
            None
        }
    }

    /// Whether a cgroup is the root or lies below it, as `cgroup_is_descendant()` tells.
    ///
    /// # Safety
    ///
    /// There must be a root, and `cgroup` be a valid cgroup of the unified hierarchy.
    #[cfg(CONFIG_CGROUPS)]
    #[cold]
    unsafe fn is_below_root(&self, cgroup: *mut bindings::cgroup) -> bool {
        // SAFETY: By the type invariants and the safety requirements. A cgroup has its ancestors
        // from level 0 to its own, itself included, none of which ever changes.
        unsafe {
            let level = (*self.root).level;
            let ancestors = cgroup
                .byte_add(CGROUP_ANCESTORS as usize)
                .cast::<*mut bindings::cgroup>();

            // CAST: Levels are not negative.
            (*cgroup).level >= level && ptr::eq(*ancestors.add(level as usize), self.root)
        }
    }
}

#[kunit_tests(procmon_cgroup)]
mod tests {
    use super::*;

    #[test]
    fn kernel_threads_see_every_cgroup() {
        let caller = kernel::current!();
        let guard = rcu::read_lock();
        let id = CgroupNamespace::initial().id_of(caller, &guard);

        assert_eq!(id.is_some(), cfg!(CONFIG_CGROUPS));
        assert_eq!(CgroupNamespace::of_caller(caller).id_of(caller, &guard), id);
    }

    #[cfg(CONFIG_CGROUPS)]
    #[test]
    fn a_cgroup_lies_below_itself() {
        let caller = kernel::current!();
        let _guard = rcu::read_lock();
        // SAFETY: The calling task has a set of cgroups, which has one of the unified hierarchy.
        let cgroup = unsafe { (*(*caller.as_ptr()).cgroups).dfl_cgrp };
        // INVARIANT: RCU keeps the cgroup.
        let namespace = CgroupNamespace {
            root: cgroup,
            _caller: PhantomData,
        };

        // SAFETY: The namespace has a root, and this is a valid cgroup.
        assert!(unsafe { namespace.is_below_root(cgroup) });
    }
}
