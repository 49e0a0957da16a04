// SPDX-License-Identifier: GPL-2.0-only

//! The facts about an instruction that its cost depends on.

use crate::Mark;

/// The beginning of the area of modules and BPF programs in the kernel's address space.
const MODULES: u64 = 0xffff_ffff_c000_0000;

/// The owner of code, by its address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    User,
    Kernel,
    /// A module, or a BPF program.
    Module,
}

impl Place {
    pub fn of(address: u64) -> Self {
        match address {
            MODULES.. => Self::Module,
            address if is_kernel(address) => Self::Kernel,
            _ => Self::User,
        }
    }
}

/// Returns whether an address is in the kernel's half of the address space.
pub fn is_kernel(address: u64) -> bool {
    address >> 63 == 1
}

/// An instruction of the guest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Instruction {
    pub address: u64,
    pub size: u8,
    pub place: Place,
    /// Whether it is a string instruction that repeats itself.
    pub repeats: bool,
    /// Whether it locks the bus, or would on a machine with several CPUs.
    pub locks: bool,
    /// Whether it is a prefetch, which QEMU takes for a NOP.
    pub prefetches: bool,
    /// Whether it calls a function, or returns from one.
    pub calls: bool,
    pub returns: bool,
    pub mark: Option<Mark>,
}

impl Instruction {
    /// Decodes an instruction in 64-bit mode.
    pub fn decode(address: u64, bytes: &[u8]) -> Self {
        let Parts {
            rep,
            lock,
            data_segment,
            opcode,
        } = Parts::of(bytes);
        let (first, second, third) = (
            opcode.first().copied().unwrap_or_default(),
            opcode.get(1).copied(),
            opcode.get(2).copied(),
        );
        let is_string = matches!(first, 0x6c..=0x6f | 0xa4..=0xa7 | 0xaa..=0xaf);
        let exchanges = matches!(first, 0x86 | 0x87) && second.is_some_and(is_memory);
        // Linux makes the lock prefix one of the data segment while there is a single CPU.
        let unlocked = data_segment
            && match (first, second, third) {
                (0x0f, Some(second), Some(operand)) => {
                    is_memory(operand) && is_lockable_0f(second, register(operand))
                }
                (0x0f, ..) => false,
                (first, Some(operand), _) => {
                    is_memory(operand) && is_lockable(first, register(operand))
                }
                _ => false,
            };
        let prefetches = first == 0x0f
            && match (second, third) {
                // PREFETCHNTA, PREFETCHT0 to T2; PREFETCH and PREFETCHW.
                (Some(0x18), Some(operand)) => is_memory(operand) && register(operand) <= 3,
                (Some(0x0d), Some(operand)) => is_memory(operand) && register(operand) <= 2,
                _ => false,
            };
        let calls = match first {
            0xe8 => true,
            0xff => second.is_some_and(|operand| register(operand) == 2),
            _ => false,
        };
        Self {
            address,
            // The longest one has 15 bytes.
            size: bytes.len().min(15) as u8,
            place: Place::of(address),
            repeats: rep && is_string,
            locks: lock || exchanges || unlocked,
            prefetches,
            calls,
            returns: matches!(first, 0xc2 | 0xc3),
            mark: Mark::of(bytes),
        }
    }
}

/// An instruction taken apart.
struct Parts<'a> {
    rep: bool,
    lock: bool,
    data_segment: bool,
    /// The rest after all prefixes.
    opcode: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let mut parts = Self {
            rep: false,
            lock: false,
            data_segment: false,
            opcode: bytes,
        };
        while let [first, rest @ ..] = parts.opcode {
            match first {
                0xf2 | 0xf3 => parts.rep = true,
                0xf0 => parts.lock = true,
                0x3e => parts.data_segment = true,
                0x26 | 0x2e | 0x36 | 0x64..=0x67 => {}
                // REX is the last prefix.
                0x40..=0x4f => {
                    parts.opcode = rest;
                    break;
                }
                _ => break,
            }
            parts.opcode = rest;
        }
        parts
    }
}

/// Returns whether a ModRM byte names memory, and not a register.
fn is_memory(operand: u8) -> bool {
    operand < 0xc0
}

/// Returns the register, or the part of the opcode, that a ModRM byte has in its middle.
fn register(operand: u8) -> u8 {
    operand >> 3 & 7
}

/// Returns whether an opcode of one byte, with a part of it in the ModRM byte, may have a lock
/// prefix: ADD, OR, ADC, SBB, AND, SUB, XOR, NOT, NEG, INC and DEC.
fn is_lockable(opcode: u8, part: u8) -> bool {
    match opcode {
        0x00..=0x33 => opcode & 7 <= 1,
        // 7 is CMP.
        0x80 | 0x81 | 0x83 => part != 7,
        0xf6 | 0xf7 => matches!(part, 2 | 3),
        // The others are jumps and calls, and PUSH.
        0xfe | 0xff => matches!(part, 0 | 1),
        _ => false,
    }
}

