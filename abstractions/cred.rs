// SPDX-License-Identifier: GPL-2.0

//! The credentials of other tasks, in terms of the caller's user namespace.
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

use crate::abstractions::task::read;

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

/// The user namespace of the calling task, with which the numbers of users and groups go.
pub(crate) struct UserNamespace<'a> {
    ns: *mut bindings::user_namespace,
    /// Whether IDs are the kernel's own here.
    is_initial: bool,
    _caller: PhantomData<&'a CurrentTask>,
}

impl<'a> UserNamespace<'a> {
    /// Returns the namespace of the caller.
    pub(crate) fn of_caller(caller: &'a CurrentTask) -> Self {
        // SAFETY: The calling task may read its own credentials without a lock. It does not change
        // them as long as it is borrowed.
        let ns = unsafe { (*(*caller.as_ptr()).cred).user_ns };

        Self {
            ns,
            is_initial: ptr::eq(ns, &raw const bindings::init_user_ns),
            _caller: PhantomData,
        }
    }

    /// Returns the IDs of a task. An ID that this namespace does not have is the overflow ID.
    #[inline(always)]
    pub(crate) fn ids(&self, task: &Task, _guard: &rcu::Guard) -> Ids {
        // SAFETY: A task's credentials are replaced and freed by RCU. Their IDs do not change, but
        // other fields do, so that no reference to all of them is made.
        let ids = unsafe {
            let cred = read!((*task.as_ptr()).real_cred);

            Ids {
                uid: (*cred).uid.val,
                euid: (*cred).euid.val,
                gid: (*cred).gid.val,
                egid: (*cred).egid.val,
            }
        };

        if self.is_initial {
            ids
        } else {
            self.translate(ids)
        }
    }

    #[cold]
    #[inline(never)]
    fn translate(&self, ids: Ids) -> Ids {
        // SAFETY: The namespace is valid.
        let user = |val| unsafe { bindings::from_kuid_munged(self.ns, bindings::kuid_t { val }) };
        // SAFETY: As above.
        let group = |val| unsafe { bindings::from_kgid_munged(self.ns, bindings::kgid_t { val }) };

        Ids {
            uid: user(ids.uid),
            euid: user(ids.euid),
            gid: group(ids.gid),
            egid: group(ids.egid),
        }
    }

    /// Returns the real user ID of a task, unless this namespace does not have it.
    #[inline(always)]
    pub(crate) fn uid(&self, task: &Task, _guard: &rcu::Guard) -> Option<u32> {
        // SAFETY: As in `ids()`.
        let uid = unsafe { (*read!((*task.as_ptr()).real_cred)).uid };
        // SAFETY: The namespace is valid.
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
    }
}
