// SPDX-License-Identifier: GPL-2.0

//! What procmon does, in safe code only.
//!
//! - [`message`]: the text that is written to and read from the device.
//! - [`counters`]: how often the device was opened, read, written and so on.
//! - [`settings`]: what users set: whether there is a filter, and since when the totals count.
//! - [`monitor::target`]: the process that the filter stands for.
//! - [`query`]: what is told about one process.
//! - [`snapshot`]: what is told about many processes at once.
//! - [`user_array`]: the room for records in user space.
//! - [`monitor`]: the thread that looks at the system and at a chosen process.
//! - [`history`]: what that thread has seen.
//! - [`device`]: the device, which brings the above together for read, write and the rest.
//! - [`ioctl`]: the commands of the device.
//! - [`sysfs`]: the device's files in sysfs.

pub(crate) mod backoff;
pub(crate) mod counters;
pub(crate) mod device;
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
