// SPDX-License-Identifier: GPL-2.0

//! Arguments of programs, which go to the second buffer of a snapshot.

use kernel::{
    mm::MmWithUserAsync,
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

/// The largest size of an entry, in words.
const ENTRY_WORDS: usize = entry_size(uapi::PROCMON_ARGS_MAX as usize) / size_of::<u64>();

/// The address spaces of the tasks of a batch, in the order of their records.
pub(crate) struct AddressSpaces(KVec<Option<ARef<MmWithUserAsync>>>);

impl AddressSpaces {
    /// Returns that of a task whose arguments are asked for: of the main thread of a process.
    pub(crate) fn of(&self, task: &Task, record: &Record) -> Option<ARef<MmWithUserAsync>> {
        (record.pid == record.tgid).then(|| task.get_mm()).flatten()
    }

    /// Adds that of the next record.
    pub(crate) fn add(&mut self, mm: Option<ARef<MmWithUserAsync>>) {
        // There is space for all records of a batch. One without its address space would have no
        // arguments.
        let _ = self.0.push_within_capacity(mm);
    }
}

/// The reason why arguments of a batch were not delivered.
pub(crate) struct Stop {
    /// Number of the records before that one.
    pub(crate) count: usize,
    /// PID of the record.
    pub(crate) pid: Pid,
    /// `None` if the buffer is full.
    pub(crate) error: Option<Error>,
}

/// The unwritten rest of the second buffer.
pub(crate) struct ArgumentsBuffer {
    to: UserPtr,
    remaining: usize,
    /// The number of bytes that were written.
    pub(crate) written: u32,
    /// The limit of a text.
    max: usize,
    /// The next entry.
    entry: KVVec<u64>,
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
            written: 0,
            max,
            entry: zeroed_vec(ENTRY_WORDS, GFP_KERNEL)?,
            spaces: AddressSpaces(KVec::with_capacity(Batch::RECORDS, GFP_KERNEL)?),
        }))
    }

    /// Delivers the arguments of the first records of a batch. Gives all address spaces back.
    ///
    /// TIME: As many rounds as a batch has records. Each reads at most three pages, and waits for
    /// none of them.
    pub(crate) fn deliver(&mut self, batch: &mut Batch, count: usize) -> Option<Stop> {
        let mut stop = None;
        let mut spaces = core::mem::take(&mut self.spaces.0);

        for (index, mm) in spaces.drain_all().take(count).enumerate() {
            let (Some(mm), Some(record)) = (mm, batch.get_mut(index)) else {
                continue;
            };
            let Some(size) = self.read(&mm, record.pid) else {
                continue;
            };
            let pid = record.pid;

            match self.write(size) {
                Ok(true) => record.groups |= uapi::PROCMON_GROUP_ARGS,
                result => {
                    stop = Some(Stop {
                        count: index,
                        pid,
                        error: result.err(),
                    });
                    break;
                }
            }
        }
        self.spaces.0 = spaces;
        stop
    }

    /// Makes the next entry, of a process that is not changing its memory and whose arguments are
    /// present. Returns its size.
    fn read(&mut self, mm: &MmWithUserAsync, pid: Pid) -> Option<usize> {
        let bytes = self.entry.as_mut_bytes();
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

    /// Writes the entry to user space. Returns whether it fits.
    ///
    /// # Errors
    ///
    /// `EFAULT` if it cannot be written as a whole.
    fn write(&mut self, size: usize) -> Result<bool> {
        let Some(remaining) = self.remaining.checked_sub(size) else {
            return Ok(false);
        };
        let entry = self.entry.as_bytes().get(..size).unwrap_or_default();

        if write_user_slice(self.to, entry) != size {
            return Err(EFAULT);
        }
        self.to = self.to.wrapping_byte_add(size);
        self.remaining = remaining;
        // CAST: The buffer has less than 4 GiB.
        self.written = self.written.wrapping_add(size as u32);
        Ok(true)
    }
}
