// SPDX-License-Identifier: GPL-2.0

//! Measuring the cost of looking at many processes. This runs in a guest that does nothing else,
//! and in which an instruction is a tick of the time stamp counter.

use std::ffi::CString;
use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::pty::{ForkptyResult, Winsize, forkpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, execvp, fork, pause};
use procmon::snapshot::Groups;
use procmon::sysfs::{self, Parameter};
use procmon::{Device, Snapshot, SnapshotOptions};
use serde::{Deserialize, Serialize};

use crate::cpu::pin;
use crate::measure::{Cost, Unit, calibrate};

/// The number of rounds of each measurement.
const ROUNDS: usize = 7;

/// The number of processes that most targets are for.
const USUAL: usize = 2000;

/// The size of a record of the BPF iterator, in bytes.
const ENTRY: usize = 104;

/// The results of a run, in instructions.
#[derive(Serialize, Deserialize)]
pub struct Processes {
    pub kernel: String,
    pub calibration: [f64; 2],
    /// The results for each number of sleeping processes.
    pub counts: Vec<Count>,
}

/// The results with one number of processes. Those of `some`, `all`, `proc` and `bpf` are per
/// process.
#[derive(Serialize, Deserialize)]
pub struct Count {
    pub processes: usize,
    /// A snapshot of the groups with the fields that `proc` and `bpf` have as well.
    pub some: Cost,
    /// A snapshot of all groups.
    pub all: Cost,
    /// Opening, reading and closing /proc/PID/stat for each entry of /proc.
    pub proc: Option<Cost>,
    /// Reading the output of the BPF iterator.
    pub bpf: Option<Cost>,
    /// The number of system calls that a snapshot took.
    pub calls: usize,
    /// One sample of the monitor.
    pub tick: Option<Cost>,
    /// Programs that show processes on a terminal, with the instructions that they execute in a
    /// second.
    #[serde(default)]
    pub viewers: Vec<(String, Cost)>,
}

/// Returns the groups with the fields of the BPF iterator.
fn same_groups() -> Groups {
    Groups::BASIC | Groups::CPU | Groups::CREDENTIALS | Groups::FAULTS | Groups::MEMORY
}

impl Processes {
    /// Measures with each number of processes in `counts`. `iterator` is the file that the BPF
    /// iterator is pinned to, and `viewers` are programs that show processes.
    pub fn measure(
        counts: &[usize],
        idle: u64,
        iterator: Option<&Path>,
        viewers: &[String],
    ) -> Result<Self> {
        pin(0)?;
        sleep(Duration::from_secs(idle));
        let before = calibrate(Unit::Instructions)?.context("no calibration")?;
        let mut measured = Vec::new();
        let mut children = Vec::new();
        for &count in counts {
            while children.len() < count {
                children.push(sleeper()?);
            }
            // Starting them has deferred some work.
            sleep(Duration::from_secs(idle));
            let mut with_count = Count::measure(count, iterator)?;
            if count == USUAL {
                for viewer in viewers {
                    let cost = watch(viewer).with_context(|| viewer.clone())?;
                    with_count.viewers.push((viewer.clone(), cost));
                }
            }
            measured.push(with_count);
        }
        let after = calibrate(Unit::Instructions)?.context("no calibration")?;
        for &child in &children {
            kill(child, Signal::SIGKILL)?;
        }
        for child in children {
            waitpid(child, None)?;
        }
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        Ok(Self {
            kernel: kernel.trim_end().to_owned(),
            calibration: [before, after],
            counts: measured,
        })
    }
}

/// Starts a process that does nothing.
fn sleeper() -> Result<Pid> {
    // SAFETY: There is but one thread.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => loop {
            pause();
        },
    }
}

impl Count {
    fn measure(started: usize, iterator: Option<&Path>) -> Result<Self> {
        let device = Device::open()?;
        let mut snapshot = Snapshot::default();
        let mut take = |groups| {
            let options = SnapshotOptions::new().groups(groups);
            let mut found = 0;
            let cost = per_process(|| {
                device.snapshot_into(&options, &mut snapshot)?;
                found = snapshot.records().len();
                Ok(found)
            })?;
            ensure!(found > started, "only {found} of {started} processes");
            Ok(cost)
        };
        let some = take(same_groups())?;
        let all = take(Groups::all())?;
        let few = started <= USUAL;
        Ok(Self {
            processes: started,
            some,
            all,
            proc: few.then(|| per_process(scan_proc)).transpose()?,
            bpf: iterator
                .filter(|_| few)
                .map(|path| per_process(|| read_iterator(path)))
                .transpose()?,
            calls: calls(&device)?,
            tick: few.then(tick).transpose()?,
            viewers: Vec::new(),
        })
    }
}

