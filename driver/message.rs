// SPDX-License-Identifier: GPL-2.0-only

//! The message: the text that was last written to the device, and its piecewise reading.

use kernel::{
    alloc::flags::__GFP_NOWARN,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    new_spinlock,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        SpinLock, //
    }, //
};

use crate::{
    abstractions::{
        compat::{
            estale,
            zeroed_vec, //
        },
        iov::IovIterDestExt,
        sync::rcu_data::{
            RcuBytes,
            RcuSlots, //
        }, //
    },
    uapi, //
};

/// The number of replaced messages that are kept for files that have read a part of them.
const KEPT: usize = uapi::PROCMON_KEPT_MESSAGES as usize;

/// The slot of the current message. The other slots are for replaced messages that are kept.
const CURRENT: usize = 0;

/// The number of bytes that are copied per RCU section at most.
const BUFFER_SIZE: usize = 64 << 10;

/// The message of the device, which is replaced as a whole and never changed.
///
/// Readers find it under RCU, so readers and writers do not wait for each other.
///
/// A replaced message is kept while a file has read a part of it, but only the newest [`KEPT`] ones
/// are. So the device has five messages at most, beside those that wait for a grace period, which
/// are bounded by
/// [`Removed`](crate::abstractions::sync::rcu_data::Removed).
#[pin_data]
pub(crate) struct Message {
    data: RcuSlots<{ KEPT + 1 }>,
    #[pin]
    slots: SpinLock<Slots>,
}

/// The unique ID of a message.
type MessageId = u64;

/// The state of one slot.
#[derive(Clone, Copy)]
struct Slot {
    id: MessageId,
    /// The number of files that have read a part of it and have not reached its end.
    readers: usize,
}

/// The state of all slots. Messages enter and leave slots only with the lock of this held.
struct Slots([Slot; KEPT + 1]);

impl Slots {
    /// A slot without a message: no message has this ID.
    const EMPTY: Slot = Slot { id: 0, readers: 0 };

    fn new() -> Self {
        let mut slots = [Self::EMPTY; KEPT + 1];

        if let Some(current) = slots.get_mut(CURRENT) {
            current.id = 1;
        }
        Self(slots)
    }

    /// Finds the slot of a message that is still kept.
    fn find(&mut self, id: MessageId) -> Option<(usize, &mut Slot)> {
        self.0
            .iter_mut()
            .enumerate()
            .find(|(_, slot)| slot.id == id)
    }

    /// Counts a reader of the current message, and returns the message's ID.
    fn begin(&mut self) -> MessageId {
        let [current, ..] = &mut self.0;

        current.readers = current.readers.saturating_add(1);
        current.id
    }

    /// Counts a reader off. Returns the slot of the message if that is not needed any more.
    fn end(&mut self, id: MessageId) -> Option<usize> {
        let (index, slot) = self.find(id)?;

        slot.readers = slot.readers.saturating_sub(1);
        if index == CURRENT || slot.readers > 0 {
            return None;
        }
        *slot = Self::EMPTY;
        Some(index)
    }

    /// Gives the current message a new ID. Returns the slot for the previous message if that is to
    /// be kept: the one with the oldest message.
    fn replace(&mut self) -> Option<usize> {
        let [current, kept @ ..] = &mut self.0;
        let old = *current;

        *current = Slot {
            id: old.id.wrapping_add(1),
            readers: 0,
        };
        if old.readers == 0 {
            return None;
        }

        let (index, oldest) = (CURRENT + 1..).zip(kept).min_by_key(|(_, slot)| slot.id)?;

        *oldest = old;
        Some(index)
    }
}

/// The part of a message that a read has copied.
struct Chunk {
    /// The ID of the message.
    id: MessageId,
    /// The number of bytes.
    len: usize,
    /// Whether they are the last ones of the message.
    is_last: bool,
}

