// SPDX-License-Identifier: GPL-2.0-only

//! The ring of events: records of different sizes, of which the oldest give way to new ones.

use kernel::prelude::*;

use zerocopy::{
    Immutable,
    IntoBytes, //
};

use crate::{
    abstractions::compat::zeroed_vec,
    uapi::{
        self,
        procmon_event as Header, //
    }, //
};

mod tests;

/// The number of types of events.
pub(crate) const TYPES: usize = uapi::PROCMON_EVENT_TYPES as usize;

/// The largest size of a record.
pub(crate) const MAX_RECORD: usize = 16 * 1024;

/// The type of a record that fills the end of the ring. It has no sequence number, and may consist
/// of nothing but the first word of a header.
const PAD: u8 = uapi::PROCMON_EVENT_LOST as u8 - 1;

/// A record without its tail.
///
/// Its size is a multiple of [`ALIGN`].
pub(crate) trait Record: IntoBytes + Immutable {
    /// Returns the header, with which it begins.
    fn header(&mut self) -> &mut Header;
}

impl Record for Header {
    fn header(&mut self) -> &mut Header {
        self
    }
}

/// Records begin at multiples of this.
const ALIGN: usize = size_of::<u64>();

/// Returns a length with its padding up to the next record.
#[inline(always)]
pub(crate) fn padded(len: usize) -> usize {
    len.saturating_add(ALIGN - 1) & !(ALIGN - 1)
}

/// The size and the type of a record, by its first word.
#[derive(Clone, Copy)]
struct Extent {
    size: usize,
    kind: u8,
}

impl Extent {
    /// Returns those of the record that some bytes begin with.
    #[inline(always)]
    fn of(bytes: &[u8]) -> Option<Self> {
        let [size0, size1, _, _, kind, ..] = *bytes.first_chunk::<ALIGN>()?;

        Some(Self {
            size: usize::from(u16::from_ne_bytes([size0, size1])),
            kind,
        })
    }
}

/// A place between two records.
#[derive(Clone, Copy, Default)]
struct Mark {
    /// Bytes since the ring was empty.
    position: u64,
    /// The sequence number of the record that follows.
    sequence: u64,
}

/// Records that were lost to a reader.
pub(crate) struct Lost {
    /// The sequence number of the first one.
    pub(crate) first: u64,
    /// The sequence number of the last one.
    pub(crate) last: u64,
    /// The number of those of each type.
    pub(crate) counts: [u64; TYPES],
}

/// The place of a reader.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cursor {
    mark: Mark,
    /// The number of records of each type that are before that place.
    passed: [u64; TYPES],
}

impl Cursor {
    /// Returns the sequence number of the next record.
    pub(crate) fn sequence(&self) -> u64 {
        self.mark.sequence
    }

    /// Returns its place, in bytes since the ring was empty.
    pub(crate) fn position(&self) -> u64 {
        self.mark.position
    }

    /// Takes the cursor beyond the record that is at its place, with which some bytes begin.
    /// Returns the size of the record; `None` if it is not there as a whole.
    #[inline(always)]
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Option<usize> {
        let extent = Extent::of(bytes)?;

        // A pad is the last one of them, and has nothing that would have to be there.
        if extent.kind == PAD {
            pass(&mut self.mark, &mut self.passed, extent);
            return None;
        }
        if extent.size > bytes.len() {
            return None;
        }
        pass(&mut self.mark, &mut self.passed, extent);
        Some(extent.size)
    }
}

/// A ring of records.
///
/// Readers take their records in turn, each with a [`Cursor`] of its own.
///
/// # Invariants
///
/// - The length of `bytes` is a power of two.
/// - `oldest` and `end` are multiples of [`ALIGN`], and at most that length apart.
/// - Between them are whole records, each of which begins with a header that has its size.
pub(crate) struct Ring {
    bytes: KVVec<u8>,
    oldest: Mark,
    end: Mark,
    /// The number of records of each type before `oldest`.
    evicted: [u64; TYPES],
    /// The number of records of each type before `end`.
    written: [u64; TYPES],
}

