// SPDX-License-Identifier: GPL-2.0-only

//! IDs of the cgroups of tasks, as seen from a cgroup namespace.
//!
//! Does not support the hierarchies of cgroup v1.
//!
//! # Examples
//!
//! ```ignore
//! let namespace = CgroupNamespace::of_caller(kernel::current!());
//! let id: Option<u64> = namespace.id_of(task, &guard);
//! ```
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

/// A cgroup namespace, represented by its root in the unified hierarchy.
///
/// # Invariants
///
/// `root` is null where all cgroups are visible, else a cgroup that is valid for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct CgroupNamespace<'a> {
    root: *mut bindings::cgroup,
    _caller: PhantomData<&'a CurrentTask>,
}

impl<'a> CgroupNamespace<'a> {
    /// Whether all cgroups are visible.
    pub(crate) fn is_initial(&self) -> bool {
        self.root.is_null()
    }

    /// Returns the initial namespace, in which all cgroups are visible.
    #[inline(always)]
    pub(crate) fn initial() -> Self {
        // INVARIANT: Null: all cgroups are visible.
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
            // At the offset from the kernel's headers, not from its bindings: see `internals.h`.
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
        // All cgroups are descendants of the one of level 0.
        Self::initial()
    }

    /// Returns the ID of a task's cgroup, unless it is outside of the namespace.
    #[doc(alias = "cgroup_id")]
    #[inline(always)]
    pub(crate) fn id_of(&self, task: &Task, _guard: &rcu::Guard) -> Option<u64> {
        #[cfg(CONFIG_CGROUPS)]
        // SAFETY: Each task has a set of cgroups, which is replaced as a whole: its cgroup of the
        // unified hierarchy does not change. All of these are freed by RCU.
        return unsafe {
            let set = read!((*task.as_ptr()).cgroups);
            let cgroup = (*set).dfl_cgrp;

            (self.root.is_null() || self.is_descendant_of_root(cgroup)).then(|| (*(*cgroup).kn).id)
        };
        #[cfg(not(CONFIG_CGROUPS))]
        {
            let _ = task;
            None
        }
    }

    /// Whether a cgroup is the root or one of its descendants.
    #[doc(alias = "cgroup_is_descendant")]
    ///
    /// # Safety
    ///
    /// There must be a root, and `cgroup` be a valid cgroup of the unified hierarchy.
    #[cfg(CONFIG_CGROUPS)]
    #[cold]
    unsafe fn is_descendant_of_root(&self, cgroup: *mut bindings::cgroup) -> bool {
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
    fn a_cgroup_is_its_own_descendant() {
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
        assert!(unsafe { namespace.is_descendant_of_root(cgroup) });
    }
}
