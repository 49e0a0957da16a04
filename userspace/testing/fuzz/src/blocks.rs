// SPDX-License-Identifier: GPL-2.0-only

//! The basic blocks of the module's code, and those that were reached.
//!
//! The compiler puts a call of [`MARK`] into each basic block, except those that are run whenever
//! another one is. The module's file has the places of these calls, and the functions around them.
//!
//! Two kinds of blocks are not counted, as nothing should reach them. The first kind only leads to
//! a panic, and belongs to the checks that the debug kernel has compiled in. The second kind is in
//! a function of which only inlined copies are in use.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::read::elf::ElfFile64;
use object::{
    Endianness, Object, ObjectSection, ObjectSymbol, Relocation, RelocationTarget, SectionKind,
    SymbolIndex, SymbolKind,
};
use rustc_demangle::demangle;

type ElfFile<'a> = ElfFile64<'a, Endianness>;

/// The function that leaves an entry in the record of KCOV.
const MARK: &str = "__sanitizer_cov_trace_pc";

/// The function that is called before a panic.
const ALARM: &str = "__asan_handle_no_return";

/// The distance from a call's relocation to its end, which is the address that KCOV records.
const CALL_END: u64 = 4;

/// The length of a call.
const CALL_SIZE: u64 = 5;

/// The directory with the addresses of the loaded module's sections.
const SECTIONS: &str = "/sys/module/procmon/sections";

/// A basic block, by its number.
pub type Block = usize;

/// A part of the module whose coverage is reported.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    /// The code of driver/ that a system call runs.
    Driver,
    /// The code of driver/ that the monitor's thread runs, where KCOV does not look.
    Thread,
    /// abstractions/, procmon.rs, and what these and driver/ take from the `kernel` crate.
    Rest,
    /// KUnit tests, and code that is there for them.
    Test,
}

impl Part {
    /// Returns the part that a function belongs to, by its demangled name. Inlined code counts to
    /// the function around it.
    fn of(function: &str) -> Self {
        if function.contains("::tests::") {
            Self::Test
        } else if function.ends_with(" as procmon::abstractions::kthread::ThreadFn>::run") {
            Self::Thread
        } else if function
            .trim_start_matches('<')
            .starts_with("procmon::driver::")
        {
            Self::Driver
        } else {
            Self::Rest
        }
    }
}

struct Function {
    name: String,
    /// Offset in its section.
    start: u64,
    /// None if there is no call of it.
    part: Option<Part>,
}

struct Mark {
    /// Number of the function around it.
    function: usize,
    /// Offset of the call in its section.
    offset: u64,
    /// Whether it is followed by a panic.
    alarm: bool,
    reached: bool,
}

/// The blocks of a module, with those that were reached.
pub struct Blocks {
    blocks: Vec<Mark>,
    functions: Vec<Function>,
    /// The blocks by the name of their section and the offset that KCOV records.
    places: HashMap<String, HashMap<u64, Block>>,
    /// The sections in the kernel's memory: address, size and name.
    sections: Vec<(u64, u64, String)>,
}

