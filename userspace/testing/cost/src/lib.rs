// SPDX-License-Identifier: GPL-2.0-only

//! Cost of code in a guest, as QEMU's plugin `cost-plugin` counts it between marks.
//!
//! A program in the guest sets [`marks`]. The plugin passes each instruction and each access to
//! memory between two of them to a [`Meter`], or counts instructions alone by a [`Tally`], and
//! writes a [`Region`] for each pair. The benchmark reads these on the host. All of it is here but
//! for QEMU's interface.

mod counts;
mod instruction;
mod lines;
pub mod marks;
mod meter;
mod tally;

pub use counts::{Call, Counts, ParseError, Region, TouchedLine};
pub use instruction::{Instruction, Place};
pub use lines::{LINE_SIZE, PAGE_SIZE};
pub use marks::Mark;
pub use meter::Meter;
pub use tally::Tally;
