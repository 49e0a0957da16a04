// SPDX-License-Identifier: GPL-2.0

//! What the loop of `top` waits for.

use nix::sys::signal::Signal;

use super::worker::Answer;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// The terminal sent bytes.
    Bytes(Vec<u8>),
    /// The terminal is gone.
    Hangup,
    /// A signal came.
    Signal(Signal),
    /// There is a snapshot, or an error.
    Answer(Answer),
}