impl Blocks {
    /// Finds the blocks of a module's file.
    pub fn read(path: &Path) -> Result<Self> {
        let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = ElfFile64::<Endianness>::parse(&*data)?;
        let called = called_functions(&file);
        let mut this = Self {
            blocks: Vec::new(),
            functions: Vec::new(),
            places: HashMap::new(),
            sections: Vec::new(),
        };
        for section in file.sections().filter(|it| it.kind() == SectionKind::Text) {
            // By their addresses.
            let mut functions = BTreeMap::new();
            for symbol in file.symbols() {
                if symbol.kind() == SymbolKind::Text
                    && symbol.section_index() == Some(section.index())
                {
                    let name = format!("{:#}", demangle(symbol.name()?));
                    // A local function that is never called was left out by the compiler.
                    let is_called = symbol.is_local() || called.contains(&symbol.index());
                    functions.insert(symbol.address(), this.functions.len());
                    this.functions.push(Function {
                        part: is_called.then(|| Part::of(&name)),
                        start: symbol.address(),
                        name,
                    });
                }
            }
            let mut marks = Vec::new();
            let mut alarms = HashSet::new();
            for (offset, relocation) in section.relocations() {
                match callee(&file, &relocation)? {
                    MARK => marks.push(offset),
                    ALARM => drop(alarms.insert(offset)),
                    _ => {}
                }
            }
            let code = section.data()?;
            let mut places = HashMap::new();
            for offset in marks {
                let (_, &function) = functions
                    .range(..=offset)
                    .next_back()
                    .context("code that belongs to no function")?;
                let end = offset + CALL_END;
                places.insert(end, this.blocks.len());
                this.blocks.push(Mark {
                    function,
                    offset: end - CALL_SIZE,
                    alarm: alarms.contains(&(after_jump(code, end) + 1)),
                    reached: false,
                });
            }
            this.places.insert(section.name()?.to_owned(), places);
            this.sections
                .push((0, section.size(), section.name()?.to_owned()));
        }
        ensure!(
            !this.blocks.is_empty(),
            "{} is built without KCOV",
            path.display()
        );
        Ok(this)
    }

    /// Reads the addresses of the loaded module. Sections for initialisation only keep their old
    /// addresses.
    pub fn locate(&mut self) -> Result<()> {
        for (address, _, name) in &mut self.sections {
            let path = Path::new(SECTIONS).join(name);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            *address = u64::from_str_radix(text.trim().trim_start_matches("0x"), 16)?;
        }
        Ok(())
    }

    /// Returns the block of an address that KCOV has recorded.
    pub fn find(&self, address: u64) -> Result<Block> {
        self.sections
            .iter()
            .filter_map(|(start, size, name)| Some((address.checked_sub(*start)?, size, name)))
            .find(|(offset, size, _)| offset <= size)
            .and_then(|(offset, _, name)| self.places.get(name)?.get(&offset).copied())
            .with_context(|| format!("KCOV has recorded {address:#x}, which is no block"))
    }

    /// Marks a block as reached. Returns whether it was not before.
    pub fn reach(&mut self, block: Block) -> bool {
        !std::mem::replace(&mut self.blocks[block].reached, true)
    }

    /// Counts the blocks of driver/.
    pub fn driver(&self) -> Count {
        self.count(|part| part == Part::Driver)
    }

    /// Counts the blocks of the whole module without its tests.
    pub fn total(&self) -> Count {
        self.count(|part| part != Part::Test)
    }

    fn count(&self, wanted: impl Fn(Part) -> bool) -> Count {
        let mut count = Count::default();
        for block in self.blocks.iter().filter(|block| !block.alarm) {
            if self.functions[block.function].part.is_some_and(&wanted) {
                count.add(block.reached);
            }
        }
        count
    }

    /// Returns a table of the functions of driver/ with blocks that were not reached, and their
    /// offsets.
    pub fn unreached(&self) -> String {
        let mut counts = BTreeMap::<usize, (Count, Vec<String>)>::new();
        for block in self.blocks.iter().filter(|block| !block.alarm) {
            let (count, places) = counts.entry(block.function).or_default();
            count.add(block.reached);
            if !block.reached {
                let start = self.functions[block.function].start;
                places.push(format!("+{:#x}", block.offset - start));
            }
        }
        let mut table = String::new();
        for (function, (count, places)) in counts {
            let Function { name, part, .. } = &self.functions[function];
            match part {
                Some(Part::Driver) if !places.is_empty() => {
                    table += &format!("{count:#} {name} {}\n", places.join(" "));
                }
                Some(Part::Thread) => table += &format!("{count:#} {name} (not seen by KCOV)\n"),
                _ => {}
            }
        }
        table
    }
}

