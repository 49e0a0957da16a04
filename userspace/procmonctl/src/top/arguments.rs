// SPDX-License-Identifier: GPL-2.0-only

//! Arguments of programs that are known from earlier refreshes.
//!
//! To read all of them takes most of the time of a snapshot, and few change. Events tell which:
//! those of processes that have started, or have executed a program. What a program writes in the
//! place of its arguments is found at each [`REFRESHES`]th refresh only, as nothing tells of it.

use std::collections::BTreeSet;

use procmon::events::{Classes, Event, EventKind};
use procmon::{Snapshot, SnapshotOptions, State};

use crate::table::identity::{Identity, identity};

/// The number of refreshes from one that reads all arguments to the next one.
const REFRESHES: u32 = 10;

/// The processes and threads whose arguments need not be read again.
#[derive(Debug, Default)]
pub struct KnownArguments {
    /// The options of the snapshot, which may be for other processes than before.
    options: SnapshotOptions,
    /// Those with known arguments, or without any, in the order of their IDs.
    known: Vec<Identity>,
    /// The processes that have executed a program, with the number of the last event of each.
    executed: Vec<(u64, i32)>,
    /// The number of refreshes since all arguments were read.
    age: u32,
}

impl KnownArguments {
    /// Begins a refresh. Returns whether its snapshot has to have all arguments.
    pub fn begin(&mut self, options: &SnapshotOptions) -> bool {
        self.age += 1;
        if self.options != *options {
            self.options = options.clone();
            self.known.clear();
        }
        if self.age >= REFRESHES {
            self.known.clear();
        }
        self.known.is_empty()
    }

    /// Forgets all arguments.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// Applies an event. All of those before the end of the snapshot have to be applied.
    pub fn apply(&mut self, event: &Event<'_>) {
        match event.kind() {
            EventKind::Exec(_) => self.executed.push((event.sequence(), event.pid())),
            EventKind::Lost(lost) if lost.count(Classes::EXEC) > 0 => self.forget(),
            _ => {}
        }
    }

    /// Returns the processes of the snapshot whose arguments have to be read after it.
    pub fn unknown(&mut self, snapshot: &Snapshot, has_all: bool) -> BTreeSet<i32> {
        let executed = std::mem::take(&mut self.executed).into_iter();
        let executed = executed.filter(|(_, pid)| snapshot.get(*pid).is_some());
        let mut unknown = BTreeSet::new();
        if has_all {
            self.age = 0;
            // Those before the snapshot are no news to it.
            let later = executed.filter(|(sequence, _)| *sequence > snapshot.sequence());
            unknown.extend(later.map(|(_, pid)| pid));
            return unknown;
        }
        unknown.extend(executed.map(|(_, pid)| pid));
        let mut known = self.known.iter().peekable();
        for record in snapshot {
            let identity = identity(record);
            while known.next_if(|known| known.0 < record.pid()).is_some() {}
            if known.next_if(|known| Some(**known) == identity).is_none() {
                unknown.insert(record.tgid());
            }
        }
        unknown
    }

    /// Ends the refresh, with the arguments of `unknown` added to the snapshot. Those that could
    /// not be read, as of a process that is executing a program, are asked for again at the next
    /// one.
    pub fn end(&mut self, snapshot: &Snapshot, unknown: &BTreeSet<i32>, has_all: bool) {
        self.known.clear();
        for record in snapshot {
            let is_known = match (unknown.contains(&record.tgid()), has_all) {
                (false, false) => true,
                // Those that it has may be of the program before.
                (true, true) => false,
                _ => {
                    record.is_kernel_thread()
                        || record.state() == State::Zombie
                        || snapshot.arguments(record.tgid()).is_some()
                }
            };
            if is_known {
                self.known.extend(identity(record));
            }
        }
    }
}
