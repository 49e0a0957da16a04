// SPDX-License-Identifier: GPL-2.0

//! What procmon needs and the `kernel` crate does not have yet.
//!
//! Each file holds one abstraction, shaped and named as the `kernel` crate would have it, and sound
//! for any caller that is safe code. All of procmon's `unsafe` code is in here.
//!
//! As for the registrations of the `kernel` crate, that takes a module that drops what it has made:
//! its code goes away with it, and a registration, thread or RCU callback that was leaked by
//! [`forget`](core::mem::forget) would run it still.

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
pub(crate) mod ptrace;
pub(crate) mod sync;
pub(crate) mod sysfs;
pub(crate) mod task;
pub(crate) mod time;
pub(crate) mod uaccess;
