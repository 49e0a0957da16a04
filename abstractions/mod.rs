// SPDX-License-Identifier: GPL-2.0-only

//! Additions to the `kernel` crate. All of procmon's `unsafe` code is in here.
//!
//! Files have the paths and names that they would have in `rust/kernel/`. Functions are named after
//! their C counterparts, which `#[doc(alias)]` gives where the names differ. All of them are sound
//! for any safe caller.
//!
//! As for the registrations of the `kernel` crate, that requires a module to drop its objects: a
//! registration, thread or RCU callback that is leaked by [`forget`](core::mem::forget) would still
//! run the module's code when that is unloaded.

pub(crate) mod cgroup;
pub(crate) mod compat;
pub(crate) mod cred;
pub(crate) mod internals;
pub(crate) mod iov;
pub(crate) mod kthread;
pub(crate) mod miscdevice;
pub(crate) mod mm;
pub(crate) mod module_param;
pub(crate) mod percpu;
pub(crate) mod pid;
pub(crate) mod pid_namespace;
pub(crate) mod prefetch;
pub(crate) mod ptrace;
pub(crate) mod radix_tree;
pub(crate) mod str;
pub(crate) mod sync;
pub(crate) mod sysfs;
pub(crate) mod task;
pub(crate) mod time;
pub(crate) mod time_namespace;
pub(crate) mod tracepoint;
pub(crate) mod uaccess;
