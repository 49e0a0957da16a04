// SPDX-License-Identifier: GPL-2.0-only

//! `record`: all that happens to some processes, in a file.

mod child;
mod directories;
mod live;
mod past;
mod processes;
mod selection;
pub mod start;
mod stop;
mod target;
mod user;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use procmon::events::{Classes, EventOptions};
use procmon::{BootTime, Device, uapi};
use recording::{Header, Selection as Recorded, Text, VERSION};

use crate::cgroup::Cgroup;
use crate::clock::{Clock, boot_id, nanoseconds};
use crate::output::complain;
use crate::session::Session;
use crate::table::value::{bytes_text, time_text};
use crate::top::system;
use crate::values::{parse_pid, parse_seconds};
use child::Child;
use selection::Selection;
use stop::Stop;
use target::Target;

/// Record processes: their programs, their ends and what they have used, in a file
///
/// Runs a command, and records it with all processes that descend from it; or records others until
/// a signal (Ctrl-C) or the end of a time. The exit status is that of the command, 128 and the
/// number of the signal if one ended it, and 127 if it cannot be run. Kernel threads are left out.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The file; an older one of this name gets ".old" appended
    #[arg(short, long, value_name = "FILE", default_value = "recording.procmon")]
    output: PathBuf,

    #[command(flatten)]
    what: What,

    /// End the recording after this time
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds,
          conflicts_with_all = ["command", "last"])]
    duration: Option<Duration>,

    /// Run the command as this user, by name or ID; by default as the one who called sudo
    #[arg(long, value_name = "USER",
          conflicts_with_all = ["pid", "cgroup", "system", "last"])]
    run_as: Option<String>,

    /// The bytes of the arguments of each program to keep, 1 to 8192
    #[arg(long, value_name = "BYTES", default_value_t = 4096,
          value_parser = clap::value_parser!(u32).range(1..=8192))]
    max_arguments: u32,
}

/// The processes to record.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
struct What {
    /// The command to run
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    /// A process, and all that descend from it from now on
    #[arg(long, value_parser = parse_pid)]
    pid: Option<i32>,

    /// The processes of a cgroup, and of those below it, by its path in the unified hierarchy or
    /// its ID
    #[arg(long, value_name = "CGROUP")]
    cgroup: Option<Cgroup>,

    /// All processes
    #[arg(long)]
    system: bool,

    /// The last seconds of all processes, as far as the module has kept them: it has to be loaded
    /// with events_record=1
    #[arg(long, value_name = "SECONDS", value_parser = parse_last)]
    last: Option<Duration>,
}

const EXAMPLES: &str = "\
Examples:
  sudo procmonctl record -- make -j4
  procmonctl record --last 60s -o minute.procmon
  procmonctl record --cgroup /system.slice/web.service --duration 600";

/// Parses a number of seconds, which may end with "s".
fn parse_last(text: &str) -> Result<Duration, String> {
    parse_seconds(text.strip_suffix('s').unwrap_or(text))
}

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let device = session.open_to_read()?;
        if let Some(time) = self.what.last {
            return self.record_past(&device, time);
        }
        let selection = self.selection()?;
        let stop = Stop::watch()?;
        let target = Target::create(&self.output)?;
        let mut child = match &self.what.command[..] {
            [] => None,
            command => Some(Child::start(command, self.run_as.as_deref())?),
        };
        let selection = match &child {
            Some(child) => Selection::Descendants(child.pid()),
            None => selection,
        };
        // From here on nothing is missed.
        let mut events = device.events(&self.options().subtree(selection.root()))?;
        let recorded = self.recorded(&selection);
        let mut recorder = live::Recorder::new(&device, selection, target);
        recorder.begin(header(recorded), child.is_some())?;
        if let Some(child) = &mut child {
            child.go_on()?;
        }
        let result = recorder.record(&mut events, child.as_mut(), &stop, self.duration);
        // A recorder that has failed closes its file at once.
        let recorder = result.map(|()| recorder);
        let status = child.map(|child| child.wait(&stop)).transpose()?;
        let result = recorder.and_then(|recorder| recorder.finish(status));
        self.report(result, status)
    }

    fn record_past(&self, device: &Device, time: Duration) -> anyhow::Result<ExitCode> {
        let target = Target::create(&self.output)?;
        let mut events = device.events(&self.options().from_oldest(true))?;
        let begin = BootTime::now().since_boot().saturating_sub(time);
        let header = Header {
            time: nanoseconds(begin),
            ..header(Recorded::System)
        };
        let result = past::record(device, &mut events, header, target);
        self.report(result, None)
    }

    /// Returns the options by which each program ends a wait: a process has a working directory
    /// only until it ends. A new process alone, whose event is the smallest, does not.
    fn options(&self) -> EventOptions {
        EventOptions::new()
            .classes(Classes::PROCESSES | Classes::CGROUP)
            .batch_bytes(size_of::<uapi::procmon_event_fork>() as u32 + 1)
            .max_arguments(self.max_arguments)
    }

    /// Returns the processes to record, but for those of a command.
    fn selection(&self) -> anyhow::Result<Selection> {
        Ok(match (self.what.pid, &self.what.cgroup) {
            (Some(pid), _) => Selection::Descendants(pid),
            (None, Some(cgroup)) => Selection::in_cgroup(cgroup)?,
            (None, None) => Selection::All,
        })
    }

    fn recorded(&self, selection: &Selection) -> Recorded {
        match selection {
            Selection::Descendants(pid) if !self.what.command.is_empty() => {
                let args = self.what.command.iter();
                Recorded::Command {
                    args: args.map(|arg| Text::from(arg.as_encoded_bytes())).collect(),
                    pid: *pid,
                }
            }
            Selection::Descendants(pid) => Recorded::Pid(*pid),
            Selection::Cgroup(path, _) => Recorded::Cgroup(Text::from(path.as_bytes())),
            Selection::All => Recorded::System,
        }
    }

    /// Prints a summary of the file, and returns the exit status: that of the command, unless the
    /// recording has failed and the command has not.
    fn report(
        &self,
        result: anyhow::Result<live::Summary>,
        status: Option<std::process::ExitStatus>,
    ) -> anyhow::Result<ExitCode> {
        let code = status.map_or(0, child::exit_code);
        match result {
            Ok(summary) => {
                if summary.lost > 0 {
                    complain(format_args!("{} events were lost", summary.lost));
                }
                complain(format_args!(
                    "{} processes in {}, {} in {}",
                    summary.processes,
                    time_text(summary.time),
                    bytes_text(summary.bytes),
                    self.output.display()
                ));
            }
            Err(error) if code == 0 => return Err(error),
            Err(error) => complain(format_args!("{error:#}")),
        }
        Ok(ExitCode::from(code))
    }
}

/// Returns the header of a recording that begins now.
fn header(selection: Recorded) -> Header {
    let now = BootTime::now().since_boot();
    let system = system::Reader::new().read();
    let name = rustix::system::uname();
    Header {
        version: VERSION,
        time: nanoseconds(now),
        wall_time: Clock::read().at(now).nanoseconds(),
        boot_id: boot_id(),
        host: Text::from(name.nodename().to_bytes()),
        kernel: Text::from(name.release().to_bytes()),
        cpus: u32::try_from(system.cpus.each.len()).unwrap_or(u32::MAX),
        memory: system.memory.total,
        selection,
    }
}
