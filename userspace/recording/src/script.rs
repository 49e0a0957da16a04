// SPDX-License-Identifier: GPL-2.0-only

//! Recordings made by hand, for tests.

use std::collections::HashMap;
use std::io::Cursor;

use crate::{
    Cgroup, End, Exec, Exit, Gone, Header, Line, Lines, Lost, Run, Sample, Selection, Started,
    Text, User, VERSION,
};

/// The user of all processes.
const UID: u32 = 1000;

/// The cgroup of all processes.
const CGROUP: u64 = 3;

/// Returns the line for the start of a process with the name `fork`, whose parent's is not known.
pub fn started(pid: i32, start: u64, ppid: i32) -> Started {
    Started {
        pid,
        start,
        ppid,
        parent_start: None,
        comm: Text::from("fork"),
        uid: UID,
        cgroup_id: CGROUP,
        is_older: false,
    }
}

/// Returns the line for a program, whose name is the first argument, in `/src`.
pub fn executed<T: AsRef<[u8]>>(pid: i32, start: u64, time: u64, args: &[T]) -> Exec {
    let args: Vec<_> = args.iter().map(Text::from).collect();
    Exec {
        pid,
        start,
        time: Some(time),
        file: None,
        comm: args[0].clone(),
        args: Some(args),
        is_cut: false,
        directory: Some(Text::from("/src")),
        euid: UID,
    }
}

/// Returns the line for an end, with the PID as microseconds of CPU time, as MiB of memory, as the
/// number of page faults, and ten and a hundred times the PID as bytes of I/O.
pub fn ended(pid: i32, start: u64, time: u64, status: i32) -> Exit {
    let number = u64::from(pid.unsigned_abs());
    Exit {
        pid,
        start,
        time,
        status: Some(status),
        utime: number * 400,
        stime: number * 600,
        runtime: number * 1000,
        wait_time: 0,
        minor_faults: number,
        major_faults: 0,
        voluntary_switches: 0,
        involuntary_switches: 0,
        max_rss: number << 20,
        read_bytes: Some(number * 10),
        write_bytes: Some(number * 100),
    }
}

/// The lines of a recording on four CPUs. Processes are named by their PIDs alone: the last one of
/// each is meant.
pub struct Script {
    pub header: Header,
    /// Whether the last line is there.
    pub is_ended: bool,
    lines: Vec<Line>,
    starts: HashMap<i32, u64>,
    /// The latest time so far.
    last: u64,
}

impl Script {
    /// Begins a recording of all processes at a time.
    pub fn new(time: u64) -> Self {
        let header = Header {
            version: VERSION,
            time,
            wall_time: 1_700_000_000_000_000_000,
            boot_id: None,
            host: Text::from("box"),
            kernel: Text::from("7.3"),
            cpus: 4,
            memory: 8 << 30,
            selection: Selection::System,
        };
        Self {
            header,
            is_ended: false,
            lines: Vec::new(),
            starts: HashMap::new(),
            last: time,
        }
    }

    pub fn selection(&mut self, selection: Selection) -> &mut Self {
        self.header.selection = selection;
        self
    }

    /// Adds a line as it is.
    pub fn line(&mut self, line: Line) -> &mut Self {
        self.lines.push(line);
        self
    }

    /// Adds a line with a time.
    fn line_at(&mut self, time: u64, line: Line) -> &mut Self {
        self.last = self.last.max(time);
        self.line(line)
    }

    /// Adds a process with the name `fork`.
    pub fn fork(&mut self, pid: i32, start: u64, ppid: i32) -> &mut Self {
        self.start(started(pid, start, ppid))
    }

    pub fn begin<T: AsRef<[u8]> + ?Sized>(
        &mut self,
        pid: i32,
        start: u64,
        ppid: i32,
        name: &T,
    ) -> &mut Self {
        let comm = Text::from(name);
        self.start(Started {
            comm,
            ..started(pid, start, ppid)
        })
    }

