// SPDX-License-Identifier: GPL-2.0-only

//! The signals that end a recording.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

use super::child::Child;

/// The signals that came: those from the terminal, and those that ask a program to end.
pub struct Stop {
    from_terminal: Arc<AtomicBool>,
    hangup: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
}

impl Stop {
    /// Takes note of the signals from now on. Programs that are executed have their usual actions.
    pub fn watch() -> anyhow::Result<Self> {
        let stop = Self {
            from_terminal: Arc::default(),
            hangup: Arc::default(),
            terminate: Arc::default(),
        };
        flag::register(SIGINT, Arc::clone(&stop.from_terminal))?;
        flag::register(SIGQUIT, Arc::clone(&stop.from_terminal))?;
        flag::register(SIGHUP, Arc::clone(&stop.hangup))?;
        flag::register(SIGTERM, Arc::clone(&stop.terminate))?;
        Ok(stop)
    }

    /// Returns whether one of the signals came.
    pub fn is_asked_for(&self) -> bool {
        let flags = [&self.from_terminal, &self.hangup, &self.terminate];
        flags.into_iter().any(take)
    }

    /// Passes on to a command what has come since the last call. The terminal sends its signals to
    /// the command as well.
    pub fn pass_on(&self, child: &Child) {
        for (flag, signal) in [
            (&self.hangup, Signal::SIGHUP),
            (&self.terminate, Signal::SIGTERM),
        ] {
            if take(flag) {
                child.signal(signal);
            }
        }
    }
}

fn take(flag: &Arc<AtomicBool>) -> bool {
    flag.swap(false, Ordering::Relaxed)
}
