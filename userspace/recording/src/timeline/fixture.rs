// SPDX-License-Identifier: GPL-2.0

//! Synthetic recordings.

use std::io::Cursor;
use std::sync::LazyLock;

use crate::line::Process as Start;
use crate::{
    Cgroup, End, Exec, Exit, Gone, Header, Line, Lines, Lost, Run, Sample, Selection, Text, User,
    VERSION,
};

/// A build with 50,000 processes, which takes some time to make.
pub static LARGE: LazyLock<Run> = LazyLock::new(|| build(8, 50_000).run());

/// Names that would be more than text if they were not escaped.
pub const HOSTILE: [&[u8]; 8] = [
    b"</script><script>alert(1)</script>",
    b"]]><script>alert(2)</script><![CDATA[",
    b"<!--<script>",
    b"\" onload=\"alert(3)",
    b"&lt;&#0;&nbsp;",
    b"\x01\x0c\x1b[2J\x7f\r\n",
    b"\xff\xfe\xed\xa0\x80",
    b"\xe2\x80\xa8\xe2\x80\xae\xef\xbf\xbf\\u003c",
];

/// Returns a recording with [`HOSTILE`] in the place of each text.
pub fn hostile() -> Recording {
    let mut recording = Recording::new();
    for (pid, name) in (1..).zip(HOSTILE) {
        recording.begin(pid, 100 * pid as u64, 0, name);
        recording.exec(pid, 100 * pid as u64, 1000, &HOSTILE);
        recording.exec(pid, 100 * pid as u64, 1100, &[name, b"arg"]);
        recording.exit(pid, 100 * pid as u64, 2000 + pid as u64, 9, 1000);
    }
    let text = Text::from(&HOSTILE.concat());
    if let Some(Line::Header(header)) = recording.lines.first_mut() {
        header.host = text.clone();
        header.kernel = text.clone();
        header.selection = Selection::Command {
            args: HOSTILE.map(Text::from).into(),
            pid: 1,
        };
    }
    let (name, path) = (text.clone(), text);
    recording.lines.push(Line::User(User { uid: 1000, name }));
    recording.lines.push(Line::Cgroup(Cgroup { id: 3, path }));
    recording
}

/// A recording in the making, of four CPUs, from the time 100 on.
pub struct Recording {
    lines: Vec<Line>,
    last: u64,
    is_cut: bool,
}

impl Recording {
    pub fn new() -> Self {
        let header = Header {
            version: VERSION,
            time: 100,
            wall_time: 1_700_000_000_000_000_000,
            boot_id: None,
            host: Text::from("box"),
            kernel: Text::from("7.3"),
            cpus: 4,
            memory: 8 << 30,
            selection: Selection::Command {
                args: ["make", "-j4"].map(Text::from).into(),
                pid: 1,
            },
        };
        Self {
            lines: vec![Line::Header(header)],
            last: 100,
            is_cut: false,
        }
    }

    /// Adds a process that executes nothing, uses no CPU and succeeds.
    pub fn process(&mut self, pid: i32, start: u64, ppid: i32, name: &str, end: u64) {
        self.begin(pid, start, ppid, name);
        self.exit(pid, start, end, 0, 0);
    }

    pub fn begin(&mut self, pid: i32, start: u64, ppid: i32, name: &(impl AsRef<[u8]> + ?Sized)) {
        self.start(pid, start, ppid, Text::from(name), false);
    }

    pub fn older(&mut self, pid: i32, start: u64, name: &str) {
        self.start(pid, start, 0, Text::from(name), true);
    }

    fn start(&mut self, pid: i32, start: u64, ppid: i32, comm: Text, is_older: bool) {
        self.last = self.last.max(start);
        self.lines.push(Line::Process(Start {
            pid,
            start,
            ppid,
            parent_start: None,
            comm,
            uid: 1000,
            cgroup_id: 3,
            is_older,
        }));
    }

    pub fn exec<T: AsRef<[u8]>>(&mut self, pid: i32, start: u64, time: u64, args: &[T]) {
        let args: Vec<_> = args.iter().map(Text::from).collect();
        self.lines.push(Line::Exec(Exec {
            pid,
            start,
            time: Some(time),
            file: None,
            comm: args[0].clone(),
            args: Some(args),
            is_cut: false,
            directory: Some(Text::from("/src")),
            euid: 1000,
        }));
    }

