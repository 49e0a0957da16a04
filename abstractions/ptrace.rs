// SPDX-License-Identifier: GPL-2.0-only

//! Access checks between tasks.
//!
//! The kernel's own `ptrace_may_access()` is not exported. The checks here allow nothing that it
//! would not, but for security modules, which they do not ask. They are stricter: capabilities
//! count in the initial user namespace only.
//!
//! # Examples
//!
//! ```ignore
//! let tracer = Tracer::of_caller(kernel::current!());
//! let may_read = ptrace::has_ptrace_capability() || tracer.may_read(task, &guard);
//! ```
//!
//! C headers: [`include/linux/ptrace.h`](srctree/include/linux/ptrace.h),
//! [`include/linux/sched/coredump.h`](srctree/include/linux/sched/coredump.h)

use core::ptr;

use kernel::{
    bindings,
    prelude::*,
    sync::rcu,
    task::{
        CurrentTask,
        Task, //
    }, //
};

use crate::abstractions::{
    compat::{
        capable_noaudit,
        dumpable,
        dumpable_of,
        smp_rmb, //
    },
    cred::Ids,
    sync::rwonce::read,
    task::TaskExt, //
};

/// Whether the caller may trace each process of the system.
#[doc(alias = "ptrace_has_cap")]
pub(crate) fn has_ptrace_capability() -> bool {
    // Without an audit record: a field that the caller may not see is left out, which is no
    // failure.
    capable_noaudit(bindings::CAP_SYS_PTRACE)
}

/// Whether the caller may observe each process of the system.
#[doc(alias = "perfmon_capable")]
pub(crate) fn has_perfmon_capability() -> bool {
    // As above.
    capable_noaudit(bindings::CAP_PERFMON)
}

/// Whether `ptrace_may_access()` may refuse a caller without capabilities that has the same user
/// and group as the task: the task is not dumpable, has several users or groups, capabilities, or
/// another user namespace than the initial one.
#[doc(alias = "__ptrace_may_access")]
pub(crate) fn is_protected(task: &CurrentTask, guard: &rcu::Guard) -> bool {
    dumpable(task, guard) != TASK_DUMPABLE_OWNER || has_privileges(task, guard)
}

/// The value of `dumpable` of an ordinary task: what prctl(2) calls `SUID_DUMP_USER`.
const TASK_DUMPABLE_OWNER: u32 = 1;

/// Whether a task has more than the rights of one ordinary user.
fn has_privileges(task: &Task, _guard: &rcu::Guard) -> bool {
    // SAFETY: A task's credentials are replaced and freed by RCU. These fields of them do not
    // change. As in `UserNamespace::ids()`, no reference is made.
    unsafe {
        let cred = read!((*task.as_ptr()).real_cred);
        let uid = (*cred).uid.val;
        let gid = (*cred).gid.val;

        [(*cred).euid.val, (*cred).suid.val] != [uid; 2]
            || [(*cred).egid.val, (*cred).sgid.val] != [gid; 2]
            || (*cred).cap_permitted.val != 0
            || !ptr::eq((*cred).user_ns, &raw const bindings::init_user_ns)
    }
}

/// The caller, as far as it decides which tasks it may trace without a capability.
#[derive(Clone, Copy)]
pub(crate) struct Tracer<'a> {
    caller: &'a CurrentTask,
    uid: u32,
    gid: u32,
    /// The effective capabilities.
    capabilities: u64,
    /// The user namespace, which is only compared.
    user_ns: *const bindings::user_namespace,
}

impl<'a> Tracer<'a> {
    /// Returns the caller, by the credentials that count in a file system, as `/proc` is one
    /// (`PTRACE_MODE_FSCREDS`).
    #[doc(alias = "current_cred")]
    pub(crate) fn of_caller(caller: &'a CurrentTask) -> Self {
        // SAFETY: The calling task may read its own credentials without a lock. It does not change
        // them as long as it is borrowed.
        unsafe {
            let cred = (*caller.as_ptr()).cred;

            Self {
                caller,
                uid: (*cred).fsuid.val,
                gid: (*cred).fsgid.val,
                capabilities: (*cred).cap_effective.val,
                user_ns: (*cred).user_ns,
            }
        }
    }

