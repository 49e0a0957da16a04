// SPDX-License-Identifier: GPL-2.0-only

//! The machine code of a module.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register, UsedMemory,
};
use object::elf::FileHeader64;
use object::read::elf::ElfFile;
use object::{Endianness, Object, ObjectSection, ObjectSymbol, RelocationTarget, SymbolKind};
use rustc_demangle::demangle;

/// The function by which functions return to their callers, against speculation.
const RETURN: &str = "__x86_return_thunk";

/// A place in the code: the number of a section, and an offset.
type Place = (usize, u64);

pub struct Module<'a> {
    /// The functions by their beginnings.
    functions: BTreeMap<Place, Function<'a>>,
    /// The symbols whose addresses are put into the code when it is loaded, by place.
    relocations: BTreeMap<Place, Symbol>,
}

struct Function<'a> {
    name: String,
    code: &'a [u8],
}

/// The symbol that a relocation refers to.
#[derive(Clone)]
enum Symbol {
    /// A place in the module, if the relocation is that of a branch.
    Here(Place),
    /// A symbol of the kernel.
    Kernel(String),
}

/// The target of a call or jump.
enum Target {
    Function(Place),
    Kernel(String),
    /// The address in a register or in memory.
    Pointer,
}

impl<'a> Module<'a> {
    pub fn parse(data: &'a [u8]) -> Result<Self> {
        let file = ElfFile::<FileHeader64<Endianness>>::parse(data).context("it is no module")?;
        let mut functions = BTreeMap::new();
        let mut relocations = BTreeMap::new();
        for symbol in file.symbols() {
            let Some(section) = symbol.section_index() else {
                continue;
            };
            if symbol.kind() != SymbolKind::Text || symbol.size() == 0 {
                continue;
            }
            let code = file
                .section_by_index(section)?
                .data_range(symbol.address(), symbol.size())?
                .context("a function reaches out of its section")?;
            let name = format!("{:#}", demangle(symbol.name()?));
            functions.insert((section.0, symbol.address()), Function { name, code });
        }
        for section in file.sections() {
            for (offset, relocation) in section.relocations() {
                let RelocationTarget::Symbol(index) = relocation.target() else {
                    continue;
                };
                let symbol = file.symbol_by_index(index)?;
                let target = match symbol.section_index() {
                    // Relative to the end of the instruction, which in all branches is that of
                    // these four bytes.
                    Some(section) => {
                        let place = symbol
                            .address()
                            .wrapping_add_signed(relocation.addend() + 4);
                        Symbol::Here((section.0, place))
                    }
                    None => Symbol::Kernel(format!("{:#}", demangle(symbol.name()?))),
                };
                relocations.insert((section.index().0, offset), target);
            }
        }
        Ok(Self {
            functions,
            relocations,
        })
    }

    /// Follows functions, given by the ends of their names, through all calls in the module.
    /// Returns the effects of each function: its writes, and its calls of the kernel.
    pub fn walk(
        &self,
        begin: &[String],
        skip: &[String],
    ) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let skipped: Result<Vec<Place>> = skip.iter().map(|name| self.find(name)).collect();
        let skipped = skipped?;
        let begin: Result<Vec<Place>> = begin.iter().map(|name| self.find(name)).collect();
        let mut waiting = begin?;
        let mut seen = BTreeSet::new();
        let mut found = BTreeMap::<_, BTreeSet<_>>::new();
        while let Some(place) = waiting.pop() {
            if !seen.insert(place) {
                continue;
            }
            let function = &self.functions[&place];
            let entries = found.entry(function.name.clone()).or_default();
            self.look(place, |instruction, info| {
                if let Some(target) = self.target(place, instruction)? {
                    match target {
                        Target::Pointer => {
                            entries.insert("calls by a pointer".to_owned());
                        }
                        Target::Kernel(name) if name == RETURN => {}
                        Target::Kernel(name) => {
                            entries.insert(format!("calls {name}"));
                        }
                        Target::Function(called) if skipped.contains(&called) => {
                            entries.insert(format!("calls {}", self.functions[&called].name));
                        }
                        Target::Function(called) => waiting.push(called),
                    }
                } else {
                    entries.extend(writes(instruction, info.info(instruction).used_memory()));
                }
                Ok(())
            })
            .with_context(|| function.name.clone())?;
        }
        Ok(found)
    }

    /// Returns the function whose name has this end.
    fn find(&self, end: &str) -> Result<Place> {
        let mut places = self
            .functions
            .iter()
            .filter(|(_, function)| function.name.ends_with(end))
            .map(|(&place, _)| place);
        let place = places
            .next()
            .with_context(|| format!("there is no {end}"))?;
        ensure!(places.next().is_none(), "there are several of {end}");
        Ok(place)
    }

    fn look(
        &self,
        (section, start): Place,
        mut visit: impl FnMut(&Instruction, &mut InstructionInfoFactory) -> Result<()>,
    ) -> Result<()> {
        let code = self.functions[&(section, start)].code;
        let mut info = InstructionInfoFactory::new();
        for instruction in Decoder::with_ip(64, code, start, DecoderOptions::NONE) {
            ensure!(
                !instruction.is_invalid(),
                "no instruction at {:#x}",
                instruction.ip()
            );
            visit(&instruction, &mut info)?;
        }
        Ok(())
    }

    /// Returns the target of an instruction, if that is another function.
    fn target(&self, own: Place, instruction: &Instruction) -> Result<Option<Target>> {
        match instruction.flow_control() {
            FlowControl::IndirectCall | FlowControl::IndirectBranch => {
                return Ok(Some(Target::Pointer));
            }
            FlowControl::Call
            | FlowControl::ConditionalBranch
            | FlowControl::UnconditionalBranch => {}
            _ => return Ok(None),
        }
        let relocation = (own.0, instruction.next_ip() - 4);
        let place = match self.relocations.get(&relocation) {
            Some(Symbol::Kernel(name)) => return Ok(Some(Target::Kernel(name.clone()))),
            Some(Symbol::Here(place)) => *place,
            None => (own.0, instruction.near_branch_target()),
        };
        let (&start, function) = self
            .functions
            .range(..=place)
            .next_back()
            .filter(|(start, function)| {
                start.0 == place.0 && place.1 - start.1 < function.code.len() as u64
            })
            .with_context(|| format!("{:#x} leads nowhere", instruction.ip()))?;
        if start == own {
            return Ok(None);
        }
        if start != place {
            bail!("{:#x} leads into {}", instruction.ip(), function.name);
        }
        Ok(Some(Target::Function(start)))
    }
}

