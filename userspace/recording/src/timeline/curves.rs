// SPDX-License-Identifier: GPL-2.0-only

//! The use of the machine over time.

use crate::{Run, Sample};

/// The use during an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// The beginning.
    pub begin: u64,
    /// The end.
    pub end: u64,
    /// The share of all CPUs that was busy, from 0 to 1.
    pub busy: f64,
    /// The share that was idle while I/O was pending.
    pub io_wait: f64,
    /// The most memory in use.
    pub memory: u64,
}

/// Returns the use of the machine in at most `most` intervals that follow each other.
pub fn usage(run: &Run, most: usize) -> Vec<Usage> {
    let mut samples: Vec<&Sample> = run.samples.iter().collect();
    samples.sort_by_key(|sample| sample.time);
    samples.dedup_by_key(|sample| sample.time);
    // Counters need no average: the difference over several samples is one.
    let step = samples.len().div_ceil(most.max(1)).max(1);
    let cpus = f64::from(run.header.cpus.max(1));
    let mut usage = Vec::new();
    let mut first = 0;
    while first + 1 < samples.len() {
        let last = (first + step).min(samples.len() - 1);
        let (begin, end) = (samples[first], samples[last]);
        let time = (end.time - begin.time) as f64 * cpus;
        let share = |from: u64, to: u64| (to.saturating_sub(from) as f64 / time).min(1.0);
        let busy = share(begin.busy, end.busy);
        let memory = samples[first + 1..=last].iter().map(|sample| sample.memory);
        usage.push(Usage {
            begin: begin.time,
            end: end.time,
            busy,
            io_wait: share(begin.io_wait, end.io_wait).min(1.0 - busy),
            memory: memory.max().unwrap_or_default(),
        });
        first = last;
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::fixture::recording;

    #[test]
    fn shares_are_differences_over_all_cpus() {
        let mut recording = recording();
        // Of four CPUs.
        recording.sample(1000, 50, 10, 7);
        recording.sample(2000, 2050, 1010, 9);
        recording.sample(3000, 2050, 1010, 8);
        let expected = [
            Usage {
                begin: 1000,
                end: 2000,
                busy: 0.5,
                io_wait: 0.25,
                memory: 9,
            },
            Usage {
                begin: 2000,
                end: 3000,
                busy: 0.0,
                io_wait: 0.0,
                memory: 8,
            },
        ];
        let run = recording.run();
        assert_eq!(usage(&run, 10), expected);
        let whole = Usage {
            begin: 1000,
            end: 3000,
            busy: 0.25,
            io_wait: 0.125,
            memory: 9,
        };
        assert_eq!(usage(&run, 1), [whole]);
    }

    #[test]
    fn wrong_samples_stay_within_bounds() {
        let mut recording = recording();
        assert_eq!(usage(&recording.run(), 10), []);
        recording.sample(2000, u64::MAX, u64::MAX, u64::MAX);
        recording.sample(2000, 0, 0, 0);
        recording.sample(1000, 0, 0, 0);
        let run = recording.run();
        let [only] = usage(&run, 10)[..] else {
            panic!("{:?}", run.samples);
        };
        assert_eq!((only.busy, only.io_wait), (1.0, 0.0));
    }
}
