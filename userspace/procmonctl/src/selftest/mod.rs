// SPDX-License-Identifier: GPL-2.0

//! The ioctl tester: every command, with good and bad input, against `/proc` and arithmetic.

mod cases;
pub mod fixture;
mod memory;
mod procfs;
