// SPDX-License-Identifier: GPL-2.0-only

//! Bounded retries for processes that are executing a program.

use kernel::{
    task::Pid,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

use crate::abstractions::task::cond_resched;

/// The retries of one call.
///
/// A process in execve(2) has a mix of the old and the new program's properties, so it is read
/// again until it is consistent, at most [`Backoff::ATTEMPTS`] times. The call sleeps between two
/// attempts, which most programs need no more of. Any number of processes may be in execve(2), for
/// any length of time, so the number of sleeps is limited for all of them together.
///
/// TIME: At most [`Backoff::SLEEPS`] times twice [`Backoff::SLEEP_US`], the longest that
/// `fsleep()` makes of it, and the time until the caller gets a CPU again.
pub(crate) struct Backoff {
    /// The process that was read last.
    pid: Pid,
    attempts: u32,
    sleeps: u32,
}

impl Backoff {
    /// The number of attempts at one process, after which its record may be inconsistent.
    const ATTEMPTS: u32 = 4;

    /// The number of sleeps of one call.
    const SLEEPS: u32 = 20;

    /// The length of a sleep in microseconds.
    const SLEEP_US: i64 = 500;

    /// Creates the state of a new call.
    pub(crate) fn new() -> Self {
        Self {
            pid: 0,
            attempts: 0,
            sleeps: Self::SLEEPS,
        }
    }

    /// Returns the process whose attempts are used up, if there is one.
    pub(crate) fn exhausted_by(&self) -> Option<Pid> {
        (self.attempts >= Self::ATTEMPTS).then_some(self.pid)
    }

    /// Counts a failed attempt at a process, and sleeps before the next one.
    pub(crate) fn wait_for(&mut self, pid: Pid) {
        if pid != self.pid {
            self.pid = pid;
            self.attempts = 0;
        }
        self.attempts = self.attempts.saturating_add(1);
        match self.sleeps.checked_sub(1) {
            Some(sleeps) if self.attempts < Self::ATTEMPTS => {
                self.sleeps = sleeps;
                fsleep(Delta::from_micros(Self::SLEEP_US));
            }
            _ => cond_resched(),
        }
    }
}
