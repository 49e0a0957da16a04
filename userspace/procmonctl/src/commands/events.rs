// SPDX-License-Identifier: GPL-2.0-only

//! `events`: what happens to processes, as it happens.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use procmon::BootTime;
use procmon::events::{
    Classes, Event, EventFlags, EventKind, EventOptions, Events, Exec, Fork, Lost,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::cgroup::Cgroup;
use crate::clock::Clock;
use crate::output::complain;
use crate::session::Session;
use crate::table::names::Names;
use crate::table::value::{status_text, time_text};
use crate::text::printable;
use crate::values::{parse_pid, parse_seconds};

mod row;

use row::Row;

/// The time for which several events are waited for, so that few wake-ups are needed: a moment for
/// a reader of the terminal.
const DELAY: Duration = Duration::from_millis(50);

/// Show what happens to processes: their beginnings, their programs and their ends
///
/// Each event is shown as it comes, with nothing left out: events that were lost, since this
/// program was too slow for them, are shown as such.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Show these kinds only
    #[arg(short, long, value_enum, value_delimiter = ',',
          default_values_t = [Kind::Exec, Kind::Exit])]
    kind: Vec<Kind>,

    /// Show processes of this user only, by name or number
    #[arg(short, long, value_name = "USER")]
    uid: Option<String>,

    /// Show this process only
    #[arg(short, long, value_parser = parse_pid, conflicts_with = "subtree")]
    pid: Option<i32>,

    /// Show this process, and those that descend from it
    #[arg(long, value_name = "PID", value_parser = parse_pid)]
    subtree: Option<i32>,

    /// Show processes of this cgroup only, and not of those below it: by its path in the unified
    /// hierarchy, or its ID
    #[arg(long, value_name = "CGROUP")]
    cgroup: Option<Cgroup>,

    /// Of the ends, show those with another status than 0 only
    #[arg(long)]
    failed: bool,

    /// Of the ends, show those of processes only that took longer
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    slower_than: Option<Duration>,

    /// Begin with the events of the last seconds, as far as the module has kept them: "all" for
    /// all of these
    #[arg(long, value_name = "SECONDS")]
    since: Option<Since>,

    /// Indent each process below the one that has made it
    #[arg(long)]
    tree: bool,

    /// End after this number of events
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
}

pub const JSON: &str =
    "  events   {version, kind, sequence, time, wall_time, pid, tid, start, ppid, uid, euid, cpu,
           cgroup_id}, a line for each event, with more keys by its kind: docs/events.md";

const EXAMPLES: &str = "\
Examples:
  procmonctl events --failed
  procmonctl events --kind fork,exec,exit --subtree $$ --json >events.json
  procmonctl events --tree --since 60
  procmonctl events --cgroup /system.slice/cron.service
  procmonctl events --kind exit --slower-than 1";

/// The beginning of what is shown.
#[derive(Clone, Copy, Debug)]
enum Since {
    All,
    Last(Duration),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            _ => parse_seconds(text).map(Self::Last),
        }
    }
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Kind {
    /// A process comes to be
    Fork,
    /// A process runs a program
    Exec,
    /// A process ends
    Exit,
    /// A thread comes to be
    ThreadStart,
    /// A thread ends
    ThreadExit,
    /// A task gets a name
    Rename,
    /// A process is moved to another cgroup
    Cgroup,
    /// A process is killed since memory is short
    Oom,
}

