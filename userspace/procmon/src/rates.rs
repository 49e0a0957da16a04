// SPDX-License-Identifier: GPL-2.0-only

//! Rates of what processes do, over their lives and between two snapshots or samples.

use std::time::Duration;

use crate::snapshot::{Record, Snapshot};
use crate::time::BootTime;

/// Averages per second of what a process has done. Each is `None` if a record lacks its group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Rates {
    /// Bytes read from block devices.
    pub read: Option<f64>,
    /// Bytes written to block devices.
    pub written: Option<f64>,
    /// Page faults without I/O.
    pub minor_faults: Option<f64>,
    /// Page faults with I/O.
    pub major_faults: Option<f64>,
    /// Context switches because the task had nothing to do.
    pub voluntary_switches: Option<f64>,
    /// Context switches because it was another task's turn.
    pub involuntary_switches: Option<f64>,
}

impl Rates {
    /// Returns the rates of a process since its start.
    ///
    /// Needs [`Groups::CPU`](crate::Groups::CPU). `snapshot` is the one that has the record.
    #[must_use]
    pub fn of_life(record: &Record, snapshot: &Snapshot) -> Option<Self> {
        Self::new(
            None,
            record,
            snapshot.time().saturating_sub(record.cpu()?.start),
        )
    }

    /// Returns the rates of a process between the moments of two records, such as those of two
    /// samples, or `None` if the records are of different processes.
    ///
    /// Needs [`Groups::CPU`](crate::Groups::CPU) in both.
    #[must_use]
    pub fn between(earlier: (&Record, BootTime), later: (&Record, BootTime)) -> Option<Self> {
        let ((before, begin), (after, end)) = (earlier, later);
        let is_same = before.pid() == after.pid() && before.cpu()?.start == after.cpu()?.start;
        if !is_same {
            return None;
        }
        Self::new(Some(before), after, end.saturating_sub(begin))
    }

    /// Returns the rates of a process that was started after an earlier snapshot, between that one
    /// and the one that has its record; `None` if it is older.
    ///
    /// Needs [`Groups::CPU`](crate::Groups::CPU).
    #[must_use]
    pub fn of_young(record: &Record, begin: BootTime, end: BootTime) -> Option<Self> {
        if record.cpu()?.start < begin {
            return None;
        }
        Self::new(None, record, end.saturating_sub(begin))
    }

    fn new(before: Option<&Record>, after: &Record, time: Duration) -> Option<Self> {
        if time.is_zero() {
            return None;
        }
        let seconds = time.as_secs_f64();
        let rate = |count: fn(&Record) -> Option<u64>| {
            let past = match before {
                Some(before) => count(before)?,
                None => 0,
            };
            Some(count(after)?.saturating_sub(past) as f64 / seconds)
        };
        Some(Self {
            read: rate(|record| Some(record.io()?.read)),
            written: rate(|record| Some(record.io()?.written)),
            minor_faults: rate(|record| Some(record.faults()?.minor)),
            major_faults: rate(|record| Some(record.faults()?.major)),
            voluntary_switches: rate(|record| Some(record.switches()?.voluntary)),
            involuntary_switches: rate(|record| Some(record.switches()?.involuntary)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Groups;
    use crate::uapi;

    const SECOND: u64 = 1_000_000_000;

    fn record(start: u64, count: u64, groups: Groups) -> Record {
        Record(uapi::procmon_record {
            groups: groups.bits(),
            pid: 1,
            start_time: start * SECOND,
            minor_faults: count,
            major_faults: 2 * count,
            voluntary_switches: 3 * count,
            involuntary_switches: 4 * count,
            read_bytes: 5 * count,
            write_bytes: 6 * count,
            ..Default::default()
        })
    }

    fn at(seconds: u64) -> BootTime {
        BootTime::from_nanos(seconds * SECOND)
    }

    fn rates(unit: f64) -> Rates {
        Rates {
            minor_faults: Some(unit),
            major_faults: Some(2.0 * unit),
            voluntary_switches: Some(3.0 * unit),
            involuntary_switches: Some(4.0 * unit),
            read: Some(5.0 * unit),
            written: Some(6.0 * unit),
        }
    }

    #[test]
    fn rates_are_per_second() {
        let [before, after] = [10, 30].map(|count| record(1, count, Groups::all()));
        let between = Rates::between((&before, at(5)), (&after, at(9)));
        assert_eq!(between, Some(rates(5.0)));
        let snapshot = Snapshot {
            time: at(7),
            ..Default::default()
        };
        assert_eq!(Rates::of_life(&after, &snapshot), Some(rates(5.0)));
        let young = record(6, 30, Groups::all());
        assert_eq!(Rates::of_young(&young, at(5), at(8)), Some(rates(10.0)));
        assert_eq!(Rates::of_young(&young, at(7), at(8)), None);
    }

    #[test]
    fn what_is_unknown_has_no_rate() {
        let all = record(1, 10, Groups::all());
        let other = record(2, 10, Groups::all());
        assert_eq!(Rates::between((&all, at(5)), (&other, at(6))), None);
        assert_eq!(Rates::between((&all, at(5)), (&all, at(5))), None);
        assert_eq!(Rates::between((&all, at(6)), (&all, at(5))), None);
        let few = record(1, 10, Groups::CPU | Groups::FAULTS);
        let rates = Rates::between((&all, at(5)), (&few, at(6))).unwrap();
        assert_eq!((rates.minor_faults, rates.read), (Some(0.0), None));
        // A number that has gone back is no rate below zero.
        let less = record(1, 4, Groups::all());
        let rates = Rates::between((&all, at(5)), (&less, at(6))).unwrap();
        assert_eq!(rates.read, Some(0.0));
    }
}
