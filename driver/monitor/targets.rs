// SPDX-License-Identifier: GPL-2.0-only

//! The targets: the places for processes that the monitor follows. For users the first one is the
//! filter.
//!
//! A place that was set to a name has a process by that name: one that was there before, found by
//! the next [`Search`], or the next one to execute such a program, which the [`Probe`] finds.

use core::{
    mem,
    str::from_utf8, //
};

use kernel::{
    fmt::{
        self,
        Write, //
    },
    new_spinlock,
    prelude::*,
    str::Formatter,
    sync::SpinLock,
    task::{
        Pid,
        Task, //
    }, //
};

use crate::{
    abstractions::{
        pid::{
            process_of,
            PidRef, //
        },
        task::{
            TaskExt,
            TASK_COMM_LEN, //
        },
        tracepoint::{
            events::{
                ProcessExec,
                SchedProcessExec, //
            },
            Probe, //
        }, //
    },
    driver::monitor::target::{
        Target,
        Viewer, //
    },
    uapi, //
};

/// The number of places.
pub(crate) const MAX: usize = uapi::PROCMON_TARGETS_MAX as usize;

/// The name of a process, padded with NULs, of which there is at least one.
type Name = [u8; TASK_COMM_LEN];

/// A place.
#[derive(Clone)]
pub(crate) struct Place {
    /// The name of the processes to follow, one after the other.
    name: Option<Name>,
    /// The process.
    target: Option<Target>,
    /// The generation of the list in which it became the target.
    since: u64,
    /// Whether a sample has said that the process is gone.
    is_gone: bool,
    /// Whether a process with the name may have been there before the probe looked for it.
    is_sought: bool,
}

impl Place {
    /// A place that is set to nothing.
    pub(crate) const UNSET: Self = Self {
        name: None,
        target: None,
        since: 0,
        is_gone: false,
        is_sought: false,
    };

    fn with(target: Option<Target>) -> Self {
        Self {
            target,
            ..Self::UNSET
        }
    }

    /// Parses a PID of the caller's namespace, or a name.
    fn parse(word: &[u8]) -> Result<Self> {
        let digits = word.strip_prefix(b"-").unwrap_or(word);

        if digits.iter().all(u8::is_ascii_digit) {
            // Without a sign: no process has a negative PID.
            let nr = word.iter().try_fold(0, |nr: Pid, digit| {
                nr.checked_mul(10)?
                    .checked_add(digit.checked_sub(b'0')?.into())
            });

            return Ok(Self::with(Target::find(nr.ok_or(EINVAL)?)?));
        }
        // So that it can be shown as it is.
        if !word.iter().all(u8::is_ascii_graphic) {
            return Err(EINVAL);
        }

        let mut name = [0; TASK_COMM_LEN];

        // As much of it as a task keeps. The last byte is the NUL.
        for (to, from) in name.iter_mut().zip(word).take(TASK_COMM_LEN - 1) {
            *to = *from;
        }
        Ok(Self {
            name: Some(name),
            is_sought: true,
            ..Self::UNSET
        })
    }

    /// Whether it is set to a name.
    pub(crate) fn has_name(&self) -> bool {
        self.name.is_some()
    }

    /// Whether it is set to something.
    pub(super) fn is_set(&self) -> bool {
        self.name.is_some() || self.target.is_some()
    }

    /// Returns the process to sample, unless it was found to be gone.
    pub(super) fn target(&self) -> Option<&Target> {
        self.target.as_ref().filter(|_| !self.is_gone)
    }

    /// Takes note that the process is gone.
    fn end(&mut self) {
        match self.name {
            // Another one may be there already.
            Some(_) => {
                self.target = None;
                self.is_sought = true;
            }
            None => self.is_gone = true,
        }
    }

