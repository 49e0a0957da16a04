// SPDX-License-Identifier: GPL-2.0-only

//! CPU usage of processes, over their lives and between two snapshots or samples.

use std::fmt;
use std::time::Duration;

use crate::snapshot::{Record, Snapshot};
use crate::time::BootTime;

/// The largest delay with which a thread's CPU time is counted: a tick of the slowest kernels.
const TICK: Duration = Duration::from_millis(10);

/// A CPU usage: 1.0 is one CPU all of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct CpuUsage(f64);

impl CpuUsage {
    /// Creates a usage from a number of CPUs.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn new(cpus: f64) -> Self {
        Self(cpus)
    }

    /// Returns the average number of CPUs used.
    #[must_use]
    pub fn cpus(self) -> f64 {
        self.0
    }

    /// Returns the usage in percent of one CPU.
    #[must_use]
    pub fn percent(self) -> f64 {
        self.0 * 100.0
    }

    /// Returns the usage of a process since its start.
    ///
    /// Needs [`Groups::CPU`](crate::Groups::CPU), and is more exact with
    /// [`Groups::RUNTIME`](crate::Groups::RUNTIME). `snapshot` is the one that has the record.
    #[must_use]
    pub fn of_life(record: &Record, snapshot: &Snapshot) -> Option<Self> {
        Window {
            begin: record.cpu()?.start,
            end: snapshot.time,
            latest_end: snapshot.end,
        }
        .usage(record.cpu_time()?, threads(record, snapshot.of_threads))
    }

    /// Returns the usage of a process between the moments of two records, such as those of two
    /// samples, or `None` if the records are of different processes.
    ///
    /// Needs [`Groups::CPU`](crate::Groups::CPU) in both.
    #[must_use]
    pub fn between(earlier: (&Record, BootTime), later: (&Record, BootTime)) -> Option<Self> {
        let ((before, begin), (after, end)) = (earlier, later);
        if identity(before)? != identity(after)? {
            return None;
        }
        let used = after.cpu_time()?.saturating_sub(before.cpu_time()?);
        Window {
            begin,
            end,
            latest_end: end,
        }
        .usage(used, threads(before, false).max(threads(after, false)))
    }
}

/// Percent of one CPU, with one decimal unless the format has another precision.
impl fmt::Display for CpuUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(1);
        f.pad_integral(true, "", &format!("{:.decimals$}", self.percent()))
    }
}

/// A meter of the CPU usage of all processes between one snapshot and the next.
///
/// ```no_run
/// use procmon::{CpuMeter, Device, Groups, SnapshotOptions};
///
/// # fn main() -> procmon::Result<()> {
/// let device = Device::open_read_only()?;
/// let options = SnapshotOptions::new().groups(Groups::CPU | Groups::RUNTIME);
/// let mut meter = CpuMeter::new();
/// meter.update(&device.snapshot(&options)?);
/// std::thread::sleep(std::time::Duration::from_secs(1));
/// let snapshot = device.snapshot(&options)?;
/// meter.update(&snapshot);
/// for (record, usage) in snapshot.iter().zip(meter.usages()) {
///     if let Some(usage) = usage {
///         println!("{} {usage} %", record.pid());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CpuMeter {
    last: Option<BootTime>,
    seen: Vec<Seen>,
    usages: Vec<Option<CpuUsage>>,
}

/// A process with [`Groups::CPU`](crate::Groups::CPU) in the last snapshot.
#[derive(Clone, Copy, Debug)]
struct Seen {
    identity: Identity,
    /// CPU time, to be compared with a time of the same kind only.
    used: Duration,
    has_runtime: bool,
    threads: u32,
    index: usize,
}

