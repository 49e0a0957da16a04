// SPDX-License-Identifier: GPL-2.0-only

//! The tester of the ioctl commands: each with good and bad input, compared with `/proc`, sysfs and
//! arithmetic.

pub mod cases;
pub mod fixture;
mod memory;
mod procfs;
