// SPDX-License-Identifier: GPL-2.0

//! Namespaces, seen from the initial ones.
//!
//! C headers: [`include/linux/pid_namespace.h`](srctree/include/linux/pid_namespace.h),
//! [`include/linux/user_namespace.h`](srctree/include/linux/user_namespace.h)

use core::ptr;

use kernel::{
    bindings,
    prelude::*,
    sync::rcu,
    task::Pid, //
};

use super::pid::PidRef;

/// Whether the caller is in the initial user and PID namespaces, so that its IDs are the kernel's.
pub(crate) fn caller_is_in_initial() -> bool {
    let caller = kernel::current!();

    // SAFETY: The calling task may read its own credentials without a lock.
    let user_ns = unsafe { (*(*caller.as_ptr()).cred).user_ns };

    is_in_initial_pid_ns() && ptr::eq(user_ns, &raw const bindings::init_user_ns)
}

/// Whether the caller's IDs are those of the initial PID namespace.
#[inline(always)]
fn is_in_initial_pid_ns() -> bool {
    // SAFETY: A task that runs has an ID, which never changes its level.
    unsafe { (*(*kernel::current!().as_ptr()).thread_pid).level == 0 }
}

/// Returns what an ID of the caller's PID namespace is in the initial one, or nothing if there is
/// no such ID now.
#[inline(always)]
pub(crate) fn to_initial_pid(pid: Pid) -> Option<Pid> {
    if is_in_initial_pid_ns() {
        return Some(pid);
    }
    translate(pid)
}

#[cold]
#[inline(never)]
fn translate(pid: Pid) -> Option<Pid> {
    let _guard = rcu::read_lock();

    // SAFETY: The RCU read lock is held, any number will do, and what is found stays valid until
    // that is released.
    Some(unsafe { PidRef::from_ptr(bindings::find_vpid(pid)) }?.initial_nr())
}

#[kunit_tests(procmon_namespaces)]
mod tests {
    use super::*;

    #[test]
    fn kernel_threads_are_in_the_initial_ones() {
        assert!(caller_is_in_initial());
        assert_eq!(to_initial_pid(5), Some(5));
    }

    #[test]
    fn translating_an_id_of_the_initial_namespace_changes_nothing() {
        assert_eq!(translate(1), Some(1));
        assert_eq!(translate(2), Some(2));
        assert_eq!(translate(Pid::MAX), None);
        assert_eq!(translate(-1), None);
    }
}
