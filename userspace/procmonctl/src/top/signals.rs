// SPDX-License-Identifier: GPL-2.0-only

//! Signals that end, stop or continue the program, and the one for a new size of the terminal.
//!
//! They are blocked, and a thread waits for them: nothing runs in the context of a signal handler,
//! and the thread can end the program even when the rest is stuck on its terminal. Their actions
//! stay unchanged, so that an ignored signal (see nohup(1)) remains ignored, and a process group
//! without a shell that could continue it is not stopped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill, raise};
use nix::unistd::Pid;

use super::event::Event;
use super::screen;

/// The signals whose action is to end or to stop the program.
const ACTIVE: [Signal; 5] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGTSTP,
];

/// The time for the program to notice a signal. It takes longer only when it is stuck: in a write
/// to a terminal that accepts no output, which has no other way out.
const GRACE: Duration = Duration::from_secs(3);

/// Returns whether a signal is to have its usual action after the terminal was restored.
pub fn is_active(signal: Signal) -> bool {
    ACTIVE.contains(&signal)
}

/// The signals, which are blocked until the drop.
pub struct Signals {
    set: SigSet,
    /// Number of signals that the program has noticed.
    noticed: Arc<AtomicUsize>,
}

impl Signals {
    /// Blocks the signals in this thread and its future ones, and turns them into events.
    pub fn watch(events: Sender<Event>) -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in ACTIVE {
            set.add(signal);
        }
        set.add(Signal::SIGCONT);
        set.add(Signal::SIGWINCH);
        set.thread_block()?;
        let noticed = Arc::new(AtomicUsize::new(0));
        let signals = Self {
            set,
            noticed: Arc::clone(&noticed),
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let mut sent = 0;
                while let Ok(signal) = set.wait() {
                    if events.send(Event::Signal(signal)).is_err() {
                        return;
                    }
                    sent += 1;
                    if !is_active(signal) || signal == Signal::SIGTSTP {
                        continue;
                    }
                    let is_noticed = || noticed.load(Ordering::Acquire) >= sent;
                    let deadline = Instant::now() + GRACE;
                    while !is_noticed() && Instant::now() < deadline {
                        thread::sleep(Duration::from_millis(10));
                    }
                    if !is_noticed() {
                        screen::calm();
                        let _ = act(signal);
                    }
                }
            })?;
        Ok(signals)
    }

    /// Reports that the program has noticed a signal.
    pub fn notice(&self) {
        self.noticed.fetch_add(1, Ordering::Release);
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // The last signal acts now.
        let _ = self.set.thread_unblock();
    }
}

/// Performs the usual action of a signal, and blocks it again. Returns if the action is to ignore
/// the signal, or when the program continues.
pub fn act(signal: Signal) -> nix::Result<()> {
    let set = SigSet::from_iter([signal]);
    raise(signal)?;
    set.thread_unblock()?;
    set.thread_block()
}

/// Stops the program and its process group, as the terminal does for Ctrl-Z.
pub fn suspend() -> nix::Result<()> {
    kill(Pid::from_raw(0), Signal::SIGTSTP)
}
