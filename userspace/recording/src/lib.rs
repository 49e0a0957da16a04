// SPDX-License-Identifier: GPL-2.0-only

//! Recordings of processes: their format, and what can be learned from them.
//!
//! A recording is a file of JSON lines, compressed by zstd, which `procmonctl record` writes while
//! processes run. [`Line`] is a line, [`Writer`] writes them, and [`Lines`] reads them. [`Run`] has
//! the processes that a whole recording tells of.
//!
//! ```no_run
//! use recording::Run;
//!
//! # fn main() -> recording::Result<()> {
//! let run = Run::read("build.procmon")?;
//! for process in run.processes() {
//!     println!("{} {:?} {:?}", process.pid, process.command_line(), process.lasted());
//! }
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod error;
mod line;
mod reader;
pub mod report;
mod run;
#[cfg(test)]
mod script;
mod text;
pub mod timeline;
mod writer;

pub use error::{Error, Result};
pub use line::{
    Cgroup, End, Exec, Exit, Gone, Header, Line, Lost, Moved, Process as Started, Sample,
    Selection, User, VERSION,
};
pub use reader::Lines;
pub use run::{Process, Program, Run};
pub use text::Text;
pub use writer::Writer;