    /// Whether these IDs are the caller's.
    pub(crate) fn has_ids(&self, ids: &Ids) -> bool {
        [ids.uid, ids.euid] == [self.uid; 2] && [ids.gid, ids.egid] == [self.gid; 2]
    }

    /// Whether the caller may read what `/proc` has for those who may trace the task: it is a
    /// thread of the same process, or one without users, groups, capabilities or a user namespace
    /// that the caller lacks, and dumpable.
    ///
    /// TIME: On Linux 7.2, the lock of the task is held for one load.
    #[doc(alias = "__ptrace_may_access")]
    #[doc(alias = "PTRACE_MODE_READ_FSCREDS")]
    pub(crate) fn may_read(&self, task: &Task, guard: &rcu::Guard) -> bool {
        if self.caller.same_thread_group(task) {
            return true;
        }
        if !self.has_credentials_of(task, guard) {
            return false;
        }
        // ORDERING: A task that gives up the rights of another user is no longer dumpable by then:
        // pairs with the barrier between the two in `commit_creds()`.
        smp_rmb();
        dumpable_of(task, guard).is_none_or(|dumpable| dumpable == TASK_DUMPABLE_OWNER)
    }

    fn has_credentials_of(&self, task: &Task, _guard: &rcu::Guard) -> bool {
        // SAFETY: As in `has_privileges()`.
        unsafe {
            let cred = read!((*task.as_ptr()).real_cred);

            [(*cred).uid.val, (*cred).euid.val, (*cred).suid.val] == [self.uid; 3]
                && [(*cred).gid.val, (*cred).egid.val, (*cred).sgid.val] == [self.gid; 3]
                && (*cred).cap_permitted.val & !self.capabilities == 0
                && ptr::eq((*cred).user_ns, self.user_ns)
        }
    }
}

#[kunit_tests(procmon_ptrace)]
mod tests {
    use super::*;
    use crate::abstractions::task::find_task_by_vpid;

    #[test]
    fn a_task_with_capabilities_is_protected() {
        // That of the tests is a kernel thread, or root's modprobe.
        assert!(is_protected(kernel::current!(), &rcu::read_lock()));
    }

    #[test]
    fn only_the_own_process_without_its_credentials() -> Result {
        let caller = kernel::current!();
        let tracer = Tracer::of_caller(caller);
        let guard = rcu::read_lock();
        let [init, kthreadd] = [1, 2].map(|nr| find_task_by_vpid(nr, &guard));
        let (init, kthreadd) = init.zip(kthreadd).ok_or(ESRCH)?;

        assert!(tracer.may_read(caller, &guard));
        // All of them are root's, and have all capabilities.
        assert!(tracer.may_read(init, &guard));
        for other in [
            Tracer {
                capabilities: 0,
                ..tracer
            },
            Tracer { uid: 1, ..tracer },
            Tracer { gid: 1, ..tracer },
            Tracer {
                user_ns: ptr::null(),
                ..tracer
            },
        ] {
            assert!(other.may_read(caller, &guard));
            assert!(!other.may_read(init, &guard));
            assert!(!other.may_read(kthreadd, &guard));
        }
        Ok(())
    }

    #[test]
    fn ids_are_compared_one_by_one() {
        let caller = kernel::current!();
        let tracer = Tracer {
            uid: 3,
            gid: 4,
            ..Tracer::of_caller(caller)
        };
        let ids = Ids {
            uid: 3,
            euid: 3,
            gid: 4,
            egid: 4,
        };

        assert!(tracer.has_ids(&ids));
        for other in [
            Ids { uid: 4, ..ids },
            Ids { euid: 4, ..ids },
            Ids { gid: 3, ..ids },
            Ids { egid: 3, ..ids },
        ] {
            assert!(!tracer.has_ids(&other));
        }
    }
}