/// Describes the write of an instruction to memory that other CPUs may use. Registers are left out,
/// as the compiler chooses them. An instruction with a lock prefix counts as one that writes.
fn writes(instruction: &Instruction, memory: &[UsedMemory]) -> Option<String> {
    let is_write = |access| {
        matches!(
            access,
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        )
    };
    let locked = instruction.has_lock_prefix()
        || instruction.mnemonic() == Mnemonic::Xchg
            && (0..instruction.op_count()).any(|op| instruction.op_kind(op) == OpKind::Memory);
    let written = memory.iter().find(|used| {
        is_write(used.access())
            && !matches!(used.base(), Register::RSP)
            && used.segment() != Register::GS
    });
    // With a lock prefix, per-CPU memory and the stack count as well.
    let used = written.or_else(|| memory.first().filter(|_| locked))?;
    let mnemonic = format!("{:?}", instruction.mnemonic()).to_lowercase();
    let lock = if locked && instruction.mnemonic() != Mnemonic::Xchg {
        "lock "
    } else {
        ""
    };
    let size = match used.memory_size().size() {
        // An instruction that is repeated.
        0 => "any number of bytes".to_owned(),
        1 => "1 byte".to_owned(),
        bytes => format!("{bytes} bytes"),
    };
    // An offset in a structure; the address of a variable of the module is unknown.
    let offset = match used.displacement() as i64 {
        0 => String::new(),
        _ if used.base() == Register::None => " of a variable".to_owned(),
        offset if offset < 0 => format!(" -{:#x}", -offset),
        offset => format!(" +{offset:#x}"),
    };
    Some(format!("{lock}{mnemonic} {size}{offset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_by(code: &[u8]) -> Option<String> {
        let instruction = Decoder::with_ip(64, code, 0, DecoderOptions::NONE).decode();
        assert_eq!(instruction.len(), code.len());
        let mut info = InstructionInfoFactory::new();
        writes(&instruction, info.info(&instruction).used_memory())
    }

    #[test]
    fn writes_to_shared_memory_are_described() {
        for (code, expected) in [
            // mov [rdi+8], rax
            (&b"\x48\x89\x47\x08"[..], "mov 8 bytes +0x8"),
            // mov dword [rbx-4], 0
            (b"\xc7\x43\xfc\0\0\0\0", "mov 4 bytes -0x4"),
            // inc byte [rip+16]
            (b"\xfe\x05\x10\0\0\0", "inc 1 byte of a variable"),
            // rep movsb
            (b"\xf3\xa4", "movsb any number of bytes"),
            // movups [rdi], xmm0
            (b"\x0f\x11\x07", "movups 16 bytes"),
            // lock dec dword [rdi]
            (b"\xf0\xff\x0f", "lock dec 4 bytes"),
            // lock or dword [rsp-4], 0, a barrier
            (b"\xf0\x83\x4c\x24\xfc\0", "lock or 4 bytes -0x4"),
            // xchg [rdi], eax, which needs no prefix to hold the bus
            (b"\x87\x07", "xchg 4 bytes"),
        ] {
            assert_eq!(written_by(code).as_deref(), Some(expected), "{code:x?}");
        }
    }

    #[test]
    fn writes_to_own_memory_are_not() {
        for code in [
            // mov [rsp+8], rax
            &b"\x48\x89\x44\x24\x08"[..],
            // push rbx
            b"\x53",
            // inc qword gs:[rax]
            b"\x65\x48\xff\x00",
            // mov rax, [rdi]
            b"\x48\x8b\x07",
            // cmp qword [rdi], 0
            b"\x48\x83\x3f\0",
            // xchg ax, ax
            b"\x66\x90",
            // nop dword [rax]
            b"\x0f\x1f\0",
        ] {
            assert_eq!(written_by(code), None, "{code:x?}");
        }
    }
}
