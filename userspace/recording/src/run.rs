// SPDX-License-Identifier: GPL-2.0-only

//! The processes of a whole recording.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use crate::line::{End, Exec, Exit, Header, Line, Process as Start, Sample};
use crate::{Lines, Result, Text};

/// A program that a process has executed.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The line of the recording.
    pub exec: Exec,
    /// The end: that of the process, or the beginning of the next program.
    pub end: u64,
}

/// A process of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// The PID.
    pub pid: i32,
    /// The start.
    pub start: u64,
    /// The end. That of a process which goes on is the end of the recording, and one whose event is
    /// lost has ended before that moment.
    pub end: u64,
    /// The parent that it was made by, as its place in [`Run::processes`].
    pub parent: Option<usize>,
    /// Its children, in the order of their starts.
    pub children: Vec<usize>,
    /// Its real user.
    pub uid: u32,
    /// Its last cgroup.
    pub cgroup_id: u64,
    /// The name that it began with.
    pub comm: Text,
    /// The programs that it has executed, in that order.
    pub programs: Vec<Program>,
    /// Its end, unless it goes on, or that line is lost.
    pub exit: Option<Exit>,
    /// Whether it is older than the recording.
    pub is_older: bool,
}

impl Process {
    /// Returns the time from the start to the end.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        Duration::from_nanos(self.end.saturating_sub(self.start))
    }

    /// Returns the last program.
    #[must_use]
    pub fn program(&self) -> Option<&Exec> {
        self.programs.last().map(|program| &program.exec)
    }

    /// Returns the name: that of the last program, or else the one that it began with.
    #[must_use]
    pub fn name(&self) -> &Text {
        self.program().map_or(&self.comm, |program| &program.comm)
    }

    /// Returns the arguments of the last program, or else the name.
    #[must_use]
    pub fn command_line(&self) -> Vec<&Text> {
        let arguments = self.program().and_then(|program| program.args.as_ref());
        match arguments {
            Some(arguments) => arguments.iter().collect(),
            None => vec![self.name()],
        }
    }

    /// Returns user and system time, if the process has ended.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        let exit = self.exit.as_ref()?;
        Some(Duration::from_nanos(exit.utime.saturating_add(exit.stime)))
    }

    /// Returns whether the process has ended with another status than 0, or by a signal.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        let status = self.exit.as_ref().and_then(|exit| exit.status);
        status.is_some_and(|status| status != 0)
    }
}

/// The contents of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The circumstances.
    pub header: Header,
    processes: Vec<Process>,
    /// The use of the machine.
    pub samples: Vec<Sample>,
    /// The number of events that were lost.
    pub lost: u64,
    /// The last line, unless it is missing.
    pub end: Option<End>,
    /// The time of the last line that has one.
    pub last: u64,
    cgroups: HashMap<u64, Text>,
    users: HashMap<u32, Text>,
}

impl Run {
    /// Reads a recording.
    ///
    /// # Errors
    ///
    /// Those of [`Lines::open`], and [`Format`](crate::Error::Format) if a line is not valid.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_lines(Lines::open(path)?)
    }

    /// Reads the rest of a recording.
    ///
    /// # Errors
    ///
    /// Those of the lines.
    pub fn from_lines(lines: Lines) -> Result<Self> {
        let header = lines.header().clone();
        let mut builder = Builder::new(header);
        for line in lines {
            builder.add(line?);
        }
        Ok(builder.finish())
    }

    /// Returns the processes, in the order of their starts.
    #[must_use]
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// Returns the path of a cgroup, if the recording has it.
    #[must_use]
    pub fn cgroup(&self, id: u64) -> Option<&Text> {
        self.cgroups.get(&id)
    }

    /// Returns the name of a user, if the recording has it.
    #[must_use]
    pub fn user(&self, uid: u32) -> Option<&Text> {
        self.users.get(&uid)
    }

    /// Returns the time that the recording took.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        Duration::from_nanos(self.last.saturating_sub(self.header.time))
    }
}

/// The processes so far.
struct Builder {
    run: Run,
    places: HashMap<(i32, u64), usize>,
    /// The latest process of each PID, for parents whose start is not known.
    latest: HashMap<i32, usize>,
}

impl Builder {
    fn new(header: Header) -> Self {
        Self {
            run: Run {
                last: header.time,
                header,
                processes: Vec::new(),
                samples: Vec::new(),
                lost: 0,
                end: None,
                cgroups: HashMap::new(),
                users: HashMap::new(),
            },
            places: HashMap::new(),
            latest: HashMap::new(),
        }
    }

    fn add(&mut self, line: Line) {
        match line {
            Line::Process(start) => self.start(start),
            Line::Exec(exec) => {
                self.pass(exec.time.unwrap_or(0));
                if let Some(process) = self.process(exec.pid, exec.start) {
                    process.programs.push(Program { end: 0, exec });
                }
            }
            Line::Exit(exit) => {
                self.pass(exit.time);
                if let Some(process) = self.process(exit.pid, exit.start) {
                    process.end = exit.time;
                    process.exit = Some(exit);
                }
            }
            Line::Gone(gone) => {
                self.pass(gone.time);
                if let Some(process) = self.process(gone.pid, gone.start) {
                    process.end = gone.time;
                }
            }
            Line::Moved(moved) => {
                self.pass(moved.time);
                if let Some(process) = self.process(moved.pid, moved.start) {
                    process.cgroup_id = moved.cgroup_id;
                }
            }
            Line::Cgroup(cgroup) => drop(self.run.cgroups.insert(cgroup.id, cgroup.path)),
            Line::User(user) => drop(self.run.users.insert(user.uid, user.name)),
            Line::Sample(sample) => {
                self.pass(sample.time);
                self.run.samples.push(sample);
            }
            Line::Lost(lost) => {
                self.pass(lost.time);
                self.run.lost = self.run.lost.saturating_add(lost.count);
            }
            Line::End(end) => {
                self.pass(end.time);
                self.run.end = Some(end);
            }
            Line::Header(_) | Line::Unknown => {}
        }
    }

