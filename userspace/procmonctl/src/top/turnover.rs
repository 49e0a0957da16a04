// SPDX-License-Identifier: GPL-2.0-only

//! Processes that start and end between refreshes, by the events of the module.
//!
//! No snapshot has a process that both starts and ends between it and the next one. Events tell of
//! each of them, and by their sequence numbers, which a snapshot has too, it is certain between
//! which two snapshots something has happened.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::process::ExitStatus;
use std::time::Duration;

use procmon::events::{Classes, Event, EventFlags, EventKind, EventOptions, Exit};
use procmon::{BootTime, Snapshot};

use super::usage::Identity;
use crate::table::row::command_line;
use crate::table::value::Value;

/// The number of transient processes that are kept, those that ended last.
pub const LATEST: usize = 1000;

/// The number of bytes of a command line that are kept.
const ARGUMENTS: u32 = 256;

/// The classes whose losses make the numbers too small.
const COUNTED: Classes = Classes::FORK.union(Classes::EXIT);

/// Returns the options of the events that a [`TurnoverMeter`] needs.
pub fn options() -> EventOptions {
    EventOptions::new()
        .classes(COUNTED | Classes::EXEC)
        .max_arguments(ARGUMENTS)
}

/// A process that came and went between two refreshes: it is in no snapshot.
#[derive(Clone, Debug)]
pub struct Transient {
    pub pid: i32,
    pub ppid: i32,
    pub uid: u32,
    pub start: BootTime,
    end: BootTime,
    flags: EventFlags,
    pub exit: Exit,
    /// Arguments of the last program that it has executed, each with its NUL.
    arguments: Option<Box<[u8]>>,
}

impl Transient {
    fn new(event: &Event<'_>, exit: Exit) -> Self {
        Self {
            pid: event.pid(),
            ppid: event.ppid(),
            uid: event.uid(),
            start: event.start(),
            end: event.time(),
            flags: event.flags(),
            exit,
            arguments: None,
        }
    }

    fn identity(&self) -> Identity {
        (self.pid, self.start)
    }

    /// Returns the name at the end.
    pub fn comm(&self) -> &OsStr {
        self.exit.comm()
    }

    /// Returns the arguments of its program, or else the name.
    pub fn command_line(&self) -> Value {
        command_line(self.arguments.as_deref(), || {
            self.comm().as_encoded_bytes().to_vec()
        })
    }

    /// Returns the time from start to end.
    pub fn lasted(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    /// Returns the status, unless the caller may not see it.
    pub fn status(&self) -> Option<ExitStatus> {
        (!self.flags.contains(EventFlags::REDACTED)).then(|| self.exit.status())
    }

    pub fn is_kernel_thread(&self) -> bool {
        self.flags.contains(EventFlags::KERNEL_THREAD)
    }
}

/// The numbers of processes that started and ended between two refreshes.
#[derive(Clone, Debug, Default)]
pub struct Turnover {
    pub started: u64,
    pub ended: u64,
    /// Those that did both and are in no snapshot.
    pub transient: u64,
    /// Lost events: all numbers may be too small by as many.
    pub lost: u64,
    /// The last transient processes, at most [`LATEST`], in the order of their ends.
    pub latest: VecDeque<Transient>,
}

impl Turnover {
    /// Adds what has happened after this.
    pub fn append(&mut self, later: Self) {
        self.started += later.started;
        self.ended += later.ended;
        self.transient += later.transient;
        self.lost += later.lost;
        for process in later.latest {
            self.keep(process);
        }
    }

    fn keep(&mut self, process: Transient) {
        if self.latest.len() == LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back(process);
    }
}

/// A snapshot, as far as the meter has to know it.
#[derive(Debug, Default)]
struct Seen {
    /// The newest event when it began.
    sequence: u64,
    /// A moment at which it was complete.
    end: BootTime,
    /// Its processes, in their order.
    processes: Vec<Identity>,
}

impl Seen {
    fn replace(&mut self, snapshot: &Snapshot) {
        self.sequence = snapshot.sequence();
        self.end = snapshot.end();
        self.processes.clear();
        let identities = snapshot
            .iter()
            .filter_map(|record| Some((record.pid(), record.cpu()?.start)));
        self.processes.extend(identities);
    }

