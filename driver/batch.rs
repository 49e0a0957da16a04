// SPDX-License-Identifier: GPL-2.0-only

//! Records at the stride of the caller's array, so that they are copied in one piece.

use kernel::prelude::*;

use crate::{
    abstractions::compat::zeroed_vec,
    uapi::procmon_record as Record, //
};

/// The memory that a batch takes. Fewer records with a longer stride are filled in at a time.
const SIZE: usize = Batch::RECORDS * size_of::<Record>();

/// Memory for some records.
///
/// Record `n` begins at `n` times the stride. What it has beyond a stride that is shorter than a
/// record is the place of the next one, which is filled in later: this is only of groups that are
/// not within the stride, and which the filler leaves out. What a stride has beyond a record stays
/// zero, as does all that no group of the request fills in.
pub(crate) struct Batch {
    words: KVVec<u64>,
    /// In words, as the next ones.
    stride: usize,
    capacity: usize,
}

const WORD: usize = size_of::<u64>();

const _: () = assert!(size_of::<Record>() % WORD == 0 && align_of::<Record>() == WORD);

impl Batch {
    /// The number of records that are filled in per RCU section at most, before they are copied to
    /// user space.
    pub(crate) const RECORDS: usize = 64;

    /// Creates a batch of records for an array with this stride and capacity.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short.
    pub(crate) fn new(stride: u32, capacity: u32) -> Result<Self> {
        let capacity = SIZE
            .checked_div(stride as usize)
            .unwrap_or(0)
            .clamp(1, Self::RECORDS)
            .min(capacity as usize);
        let stride = (stride as usize).div_ceil(WORD);

        Ok(Self {
            words: zeroed_vec(Self::words(capacity, stride), GFP_KERNEL)?,
            stride,
            capacity,
        })
    }

    /// Returns the number of words for a number of records, of which the last one has all bytes.
    fn words(count: usize, stride: usize) -> usize {
        count
            .saturating_mul(stride)
            .saturating_add((size_of::<Record>() / WORD).saturating_sub(stride))
    }

    /// Returns the places of the first records, at most `limit` ones, to be filled in anew.
    pub(crate) fn places(&mut self, limit: u32) -> Places<'_> {
        let len = Self::words(self.capacity.min(limit as usize), self.stride);

        Places {
            words: self.words.get_mut(..len).unwrap_or_default(),
            next: 0,
            // CAST: It is a page at most.
            stride: self.stride as u32,
        }
    }

    /// Returns the bytes of the first records, as they are to be in user space.
    pub(crate) fn bytes(&self, count: usize) -> &[u8] {
        let len = count.saturating_mul(self.stride);

        self.words.get(..len).unwrap_or_default().as_bytes()
    }

    /// Returns a record that was filled in.
    pub(crate) fn get(&self, index: usize) -> Option<&Record> {
        let start = index.saturating_mul(self.stride);
        let (record, _) = Record::ref_from_prefix(self.words.get(start..)?.as_bytes()).ok()?;

        Some(record)
    }

    /// Returns a record that was filled in, to be changed.
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Record> {
        let start = index.saturating_mul(self.stride);
        let words = self.words.get_mut(start..)?;
        let (record, _) = Record::mut_from_prefix(words.as_mut_bytes()).ok()?;

        Some(record)
    }
}

/// Places for records, one after the other.
pub(crate) struct Places<'a> {
    /// The words of all places. They end with those of the last record, or of its stride if that is
    /// longer, so the next place is there as long as a record fits in.
    words: &'a mut [u64],
    /// The first word of the next place. There are far fewer than 2^32, so a sum needs no check.
    next: u32,
    stride: u32,
}

impl<'a> Places<'a> {
    /// Makes a single record the only place.
    pub(crate) fn of_one(record: &'a mut Record) -> Self {
        Self {
            words: <[u64]>::mut_from_bytes(record.as_mut_bytes()).unwrap_or_default(),
            next: 0,
            // CAST: It is small.
            stride: (size_of::<Record>() / WORD) as u32,
        }
    }

    /// Returns the number of places that were taken.
    pub(crate) fn taken(&self) -> usize {
        self.next.checked_div(self.stride).unwrap_or(0) as usize
    }

    /// Returns the next place, which stays free until [`take`](Self::take) is called.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<&mut Record> {
        let start = self.next as usize;
        let end = start.wrapping_add(size_of::<Record>() / WORD);
        let words = self.words.get_mut(start..end)?;

        Record::mut_from_bytes(words.as_mut_bytes()).ok()
    }

    /// Makes the next place, of which there must be one, one that is filled in.
    #[inline(always)]
    pub(crate) fn take(&mut self) {
        self.next = self.next.wrapping_add(self.stride);
    }
}
