// SPDX-License-Identifier: GPL-2.0

//! The thread that takes snapshots, so that a slow kernel does not delay the response to keys.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::anyhow;
use procmon::{Device, Snapshot, SnapshotOptions};

use super::event::{Answer, Event};
use super::system::System;

/// A source of snapshots.
pub trait Source: Send + 'static {
    /// Takes a snapshot into the memory of an earlier one.
    fn snapshot(&self, options: &SnapshotOptions, buffer: Snapshot) -> Answer;
}

impl Source for Device {
    fn snapshot(&self, options: &SnapshotOptions, mut buffer: Snapshot) -> Answer {
        self.snapshot_into(options, &mut buffer)?;
        Ok((buffer, System::read()))
    }
}

/// Reports the end of the thread, which ends by itself only if it panics.
struct End(Sender<Event>);

impl Drop for End {
    fn drop(&mut self) {
        let end = anyhow!("the thread that takes snapshots has ended");
        let _ = self.0.send(Event::Answer(Err(end)));
    }
}

/// The thread, which answers requests one at a time.
pub struct Worker {
    requests: Sender<(SnapshotOptions, Snapshot)>,
}

impl Worker {
    /// Starts the thread, which ends after the drop of the `Worker`.
    pub fn start(source: impl Source, events: Sender<Event>) -> io::Result<Self> {
        let (requests, receiver) = mpsc::channel::<(SnapshotOptions, Snapshot)>();
        thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(move || {
                let _end = End(events.clone());
                for (options, buffer) in receiver {
                    let answer = source.snapshot(&options, buffer);
                    if events.send(Event::Answer(answer)).is_err() {
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
