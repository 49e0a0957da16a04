// SPDX-License-Identifier: GPL-2.0-only

//! `procmonctl export`: metrics against `/proc` and wait4(2), and over HTTP.

mod groups;
mod http;
mod sums;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fixture::command::PROGRAM;
use fixture::eventually;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{ForkResult, Pid, fork, pipe, read};

const SOCKET: &str = "/tmp/export.sock";

/// The command, which answers requests at a socket.
struct Exporter(Child);

impl Exporter {
    /// Starts the command. Its counters begin before this returns.
    fn start(options: &[&str]) -> Self {
        let listen = format!("unix:{SOCKET}");
        let _ = std::fs::remove_file(SOCKET);
        let mut child = Command::new(PROGRAM)
            .args(["export", "--listen", &listen])
            .args(options)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        eventually("the exporter listens", || {
            assert_eq!(child.try_wait().unwrap(), None, "it has ended");
            UnixStream::connect(SOCKET).is_ok()
        });
        let exporter = Self(child);
        exporter.scrape();
        exporter
    }

    fn scrape(&self) -> Metrics {
        let (head, body) = request("GET /metrics HTTP/1.1\r\nHost: x\r\n");
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        Metrics::parse(&body)
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        kill(pid, signal).unwrap();
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Sends a request with these lines, and returns the head and the body of the answer.
fn request(lines: &str) -> (String, String) {
    let mut stream = UnixStream::connect(SOCKET).unwrap();
    let request = format!("{lines}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

/// Samples, by their names and labels as in the text.
#[derive(Debug)]
struct Metrics(HashMap<String, f64>);

impl Metrics {
    fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        Self(samples.collect())
    }

    /// Returns a sample, if there is one.
    fn find(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    fn get(&self, name: &str) -> f64 {
        self.find(name)
            .unwrap_or_else(|| panic!("{name}: {self:#?}"))
    }

    /// Returns a sample of a group with further labels.
    fn of(&self, group: &str, name: &str, labels: &str) -> f64 {
        self.get(&format!(
            "procmon_group_{name}{{group=\"{group}\"{labels}}}"
        ))
    }

    /// Returns user and system time of a group.
    fn cpu(&self, group: &str) -> Duration {
        let modes = [",mode=\"user\"", ",mode=\"system\""];
        let times = modes.map(|mode| self.of(group, "cpu_seconds_total", mode));
        Duration::from_secs_f64(times[0] + times[1])
    }

    /// Returns the counters of this that are less than before.
    fn less_than(&self, before: &Self) -> Vec<&str> {
        let counters = before.0.iter().filter(|(name, _)| {
            let name = name.split('{').next();
            name.is_some_and(|name| name.ends_with("_total"))
        });
        let less = counters.filter(|(name, value)| self.0.get(*name).is_none_or(|now| now < value));
        less.filter_map(|(name, _)| self.0.get_key_value(name))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// The life of a process that has ended.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// The CPU time that it saw itself, just before its end.
    seen: Duration,
    /// User and system time by wait4(2), which has its end in it.
    cpu: Duration,
    minor_faults: u64,
}

/// Runs a process of this name that takes this much CPU time, and then calls a function before it
/// ends.
fn gnat(name: &std::ffi::CStr, cpu: Duration, last: impl FnOnce()) -> Life {
    let clock = || Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap());
    let (report, end) = pipe().unwrap();
    // SAFETY: The tests run one at a time, so that no other thread holds a lock which the child
    // would miss.
    let child = match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let _ = prctl::set_name(name);
            while clock() < cpu {}
            last();
            let seen = u64::try_from(clock().as_nanos()).unwrap_or(0);
            let _ = nix::unistd::write(&end, &seen.to_ne_bytes());
            // SAFETY: It is always safe to end.
            unsafe { libc::_exit(0) }
        }
    };
    let mut seen = [0; 8];
    assert_eq!(read(&report, &mut seen), Ok(8));
    // SAFETY: Zeroes are a value of it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: The call fills the structure, and needs no status.
    let waited = unsafe { libc::wait4(child.as_raw(), std::ptr::null_mut(), 0, &raw mut usage) };
    assert_eq!(Errno::result(waited), Ok(child.as_raw()));
    let time = |time: libc::timeval| {
        let micros = 1_000_000 * time.tv_sec + time.tv_usec;
        Duration::from_micros(u64::try_from(micros).unwrap())
    };
    Life {
        seen: Duration::from_nanos(u64::from_ne_bytes(seen)),
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        minor_faults: u64::try_from(usage.ru_minflt).unwrap(),
    }
}
