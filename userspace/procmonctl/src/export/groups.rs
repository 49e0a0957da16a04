// SPDX-License-Identifier: GPL-2.0-only

//! Sums of what groups of processes have used, by snapshots and by the events in between.
//!
//! Each process is known by its PID and its start, together with what of its usage is counted. A
//! snapshot and the event of its end say how much it has used by then, and what is not counted yet
//! is added to its group. So it does not matter in which order they come, nor whether they tell the
//! same twice: no counter goes back, and nothing is counted twice. A process that no snapshot has
//! is counted by its end alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use procmon::events::{Classes, Event, EventKind, EventOptions, Exec, Exit, Fork};
use procmon::snapshot::Groups as Fields;
use procmon::{BootTime, CgroupPath, MAX_ARGUMENTS, Record, Snapshot, SnapshotOptions};

use super::group::{Group, List, Place, Present};
use super::namer::{NONE, Name, Namer};
use super::subject::Subject;
use super::usage::Usage;
use crate::table::identity::{Identity, identity};

/// The classes whose losses make counters too small.
const COUNTED: Classes = Classes::FORK.union(Classes::EXIT);

/// The number of processes that may have come after a snapshot before another one is needed, which
/// lets those that have ended be forgotten.
const MAX_YOUNG: usize = 1 << 16;

/// The beginning of the counters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Beginning {
    /// The first snapshot. A restart is then a counter that begins at 0, as Prometheus expects.
    Now,
    /// The starts of the processes.
    Lives,
}

/// Bounds of what is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most groups, without [`OTHER`](super::group::OTHER).
    pub groups: usize,
    /// The time for which a group without processes is kept.
    pub forget: Duration,
}

/// A process that is known.
#[derive(Debug, Default)]
struct Process {
    /// The part of its usage that is counted.
    counted: Usage,
    /// The data that its group was named by, if that name is final.
    subject: Option<Subject>,
    group: Option<Place>,
    /// Whether it meets no rule, so that its group is that of its parent.
    is_unmatched: bool,
    arguments: Option<Arc<[u8]>>,
    /// The number of the event of its end.
    ended: Option<u64>,
    /// Whether the last snapshot has it.
    is_present: bool,
    /// Whether the last snapshot has missed it.
    is_missing: bool,
}

/// The state of the exporter.
#[derive(Debug)]
pub struct Groups {
    namer: Namer,
    list: List,
    forget: Duration,
    processes: HashMap<Identity, Process>,
    /// The starts of the processes by PID, where groups are inherited.
    starts: HashMap<i32, BootTime>,
    /// The newest event when the first snapshot began.
    first: u64,
    /// The time of the first snapshot.
    began: BootTime,
    /// All processes of the last snapshot.
    system: Present,
    pub forks: u64,
    pub lost: u64,
}

impl Groups {
    /// Begins with a first snapshot. Events have to be recorded by then.
    pub fn new(namer: Namer, limits: Limits, first: &Snapshot, beginning: Beginning) -> Self {
        let mut groups = Self {
            list: List::new(namer.constant_names(), limits.groups),
            namer,
            forget: limits.forget,
            processes: HashMap::new(),
            starts: HashMap::new(),
            first: first.sequence(),
            began: first.time(),
            system: Present::default(),
            forks: 0,
            lost: 0,
        };
        if beginning == Beginning::Now {
            for record in first {
                let Some(identity) = identity(record) else {
                    continue;
                };
                let process = Process {
                    counted: Usage::of_record(record),
                    ..Process::default()
                };
                groups.processes.insert(identity, process);
            }
        }
        groups.update(first);
        groups
    }

    /// Returns the options of the snapshots that are needed.
    pub fn snapshot_options(namer: &Namer, known: Fields) -> SnapshotOptions {
        let fields = Fields::BASIC
            | Fields::CPU
            | Fields::MEMORY
            | Fields::FAULTS
            | Fields::SWITCHES
            | Fields::IO
            | namer.fields();
        let options = SnapshotOptions::new().groups(fields & known);
        if namer.needs_arguments() {
            options.arguments(MAX_ARGUMENTS)
        } else {
            options
        }
    }

