// SPDX-License-Identifier: GPL-2.0-only

//! Events: what happens to processes, in the order in which it happens.
//!
//! [`Device::events`] returns them. Each has a sequence number, which counts all events of the
//! machine, and what was lost to a reader that was too slow is an event as well: [`Lost`].
//!
//! ```no_run
//! use procmon::Device;
//! use procmon::events::{EventOptions, EventKind};
//!
//! # fn main() -> procmon::Result<()> {
//! let device = Device::open()?;
//! let mut events = device.events(&EventOptions::new())?;
//! loop {
//!     for event in events.wait(None)? {
//!         if let EventKind::Exit(exit) = event.kind() {
//!             println!("{} {:?} {}", event.pid(), exit.comm(), exit.status());
//!         }
//!     }
//! }
//! # }
//! ```

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use bitflags::bitflags;
use rustix::ioctl::Updater;

use crate::{Device, Error, ErrorKind, Result, uapi};

mod event;

pub use event::{CgroupMove, Event, EventFlags, EventKind, Exec, Exit, Fork, Lost, Rename};

bitflags! {
    /// Classes of events.
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct Classes: u32 {
        /// [`EventKind::Fork`].
        const FORK = 1 << uapi::PROCMON_EVENT_FORK;
        /// [`EventKind::Exec`].
        const EXEC = 1 << uapi::PROCMON_EVENT_EXEC;
        /// [`EventKind::Exit`].
        const EXIT = 1 << uapi::PROCMON_EVENT_EXIT;
        /// [`EventKind::ThreadStart`].
        const THREAD_START = 1 << uapi::PROCMON_EVENT_THREAD_START;
        /// [`EventKind::ThreadExit`].
        const THREAD_EXIT = 1 << uapi::PROCMON_EVENT_THREAD_EXIT;
        /// [`EventKind::Rename`].
        const RENAME = 1 << uapi::PROCMON_EVENT_COMM;
        /// [`EventKind::Cgroup`].
        const CGROUP = 1 << uapi::PROCMON_EVENT_CGROUP;
        /// [`EventKind::OutOfMemory`].
        const OUT_OF_MEMORY = 1 << uapi::PROCMON_EVENT_OOM;
        /// The lives of processes.
        const PROCESSES = Self::FORK.bits() | Self::EXEC.bits() | Self::EXIT.bits();
        /// The lives of threads.
        const THREADS = Self::THREAD_START.bits() | Self::THREAD_EXIT.bits();
    }
}

/// The names of the classes.
#[cfg(feature = "serde")]
impl serde::Serialize for Classes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let single = self
            .iter_names()
            .filter(|(_, class)| class.bits().is_power_of_two());
        serializer.collect_seq(single.map(|(name, _)| name.to_ascii_lowercase()))
    }
}

/// Options of events: by default [`Classes::PROCESSES`] of all processes from now on, with 512
/// bytes of arguments.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[must_use]
pub struct EventOptions {
    classes: Classes,
    max_arguments: u32,
    from_oldest: bool,
    batch_bytes: u32,
    uid: Option<u32>,
    subtree: Option<i32>,
    cgroup: Option<u64>,
}

impl Default for EventOptions {
    fn default() -> Self {
        Self {
            classes: Classes::PROCESSES,
            max_arguments: 512,
            from_oldest: false,
            batch_bytes: 1,
            uid: None,
            subtree: None,
            cgroup: None,
        }
    }
}

impl EventOptions {
    /// Creates the default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the classes that are wanted: see [`Info::event_classes`](crate::Info::event_classes)
    /// for those that the module has.
    pub fn classes(mut self, classes: Classes) -> Self {
        self.classes = classes;
        self
    }

    /// Sets the number of bytes of the arguments of a program to deliver, 8192 at most.
    pub fn max_arguments(mut self, bytes: u32) -> Self {
        self.max_arguments = bytes;
        self
    }

    /// Sets whether to begin with the oldest event that the module has kept, for this reader or for
    /// others.
    pub fn from_oldest(mut self, from_oldest: bool) -> Self {
        self.from_oldest = from_oldest;
        self
    }

    /// Sets the number of bytes of events for which a wait goes on, within its time: fewer
    /// wake-ups cost less.
    pub fn batch_bytes(mut self, bytes: u32) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// Limits the events to processes with this real user ID; `None` stands for all users.
    pub fn uid(mut self, uid: impl Into<Option<u32>>) -> Self {
        self.uid = uid.into();
        self
    }

    /// Limits the events to this process and to those that descend from it from now on, whichever
    /// parent they get; `None` stands for all processes.
    pub fn subtree(mut self, pid: impl Into<Option<i32>>) -> Self {
        self.subtree = pid.into();
        self
    }

    /// Limits the events to processes in this cgroup; `None` stands for all processes.
    pub fn cgroup(mut self, id: impl Into<Option<u64>>) -> Self {
        self.cgroup = id.into();
        self
    }

    /// Returns the argument of the system call, without the memory for its result.
    fn to_raw(&self) -> uapi::procmon_events {
        let mut flags = 0;
        for (is_set, flag) in [
            (self.from_oldest, uapi::PROCMON_EVENTS_FROM_OLDEST),
            (self.uid.is_some(), uapi::PROCMON_EVENTS_BY_UID),
            (self.subtree.is_some(), uapi::PROCMON_EVENTS_BY_SUBTREE),
            (self.cgroup.is_some(), uapi::PROCMON_EVENTS_BY_CGROUP),
        ] {
            if is_set {
                flags |= flag;
            }
        }
        uapi::procmon_events {
            size: size_of::<uapi::procmon_events>() as u32,
            flags,
            classes: self.classes.bits(),
            min_bytes: self.batch_bytes,
            args_max: self.max_arguments,
            uid: self.uid.unwrap_or(0),
            tgid: self.subtree.unwrap_or(0),
            cgroup_id: self.cgroup.unwrap_or(0),
            ..Default::default()
        }
    }
}