/// Returns the name of the symbol that a relocation refers to.
fn callee<'a>(file: &ElfFile<'a>, relocation: &Relocation) -> Result<&'a str> {
    match relocation.target() {
        RelocationTarget::Symbol(target) => Ok(file.symbol_by_index(target)?.name()?),
        _ => Ok(""),
    }
}

/// Returns the functions that code outside of themselves refers to.
fn called_functions(file: &ElfFile<'_>) -> HashSet<SymbolIndex> {
    let mut called = HashSet::new();
    for section in file.sections() {
        for (offset, relocation) in section.relocations() {
            let RelocationTarget::Symbol(target) = relocation.target() else {
                continue;
            };
            let is_inside = file.symbol_by_index(target).is_ok_and(|symbol| {
                let end = symbol.address() + symbol.size();
                symbol.section_index() == Some(section.index())
                    && (symbol.address()..end).contains(&offset)
            });
            if !is_inside {
                called.insert(target);
            }
        }
    }
    called
}

/// Returns the offset of the first instruction from `offset` on that is not a jump.
fn after_jump(code: &[u8], offset: u64) -> u64 {
    let target = |distance: i64| offset.wrapping_add_signed(distance);
    match usize::try_from(offset)
        .ok()
        .and_then(|start| code.get(start..))
    {
        Some([0xeb, distance, ..]) => target(2 + i64::from(i8::from_le_bytes([*distance]))),
        Some([0xe9, a, b, c, d, ..]) => target(5 + i64::from(i32::from_le_bytes([*a, *b, *c, *d]))),
        _ => offset,
    }
}

/// The number of blocks, and of those that were reached.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Count {
    pub reached: usize,
    pub all: usize,
}

impl Count {
    fn add(&mut self, reached: bool) {
        self.reached += usize::from(reached);
        self.all += 1;
    }
}

impl fmt::Display for Count {
    /// Writes a sentence, or with `#` a part of a table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reached, all } = self;
        if f.alternate() {
            write!(f, "{reached:4} of {all:3}")
        } else {
            let tenths = (1000 * reached).checked_div(*all).unwrap_or(0);
            write!(
                f,
                "{reached} of {all} blocks, {}.{} %",
                tenths / 10,
                tenths % 10
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_belong_to_the_part_that_defines_them() {
        for (name, part) in [
            ("procmon::driver::ioctl::common_ioctl", Part::Driver),
            (
                "<procmon::driver::device::Device as \
                 procmon::abstractions::miscdevice::MiscDevice>::read",
                Part::Driver,
            ),
            (
                "<procmon::driver::monitor::Monitor as \
                 procmon::abstractions::kthread::ThreadFn>::run",
                Part::Thread,
            ),
            (
                "<procmon::abstractions::miscdevice::vtable::VTable<\
                 procmon::driver::device::Device>>::open",
                Part::Rest,
            ),
            (
                "procmon::abstractions::sync::rcu_data::tests::tracked",
                Part::Test,
            ),
            ("init_module", Part::Rest),
        ] {
            assert_eq!(Part::of(name), part, "{name}");
        }
    }

    #[test]
    fn jumps_are_followed() {
        assert_eq!(after_jump(&[0x90, 0xeb, 0x10], 1), 0x13);
        assert_eq!(after_jump(&[0x90, 0x90, 0xeb, 0xfc], 2), 0);
        assert_eq!(after_jump(&[0xe9, 0, 1, 0, 0], 0), 0x105);
        assert_eq!(after_jump(&[0xe8, 0, 1, 0, 0], 0), 0);
        assert_eq!(after_jump(&[], 7), 7);
    }

    #[test]
    fn counts_are_shown_with_their_share() {
        let count = Count {
            reached: 299,
            all: 300,
        };
        assert_eq!(count.to_string(), "299 of 300 blocks, 99.6 %");
        assert_eq!(Count::default().to_string(), "0 of 0 blocks, 0.0 %");
    }
}