    /// Adds the end of a process. A third of its time is the system's.
    pub fn exit(&mut self, pid: i32, start: u64, time: u64, status: i32, cpu_time: u64) {
        self.last = self.last.max(time);
        self.lines.push(Line::Exit(Exit {
            pid,
            start,
            time,
            status: Some(status),
            utime: cpu_time - cpu_time / 3,
            stime: cpu_time / 3,
            runtime: cpu_time,
            wait_time: 0,
            minor_faults: 0,
            major_faults: 0,
            voluntary_switches: 0,
            involuntary_switches: 0,
            max_rss: 5 << 20,
            read_bytes: Some(4096),
            write_bytes: None,
        }));
    }

    pub fn sample(&mut self, time: u64, busy: u64, io_wait: u64, memory: u64) {
        self.last = self.last.max(time);
        self.lines.push(Line::Sample(Sample {
            time,
            busy,
            io_wait,
            memory,
        }));
    }

    pub fn lost(&mut self, count: u64) {
        let time = self.last;
        self.lines.push(Line::Lost(Lost { time, count }));
    }

    pub fn names(&mut self, user: &str, cgroup: &str) {
        let (name, path) = (Text::from(user), Text::from(cgroup));
        self.lines.push(Line::User(User { uid: 1000, name }));
        self.lines.push(Line::Cgroup(Cgroup { id: 3, path }));
    }

    pub fn gone(&mut self, pid: i32, start: u64, time: u64) {
        self.last = self.last.max(time);
        self.lines.push(Line::Gone(Gone { pid, start, time }));
    }

    /// Leaves out the last line.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    pub fn run(&self) -> Run {
        let end = End {
            time: self.last,
            status: None,
        };
        let end = (!self.is_cut).then_some(Line::End(end));
        let mut bytes = Vec::new();
        for line in self.lines.iter().chain(&end) {
            serde_json::to_writer(&mut bytes, line).unwrap();
            bytes.push(b'\n');
        }
        Run::from_lines(Lines::new(Box::new(Cursor::new(bytes))).unwrap()).unwrap()
    }
}

/// Returns a recording of a build by `jobs` jobs at a time with `processes` processes or a few
/// more. Every 100th job fails. Times are from 1 to about 100 ms, and PIDs are used again.
pub fn build(jobs: u64, processes: usize) -> Recording {
    let mut recording = Recording::new();
    let ms = 1_000_000;
    recording.names("søren", "/user.slice");
    recording.begin(1, 200, 0, "sh");
    recording.exec(1, 200, 300, &["make", "-j4"]);
    let mut free = vec![ms; jobs.try_into().unwrap()];
    let mut count = 1;
    let mut busy = 0;
    while count < processes {
        let job = count / 4;
        let slot = (0..free.len()).min_by_key(|&slot| free[slot]).unwrap();
        let begin = free[slot];
        let length = 4 * ms + (job * 7919 % 97) as u64 * ms;
        let pid = 2 + 4 * (job % 8000) as i32;
        let status = if job % 100 == 99 { 256 } else { 0 };
        recording.begin(pid, begin, 1, "make");
        recording.exec(pid, begin, begin + ms / 2, &["sh", "-c", "gcc -c x.c"]);
        recording.begin(pid + 1, begin + ms, pid, "sh");
        recording.exec(
            pid + 1,
            begin + ms,
            begin + ms + 1000,
            &["gcc", "-c", "x.c"],
        );
        for (number, name) in [(2, "cc1"), (3, "as")] {
            let start = begin + ms + number * length / 5;
            let pid = pid + number as i32;
            recording.begin(pid, start, pid - number as i32 + 1, "gcc");
            recording.exec(pid, start, start + 1000, &[name, "x.c"]);
            recording.exit(pid, start, start + length / 5, 0, length / 5 / 1000 * 1000);
        }
        recording.exit(pid + 1, begin + ms, begin + length, status, ms);
        recording.exit(pid, begin, begin + length + ms / 2, status, ms);
        free[slot] = begin + length + ms;
        busy += length;
        if job % 5 == 0 {
            let memory = (1 << 30) + (job as u64 * 37 % 100) * (20 << 20);
            recording.sample(begin + length, busy, job as u64 * ms, memory);
        }
        count += 4;
    }
    let end = free.iter().max().unwrap() + 10 * ms;
    recording.exit(1, 200, end, 512, 2 * ms);
    recording
}