    /// Takes a process, in a generation of the list, if this place waits for one with this name.
    /// Returns whether it does.
    fn offer(
        &mut self,
        name: &Name,
        generation: u64,
        target: impl FnOnce() -> Option<Target>,
    ) -> bool {
        let is_wanted = self.target.is_none() && self.name.as_ref() == Some(name);

        if is_wanted {
            self.target = target();
            self.since = generation;
        }
        is_wanted
    }
}

/// All places.
#[derive(Clone)]
pub(crate) struct List([Place; MAX]);

impl List {
    /// A list in which no place is set.
    pub(crate) const UNSET: Self = Self([const { Place::UNSET }; MAX]);

    /// Parses PIDs of the caller's namespace and names, with commas or white space in between.
    ///
    /// # Errors
    ///
    /// - `E2BIG` if there are more than places.
    /// - `EINVAL` if a number is no PID, or a name has other characters than visible ones of ASCII.
    /// - `ESRCH` if the caller is exiting.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let mut list = Self::UNSET;
        let mut places = list.0.iter_mut();
        let words = text
            .split(|byte| *byte == b',' || byte.is_ascii_whitespace())
            .filter(|word| !word.is_empty());

        for word in words {
            *places.next().ok_or(E2BIG)? = Place::parse(word)?;
        }
        Ok(list)
    }

    /// Whether the first place is set to something.
    pub(crate) fn has_first(&self) -> bool {
        self.0.first().is_some_and(Place::is_set)
    }

    /// Whether a place is set to a name.
    pub(crate) fn has_names(&self) -> bool {
        self.0.iter().any(Place::has_name)
    }

    /// Iterates over the places.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.0.iter()
    }

    /// Writes what [`parse`](Self::parse) takes, with PIDs as they are for a caller.
    pub(crate) fn show(&self, viewer: &Viewer<'_>, out: &mut Formatter<'_>) -> fmt::Result {
        let mut unset = 0u32;
        let mut separator = "";

        for place in &self.0 {
            if !place.is_set() {
                unset = unset.saturating_add(1);
                continue;
            }
            for _ in 0..mem::take(&mut unset) {
                write!(out, "{separator}0")?;
                separator = " ";
            }
            out.write_str(separator)?;
            separator = " ";
            match (&place.name, &place.target) {
                (Some(name), _) => {
                    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();

                    out.write_str(from_utf8(name).unwrap_or_default())?;
                }
                (None, target) => {
                    let nr = target.as_ref().map_or(0, |target| target.nr_for(viewer));

                    write!(out, "{nr}")?;
                }
            }
        }
        writeln!(out)
    }
}

/// The list in force.
struct Current {
    list: List,
    /// Grows with each change of the list.
    generation: u64,
}

impl Current {
    /// Returns the generation that the next change leads to.
    fn next(&self) -> u64 {
        self.generation.wrapping_add(1)
    }
}

/// The targets, which the monitor's thread shares with its users.
///
/// A function that replaces a target drops it without the lock.
#[pin_data]
pub(crate) struct Targets {
    // TIME: The lock is held for a look at each place, of which there are few.
    #[pin]
    current: SpinLock<Current>,
}

