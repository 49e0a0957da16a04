// SPDX-License-Identifier: GPL-2.0-only

//! Names of tasks.
//!
//! Does not support setting a name, nor the longer names of workers.
//!
//! # Examples
//!
//! ```ignore
//! let comm: [u8; TASK_COMM_LEN] = task.comm();
//! ```
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use core::ptr;

use kernel::{
    bindings,
    prelude::*,
    task::Task, //
};

use crate::abstractions::sync::rwonce::data_race;

/// The length of a task's name with its terminating NUL.
pub(crate) const TASK_COMM_LEN: usize = bindings::TASK_COMM_LEN as usize;

/// A name in words, to which it is aligned. Handling bytes would take several times the
/// instructions.
type CommWords = [usize; TASK_COMM_LEN / size_of::<usize>()];

static_assert!(core::mem::offset_of!(bindings::task_struct, comm) % align_of::<CommWords>() == 0);

/// Pads a name with NULs from its first one on, and makes the last byte a NUL.
///
/// A name that is being changed may lack its NUL, and a name is followed by the rest of a longer
/// one that the task had before.
fn terminate(comm: &mut CommWords) {
    const ONES: usize = usize::from_ne_bytes([0x01; size_of::<usize>()]);
    const HIGHS: usize = usize::from_ne_bytes([0x80; size_of::<usize>()]);

    let mut words = comm.iter_mut();

    for word in words.by_ref() {
        let bytes = word.to_le();
        // The highest bit of the first byte that is zero is the lowest bit that is set here.
        let zeros = bytes.wrapping_sub(ONES) & !bytes & HIGHS;

        if zeros != 0 {
            // All bits up to that one. Its byte is zero anyway.
            *word = (bytes & (zeros ^ zeros.wrapping_sub(1))).to_le();
            words.for_each(|word| *word = 0);
            return;
        }
    }
    if let Some(last) = comm.last_mut() {
        *last = (last.to_le() & (usize::MAX >> 8)).to_le();
    }
}

/// See [`TaskExt::comm`](super::TaskExt::comm).
#[inline(always)]
pub(super) fn of(task: &Task) -> [u8; TASK_COMM_LEN] {
    let mut words = data_race!({
        // SAFETY: The task is valid, and its name aligned, as checked above. The name is read
        // without a lock, as by `get_task_comm()`.
        unsafe { ptr::read_volatile((&raw const (*task.as_ptr()).comm).cast::<CommWords>()) }
    });

    terminate(&mut words);

    // SAFETY: Both types have the same size, and any bytes are valid.
    unsafe { core::mem::transmute(words) }
}

#[kunit_tests(procmon_comm)]
mod tests {
    use super::*;

    #[test]
    fn names_end_with_a_nul_and_are_padded() {
        let cases: [(&[u8; 16], &[u8; 16]); 9] = [
            (
                b"init\0\0\0\0\0\0\0\0\0\0\0\0",
                b"init\0\0\0\0\0\0\0\0\0\0\0\0",
            ),
            (
                b"sh\0ld name\0\0\0\0\0\0",
                b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            ),
            (b"\0x\x01\x80\xff\0abcdefghij", &[0; 16]),
            (b"eight by\0old one", b"eight by\0\0\0\0\0\0\0\0"),
            (b"seven b\0old one!", b"seven b\0\0\0\0\0\0\0\0\0"),
            (b"fifteen bytes..\0", b"fifteen bytes..\0"),
            (b"sixteen bytes...", b"sixteen bytes..\0"),
            (
                b"\x80\xff\x01\x81\0\x01\0\x01\x01\x01\x01\x01\x01\x01\x01\x01",
                b"\x80\xff\x01\x81\0\0\0\0\0\0\0\0\0\0\0\0",
            ),
            (
                b"\x01\x01\x01\x01\x01\x01\x01\x01\x80\x80\0\x01\x01\x01\x01\x01",
                b"\x01\x01\x01\x01\x01\x01\x01\x01\x80\x80\0\0\0\0\0\0",
            ),
        ];

        for (name, expected) in cases {
            // SAFETY: Any bytes make words, and there are as many.
            let mut words: CommWords = unsafe { core::mem::transmute(*name) };

            terminate(&mut words);
            // SAFETY: As above.
            let name: [u8; 16] = unsafe { core::mem::transmute(words) };

            assert_eq!(name, *expected);
        }
    }
}
