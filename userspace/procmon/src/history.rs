// SPDX-License-Identifier: GPL-2.0-only

//! The history: samples that the monitor has taken.

use std::time::Duration;

use crate::snapshot::Record;
use crate::time::BootTime;
use crate::uapi;

/// Result of [`Device::history`](crate::Device::history).
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(crate) samples: Vec<Sample>,
    pub(crate) next: u64,
    pub(crate) missed: u64,
    pub(crate) interval: Duration,
}

impl History {
    /// Creates a history from samples in their order.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn new(samples: Vec<Sample>, missed: u64) -> Self {
        Self {
            next: samples.last().map_or(0, |sample| sample.sequence() + 1),
            samples,
            missed,
            interval: Duration::from_secs(1),
        }
    }

    /// Returns the samples, oldest first.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Returns the number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Iterates over the samples, oldest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Sample> {
        self.samples.iter()
    }

    /// Returns the sample with this sequence number.
    #[must_use]
    pub fn get(&self, sequence: u64) -> Option<&Sample> {
        let place = self
            .samples
            .binary_search_by_key(&sequence, Sample::sequence);
        Some(&self.samples[place.ok()?])
    }

    /// Returns the sequence number to continue with.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Returns the number of samples that were lost between the requested one and the first one.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Returns the present interval between two samples.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

impl<'a> IntoIterator for &'a History {
    type Item = &'a Sample;
    type IntoIter = std::slice::Iter<'a, Sample>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for History {
    type Item = Sample;
    type IntoIter = std::vec::IntoIter<Sample>;

    fn into_iter(self) -> Self::IntoIter {
        self.samples.into_iter()
    }
}

/// Counts of the system at one moment, with the record of the target.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(transparent)]
pub struct Sample(pub(crate) uapi::procmon_sample);

/// Counts of the whole system.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct System {
    /// Processes, zombies included.
    pub processes: u32,
    /// Threads of those processes.
    pub threads: u32,
    /// Threads that ran or waited for a CPU.
    pub running: u32,
    /// Threads in a sleep that signals do not end.
    pub uninterruptible: u32,
    /// Processes that had ended and were not yet reaped.
    pub zombies: u32,
    /// Processes and threads started since the sample before.
    pub forks: u32,
}

/// The target in a sample: the process that [`Device::set_filter`](crate::Device::set_filter) has
/// set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Target<'a> {
    /// There is no target.
    None,
    /// The record of the target.
    Process(&'a Record),
    /// The target is gone.
    Gone {
        /// The PID that it had.
        pid: i32,
        /// The time of its start, unless it was gone before the first sample.
        start: Option<BootTime>,
    },
}

#[cfg(feature = "test-util")]
impl From<uapi::procmon_sample> for Sample {
    fn from(raw: uapi::procmon_sample) -> Self {
        Self(raw)
    }
}

impl Sample {
    /// Returns the sequence number, which is 1 for the first sample and has no gaps.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.0.sequence
    }

    /// Returns the time of the sample.
    #[must_use]
    pub fn time(&self) -> BootTime {
        BootTime::from_nanos(self.0.time)
    }

    /// Returns the counts of the whole system.
    #[must_use]
    pub fn system(&self) -> System {
        let uapi::procmon_sample {
            processes,
            threads,
            running,
            uninterruptible,
            zombies,
            forks,
            ..
        } = self.0;
        System {
            processes,
            threads,
            running,
            uninterruptible,
            zombies,
            forks,
        }
    }

    /// Returns the target.
    #[must_use]
    pub fn target(&self) -> Target<'_> {
        let process = &self.0.process;
        if self.0.flags & uapi::PROCMON_SAMPLE_GONE != 0 {
            let start = process.start_time;
            Target::Gone {
                pid: process.pid,
                start: (start != 0).then(|| BootTime::from_nanos(start)),
            }
        } else if self.0.flags & uapi::PROCMON_SAMPLE_PROCESS != 0 {
            Target::Process(Record::from_raw(process))
        } else {
            Target::None
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Target<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        match *self {
            Self::None => serializer.serialize_none(),
            Self::Process(record) => record.serialize(serializer),
            Self::Gone { pid, start } => {
                let mut gone = serializer.serialize_struct("Gone", 3)?;
                gone.serialize_field("pid", &pid)?;
                gone.serialize_field("start", &start)?;
                gone.serialize_field("gone", &true)?;
                gone.end()
            }
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Sample {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let mut sample = serializer.serialize_struct("Sample", 4)?;
        sample.serialize_field("sequence", &self.sequence())?;
        sample.serialize_field("time", &self.time())?;
        sample.serialize_field("system", &self.system())?;
        sample.serialize_field("target", &self.target())?;
        sample.end()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for History {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let mut history = serializer.serialize_struct("History", 4)?;
        history.serialize_field("samples", self.samples())?;
        history.serialize_field("next", &self.next())?;
        history.serialize_field("missed", &self.missed())?;
        history.serialize_field("interval", &crate::serialize::Nanos(self.interval()))?;
        history.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_target() {
        let mut sample = Sample::default();
        assert_eq!(sample.target(), Target::None);
        sample.0.flags = uapi::PROCMON_SAMPLE_PROCESS;
        sample.0.process.pid = 7;
        assert!(matches!(sample.target(), Target::Process(record) if record.pid() == 7));
        sample.0.flags = uapi::PROCMON_SAMPLE_GONE;
        let gone = |start| Target::Gone { pid: 7, start };
        assert_eq!(sample.target(), gone(None));
        sample.0.process.start_time = 5;
        assert_eq!(sample.target(), gone(Some(BootTime::from_nanos(5))));
    }

    #[test]
    fn a_sample_has_the_counts_of_the_system() {
        let sample = Sample(uapi::procmon_sample {
            sequence: 9,
            time: 1_500_000_000,
            processes: 1,
            threads: 2,
            running: 3,
            uninterruptible: 4,
            zombies: 5,
            forks: 6,
            ..Default::default()
        });
        assert_eq!(sample.sequence(), 9);
        assert_eq!(sample.time(), Duration::from_millis(1500));
        let system = System {
            processes: 1,
            threads: 2,
            running: 3,
            uninterruptible: 4,
            zombies: 5,
            forks: 6,
        };
        assert_eq!(sample.system(), system);
    }

    #[test]
    fn a_sample_is_found_by_its_number() {
        let sample = |sequence| {
            Sample(uapi::procmon_sample {
                sequence,
                ..Default::default()
            })
        };
        let history = History {
            samples: vec![sample(3), sample(4), sample(9)],
            ..Default::default()
        };
        assert_eq!(history.get(9), Some(&sample(9)));
        assert_eq!(history.get(5), None);
        assert_eq!((history.len(), history.is_empty()), (3, false));
        let sequences: Vec<_> = history.iter().map(Sample::sequence).collect();
        assert_eq!(sequences, [3, 4, 9]);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn samples_are_serialized() {
        use serde_json::{json, to_value};

        let mut raw = uapi::procmon_sample {
            sequence: 3,
            zombies: 2,
            ..Default::default()
        };
        let value = to_value(Sample(raw)).unwrap();
        assert_eq!(value["system"]["zombies"], 2);
        assert_eq!(value["target"], json!(null));
        raw.flags = uapi::PROCMON_SAMPLE_GONE;
        raw.process.pid = 9;
        assert_eq!(
            to_value(Sample(raw)).unwrap()["target"],
            json!({"pid": 9, "start": null, "gone": true})
        );
    }
}
