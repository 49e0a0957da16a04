// SPDX-License-Identifier: GPL-2.0-only

//! Events, which the loop of `top` waits for.

use nix::sys::signal::Signal;
use procmon::Snapshot;

use super::system::System;
use super::turnover::Turnover;

/// A snapshot, and what belongs to that time.
#[derive(Debug)]
pub struct Refresh {
    pub snapshot: Snapshot,
    pub system: System,
    /// The turnover since the snapshot before, as far as the module tells.
    pub turnover: Option<Turnover>,
    /// The reason for which events are read no more.
    pub events_error: Option<String>,
}

pub type Answer = anyhow::Result<Refresh>;

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
    Answer(Box<Answer>),
}