impl CpuMeter {
    /// Creates a meter that has not seen any snapshot yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares a snapshot with the one before, and keeps it for the comparison with the next one.
    ///
    /// Snapshots of different options may follow each other: usages are known of processes that
    /// were in the one before, and of those that were started since then. All of the snapshots
    /// should be of processes, or all of threads.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let mut before = std::mem::take(&mut self.seen).into_iter().peekable();
        self.seen.reserve(snapshot.len());
        self.usages.clear();
        for (index, record) in snapshot.iter().enumerate() {
            self.usages.push(None);
            let (Some(identity), Some(used)) = (identity(record), record.cpu_time()) else {
                continue;
            };
            let mut threads = threads(record, snapshot.of_threads);
            let seen = Seen {
                identity,
                used,
                has_runtime: record.runtime().is_some(),
                threads,
                index,
            };
            self.seen.push(seen);

            while before.next_if(|past| past.identity < identity).is_some() {}
            let past = before.next_if(|past| past.identity == identity);
            let Some(last) = self.last else {
                continue;
            };
            let since_then = match past {
                Some(past) if past.has_runtime == seen.has_runtime => {
                    threads = threads.max(past.threads);
                    used.saturating_sub(past.used)
                }
                // A process that was started since then has used all of its time since then.
                None if identity.1 >= last => used,
                _ => continue,
            };
            self.usages[index] = Window {
                begin: last,
                end: snapshot.time,
                latest_end: snapshot.end,
            }
            .usage(since_then, threads);
        }
        self.last = Some(snapshot.time);
    }

    /// Returns the usage of each record in the last snapshot, in their order; `None` where it is
    /// unknown.
    #[must_use]
    pub fn usages(&self) -> &[Option<CpuUsage>] {
        &self.usages
    }

    /// Returns the usage of the process of a record in the last snapshot.
    #[must_use]
    pub fn get(&self, record: &Record) -> Option<CpuUsage> {
        let identity = identity(record)?;
        let place = self
            .seen
            .binary_search_by_key(&identity, |seen| seen.identity);
        self.usages[self.seen[place.ok()?].index]
    }
}

/// The identity of a process: PID and time of its start.
pub(crate) type Identity = (i32, BootTime);

pub(crate) fn identity(record: &Record) -> Option<Identity> {
    Some((record.pid(), record.cpu()?.start))
}

/// Returns the number of CPUs that the record's threads can use at a time.
pub(crate) fn threads(record: &Record, of_threads: bool) -> u32 {
    if of_threads || record.pid() != record.tgid() {
        1
    } else {
        record.threads().max(1)
    }
}

/// The time in which something was used.
#[derive(Clone, Copy, Debug)]
struct Window {
    begin: BootTime,
    /// The best estimate of its end.
    end: BootTime,
    /// The latest moment that can have been the end.
    latest_end: BootTime,
}

impl Window {
    /// Returns the usage, limited to what these threads can have used.
    ///
    /// More than that is either an error of measurement, as of a record only the moment of its
    /// snapshot is known, or was used by threads that have ended. Only the part that exceeds the
    /// largest possible error counts as such.
    fn usage(self, used: Duration, threads: u32) -> Option<CpuUsage> {
        let limit = f64::from(threads);
        let latest = self.latest_end.saturating_sub(self.begin).as_secs_f64();
        if latest <= 0.0 {
            return None;
        }
        let length = self.end.saturating_sub(self.begin).as_secs_f64();
        let guess = used.as_secs_f64() / if length > 0.0 { length } else { latest };
        if guess <= limit {
            return Some(CpuUsage(guess));
        }
        let least = used.saturating_sub(TICK.saturating_mul(threads));
        Some(CpuUsage(limit.max(least.as_secs_f64() / latest)))
    }
}

#[cfg(test)]
mod tests {
    use crate::uapi;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MS: u64 = 1_000_000;

    fn record(pid: i32, start: u64, used: u64, threads: u32) -> Record {
        Record(uapi::procmon_record {
            groups: uapi::PROCMON_GROUP_CPU,
            pid,
            tgid: pid,
            start_time: start,
            utime: used,
            threads,
            ..Default::default()
        })
    }

    fn snapshot(time: u64, end: u64, records: &[Record]) -> Snapshot {
        Snapshot {
            time: BootTime::from_nanos(time),
            end: BootTime::from_nanos(end),
            records: records.to_vec(),
            ..Default::default()
        }
    }

    fn percents(meter: &CpuMeter) -> Vec<Option<i64>> {
        let usages = meter.usages().iter();
        usages
            .map(|usage| usage.map(|usage| usage.percent().round() as i64))
            .collect()
    }