    fn pass(&mut self, time: u64) {
        self.run.last = self.run.last.max(time);
    }

    fn process(&mut self, pid: i32, start: u64) -> Option<&mut Process> {
        let place = *self.places.get(&(pid, start))?;
        self.run.processes.get_mut(place)
    }

    fn start(&mut self, line: Start) {
        self.pass(line.start);
        if self.places.contains_key(&(line.pid, line.start)) {
            // After a loss, the recorder tells of all processes again.
            return;
        }
        let parent = match line.parent_start {
            Some(start) => self.places.get(&(line.ppid, start)),
            None => self.latest.get(&line.ppid),
        };
        let parent = parent.copied();
        let place = self.run.processes.len();
        self.places.insert((line.pid, line.start), place);
        let process = Process {
            pid: line.pid,
            start: line.start,
            end: 0,
            parent,
            children: Vec::new(),
            uid: line.uid,
            cgroup_id: line.cgroup_id,
            comm: line.comm,
            programs: Vec::new(),
            exit: None,
            is_older: line.is_older,
        };
        self.run.processes.push(process);
        self.latest.insert(line.pid, place);
    }

    /// Sorts the processes, and fills in what follows from all of them.
    fn finish(self) -> Run {
        let mut run = self.run;
        let mut order: Vec<usize> = (0..run.processes.len()).collect();
        order.sort_by_key(|&place| run.processes[place].start);
        let mut new_places = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            new_places[old] = new;
        }
        let mut old: Vec<_> = run.processes.drain(..).map(Some).collect();
        let sorted = order.iter().filter_map(|&place| old[place].take());
        run.processes = sorted.collect();
        for place in 0..run.processes.len() {
            let process = &mut run.processes[place];
            if process.end == 0 {
                process.end = run.last;
            }
            let mut end = process.end;
            for program in process.programs.iter_mut().rev() {
                program.end = end;
                end = program.exec.time.unwrap_or(process.start);
            }
            process.parent = process.parent.map(|parent| new_places[parent]);
            if let Some(parent) = process.parent {
                run.processes[parent].children.push(place);
            }
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Cgroup, Lost};
    use crate::script::{Script, executed, started};

    #[test]
    fn lines_make_processes() {
        let run = Script::new(100)
            .fork(5, 90, 1)
            .fork(7, 110, 5)
            .exec(7, 120, &["make", "all"])
            .exec(7, 130, &["cc", "a.c"])
            .exit_after(7, 150, 256, 7)
            .line(Line::Lost(Lost {
                time: 160,
                count: 3,
            }))
            .run();
        let [parent, child] = run.processes() else {
            panic!("{run:?}");
        };
        assert_eq!(
            (parent.children.as_slice(), child.parent),
            (&[1][..], Some(0))
        );
        assert_eq!((parent.exit.as_ref(), parent.end), (None, 160));
        assert_eq!(child.name(), &Text::from("cc"));
        assert_eq!(
            child.command_line(),
            [&Text::from("cc"), &Text::from("a.c")]
        );
        let ends: Vec<_> = child.programs.iter().map(|program| program.end).collect();
        assert_eq!(ends, [130, 150]);
        assert_eq!(child.cpu_time(), Some(Duration::from_nanos(7)));
        assert!(child.has_failed() && !parent.has_failed());
        assert_eq!((run.lost, run.last, run.end), (3, 160, None));
    }

    #[test]
    fn pids_are_used_again() {
        let run = Script::new(100)
            .fork(7, 110, 1)
            .exit(7, 120, 0)
            .fork(7, 130, 1)
            .line(Line::Process(Start {
                parent_start: Some(110),
                ..started(8, 140, 7)
            }))
            .line(Line::Process(started(9, 150, 7)))
            .exit(7, 160, 0)
            .run();
        let parents: Vec<_> = run
            .processes()
            .iter()
            .map(|process| process.parent)
            .collect();
        assert_eq!(parents, [None, None, Some(0), Some(1)]);
    }

    #[test]
    fn processes_are_in_the_order_of_their_starts() {
        let run = Script::new(100)
            .line(Line::Process(Start {
                parent_start: Some(200),
                ..started(9, 300, 8)
            }))
            .line(Line::Process(started(8, 200, 1)))
            .line(Line::Process(started(9, 300, 1)))
            .run();
        let pids: Vec<_> = run.processes().iter().map(|process| process.pid).collect();
        assert_eq!(pids, [8, 9]);
        let orphan = Line::Exec(executed(4, 1, 400, &["x"]));
        assert_eq!(Script::new(100).line(orphan).run().processes(), []);
        let path = Text::from("/a");
        let named = Script::new(100)
            .line(Line::Cgroup(Cgroup {
                id: 3,
                path: path.clone(),
            }))
            .run();
        assert_eq!(
            (named.cgroup(3), named.cgroup(4), named.user(0)),
            (Some(&path), None, None)
        );
    }
}