    /// Adds a process that is older than the recording.
    pub fn older(&mut self, pid: i32, start: u64, name: &str) -> &mut Self {
        self.start(Started {
            comm: Text::from(name),
            is_older: true,
            ..started(pid, start, 0)
        })
    }

    /// Adds a process that executes nothing, uses no CPU and succeeds.
    pub fn process(&mut self, pid: i32, start: u64, ppid: i32, name: &str, end: u64) -> &mut Self {
        self.begin(pid, start, ppid, name)
            .exit_after(pid, end, 0, 0)
    }

    fn start(&mut self, mut process: Started) -> &mut Self {
        process.parent_start = self.starts.get(&process.ppid).copied();
        self.starts.insert(process.pid, process.start);
        self.line_at(process.start, Line::Process(process))
    }

    /// Adds the execution of a program.
    pub fn exec<T: AsRef<[u8]>>(&mut self, pid: i32, time: u64, args: &[T]) -> &mut Self {
        let exec = executed(pid, self.starts[&pid], time, args);
        self.line_at(time, Line::Exec(exec))
    }

    /// Adds a program that an older process had executed before the recording.
    pub fn older_exec(&mut self, pid: i32, args: &[&str]) -> &mut Self {
        self.line(Line::Exec(Exec {
            time: None,
            ..executed(pid, self.starts[&pid], 0, args)
        }))
    }

    /// Adds an end, with a use by which the process is known: see [`ended`].
    pub fn exit(&mut self, pid: i32, time: u64, status: i32) -> &mut Self {
        let exit = ended(pid, self.starts[&pid], time, status);
        self.line_at(time, Line::Exit(exit))
    }

    /// Adds an end after some CPU time, a third of which is the system's. What was written is not
    /// known.
    pub fn exit_after(&mut self, pid: i32, time: u64, status: i32, cpu_time: u64) -> &mut Self {
        let exit = Exit {
            utime: cpu_time - cpu_time / 3,
            stime: cpu_time / 3,
            runtime: cpu_time,
            minor_faults: 0,
            max_rss: 5 << 20,
            read_bytes: Some(4096),
            write_bytes: None,
            ..ended(pid, self.starts[&pid], time, status)
        };
        self.line_at(time, Line::Exit(exit))
    }

    pub fn gone(&mut self, pid: i32, time: u64) -> &mut Self {
        let start = self.starts[&pid];
        self.line_at(time, Line::Gone(Gone { pid, start, time }))
    }

    pub fn sample(&mut self, time: u64, busy: u64, io_wait: u64, memory: u64) -> &mut Self {
        let sample = Sample {
            time,
            busy,
            io_wait,
            memory,
        };
        self.line_at(time, Line::Sample(sample))
    }

    /// Adds a loss at the latest time.
    pub fn lost(&mut self, count: u64) -> &mut Self {
        let time = self.last;
        self.line(Line::Lost(Lost { time, count }))
    }

    /// Adds the names of the user and of the cgroup.
    pub fn names(&mut self, user: impl Into<Text>, cgroup: impl Into<Text>) -> &mut Self {
        let (name, path) = (user.into(), cgroup.into());
        self.line(Line::User(User { uid: UID, name }))
            .line(Line::Cgroup(Cgroup { id: CGROUP, path }))
    }

    /// Returns the run, as it is read from a file.
    pub fn run(&self) -> Run {
        let end = End {
            time: self.last,
            status: None,
        };
        let end = self.is_ended.then_some(Line::End(end));
        // Not compressed, which takes long for very many lines.
        let header = Line::Header(self.header.clone());
        let mut bytes = Vec::new();
        for line in [&header].into_iter().chain(&self.lines).chain(&end) {
            serde_json::to_writer(&mut bytes, line).unwrap();
            bytes.push(b'\n');
        }
        let lines = Lines::new(Box::new(Cursor::new(bytes))).unwrap();
        Run::from_lines(lines).unwrap()
    }
}
