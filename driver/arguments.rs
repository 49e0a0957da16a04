// SPDX-License-Identifier: GPL-2.0-only

//! Arguments of programs, which go to the second buffer of a snapshot.

use kernel::{
    mm::MmWithUserAsync,
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef,
    task::{
        Pid,
        Task, //
    }, //
};

use crate::{
    abstractions::{
        compat::zeroed_vec,
        mm::{
            cmdline,
            resident::ResidentMemory, //
        },
        task::TaskExt,
        uaccess::write_user_slice, //
    },
    driver::batch::Batch,
    uapi::{
        self,
        procmon_args as Header,
        procmon_record as Record,
        procmon_snapshot as Arguments, //
    }, //
};

/// Returns the size of an entry with a text of this size.
const fn entry_size(text: usize) -> usize {
    const WORD: usize = size_of::<u64>();

    // `next_multiple_of()` would panic on overflow.
    size_of::<Header>()
        .saturating_add(text)
        .div_ceil(WORD)
        .saturating_mul(WORD)
}

/// The memory for the entries of a batch, in words: that of one longest entry at least. It is
/// enough for all where command lines are of the usual length.
const BUFFER_WORDS: usize = 2 * PAGE_SIZE / size_of::<u64>() + LONGEST_WORDS;

/// The largest size of an entry, in words.
const LONGEST_WORDS: usize = entry_size(uapi::PROCMON_ARGS_MAX as usize) / size_of::<u64>();

/// Returns the address space of a task whose arguments are asked for: of the main thread of a
/// process.
pub(crate) fn space_of(task: &Task, record: &Record) -> Option<ARef<MmWithUserAsync>> {
    (record.pid == record.tgid).then(|| task.get_mm()).flatten()
}

/// The address spaces of the tasks of a batch, in the order of their records.
pub(crate) struct AddressSpaces(KVec<Option<ARef<MmWithUserAsync>>>);

impl AddressSpaces {
    /// Adds that of the next record.
    pub(crate) fn add(&mut self, mm: Option<ARef<MmWithUserAsync>>) {
        // There is space for all records of a batch. One without its address space would have no
        // arguments.
        let _ = self.0.push_within_capacity(mm);
    }
}

/// The first record of a batch that is not delivered, and the reason.
pub(crate) struct Undelivered {
    /// Number of the records before that one.
    pub(crate) count: usize,
    /// The reason.
    pub(crate) reason: Reason,
}

/// The reason for which a record is not delivered.
#[derive(Clone, Copy)]
pub(crate) enum Reason {
    /// There is no more memory for the entries of a batch. The next batch begins there.
    Batch,
    /// The second buffer is full.
    Full,
    /// The second buffer cannot be written to.
    Fault,
}

/// The unwritten rest of the second buffer.
pub(crate) struct ArgumentsBuffer {
    to: UserPtr,
    remaining: usize,
    /// The number of bytes that were delivered.
    pub(crate) delivered: u32,
    /// The limit of a text.
    max: usize,
    /// The entries of a batch, one behind the other.
    entries: KVVec<u64>,
    /// For each record of the batch, the end of the last entry up to it.
    ends: KVVec<usize>,
    /// The address spaces of the next batch.
    pub(crate) spaces: AddressSpaces,
}

impl ArgumentsBuffer {
    /// Validates the arguments of a caller. Returns `None` if it asks for no arguments.
    ///
    /// # Errors
    ///
    /// - `EFAULT` if the address is larger than a pointer.
    /// - `EINVAL` if an argument is out of range, or is set without the group that it belongs to.
    /// - `ENOMEM` if memory is short.
    pub(crate) fn new(arguments: &Arguments) -> Result<Option<Self>> {
        let Arguments {
            groups,
            args,
            args_capacity,
            args_max,
            reserved,
            ..
        } = *arguments;

        if groups & uapi::PROCMON_GROUP_ARGS == 0 {
            let is_unused = args == 0 && args_capacity == 0 && args_max == 0 && reserved == 0;

            return if is_unused { Ok(None) } else { Err(EINVAL) };
        }

        let (remaining, max) = (args_capacity as usize, args_max as usize);

        if !(1..=uapi::PROCMON_ARGS_MAX).contains(&args_max)
            || remaining < entry_size(max)
            || reserved != 0
        {
            return Err(EINVAL);
        }
        Ok(Some(Self {
            to: UserPtr::from_addr(usize::try_from(args).map_err(|_| EFAULT)?),
            remaining,
            delivered: 0,
            max,
            entries: zeroed_vec(BUFFER_WORDS, GFP_KERNEL)?,
            ends: zeroed_vec(Batch::RECORDS, GFP_KERNEL)?,
            spaces: AddressSpaces(KVec::with_capacity(Batch::RECORDS, GFP_KERNEL)?),
        }))
    }

