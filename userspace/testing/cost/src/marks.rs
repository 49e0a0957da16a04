// SPDX-License-Identifier: GPL-2.0-only

//! Marks in the guest's code: long NOPs with a magic displacement, which do nothing on any machine.

use std::arch::asm;

/// The displacement of a mark, less its own number.
const MAGIC: i32 = 0x504d_4300;

/// The first bytes of `nopl DISPLACEMENT(%rax)`.
const OPCODE: [u8; 3] = [0x0f, 0x1f, 0x80];

/// A mark that a program sets.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum Mark {
    /// Begin to instrument code, which slows the guest from then on.
    Arm = 1,
    /// Begin a region.
    Begin = 2,
    /// Begin a region of which each cache line is to be listed.
    BeginListed = 3,
    /// End the region.
    End = 4,
    /// Begin a region of which the calls of watched functions are listed, in place of cache lines,
    /// which are not counted.
    BeginCalls = 5,
    /// Watch a function: the next instruction stores its address, or 0 to forget all of them.
    Watch = 6,
    /// Begin to count instructions alone, those of all CPUs, in place of [`Mark::Arm`]: regions
    /// have neither accesses nor lines then, and the guest is hardly slower.
    ArmToCount = 7,
}

impl Mark {
    /// Returns the mark that an instruction is, by its bytes.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let displacement = bytes.strip_prefix(&OPCODE)?.try_into().ok()?;
        let displacement = i32::from_le_bytes(displacement);
        [
            Self::Arm,
            Self::Begin,
            Self::BeginListed,
            Self::End,
            Self::BeginCalls,
            Self::Watch,
            Self::ArmToCount,
        ]
        .into_iter()
        .find(|mark| mark.displacement() == displacement)
    }

    const fn displacement(self) -> i32 {
        MAGIC | self as i32
    }
}

/// Defines a function that sets a mark.
macro_rules! setter {
    ($(#[$attribute:meta])* $name:ident, $mark:expr) => {
        $(#[$attribute])*
        #[inline(always)]
        pub fn $name() {
            // SAFETY: The instruction does nothing. The compiler takes it for one that accesses
            // memory, and so moves no access across it.
            unsafe {
                asm!(
                    ".byte 0x0f, 0x1f, 0x80",
                    ".long {displacement}",
                    displacement = const $mark.displacement(),
                    options(nostack, preserves_flags),
                );
            }
        }
    };
}

setter!(
    /// Sets the mark [`Mark::Arm`]. A program sets it once, and then waits until the plugin, which
    /// has all code translated anew, is ready: a few milliseconds are plenty.
    arm,
    Mark::Arm
);
setter!(
    /// Sets the mark [`Mark::Begin`].
    begin,
    Mark::Begin
);
setter!(
    /// Sets the mark [`Mark::BeginListed`].
    begin_listed,
    Mark::BeginListed
);
setter!(
    /// Sets the mark [`Mark::End`].
    end,
    Mark::End
);
setter!(
    /// Sets the mark [`Mark::BeginCalls`].
    begin_calls,
    Mark::BeginCalls
);
setter!(
    /// Sets the mark [`Mark::ArmToCount`], once and before a wait like [`arm`].
    arm_to_count,
    Mark::ArmToCount
);

/// Sets the mark [`Mark::Watch`] with the address of a function.
#[inline(always)]
pub fn watch(address: u64) {
    let mut place = 0_u64;
    // SAFETY: The first instruction does nothing, and the second one writes to the variable.
    unsafe {
        asm!(
            ".byte 0x0f, 0x1f, 0x80",
            ".long {displacement}",
            "mov [{place}], {address}",
            displacement = const Mark::Watch.displacement(),
            place = in(reg) &raw mut place,
            address = in(reg) address,
            options(nostack, preserves_flags),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the bytes at the beginning of a function that sets a mark, up to the mark's end.
    fn code(function: fn()) -> Vec<u8> {
        // SAFETY: The code of a function is readable, and no function of these tests is at the end
        // of the program.
        let code = unsafe { std::slice::from_raw_parts(function as *const u8, 64) };
        let start = code.windows(3).position(|bytes| bytes == OPCODE).unwrap();
        code[start..start + 7].to_vec()
    }

    fn watch_a_function() {
        watch(1);
    }

    #[test]
    fn each_mark_is_recognised_in_machine_code() {
        for (function, mark) in [
            (arm as fn(), Mark::Arm),
            (begin, Mark::Begin),
            (begin_listed, Mark::BeginListed),
            (end, Mark::End),
            (begin_calls, Mark::BeginCalls),
            (watch_a_function, Mark::Watch),
            (arm_to_count, Mark::ArmToCount),
        ] {
            assert_eq!(Mark::of(&code(function)), Some(mark));
            // Setting it does nothing here.
            function();
        }
    }

    #[test]
    fn other_long_nops_are_no_marks() {
        for bytes in [
            &[0x0f, 0x1f, 0x80, 0, 0, 0, 0][..],
            &[0x0f, 0x1f, 0x80, 0x08, 0x43, 0x4d, 0x50],
            &[0x0f, 0x1f, 0x80, 0x01, 0x43, 0x4d],
            &[0x0f, 0x1f, 0x40, 0x00],
            &[],
        ] {
            assert_eq!(Mark::of(bytes), None, "{bytes:x?}");
        }
    }
}