    #[test]
    fn usage_is_of_the_time_between_two_snapshots() {
        let mut meter = CpuMeter::new();
        let first = [record(1, 0, SECOND, 1), record(7, 5, 9 * SECOND, 4)];
        meter.update(&snapshot(10 * SECOND, 10 * SECOND, &first));
        assert_eq!(percents(&meter), [None, None]);

        let second = [
            record(1, 0, SECOND + SECOND / 2, 1),
            // Another process with the same ID, though not a new one.
            record(7, 6, 20 * SECOND, 4),
            // A new one.
            record(9, 11 * SECOND, SECOND / 5, 1),
        ];
        meter.update(&snapshot(12 * SECOND, 12 * SECOND, &second));
        assert_eq!(percents(&meter), [Some(25), None, Some(10)]);
        assert_eq!(meter.get(&second[2]).unwrap().to_string(), "10.0");
        assert_eq!(meter.get(&second[1]), None);
        assert_eq!(meter.get(&first[1]), None);

        // What is known of a process ends with it, and so does its usage.
        meter.update(&snapshot(13 * SECOND, 13 * SECOND, &second[1..]));
        assert_eq!(percents(&meter), [Some(0), Some(0)]);
    }

    #[test]
    fn usage_is_no_more_than_the_threads_can_use() {
        // The second snapshot took 20 ms, and the process was running all the time.
        let mut meter = CpuMeter::new();
        meter.update(&snapshot(SECOND, SECOND, &[record(1, 0, 0, 1)]));
        let late = [record(1, 0, SECOND + 15 * MS, 1)];
        meter.update(&snapshot(2 * SECOND, 2 * SECOND + 20 * MS, &late));
        assert_eq!(meter.usages()[0].unwrap().cpus(), 1.0);

        // It is younger than the snapshot that it is in.
        let young = [record(2, 2 * SECOND + 5 * MS, 9 * MS, 1)];
        let taken = snapshot(2 * SECOND, 2 * SECOND + 20 * MS, &young);
        let usage = CpuUsage::of_life(&young[0], &taken).unwrap();
        assert!((0.1..=1.0).contains(&usage.cpus()), "{usage}");
        // And has used a tick in no time.
        let unborn = record(2, 3 * SECOND, 9 * MS, 1);
        assert_eq!(CpuUsage::of_life(&unborn, &taken), None);
    }

    #[test]
    fn usage_by_threads_that_have_ended_is_usage() {
        let mut meter = CpuMeter::new();
        meter.update(&snapshot(SECOND, SECOND, &[record(1, 0, 0, 1)]));
        let busy = [record(1, 0, 4 * SECOND, 1)];
        meter.update(&snapshot(2 * SECOND, 2 * SECOND, &busy));
        let percent = meter.usages()[0].unwrap().percent();
        assert!((390.0..=400.0).contains(&percent), "{percent}");
        let life = CpuUsage::of_life(&busy[0], &snapshot(2 * SECOND, 2 * SECOND, &[]));
        let percent = life.unwrap().percent();
        assert!((195.0..=200.0).contains(&percent), "{percent}");
    }

    #[test]
    fn times_of_different_kinds_are_not_compared() {
        let mut meter = CpuMeter::new();
        meter.update(&snapshot(SECOND, SECOND, &[record(1, 0, 0, 1)]));
        let mut exact = record(1, 0, 0, 1);
        exact.0.groups |= uapi::PROCMON_GROUP_RUNTIME;
        exact.0.runtime = SECOND / 2;
        meter.update(&snapshot(2 * SECOND, 2 * SECOND, &[exact]));
        assert_eq!(percents(&meter), [None]);
        exact.0.runtime = SECOND;
        meter.update(&snapshot(3 * SECOND, 3 * SECOND, &[exact]));
        assert_eq!(percents(&meter), [Some(50)]);
    }

    #[test]
    fn a_thread_uses_one_cpu_at_most() {
        let mut thread = record(5, 0, 3 * SECOND, 8);
        thread.0.tgid = 4;
        let later = BootTime::from_nanos(SECOND);
        let before = record(5, 0, 2 * SECOND - 5 * MS, 8);
        let usage = CpuUsage::between((&before, BootTime::ZERO), (&thread, later)).unwrap();
        assert!(usage.cpus() > 1.0, "that one was a process");
        let mut before = before;
        before.0.tgid = 4;
        let usage = CpuUsage::between((&before, BootTime::ZERO), (&thread, later)).unwrap();
        assert_eq!(usage.cpus(), 1.0);
        let other = record(6, 0, 0, 1);
        assert_eq!(
            CpuUsage::between((&other, BootTime::ZERO), (&thread, later)),
            None
        );
    }
}