/// The events of an open device: see [`Device::events`].
///
/// The descriptor has priority data out of band (`POLLRDBAND`) while there are events, and so fits
/// into an event loop; [`wait`](Self::wait) with a time of zero takes them then.
#[derive(Debug)]
pub struct Events<'a> {
    device: &'a Device,
    options: EventOptions,
    /// Of words, so that events are aligned.
    buffer: Vec<u64>,
    sequence: u64,
    oldest: u64,
    newest: u64,
    lost: u64,
}

impl<'a> Events<'a> {
    pub(crate) fn new(device: &'a Device, options: &EventOptions) -> Result<Self> {
        /// Events of one call.
        const BYTES: usize = 64 * 1024;

        let mut events = Self {
            device,
            options: options.clone(),
            buffer: vec![0; BYTES / size_of::<u64>()],
            sequence: 0,
            oldest: 0,
            newest: 0,
            lost: 0,
        };
        // Without any space for events: this only has them recorded.
        events.fetch(0, 0)?;
        Ok(events)
    }

    /// Waits until there are events, or for this time at most, and returns them.
    ///
    /// There are none if the time is up.
    ///
    /// # Errors
    ///
    /// With [`ErrorKind::WouldBlock`] if another thread waits for events of the same open device,
    /// and if there is no memory; with [`ErrorKind::Unexpected`] if the module delivers what is no
    /// event.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Batch<'_>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let capacity = size_of_val(&*self.buffer);
        loop {
            let rest = deadline.map(|deadline| {
                let rest = deadline.saturating_duration_since(Instant::now());
                // Not shorter than asked for.
                rest.as_micros().div_ceil(1000)
            });
            let timeout_ms = rest.map_or(-1, |ms| i32::try_from(ms).unwrap_or(i32::MAX));
            match self.fetch(capacity, timeout_ms) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(0) if timeout_ms != 0 => {}
                Ok(len) => {
                    let batch = Batch {
                        bytes: &as_bytes(&self.buffer)[..len],
                    };
                    // One that is cut off would end the batch, and the rest be lost silently.
                    if !batch.is_whole() {
                        let what = format!("{len} bytes that are no events");
                        return Err(Error::unexpected(self.device.path(), what, None));
                    }
                    return Ok(batch);
                }
            }
        }
    }

    /// Calls the module. Returns the number of bytes of events.
    fn fetch(&mut self, capacity: usize, timeout_ms: i32) -> Result<usize> {
        const INITIAL_NAMESPACES: &str =
            "only processes in the initial PID and user namespaces may ask for it";

        let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
        let mut arguments = uapi::procmon_events {
            timeout_ms,
            buffer: self.buffer.as_mut_ptr() as u64,
            capacity,
            ..self.options.to_raw()
        };
        // SAFETY: PROCMON_EVENTS takes and gives a procmon_events, and fills at most this number of
        // bytes.
        let command = unsafe { Updater::<{ uapi::PROCMON_EVENTS }, _>::new(&mut arguments) };
        self.device
            .ioctl("ask for events of", command)
            .map_err(|error| error.with_hint(ErrorKind::NoPermission, INITIAL_NAMESPACES))?;
        if arguments.bytes > capacity {
            let what = format!("{} bytes with space for {capacity}", arguments.bytes);
            return Err(Error::unexpected(self.device.path(), what, None));
        }
        self.sequence = arguments.sequence;
        self.oldest = arguments.oldest;
        self.newest = arguments.newest;
        self.lost = arguments.lost;
        Ok(arguments.bytes as usize)
    }

    /// Returns the sequence number of the next event.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns the sequence number that the oldest event had which the module kept during the last
    /// call.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    /// Returns the sequence number that the newest event had during the last call, 0 if there was
    /// none.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Returns the number of events of the wanted classes that were lost to this open device.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

impl AsFd for Events<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

fn as_bytes(words: &[u64]) -> &[u8] {
    // SAFETY: Words are initialised bytes, and there are as many.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// Events of one call, in their order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Creates a batch from events as the module delivers them.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether nothing is left behind the last event.
    fn is_whole(mut self) -> bool {
        self.by_ref().for_each(drop);
        self.is_empty()
    }
}

impl<'a> Iterator for Batch<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let (event, rest) = Event::split_first(self.bytes)?;
        self.bytes = rest;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_with_an_event() {
        const HEADER: usize = size_of::<uapi::procmon_event>();

        let batch = |sizes: &[u16]| {
            sizes
                .iter()
                .flat_map(|size| {
                    let mut bytes = [0; HEADER];
                    bytes[..2].copy_from_slice(&size.to_ne_bytes());
                    bytes
                })
                .collect::<Vec<u8>>()
        };
        let header = u16::try_from(HEADER).unwrap();

        for (sizes, events, is_whole) in [
            (&[][..], 0, true),
            (&[header], 1, true),
            (&[header, header], 2, true),
            (&[2 * header, 7], 1, true),
            (&[header, header + 8], 1, false),
            (&[header, header - 8, header], 1, false),
            (&[0], 0, false),
        ] {
            let bytes = batch(sizes);
            let batch = Batch { bytes: &bytes };

            assert_eq!(batch.count(), events, "{sizes:?}");
            assert_eq!(batch.is_whole(), is_whole, "{sizes:?}");
        }
        let bytes = &batch(&[header, header])[..HEADER + 4];
        assert!(!Batch { bytes }.is_whole());
    }
}
