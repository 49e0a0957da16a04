// SPDX-License-Identifier: GPL-2.0-only

//! Parallelism over time.

use super::span::{Span, overlaps, own, whole};
use crate::Run;

/// The number of processes that work, over time.
///
/// A process works while none of its children is alive, whether it computes or sleeps: in a
/// recording of the whole system, all that wait for something to happen count. The use of the CPUs
/// is that of the whole machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parallelism {
    /// The number of working processes, on average.
    pub mean: f64,
    /// The most processes that worked at a time.
    pub peak: u64,
    /// The number of busy CPUs, on average over the time between samples.
    pub mean_cpus: Option<f64>,
    /// The number of busy CPUs in the busiest interval.
    pub peak_cpus: Option<f64>,
    /// Equal intervals of the whole recording.
    pub intervals: Vec<Interval>,
}

/// An interval of the recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// The time.
    pub span: Span,
    /// The number of working processes, on average.
    pub mean: f64,
    /// The most processes that worked at a time.
    pub peak: u64,
    /// The number of busy CPUs, on average, if there are samples around the interval.
    pub cpus: Option<f64>,
}

impl Parallelism {
    /// Returns the parallelism of a run in this number of intervals. There are fewer if they had
    /// less than a nanosecond.
    #[must_use]
    pub fn of(run: &Run, intervals: u32) -> Self {
        let whole = whole(run);
        let mut intervals = split(whole, intervals);
        if intervals.is_empty() {
            return Self::default();
        }
        let total = add_working(run, &mut intervals);
        let (busy, covered) = add_cpus(run, &mut intervals);
        let cpus = intervals.iter().filter_map(|interval| interval.cpus);
        Self {
            mean: ratio(total, whole.length()),
            peak: intervals
                .iter()
                .map(|interval| interval.peak)
                .max()
                .unwrap_or(0),
            mean_cpus: (covered > 0).then(|| busy / covered as f64),
            peak_cpus: cpus.reduce(f64::max),
            intervals,
        }
    }
}

/// Splits a time into equal intervals.
fn split(whole: Span, number: u32) -> Vec<Interval> {
    let length = u128::from(whole.length());
    let number = u128::from(number).min(length);
    let edge = |place: u128| {
        // No more than the length, and so in range.
        let offset = u64::try_from(length * place / number).unwrap_or(u64::MAX);
        whole.from.saturating_add(offset)
    };
    (0..number)
        .map(|place| Interval {
            span: Span {
                from: edge(place),
                to: edge(place + 1),
            },
            mean: 0.0,
            peak: 0,
            cpus: None,
        })
        .collect()
}

/// Counts working processes in each interval. Returns the sum of their times.
fn add_working(run: &Run, intervals: &mut [Interval]) -> u128 {
    // An end is before a start at the same time: the two are not at work at once.
    let mut changes = Vec::new();
    for process in run.processes() {
        for span in own(run, process) {
            changes.push((span.from, true));
            changes.push((span.to, false));
        }
    }
    changes.sort_unstable();
    let mut times = vec![0_u128; intervals.len()];
    let mut working: u64 = 0;
    let mut from = 0;
    for (to, is_start) in changes {
        if working > 0 {
            let span = Span { from, to };
            let parts: Vec<_> = overlaps(intervals, |interval| interval.span, span).collect();
            for (place, part) in parts {
                times[place] += u128::from(working) * u128::from(part.length());
                intervals[place].peak = intervals[place].peak.max(working);
            }
        }
        from = to;
        working = if is_start {
            working + 1
        } else {
            working.saturating_sub(1)
        };
    }
    for (interval, &time) in intervals.iter_mut().zip(&times) {
        interval.mean = ratio(time, interval.span.length());
    }
    times.iter().sum()
}

/// Sets the use of the CPUs in each interval. Returns the sum of it, and the time that samples
/// cover.
fn add_cpus(run: &Run, intervals: &mut [Interval]) -> (f64, u64) {
    let mut samples: Vec<_> = run.samples.iter().collect();
    samples.sort_by_key(|sample| sample.time);
    let mut busy = vec![(0.0, 0); intervals.len()];
    for pair in samples.windows(2) {
        let [before, after] = pair else { continue };
        let time = after.time - before.time;
        if time == 0 {
            continue;
        }
        let rate = ratio(after.busy.saturating_sub(before.busy).into(), time);
        let span = Span {
            from: before.time,
            to: after.time,
        };
        for (place, span) in overlaps(intervals, |interval| interval.span, span) {
            let (sum, covered) = &mut busy[place];
            *sum += rate * span.length() as f64;
            *covered += span.length();
        }
    }
    for (interval, &(busy, covered)) in intervals.iter_mut().zip(&busy) {
        interval.cpus = (covered > 0).then(|| busy / covered as f64);
    }
    busy.iter()
        .fold((0.0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

fn ratio(time: u128, length: u64) -> f64 {
    time as f64 / length as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    #[test]
    fn leaves_work() {
        // A shell works alone, then waits for one and then two children.
        let run = Script::new(100)
            .fork(1, 100, 0)
            .fork(2, 120, 1)
            .fork(3, 140, 1)
            .exit(2, 160, 0)
            .exit(3, 180, 0)
            .exit(1, 200, 0)
            .run();
        let parallelism = Parallelism::of(&run, 5);
        let means: Vec<_> = parallelism
            .intervals
            .iter()
            .map(|interval| (interval.span.from, interval.mean, interval.peak))
            .collect();
        assert_eq!(
            means,
            [
                (100, 1.0, 1),
                (120, 1.0, 1),
                (140, 2.0, 2),
                (160, 1.0, 1),
                (180, 1.0, 1)
            ]
        );
        assert_eq!((parallelism.mean, parallelism.peak), (1.2, 2));
        assert_eq!(parallelism.mean_cpus, None);
    }

    #[test]
    fn a_successor_works_after_the_end() {
        let run = Script::new(0)
            .fork(1, 0, 0)
            .exit(1, 50, 0)
            .fork(2, 50, 0)
            .exit(2, 100, 0)
            .run();
        let parallelism = Parallelism::of(&run, 1);
        assert_eq!((parallelism.mean, parallelism.peak), (1.0, 1));
    }

    #[test]
    fn samples_tell_the_use_of_cpus() {
        let run = Script::new(0)
            .sample(40, 1000, 0, 0)
            .sample(20, 960, 0, 0)
            .sample(80, 1120, 0, 0)
            .sample(100, 1120, 0, 0)
            .run();
        let parallelism = Parallelism::of(&run, 5);
        let cpus: Vec<_> = parallelism.intervals.iter().map(|one| one.cpus).collect();
        assert_eq!(cpus, [None, Some(2.0), Some(3.0), Some(3.0), Some(0.0)]);
        assert_eq!(parallelism.peak_cpus, Some(3.0));
        assert_eq!(parallelism.mean_cpus, Some(2.0));
        assert_eq!((parallelism.mean, parallelism.peak), (0.0, 0));
    }

    #[test]
    fn a_run_without_time_has_no_intervals() {
        let parallelism = Parallelism::of(&Script::new(7).run(), 10);
        assert_eq!(parallelism, Parallelism::default());
        let short = Script::new(0).fork(1, 0, 0).exit(1, 3, 0).run();
        assert_eq!(Parallelism::of(&short, 10).intervals.len(), 3);
        assert_eq!(Parallelism::of(&short, 0).intervals.len(), 0);
    }
}
