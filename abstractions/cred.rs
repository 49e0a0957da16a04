// SPDX-License-Identifier: GPL-2.0-only

//! The credentials of other tasks, in terms of the caller's user namespace.
//!
//! Does not support capabilities, supplementary groups, or saved and file system IDs.
//!
//! # Examples
//!
//! ```ignore
//! let namespace = UserNamespace::of_caller(kernel::current!());
//! let ids = namespace.ids(task, &guard);
//! ```
//!
//! C headers: [`include/linux/cred.h`](srctree/include/linux/cred.h),
//! [`include/linux/uidgid.h`](srctree/include/linux/uidgid.h)

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

use crate::abstractions::sync::rwonce::read;

/// User and group IDs of a task.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ids {
    /// Real user ID.
    pub(crate) uid: u32,
    /// Effective user ID.
    pub(crate) euid: u32,
    /// Real group ID.
    pub(crate) gid: u32,
    /// Effective group ID.
    pub(crate) egid: u32,
}

/// The caller's user namespace, into which UIDs and GIDs are translated.
///
/// # Invariants
///
/// `ns` is valid for `'a`, and `is_initial` tells whether it is `init_user_ns`.
#[derive(Clone, Copy)]
pub(crate) struct UserNamespace<'a> {
    ns: *mut bindings::user_namespace,
    is_initial: bool,
    _caller: PhantomData<&'a CurrentTask>,
}

impl<'a> UserNamespace<'a> {
    /// Returns the namespace of the caller.
    pub(crate) fn of_caller(caller: &'a CurrentTask) -> Self {
        // SAFETY: The calling task may read its own credentials without a lock. It does not change
        // them as long as it is borrowed.
        let ns = unsafe { (*(*caller.as_ptr()).cred).user_ns };

        // INVARIANT: The caller keeps its credentials, and these their namespace.
        Self {
            ns,
            is_initial: ptr::eq(ns, &raw const bindings::init_user_ns),
            _caller: PhantomData,
        }
    }

    /// Returns the initial namespace, in which IDs are the kernel's own.
    #[inline(always)]
    pub(crate) fn initial() -> Self {
        // INVARIANT: It is this one, and a static of the kernel.
        Self {
            ns: &raw mut bindings::init_user_ns,
            is_initial: true,
            _caller: PhantomData,
        }
    }

    /// Whether this is the initial namespace.
    pub(crate) fn is_initial(&self) -> bool {
        self.is_initial
    }

    /// Returns the IDs of a task. An ID without a mapping in this namespace is the overflow ID.
    #[doc(alias = "from_kuid_munged")]
    #[inline(always)]
    pub(crate) fn ids(&self, task: &Task, _guard: &rcu::Guard) -> Ids {
        // SAFETY: A task's credentials are replaced and freed by RCU.
        let cred = unsafe { read!((*task.as_ptr()).real_cred) };

        if !self.is_initial {
            // SAFETY: See above, and the type invariants.
            return unsafe { Self::translated_ids(self.ns, cred) };
        }
        // SAFETY: See above. The IDs do not change, but other fields do, so that no reference to
        // all of them is made.
        unsafe {
            Ids {
                uid: (*cred).uid.val,
                euid: (*cred).euid.val,
                gid: (*cred).gid.val,
                egid: (*cred).egid.val,
            }
        }
    }

    /// Returns the IDs of credentials in another namespace than the initial one.
    ///
    /// # Safety
    ///
    /// `ns` must be valid, and `cred` valid for reads.
    #[cold]
    #[inline(never)]
    unsafe fn translated_ids(
        ns: *mut bindings::user_namespace,
        cred: *const bindings::cred,
    ) -> Ids {
        // SAFETY: By the safety requirements.
        let user = |id| unsafe { bindings::from_kuid_munged(ns, id) };
        // SAFETY: As above.
        let group = |id| unsafe { bindings::from_kgid_munged(ns, id) };

        // SAFETY: By the safety requirements. As in `ids()`, no reference is made.
        unsafe {
            Ids {
                uid: user((*cred).uid),
                euid: user((*cred).euid),
                gid: group((*cred).gid),
                egid: group((*cred).egid),
            }
        }
    }

    /// Returns the real user ID of a task, if it has a mapping in this namespace.
    #[inline(always)]
    pub(crate) fn uid(&self, task: &Task, _guard: &rcu::Guard) -> Option<u32> {
        // SAFETY: As in `ids()`.
        self.mapped(unsafe { (*read!((*task.as_ptr()).real_cred)).uid })
    }

    /// Returns the effective user ID of a task, if it has a mapping in this namespace.
    pub(crate) fn euid(&self, task: &Task, _guard: &rcu::Guard) -> Option<u32> {
        // SAFETY: As in `ids()`.
        self.mapped(unsafe { (*read!((*task.as_ptr()).real_cred)).euid })
    }

    #[doc(alias = "from_kuid")]
    #[inline(always)]
    fn mapped(&self, uid: bindings::kuid_t) -> Option<u32> {
        // SAFETY: By the type invariants.
        let uid = unsafe { bindings::from_kuid(self.ns, uid) };

        (uid != u32::MAX).then_some(uid)
    }
}

#[kunit_tests(procmon_cred)]
mod tests {
    use super::*;

    #[test]
    fn kernel_threads_are_root() {
        let caller = kernel::current!();
        let namespace = UserNamespace::of_caller(caller);
        let guard = rcu::read_lock();
        let ids = namespace.ids(caller, &guard);

        assert_eq!((ids.uid, ids.euid, ids.gid, ids.egid), (0, 0, 0, 0));
        assert_eq!(namespace.uid(caller, &guard), Some(0));
        assert_eq!(namespace.euid(caller, &guard), Some(0));
        assert!(namespace.is_initial());
    }
}
