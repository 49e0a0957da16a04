// SPDX-License-Identifier: GPL-2.0

//! Runs made by hand, for tests.

use std::collections::HashMap;
use std::io::Cursor;

use crate::{
    Exec, Exit, Header, Line, Lines, Run, Sample, Selection, Started, Text, VERSION, Writer,
};

/// The lines of a recording. Processes are named by their PIDs alone: the last one of each is
/// meant.
pub struct Script {
    header: Header,
    lines: Vec<Line>,
    starts: HashMap<i32, u64>,
}

impl Script {
    pub fn new(time: u64) -> Self {
        let header = Header {
            version: VERSION,
            time,
            wall_time: 0,
            boot_id: None,
            host: Text::from("box"),
            kernel: Text::from("7.3"),
            cpus: 4,
            memory: 1 << 30,
            selection: Selection::System,
        };
        Self {
            header,
            lines: Vec::new(),
            starts: HashMap::new(),
        }
    }

    pub fn selection(mut self, selection: Selection) -> Self {
        self.header.selection = selection;
        self
    }

    pub fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    /// Adds a process with the name `fork`.
    pub fn process(self, pid: i32, start: u64, ppid: i32) -> Self {
        self.start(pid, start, ppid, false)
    }

    /// Adds a process that is older than the recording.
    pub fn older(self, pid: i32, start: u64, ppid: i32) -> Self {
        self.start(pid, start, ppid, true)
    }

    fn start(mut self, pid: i32, start: u64, ppid: i32, is_older: bool) -> Self {
        let parent_start = self.starts.get(&ppid).copied();
        self.starts.insert(pid, start);
        self.line(Line::Process(Started {
            pid,
            start,
            ppid,
            parent_start,
            comm: Text::from("fork"),
            uid: 0,
            cgroup_id: 1,
            is_older,
        }))
    }

    /// Adds the execution of a program, whose name is the first argument, in `/src`.
    pub fn exec(self, pid: i32, time: Option<u64>, args: &[&str]) -> Self {
        let start = self.starts[&pid];
        self.line(Line::Exec(Exec {
            pid,
            start,
            time,
            file: None,
            args: Some(args.iter().map(|arg| Text::from(*arg)).collect()),
            is_cut: false,
            directory: Some(Text::from("/src")),
            comm: Text::from(args[0]),
            euid: 0,
        }))
    }

    /// Adds an end, with the PID as microseconds of CPU time, as MiB of memory, as the number of
    /// page faults, and ten and a hundred times the PID as bytes of I/O.
    pub fn exit(self, pid: i32, time: u64, status: i32) -> Self {
        let start = self.starts[&pid];
        let number = u64::from(pid.unsigned_abs());
        self.line(Line::Exit(Exit {
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
        }))
    }

    pub fn sample(self, time: u64, busy: u64) -> Self {
        self.line(Line::Sample(Sample {
            time,
            busy,
            io_wait: 0,
            memory: 0,
        }))
    }

    /// Returns the run, as it is read from a file.
    pub fn run(self) -> Run {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.write(&Line::Header(self.header)).unwrap();
        for line in &self.lines {
            writer.write(line).unwrap();
        }
        writer.flush().unwrap();
        let lines = Lines::new(Box::new(Cursor::new(bytes))).unwrap();
        Run::from_lines(lines).unwrap()
    }
}
