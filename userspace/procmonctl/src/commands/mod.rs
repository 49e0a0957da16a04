// SPDX-License-Identifier: GPL-2.0

//! The commands, one in each file: its arguments, its work, and its JSON. `JSON` and `EXAMPLES` are
//! for the manual.

pub mod completions;
pub mod count;
pub mod filter;
pub mod history;
pub mod man;
pub mod ps;
pub mod query;
pub mod read;
pub mod reset;
pub mod stats;
pub mod test;
pub mod top;
pub mod watch;
pub mod write;
