// SPDX-License-Identifier: GPL-2.0

//! Access checks between tasks.
//!
//! The kernel's own `ptrace_may_access()` is not exported. The check here allows nothing that it
//! would not. It is stricter: `ptrace_may_access()` also allows an unprivileged caller the other
//! processes of the same user with the same privileges.
//!
//! Does not support the checks of security modules, nor of user namespaces other than the initial
//! one.
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
        dumpable, //
    },
    sync::rwonce::read, //
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

#[kunit_tests(procmon_ptrace)]
mod tests {
    use super::*;

    #[test]
    fn a_task_with_capabilities_is_protected() {
        // That of the tests is a kernel thread, or root's modprobe.
        assert!(is_protected(kernel::current!(), &rcu::read_lock()));
    }
}