impl Message {
    /// Creates an empty message.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            data: RcuSlots::new(),
            slots <- new_spinlock!(Slots::new(), "Message::slots"),
        })
    }

    /// Returns the length of the message in bytes.
    pub(crate) fn len(&self) -> usize {
        self.data
            .dereference(CURRENT, &rcu::read_lock())
            .map_or(0, <[u8]>::len)
    }

    /// Replaces the message by the first `limit` bytes that user space provides.
    ///
    /// Returns the length of the new message. Nothing changes on an error. Sleeps.
    ///
    /// # Errors
    ///
    /// `EFAULT` if not all of the bytes can be read, `ENOMEM` if memory is short.
    #[inline(always)]
    pub(crate) fn replace(&self, from: &mut IovIterSource<'_>, limit: usize) -> Result<usize> {
        let len = from.len().min(limit);
        // Accounted to the caller, since it stays allocated until the next write.
        let message = match len {
            0 => None,
            _ => Some(RcuBytes::from_iter(from, len)?),
        };

        let removed = {
            // TIME: The lock is held for a search of five slots, here and elsewhere.
            let mut slots = self.slots.lock();
            let old = self.data.replace(CURRENT, message);

            match (slots.replace(), old) {
                (Some(index), Some(old)) => self.data.keep(index, old),
                (_, old) => old,
            }
        };

        // Without the lock, since this may sleep.
        drop(removed);
        Ok(len)
    }

    /// Reads the current message from `start` on, straight from its slot under RCU.
    ///
    /// Returns the number of copied bytes, or `None` if the slow path is needed: the copy would
    /// fault, exceeds a page, or begins a read in several pieces, which has to keep the message.
    #[inline(always)]
    fn read_in_place(&self, start: usize, to: &mut IovIterDest<'_>) -> Option<usize> {
        // TIME: RCU is held for a copy of one page at most.
        let guard = rcu::read_lock();
        let rest = tail(self.data.dereference(CURRENT, &guard), start);
        let wanted = rest.get(..to.len()).unwrap_or(rest);

        if wanted.len() > PAGE_SIZE || (start == 0 && wanted.len() < rest.len()) {
            return None;
        }
        to.copy_to_iter_nofault(wanted).then_some(wanted.len())
    }

    /// Returns the number of bytes from `start` on in the message with this ID, or in the current
    /// one; `None` if the message is not kept any more.
    fn rest(&self, id: Option<MessageId>, start: usize) -> Option<usize> {
        let guard = rcu::read_lock();
        // TIME: As in `replace()`.
        let mut slots = self.slots.lock();
        let index = match id {
            // The lock stays held: without it, the slot may get another message.
            Some(id) => slots.find(id)?.0,
            None => CURRENT,
        };

        Some(tail(self.data.dereference(index, &guard), start).len())
    }

    /// Fills a buffer with the bytes from `start` on of the message with this ID, or of the current
    /// one, of which the caller then is a reader. Returns `None` if the message is not kept any
    /// more.
    fn copy(&self, id: Option<MessageId>, start: usize, buffer: &mut [u8]) -> Option<Chunk> {
        // TIME: RCU is held for a copy of one buffer, which is `BUFFER_SIZE` at most.
        let guard = rcu::read_lock();
        let (id, message) = {
            // TIME: As in `replace()`.
            let mut slots = self.slots.lock();
            let (index, id) = match id {
                Some(id) => (slots.find(id)?.0, id),
                None => (CURRENT, slots.begin()),
            };

            (id, self.data.dereference(index, &guard))
        };
        let rest = tail(message, start);
        let len = rest.len().min(buffer.len());

        if let (Some(from), Some(to)) = (rest.get(..len), buffer.get_mut(..len)) {
            to.copy_from_slice(from);
        }
        Some(Chunk {
            id,
            len,
            is_last: len == rest.len(),
        })
    }

    /// Reads from `start` on by way of a buffer, which is filled under RCU and copied to user space
    /// with nothing held: a page fault may take any length of time.
    ///
    /// All bytes are from the message with this ID, or from the current one, of which the caller
    /// then is a reader. A read ends early if its message is discarded during it. Returns `None` if
    /// the message is not kept any more.
    ///
    /// # Errors
    ///
    /// `EFAULT` if not even one byte can be written to user space, `ENOMEM` if there is no memory
    /// for the buffer. The caller is no reader then.
    fn read_buffered(
        &self,
        message: Option<MessageId>,
        start: usize,
        to: &mut IovIterDest<'_>,
    ) -> Result<Option<Chunk>> {
        let Some(rest) = self.rest(message, start) else {
            return Ok(None);
        };
        // Accounted to the caller, since it stays allocated for as long as a page fault takes.
        let mut buffer = zeroed_vec::<u8>(
            rest.min(to.len()).min(BUFFER_SIZE),
            GFP_KERNEL_ACCOUNT | __GFP_NOWARN,
        )?;
        let mut read: Option<Chunk> = None;

        // TIME: Each round but the last one copies at least one byte of the message.
        loop {
            let done = read.as_ref().map_or(0, |read| read.len);
            let space = buffer.len().min(to.len());
            let id = read.as_ref().map(|read| read.id).or(message);
            let Some(part) = self.copy(
                id,
                start.saturating_add(done),
                buffer.get_mut(..space).unwrap_or_default(),
            ) else {
                return Ok(read);
            };
            let copied = to.copy_to_iter(buffer.get(..part.len).unwrap_or_default());
            let is_stuck = copied < part.len;
            let read = read.insert(Chunk {
                id: part.id,
                len: done.saturating_add(copied),
                is_last: part.is_last && !is_stuck,
            });

            if is_stuck && read.len == 0 {
                if message.is_none() {
                    self.release(read.id);
                }
                return Err(EFAULT);
            }
            if is_stuck || read.is_last || copied == 0 || to.is_empty() {
                break;
            }
        }
        Ok(read)
    }

    /// Counts a reader off, and frees the message if it was kept for that reader only.
    fn release(&self, id: MessageId) {
        let removed = {
            // TIME: As in `replace()`.
            let mut slots = self.slots.lock();

            slots
                .end(id)
                .and_then(|index| self.data.replace(index, None))
        };

        // Without the lock, since this may sleep.
        drop(removed);
    }
}

