// SPDX-License-Identifier: GPL-2.0

//! Namespaces, seen from the initial ones.
//!
//! C headers: [`include/linux/pid_namespace.h`](srctree/include/linux/pid_namespace.h),
//! [`include/linux/user_namespace.h`](srctree/include/linux/user_namespace.h)

use core::ptr;

use kernel::{
    bindings,
    prelude::*, //
};

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

#[kunit_tests(procmon_namespaces)]
mod tests {
    use super::*;

    #[test]
    fn kernel_threads_are_in_the_initial_ones() {
        assert!(caller_is_in_initial());
    }
}
