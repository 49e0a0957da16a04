// SPDX-License-Identifier: GPL-2.0-only

//! Recording of what happens from now on.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use procmon::events::EventKind;
use procmon::snapshot::Groups;
use procmon::{BootTime, Device, Events, MAX_ARGUMENTS, Record, Snapshot, SnapshotOptions};
use recording::{End, Header, Line, Sample, Writer};

use super::child::Child;
use super::directories::Directories;
use super::processes::Processes;
use super::selection::Selection;
use super::stop::Stop;
use super::target::Target;
use crate::clock::nanoseconds;
use crate::top::system::Reader;

/// The longest wait for an event. Then signals and the end of the command are looked for.
const WAIT: Duration = Duration::from_millis(50);

/// The longest wait for an event while the command is ending.
const END_WAIT: Duration = Duration::from_millis(1);

/// The time between two looks at the use of the machine.
const SAMPLE: Duration = Duration::from_millis(250);

/// The time after which lines are in the file.
const FLUSH: Duration = Duration::from_secs(1);

/// The contents of a recording.
pub struct Summary {
    pub processes: u64,
    pub lost: u64,
    pub bytes: u64,
    pub time: Duration,
}

/// A recording that is being written.
pub struct Recorder<'a> {
    device: &'a Device,
    processes: Processes<'a>,
    writer: Writer<Target>,
    lines: Vec<Line>,
    reader: Reader,
    sampled: Instant,
    flushed: Instant,
}

impl<'a> Recorder<'a> {
    pub fn new(device: &'a Device, selection: Selection, target: Target) -> Self {
        let now = Instant::now();
        Self {
            device,
            processes: Processes::new(selection, Directories::new(device)),
            writer: Writer::new(target),
            lines: Vec::new(),
            reader: Reader::of_use(),
            sampled: now,
            flushed: now,
        }
    }

    /// Writes the header, and what is there already. The recording of a command begins with its
    /// process, which has no program yet.
    pub fn begin(&mut self, mut header: Header, is_command: bool) -> anyhow::Result<()> {
        let snapshot = self.look()?;
        let starter = self.processes.root().filter(|_| is_command);
        if let Some(cpu) = starter.and_then(|pid| snapshot.get(pid)?.cpu()) {
            header.time = nanoseconds(cpu.start.since_boot());
        }
        self.processes.since = header.time;
        self.lines.push(Line::Header(header));
        let has_program = |record: &Record| Some(record.pid()) != starter;
        self.processes
            .snapshot(&snapshot, has_program, &mut self.lines);
        self.sample();
        self.write()
    }

    /// Records until the command has ended, or there is another reason to end.
    pub fn record(
        &mut self,
        events: &mut Events<'_>,
        mut child: Option<&mut Child>,
        stop: &Stop,
        duration: Option<Duration>,
    ) -> anyhow::Result<()> {
        let root = child.as_ref().map(|child| child.pid());
        // Whether the end of the command may have come. It is looked for only then, as that takes
        // a system call.
        let mut may_be_over = true;
        let mut is_ending = false;
        // The newest event at the end. Those up to it are recorded too.
        let mut last = None;
        while last.is_none_or(|last| events.sequence() <= last) {
            let is_over = last.is_none()
                && self.is_over(child.as_deref_mut(), may_be_over, stop, duration)?;
            let timeout = if is_over || last.is_some() {
                Duration::ZERO
            } else if is_ending {
                END_WAIT
            } else {
                WAIT
            };
            let mut is_stale = false;
            let mut is_empty = true;
            for event in events.wait(Some(timeout))? {
                is_empty = false;
                is_ending |=
                    Some(event.pid()) == root && matches!(event.kind(), EventKind::Exit(_));
                is_stale |= self.processes.event(&event, &mut self.lines);
            }
            may_be_over = is_empty || is_ending || is_stale;
            if is_over {
                last = Some(events.newest());
            }
            if is_stale {
                let snapshot = self.look()?;
                self.processes
                    .snapshot(&snapshot, |_| true, &mut self.lines);
            }
            if self.sampled.elapsed() >= SAMPLE {
                self.sample();
            }
            self.write()?;
        }
        Ok(())
    }

    fn is_over(
        &self,
        child: Option<&mut Child>,
        may_be_over: bool,
        stop: &Stop,
        duration: Option<Duration>,
    ) -> anyhow::Result<bool> {
        let Some(child) = child else {
            return Ok(
                stop.is_asked_for() || duration.is_some_and(|duration| self.lasted() >= duration)
            );
        };
        stop.pass_on(child);
        Ok(may_be_over && child.has_ended()?)
    }

    /// Returns the time since that of the header, which the file has as the beginning.
    fn lasted(&self) -> Duration {
        let begin = Duration::from_nanos(self.processes.since);
        BootTime::now().since_boot().saturating_sub(begin)
    }

    /// Ends the recording.
    pub fn finish(mut self, status: Option<ExitStatus>) -> anyhow::Result<Summary> {
        self.sample();
        self.lines.push(Line::End(End {
            time: nanoseconds(BootTime::now().since_boot()),
            status: status.map(ExitStatus::into_raw),
        }));
        self.write()?;
        self.writer.flush()?;
        Ok(Summary {
            processes: self.processes.count,
            lost: self.processes.lost,
            bytes: self.writer.get_ref().bytes,
            time: self.lasted(),
        })
    }

    /// Takes a snapshot of all processes.
    fn look(&self) -> anyhow::Result<Snapshot> {
        Ok(self.device.snapshot(&options(self.device)?)?)
    }

    fn sample(&mut self) {
        self.sampled = Instant::now();
        let system = self.reader.read();
        let (busy, io_wait) = system.cpus.all.times();
        self.lines.push(Line::Sample(Sample {
            time: nanoseconds(BootTime::now().since_boot()),
            busy: nanoseconds(busy),
            io_wait: nanoseconds(io_wait),
            memory: system.memory.used,
        }));
    }

    fn write(&mut self) -> anyhow::Result<()> {
        for line in self.lines.drain(..) {
            self.writer.write(&line)?;
        }
        if self.flushed.elapsed() >= FLUSH {
            self.writer.flush()?;
            self.flushed = Instant::now();
        }
        Ok(())
    }
}

/// Returns the options of a snapshot by which processes are recorded.
pub fn options(device: &Device) -> procmon::Result<SnapshotOptions> {
    let groups = Groups::BASIC | Groups::CPU | Groups::CREDENTIALS | Groups::CGROUP;
    let options = SnapshotOptions::new().groups(groups).kernel_threads(false);
    Ok(if device.info()?.arguments {
        options.arguments(MAX_ARGUMENTS)
    } else {
        options
    })
}
