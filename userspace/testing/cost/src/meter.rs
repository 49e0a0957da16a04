// SPDX-License-Identifier: GPL-2.0

//! A meter of the cost between two marks.

use crate::counts::{Counts, Region, TouchedLine};
use crate::instruction::{Instruction, Place, is_kernel};
use crate::lines::{LINE_SIZE, PAGE_SIZE, Pieces};
use crate::marks::Mark;

/// A meter, which one CPU at a time has: the one that began a region.
#[derive(Default)]
pub struct Meter {
    owner: Option<u32>,
    listed: bool,
    counts: Counts,
    data: Pieces,
    code: Pieces,
    pages: Pieces,
    /// The address of the instruction before, if that one repeats itself.
    repeating: Option<u64>,
}

impl Meter {
    /// Returns whether any CPU is in a region.
    pub fn is_running(&self) -> bool {
        self.owner.is_some()
    }

    /// Returns whether a CPU is in a region of its own.
    fn is_running_on(&self, cpu: u32) -> bool {
        self.owner == Some(cpu)
    }

    /// Counts an instruction, or does what a mark says. Returns the region that this ends.
    pub fn execute(&mut self, cpu: u32, instruction: &Instruction) -> Option<Region> {
        if let Some(mark) = instruction.mark {
            return self.pass(cpu, mark);
        }
        if !self.is_running_on(cpu) {
            return None;
        }
        // QEMU executes it again for each turn.
        if instruction.repeats {
            if self.repeating == Some(instruction.address) {
                return None;
            }
            self.repeating = Some(instruction.address);
        } else {
            self.repeating = None;
        }
        let counts = &mut self.counts;
        *match instruction.place {
            Place::User => &mut counts.user_instructions,
            Place::Kernel => &mut counts.kernel_instructions,
            Place::Module => &mut counts.module_instructions,
        } += 1;
        counts.locked += u64::from(instruction.locks);
        counts.prefetches += u64::from(instruction.prefetches);
        let size = instruction.size.into();
        self.code.add(LINE_SIZE, instruction.address, size, false);
        None
    }

    /// Counts an access to memory.
    pub fn access(&mut self, cpu: u32, address: u64, size: u64, is_store: bool) {
        if self.is_running_on(cpu) {
            *match is_store {
                true => &mut self.counts.stores,
                false => &mut self.counts.loads,
            } += 1;
            self.data.add(LINE_SIZE, address, size, is_store);
            self.pages.add(PAGE_SIZE, address, size, is_store);
        }
    }

    fn pass(&mut self, cpu: u32, mark: Mark) -> Option<Region> {
        match mark {
            Mark::Arm => None,
            // The region of another CPU goes on.
            Mark::Begin | Mark::BeginListed if self.owner.is_none() || self.is_running_on(cpu) => {
                self.counts = Counts::default();
                self.data.clear();
                self.code.clear();
                self.pages.clear();
                self.repeating = None;
                self.listed = mark == Mark::BeginListed;
                self.owner = Some(cpu);
                None
            }
            Mark::End if self.is_running_on(cpu) => {
                self.owner = None;
                Some(self.region())
            }
            Mark::Begin | Mark::BeginListed | Mark::End => None,
        }
    }

    fn region(&self) -> Region {
        let mut counts = self.counts;
        let mut lines = Vec::new();
        for (number, written) in self.data.iter() {
            let address = number * LINE_SIZE;
            *match (is_kernel(address), written) {
                (true, false) => &mut counts.kernel_lines_read,
                (true, true) => &mut counts.kernel_lines_written,
                (false, false) => &mut counts.user_lines_read,
                (false, true) => &mut counts.user_lines_written,
            } += 1;
            if self.listed {
                lines.push(TouchedLine { address, written });
            }
        }
        lines.sort_unstable_by_key(|line| line.address);
        counts.instruction_lines = self.code.len();
        counts.pages = self.pages.len();
        Region { counts, lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: u64 = 0xffff_ffff_8100_0000;
    const BEGIN: [u8; 7] = [0x0f, 0x1f, 0x80, 2, 0x43, 0x4d, 0x50];
    const BEGIN_LISTED: [u8; 7] = [0x0f, 0x1f, 0x80, 3, 0x43, 0x4d, 0x50];
    const END: [u8; 7] = [0x0f, 0x1f, 0x80, 4, 0x43, 0x4d, 0x50];
    const NOP: [u8; 1] = [0x90];
    const REP_MOVSB: [u8; 2] = [0xf3, 0xa4];

    fn run(meter: &mut Meter, address: u64, bytes: &[u8]) -> Option<Region> {
        meter.execute(0, &Instruction::decode(address, bytes))
    }

    #[test]
    fn counts_only_between_marks() {
        let mut meter = Meter::default();
        run(&mut meter, 0x1000, &NOP);
        meter.access(0, 0x2000, 8, true);
        assert_eq!(run(&mut meter, 0x1000, &END), None);
        run(&mut meter, 0x1000, &BEGIN);
        run(&mut meter, 0x1007, &NOP);
        run(&mut meter, KERNEL, &NOP);
        run(&mut meter, KERNEL + 1, &NOP);
        run(&mut meter, u64::MAX - 64, &NOP);
        meter.access(0, 0x2000, 8, false);
        meter.access(0, 0x2000, 8, true);
        meter.access(0, 0x3000, 8, false);
        meter.access(0, KERNEL - 4, 8, false);
        let region = run(&mut meter, 0x1008, &END).unwrap();
        assert_eq!(
            region.counts,
            Counts {
                user_instructions: 1,
                kernel_instructions: 2,
                module_instructions: 1,
                loads: 3,
                stores: 1,
                locked: 0,
                prefetches: 0,
                kernel_lines_read: 2,
                kernel_lines_written: 0,
                user_lines_read: 1,
                user_lines_written: 1,
                instruction_lines: 3,
                pages: 4,
            }
        );
        assert_eq!(region.lines, []);
    }

    #[test]
    fn a_repetition_counts_once_for_each_execution() {
        let mut meter = Meter::default();
        run(&mut meter, 0x1000, &BEGIN);
        for _ in 0..100 {
            run(&mut meter, 0x2000, &REP_MOVSB);
        }
        run(&mut meter, 0x2002, &NOP);
        for _ in 0..100 {
            run(&mut meter, 0x2000, &REP_MOVSB);
        }
        let region = run(&mut meter, 0x1000, &END).unwrap();
        assert_eq!(region.counts.user_instructions, 3);
    }

    #[test]
    fn a_region_is_of_one_cpu() {
        let mut meter = Meter::default();
        run(&mut meter, 0x1000, &BEGIN);
        let begin = Instruction::decode(0x1000, &BEGIN);
        assert_eq!(meter.execute(1, &begin), None);
        assert_eq!(meter.execute(1, &Instruction::decode(0, &NOP)), None);
        meter.access(1, 0, 8, false);
        assert_eq!(meter.execute(1, &Instruction::decode(0, &END)), None);
        let region = run(&mut meter, 0x1000, &END).unwrap();
        assert_eq!(region.counts, Counts::default());
    }

    #[test]
    fn lines_are_listed_on_demand() {
        let mut meter = Meter::default();
        run(&mut meter, 0x1000, &BEGIN_LISTED);
        meter.access(0, KERNEL, 8, false);
        meter.access(0, 0x2010, 8, true);
        let region = run(&mut meter, 0x1000, &END).unwrap();
        let line = |address, written| TouchedLine { address, written };
        assert_eq!(region.lines, [line(0x2000, true), line(KERNEL, false)]);
    }
}