impl Kind {
    fn class(self) -> Classes {
        match self {
            Self::Fork => Classes::FORK,
            Self::Exec => Classes::EXEC,
            Self::Exit => Classes::EXIT,
            Self::ThreadStart => Classes::THREAD_START,
            Self::ThreadExit => Classes::THREAD_EXIT,
            Self::Rename => Classes::RENAME,
            Self::Cgroup => Classes::CGROUP,
            Self::Oom => Classes::OUT_OF_MEMORY,
        }
    }
}

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        if self.count == Some(0) {
            return Ok(());
        }
        let mut names = Names::read();
        let uid = self.uid.as_deref().map(|user| {
            let uid = names.uid(user);
            uid.ok_or_else(|| anyhow::anyhow!("there is no user {user}"))
        });
        let wanted = self
            .kind
            .iter()
            .fold(Classes::empty(), |all, kind| all | kind.class());
        let options = EventOptions::new()
            // What the ends are shown with.
            .classes(wanted | Classes::EXEC | Classes::EXIT | self.of_tree())
            .uid(uid.transpose()?)
            .subtree(self.subtree)
            .cgroup(self.cgroup.as_ref().map(Cgroup::id).transpose()?)
            .from_oldest(self.since.is_some())
            .batch_bytes(16 * 1024);
        let device = session.open_to_read()?;
        let mut events = device.events(&options)?;
        let mut programs = Programs::default();
        let mut shown = 0;
        let start = match self.since {
            Some(Since::Last(time)) => BootTime::now().since_boot().saturating_sub(time),
            _ => Duration::ZERO,
        };
        if !session.out.is_json() {
            session.out.text(&HEAD)?;
        }
        loop {
            wait_for_any(&events)?;
            let mut text = String::new();
            // Users may be added, and the clock be set, while this runs.
            names.refresh();
            let clock = Clock::read();
            for event in events.wait(Some(DELAY))? {
                programs.note(&event);
                if event.time().since_boot() >= start && self.is_wanted(&event, wanted)
                    || is_loss(&event)
                {
                    let line = if session.out.is_json() {
                        serde_json::to_string(&Row {
                            event: &event,
                            programs: &programs,
                            clock,
                        })?
                    } else {
                        let depth = if self.tree {
                            programs.depth(event.pid(), event.start())
                        } else {
                            0
                        };
                        line(&event, &programs, depth, &names, clock)
                    };
                    writeln!(text, "{line}")?;
                    shown += 1;
                }
                programs.forget(&event);
                if self.count == Some(shown) {
                    return session.out.bytes(text.as_bytes());
                }
            }
            if !text.is_empty() {
                session.out.bytes(text.as_bytes())?;
            }
        }
    }

    /// Returns the classes that tell which process has made which.
    fn of_tree(&self) -> Classes {
        if self.tree {
            Classes::FORK
        } else {
            Classes::empty()
        }
    }

    /// Whether an event is one that was asked for.
    fn is_wanted(&self, event: &Event<'_>, wanted: Classes) -> bool {
        let class = match event.kind() {
            EventKind::Fork(_) => Classes::FORK,
            EventKind::Exec(_) => Classes::EXEC,
            EventKind::Exit(exit) => {
                let life = event.time().saturating_sub(event.start());
                if self.failed && exit.status().success()
                    || self.slower_than.is_some_and(|least| life < least)
                {
                    return false;
                }
                Classes::EXIT
            }
            EventKind::ThreadStart(_) => Classes::THREAD_START,
            EventKind::ThreadExit(_) => Classes::THREAD_EXIT,
            EventKind::Rename(_) => Classes::RENAME,
            EventKind::Cgroup(_) => Classes::CGROUP,
            EventKind::OutOfMemory => Classes::OUT_OF_MEMORY,
            _ => return true,
        };
        wanted.contains(class) && self.pid.is_none_or(|pid| event.pid() == pid)
    }
}

/// Waits, for any time, until there is an event: a wait with a limit would end again and again on
/// a machine where nothing happens.
fn wait_for_any(events: &Events<'_>) -> anyhow::Result<()> {
    loop {
        let mut fds = [PollFd::new(events, PollFlags::RDBAND)];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            result => return Ok(result.map(drop)?),
        }
    }
}

/// Whether events were lost, which is shown in any case, and complained of.
fn is_loss(event: &Event<'_>) -> bool {
    let EventKind::Lost(lost) = event.kind() else {
        return false;
    };
    complain(format!(
        "events {} to {} were lost",
        event.sequence(),
        lost.last()
    ));
    true
}

/// The knowledge of processes since the beginning.
#[derive(Default)]
pub struct Programs {
    known: HashMap<i32, Known>,
}

/// The knowledge of one process.
struct Known {
    /// Its start. A filter may leave out its end, and then its PID may be another one's.
    start: BootTime,
    /// Its command line, if it or the one that has made it has executed a program.
    line: Option<Vec<u8>>,
    /// The number of known processes above it.
    depth: usize,
}

impl Programs {
    fn note(&mut self, event: &Event<'_>) {
        match event.kind() {
            EventKind::Fork(fork) => {
                let creator = self.get(fork.creator(), fork.creator_start());
                let known = Known {
                    start: event.start(),
                    line: creator.and_then(|creator| creator.line.clone()),
                    depth: creator.map_or(0, |creator| creator.depth) + 1,
                };
                self.known.insert(event.pid(), known);
            }
            EventKind::Exec(exec) => {
                let known = Known {
                    start: event.start(),
                    line: Some(command_line(event, &exec)),
                    depth: self.depth(event.pid(), event.start()),
                };
                self.known.insert(event.pid(), known);
            }
            // They may have executed other programs by now.
            EventKind::Lost(_) => *self = Self::default(),
            _ => {}
        }
    }