    /// Returns the options of the events that are needed.
    pub fn event_options(namer: &Namer, known: Classes) -> EventOptions {
        let mut classes = COUNTED;
        let mut arguments = 0;
        if namer.needs_arguments() {
            classes |= Classes::EXEC;
            arguments = MAX_ARGUMENTS;
        }
        if namer.needs_cgroups() {
            classes |= Classes::EXEC | Classes::CGROUP;
        }
        EventOptions::new()
            .classes(classes & known)
            .max_arguments(arguments)
    }

    /// Returns the number of times that a process was folded into the group of all others.
    pub fn folded(&self) -> u64 {
        self.list.folded
    }

    /// Returns what all processes of the last snapshot have.
    pub fn system(&self) -> &Present {
        &self.system
    }

    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.list.iter()
    }

    /// Notes that all counters have been exported.
    pub fn set_exported(&mut self) {
        self.list.set_exported();
    }

    /// Whether a snapshot is needed, so that processes that have ended can be forgotten.
    pub fn needs_snapshot(&self) -> bool {
        let present = usize::try_from(self.system.processes).unwrap_or(usize::MAX);
        self.processes.len().saturating_sub(present) > MAX_YOUNG
    }

    /// Applies an event. Those of a snapshot's time and before are applied before the snapshot.
    pub fn apply(&mut self, event: &Event<'_>) {
        if event.sequence() <= self.first && !matches!(event.kind(), EventKind::Lost(_)) {
            return;
        }
        match event.kind() {
            EventKind::Fork(fork) => self.start(event, &fork),
            EventKind::Exec(exec) => self.execute(event, &exec),
            EventKind::Exit(exit) => self.end(event, &exit),
            EventKind::Cgroup(to) => self.namer.learn_cgroup(to.id, CgroupPath::new(to.path)),
            EventKind::Lost(lost) if lost.last() > self.first => self.lost += lost.count(COUNTED),
            _ => {}
        }
    }

    fn start(&mut self, event: &Event<'_>, fork: &Fork) {
        self.forks += 1;
        self.namer.find_cgroup(event.cgroup_id(), event.pid());
        let creator = (fork.creator(), fork.creator_start());
        let creator = self.processes.get(&creator);
        let heir = creator.filter(|_| self.namer.has_heirs());
        let process = Process {
            group: heir.and_then(|creator| creator.group),
            arguments: creator.and_then(|creator| creator.arguments.clone()),
            ..Process::default()
        };
        let identity = (event.pid(), event.start());
        self.processes.entry(identity).or_insert(process);
        self.note_start(identity);
    }

    fn execute(&mut self, event: &Event<'_>, exec: &Exec<'_>) {
        self.namer.find_cgroup(event.cgroup_id(), event.pid());
        if !self.namer.needs_arguments() {
            return;
        }
        let identity = (event.pid(), event.start());
        if let Some(process) = self.processes.get_mut(&identity) {
            let arguments: Arc<[u8]> = Arc::from(exec.arguments_bytes());
            process.arguments = Some(Arc::clone(&arguments));
            // What it starts may belong to the same group.
            let subject = Subject::of_exec(event, exec, Some(arguments));
            self.assign(identity, subject, event.ppid());
        }
    }

    fn end(&mut self, event: &Event<'_>, exit: &Exit) {
        let identity = (event.pid(), event.start());
        let process = match self.processes.entry(identity) {
            Entry::Occupied(entry) => entry.into_mut(),
            // The first snapshot would have it, had it not ended in between.
            Entry::Vacant(_) if event.start() < self.began => return,
            Entry::Vacant(entry) => entry.insert(Process::default()),
        };
        if process.ended.is_some() {
            return;
        }
        let subject = Subject::of_exit(event, exit, process.arguments.clone());
        let group = self.assign(identity, subject, event.ppid());
        self.count(identity, group, &Usage::of_exit(exit));
        if let Some(process) = self.processes.get_mut(&identity) {
            process.ended = Some(event.sequence());
        }
        if let Some(group) = group {
            self.list.get_mut(group).count_end();
        }
    }

    /// Brings the groups up to date by a snapshot, after the events before it.
    pub fn update(&mut self, snapshot: &Snapshot) {
        self.namer.refresh();
        self.list.clear_present();
        self.system = Present::default();
        for process in self.processes.values_mut() {
            process.is_present = false;
        }
        for record in snapshot {
            self.see(record, snapshot);
        }
        self.remove_missing(snapshot.sequence());
        let mut is_used = vec![false; self.list.slots()];
        for process in self.processes.values() {
            if let Some(group) = process.group {
                is_used[group] = true;
            }
        }
        self.list.forget(&is_used, snapshot.time(), self.forget);
    }

    fn see(&mut self, record: &Record, snapshot: &Snapshot) {
        self.system.add(record);
        let Some(identity) = identity(record) else {
            return;
        };
        self.note_start(identity);
        let process = self.processes.entry(identity).or_default();
        process.is_present = true;
        process.is_missing = false;
        if self.namer.needs_arguments() {
            let new = snapshot.arguments(record.pid()).map(|new| new.as_bytes());
            if let Some(new) = new.filter(|new| process.arguments.as_deref() != Some(new)) {
                process.arguments = Some(Arc::from(new));
            }
        }
        let subject = Subject::of_record(record, process.arguments.clone());
        let group = self.assign(identity, subject, record.ppid());
        self.count(identity, group, &Usage::of_record(record));
        if let Some(group) = group {
            self.list.get_mut(group).present.add(record);
        }
    }

    /// Adds what is not counted yet to a group.
    fn count(&mut self, identity: Identity, group: Option<Place>, used: &Usage) {
        let Some(process) = self.processes.get_mut(&identity) else {
            return;
        };
        let more = process.counted.missing_from(used);
        process.counted.add(&more);
        if let Some(group) = group
            && more != Usage::default()
        {
            self.list.get_mut(group).count(&more);
        }
    }

    /// Returns the group of a process, which it may just have come to.
    fn assign(&mut self, identity: Identity, subject: Subject, ppid: i32) -> Option<Place> {
        let process = self.processes.get(&identity)?;
        let has_ended = process.ended.is_some() && process.group.is_some();
        let is_heir = process.is_unmatched && process.group.is_none();
        if has_ended || process.subject.as_ref() == Some(&subject) && !is_heir {
            return process.group;
        }
        let was_unmatched = process.is_unmatched || process.subject.is_none();
        let known = process.group;
        let name = if is_heir && process.subject.as_ref() == Some(&subject) {
            Name::Unmatched
        } else {
            self.namer.name(&subject, ppid)
        };
        let is_unmatched = name == Name::Unmatched;
        let is_final = name != Name::Unknown;
        let group = match name {
            Name::Of(name) => Some(self.list.place(name)),
            Name::Unknown => known.or_else(|| Some(self.list.place(NONE.to_owned()))),
            // A group that was inherited is kept, though the parent may be another one now.
            Name::Unmatched => known
                .filter(|_| was_unmatched)
                .or_else(|| self.group_of_parent(ppid)),
        };
        let process = self.processes.get_mut(&identity)?;
        process.group = group;
        process.is_unmatched = is_unmatched;
        process.subject = is_final.then_some(subject);
        group
    }

    /// Returns the group of a parent, where groups are inherited.
    fn group_of_parent(&self, ppid: i32) -> Option<Place> {
        let start = self.starts.get(&ppid)?;
        self.processes.get(&(ppid, *start))?.group
    }

    /// Notes the start of a process, by which its children find it.
    fn note_start(&mut self, (pid, start): Identity) {
        if self.namer.has_heirs() {
            self.starts.insert(pid, start);
        }
    }

    /// Forgets the processes that have ended and are in no snapshot any more.
    fn remove_missing(&mut self, sequence: u64) {
        self.processes.retain(|_, process| {
            if process.is_present {
                return true;
            }
            match process.ended {
                Some(ended) => ended > sequence,
                // If its end was not lost, it comes with the events before the next snapshot.
                None => !std::mem::replace(&mut process.is_missing, true),
            }
        });
        let Self {
            processes, starts, ..
        } = self;
        starts.retain(|pid, start| processes.contains_key(&(*pid, *start)));
    }
}

#[cfg(test)]
mod tests;
