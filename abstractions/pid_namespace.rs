// SPDX-License-Identifier: GPL-2.0-only

//! PID namespaces.
//!
//! Additions to the `kernel` crate's [`PidNamespace`]. Does not support creating one.
//!
//! # Examples
//!
//! ```ignore
//! let before = PidNamespace::initial().allocated_since(0).next();
//! // ...
//! let forks = PidNamespace::initial().allocated_since(before).count();
//! ```
//!
//! C header: [`include/linux/pid_namespace.h`](srctree/include/linux/pid_namespace.h)

use core::ptr;

use kernel::{
    bindings,
    pid_namespace::PidNamespace,
    prelude::*,
    task::{
        CurrentTask,
        Pid, //
    }, //
};

use crate::abstractions::pid::allocated::AllocatedPids;

/// Whether the caller's PID namespace is the initial one.
#[doc(alias = "task_is_in_init_pid_ns")]
#[inline(always)]
pub(crate) fn is_in_init_pid_ns(caller: &CurrentTask) -> bool {
    // SAFETY: A task that runs has an ID, which never changes its level.
    unsafe { (*(*caller.as_ptr()).thread_pid).level == 0 }
}

/// Additions to the `kernel` crate's [`PidNamespace`].
pub(crate) trait PidNamespaceExt {
    /// Returns the initial namespace, which all tasks are in.
    #[doc(alias = "init_pid_ns")]
    fn initial() -> &'static Self;

    /// Whether this is the initial namespace.
    fn is_initial(&self) -> bool;

    /// Returns the PIDs allocated since the cursor stood at `before`. PIDs are allocated in
    /// increasing order and wrap at `pid_max`.
    fn allocated_since(&self, before: Pid) -> AllocatedPids;
}

impl PidNamespaceExt for PidNamespace {
    #[inline(always)]
    fn initial() -> &'static Self {
        // SAFETY: This is a static that is valid from early at boot on.
        unsafe { PidNamespace::from_ptr(&raw mut bindings::init_pid_ns) }
    }

    #[inline(always)]
    fn is_initial(&self) -> bool {
        ptr::eq(self.as_ptr(), &raw const bindings::init_pid_ns)
    }

    fn allocated_since(&self, before: Pid) -> AllocatedPids {
        AllocatedPids::since(self, before)
    }
}

#[kunit_tests(procmon_pid_namespace)]
mod tests {
    use super::*;
    use crate::abstractions::pid::walk::tests::with_namespace;
    #[test]
    fn kernel_threads_are_in_the_initial_namespace() {
        assert!(is_in_init_pid_ns(kernel::current!()));
    }

    #[test]
    fn it_is_the_one_of_kernel_threads() -> Result {
        with_namespace(|ns| {
            let initial = PidNamespace::initial();

            assert!(ns.is_initial());
            assert!(ptr::eq(ns.as_ptr(), initial.as_ptr()));
            assert!(initial.allocated_since(0).next() > 1);
            Ok(())
        })
    }
}
