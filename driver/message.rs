// SPDX-License-Identifier: GPL-2.0

//! The message: what was last written to the device, and how it is read piece by piece.

use kernel::{
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    new_spinlock,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::Atomic,
        rcu,
        SpinLock, //
    }, //
};

use crate::abstractions::{
    iov::IovIterDestExt,
    once::{
        read_once,
        write_once, //
    },
    rcu_data::{
        NewRcuBytes,
        RcuBytes,
        RcuData, //
    }, //
};

/// The present message of the device, which is never changed but only replaced.
///
/// Readers find it under RCU, so writers do not wait for them and they do not wait for writers.
pub(crate) struct CurrentMessage {
    data: RcuData,
}

impl CurrentMessage {
    /// Creates an empty message.
    pub(crate) fn new() -> Self {
        Self {
            data: RcuData::new(),
        }
    }

    /// Returns the message, or nothing if it is empty.
    fn get(&self) -> Option<ARef<RcuBytes>> {
        self.data.dereference(&rcu::read_lock()).map(ARef::from)
    }

    /// Reads what there is from `start` on, without a reference to the message: within a read-side
    /// critical section of RCU, which must not sleep and should be short.
    ///
    /// Returns the number of bytes that were read, or nothing if this is not the way: if it takes a
    /// page fault, if there is more than a page to copy, or if what follows a read from the
    /// beginning has to be kept for later ones.
    fn read_in_place(&self, start: usize, to: &mut IovIterDest<'_>) -> Option<usize> {
        let guard = rcu::read_lock();
        let rest = tail(self.data.dereference(&guard), start);
        let wanted = rest.get(..to.len()).unwrap_or(rest);

        if wanted.len() > PAGE_SIZE || (start == 0 && wanted.len() < rest.len()) {
            return None;
        }
        to.copy_to_iter_nofault(wanted).then_some(wanted.len())
    }

    /// Returns the length of the message in bytes.
    pub(crate) fn len(&self) -> usize {
        self.data
            .dereference(&rcu::read_lock())
            .map_or(0, |message| message.len())
    }

    /// Replaces the message by what user space gives, but by no more than `limit` bytes of it.
    ///
    /// Returns the length of the new message. Nothing changes on an error.
    ///
    /// # Errors
    ///
    /// `EFAULT` if not all of the bytes can be read, `ENOMEM` if there is no memory for them.
    pub(crate) fn replace(&self, from: &mut IovIterSource<'_>, limit: usize) -> Result<usize> {
        let len = from.len().min(limit);
        // The memory may stay allocated as long as the user likes, so it is the user's.
        let message = match len {
            0 => None,
            _ => Some(NewRcuBytes::from_iter(from, len)?),
        };

        self.data.replace(message);
        Ok(len)
    }
}

/// Where an open file is in reading a message piece by piece.
///
/// A read from the beginning starts a pass: until a read has come to the end of that message, reads
/// from other offsets get what follows in it, though it may have been replaced meanwhile. Outside
/// of a pass they get what is in the present message.
///
/// A message that a read gets as a whole is not kept: what is left of its pass is its end.
#[pin_data]
pub(crate) struct Pass {
    /// The offset at which a message ends that was read as a whole, [`Pass::NONE`] or
    /// [`Pass::KEPT`].
    end: Atomic<usize>,
    /// The message of a pass whose end is `KEPT`. No user of the file depends on what another one
    /// does at the same moment, so the two need not change at once.
    #[pin]
    message: SpinLock<Option<ARef<RcuBytes>>>,
}

impl Pass {
    /// There is no pass. No message ends there, as none is empty.
    const NONE: usize = 0;

    /// The message is kept. No message ends there, as none is so long.
    const KEPT: usize = usize::MAX;

    /// Creates the state of a file that has not been read.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            end: Atomic::new(Self::NONE),
            message <- new_spinlock!(None, "Pass::message"),
        }? Error)
    }

    /// Reads from offset `start` on, and returns the number of bytes that were read.
    ///
    /// # Errors
    ///
    /// `EFAULT` if not even one byte can be written where the reader wants it.
    pub(crate) fn read(
        &self,
        start: usize,
        current: &CurrentMessage,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        // A read from the beginning starts a pass, whatever there was before.
        let end = match start {
            0 => Self::NONE,
            _ => read_once(&self.end),
        };
        let kept = match end {
            Self::KEPT => self.message.lock().clone(),
            Self::NONE => None,
            end if start < end => None,
            _ => return Ok(self.finish()),
        };

        if kept.is_none() {
            match current.read_in_place(start, to) {
                None => {}
                Some(0) => return Ok(self.finish()),
                Some(copied) => {
                    if start == 0 {
                        self.set(copied, None);
                    }
                    return Ok(copied);
                }
            }
        }

        let message = kept.or_else(|| current.get());
        let rest = tail(message.as_deref(), start);

        if rest.is_empty() {
            return Ok(self.finish());
        }

        let copied = to.copy_to_iter(rest);

        if copied == 0 {
            return Err(EFAULT);
        }
        if start == 0 {
            if copied == rest.len() {
                self.set(copied, None);
            } else {
                self.set(Self::KEPT, message);
            }
        }
        Ok(copied)
    }

    /// Ends the pass, and returns the number of bytes that there are at the end.
    fn finish(&self) -> usize {
        self.set(Self::NONE, None);
        0
    }

    fn set(&self, end: usize, message: Option<ARef<RcuBytes>>) {
        if message.is_some() || read_once(&self.end) == Self::KEPT {
            self.keep(message);
        }
        write_once(&self.end, end);
    }

    #[cold]
    #[inline(never)]
    fn keep(&self, message: Option<ARef<RcuBytes>>) {
        let previous = core::mem::replace(&mut *self.message.lock(), message);

        // This may free a long message, which is better done without the lock.
        drop(previous);
    }
}

/// Returns what there is in a message from `start` on, which is nothing if there is no message.
fn tail(message: Option<&RcuBytes>, start: usize) -> &[u8] {
    message
        .and_then(|message| message.get(start..))
        .unwrap_or_default()
}
