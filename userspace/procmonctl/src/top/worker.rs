// SPDX-License-Identifier: GPL-2.0

//! The thread that takes snapshots, so that a slow kernel does not delay the response to keys.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use procmon::{Device, Snapshot, SnapshotOptions, proc};

use super::event::{Answer, Event, Refresh};
use super::system::Reader;
use super::turnover::{self, Turnover, TurnoverMeter};

/// A source of snapshots.
pub trait Source: Send + 'static {
    /// Takes a snapshot into the memory of an earlier one.
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
        }
    }

    pub fn has_events(&self) -> bool {
        self.meter.is_some()
    }

    /// Reads the events up to a snapshot, without waiting for any.
    fn read_events(&mut self, snapshot: &Snapshot) -> procmon::Result<Option<Turnover>> {
        let Some(meter) = &mut self.meter else {
            return Ok(None);
        };
        let mut events = self.device.events(&turnover::options())?;
        meter.begin(snapshot);
        while events.sequence() <= snapshot.sequence() {
            let batch = events.wait(Some(Duration::ZERO))?;
            if batch.is_empty() {
                break;
            }
            for event in batch {
                meter.apply(&event);
            }
        }
        Ok(meter.end())
    }
}

impl Source for Watched {
    fn snapshot(&mut self, options: &SnapshotOptions, mut buffer: Snapshot) -> Answer {
        self.device.snapshot_into(options, &mut buffer)?;
        let turnover = self.read_events(&buffer).unwrap_or_else(|error| {
            // What comes after a gap would be counted as all.
            self.meter = None;
            self.error = Some(error.to_string());
            None
        });
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