impl Ring {
    /// Creates a ring for at least `size` bytes, and for at least two records of any size.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short.
    pub(crate) fn new(size: usize) -> Result<Self> {
        let size = size.max(2 * MAX_RECORD).next_power_of_two();
        let first = Mark {
            position: 0,
            sequence: 1,
        };

        Ok(Self {
            bytes: zeroed_vec(size, GFP_KERNEL)?,
            oldest: first,
            end: first,
            evicted: [0; TYPES],
            written: [0; TYPES],
        })
    }

    /// Returns the sequence number of the oldest record that is kept, or of the next one if none
    /// is.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest.sequence
    }

    /// Returns the sequence number of the newest record, 0 before the first one.
    pub(crate) fn newest(&self) -> u64 {
        self.end.sequence.saturating_sub(1)
    }

    /// Returns the size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the number of bytes since the ring was empty.
    #[inline(always)]
    pub(crate) fn end(&self) -> u64 {
        self.end.position
    }

    /// Returns a cursor at the oldest record that is kept.
    pub(crate) fn at_oldest(&self) -> Cursor {
        Cursor {
            mark: self.oldest,
            passed: self.evicted,
        }
    }

    /// Returns a cursor at the next record to come.
    pub(crate) fn at_next(&self) -> Cursor {
        Cursor {
            mark: self.end,
            passed: self.written,
        }
    }

    /// Returns the number of bytes that a cursor has before it.
    pub(crate) fn ahead(&self, cursor: &Cursor) -> usize {
        let position = cursor.mark.position.max(self.oldest.position);

        // CAST: It is at most the length of the ring.
        self.end.position.saturating_sub(position) as usize
    }

    /// Returns the offset of a position, and the number of bytes from there to the end of the ring.
    fn offset(&self, position: u64) -> (usize, usize) {
        // CAST: It is less than the length.
        let offset = (position & (self.bytes.len() as u64).wrapping_sub(1)) as usize;

        (offset, self.bytes.len().saturating_sub(offset))
    }

    fn extent(&self, position: u64) -> Option<Extent> {
        let (offset, _) = self.offset(position);

        Extent::of(self.bytes.get(offset..)?)
    }

    /// Adds a record with the next sequence number: a struct that begins with a header, and a tail
    /// of at most `room` bytes.
    ///
    /// A function fills in the tail, which has any bytes at first, and what the record says of it.
    /// The function returns the number of bytes that it has filled in.
    ///
    /// TIME: Copies one record, and looks at the oldest ones until there is space for it: at most
    /// as many of the smallest size as fit in two of the largest.
    #[inline(always)]
    pub(crate) fn push<T>(
        &mut self,
        kind: u8,
        time: u64,
        record: &mut T,
        room: usize,
        fill: impl FnOnce(&mut T, &mut [u8]) -> usize,
    ) where
        T: Record,
    {
        let room = room.min(MAX_RECORD.saturating_sub(size_of::<T>()));
        let size = padded(size_of::<T>().saturating_add(room));

        self.make_space(size);

        let sequence = self.end.sequence;
        let (offset, _) = self.offset(self.end.position);
        let Some((head, tail)) = self
            .bytes
            .get_mut(offset..)
            .and_then(|place| place.get_mut(..size)?.split_at_mut_checked(size_of::<T>()))
        else {
            return;
        };
        let len = fill(record, tail.get_mut(..room).unwrap_or_default());
        let padded = padded(len).min(tail.len());

        if let Some(padding) = tail.get_mut(len..padded) {
            padding.fill(0);
        }

        let size = size_of::<T>().saturating_add(padded);
        let header = record.header();

        // CAST: Both are at most `MAX_RECORD`.
        header.size = size as u16;
        header.tail = size_of::<T>() as u16;
        header.type_ = kind;
        header.time = time;
        header.sequence = sequence;
        head.copy_from_slice(record.as_bytes());
        self.end.position = self.end.position.wrapping_add(size as u64);
        self.end.sequence = sequence.wrapping_add(1);
        if let Some(count) = self.written.get_mut(usize::from(kind)) {
            *count = count.wrapping_add(1);
        }
    }

    /// Makes space for a record of some bytes in one piece.
    #[inline(always)]
    fn make_space(&mut self, size: usize) {
        let (offset, to_end) = self.offset(self.end.position);

        if to_end >= size {
            self.evict(size);
            return;
        }
        self.evict(to_end.saturating_add(size));
        // CAST: It is less than `MAX_RECORD`.
        let [size0, size1] = (to_end as u16).to_ne_bytes();

        if let Some(word) = self
            .bytes
            .get_mut(offset..)
            .and_then(<[u8]>::first_chunk_mut::<ALIGN>)
        {
            *word = [size0, size1, 0, 0, PAD, 0, 0, 0];
        }
        self.end.position = self.end.position.wrapping_add(to_end as u64);
    }

    /// Drops the oldest records until there is a number of free bytes.
    #[inline(always)]
    fn evict(&mut self, size: usize) {
        let limit = self.end.position.wrapping_add(size as u64);

        while limit.wrapping_sub(self.oldest.position) > self.bytes.len() as u64 {
            let Some(extent) = self.extent(self.oldest.position) else {
                return;
            };

            pass(&mut self.oldest, &mut self.evicted, extent);
        }
    }

    /// Takes a cursor to the oldest record, if those that it was at are gone. Returns what was lost
    /// to it thereby.
    pub(crate) fn catch_up(&self, cursor: &mut Cursor) -> Option<Lost> {
        if cursor.mark.position >= self.oldest.position {
            return None;
        }

        let before = *cursor;

        *cursor = self.at_oldest();
        // It may have been at a pad.
        if before.mark.sequence == cursor.mark.sequence {
            return None;
        }

        let mut counts = self.evicted;

        for (count, passed) in counts.iter_mut().zip(&before.passed) {
            *count = count.wrapping_sub(*passed);
        }
        Some(Lost {
            first: before.mark.sequence,
            last: cursor.mark.sequence.saturating_sub(1),
            counts,
        })
    }

    /// Returns the size of the record that a cursor is at, or 0 if there is none yet. The cursor
    /// must not have lost any.
    pub(crate) fn next_size(&self, cursor: &Cursor) -> usize {
        let mut position = cursor.mark.position;

        while position < self.end.position {
            match self.extent(position) {
                // It is followed by a record.
                Some(Extent { size, kind: PAD }) => {
                    position = position.wrapping_add(size.max(ALIGN) as u64);
                }
                Some(Extent { size, .. }) => return size,
                None => break,
            }
        }
        0
    }

    /// Copies what follows a cursor: records, of which the last one may be cut off. Returns the
    /// number of bytes that were copied.
    ///
    /// There may be more after that. The cursor must not have lost any, and is to be taken beyond
    /// the records by [`Cursor::pass`].
    ///
    /// TIME: Copies once, and looks at no record.
    pub(crate) fn read(&self, cursor: &Cursor, to: &mut [u8]) -> usize {
        let (offset, to_end) = self.offset(cursor.mark.position);
        let len = self.ahead(cursor).min(to_end).min(to.len());

        match (
            to.get_mut(..len),
            self.bytes.get(offset..offset.saturating_add(len)),
        ) {
            // They are as long as each other, which the compiler does not see.
            (Some(to), Some(from)) if to.len() == from.len() => {
                to.copy_from_slice(from);
                len
            }
            _ => 0,
        }
    }
}

/// Takes a mark beyond a record, which is counted.
#[inline(always)]
fn pass(mark: &mut Mark, counts: &mut [u64; TYPES], extent: Extent) {
    // A record has a size, without which this would not go on.
    mark.position = mark.position.wrapping_add(extent.size.max(ALIGN) as u64);
    if extent.kind != PAD {
        mark.sequence = mark.sequence.wrapping_add(1);
        if let Some(count) = counts.get_mut(usize::from(extent.kind)) {
            *count = count.wrapping_add(1);
        }
    }
}
