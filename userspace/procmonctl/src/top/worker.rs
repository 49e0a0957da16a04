// SPDX-License-Identifier: GPL-2.0-only

//! The thread that takes snapshots, so that a slow kernel does not delay the response to keys.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use procmon::{BootTime, Device, Groups, Snapshot, SnapshotOptions, proc};
use rustix::thread::{CapabilitySet, capabilities};

use super::arguments::KnownArguments;
use super::event::{Answer, Event, Refresh};
use super::system::Reader;
use super::turnover::{self, Turnover, TurnoverMeter};

/// The part of all processes whose arguments are read one by one at most: to read those of all
/// takes a third of the time for each.
const MANY: usize = 4;

/// A source of snapshots.
pub trait Source: Send + 'static {
    /// Takes a snapshot into the memory of the one before, or of an empty one if the caller does
    /// not know that one. Arguments of programs are left out where they are those of the one
    /// before.
    fn snapshot(&mut self, options: &SnapshotOptions, buffer: Snapshot) -> Answer;
}

/// A device whose events are read together with its snapshots.
pub struct Watched {
    device: Device,
    system: Reader,
    /// None without events.
    meter: Option<TurnoverMeter>,
    /// The reason for which events are read no more.
    error: Option<String>,
    /// None if events do not tell of all programs that are executed.
    arguments: Option<KnownArguments>,
    /// Memory for snapshots of arguments.
    buffer: Snapshot,
}

impl Watched {
    /// Has events recorded. Without them, as with a module that is too old or without the rights,
    /// there are snapshots all the same.
    pub fn new(device: Device) -> Self {
        let has_events = device.events(&turnover::options()).is_ok();
        Self {
            device,
            system: Reader::new(),
            meter: has_events.then(TurnoverMeter::default),
            error: None,
            arguments: (has_events && sees_all_events()).then(KnownArguments::default),
            buffer: Snapshot::default(),
        }
    }

    pub fn has_events(&self) -> bool {
        self.meter.is_some()
    }

    /// Reads the events up to the end of a snapshot, without waiting for any.
    fn read_events(&mut self, snapshot: &Snapshot) -> procmon::Result<Option<Turnover>> {
        let Some(meter) = &mut self.meter else {
            return Ok(None);
        };
        let mut events = self.device.events(&turnover::options())?;
        meter.begin(snapshot);
        let mut last = BootTime::ZERO;
        while events.sequence() <= events.newest() && last <= snapshot.end() {
            let batch = events.wait(Some(Duration::ZERO))?;
            if batch.is_empty() {
                break;
            }
            for event in batch {
                last = event.time();
                meter.apply(&event);
                if let Some(arguments) = &mut self.arguments {
                    arguments.apply(&event);
                }
            }
        }
        Ok(meter.end())
    }

    /// Reads the arguments of the processes that may have others than before. `has_all` is whether
    /// the snapshot has those that all of them had when it was taken.
    fn read_arguments(
        &mut self,
        options: &SnapshotOptions,
        snapshot: &mut Snapshot,
        has_all: bool,
    ) -> procmon::Result<()> {
        let Some(known) = &mut self.arguments else {
            return Ok(());
        };
        let unknown = known.unknown(snapshot, has_all);
        let options = options.clone().groups(Groups::CPU);
        if unknown.len() > snapshot.len() / MANY {
            self.device.snapshot_into(&options, &mut self.buffer)?;
            snapshot.add_arguments(&self.buffer);
        } else {
            for &pid in &unknown {
                let options = options.clone().tgid(pid);
                self.device.snapshot_into(&options, &mut self.buffer)?;
                snapshot.add_arguments(&self.buffer);
            }
        }
        known.end(snapshot, &unknown, has_all);
        Ok(())
    }
}

/// Returns whether this program is told of the events of all processes.
fn sees_all_events() -> bool {
    let wanted = CapabilitySet::PERFMON | CapabilitySet::SYS_PTRACE;
    capabilities(None).is_ok_and(|sets| sets.effective.intersects(wanted))
}

impl Source for Watched {
    fn snapshot(&mut self, options: &SnapshotOptions, mut buffer: Snapshot) -> Answer {
        let few = options.clone().arguments(0);
        if self.meter.is_none() || few == *options {
            self.arguments = None;
        }
        let has_all = self.arguments.as_mut().is_none_or(|known| {
            if buffer.is_empty() {
                known.forget();
            }
            known.begin(options)
        });
        self.device
            .snapshot_into(if has_all { options } else { &few }, &mut buffer)?;
        let turnover = self.read_events(&buffer).unwrap_or_else(|error| {
            // What comes after a gap would be counted as all.
            self.meter = None;
            self.error = Some(error.to_string());
            if let Some(known) = &mut self.arguments {
                known.forget();
            }
            None
        });
        self.read_arguments(options, &mut buffer, has_all)?;
        Ok(Refresh {
            snapshot: buffer,
            system: self.system.read(),
            turnover,
            events_error: self.error.clone(),
        })
    }
}

/// `/proc`, which tells of no events.
pub struct Proc {
    system: Reader,
}

impl Proc {
    pub fn new() -> Self {
        Self {
            system: Reader::new(),
        }
    }
}

impl Source for Proc {
    fn snapshot(&mut self, options: &SnapshotOptions, mut buffer: Snapshot) -> Answer {
        proc::snapshot_into(options, &mut buffer)?;
        Ok(Refresh {
            snapshot: buffer,
            system: self.system.read(),
            turnover: None,
            events_error: None,
        })
    }
}

/// Reports the end of the thread, which ends by itself only if it panics.
struct End(Sender<Event>);

impl Drop for End {
    fn drop(&mut self) {
        let end = anyhow!("the thread that takes snapshots has ended");
        let _ = self.0.send(Event::Answer(Box::new(Err(end))));
    }
}

/// The thread, which answers requests one at a time.
pub struct Worker {
    requests: Sender<(SnapshotOptions, Snapshot)>,
}

impl Worker {
    /// Starts the thread, which ends after the drop of the `Worker`.
    pub fn start(mut source: impl Source, events: Sender<Event>) -> io::Result<Self> {
        let (requests, receiver) = mpsc::channel::<(SnapshotOptions, Snapshot)>();
        thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(move || {
                let _end = End(events.clone());
                for (options, buffer) in receiver {
                    let answer = source.snapshot(&options, buffer);
                    if events.send(Event::Answer(Box::new(answer))).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { requests })
    }

    /// Requests a snapshot.
    pub fn request(&self, options: SnapshotOptions, buffer: Snapshot) {
        // A thread that has ended has sent an event.
        let _ = self.requests.send((options, buffer));
    }
}
