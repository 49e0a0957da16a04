// SPDX-License-Identifier: GPL-2.0

//! The output of the command: text for people, and JSON.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::str;

use procmon::names::whole_name;
use procmon::{Process, sysfs};
use serde::Serialize;

use crate::clock::{self, Clock, Moment};
use crate::table::document::base64;
use crate::text::{printable, printable_lines};

/// Prints a message to standard error. If that cannot be written, the exit status has to do.
pub fn complain(message: impl Display) {
    let message = printable_lines(message.to_string().as_bytes());
    let _ = writeln!(io::stderr(), "procmonctl: {message}");
}

/// Standard output, in the form that the user asked for.
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result, either as one line of JSON or as its text.
    pub fn print<T: Serialize + Display>(&self, result: &T) -> anyhow::Result<()> {
        if self.json {
            self.raw_line(&serde_json::to_string(result)?)
        } else {
            self.text(result)
        }
    }

    /// Prints a result only as JSON: for people, its success is enough.
    pub fn print_json<T: Serialize>(&self, result: &T) -> anyhow::Result<()> {
        if self.json {
            self.raw_line(&serde_json::to_string(result)?)
        } else {
            Ok(())
        }
    }

    /// Prints lines for people.
    pub fn text(&self, text: &impl Display) -> anyhow::Result<()> {
        self.raw_line(&text.to_string())
    }

    /// Prints lines with styles, which are left out where they are not understood or not wanted.
    pub fn styled(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// Prints bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    fn raw_line(&self, line: &str) -> anyhow::Result<()> {
        self.bytes(format!("{line}\n").as_bytes())
    }
}

#[derive(Debug, Serialize)]
pub struct Stats {
    opens: u64,
    reads: u64,
    writes: u64,
    ioctls: u64,
    per_cpu_ops: u64,
    filter_pid: Option<i32>,
}

impl From<sysfs::Stats> for Stats {
    fn from(stats: sysfs::Stats) -> Self {
        let sysfs::Stats {
            totals,
            per_cpu_ops,
            ..
        } = stats;
        let procmon::Stats {
            opens,
            reads,
            writes,
            ioctls,
            filter,
            ..
        } = totals;
        Self {
            opens,
            reads,
            writes,
            ioctls,
            per_cpu_ops,
            filter_pid: filter,
        }
    }
}

impl Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            opens,
            reads,
            writes,
            ioctls,
            per_cpu_ops,
            filter_pid,
        } = self;
        writeln!(
            f,
            "opens: {opens}\nreads: {reads}\nwrites: {writes}\nioctls: {ioctls}"
        )?;
        write!(
            f,
            "per_cpu_ops: {per_cpu_ops}\nfilter_pid: {}",
            filter_text(*filter_pid)
        )
    }
}

fn filter_text(filter: Option<i32>) -> String {
    filter.map_or_else(|| "off".to_owned(), |pid| pid.to_string())
}

#[derive(Debug, Serialize)]
pub struct Watch {
    #[serde(flatten)]
    pub stats: Stats,
    pub buffer_size: u32,
    pub samples: u64,
    pub processes: u64,
    pub threads: u64,
    pub running: u64,
    pub uninterruptible: u64,
    pub zombies: u64,
    pub forks: u64,
    /// When this was read.
    #[serde(flatten)]
    pub time: Time,
}

/// A moment, as JSON gives it.
#[derive(Debug, Serialize)]
pub struct Time {
    /// Nanoseconds since boot.
    time: u64,
    /// The same by the clock on the wall.
    wall_time: Moment,
    boot_id: Option<String>,
}

impl Time {
    pub fn now() -> Self {
        let since_boot = clock::since_boot();
        Self {
            time: u64::try_from(since_boot.as_nanos()).unwrap_or(u64::MAX),
            wall_time: Clock::read().at(since_boot),
            boot_id: clock::boot_id(),
        }
    }
}

impl Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stats,
            buffer_size,
            samples,
            processes,
            threads,
            running,
            uninterruptible,
            zombies,
            forks,
            time: _,
        } = self;
        writeln!(f, "{stats}\nbuffer_size: {buffer_size}\nsamples: {samples}")?;
        writeln!(
            f,
            "processes: {processes}\nthreads: {threads}\nrunning: {running}"
        )?;
        write!(
            f,
            "uninterruptible: {uninterruptible}\nzombies: {zombies}\nforks: {forks}"
        )
    }
}

#[derive(Debug, Serialize)]
pub struct Count {
    pub count: usize,
}

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.count.fmt(f)
    }
}

#[derive(Debug, Serialize)]
pub struct Message {
    length: usize,
    text: Option<String>,
    base64: String,
}

