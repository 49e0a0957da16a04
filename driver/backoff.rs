// SPDX-License-Identifier: GPL-2.0

//! How long a call puts up with processes that are executing a program.

use kernel::{
    task::Pid,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

use crate::abstractions::task::cond_resched;

/// The patience of one call.
///
/// A process is looked at a few times before it is described as it is. Between these looks the call
/// sleeps, in the hope that the process has then come to its new program. As many processes may
/// be executing programs, and for ever, there are only so many sleeps for all of them together.
///
/// TIME: At most [`Patience::SLEEPS`] times twice [`Patience::SLEEP_US`], which is what the kernel
/// may make of such a sleep, and the time until the call gets a CPU again.
pub(crate) struct Patience {
    /// The process that was looked at last.
    pid: Pid,
    looks: u32,
    sleeps: u32,
}

impl Patience {
    /// How often a process is looked at before it is described as it is.
    const LOOKS: u32 = 4;

    /// How often a call sleeps.
    const SLEEPS: u32 = 20;

    /// The length of a sleep, in microseconds. Most programs take less for what matters here.
    const SLEEP_US: i64 = 500;

    /// Creates a new patience.
    pub(crate) fn new() -> Self {
        Self {
            pid: 0,
            looks: 0,
            sleeps: Self::SLEEPS,
        }
    }

    /// Returns the process that is to be described as it is, whether it executes a program or not.
    pub(crate) fn exhausted_by(&self) -> Option<Pid> {
        (self.looks >= Self::LOOKS).then_some(self.pid)
    }

    /// Waits until a process is to be looked at again. Sleeps.
    pub(crate) fn wait_for(&mut self, pid: Pid) {
        if pid != self.pid {
            self.pid = pid;
            self.looks = 0;
        }
        self.looks = self.looks.saturating_add(1);
        match self.sleeps.checked_sub(1) {
            Some(sleeps) if self.looks < Self::LOOKS => {
                self.sleeps = sleeps;
                fsleep(Delta::from_micros(Self::SLEEP_US));
            }
            _ => cond_resched(),
        }
    }
}
