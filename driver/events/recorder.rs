// SPDX-License-Identifier: GPL-2.0-only

//! The recorder: the ring with its lock, and what is to be written there.

use kernel::{
    new_poll_condvar,
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        poll::PollCondVar,
        SpinLock, //
    }, //
};

use crate::{
    abstractions::time::ktime_get_boottime_ns,
    driver::events::ring::{
        Cursor,
        Record,
        Ring, //
    }, //
};

/// The ring, and what its writers have to know of its readers.
pub(crate) struct Shared {
    /// None until an event was wanted for the first time.
    pub(crate) ring: Option<Ring>,
    /// The number of bytes since the ring was empty at which a reader wants to be woken.
    pub(crate) wake_at: u64,
}

/// Writes events into the ring.
#[pin_data]
pub(crate) struct Recorder {
    /// The ring.
    #[pin]
    pub(crate) shared: SpinLock<Shared>,
    /// Notified when a reader wants to be woken.
    #[pin]
    pub(crate) arrived: PollCondVar,
    /// The classes that anybody wants.
    wanted: Atomic<u32>,
    /// The largest size of arguments that anybody wants.
    pub(super) args_max: Atomic<u32>,
}

impl Recorder {
    /// Creates a recorder without a ring.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            shared <- new_spinlock!(
                Shared {
                    ring: None,
                    wake_at: u64::MAX,
                },
                "Recorder::shared"
            ),
            arrived <- new_poll_condvar!("Recorder::arrived"),
            wanted: Atomic::new(0),
            args_max: Atomic::new(0),
        })
    }

    /// Sets what is recorded from now on.
    pub(crate) fn want(&self, classes: u32, args_max: u32) {
        // ORDERING: The caller takes the lock of the ring twice before it returns to user space,
        // and a task takes locks before `wants()`: what happens after the return is recorded. See
        // `tests/litmus/subscribe.litmus`.
        self.args_max.store(args_max, Relaxed);
        self.wanted.store(classes, Relaxed);
    }

    /// Returns a place in the ring, the first one before there is a ring.
    pub(super) fn cursor(&self, place: impl FnOnce(&Ring) -> Cursor) -> Cursor {
        // TIME: The lock is held for a copy of a cursor.
        self.shared
            .lock()
            .ring
            .as_ref()
            .map_or_else(Cursor::default, place)
    }

    /// Whether anybody wants events of a type.
    #[inline(always)]
    pub(super) fn wants(&self, kind: u32) -> bool {
        self.wanted.load(Relaxed) & 1u32.wrapping_shl(kind) != 0
    }

    /// Adds a record to the ring, with the time of this moment, and wakes readers if they want
    /// that.
    ///
    /// TIME: The lock is held for one record, and for the oldest ones that give way to it. It
    /// is not held while anything waits.
    #[inline(always)]
    pub(super) fn push<T: Record>(
        &self,
        kind: u32,
        record: &mut T,
        room: usize,
        fill: impl FnOnce(&mut T, &mut [u8]) -> usize,
    ) {
        let mut shared = self.shared.lock();
        let Some(ring) = &mut shared.ring else {
            return;
        };

        // With the lock held, so that times are in the order of the records.
        // CAST: There are few types.
        ring.push(kind as u8, ktime_get_boottime_ns(), record, room, fill);
        if ring.end() >= shared.wake_at {
            shared.wake_at = u64::MAX;
            drop(shared);
            self.arrived.notify_all();
        }
    }
}
