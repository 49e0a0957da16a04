// SPDX-License-Identifier: GPL-2.0-only

//! The driver proper, in safe Rust only. To be read in this order:
//!
//! - [`file_operations`]: open, read, write, ioctl and poll.
//! - [`ioctl`]: dispatch of the commands, and their access rights.
//! - [`compat32`]: the layouts of 32-bit processes.
//! - [`sysfs`]: the device's attributes.
//! - [`device`]: the data of the device and of its open files.
//! - [`message`]: the text that is written to and read from the device.
//! - [`settings`]: the settings of users, and the baseline of the totals.
//! - [`counters`]: counters of operations.
//! - [`query`]: one process by its ID.
//! - [`monitor`]: the thread that samples the system and one target process.
//! - [`snapshot`]: many processes at once.
//! - [`history`]: the samples of the monitor.
//! - [`events`]: what happens to processes.
//! - [`record`]: one task as one record; the table of field groups.
//! - [`hidepid`]: what is kept from callers of tasks that they may not trace.
//! - [`arguments`]: arguments of programs, in the second buffer of a snapshot.
//! - [`batch`]: records at the stride of the caller's array.
//! - [`backoff`]: bounded retries for processes that execute a program.
//! - [`user_array`]: arrays in user memory.
//! - [`uapi`]: the ABI, generated from `procmon_uapi.h`.
//!
//! Each file only uses files that come after it, and never the other way round.

pub(crate) mod arguments;
pub(crate) mod backoff;
pub(crate) mod batch;
#[cfg(CONFIG_COMPAT)]
pub(crate) mod compat32;
pub(crate) mod counters;
pub(crate) mod device;
pub(crate) mod events;
pub(crate) mod file_operations;
pub(crate) mod hidepid;
pub(crate) mod history;
pub(crate) mod ioctl;
pub(crate) mod message;
pub(crate) mod monitor;
pub(crate) mod query;
pub(crate) mod record;
pub(crate) mod settings;
pub(crate) mod snapshot;
pub(crate) mod sysfs;
pub(crate) mod uapi;
pub(crate) mod user_array;
