// SPDX-License-Identifier: GPL-2.0-only

//! A meter of the cost between two marks.

use crate::counts::{Call, Counts, Region, TouchedLine};
use crate::instruction::{Instruction, Place, is_kernel};
use crate::lines::{LINE_SIZE, PAGE_SIZE, Pieces};
use crate::marks::Mark;

/// A meter, which one CPU at a time has: the one that began a region.
#[derive(Default)]
pub struct Meter {
    owner: Option<u32>,
    /// The list beside the counts.
    list: List,
    counts: Counts,
    data: Pieces,
    code: Pieces,
    pages: Pieces,
    /// The address of the instruction before, if that one repeats itself.
    repeating: Option<u64>,
    /// The instruction that accesses are of.
    last: Last,
    calls: Calls,
}

/// A list of a region.
#[derive(Clone, Copy, Default, PartialEq)]
enum List {
    #[default]
    Nothing,
    Lines,
    Calls,
}

/// Facts about the latest instruction of the CPU that is in a region or sets a mark.
#[derive(Clone, Copy, Default)]
struct Last {
    address: u64,
    calls: bool,
    returns: bool,
}

/// The calls of watched functions.
#[derive(Default)]
struct Calls {
    watched: Vec<u64>,
    /// The CPU and the address of the instruction that stores the address of a function to watch.
    awaited: Option<(u32, u64)>,
    /// The place on the stack of the latest return address.
    pushed: u64,
    /// The call that has not returned yet. Those within it are a part of it.
    open: Option<Open>,
    returned: Vec<Call>,
}

/// A call that has not returned yet.
struct Open {
    function: usize,
    /// The place of its return address.
    stack: u64,
    /// The number of instructions before it.
    before: u64,
}

impl Meter {
    /// Returns whether instructions and accesses are to be passed on.
    pub fn is_running(&self) -> bool {
        self.owner.is_some() || self.calls.awaited.is_some()
    }

    /// Returns whether a CPU is in a region of its own.
    fn is_running_on(&self, cpu: u32) -> bool {
        self.owner == Some(cpu)
    }

    /// Counts an instruction, or does what a mark says. Returns the region that this ends.
    pub fn execute(&mut self, cpu: u32, instruction: &Instruction) -> Option<Region> {
        if let Some(mark) = instruction.mark {
            return self.pass(cpu, mark, instruction);
        }
        let is_awaited = self.calls.awaited.is_some_and(|(other, _)| other == cpu);
        if is_awaited || self.is_running_on(cpu) {
            self.last = Last {
                address: instruction.address,
                calls: instruction.calls,
                returns: instruction.returns,
            };
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
        if self.list == List::Calls {
            self.enter(instruction.address);
        }
        let counts = &mut self.counts;
        *match instruction.place {
            Place::User => &mut counts.user_instructions,
            Place::Kernel => &mut counts.kernel_instructions,
            Place::Module => &mut counts.module_instructions,
        } += 1;
        counts.locked += u64::from(instruction.locks);
        counts.prefetches += u64::from(instruction.prefetches);
        if self.list != List::Calls {
            let size = instruction.size.into();
            self.code.add(LINE_SIZE, instruction.address, size, false);
        }
        None
    }

    /// Counts an access to memory, of the instruction before. `value` returns what it has stored.
    pub fn access(
        &mut self,
        cpu: u32,
        address: u64,
        size: u64,
        is_store: bool,
        value: impl FnOnce() -> u64,
    ) {
        if self.calls.awaited == Some((cpu, self.last.address)) {
            self.calls.awaited = None;
            self.calls.watch(value());
        }
        if !self.is_running_on(cpu) {
            return;
        }
        *match is_store {
            true => &mut self.counts.stores,
            false => &mut self.counts.loads,
        } += 1;
        if self.list == List::Calls {
            if is_store && self.last.calls {
                self.calls.pushed = address;
            } else if !is_store && self.last.returns {
                let instructions = self.counts.instructions();
                self.calls.leave(address, instructions);
            }
        } else {
            self.data.add(LINE_SIZE, address, size, is_store);
            self.pages.add(PAGE_SIZE, address, size, is_store);
        }
    }

    /// Begins a call, if the next instruction is the first one of a watched function.
    fn enter(&mut self, address: u64) {
        let calls = &mut self.calls;
        if calls.open.is_none()
            && let Some(function) = calls.watched.iter().position(|&start| start == address)
        {
            calls.open = Some(Open {
                function,
                stack: calls.pushed,
                before: self.counts.instructions(),
            });
        }
    }

    fn pass(&mut self, cpu: u32, mark: Mark, instruction: &Instruction) -> Option<Region> {
        match mark {
            Mark::Arm | Mark::ArmToCount => None,
            Mark::Watch => {
                let next = instruction.address + u64::from(instruction.size);
                self.calls.awaited = Some((cpu, next));
                None
            }
            // The region of another CPU goes on.
            Mark::Begin | Mark::BeginListed | Mark::BeginCalls
                if self.owner.is_none() || self.is_running_on(cpu) =>
            {
                self.counts = Counts::default();
                self.data.clear();
                self.code.clear();
                self.pages.clear();
                self.repeating = None;
                self.calls.open = None;
                self.calls.returned.clear();
                self.list = match mark {
                    Mark::BeginListed => List::Lines,
                    Mark::BeginCalls => List::Calls,
                    _ => List::Nothing,
                };
                self.owner = Some(cpu);
                None
            }
            Mark::End if self.is_running_on(cpu) => {
                self.owner = None;
                Some(self.region())
            }
            Mark::Begin | Mark::BeginListed | Mark::BeginCalls | Mark::End => None,
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
            if self.list == List::Lines {
                lines.push(TouchedLine { address, written });
            }
        }
        lines.sort_unstable_by_key(|line| line.address);
        counts.instruction_lines = self.code.len();
        counts.pages = self.pages.len();
        Region {
            counts,
            lines,
            calls: self.calls.returned.clone(),
        }
    }
}

impl Calls {
    fn watch(&mut self, address: u64) {
        match address {
            0 => self.watched.clear(),
            _ => self.watched.push(address),
        }
    }

