// SPDX-License-Identifier: GPL-2.0

//! Who may know what of whom.
//!
//! The kernel's own `ptrace_may_access()` is not for modules. What is here allows nothing that it
//! would not, and is stricter with a caller that is no superuser: of processes of the same user but
//! not the same process, `ptrace_may_access()` allows those that have not changed their rights.
//!
//! C header: [`include/linux/ptrace.h`](srctree/include/linux/ptrace.h)

use core::ptr;

use kernel::{
    bindings,
    prelude::*,
    task::{
        CurrentTask,
        Task, //
    }, //
};

/// Whether the caller may trace each process of the system, but for what security modules think.
pub(crate) fn caller_may_trace_all() -> bool {
    // Without a word in the audit log: what is not allowed is left out, and is no failure. Linux
    // 7.2 has no `capable_noaudit()`, which is this for the initial namespace.
    // CAST: The number of a capability is small.
    // SAFETY: This may be called by any task for itself, and the namespace is static.
    unsafe {
        bindings::ns_capable_noaudit(
            &raw mut bindings::init_user_ns,
            bindings::CAP_SYS_PTRACE as c_int,
        )
    }
}

/// Whether a task is a thread of the caller's process.
pub(crate) fn is_same_process(caller: &CurrentTask, task: &Task) -> bool {
    // SAFETY: Both tasks are valid, and keep their `signal_struct` until they are freed.
    unsafe { ptr::eq((*caller.as_ptr()).signal, (*task.as_ptr()).signal) }
}
