// SPDX-License-Identifier: GPL-2.0

//! The recorder: the last samples of the monitor, for whoever comes later.

use core::mem::offset_of;

use kernel::{
    new_poll_condvar,
    new_spinlock,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        poll::PollCondVar,
        SpinLock, //
    }, //
};

use crate::{
    abstractions::{
        compat::zeroed_vec,
        namespaces,
        ptrace,
        time::TimeNamespace,
        uaccess::{
            read_user_struct,
            write_user, //
        }, //
    },
    driver::{
        record::{
            groups_within,
            redact_io, //
        },
        user_array::UserArray, //
    },
    uapi::{
        procmon_history as Arguments,
        procmon_record as Record,
        procmon_sample as Sample, //
    }, //
};

/// How many samples are copied while the lock is held.
const BATCH: usize = 32;

/// The size of a sample of ABI version 1, whose record lacks the run time.
const MIN_STRIDE: usize = offset_of!(Sample, process) + offset_of!(Record, runtime);

/// The last samples, each with a number.
#[pin_data]
pub(crate) struct Recorder {
    #[pin]
    ring: SpinLock<Ring>,
    /// Whoever polls for a new sample.
    #[pin]
    pub(crate) news: PollCondVar,
}

/// # Invariants
///
/// The sample with the number `n` is at the index `n` modulo the length of `samples`, for the
/// numbers up to `newest`, as many as there is room for.
struct Ring {
    samples: KVVec<Sample>,
    newest: u64,
}

impl Ring {
    /// Returns the number of the oldest sample.
    fn oldest(&self) -> u64 {
        self.newest
            .saturating_sub(self.samples.len() as u64)
            .saturating_add(1)
    }

    fn index(&self, sequence: u64) -> usize {
        // CAST: It is less than the length.
        sequence.checked_rem(self.samples.len() as u64).unwrap_or(0) as usize
    }

    fn push(&mut self, sample: &Sample) {
        let newest = self.newest.saturating_add(1);
        let index = self.index(newest);

        if let Some(slot) = self.samples.get_mut(index) {
            *slot = Sample {
                sequence: newest,
                ..*sample
            };
            self.newest = newest;
        }
    }

    /// Copies samples from a number on, or from the oldest one if that is gone. Returns how many.
    fn copy(&self, first: u64, to: &mut [Sample]) -> usize {
        let first = first.max(self.oldest());
        let mut count = 0usize;

        for (sequence, to) in (first..=self.newest).zip(to) {
            if let Some(sample) = self.samples.get(self.index(sequence)) {
                *to = *sample;
                count = count.saturating_add(1);
            }
        }
        count
    }
}

impl Recorder {
    /// Creates a recorder with room for so many samples.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for them.
    pub(crate) fn new(room: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            ring <- new_spinlock!(
                Ring {
                    samples: zeroed_vec(room, GFP_KERNEL)?,
                    newest: 0,
                },
                "Recorder::ring"
            ),
            news <- new_poll_condvar!("Recorder::news"),
        }? Error)
    }

    /// Adds a sample, which gets its number here, and wakes those who poll for it.
    pub(crate) fn record(&self, sample: &Sample) {
        self.ring.lock().push(sample);
        self.news.notify_all();
    }

    /// Returns the number of the newest sample, or 0 if there is none.
    pub(crate) fn newest(&self) -> u64 {
        self.ring.lock().newest
    }

    /// Handles `PROCMON_HISTORY`. Returns the number of the sample with which it goes on.
    ///
    /// # Errors
    ///
    /// - `E2BIG` if something is set in the arguments that is not known here.
    /// - `EFAULT` if the arguments cannot be read or written, or not even one sample be written.
    /// - `EINVAL` if an argument is not as it should be.
    /// - `ENOMEM` if there is no memory.
    /// - `EPERM` if the caller is not in the namespaces that the samples are about.
    pub(crate) fn history(&self, arg: UserPtr) -> Result<u64> {
        let mut arguments: Arguments = read_user_struct(arg)?;
        let Arguments {
            flags,
            stride,
            capacity,
            ..
        } = arguments;
        let stride_is_good = (MIN_STRIDE..=PAGE_SIZE).contains(&(stride as usize))
            && stride % (align_of::<Sample>() as u32) == 0;

        if flags != 0 || !stride_is_good {
            return Err(EINVAL);
        }
        if !namespaces::caller_is_in_initial() {
            return Err(EPERM);
        }

        let sees_all = ptrace::caller_may_trace_all();
        let groups = groups_within((stride as usize).saturating_sub(offset_of!(Sample, process)));
        let time_ns = TimeNamespace::of_caller(kernel::current!());
        let mut samples = zeroed_vec::<Sample>(BATCH.min(capacity as usize), GFP_KERNEL)?;
        let mut output = UserArray::new(arguments.samples, stride, capacity)?;
        let mut next = arguments.sequence;

        let failed = loop {
            let len = samples.len().min(output.remaining() as usize);
            let batch = samples.get_mut(..len).unwrap_or_default();
            let (count, oldest, newest) = {
                let ring = self.ring.lock();

                (ring.copy(next, batch), ring.oldest(), ring.newest)
            };
            let batch = batch.get_mut(..count).unwrap_or_default();

            arguments.oldest = oldest;
            arguments.newest = newest;
            for sample in &mut *batch {
                sample.process.groups &= groups;
                sample.time = time_ns.show(sample.time);
                // It is unknown of a process that was gone before it was ever seen.
                if sample.process.start_time != 0 {
                    sample.process.start_time = time_ns.show(sample.process.start_time);
                }
                if !sees_all {
                    redact_io(&mut sample.process);
                }
            }

            let written = output.write(batch);

            if let Some(sample) = batch.get(written) {
                next = sample.sequence;
                break true;
            }
            next = match batch.last() {
                Some(last) => last.sequence.saturating_add(1),
                // What is wanted is not there yet, or not any more.
                None => next.max(oldest).min(newest.saturating_add(1)),
            };
            if batch.is_empty() || output.remaining() == 0 {
                break false;
            }
        };

        arguments.count = capacity.saturating_sub(output.remaining());
        if failed && arguments.count == 0 {
            return Err(EFAULT);
        }
        arguments.sequence = next;
        arguments.interval_ms = crate::MONITOR_INTERVAL_MS.value();
        write_user(arg, &arguments)?;
        Ok(next)
    }
}