/// Measures the cost of `work` for each of the processes whose number it returns.
fn per_process(mut work: impl FnMut() -> Result<usize>) -> Result<Cost> {
    // The first round allocates all memory, and does not count.
    work()?;
    let rounds: Result<Vec<f64>> = (0..ROUNDS)
        .map(|_| {
            let start = Unit::Instructions.now()?;
            let processes = work()?;
            let end = Unit::Instructions.now()?;
            Ok((end - start) as f64 / processes as f64)
        })
        .collect();
    Ok(Cost::of(rounds?))
}

/// Reads /proc/PID/stat of all processes, as programs without procmon do.
fn scan_proc() -> Result<usize> {
    let mut processes = 0;
    let mut text = [0; 1024];
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let is_process = name
            .to_str()
            .is_some_and(|name| name.parse::<u32>().is_ok());
        if !is_process {
            continue;
        }
        match File::open(Path::new("/proc").join(name).join("stat")) {
            Ok(mut file) => {
                ensure!(file.read(&mut text)? > 0, "an empty file");
                processes += 1;
            }
            // The process may have ended.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(processes)
}

fn read_iterator(path: &Path) -> Result<usize> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => bytes += read,
        }
    }
    ensure!(
        bytes % ENTRY == 0 && bytes > 0,
        "{bytes} bytes are no records"
    );
    Ok(bytes / ENTRY)
}

/// Returns the number of system calls that a snapshot takes, by the device's own count.
fn calls(device: &Device) -> Result<usize> {
    let before = sysfs::stats()?.totals.ioctls;
    device.snapshot(&SnapshotOptions::new().groups(Groups::all()))?;
    let after = sysfs::stats()?.totals.ioctls;
    Ok(usize::try_from(after - before)?)
}

/// Measures the cost of a sample of the monitor, by the run time of its thread.
fn tick() -> Result<Cost> {
    const TURNS: u64 = 20;

    let interval = Parameter::MonitorIntervalMs.get()?;
    Parameter::MonitorIntervalMs.set(50)?;
    let thread = fs::read_dir("/proc")?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm == "procmon_monitor\n")
        })
        .context("there is no monitor")?;
    let state = || -> Result<(u64, u64)> {
        let text = fs::read_to_string(thread.join("schedstat"))?;
        let time = text.split_ascii_whitespace().next().context("no time")?;
        Ok((time.parse()?, sysfs::monitor()?.samples))
    };
    let rounds: Result<Vec<f64>> = (0..3)
        .map(|_| {
            let (time, samples) = state()?;
            loop {
                sleep(Duration::from_millis(200));
                let (time_now, samples_now) = state()?;
                if samples_now >= samples + TURNS {
                    let turns = samples_now - samples;
                    return Ok((time_now - time) as f64 / turns as f64);
                }
            }
        })
        .collect();
    Parameter::MonitorIntervalMs.set(interval)?;
    Ok(Cost::of(rounds?))
}

/// Measures the instructions that a program executes in a second while it shows processes on a
/// terminal: its run time, as an instruction is a nanosecond in this guest.
fn watch(command: &str) -> Result<Cost> {
    const SIZE: Winsize = Winsize {
        ws_row: 40,
        ws_col: 120,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    const SECONDS: u64 = 5;

    let arguments: Result<Vec<_>, _> = command.split(' ').map(CString::new).collect();
    let arguments = arguments?;
    let program = arguments.first().context("there is no program")?;
    // SAFETY: There is but one thread here. The new process does nothing but system calls.
    let (child, mut terminal) = match unsafe { forkpty(&SIZE, None) }? {
        ForkptyResult::Parent { child, master } => (child, File::from(master)),
        ForkptyResult::Child => {
            let _ = execvp(program, &arguments);
            // SAFETY: Nothing has to be done before.
            unsafe { libc::_exit(127) }
        }
    };
    // The output has to be read, or else the program waits. After its end reading fails.
    let reader = thread::spawn(move || {
        let mut bytes = [0; 4096];
        let mut shown = 0;
        while let Ok(read @ 1..) = terminal.read(&mut bytes) {
            shown += read;
        }
        shown
    });
    let time = || -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{child}/schedstat"))?;
        Ok(text
            .split_ascii_whitespace()
            .next()
            .context("no time")?
            .parse()?)
    };
    // The start takes more.
    sleep(Duration::from_secs(SECONDS));
    let rounds: Result<Vec<f64>> = (0..3)
        .map(|_| {
            let before = time()?;
            sleep(Duration::from_secs(SECONDS));
            Ok((time()? - before) / SECONDS as f64)
        })
        .collect();
    kill(child, Signal::SIGKILL)?;
    waitpid(child, None)?;
    let shown = reader
        .join()
        .map_err(|_| anyhow!("the reader has panicked"))?;
    ensure!(shown > 1000, "it has shown nothing");
    Ok(Cost::of(rounds?))
}

/// A line of the table.
struct Line {
    name: &'static str,
    /// A number of processes, and the largest value with it.
    target: Option<(usize, f64)>,
    value: fn(&Count) -> Option<f64>,
}

