// SPDX-License-Identifier: GPL-2.0-only

//! Command lines of processes.
//!
//! Does not support the memory of kernel threads, which have no arguments.
//!
//! # Examples
//!
//! ```ignore
//! let mut bytes = [0; 256];
//! let memory = ResidentMemory::try_lock(&mm).ok_or(EAGAIN)?;
//! let cmdline = cmdline::read(&memory, &mut bytes);
//! ```
//!
//! C header: [`include/linux/mm_types.h`](srctree/include/linux/mm_types.h)

use core::ops::Range;

use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

use crate::abstractions::mm::{
    resident::ResidentMemory,
    MmExt, //
};

/// Sizes of a command line, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Cmdline {
    /// Of the whole one. If a title is cut off, this is the size of the memory that it may take.
    pub(crate) size: usize,
    /// Of the part that was read.
    pub(crate) stored: usize,
}

/// Reads the arguments of a program, each with its NUL, or the title that it has set in their
/// place: the beginning of `/proc/PID/cmdline`. Returns `None` if some of it is not there.
///
/// There are none for a moment after execve(2) has released `exec_update_lock`: the stack is set up
/// later, in `create_elf_tables()`. A program has at least one, which may be empty.
///
/// The kernel's own function, which is in `fs/proc/base.c`, is not exported, and waits for the
/// process.
#[doc(alias = "get_mm_cmdline")]
pub(crate) fn read(memory: &ResidentMemory<'_>, to: &mut [u8]) -> Option<Cmdline> {
    let mm = memory.mm();
    let (arguments, environment) = (mm.arguments(), mm.environment());
    let size = arguments
        .end
        .checked_sub(arguments.start)
        .filter(|&size| size > 0)?;
    let is_cut = size > to.len();
    let (text, _) = to.split_at_mut_checked(size.min(to.len()))?;

    if memory.read(arguments.start, text) != text.len() {
        return None;
    }

    // Without its NUL, the last argument was written over. Most often it was just read.
    let mut last = [text.last().copied().unwrap_or(0)];

    if is_cut && memory.read(arguments.end.wrapping_sub(1), &mut last) != last.len() {
        return None;
    }
    if last != [0] {
        return read_title(memory, &arguments, &environment, to);
    }
    Some(Cmdline {
        size,
        stored: size.min(to.len()),
    })
}

/// Reads a title, which ends at the first NUL. A long one goes on in the place of the environment.
#[doc(alias = "get_mm_proctitle")]
fn read_title(
    memory: &ResidentMemory<'_>,
    arguments: &Range<usize>,
    environment: &Range<usize>,
    to: &mut [u8],
) -> Option<Cmdline> {
    let end = if environment.start == arguments.end {
        environment.end.max(arguments.end)
    } else {
        arguments.end
    };
    let limit = end.saturating_sub(arguments.start).min(PAGE_SIZE);
    let (to, _) = to.split_at_mut_checked(limit.min(to.len()))?;

    if memory.read(arguments.start, to) != to.len() {
        return None;
    }
    Some(match to.iter().position(|byte| *byte == 0) {
        Some(len) => {
            let size = len.saturating_add(1);

            Cmdline { size, stored: size }
        }
        None => Cmdline {
            size: limit,
            stored: to.len(),
        },
    })
}

#[kunit_tests(procmon_cmdline)]
mod tests {
    use super::*;
    use crate::abstractions::task::{
        find_task_by_vpid,
        TaskExt, //
    };
    use kernel::sync::rcu;

    #[test]
    fn a_limit_cuts_the_end_off() -> Result {
        // PID 1 is a user process that does not end.
        let mm = {
            let guard = rcu::read_lock();

            find_task_by_vpid(1, &guard)
                .and_then(TaskExt::get_mm)
                .ok_or(ESRCH)?
        };
        let memory = ResidentMemory::try_lock(&mm).ok_or(EBUSY)?;
        let mut whole = [0; 512];
        let cmdline = read(&memory, &mut whole).ok_or(EFAULT)?;

        assert!(cmdline.stored > 1);
        assert_eq!(cmdline.stored, cmdline.size.min(whole.len()));
        // An argument is text, and ends with a NUL.
        assert!(whole[0].is_ascii_graphic());
        assert!(whole[..cmdline.stored].contains(&0));
        for max in 0..cmdline.stored {
            let mut part = [7; 512];
            let cut = read(&memory, &mut part[..max]).ok_or(EFAULT)?;

            assert_eq!((cut.size, cut.stored), (cmdline.size, max));
            assert_eq!(part[..max], whole[..max]);
            assert!(part[max..].iter().all(|byte| *byte == 7));
        }
        Ok(())
    }
}
