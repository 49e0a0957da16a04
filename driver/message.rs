// SPDX-License-Identifier: GPL-2.0

//! The message: what was last written to the device, and how it is read piece by piece.

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
            RcuPlaces, //
        }, //
    },
    uapi, //
};

/// How many replaced messages are kept for passes that have read a part of them.
const KEPT: usize = uapi::PROCMON_KEPT_MESSAGES as usize;

/// The place of the present message. The others are for those that are kept.
const PRESENT: usize = 0;

/// The most that is copied within one read-side critical section of RCU.
const BUFFER_SIZE: usize = 64 << 10;

/// The message of the device, which is never changed but only replaced.
///
/// Readers find it under RCU, so writers do not wait for them and they do not wait for writers.
///
/// A replaced message stays if a pass has read a part of it, but no more than [`KEPT`] of them do:
/// the oldest goes first. So the device has five messages at the most, whatever readers do, beside
/// those that wait for a grace period, which are bounded by
/// [`Removed`](crate::abstractions::sync::rcu_data::Removed).
#[pin_data]
pub(crate) struct Message {
    data: RcuPlaces<{ KEPT + 1 }>,
    #[pin]
    editions: SpinLock<Editions>,
}

/// The number of a message, which no other one has.
type Number = u64;

/// What is in a place.
#[derive(Clone, Copy)]
struct Edition {
    number: Number,
    /// How many passes have read a part of it and are not at the end.
    passes: usize,
}

/// What is in each place. The places change only with the lock of this held.
struct Editions([Edition; KEPT + 1]);

impl Editions {
    /// No message has that number.
    const NOTHING: Edition = Edition {
        number: 0,
        passes: 0,
    };

    fn new() -> Self {
        let mut editions = [Self::NOTHING; KEPT + 1];

        if let Some(present) = editions.get_mut(PRESENT) {
            present.number = 1;
        }
        Self(editions)
    }

    /// Returns the place of a message that is still there.
    fn find(&mut self, number: Number) -> Option<(usize, &mut Edition)> {
        self.0
            .iter_mut()
            .enumerate()
            .find(|(_, edition)| edition.number == number)
    }

    /// Notes that a pass over the present message has begun, and returns the message's number.
    fn begin(&mut self) -> Number {
        let [present, ..] = &mut self.0;

        present.passes = present.passes.saturating_add(1);
        present.number
    }

    /// Notes that a pass has ended. Returns the place of the message if that is not needed any
    /// more.
    fn end(&mut self, number: Number) -> Option<usize> {
        let (place, edition) = self.find(number)?;

        edition.passes = edition.passes.saturating_sub(1);
        if place == PRESENT || edition.passes > 0 {
            return None;
        }
        *edition = Self::NOTHING;
        Some(place)
    }

    /// Notes that the present message is replaced. Returns the place for the old one if that is to
    /// be kept, which is the one whose message is the oldest.
    fn replace(&mut self) -> Option<usize> {
        let [present, kept @ ..] = &mut self.0;
        let old = *present;

        *present = Edition {
            number: old.number.wrapping_add(1),
            passes: 0,
        };
        if old.passes == 0 {
            return None;
        }

        let (place, oldest) = (PRESENT + 1..)
            .zip(kept)
            .min_by_key(|(_, edition)| edition.number)?;

        *oldest = old;
        Some(place)
    }
}

/// What a read has got of a message.
struct Piece {
    /// The number of the message.
    number: Number,
    /// The number of bytes.
    len: usize,
    /// Whether there is nothing behind them.
    is_last: bool,
}

