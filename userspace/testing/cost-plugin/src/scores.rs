// SPDX-License-Identifier: GPL-2.0-only

//! Numbers of instructions that QEMU counts itself, for each CPU and place.

use std::ffi::c_uint;

use cost::{Counts, Place};

use crate::qemu::{self, Operation, Score, Scoreboard};

const PLACES: [Place; 3] = [Place::User, Place::Kernel, Place::Module];

/// The numbers.
pub struct Scores(*mut Scoreboard);

// SAFETY: QEMU's functions for the board may be called by all threads, and it is never freed.
unsafe impl Send for Scores {}
// SAFETY: As above.
unsafe impl Sync for Scores {}

impl Scores {
    pub fn new() -> Self {
        // SAFETY: A plugin can have any number of boards.
        Self(unsafe { qemu::qemu_plugin_scoreboard_new(size_of::<[u64; PLACES.len()]>()) })
    }

    fn score(&self, place: Place) -> Score {
        Score {
            board: self.0,
            offset: place as usize * size_of::<u64>(),
        }
    }

    /// Has QEMU count an instruction of a block that is being translated.
    pub fn count(&self, place: Place, instruction: *mut qemu::Instruction) {
        // SAFETY: The caller passes an instruction of this block, and the score is one of ours.
        unsafe {
            qemu::qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
                instruction,
                Operation::Add,
                self.score(place),
                1,
            );
        }
    }

    /// Adds an instruction that QEMU does not count.
    pub fn add(&self, place: Place, cpu: c_uint) {
        // SAFETY: The score is one of ours, and QEMU has passed the number of the CPU.
        unsafe { qemu::qemu_plugin_u64_add(self.score(place), cpu, 1) };
    }

    /// Returns the number of instructions of a CPU.
    pub fn of_cpu(&self, cpu: c_uint) -> u64 {
        // SAFETY: As in `add()`.
        let get = |place| unsafe { qemu::qemu_plugin_u64_get(self.score(place), cpu) };
        PLACES.into_iter().map(get).sum()
    }

    /// Returns the numbers of all CPUs.
    pub fn totals(&self) -> Counts {
        // SAFETY: The score is one of ours.
        let sum = |place| unsafe { qemu::qemu_plugin_u64_sum(self.score(place)) };
        Counts {
            user_instructions: sum(Place::User),
            kernel_instructions: sum(Place::Kernel),
            module_instructions: sum(Place::Module),
            ..Counts::default()
        }
    }
}