    /// Ends the call that returns to the address at this place on the stack, if there is one.
    fn leave(&mut self, stack: u64, instructions: u64) {
        if let Some(open) = self.open.take_if(|open| open.stack == stack) {
            self.returned.push(Call {
                function: open.function,
                instructions: instructions - open.before,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: u64 = 0xffff_ffff_8100_0000;
    const BEGIN: [u8; 7] = [0x0f, 0x1f, 0x80, 2, 0x43, 0x4d, 0x50];
    const BEGIN_LISTED: [u8; 7] = [0x0f, 0x1f, 0x80, 3, 0x43, 0x4d, 0x50];
    const END: [u8; 7] = [0x0f, 0x1f, 0x80, 4, 0x43, 0x4d, 0x50];
    const BEGIN_CALLS: [u8; 7] = [0x0f, 0x1f, 0x80, 5, 0x43, 0x4d, 0x50];
    const WATCH: [u8; 7] = [0x0f, 0x1f, 0x80, 6, 0x43, 0x4d, 0x50];
    const NOP: [u8; 1] = [0x90];
    const CALL: [u8; 5] = [0xe8, 0, 0, 0, 0];
    const RET: [u8; 1] = [0xc3];
    const REP_MOVSB: [u8; 2] = [0xf3, 0xa4];

    fn run(meter: &mut Meter, address: u64, bytes: &[u8]) -> Option<Region> {
        meter.execute(0, &Instruction::decode(address, bytes))
    }

    #[test]
    fn counts_only_between_marks() {
        let mut meter = Meter::default();
        run(&mut meter, 0x1000, &NOP);
        meter.access(0, 0x2000, 8, true, || 0);
        assert_eq!(run(&mut meter, 0x1000, &END), None);
        run(&mut meter, 0x1000, &BEGIN);
        run(&mut meter, 0x1007, &NOP);
        run(&mut meter, KERNEL, &NOP);
        run(&mut meter, KERNEL + 1, &NOP);
        run(&mut meter, u64::MAX - 64, &NOP);
        meter.access(0, 0x2000, 8, false, || 0);
        meter.access(0, 0x2000, 8, true, || 0);
        meter.access(0, 0x3000, 8, false, || 0);
        meter.access(0, KERNEL - 4, 8, false, || 0);
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
        meter.access(1, 0, 8, false, || 0);
        assert_eq!(meter.execute(1, &Instruction::decode(0, &END)), None);
        let region = run(&mut meter, 0x1000, &END).unwrap();
        assert_eq!(region.counts, Counts::default());
    }

    /// Watches a function as a program does.
    fn watch(meter: &mut Meter, function: u64) {
        run(meter, 0x500, &WATCH);
        assert!(meter.is_running());
        run(meter, 0x507, &NOP);
        meter.access(0, 0x9000, 8, true, || function);
        assert!(!meter.is_running());
    }

    /// Calls a function, with the return address at this place.
    fn call(meter: &mut Meter, stack: u64, function: u64) {
        run(meter, 0x600, &CALL);
        meter.access(0, stack, 8, true, || 0x605);
        run(meter, function, &NOP);
    }

    fn ret(meter: &mut Meter, stack: u64) {
        run(meter, 0x700, &RET);
        meter.access(0, stack, 8, false, || 0);
    }

    #[test]
    fn calls_of_watched_functions_are_counted_to_their_return() {
        const STACK: u64 = 0x8000;
        let mut meter = Meter::default();
        watch(&mut meter, KERNEL);
        watch(&mut meter, KERNEL + 0x100);
        run(&mut meter, 0x1000, &BEGIN_CALLS);
        call(&mut meter, STACK, KERNEL + 0x200);
        ret(&mut meter, STACK);
        // One that calls others, of which one is watched as well, and that stores and loads.
        call(&mut meter, STACK, KERNEL + 0x100);
        meter.access(0, STACK, 8, true, || 0);
        meter.access(0, STACK, 8, false, || 0);
        call(&mut meter, STACK - 8, KERNEL);
        call(&mut meter, STACK - 16, KERNEL + 0x200);
        ret(&mut meter, STACK - 16);
        ret(&mut meter, STACK - 8);
        ret(&mut meter, STACK);
        // After a jump to it, it returns to the caller of the one that has jumped.
        call(&mut meter, STACK, KERNEL + 0x200);
        run(&mut meter, KERNEL, &NOP);
        ret(&mut meter, STACK);
        // One that does not return.
        call(&mut meter, STACK, KERNEL);
        let region = run(&mut meter, 0x1000, &END).unwrap();
        let call = |function, instructions| Call {
            function,
            instructions,
        };
        assert_eq!(region.calls, [call(1, 8), call(0, 2)]);
        assert_eq!(region.counts.lines() + region.counts.instruction_lines, 0);
        assert_eq!(region.counts.instructions(), 2 + 1 + 9 + 4 + 2);
    }

    #[test]
    fn other_regions_have_no_calls() {
        let mut meter = Meter::default();
        watch(&mut meter, KERNEL);
        run(&mut meter, 0x1000, &BEGIN);
        call(&mut meter, 0x8000, KERNEL);
        ret(&mut meter, 0x8000);
        assert_eq!(run(&mut meter, 0x1000, &END).unwrap().calls, []);
        // Nor have those after all functions were forgotten.
        watch(&mut meter, 0);
        run(&mut meter, 0x1000, &BEGIN_CALLS);
        call(&mut meter, 0x8000, KERNEL);
        ret(&mut meter, 0x8000);
        assert_eq!(run(&mut meter, 0x1000, &END).unwrap().calls, []);
    }

    #[test]
    fn only_the_store_behind_a_mark_names_a_function() {
        let mut meter = Meter::default();
        run(&mut meter, 0x500, &WATCH);
        // An interrupt.
        run(&mut meter, KERNEL, &NOP);
        meter.access(0, 0x9000, 8, true, || 0x1234);
        assert!(meter.is_running());
        run(&mut meter, 0x507, &NOP);
        meter.access(0, 0x9000, 8, true, || KERNEL);
        assert!(!meter.is_running());
        assert_eq!(meter.calls.watched, [KERNEL]);
    }

    #[test]
    fn lines_are_listed_on_demand() {
        let mut meter = Meter::default();
        run(&mut meter, 0x1000, &BEGIN_LISTED);
        meter.access(0, KERNEL, 8, false, || 0);
        meter.access(0, 0x2010, 8, true, || 0);
        let region = run(&mut meter, 0x1000, &END).unwrap();
        let line = |address, written| TouchedLine { address, written };
        assert_eq!(region.lines, [line(0x2000, true), line(KERNEL, false)]);
    }
}