impl Targets {
    /// Creates targets of which none is set.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            current <- new_spinlock!(
                Current {
                    list: List::UNSET,
                    generation: 0,
                },
                "Targets::current"
            ),
        })
    }

    /// Exchanges all places for the present ones.
    #[inline(never)]
    pub(crate) fn swap(&self, list: &mut List) {
        let mut current = self.current.lock();

        current.generation = current.next();
        for place in &mut list.0 {
            place.since = current.generation;
        }
        mem::swap(&mut current.list, list);
    }

    /// Sets the first place. Returns the previous one.
    pub(super) fn replace_first(&self, target: Option<Target>) -> Place {
        let mut current = self.current.lock();
        let since = current.next();
        let place = Place {
            since,
            ..Place::with(target)
        };

        current.generation = since;
        match current.list.0.first_mut() {
            Some(first) => mem::replace(first, place),
            None => place,
        }
    }

    /// Returns the ID of the first process for a caller, or 0 without one.
    pub(super) fn first_nr(&self, viewer: &Viewer<'_>) -> Pid {
        let current = self.current.lock();
        let first = current.list.0.first();

        first
            .and_then(|place| place.target.as_ref())
            .map_or(0, |target| target.nr_for(viewer))
    }

    /// Returns a copy of the list.
    pub(crate) fn list(&self) -> List {
        self.current.lock().list.clone()
    }

    /// Whether a place is set to a name.
    pub(super) fn has_names(&self) -> bool {
        self.current.lock().list.has_names()
    }

    /// Updates a copy of the list.
    pub(super) fn refresh(&self, copy: &mut Copy) {
        let previous = {
            let current = self.current.lock();

            if current.generation == copy.generation {
                return;
            }
            copy.generation = current.generation;
            mem::replace(&mut copy.list, current.list.clone())
        };

        drop(previous);
    }

    /// Takes note that the process of a place is gone, unless the place was set anew since.
    pub(super) fn end(&self, index: usize, gone: &Place) {
        let mut current = self.current.lock();
        let next = current.next();
        let place = current.list.0.get_mut(index);

        // The caller's copy keeps the target, which so is not dropped with the lock held.
        if let Some(place) = place.filter(|place| place.since == gone.since) {
            place.end();
            current.generation = next;
        }
    }

    /// Begins a search for processes that were there before the probe looked for them.
    pub(super) fn search(&self) -> Search {
        let mut current = self.current.lock();
        let mut search = Search {
            list: List::UNSET,
            is_wanted: false,
        };

        for (place, found) in current.list.0.iter_mut().zip(&mut search.list.0) {
            if mem::take(&mut place.is_sought) {
                found.name = place.name;
                search.is_wanted = true;
            }
        }
        search
    }

    /// Ends a search: what it has found becomes a target, unless there is one by now.
    pub(super) fn finish(&self, mut search: Search) {
        if !search.is_wanted {
            return;
        }

        let mut current = self.current.lock();
        let next = current.next();

        for (place, found) in current.list.0.iter_mut().zip(&mut search.list.0) {
            if let Some(name) = &found.name {
                place.offer(name, next, || found.target.take());
            }
        }
        current.generation = next;
        // What is left is dropped without the lock.
        drop(current);
        drop(search);
    }
}

impl Probe<SchedProcessExec> for Targets {
    /// TIME: The task compares its name with those of all places.
    fn call(&self, event: ProcessExec<'_>) {
        let name = event.task.comm();
        // The main thread of its process, since it has executed a program.
        let target = || process_of(event.task).map(|process| Target::new(process, event.task));
        let mut current = self.current.lock();
        let next = current.next();
        let is_taken = current
            .list
            .0
            .iter_mut()
            .any(|place| place.offer(&name, next, target));

        if is_taken {
            current.generation = next;
        }
    }
}

/// A copy of the list, for the thread of the monitor.
pub(super) struct Copy {
    pub(super) list: List,
    generation: u64,
}

impl Copy {
    /// Creates a copy of the first list, in which no place is set.
    pub(super) fn new() -> Self {
        Self {
            list: List::UNSET,
            generation: 0,
        }
    }
}

/// A search for processes by their names.
pub(super) struct Search {
    /// Places with the names that are sought, and with what was found.
    list: List,
    is_wanted: bool,
}

impl Search {
    /// Looks at a process and its main thread.
    #[inline(always)]
    pub(super) fn visit(&mut self, process: &PidRef, leader: &Task) {
        if self.is_wanted {
            self.compare(process, leader);
        }
    }

    #[inline(never)]
    fn compare(&mut self, process: &PidRef, leader: &Task) {
        let name = leader.comm();

        // A zombie is about to leave its place.
        if leader.flags().is_exiting() {
            return;
        }
        self.list
            .0
            .iter_mut()
            .any(|place| place.offer(&name, 0, || Some(Target::new(process.into(), leader))));
    }
}