    fn has(&self, process: Identity) -> bool {
        self.processes.binary_search(&process).is_ok()
    }
}

/// The contents of an event, without anything that is borrowed.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is passed on at once, or kept with those of one batch"
)]
enum Life {
    Started(Identity),
    Executed(Identity, Box<[u8]>),
    Ended(Transient),
    Lost(u64),
}

/// A process that is in no snapshot so far.
#[derive(Debug)]
struct Young {
    /// The number of its first event.
    first: u64,
    /// Arguments of its program, once it has executed one.
    arguments: Option<Box<[u8]>>,
}

/// Counts what happens between snapshots.
///
/// Each snapshot is passed to [`begin`](Self::begin), then the events up to its
/// [`sequence`](Snapshot::sequence) to [`apply`](Self::apply), and [`end`](Self::end) returns the
/// turnover. Events after the snapshot, which were read together with others, wait for the next
/// one.
#[derive(Debug, Default)]
pub struct TurnoverMeter {
    is_begun: bool,
    last: Seen,
    current: Seen,
    /// Processes that are in no snapshot so far.
    young: HashMap<Identity, Young>,
    turnover: Turnover,
    /// Events after the current snapshot: at most those of one batch.
    later: Vec<(u64, Life)>,
}

impl TurnoverMeter {
    /// Begins with the events before a snapshot.
    pub fn begin(&mut self, snapshot: &Snapshot) {
        std::mem::swap(&mut self.last, &mut self.current);
        self.current.replace(snapshot);
        self.turnover = Turnover::default();
        for (sequence, life) in std::mem::take(&mut self.later) {
            self.sort(sequence, life);
        }
    }

    /// Applies an event.
    pub fn apply(&mut self, event: &Event<'_>) {
        let life = match event.kind() {
            EventKind::Fork(_) => Life::Started((event.pid(), event.start())),
            EventKind::Exec(exec) => {
                let process = (event.pid(), event.start());
                Life::Executed(process, exec.arguments_bytes().into())
            }
            EventKind::Exit(exit) => Life::Ended(Transient::new(event, exit)),
            EventKind::Lost(lost) => Life::Lost(lost.count(COUNTED)),
            _ => return,
        };
        self.sort(event.sequence(), life);
    }

    fn sort(&mut self, sequence: u64, life: Life) {
        if sequence > self.current.sequence {
            self.later.push((sequence, life));
            return;
        }
        match life {
            Life::Started(process) => {
                self.turnover.started += 1;
                let young = Young {
                    first: sequence,
                    arguments: None,
                };
                self.young.insert(process, young);
            }
            Life::Executed(process, arguments) => {
                // Of the others a snapshot has told.
                if let Some(young) = self.young.get_mut(&process) {
                    young.arguments = Some(arguments);
                }
            }
            Life::Ended(mut process) => {
                self.turnover.ended += 1;
                let young = self.young.remove(&process.identity());
                if let Some(young) = young.filter(|young| self.is_unseen(&process, young.first)) {
                    process.arguments = young.arguments;
                    self.turnover.transient += 1;
                    self.turnover.keep(process);
                }
            }
            Life::Lost(count) => self.turnover.lost += count,
        }
    }

    /// Whether a process that has ended is in no snapshot, by the number of its first event.
    fn is_unseen(&self, ended: &Transient, first: u64) -> bool {
        let process = ended.identity();
        // The last snapshot may have missed one that was there when it began and ended before it
        // was complete. Any other one it has left out.
        let is_between = first > self.last.sequence || ended.end <= self.last.end;
        // A snapshot has what starts after it has begun, and as zombies what ended before.
        is_between && !self.last.has(process) && !self.current.has(process)
    }

    /// Returns the turnover since the last snapshot, if there is one.
    pub fn end(&mut self) -> Option<Turnover> {
        let Self {
            last,
            current,
            young,
            ..
        } = self;
        young.retain(|process, young| young.first > last.sequence && !current.has(*process));
        let turnover = std::mem::take(&mut self.turnover);
        std::mem::replace(&mut self.is_begun, true).then_some(turnover)
    }
}
