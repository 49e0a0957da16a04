// SPDX-License-Identifier: GPL-2.0-only

//! Times for which processes have been in their states.

use std::time::Duration;

use crate::process::State;
use crate::snapshot::{Record, Snapshot};
use crate::time::BootTime;
use crate::usage::{Identity, identity, threads};

/// A meter of how long processes have been in their states, from one snapshot to the next.
///
/// The kernel does not keep the time at which a task entered its state. But a task gives its CPU up
/// whenever it begins to sleep, stops or ends, and this counts as a voluntary context switch. If
/// two snapshots have a task in the same state, and without such a switch in between, then it has
/// been in that state for all of the time:
///
/// - A task that sleeps or is stopped (`S`, `D`, `T`, `t`, `P` and `I`) has not been woken up, as
///   it would have had to give its CPU up again.
/// - A running one (`R`) has not waited for anything but a CPU. One that has never given its CPU up
///   has been running since its start.
/// - A zombie (`Z`) that is the last thread of its process stays one in any case.
///
/// A time is a lower bound, as the state may have begun long before the first of these snapshots,
/// and is exact to the duration of a snapshot. An error is left: between the moment in which a task
/// sets its state and that in which it gives the CPU up, the switch is not yet counted, so one that
/// sleeps at one snapshot and is at this point at the next one seems to have slept all of the time.
///
/// The record of a process has the state of the main thread and the switches of all threads. While
/// others switch, nothing is known about the main thread, and there is no time. Snapshots
/// [of threads](crate::SnapshotOptions::threads) have one for each thread.
///
/// ```no_run
/// use procmon::{Device, Groups, SnapshotOptions, StateMeter};
///
/// # fn main() -> procmon::Result<()> {
/// let device = Device::open_read_only()?;
/// let options = SnapshotOptions::new().groups(Groups::CPU | Groups::SWITCHES);
/// let mut meter = StateMeter::new();
/// meter.update(&device.snapshot(&options)?);
/// std::thread::sleep(std::time::Duration::from_secs(1));
/// let snapshot = device.snapshot(&options)?;
/// meter.update(&snapshot);
/// for (record, time) in snapshot.iter().zip(meter.times()) {
///     if let Some(time) = time {
///         println!("{} is {} for at least {time:?}", record.pid(), record.state());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct StateMeter {
    last: Option<BootTime>,
    seen: Vec<Seen>,
    times: Vec<Option<Duration>>,
}

/// A process with the groups that are needed, in the last snapshot.
#[derive(Clone, Copy, Debug)]
struct Seen {
    identity: Identity,
    state: State,
    /// Voluntary switches of these threads.
    switches: u64,
    threads: u32,
    /// The earliest moment since which the process is known to be in its state.
    since: BootTime,
}

impl Seen {
    /// Returns the state of a process of which no more is known.
    fn new(record: &Record, snapshot: &Snapshot) -> Option<Self> {
        let switches = record.switches()?.voluntary;
        Some(Self {
            identity: identity(record)?,
            state: record.state(),
            switches,
            threads: threads(record, snapshot.of_threads),
            since: snapshot.time,
        })
    }

    /// Whether no thread has ever waited for anything but a CPU.
    fn has_always_run(&self) -> bool {
        self.state == State::Running && self.switches == 0
    }

    /// Whether the process has been in its state since it was seen before.
    fn has_stayed(&self, past: &Self) -> bool {
        let is_final = match self.state {
            State::Dead => true,
            State::Zombie => self.threads == 1 && past.threads == 1,
            _ => false,
        };
        self.state == past.state
            && (is_final || self.switches == past.switches && self.threads == past.threads)
    }
}

