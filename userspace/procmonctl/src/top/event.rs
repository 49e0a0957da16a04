// SPDX-License-Identifier: GPL-2.0

//! Events, which the loop of `top` waits for.

use nix::sys::signal::Signal;
use procmon::Snapshot;

use super::system::System;

/// A snapshot with the numbers of the system at that time.
pub type Answer = anyhow::Result<(Snapshot, System)>;

/// An event from one of the threads.
#[derive(Debug)]
pub enum Event {
    /// The terminal sent bytes.
    Bytes(Vec<u8>),
    /// The terminal is gone.
    Hangup,
    /// A signal was received.
    Signal(Signal),
    /// A snapshot was taken, or failed.
    Answer(Answer),
}