    /// Writes the entries of the first records of a batch, and marks these records. Tells of the
    /// first one that is not to be delivered.
    pub(crate) fn write(&mut self, batch: &mut Batch, count: usize) -> Option<Undelivered> {
        let (len, unread) = self.read(batch, count);
        let entries = self.entries.as_bytes().get(..len).unwrap_or_default();

        // The process of the caller may take any time for that. By now no address space is held.
        let written = write_user_slice(self.to, entries);

        if written < len {
            let whole = self.ends.iter().take_while(|end| **end <= written);

            return Some(Undelivered {
                count: whole.fold(0, |count: usize, _| count.wrapping_add(1)),
                reason: Reason::Fault,
            });
        }
        unread
    }

    /// Makes the entries of the first records of a batch, and gives all address spaces back.
    /// Returns the size of the entries.
    ///
    /// TIME: As many rounds as a batch has records. Each reads at most three pages, and waits for
    /// none of them.
    fn read(&mut self, batch: &mut Batch, count: usize) -> (usize, Option<Undelivered>) {
        let mut undelivered = None;
        let (mut index, mut len) = (0usize, 0usize);
        let mut spaces = core::mem::take(&mut self.spaces.0);

        for mm in spaces.drain_all().take(count) {
            if let (Some(mm), Some(record)) = (mm, batch.get_mut(index)) {
                if !self.has_space(len) {
                    undelivered = Some(Reason::Batch);
                    break;
                }
                if let Some(size) = self.read_one(&mm, record.pid, len) {
                    if len.saturating_add(size) > self.remaining {
                        undelivered = Some(Reason::Full);
                        break;
                    }
                    len = len.saturating_add(size);
                    record.groups |= uapi::PROCMON_GROUP_ARGS;
                }
            }
            if let Some(end) = self.ends.get_mut(index) {
                *end = len;
            }
            index = index.wrapping_add(1);
        }
        self.spaces.0 = spaces;

        let undelivered = undelivered.map(|reason| Undelivered {
            count: index,
            reason,
        });

        (len, undelivered)
    }

    /// Whether there is memory for a longest entry of this caller from an offset on.
    fn has_space(&self, offset: usize) -> bool {
        let space = size_of_val::<[u64]>(&self.entries);

        offset.saturating_add(entry_size(self.max)) <= space
    }

    /// Makes an entry at an offset, of a process that is not changing its memory and whose
    /// arguments are present. Returns its size.
    fn read_one(&mut self, mm: &MmWithUserAsync, pid: Pid, offset: usize) -> Option<usize> {
        let bytes = self.entries.as_mut_bytes().get_mut(offset..)?;
        let text = bytes.get_mut(size_of::<Header>()..)?;
        let (to, _) = text.split_at_mut_checked(self.max)?;

        // TIME: The lock is held while these are read.
        let cmdline = cmdline::read(&ResidentMemory::try_lock(mm)?, to)?;
        let size = entry_size(cmdline.stored);

        text.get_mut(cmdline.stored..size.saturating_sub(size_of::<Header>()))?
            .fill(0);

        let header = Header {
            // CAST: It is small.
            size: size as u32,
            pid,
            args_size: u32::try_from(cmdline.size).unwrap_or(u32::MAX),
            args_stored: cmdline.stored as u32,
        };

        header.write_to_prefix(bytes).ok()?;
        Some(size)
    }

    /// Keeps the entries of the first records of the batch, which the caller has got.
    pub(crate) fn deliver(&mut self, count: usize) {
        let len = count
            .checked_sub(1)
            .and_then(|last| self.ends.get(last))
            .copied()
            .unwrap_or(0);

        self.to = self.to.wrapping_byte_add(len);
        self.remaining = self.remaining.saturating_sub(len);
        // CAST: The buffer has less than 4 GiB.
        self.delivered = self.delivered.wrapping_add(len as u32);
    }
}
