// SPDX-License-Identifier: GPL-2.0

//! The message: what was last written to the device, and how it is read piece by piece.

use kernel::{
    iov::IovIterSource,
    new_spinlock,
    prelude::*,
    sync::{
        rcu,
        Arc,
        SpinLock, //
    }, //
};

use crate::abstractions::{
    iov::IovIterSourceExt,
    rcu_data::{
        RcuBox,
        RcuData, //
    }, //
};

/// A message, which never changes. It is never empty.
pub(crate) struct Message {
    bytes: KVVec<u8>,
}

impl Message {
    /// Returns what there is to read from `offset` on, or nothing at the end.
    pub(crate) fn rest(&self, offset: usize) -> Option<&[u8]> {
        self.bytes.get(offset..).filter(|rest| !rest.is_empty())
    }
}

/// The present message of the device.
///
/// Readers find it under RCU and keep it by its reference count, so writers do not wait for them
/// and they do not wait for writers.
#[pin_data]
pub(crate) struct CurrentMessage {
    #[pin]
    data: RcuData<Arc<Message>>,
}

impl CurrentMessage {
    /// Creates an empty message.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            data <- RcuData::new(),
        })
    }

    /// Returns the message, or nothing if it is empty.
    pub(crate) fn get(&self) -> Option<Arc<Message>> {
        self.data.dereference(&rcu::read_lock()).cloned()
    }

    /// Returns the length of the message in bytes.
    pub(crate) fn len(&self) -> usize {
        self.data
            .dereference(&rcu::read_lock())
            .map_or(0, |message| message.bytes.len())
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
        let message = if len == 0 {
            None
        } else {
            // The memory may stay allocated as long as the user likes, so it is the user's. That
            // there is none for so long a message is for the user to know, and not for the log.
            let flags = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
            let bytes = from.read_vec(len, flags)?;
            let message = Arc::new(Message { bytes }, flags)?;

            Some(RcuBox::new(message, flags)?)
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
#[pin_data]
pub(crate) struct Pass {
    #[pin]
    message: SpinLock<Option<Arc<Message>>>,
}

impl Pass {
    /// Creates the state of a file that has not been read.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            message <- new_spinlock!(None, "Pass::message"),
        }? Error)
    }

    /// Returns the message that a read from `offset` gets.
    pub(crate) fn message(&self, offset: usize, current: &CurrentMessage) -> Option<Arc<Message>> {
        let kept = if offset == 0 {
            None
        } else {
            self.message.lock().clone()
        };

        kept.or_else(|| current.get())
    }

    /// Starts a pass over a message.
    pub(crate) fn begin(&self, message: Arc<Message>) {
        self.set(Some(message));
    }

    /// Ends the pass.
    pub(crate) fn end(&self) {
        self.set(None);
    }

    fn set(&self, message: Option<Arc<Message>>) {
        let previous = core::mem::replace(&mut *self.message.lock(), message);

        // This may free a long message, which is better done without the lock.
        drop(previous);
    }
}
