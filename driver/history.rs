// SPDX-License-Identifier: GPL-2.0-only

//! The history: the latest samples of the monitor's targets, and `PROCMON_HISTORY`.

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
        hidepid::Restriction,
        monitor::targets::MAX as TARGETS,
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
const MIN_ARGUMENTS: usize = offset_of!(Arguments, target);

/// The size of a sample of ABI version 1, whose record lacks the run time.
const MIN_STRIDE: usize = uapi::PROCMON_SAMPLE_STRIDE_MIN as usize;

const _: () = assert!(MIN_STRIDE == offset_of!(Sample, process) + offset_of!(Record, runtime));

/// The latest samples of each target, with sequence numbers.
#[pin_data]
pub(crate) struct History {
    #[pin]
    rings: SpinLock<[Ring; TARGETS]>,
    capacity: usize,
    /// Notified of each new sample.
    #[pin]
    pub(crate) new_samples: PollCondVar,
}

/// A ring of samples, which are none before it has memory for them.
///
/// # Invariants
///
/// The sample with sequence number `n` is at index `n` modulo the length of `samples`, for the
/// newest sample and as many before it as fit.
#[derive(Default)]
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
    /// Creates an empty history for `capacity` samples of each target. There is memory for those
    /// of the first one.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short.
    pub(crate) fn new(capacity: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            rings <- new_spinlock!(
                {
                    let mut rings = <[Ring; TARGETS]>::default();

                    if let Some(first) = rings.first_mut() {
                        first.samples = zeroed_vec(capacity, GFP_KERNEL)?;
                    }
                    rings
                },
                "History::rings"
            ),
            capacity,
            new_samples <- new_poll_condvar!("History::new_samples"),
        }? Error)
    }

    /// Allocates memory for the samples of a target, for good.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short.
    pub(crate) fn prepare(&self, target: usize) -> Result {
        let is_ready = |rings: &[Ring; TARGETS]| {
            rings
                .get(target)
                .is_some_and(|ring| !ring.samples.is_empty())
        };

        // TIME: The lock is held for a look at a ring, here and below.
        if is_ready(&self.rings.lock()) {
            return Ok(());
        }

        let mut samples = zeroed_vec(self.capacity, GFP_KERNEL)?;
        let mut rings = self.rings.lock();

        if let Some(ring) = rings.get_mut(target).filter(|ring| ring.samples.is_empty()) {
            core::mem::swap(&mut ring.samples, &mut samples);
        }
        // Memory that another caller has made superfluous is dropped without the lock.
        drop(rings);
        Ok(())
    }

    /// Adds a sample of a target under its next sequence number.
    pub(crate) fn push(&self, target: usize, sample: &Sample) {
        // TIME: The lock is held for a copy of one sample.
        if let Some(ring) = self.rings.lock().get_mut(target) {
            ring.push(sample);
        }
    }

    /// Returns the sequence number of the newest sample of a target, or 0 if there is none.
    pub(crate) fn newest(&self, target: usize) -> u64 {
        // TIME: The lock is held for one load.
        self.rings.lock().get(target).map_or(0, |ring| ring.newest)
    }

    /// Handles `PROCMON_HISTORY`. Returns the target, and the sequence number of its next sample to
    /// fetch.
    ///
    /// # Errors
    ///
    /// - `E2BIG` if a field is set that this version does not know.
    /// - `EFAULT` if the arguments cannot be read or written, or the first sample cannot be
    ///   written.
    /// - `EINVAL` if an argument is out of range.
    /// - `ENOMEM` if memory is short.
    /// - `EPERM` if the caller is outside of the initial namespaces, which the samples are about.
    pub(crate) fn fetch(&self, arg: UserPtr) -> Result<(u32, u64)> {
        let mut arguments: Arguments = read_user_struct(arg, MIN_ARGUMENTS)?;
        let Arguments {
            flags,
            stride,
            capacity,
            target,
            reserved,
            ..
        } = arguments;
        let is_stride_valid = (MIN_STRIDE..=PAGE_SIZE).contains(&(stride as usize))
            && stride % (align_of::<Sample>() as u32) == 0;

        if flags != 0 || !is_stride_valid || target as usize >= TARGETS || reserved != 0 {
            return Err(EINVAL);
        }

        let caller = kernel::current!();

        if !is_in_init_pid_ns(caller) || !UserNamespace::of_caller(caller).is_initial() {
            return Err(EPERM);
        }

        let may_see_io = ptrace::has_ptrace_capability();
        let restriction = Restriction::of_caller(caller);
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
                let rings = self.rings.lock();
                let ring = rings.get(target as usize).ok_or(EINVAL)?;

                (ring.copy(next, batch), ring.oldest(), ring.newest)
            };
            let batch = batch.get_mut(..count).unwrap_or_default();

            arguments.oldest = oldest;
            arguments.newest = newest;
            for sample in &mut *batch {
                // As if there were no target.
                if restriction.is_some_and(|own| !own.has_recorded(&sample.process)) {
                    sample.flags = 0;
                    sample.process = Zeroable::zeroed();
                }
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
        Ok((target, next))
    }
}
