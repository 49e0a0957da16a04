// SPDX-License-Identifier: GPL-2.0-only

//! The lines for the processes that are recorded.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;

use procmon::events::{CgroupMove, Classes, Event, EventFlags, EventKind, Exec, Exit, Fork};
use procmon::{BootTime, CgroupPath, Cgroups, Record, Snapshot};
use recording::{self as lines, Gone, Line, Lost, Moved, Text, User};

use super::directories::Directories;
use super::selection::Selection;
use crate::clock::nanoseconds;
use crate::table::identity::Identity;
use crate::table::names::Names;

/// The processes that are recorded, and what the lines so far have told.
pub struct Processes<'a> {
    selection: Selection,
    /// Those that have not ended.
    living: HashSet<Identity>,
    cgroups: Cgroups,
    names: Names,
    told_cgroups: HashSet<u64>,
    told_users: HashSet<u32>,
    /// Beginning of the recording. What started before is older.
    pub since: u64,
    /// The newest event before the last snapshot, which has its effect already.
    sequence: u64,
    /// Working directories, if events are as new as the files of `/proc`.
    directories: Option<Directories<'a>>,
    /// Number of processes so far.
    pub count: u64,
    /// Number of lost events so far.
    pub lost: u64,
}

impl<'a> Processes<'a> {
    pub fn new(selection: Selection, directories: Option<Directories<'a>>) -> Self {
        Self {
            selection,
            living: HashSet::new(),
            cgroups: Cgroups::mounted(),
            names: Names::read(),
            told_cgroups: HashSet::new(),
            told_users: HashSet::new(),
            since: 0,
            sequence: 0,
            directories,
            count: 0,
            lost: 0,
        }
    }

    /// Returns the process whose descendants are recorded.
    pub fn root(&self) -> Option<i32> {
        self.selection.root()
    }

    /// Adds the lines for what a snapshot has: processes that are not known yet, and those that are
    /// gone. `has_program` tells whether the program of a process counts.
    pub fn snapshot(
        &mut self,
        snapshot: &Snapshot,
        has_program: impl Fn(&Record) -> bool,
        lines: &mut Vec<Line>,
    ) {
        self.sequence = snapshot.sequence();
        let selected = self.selection.of_snapshot(snapshot, &mut self.cgroups);
        let mut there = HashSet::new();
        for record in snapshot {
            let Some(cpu) = record.cpu() else {
                continue;
            };
            let identity = (record.pid(), cpu.start);
            there.insert(identity);
            if self.living.contains(&identity) || !selected.contains(&record.pid()) {
                continue;
            }
            let credentials = record.credentials();
            let start = Start {
                identity,
                ppid: record.ppid(),
                parent_start: None,
                comm: Text::from(record.comm().as_encoded_bytes()),
                uid: credentials.map_or(0, |ids| ids.uid),
                cgroup_id: record.cgroup_id().unwrap_or(0),
            };
            self.start(start, lines);
            if has_program(record) {
                if let Some(credentials) = credentials {
                    self.user(credentials.euid, lines);
                }
                lines.push(self.present_program(snapshot, record, identity));
            }
        }
        let time = nanoseconds(snapshot.time().since_boot());
        let gone = self.living.extract_if(|identity| !there.contains(identity));
        let mut gone: Vec<_> = gone.collect();
        gone.sort_unstable();
        lines.extend(gone.into_iter().map(|(pid, start)| {
            let start = of(start);
            Line::Gone(Gone { pid, start, time })
        }));
    }

    /// Returns the line for the program that a process runs already.
    fn present_program(
        &mut self,
        snapshot: &Snapshot,
        record: &Record,
        identity: Identity,
    ) -> Line {
        let arguments = snapshot.arguments(record.pid());
        Line::Exec(lines::Exec {
            pid: identity.0,
            start: of(identity.1),
            time: None,
            file: None,
            args: arguments.map(|arguments| split(arguments.as_bytes())),
            is_cut: arguments.is_some_and(|arguments| arguments.is_cut()),
            directory: self.directory(identity),
            comm: Text::from(record.comm().as_encoded_bytes()),
            euid: record.credentials().map_or(0, |ids| ids.euid),
        })
    }

    /// Adds the lines for an event. Returns whether events were lost, so that another snapshot is
    /// needed.
    pub fn event(&mut self, event: &Event<'_>, lines: &mut Vec<Line>) -> bool {
        if let EventKind::Lost(lost) = event.kind() {
            let count = lost.count(Classes::all());
            self.lost += count;
            let time = nanoseconds(BootTime::now().since_boot());
            lines.push(Line::Lost(Lost { time, count }));
            return true;
        }
        if event.sequence() <= self.sequence || event.flags().contains(EventFlags::KERNEL_THREAD) {
            return false;
        }
        let identity = (event.pid(), event.start());
        if let EventKind::Cgroup(to) = event.kind() {
            self.moved(event, &to, lines);
            return false;
        }
        let is_recorded = self.living.contains(&identity)
            || self
                .selection
                .has(event.cgroup_id(), event.pid(), &mut self.cgroups);
        if !is_recorded {
            return false;
        }
        match event.kind() {
            EventKind::Fork(fork) => self.fork(event, &fork, lines),
            EventKind::Exec(exec) => {
                self.know(event, exec.comm(), lines);
                self.user(exec.credentials().euid, lines);
                lines.push(self.program(event, &exec));
            }
            EventKind::Exit(exit) => {
                self.know(event, exit.comm(), lines);
                self.living.remove(&identity);
                lines.push(end(event, &exit));
            }
            _ => {}
        }
        false
    }