impl Message {
    /// Creates an empty message.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            data: RcuPlaces::new(),
            editions <- new_spinlock!(Editions::new(), "Message::editions"),
        })
    }

    /// Returns the length of the message in bytes.
    pub(crate) fn len(&self) -> usize {
        self.data
            .dereference(PRESENT, &rcu::read_lock())
            .map_or(0, <[u8]>::len)
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
            _ => Some(RcuBytes::from_iter(from, len)?),
        };

        let removed = {
            // TIME: A look at five places, for all who hold this lock.
            let mut editions = self.editions.lock();
            let old = self.data.replace(PRESENT, message);

            match (editions.replace(), old) {
                (Some(place), Some(old)) => self.data.keep(place, old),
                (_, old) => old,
            }
        };

        // Without the lock, for this may sleep.
        drop(removed);
        Ok(len)
    }

    /// Reads from `start` on in the present message, within a read-side critical section of RCU.
    ///
    /// Returns the number of bytes that were read, or nothing if this is not the way: if it takes a
    /// page fault, if there is more than a page to copy, or if what follows a read from the
    /// beginning has to be kept for later ones.
    fn read_in_place(&self, start: usize, to: &mut IovIterDest<'_>) -> Option<usize> {
        // TIME: A page is copied.
        let guard = rcu::read_lock();
        let rest = tail(self.data.dereference(PRESENT, &guard), start);
        let wanted = rest.get(..to.len()).unwrap_or(rest);

        if wanted.len() > PAGE_SIZE || (start == 0 && wanted.len() < rest.len()) {
            return None;
        }
        to.copy_to_iter_nofault(wanted).then_some(wanted.len())
    }

    /// Returns how many bytes follow `start` in the message with that number, or in the present
    /// one. Returns nothing if the message is not kept any more.
    fn rest(&self, number: Option<Number>, start: usize) -> Option<usize> {
        let guard = rcu::read_lock();
        // TIME: As in `replace()`.
        let mut editions = self.editions.lock();
        let place = match number {
            // With the lock still held, for the place is that of another message once it is not.
            Some(number) => editions.find(number)?.0,
            None => PRESENT,
        };

        Some(tail(self.data.dereference(place, &guard), start).len())
    }

    /// Copies what follows `start` to a buffer, as much as there is room for.
    ///
    /// It is that of the message with that number, or of the present one, a pass over which then
    /// begins. Returns nothing if the message is not kept any more.
    fn copy(&self, number: Option<Number>, start: usize, buffer: &mut [u8]) -> Option<Piece> {
        // TIME: As much as the buffer holds is copied, which is no more than `BUFFER_SIZE`.
        let guard = rcu::read_lock();
        let (number, message) = {
            // TIME: As in `replace()`.
            let mut editions = self.editions.lock();
            let (place, number) = match number {
                Some(number) => (editions.find(number)?.0, number),
                None => (PRESENT, editions.begin()),
            };

            (number, self.data.dereference(place, &guard))
        };
        let rest = tail(message, start);
        let len = rest.len().min(buffer.len());

        if let (Some(from), Some(to)) = (rest.get(..len), buffer.get_mut(..len)) {
            to.copy_from_slice(from);
        }
        Some(Piece {
            number,
            len,
            is_last: len == rest.len(),
        })
    }

    /// Reads from `start` on by way of a buffer: that is filled under RCU, and copied to where the
    /// reader wants it while nothing is held, for a page fault takes as long as user space likes.
    ///
    /// All of it is from the message with that number, or from the present one, a pass over which
    /// then begins. What was replaced too often meanwhile ends early. Returns nothing if not even
    /// the beginning is kept any more.
    ///
    /// # Errors
    ///
    /// `EFAULT` if not even one byte can be written where the reader wants it, `ENOMEM` if there is
    /// no memory for the buffer. No pass has begun then.
    fn read_buffered(
        &self,
        pass: Option<Number>,
        start: usize,
        to: &mut IovIterDest<'_>,
    ) -> Result<Option<Piece>> {
        let Some(rest) = self.rest(pass, start) else {
            return Ok(None);
        };
        // The reader may keep it as long as a page fault takes, so it is the reader's.
        let mut buffer = zeroed_vec::<u8>(
            rest.min(to.len()).min(BUFFER_SIZE),
            GFP_KERNEL_ACCOUNT | __GFP_NOWARN,
        )?;
        let mut read: Option<Piece> = None;

        // TIME: No round but the last is without a byte, and there are as many as a message takes.
        loop {
            let done = read.as_ref().map_or(0, |read| read.len);
            let room = buffer.len().min(to.len());
            let number = read.as_ref().map(|read| read.number).or(pass);
            let Some(part) = self.copy(
                number,
                start.saturating_add(done),
                buffer.get_mut(..room).unwrap_or_default(),
            ) else {
                return Ok(read);
            };
            let copied = to.copy_to_iter(buffer.get(..part.len).unwrap_or_default());
            let is_stuck = copied < part.len;
            let read = read.insert(Piece {
                number: part.number,
                len: done.saturating_add(copied),
                is_last: part.is_last && !is_stuck,
            });

            if is_stuck && read.len == 0 {
                if pass.is_none() {
                    self.end_pass(read.number);
                }
                return Err(EFAULT);
            }
            if is_stuck || read.is_last || copied == 0 || to.is_empty() {
                break;
            }
        }
        Ok(read)
    }

    /// Notes that a pass over a message has ended, which is freed if it was kept for that one only.
    fn end_pass(&self, number: Number) {
        let removed = {
            // TIME: As in `replace()`.
            let mut editions = self.editions.lock();

            editions
                .end(number)
                .and_then(|place| self.data.replace(place, None))
        };

        // Without the lock, for this may sleep.
        drop(removed);
    }
}