impl StateMeter {
    /// Creates a meter that has not seen any snapshot yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares a snapshot with the one before, and keeps it for the comparison with the next one.
    ///
    /// Needs [`Groups::CPU`](crate::Groups::CPU) and [`Groups::SWITCHES`](crate::Groups::SWITCHES);
    /// without them there are no times. All of the snapshots should be of processes, or all of
    /// threads.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let mut before = std::mem::take(&mut self.seen).into_iter().peekable();
        let last = self.last.replace(snapshot.time);
        self.seen.reserve(snapshot.len());
        self.times.clear();
        for record in snapshot {
            let Some(mut seen) = Seen::new(record, snapshot) else {
                self.times.push(None);
                continue;
            };
            let start = seen.identity.1;
            while before
                .next_if(|past| past.identity < seen.identity)
                .is_some()
            {}
            let past = before.next_if(|past| past.identity == seen.identity);
            let is_known = match past {
                _ if seen.has_always_run() => {
                    seen.since = start;
                    true
                }
                Some(past) if seen.has_stayed(&past) => {
                    seen.since = past.since;
                    true
                }
                // The main thread has changed its state, or it has switched, as there is no other.
                Some(past) => past.state != seen.state || past.threads == 1 && seen.threads == 1,
                None => last.is_some_and(|last| last <= start),
            };
            let time = snapshot.time.saturating_sub(seen.since);
            self.times.push(is_known.then_some(time));
            self.seen.push(seen);
        }
    }

    /// Returns for each record in the last snapshot, in their order, the time for which its state
    /// has lasted at least; `None` where nothing is known.
    ///
    /// A time of zero means that the state began after the snapshot before.
    #[must_use]
    pub fn times(&self) -> &[Option<Duration>] {
        &self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uapi;
    use crate::uapi::{
        PROCMON_STATE_RUNNING as R, PROCMON_STATE_SLEEPING as S, PROCMON_STATE_STOPPED as T,
        PROCMON_STATE_ZOMBIE as Z,
    };

    const SECOND: u64 = 1_000_000_000;

    /// A process that was started at this second.
    fn record(start: u64, state: i32, switches: u64, threads: u32) -> Record {
        Record(uapi::procmon_record {
            groups: uapi::PROCMON_GROUP_CPU | uapi::PROCMON_GROUP_SCHED,
            pid: 7,
            tgid: 7,
            state,
            start_time: start * SECOND,
            voluntary_switches: switches,
            threads,
            ..Default::default()
        })
    }

    fn snapshot(time: u64, records: &[Record]) -> Snapshot {
        Snapshot {
            time: BootTime::from_nanos(time * SECOND),
            records: records.to_vec(),
            ..Default::default()
        }
    }

    /// Returns the seconds at the last one of snapshots that are taken at seconds 10, 12, 14 and so
    /// on.
    fn last_of(records: &[Record]) -> Option<u64> {
        let mut meter = StateMeter::new();
        for (time, record) in (10..).step_by(2).zip(records) {
            meter.update(&snapshot(time, &[*record]));
        }
        let [time] = meter.times() else {
            panic!("{:?}", meter.times());
        };
        time.map(|time| time.as_secs())
    }

    fn last_state_of(states: &[(i32, u64)]) -> Option<u64> {
        let records: Vec<_> = states
            .iter()
            .map(|&(state, switches)| record(1, state, switches, 1))
            .collect();
        last_of(&records)
    }

    #[test]
    fn a_state_lasts_while_nothing_is_switched() {
        for (states, time) in [
            // Of a process that was there before, one snapshot says nothing.
            (&[(S, 5)][..], None),
            (&[(S, 5), (S, 5)], Some(2)),
            (&[(S, 5), (S, 5), (S, 5)], Some(4)),
            (&[(R, 5), (R, 5)], Some(2)),
            (&[(T, 5), (T, 5)], Some(2)),
            // It was woken up, and sleeps again.
            (&[(S, 5), (S, 6)], Some(0)),
            (&[(S, 5), (S, 6), (S, 6)], Some(2)),
            (&[(R, 5), (R, 6)], Some(0)),
            (&[(S, 5), (R, 5)], Some(0)),
            (&[(R, 5), (S, 6)], Some(0)),
            // Its last switch came after the change of the state, which may have been later.
            (&[(S, 5), (S, 5), (T, 5), (T, 6)], Some(0)),
        ] {
            assert_eq!(last_state_of(states), time, "{states:?}");
        }
    }

    #[test]
    fn involuntary_switches_do_not_count() {
        let records = [1, 2, 3].map(|switches| {
            let mut record = record(1, R, 5, 1);
            record.0.involuntary_switches = switches;
            record
        });
        assert_eq!(last_of(&records), Some(4));
    }

    #[test]
    fn a_process_that_has_never_waited_runs_since_its_start() {
        assert_eq!(last_of(&[record(1, R, 0, 1)]), Some(9));
        assert_eq!(last_of(&[record(1, R, 0, 3)]), Some(9));
        // It is just about to wait.
        assert_eq!(last_of(&[record(1, S, 0, 1)]), None);
    }

    #[test]
    fn a_process_that_has_come_since_then_is_known_from_now_on() {
        for (state, switches, time) in [(R, 0, 1), (S, 0, 0), (S, 1, 0), (R, 2, 0)] {
            let mut meter = StateMeter::new();
            meter.update(&snapshot(10, &[]));
            let young = record(11, state, switches, 1);
            meter.update(&snapshot(12, &[young, record(9, S, 9, 1)]));
            let expected = [Some(Duration::from_secs(time)), None];
            assert_eq!(meter.times(), expected, "{state} {switches}");
        }
        let [old, new] = [1, 11].map(|start| record(start, S, 4, 1));
        assert_eq!(last_of(&[old, new]), Some(0), "the PID is in use again");
    }

    #[test]
    fn zombies_stay_zombies() {
        // The last switch comes after the change of the state.
        assert_eq!(last_state_of(&[(Z, 5), (Z, 6)]), Some(2));
        let threads = [3, 3].map(|threads| record(1, Z, u64::from(threads), threads));
        assert_eq!(last_of(&threads), Some(2));
        // While others run, one of them may execute a program in the place of the main thread.
        assert_eq!(last_of(&[record(1, Z, 5, 2), record(1, Z, 6, 2)]), None);
        assert_eq!(last_of(&[record(1, Z, 5, 2), record(1, Z, 6, 1)]), None);
    }

    #[test]
    fn switches_of_other_threads_leave_nothing_known() {
        let threads = |switches: &[u64]| {
            let records = switches.iter().map(|&switches| record(1, S, switches, 3));
            last_of(&records.collect::<Vec<_>>())
        };
        assert_eq!(threads(&[5, 5]), Some(2));
        assert_eq!(threads(&[5, 6]), None);
        assert_eq!(threads(&[5, 6, 6]), Some(2));
        // Only the main thread has this state.
        assert_eq!(last_of(&[record(1, S, 5, 3), record(1, R, 6, 3)]), Some(0));
        // From /proc, the switches of threads that have ended are missing.
        assert_eq!(last_of(&[record(1, S, 5, 3), record(1, S, 5, 2)]), None);
        // A snapshot of threads has those of each.
        let mut meter = StateMeter::new();
        for (time, switches) in [(10, 5), (12, 6)] {
            let mut snapshot = snapshot(time, &[record(1, S, switches, 3)]);
            snapshot.of_threads = true;
            meter.update(&snapshot);
        }
        assert_eq!(meter.times(), [Some(Duration::ZERO)]);
    }

    #[test]
    fn without_its_groups_nothing_is_known() {
        for group in [uapi::PROCMON_GROUP_CPU, uapi::PROCMON_GROUP_SCHED] {
            let mut poor = record(1, S, 5, 1);
            poor.0.groups = group;
            let rich = record(1, S, 5, 1);
            assert_eq!(last_of(&[rich, poor]), None);
            assert_eq!(last_of(&[poor, rich]), None);
        }
    }
}
