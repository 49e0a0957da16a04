// SPDX-License-Identifier: GPL-2.0

//! What the monitor has recorded.

use std::time::Duration;

use crate::snapshot::Record;
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
    /// A history of these samples, for tests of what shows one.
    pub fn new(samples: Vec<Sample>, missed: u64) -> Self {
        Self {
            next: samples.last().map_or(0, |sample| sample.sequence() + 1),
            samples,
            missed,
            interval: Duration::from_secs(1),
        }
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The sequence number to go on with.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many samples were lost between the one that was asked for and the first one here.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The time between two samples, as it is set now.
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

/// What the monitor saw at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(transparent)]
pub struct Sample(pub(crate) uapi::procmon_sample);

/// What there was in the whole system.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct System {
    /// Processes, zombies included.
    pub processes: u32,
    /// Threads of those processes.
    pub threads: u32,
    /// Threads that ran or waited for a CPU.
    pub running: u32,
    /// Threads in a sleep that signals do not end.
    pub uninterruptible: u32,
    /// Processes that had ended and were not waited for.
    pub zombies: u32,
    /// Processes and threads started since the sample before.
    pub forks: u32,
}

/// What became of the process that was chosen by
/// [`Device::set_filter`](crate::Device::set_filter).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Chosen<'a> {
    /// There is none, or it was executing a program at that moment.
    None,
    /// It was like this.
    Process(&'a Record),
    /// It was found to be gone. It had this ID, and was started at this time since boot, unless it
    /// was gone before it was ever seen.
    Gone(i32, Option<Duration>),
}

impl From<uapi::procmon_sample> for Sample {
    fn from(raw: uapi::procmon_sample) -> Self {
        Self(raw)
    }
}

impl Sample {
    /// Its number: the first one is 1, and each one the next.
    pub fn sequence(&self) -> u64 {
        self.0.sequence
    }

    /// When it was taken, since boot.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.0.time)
    }

    /// The whole system.
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

    /// The chosen process.
    pub fn chosen(&self) -> Chosen<'_> {
        let process = &self.0.process;
        if self.0.flags & uapi::PROCMON_SAMPLE_GONE != 0 {
            let start = process.start_time;
            let start = (start != 0).then(|| Duration::from_nanos(start));
            Chosen::Gone(process.pid, start)
        } else if self.0.flags & uapi::PROCMON_SAMPLE_PROCESS != 0 {
            Chosen::Process(Record::from_raw(process))
        } else {
            Chosen::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_tells_of_the_chosen_process() {
        let mut sample = Sample::default();
        assert_eq!(sample.chosen(), Chosen::None);
        sample.0.flags = uapi::PROCMON_SAMPLE_PROCESS;
        sample.0.process.pid = 7;
        assert!(matches!(sample.chosen(), Chosen::Process(record) if record.pid() == 7));
        sample.0.flags = uapi::PROCMON_SAMPLE_GONE;
        assert_eq!(sample.chosen(), Chosen::Gone(7, None));
        sample.0.process.start_time = 5;
        assert_eq!(
            sample.chosen(),
            Chosen::Gone(7, Some(Duration::from_nanos(5)))
        );
    }

    #[test]
    fn a_sample_tells_of_the_system() {
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
}
