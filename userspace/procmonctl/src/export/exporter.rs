// SPDX-License-Identifier: GPL-2.0-only

//! The device of the exporter, and the thread that reads it.

use std::fmt;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use procmon::events::EventOptions;
use procmon::{Device, Snapshot, SnapshotOptions};
use tokio::sync::oneshot;

use super::groups::{Beginning, Groups, Limits};
use super::metrics::{Format, Health, Metrics};
use super::namer::Namer;
use crate::events::read_up_to;
use crate::output::complain;

/// The time after which events are read though no client asks for metrics. The ring of the module
/// has to hold the events of this time.
const DRAIN: Duration = Duration::from_millis(200);

/// Groups of processes that are kept up to date by a device.
#[derive(Debug)]
pub struct Exporter {
    device: Device,
    snapshots: SnapshotOptions,
    /// None without events.
    events: Option<EventOptions>,
    groups: Groups,
    buffer: Snapshot,
    health: Health,
}

impl Exporter {
    /// Begins with a snapshot. Usage counts from then on, by events, or from the starts of the
    /// processes, without.
    pub fn new(
        device: Device,
        namer: Namer,
        limits: Limits,
        beginning: Beginning,
    ) -> procmon::Result<Self> {
        let start = Instant::now();
        let info = device.info()?;
        let events = Groups::event_options(&namer, info.event_classes);
        let events = (beginning == Beginning::Now).then_some(events);
        if let Some(events) = &events {
            // They are recorded from now on, and so from before the snapshot.
            device.events(events)?;
        }
        let snapshots = Groups::snapshot_options(&namer, info.groups);
        let buffer = device.snapshot(&snapshots)?;
        Ok(Self {
            groups: Groups::new(namer, limits, &buffer, beginning),
            health: Health {
                is_up: true,
                duration: start.elapsed(),
                abi_version: info.abi_version,
            },
            device,
            snapshots,
            events,
            buffer,
        })
    }

    /// Reads the events up to one, or those that there are, without waiting for any.
    fn read_events(&mut self, last: Option<u64>) -> procmon::Result<()> {
        let Some(options) = &self.events else {
            return Ok(());
        };
        let mut events = self.device.events(options)?;
        let last = last.unwrap_or(events.newest());
        read_up_to(last, &mut events, |event| self.groups.apply(event))
    }

    fn try_refresh(&mut self) -> procmon::Result<()> {
        self.device
            .snapshot_into(&self.snapshots, &mut self.buffer)?;
        self.read_events(Some(self.buffer.sequence()))?;
        self.groups.update(&self.buffer);
        Ok(())
    }

    /// Takes a snapshot.
    pub fn refresh(&mut self) {
        let start = Instant::now();
        let result = self.try_refresh();
        self.health.duration = start.elapsed();
        self.note(result);
    }

    /// Reads events, so that none are lost when no client asks for metrics.
    fn drain(&mut self) {
        let result = self.read_events(None);
        if result.is_err() {
            self.note(result);
        }
        if self.groups.needs_snapshot() {
            self.refresh();
        }
    }

    /// Notes whether the device works, and complains when it works no more.
    fn note(&mut self, result: procmon::Result<()>) {
        let was_up = std::mem::replace(&mut self.health.is_up, result.is_ok());
        if let (true, Err(error)) = (was_up, result) {
            complain(error);
        }
    }

    /// Returns the metrics as text.
    pub fn encode(&mut self, format: Format) -> Result<String, fmt::Error> {
        let text = Metrics::new(&self.groups, self.health).encode(format);
        if text.is_ok() {
            self.groups.set_exported();
        }
        text
    }
}

/// A request for metrics.
type Request = (Format, oneshot::Sender<String>);

/// The thread of an exporter, which answers requests one at a time.
#[derive(Clone, Debug)]
pub struct Worker(Sender<Request>);

impl Worker {
    pub fn start(mut exporter: Exporter) -> io::Result<Self> {
        let (requests, receiver) = mpsc::channel::<Request>();
        let work = move || {
            loop {
                match receiver.recv_timeout(DRAIN) {
                    Ok((format, answer)) => {
                        exporter.refresh();
                        if let Ok(text) = exporter.encode(format) {
                            // The client may be gone.
                            let _ = answer.send(text);
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => exporter.drain(),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(work)?;
        Ok(Self(requests))
    }

    /// Creates one with these answers.
    #[cfg(test)]
    pub fn of(answer: impl Fn(Format) -> Option<String> + Send + 'static) -> Self {
        let (requests, receiver) = mpsc::channel::<Request>();
        thread::spawn(move || {
            for (format, sender) in receiver {
                if let Some(text) = answer(format) {
                    sender.send(text).unwrap();
                }
            }
        });
        Self(requests)
    }

    /// Returns metrics of this moment, unless the thread has failed.
    pub async fn metrics(&self, format: Format) -> Option<String> {
        let (sender, answer) = oneshot::channel();
        self.0.send((format, sender)).ok()?;
        answer.await.ok()
    }

    /// Waits for metrics of this moment.
    pub fn wait(&self, format: Format) -> Option<String> {
        let (sender, answer) = oneshot::channel();
        self.0.send((format, sender)).ok()?;
        answer.blocking_recv().ok()
    }
}
