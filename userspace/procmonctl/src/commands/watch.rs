// SPDX-License-Identifier: GPL-2.0-only

//! `watch`: the statistics and the newest sample, again and again.

use std::env;
use std::fmt::{self, Display};
use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

use procmon::{Device, ErrorKind, sysfs};
use ratatui::crossterm::cursor::MoveTo;
use ratatui::crossterm::queue;
use ratatui::crossterm::terminal::{Clear, ClearType};
use serde::Serialize;

use super::stats::Stats;
use crate::clock::Time;
use crate::output::Output;
use crate::session::Session;
use crate::values::parse_seconds;

/// Show the statistics and the monitor's sample whenever there is a new one
///
/// The numbers come from sysfs. Without the permission to open the device, which announces new
/// samples, they are shown at regular intervals.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The least number of seconds between two outputs
    #[arg(short = 'n', long, value_name = "SECONDS", default_value = "1",
          value_parser = parse_seconds)]
    interval: Duration,

    /// End after this number of outputs
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

pub const JSON: &str = "  watch    {opens, ..., filter_pid, buffer_size, samples, processes,
           threads, running, uninterruptible, zombies, forks, time,
           wall_time, boot_id}";

const EXAMPLES: &str = "\
Examples:
  procmonctl watch -n 10 --json >>samples.json";

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        // sysfs is open to all.
        let device = match session.open_to_read() {
            Err(error) if error.kind() == ErrorKind::NoPermission => None,
            device => Some(device?),
        };
        self.watch(device.as_ref(), &session.out)
    }

    fn watch(&self, device: Option<&Device>, out: &Output) -> anyhow::Result<()> {
        let is_dumb = env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        let clear = io::stdout().is_terminal() && !is_dumb && !out.is_json();
        let mut events = device.map(Device::sample_events).transpose()?;
        let mut shown = 0;
        while self.count.is_none_or(|count| shown < count) {
            if shown > 0 {
                let next = Instant::now() + self.interval;
                if let Some(events) = &mut events {
                    events.wait()?;
                }
                thread::sleep(next.saturating_duration_since(Instant::now()));
                if !clear && !out.is_json() {
                    out.bytes(b"\n")?;
                }
            }
            if clear {
                let mut sequences = Vec::new();
                queue!(sequences, MoveTo(0, 0), Clear(ClearType::FromCursorDown))?;
                out.bytes(&sequences)?;
            }
            out.print(&Watch::read()?)?;
            shown += 1;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Watch {
    #[serde(flatten)]
    stats: Stats,
    buffer_size: u32,
    #[serde(flatten)]
    monitor: sysfs::Monitor,
    /// Time of the reading.
    #[serde(flatten)]
    time: Time,
}

impl Watch {
    /// Reads the attributes and the parameter in sysfs.
    fn read() -> anyhow::Result<Self> {
        Ok(Self {
            monitor: sysfs::monitor()?,
            stats: sysfs::stats()?.into(),
            buffer_size: sysfs::buffer_size()?,
            time: Time::now(),
        })
    }
}

impl Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stats,
            buffer_size,
            monitor,
            time: _,
        } = self;
        writeln!(f, "{stats}\nbuffer_size: {buffer_size}")?;
        writeln!(f, "samples: {}", monitor.samples)?;
        writeln!(f, "processes: {}", monitor.processes)?;
        writeln!(f, "threads: {}", monitor.threads)?;
        writeln!(f, "running: {}", monitor.running)?;
        writeln!(f, "uninterruptible: {}", monitor.uninterruptible)?;
        writeln!(f, "zombies: {}", monitor.zombies)?;
        write!(f, "forks: {}", monitor.forks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        let stats = "opens: 1\nreads: 2\nwrites: 3\nioctls: 4\nper_cpu_ops: 10\nfilter_pid: 0\n";
        let monitor = "samples: 5\nprocesses: 6\nthreads: 7\nrunning: 8\nuninterruptible: 9\n\
                       zombies: 10\nforks: 11\n";
        Watch {
            stats: stats.parse::<sysfs::Stats>().unwrap().into(),
            buffer_size: 1024,
            monitor: monitor.parse().unwrap(),
            time: Time::now(),
        }
    }

    #[test]
    fn json_is_as_documented() {
        let text = serde_json::to_string(&watch()).unwrap();
        let start = "{\"opens\":1,\"reads\":2,\"writes\":3,\"ioctls\":4,\"per_cpu_ops\":10,\
                     \"filter_pid\":null,\"buffer_size\":1024,\"samples\":5,\"processes\":6,\
                     \"threads\":7,\"running\":8,\"uninterruptible\":9,\"zombies\":10,\
                     \"forks\":11,\"time\":";
        assert!(text.starts_with(start), "{text}");
        let json = serde_json::to_value(watch()).unwrap();
        assert!(json["time"].is_u64() && json["wall_time"].is_string());
        assert_eq!(json.as_object().unwrap().len(), 17);
    }

    #[test]
    fn text_is_that_of_sysfs() {
        let text = watch().to_string();
        let end = "\nfilter_pid: off\nbuffer_size: 1024\nsamples: 5\nprocesses: 6\nthreads: 7\n\
                   running: 8\nuninterruptible: 9\nzombies: 10\nforks: 11";
        assert!(text.ends_with(end), "{text}");
    }
}