impl Message {
    pub fn new(message: &[u8]) -> Self {
        Self {
            length: message.len(),
            text: str::from_utf8(message).ok().map(str::to_owned),
            base64: base64(message),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct Written {
    pub length: usize,
    pub written: usize,
}

#[derive(Debug, Serialize)]
pub struct Filter {
    pub filter_pid: Option<i32>,
}

impl Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&filter_text(self.filter_pid))
    }
}

#[derive(Debug, Serialize)]
pub struct Reset {
    pub reset: bool,
}

/// A process, or the PID of none.
#[derive(Debug, Serialize)]
pub struct Query {
    pid: i32,
    found: bool,
    comm: Option<String>,
    comm_base64: Option<String>,
    state: Option<char>,
    state_name: Option<String>,
    vsize: Option<u64>,
    #[serde(skip)]
    text: String,
}

impl Query {
    pub fn found(process: &Process) -> Self {
        // Only names of kernel threads are longer than what the device gives.
        let comm = whole_name(process.pid, &process.comm);
        let comm = comm.as_bytes();
        let Process {
            pid, state, vsize, ..
        } = *process;
        Self {
            pid,
            found: true,
            comm: str::from_utf8(comm).ok().map(str::to_owned),
            comm_base64: Some(base64(comm)),
            state: Some(state.letter()),
            state_name: Some(state.to_string()),
            vsize: Some(vsize),
            text: format!(
                "PID {pid}: comm={}, state={} ({state}), vsize={vsize}",
                printable(comm),
                state.letter()
            ),
        }
    }

    pub fn missing(pid: i32) -> Self {
        Self {
            pid,
            found: false,
            comm: None,
            comm_base64: None,
            state: None,
            state_name: None,
            vsize: None,
            text: format!("PID {pid}: no such process"),
        }
    }
}

impl Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use procmon::State;
    use serde_json::json;

    use super::*;

    fn stats_of_sysfs(filter_pid: i32) -> Stats {
        let text = format!(
            "opens: 1\nreads: 2\nwrites: 3\nioctls: 4\nper_cpu_ops: 10\nfilter_pid: {filter_pid}\n"
        );
        text.parse::<sysfs::Stats>().unwrap().into()
    }

    #[test]
    fn json_is_as_documented() {
        let stats = || stats_of_sysfs(0);
        let expected = json!({
            "opens": 1, "reads": 2, "writes": 3, "ioctls": 4, "per_cpu_ops": 10, "filter_pid": null,
        });
        assert_eq!(serde_json::to_value(stats()).unwrap(), expected);

        let watch = Watch {
            stats: stats(),
            buffer_size: 1024,
            samples: 5,
            processes: 6,
            threads: 7,
            running: 8,
            uninterruptible: 9,
            zombies: 10,
            forks: 11,
            time: Time::now(),
        };
        let watch = serde_json::to_value(watch).unwrap();
        assert_eq!(watch["opens"], 1);
        assert_eq!(watch["running"], 8);
        assert_eq!(watch["forks"], 11);
        assert!(watch["time"].is_u64() && watch["wall_time"].is_string());
        assert_eq!(watch.as_object().unwrap().len(), 17);

        let message = serde_json::to_value(Message::new(b"hi\n")).unwrap();
        assert_eq!(
            message,
            json!({"length": 3, "text": "hi\n", "base64": "aGkK"})
        );
        let message = serde_json::to_value(Message::new(b"\xff")).unwrap();
        assert_eq!(
            message,
            json!({"length": 1, "text": null, "base64": "/w=="})
        );
    }

    #[test]
    fn a_process_keeps_every_byte_of_its_name() {
        let comm = std::ffi::OsString::from_vec(b"\xffx".to_vec());
        let process = Process::new(7, comm, State::Zombie, 0);
        let query = Query::found(&process);
        assert_eq!(
            query.to_string(),
            "PID 7: comm=\\xffx, state=Z (zombie), vsize=0"
        );
        let expected = json!({
            "pid": 7, "found": true, "comm": null, "comm_base64": "/3g=",
            "state": "Z", "state_name": "zombie", "vsize": 0,
        });
        assert_eq!(serde_json::to_value(query).unwrap(), expected);
        let missing = serde_json::to_value(Query::missing(9)).unwrap();
        assert_eq!(
            (&missing["found"], &missing["comm"]),
            (&json!(false), &json!(null))
        );
    }

    #[test]
    fn text_is_that_of_sysfs() {
        let text = stats_of_sysfs(5).to_string();
        let expected = "opens: 1\nreads: 2\nwrites: 3\nioctls: 4\nper_cpu_ops: 10\nfilter_pid: 5";
        assert_eq!(text, expected);
    }
}