    fn fork(&mut self, event: &Event<'_>, fork: &Fork, lines: &mut Vec<Line>) {
        let start = Start {
            identity: (event.pid(), event.start()),
            ppid: event.ppid(),
            parent_start: Some(of(fork.parent_start())),
            comm: Text::from(fork.comm().as_encoded_bytes()),
            uid: event.uid(),
            cgroup_id: event.cgroup_id(),
        };
        self.start(start, lines);
    }

    /// Adds the line for a process that is not known: one that is older, or whose beginning is
    /// lost.
    fn know(&mut self, event: &Event<'_>, comm: &OsStr, lines: &mut Vec<Line>) {
        let identity = (event.pid(), event.start());
        if self.living.contains(&identity) {
            return;
        }
        let start = Start {
            identity,
            ppid: event.ppid(),
            parent_start: None,
            comm: Text::from(comm.as_encoded_bytes()),
            uid: event.uid(),
            cgroup_id: event.cgroup_id(),
        };
        self.start(start, lines);
    }

    fn start(&mut self, start: Start, lines: &mut Vec<Line>) {
        let identity = start.identity;
        if !self.living.insert(identity) {
            return;
        }
        self.count += 1;
        self.user(start.uid, lines);
        self.cgroup(start.cgroup_id, identity.0, lines);
        lines.push(Line::Process(lines::Started {
            pid: identity.0,
            start: of(identity.1),
            ppid: start.ppid,
            parent_start: start.parent_start,
            comm: start.comm,
            uid: start.uid,
            cgroup_id: start.cgroup_id,
            is_older: of(identity.1) < self.since,
        }));
    }

    fn moved(&mut self, event: &Event<'_>, to: &CgroupMove<'_>, lines: &mut Vec<Line>) {
        let path = CgroupPath::new(to.path);
        let is_living = self.living.contains(&(event.pid(), event.start()));
        if !self.selection.has_moved(to.id, &path) && !is_living {
            return;
        }
        if self.told_cgroups.insert(to.id) {
            let path = Text::from(path.as_bytes());
            lines.push(Line::Cgroup(lines::Cgroup { id: to.id, path }));
        }
        if !is_living {
            // The event has no name.
            let comm = fs::read(format!("/proc/{}/comm", event.pid())).unwrap_or_default();
            self.know(event, OsStr::from_bytes(comm.trim_ascii_end()), lines);
        }
        lines.push(Line::Moved(Moved {
            pid: event.pid(),
            start: of(event.start()),
            time: of(event.time()),
            cgroup_id: to.id,
        }));
    }

    /// Returns the line for a program.
    fn program(&mut self, event: &Event<'_>, exec: &Exec<'_>) -> Line {
        let is_cut = event.flags().contains(EventFlags::TRUNCATED);
        let is_redacted = event.flags().contains(EventFlags::REDACTED);
        let bytes = exec.arguments_bytes();
        // One without any has an empty one: none are there where they could not be read.
        let has_arguments = !bytes.is_empty() || exec.arguments_size() == 0;
        Line::Exec(lines::Exec {
            pid: event.pid(),
            start: of(event.start()),
            time: Some(of(event.time())),
            file: (!is_redacted).then(|| Text::from(exec.file().as_encoded_bytes())),
            args: has_arguments.then(|| split(bytes)),
            is_cut,
            directory: self.directory((event.pid(), event.start())),
            comm: Text::from(exec.comm().as_encoded_bytes()),
            euid: exec.credentials().euid,
        })
    }

    fn directory(&mut self, identity: Identity) -> Option<Text> {
        self.directories.as_mut()?.of(identity)
    }

    fn user(&mut self, uid: u32, lines: &mut Vec<Line>) {
        if self.told_users.insert(uid) {
            let name = Text::from(&self.names.user(uid));
            lines.push(Line::User(User { uid, name }));
        }
    }

    fn cgroup(&mut self, id: u64, member: i32, lines: &mut Vec<Line>) {
        if self.told_cgroups.contains(&id) {
            return;
        }
        // A process that has ended tells nothing: the next one may.
        if let Some(path) = self.cgroups.path(id, member) {
            let path = Text::from(path.as_bytes());
            lines.push(Line::Cgroup(lines::Cgroup { id, path }));
            self.told_cgroups.insert(id);
        }
    }
}

/// The beginning of a process.
struct Start {
    identity: Identity,
    ppid: i32,
    parent_start: Option<u64>,
    comm: Text,
    uid: u32,
    cgroup_id: u64,
}

fn of(time: BootTime) -> u64 {
    nanoseconds(time.since_boot())
}

fn split(arguments: &[u8]) -> Vec<Text> {
    let bytes = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    bytes.split(|&byte| byte == 0).map(Text::from).collect()
}

/// Returns the line for an end.
fn end(event: &Event<'_>, exit: &Exit) -> Line {
    let is_seen = !event.flags().contains(EventFlags::REDACTED);
    let (faults, switches, io) = (exit.faults(), exit.switches(), exit.io());
    Line::Exit(lines::Exit {
        pid: event.pid(),
        start: of(event.start()),
        time: of(event.time()),
        status: is_seen.then(|| exit.status().into_raw()),
        utime: nanoseconds(exit.user()),
        stime: nanoseconds(exit.system()),
        runtime: nanoseconds(exit.runtime()),
        wait_time: nanoseconds(exit.wait_time()),
        minor_faults: faults.minor,
        major_faults: faults.major,
        voluntary_switches: switches.voluntary,
        involuntary_switches: switches.involuntary,
        max_rss: exit.max_resident(),
        read_bytes: is_seen.then_some(io.read),
        write_bytes: is_seen.then_some(io.written),
    })
}
