// SPDX-License-Identifier: GPL-2.0-only

//! A group of processes, and the list of all groups.

use std::collections::HashMap;
use std::time::Duration;

use procmon::{BootTime, Record, State};

use super::usage::Usage;

/// The group of all that are in no other one, as there are too many.
pub const OTHER: &str = "other";

/// Values of the processes of a group at a moment: the gauges.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Present {
    pub processes: u64,
    pub threads: u64,
    /// The numbers of processes by their states, in the order of [`STATES`].
    pub states: [u64; STATES.len()],
    pub anonymous: u64,
    pub file: u64,
    pub shared: u64,
    pub virtual_size: u64,
    /// The start of the oldest one.
    pub oldest: Option<BootTime>,
}

/// States, with their names in a label.
pub const STATES: [(State, &str); 9] = [
    (State::Running, "running"),
    (State::Sleeping, "sleeping"),
    (State::DiskSleep, "uninterruptible"),
    (State::Idle, "idle"),
    (State::Stopped, "stopped"),
    (State::Traced, "traced"),
    (State::Zombie, "zombie"),
    (State::Dead, "dead"),
    (State::Parked, "parked"),
];

impl Present {
    pub fn add(&mut self, record: &Record) {
        self.processes += 1;
        self.threads += u64::from(record.threads());
        let mut states = STATES.iter().zip(&mut self.states);
        if let Some((_, count)) = states.find(|(state, _)| state.0 == record.state()) {
            *count += 1;
        }
        let memory = record.memory().unwrap_or_default();
        self.anonymous += memory.anonymous;
        self.file += memory.file;
        self.shared += memory.shared;
        self.virtual_size += memory.virtual_size;
        let start = record.cpu().map(|cpu| cpu.start);
        self.oldest = self.oldest.into_iter().chain(start).min();
    }

    /// Returns the number of processes in a state.
    pub fn in_state(&self, state: State) -> u64 {
        let mut states = STATES.iter().zip(self.states);
        states
            .find(|(one, _)| one.0 == state)
            .map_or(0, |(_, count)| count)
    }
}

/// A group of processes.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub name: String,
    pub used: Usage,
    /// The number of processes that have ended and whose whole usage is in `used`.
    pub exited: u64,
    pub present: Present,
    /// Whether it stays without processes.
    is_constant: bool,
    /// Whether its counters have changed since they were exported.
    is_new: bool,
    /// The last time at which it had a process.
    last: BootTime,
}

impl Group {
    pub fn count(&mut self, more: &Usage) {
        self.used.add(more);
        self.is_new = true;
    }

    pub fn count_end(&mut self) {
        self.exited += 1;
        self.is_new = true;
    }
}

/// The place of a group in the list.
pub type Place = usize;

/// All groups, of which there is a limited number.
#[derive(Debug)]
pub struct List {
    groups: Vec<Option<Group>>,
    places: HashMap<String, Place>,
    max: usize,
    /// The number of times that a process came to [`OTHER`] instead of a group of its own.
    pub folded: u64,
}

impl List {
    /// Creates a list of groups that stay without processes.
    pub fn new(constant: Vec<String>, max: usize) -> Self {
        let mut list = Self {
            groups: Vec::new(),
            places: HashMap::new(),
            max,
            folded: 0,
        };
        for name in constant {
            let place = list.place(name);
            list.get_mut(place).is_constant = true;
        }
        list
    }

    /// Returns the place of the group with a name, or of the one that stands in for it.
    pub fn place(&mut self, name: String) -> Place {
        if let Some(place) = self.places.get(&name) {
            return *place;
        }
        let others = usize::from(self.places.contains_key(OTHER));
        if name == OTHER || self.places.len() - others < self.max {
            return self.insert(name);
        }
        self.folded += 1;
        match self.places.get(OTHER) {
            Some(place) => *place,
            None => self.insert(OTHER.to_owned()),
        }
    }

    fn insert(&mut self, name: String) -> Place {
        let group = Some(Group {
            name: name.clone(),
            is_new: true,
            ..Group::default()
        });
        let free = self.groups.iter().position(Option::is_none);
        let place = free.unwrap_or(self.groups.len());
        if free.is_some() {
            self.groups[place] = group;
        } else {
            self.groups.push(group);
        }
        self.places.insert(name, place);
        place
    }

    /// Returns the group at a place.
    ///
    /// # Panics
    ///
    /// If there is none. A place is valid as long as a process is known that is in the group.
    pub fn get_mut(&mut self, place: Place) -> &mut Group {
        let group = self.groups.get_mut(place).and_then(Option::as_mut);
        group.expect("the group of a known process is kept")
    }

    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().flatten()
    }

    /// Empties the groups of what they have at the moment.
    pub fn clear_present(&mut self) {
        for group in self.groups.iter_mut().flatten() {
            group.present = Present::default();
        }
    }

    /// Notes that all counters have been exported.
    pub fn set_exported(&mut self) {
        for group in self.groups.iter_mut().flatten() {
            group.is_new = false;
        }
    }

    /// Drops the groups that had no process for a time, and whose counters are exported.
    pub fn forget(&mut self, is_used: &[bool], now: BootTime, after: Duration) {
        for (slot, place) in self.groups.iter_mut().zip(0..) {
            let Some(group) = slot else { continue };
            if group.is_constant || group.is_new || is_used.get(place) == Some(&true) {
                group.last = now;
            } else if now.saturating_sub(group.last) >= after {
                self.places.remove(&group.name);
                *slot = None;
            }
        }
    }

    /// Returns the number of places.
    pub fn slots(&self) -> usize {
        self.groups.len()
    }
}