/// The progress of an open file in reading a message.
#[derive(Clone, Copy, PartialEq)]
enum Progress {
    /// No message is being read.
    None,
    /// A message was read as a whole, up to its end at this offset.
    Whole(usize),
    /// A part of the message with this ID was read, of which the file is a reader.
    Part(MessageId),
}

impl Progress {
    /// Packs the progress in a word. The end of a message that was read is not zero, and neither it
    /// nor an ID is large enough to be cut off by the shift.
    fn to_word(self) -> u64 {
        match self {
            Progress::None => 0,
            Progress::Whole(end) => (end as u64) << 1,
            Progress::Part(id) => id << 1 | 1,
        }
    }

    fn from_word(word: u64) -> Self {
        match word {
            0 => Progress::None,
            _ if word & 1 == 0 => Progress::Whole((word >> 1) as usize),
            _ => Progress::Part(word >> 1),
        }
    }
}

/// The position of an open file within a message that it reads in pieces.
///
/// A read from offset 0 selects the current message. Until a read has reached its end, reads from
/// other offsets continue in the same message, even if that has been replaced since. Otherwise they
/// read the current message.
///
/// The cursor does not own its message. If the message had to be discarded, one read fails with
/// `ESTALE` and resets the cursor. A message that one read gets as a whole is not kept: the cursor
/// then only has its end.
///
/// Must be closed by [`ReadCursor::close`] before it is dropped, or its message is kept in vain.
pub(crate) struct ReadCursor {
    progress: Atomic<u64>,
}

impl ReadCursor {
    /// Creates the cursor of a file that has not been read.
    pub(crate) fn new() -> Self {
        Self {
            progress: Atomic::new(Progress::None.to_word()),
        }
    }

    /// Reads from offset `start` on, and returns the number of copied bytes.
    ///
    /// # Errors
    ///
    /// - `EFAULT` if not even one byte can be written to user space.
    /// - `ENOMEM` if there is no memory for a buffer.
    /// - `ESTALE` if the message is not kept any more. The cursor is reset then.
    #[inline(always)]
    pub(crate) fn read(
        &self,
        start: usize,
        message: &Message,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        // A read from offset 0 selects the current message, whatever was read before.
        let progress = match start {
            0 => Progress::None,
            _ => Progress::from_word(self.progress.load(Relaxed)),
        };

        match progress {
            Progress::Part(id) => return self.read_part(id, start, message, to),
            Progress::Whole(end) if start >= end => return Ok(self.finish(message)),
            _ => {}
        }
        match message.read_in_place(start, to) {
            None => self.read_current(start, message, to),
            Some(0) => Ok(self.finish(message)),
            Some(copied) => {
                if start == 0 {
                    self.set(Progress::Whole(copied), message);
                }
                Ok(copied)
            }
        }
    }

    /// Continues in a message of which a part was read.
    #[cold]
    fn read_part(
        &self,
        id: MessageId,
        start: usize,
        message: &Message,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        match message.read_buffered(Some(id), start, to)? {
            Some(read) if read.len > 0 => Ok(read.len),
            Some(_) => Ok(self.finish(message)),
            None => {
                // Of all threads that read this file, one gets the error.
                let (part, none) = (Progress::Part(id).to_word(), Progress::None.to_word());

                match self.progress.cmpxchg(part, none, Relaxed) {
                    Ok(_) => Err(estale()),
                    Err(_) => self.read_current(start, message, to),
                }
            }
        }
    }

    /// Reads the current message where [`Message::read_in_place`] cannot.
    #[cold]
    fn read_current(
        &self,
        start: usize,
        message: &Message,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        let Some(read) = message.read_buffered(None, start, to)? else {
            return Ok(self.finish(message));
        };

        if start == 0 && !read.is_last && read.len > 0 {
            self.set(Progress::Part(read.id), message);
            return Ok(read.len);
        }
        message.release(read.id);
        match (start, read.len) {
            (_, 0) => return Ok(self.finish(message)),
            (0, end) => self.set(Progress::Whole(end), message),
            _ => {}
        }
        Ok(read.len)
    }

    /// Resets the cursor. Must be called before the file is released.
    pub(crate) fn close(&self, message: &Message) {
        self.set(Progress::None, message);
    }

    /// Resets the cursor at the end of a message. Returns 0, the number of bytes there.
    fn finish(&self, message: &Message) -> usize {
        self.set(Progress::None, message);
        0
    }

    fn set(&self, progress: Progress, message: &Message) {
        // ORDERING: None is needed: the ID leads to a message only through a lock.
        let old = self.progress.xchg(progress.to_word(), Relaxed);

        if let Progress::Part(id) = Progress::from_word(old) {
            message.release(id);
        }
    }
}

/// Returns the bytes of a message from `start` on; none without a message.
fn tail(message: Option<&[u8]>, start: usize) -> &[u8] {
    message
        .and_then(|message| message.get(start..))
        .unwrap_or_default()
}
