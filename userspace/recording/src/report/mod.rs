// SPDX-License-Identifier: GPL-2.0-only

//! Reports on recordings: programs, parallelism, the critical path, failures, and differences.
//!
//! All of them count the time within the recording only: of a process that is older, the time from
//! the recording's beginning on. What a process used was added up by the kernel until it ended: it
//! is known of processes that have ended, and of those that are older it has the time before.
//!
//! A process *works* while none of its children is alive, and its *own* time is the time that it
//! works. So a shell that waits for a compiler does not work, but neither does one that computes
//! beside a child in the background, and a process that sleeps without children does. The use of
//! the CPUs tells how much of that was work.
//!
//! Each function takes time for n processes, programs and samples as n log n.

mod critical;
mod diff;
mod failures;
mod parallelism;
mod programs;
#[cfg(test)]
mod random;
mod span;
mod usage;

pub use critical::{CriticalPath, Step};
pub use diff::{Change, ChangeKind, Diff, Pair};
pub use failures::{Failure, FailureKind, ancestors};
pub use parallelism::{Interval, Parallelism};
pub use programs::{processes, programs};
pub use span::Span;
pub use usage::{Measure, Usage};
