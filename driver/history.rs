// SPDX-License-Identifier: GPL-2.0

//! The history: the latest samples of the monitor, and `PROCMON_HISTORY`.

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
        cred::UserNamespace,
        pid_namespace::is_in_init_pid_ns,
        ptrace,
        time_namespace::TimeNamespace,
        uaccess::{
            read_user_struct,
            write_user_struct, //
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
        self,
        procmon_history as Arguments,
        procmon_record as Record,
        procmon_sample as Sample, //
    }, //
};

/// The number of samples that are copied per critical section of the ring's lock.
const BATCH: usize = 32;

/// The size of the arguments of the first version.
const MIN_ARGUMENTS: usize = size_of::<Arguments>();

/// The size of a sample of ABI version 1, whose record lacks the run time.
const MIN_STRIDE: usize = uapi::PROCMON_SAMPLE_STRIDE_MIN as usize;

const _: () = assert!(MIN_STRIDE == offset_of!(Sample, process) + offset_of!(Record, runtime));

/// The latest samples, each with a sequence number.
#[pin_data]
pub(crate) struct History {
    #[pin]
    ring: SpinLock<Ring>,
    /// Notified of each new sample.
    #[pin]
    pub(crate) new_samples: PollCondVar,
}

/// A ring of samples.
///
/// # Invariants
///
/// The sample with sequence number `n` is at index `n` modulo the length of `samples`, for the
/// newest sample and as many before it as fit.
struct Ring {
    samples: KVVec<Sample>,
    newest: u64,
}

impl Ring {
    /// Returns the sequence number of the oldest sample that is kept.
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

    /// Copies the samples from a sequence number on, or from the oldest one that is kept. Returns
    /// the number of copied samples.
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

impl History {
    /// Creates an empty history for `capacity` samples.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for them.
    pub(crate) fn new(capacity: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            ring <- new_spinlock!(
                Ring {
                    samples: zeroed_vec(capacity, GFP_KERNEL)?,
                    newest: 0,
                },
                "History::ring"
            ),
            new_samples <- new_poll_condvar!("History::new_samples"),
        }? Error)
    }

    /// Adds a sample under the next sequence number, and wakes pollers.
    pub(crate) fn push(&self, sample: &Sample) {
        // TIME: The lock is held for a copy of one sample.
        self.ring.lock().push(sample);
        self.new_samples.notify_all();
    }

    /// Returns the sequence number of the newest sample, or 0 if there is none.
    pub(crate) fn newest(&self) -> u64 {
        // TIME: The lock is held for one load.
        self.ring.lock().newest
    }

    /// Handles `PROCMON_HISTORY`. Returns the sequence number of the next sample to fetch.
    ///
    /// # Errors
    ///
    /// - `E2BIG` if a field is set that this version does not know.
    /// - `EFAULT` if the arguments cannot be read or written, or the first sample cannot be
    ///   written.
    /// - `EINVAL` if an argument is out of range.
    /// - `ENOMEM` if memory is short.
    /// - `EPERM` if the caller is outside of the initial namespaces, which the samples are about.
    pub(crate) fn fetch(&self, arg: UserPtr) -> Result<u64> {
        let mut arguments: Arguments = read_user_struct(arg, MIN_ARGUMENTS)?;
        let Arguments {
            flags,
            stride,
            capacity,
            ..
        } = arguments;
        let is_stride_valid = (MIN_STRIDE..=PAGE_SIZE).contains(&(stride as usize))
            && stride % (align_of::<Sample>() as u32) == 0;

        if flags != 0 || !is_stride_valid {
            return Err(EINVAL);
        }

        let caller = kernel::current!();

        if !is_in_init_pid_ns(caller) || !UserNamespace::of_caller(caller).is_initial() {
            return Err(EPERM);
        }

        let may_see_io = ptrace::has_ptrace_capability();
        let groups = groups_within((stride as usize).saturating_sub(offset_of!(Sample, process)));
        let time_ns = TimeNamespace::of_caller(caller);
        let mut samples = zeroed_vec::<Sample>(BATCH.min(capacity as usize), GFP_KERNEL)?;
        let mut output = UserArray::new(arguments.samples, stride, capacity)?;
        let mut next = arguments.sequence;

        // TIME: Each round copies at least one sample, and there are as many as the ring holds, but
        // for new ones: one per interval of the monitor.
        let failed = loop {
            let len = samples.len().min(output.remaining() as usize);
            let batch = samples.get_mut(..len).unwrap_or_default();
            let (count, oldest, newest) = {
                // TIME: The lock is held for a copy of one batch.
                let ring = self.ring.lock();

                (ring.copy(next, batch), ring.oldest(), ring.newest)
            };
            let batch = batch.get_mut(..count).unwrap_or_default();

            arguments.oldest = oldest;
            arguments.newest = newest;
            for sample in &mut *batch {
                sample.process.groups &= groups;
                sample.time = time_ns.show(sample.time);
                // A target that never existed has no start time.
                if sample.process.start_time != 0 {
                    sample.process.start_time = time_ns.show(sample.process.start_time);
                }
                if !may_see_io {
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
                // The sample is not there yet, or was overwritten.
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
        write_user_struct(arg, arguments.size as usize, &arguments)?;
        Ok(next)
    }
}