    fn forget(&mut self, event: &Event<'_>) {
        if let EventKind::Exit(_) = event.kind() {
            self.known.remove(&event.pid());
        }
    }

    fn get(&self, pid: i32, start: BootTime) -> Option<&Known> {
        self.known.get(&pid).filter(|known| known.start == start)
    }

    fn depth(&self, pid: i32, start: BootTime) -> usize {
        self.get(pid, start).map_or(0, |known| known.depth)
    }

    /// Returns the command line of the process of an event, or else its name in brackets.
    fn of(&self, event: &Event<'_>, comm: &OsStr) -> Vec<u8> {
        let known = self.get(event.pid(), event.start());
        known
            .and_then(|known| known.line.clone())
            .unwrap_or_else(|| {
                let mut name = b"[".to_vec();
                name.extend_from_slice(comm.as_bytes());
                name.push(b']');
                name
            })
    }
}

/// Returns the arguments with blanks between them, and the name of the file if there are none.
fn command_line(event: &Event<'_>, exec: &Exec<'_>) -> Vec<u8> {
    let arguments: Vec<_> = exec.arguments().map(OsStr::as_bytes).collect();
    let mut line = if arguments.is_empty() {
        exec.file().as_bytes().to_vec()
    } else {
        arguments.join(&b' ')
    };
    if event.flags().contains(EventFlags::TRUNCATED) {
        line.extend_from_slice(b"...");
    }
    line
}

const HEAD: &str =
    "TIME         KIND             PID    PPID USER     STATUS       LASTED       CPU COMMAND";

/// Returns an event as a line for people.
fn line(
    event: &Event<'_>,
    programs: &Programs,
    depth: usize,
    names: &Names,
    clock: Clock,
) -> String {
    let time = clock.at(event.time().since_boot()).time_of_day();
    let lasted = event.time().saturating_sub(event.start());
    let kind = event.kind();
    let (status, lasted, cpu, text) = match kind {
        EventKind::Fork(fork) | EventKind::ThreadStart(fork) => (None, None, None, started(&fork)),
        EventKind::Exec(exec) => (None, None, None, command_line(event, &exec)),
        EventKind::Exit(exit) | EventKind::ThreadExit(exit) => {
            let is_process = matches!(kind, EventKind::Exit(_));
            (
                Some(exit.status()),
                is_process.then_some(lasted),
                Some(exit.runtime()),
                programs.of(event, exit.comm()),
            )
        }
        EventKind::Rename(rename) => {
            let old = rename.old_comm().as_bytes();
            let text = [old, b" -> ", rename.comm().as_bytes()].concat();
            (None, None, None, text)
        }
        EventKind::Cgroup(to) => (None, None, None, to.path.as_bytes().to_vec()),
        EventKind::Lost(lost) => return lost_line(event, &lost),
        _ => (None, None, None, Vec::new()),
    };
    let kind = kind.name();
    let user = printable(&names.user(event.uid()));
    format!(
        "{time:12} {kind:12} {:>7} {:>7} {user:8} {:12} {:>8} {:>9} {:indent$}{}",
        event.pid(),
        event.ppid(),
        match status {
            Some(_) if event.flags().contains(EventFlags::REDACTED) => "?".to_owned(),
            status => status.map(status_text).unwrap_or_default(),
        },
        lasted.map(time_text).unwrap_or_default(),
        cpu.map(time_text).unwrap_or_default(),
        "",
        printable(&text),
        indent = 2 * depth,
    )
    .trim_end()
    .to_owned()
}

fn started(fork: &Fork) -> Vec<u8> {
    format!("[{}]", fork.comm().to_string_lossy()).into_bytes()
}

fn lost_line(event: &Event<'_>, lost: &Lost) -> String {
    let counts = Classes::all()
        .iter_names()
        .filter(|(_, class)| class.bits().is_power_of_two())
        .map(|(name, class)| (name, lost.count(class)))
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {}", name.to_ascii_lowercase()))
        .collect::<Vec<_>>();
    let (first, last) = (event.sequence(), lost.last());
    format!(
        "             lost        events {first} to {last}: {}",
        counts.join(", ")
    )
}