const LINES: [Line; 6] = [
    Line {
        name: "snapshot, fields as by BPF",
        target: Some((USUAL, 260.0)),
        value: |count| Some(count.some.median),
    },
    Line {
        name: "snapshot, all groups",
        target: Some((USUAL, 550.0)),
        value: |count| Some(count.all.median),
    },
    Line {
        name: "BPF task iterator",
        target: None,
        value: |count| Some(count.bpf?.median),
    },
    Line {
        name: "/proc/PID/stat",
        target: None,
        value: |count| Some(count.proc?.median),
    },
    Line {
        name: "system calls for all",
        target: Some((10_000, 3.0)),
        value: |count| Some(count.calls as f64),
    },
    Line {
        name: "turn of the monitor",
        target: Some((USUAL, 100_000.0)),
        value: |count| Some(count.tick?.median),
    },
];

/// The largest growth of the cost per process, from the first number of processes to the last one.
const GROWTH: f64 = 0.1;

impl Processes {
    /// Returns the rows of the baseline: those of procmon with 2000 processes.
    pub fn baseline(&self) -> impl Iterator<Item = (String, u64)> {
        let count = self.counts.iter().find(|count| count.processes == USUAL);
        count.into_iter().flat_map(|count| {
            let ours = LINES.iter().filter(|line| line.target.is_some());
            ours.filter_map(|line| {
                let value = (line.value)(count)?.round() as u64;
                Some((format!("{USUAL} processes: {}", line.name), value))
            })
        })
    }
}

impl fmt::Display for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nInstructions for each process, and a turn of the monitor"
        )?;
        write!(f, "\n{:28}", "sleeping processes")?;
        for count in &self.counts {
            write!(f, "{:>9}", count.processes)?;
        }
        writeln!(f, "  target")?;
        for line in &LINES {
            write!(f, "{:28}", line.name)?;
            for count in &self.counts {
                match (line.value)(count) {
                    Some(value) => write!(f, "{value:>9.0}")?,
                    None => write!(f, "{:>9}", "-")?,
                }
            }
            let measured = line.target.and_then(|(processes, target)| {
                let count = self
                    .counts
                    .iter()
                    .find(|count| count.processes == processes)?;
                Some(((line.value)(count)?, target))
            });
            match measured {
                Some((value, target)) if value <= target => writeln!(f, "  {target:.0} ok")?,
                Some((value, target)) => writeln!(f, "  {target:.0} {:+.0}", value - target)?,
                None => writeln!(f)?,
            }
        }
        if let [first, .., last] = &self.counts[..] {
            let growth = last.some.median / first.some.median - 1.0;
            let verdict = if growth.abs() <= GROWTH {
                "ok"
            } else {
                "too much"
            };
            writeln!(
                f,
                "from {} to {}: {:+.1} % for each, {verdict}",
                first.processes,
                last.processes,
                growth * 100.0,
            )?;
        }
        let viewers = self.counts.iter().flat_map(|count| &count.viewers);
        for (index, (name, cost)) in viewers.enumerate() {
            if index == 0 {
                writeln!(
                    f,
                    "\nShowing {USUAL} processes once a second, in percent of a CPU that executes \
                     10^9 instructions a second\n"
                )?;
            }
            writeln!(f, "{name:28}{:>9.2}", cost.median / 1e7)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processes() -> Processes {
        let cost = |median| Cost {
            median,
            lower: median,
            upper: median,
        };
        let count = |processes, some| Count {
            processes,
            some: cost(some),
            all: cost(600.0),
            proc: (processes == 2000).then(|| cost(20_000.0)),
            bpf: None,
            calls: 2,
            tick: Some(cost(90_000.4)),
            viewers: vec![("top".to_owned(), cost(4_200_000.0))],
        };
        Processes {
            kernel: "1.2.3".to_owned(),
            calibration: [1.0, 1.0],
            counts: vec![count(1000, 240.0), count(2000, 250.0), count(20_000, 270.0)],
        }
    }

    #[test]
    fn the_table_shows_missed_targets() {
        let text = processes().to_string();
        let line = |name| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(
            line("snapshot, fields").ends_with("240      250      270  260 ok"),
            "{text}"
        );
        assert!(line("snapshot, all").ends_with("600  550 +50"), "{text}");
        assert!(line("/proc").ends_with("-    20000        -"), "{text}");
        assert_eq!(
            line("from 1000 to 20000"),
            "from 1000 to 20000: +12.5 % for each, too much"
        );
        assert!(line("top ").ends_with(" 0.42"), "{text}");
    }

    #[test]
    fn the_baseline_has_the_rows_of_procmon() {
        let rows: Vec<_> = processes().baseline().collect();
        assert_eq!(rows.len(), 4);
        assert_eq!(
            rows[0],
            ("2000 processes: snapshot, fields as by BPF".to_owned(), 250)
        );
        assert_eq!(rows[3].1, 90_000);
    }

    #[test]
    fn proc_has_processes() {
        assert!(scan_proc().unwrap() > 0);
    }
}