/// Where an open file is in reading a message piece by piece.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// There is no pass.
    None,
    /// A message was read as a whole, which ended at that offset.
    Whole(usize),
    /// A part of the message with that number was read, which [`Message`] knows of.
    Part(Number),
}

impl State {
    /// Returns a word that stands for the state. The end of a message is not zero, for none is
    /// empty, and neither it nor a number comes near to what would be cut off.
    fn to_word(self) -> u64 {
        match self {
            State::None => 0,
            State::Whole(end) => (end as u64) << 1,
            State::Part(number) => number << 1 | 1,
        }
    }

    fn from_word(word: u64) -> Self {
        match word {
            0 => State::None,
            _ if word & 1 == 0 => State::Whole((word >> 1) as usize),
            _ => State::Part(word >> 1),
        }
    }
}

/// Where an open file is in reading a message piece by piece.
///
/// A read from the beginning starts a pass: until a read has come to the end of that message, reads
/// from other offsets get what follows in it, though it may have been replaced meanwhile. Outside
/// of a pass they get what is in the present message.
///
/// The pass has no hold on its message. If there were too many others to keep, a read fails once,
/// which ends the pass. A message that a read gets as a whole need not be kept: what is left of its
/// pass is its end.
///
/// To be dropped after [`Pass::close`].
pub(crate) struct Pass {
    state: Atomic<u64>,
}

impl Pass {
    /// Creates the state of a file that has not been read.
    pub(crate) fn new() -> Self {
        Self {
            state: Atomic::new(State::None.to_word()),
        }
    }

    /// Reads from offset `start` on, and returns the number of bytes that were read.
    ///
    /// # Errors
    ///
    /// - `EFAULT` if not even one byte can be written where the reader wants it.
    /// - `ENOMEM` if there is no memory for a buffer.
    /// - `ESTALE` if the message of the pass is not kept any more. The pass has ended then.
    pub(crate) fn read(
        &self,
        start: usize,
        message: &Message,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        // A read from the beginning starts a pass, whatever there was before.
        let state = match start {
            0 => State::None,
            _ => State::from_word(self.state.load(Relaxed)),
        };

        match state {
            State::Part(number) => return self.read_part(number, start, message, to),
            State::Whole(end) if start >= end => return Ok(self.finish(message)),
            _ => {}
        }
        match message.read_in_place(start, to) {
            None => self.read_present(start, message, to),
            Some(0) => Ok(self.finish(message)),
            Some(copied) => {
                if start == 0 {
                    self.set(State::Whole(copied), message);
                }
                Ok(copied)
            }
        }
    }

    /// Reads what the pass has not read yet.
    #[cold]
    fn read_part(
        &self,
        number: Number,
        start: usize,
        message: &Message,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        match message.read_buffered(Some(number), start, to)? {
            Some(read) if read.len > 0 => Ok(read.len),
            Some(_) => Ok(self.finish(message)),
            None => {
                // Of all threads that read this file, one is told.
                let (part, none) = (State::Part(number).to_word(), State::None.to_word());

                match self.state.cmpxchg(part, none, Relaxed) {
                    Ok(_) => Err(estale()),
                    Err(_) => self.read_present(start, message, to),
                }
            }
        }
    }

    /// Reads from the present message what cannot be read in place.
    #[cold]
    fn read_present(
        &self,
        start: usize,
        message: &Message,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        let Some(read) = message.read_buffered(None, start, to)? else {
            return Ok(self.finish(message));
        };

        if start == 0 && !read.is_last && read.len > 0 {
            self.set(State::Part(read.number), message);
            return Ok(read.len);
        }
        message.end_pass(read.number);
        match (start, read.len) {
            (_, 0) => return Ok(self.finish(message)),
            (0, end) => self.set(State::Whole(end), message),
            _ => {}
        }
        Ok(read.len)
    }

    /// Ends the pass, as is to be done before the file is released.
    pub(crate) fn close(&self, message: &Message) {
        self.set(State::None, message);
    }

    /// Ends the pass, and returns the number of bytes that there are at the end.
    fn finish(&self, message: &Message) -> usize {
        self.set(State::None, message);
        0
    }

    fn set(&self, state: State, message: &Message) {
        // ORDERING: The state is a number, and what it stands for is under a lock.
        let old = self.state.xchg(state.to_word(), Relaxed);

        if let State::Part(number) = State::from_word(old) {
            message.end_pass(number);
        }
    }
}

/// Returns what there is in a message from `start` on, which is nothing if there is no message.
fn tail(message: Option<&[u8]>, start: usize) -> &[u8] {
    message
        .and_then(|message| message.get(start..))
        .unwrap_or_default()
}