/// Returns the same for an opcode after 0x0f: BTS, BTR and BTC, CMPXCHG, XADD, CMPXCHG8B and
/// CMPXCHG16B.
fn is_lockable_0f(opcode: u8, part: u8) -> bool {
    match opcode {
        0xab | 0xb0 | 0xb1 | 0xb3 | 0xbb | 0xc0 | 0xc1 => true,
        0xba => part >= 5,
        0xc7 => part == 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Instruction {
        Instruction::decode(0x1000, bytes)
    }

    #[test]
    fn only_string_instructions_repeat() {
        // rep movsb, rep stosq, repne scasb
        for bytes in [
            &[0xf3, 0xa4][..],
            &[0xf3, 0x48, 0xab],
            &[0xf2, 0xae],
            &[0x66, 0xf3, 0xa5],
        ] {
            assert!(decode(bytes).repeats, "{bytes:x?}");
        }
        // movsb; pause; endbr64; repz ret; popcnt %rdi,%rax; movss
        for bytes in [
            &[0xa4][..],
            &[0xf3, 0x90],
            &[0xf3, 0x0f, 0x1e, 0xfa],
            &[0xf3, 0xc3],
            &[0xf3, 0x48, 0x0f, 0xb8, 0xc7],
            &[0xf3, 0x0f, 0x10, 0x07],
        ] {
            assert!(!decode(bytes).repeats, "{bytes:x?}");
        }
    }

    #[test]
    fn locked_instructions_are_found_with_and_without_their_prefix() {
        // lock cmpxchg; lock incl; xchg with memory; the first two on one CPU; ds bts, ds andb $1
        for bytes in [
            &[0xf0, 0x0f, 0xb1, 0x17][..],
            &[0xf0, 0xff, 0x00],
            &[0x48, 0x87, 0x07],
            &[0x3e, 0x0f, 0xb1, 0x17],
            &[0x3e, 0xff, 0x00],
            &[0x3e, 0x48, 0x0f, 0xba, 0x28, 0x03],
            &[0x3e, 0x80, 0x27, 0x01],
            &[0x3e, 0x48, 0x01, 0x07],
        ] {
            assert!(decode(bytes).locks, "{bytes:x?}");
        }
        // xchg %rax,%rdi; notrack jmp *%rax and jmp *table(,%rax,8); padded mov, jump, compares and
        // bit test; ds cmpxchg of registers
        for bytes in [
            &[0x48, 0x87, 0xc7][..],
            &[0x3e, 0xff, 0xe0],
            &[0x3e, 0x8b, 0x07],
            &[0x3e, 0x74, 0x05],
            &[0x3e, 0xff, 0x24, 0xc5, 0, 0, 0, 0],
            &[0x3e, 0x39, 0x07],
            &[0x3e, 0x83, 0x3f, 0x01],
            &[0x3e, 0x0f, 0xba, 0x27, 0x01],
            &[0x3e, 0x0f, 0xb1, 0xc7],
            &[0x0f, 0xb1, 0x17],
        ] {
            assert!(!decode(bytes).locks, "{bytes:x?}");
        }
    }

    #[test]
    fn prefetches_are_no_other_long_nops() {
        // prefetcht0 64(%rax), prefetchw (%rdi), prefetchnta (%r8)
        for bytes in [
            &[0x0f, 0x18, 0x48, 0x40][..],
            &[0x0f, 0x0d, 0x0f],
            &[0x41, 0x0f, 0x18, 0x00],
        ] {
            assert!(decode(bytes).prefetches, "{bytes:x?}");
        }
        // nopl (%rax); a reserved hint; nop of a register
        for bytes in [
            &[0x0f, 0x1f, 0x00][..],
            &[0x0f, 0x18, 0x38],
            &[0x0f, 0x18, 0xc0],
        ] {
            assert!(!decode(bytes).prefetches, "{bytes:x?}");
        }
    }

    #[test]
    fn calls_and_returns_are_no_other_jumps() {
        // call; call *%rax; call *8(%r11), each with and without a prefix
        for bytes in [
            &[0xe8, 0, 0, 0, 0][..],
            &[0xff, 0xd0],
            &[0x2e, 0xe8, 0, 0, 0, 0],
            &[0x41, 0xff, 0x53, 0x08],
            &[0x3e, 0xff, 0xd0],
        ] {
            let decoded = decode(bytes);
            assert!(decoded.calls && !decoded.returns, "{bytes:x?}");
        }
        // ret; ret $8; repz ret
        for bytes in [&[0xc3][..], &[0xc2, 8, 0], &[0xf3, 0xc3]] {
            let decoded = decode(bytes);
            assert!(decoded.returns && !decoded.calls, "{bytes:x?}");
        }
        // jmp; jmp *%rax; push 8(%rax); iretq; movl $0,(%rax)
        for bytes in [
            &[0xe9, 0, 0, 0, 0][..],
            &[0xff, 0xe0],
            &[0xff, 0x70, 0x08],
            &[0x48, 0xcf],
            &[0xc7, 0x00, 0, 0, 0, 0],
        ] {
            let decoded = decode(bytes);
            assert!(!decoded.calls && !decoded.returns, "{bytes:x?}");
        }
    }

    #[test]
    fn code_belongs_to_the_owner_of_its_address() {
        for (address, place) in [
            (0x40_1000, Place::User),
            (0xffff_8880_0000_0000, Place::Kernel),
            (0xffff_ffff_8100_0000, Place::Kernel),
            (0xffff_ffff_c000_1000, Place::Module),
        ] {
            assert_eq!(Instruction::decode(address, &[0x90]).place, place);
        }
    }

    #[test]
    fn no_bytes_are_an_instruction_as_well() {
        for bytes in [&[][..], &[0xf3], &[0x3e, 0x0f], &[0x0f], &[0x87]] {
            let decoded = decode(bytes);
            assert!(!decoded.repeats && !decoded.locks && !decoded.prefetches);
            assert!(!decoded.calls && !decoded.returns);
        }
    }
}
