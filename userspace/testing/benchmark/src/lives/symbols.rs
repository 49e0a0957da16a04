// SPDX-License-Identifier: GPL-2.0-only

//! The addresses of the functions that are watched.

use std::fs;

use anyhow::{Context, Result, ensure};
use cost::marks;

use super::{FUNCTIONS, Symbol};

/// An address that no function has: that of one which is not there.
const NOWHERE: u64 = 1;

/// The addresses of [`FUNCTIONS`].
pub struct Symbols(Vec<Place>);

/// The place of a function.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Kernel(u64),
    /// The distance from the beginning of the module's code, which is elsewhere each time that the
    /// module is loaded.
    Module(u64),
}

impl Symbols {
    /// Finds all functions, while the module is loaded.
    pub fn find() -> Result<Self> {
        let text = fs::read_to_string("/proc/kallsyms").context("cannot read /proc/kallsyms")?;
        Self::parse(&text, base()?)
    }

    fn parse(text: &str, base: u64) -> Result<Self> {
        let places = FUNCTIONS.iter().map(|function| {
            let symbol = function.symbol;
            let mut found = text.lines().filter_map(|line| symbol.address(line));
            let address = found
                .next()
                .with_context(|| format!("the kernel has no {}", symbol.name()))?;
            ensure!(
                address > NOWHERE && found.next().is_none(),
                "/proc/kallsyms does not tell of {}",
                symbol.name()
            );
            Ok(match symbol {
                Symbol::Kernel(_) => Place::Kernel(address),
                Symbol::Probe(_) => Place::Module(address.wrapping_sub(base)),
            })
        });
        places.collect::<Result<_>>().map(Self)
    }

    /// Has the plugin watch all functions, those of the module only if it is loaded.
    pub fn watch(&self, is_loaded: bool) -> Result<()> {
        let base = is_loaded.then(base).transpose()?;
        marks::watch(0);
        for &place in &self.0 {
            marks::watch(match (place, base) {
                (Place::Kernel(address), _) => address,
                (Place::Module(offset), Some(base)) => base.wrapping_add(offset),
                (Place::Module(_), None) => NOWHERE,
            });
        }
        Ok(())
    }
}

/// Returns the address of the module's code.
fn base() -> Result<u64> {
    let path = "/sys/module/procmon/sections/.text";
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let digits = text.trim_end().trim_start_matches("0x");
    u64::from_str_radix(digits, 16).with_context(|| format!("strange {path}"))
}

impl Symbol {
    fn name(self) -> &'static str {
        match self {
            Self::Kernel(name) | Self::Probe(name) => name,
        }
    }

    /// Returns the address in a line of /proc/kallsyms, if it is the one of this function.
    fn address(self, line: &str) -> Option<u64> {
        let mut words = line.split_ascii_whitespace();
        let (address, _, name) = (words.next()?, words.next()?, words.next()?);
        let is_it = match self {
            Self::Kernel(wanted) => name == wanted && words.next().is_none(),
            // The function that the kernel calls, and not the one that it is made by.
            Self::Probe(tracepoint) => {
                words.next() == Some("[procmon]")
                    && name.starts_with("_R")
                    && name.contains("10Tracepoint8function8function")
                    && name.contains(&format!("{}{tracepoint}", tracepoint.len()))
                    // That of events, and not the one that finds targets.
                    && name.contains("8Recorder")
            }
        };
        is_it.then(|| u64::from_str_radix(address, 16).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the lines of all functions, 16 bytes apart.
    fn lines() -> Vec<String> {
        let lines = FUNCTIONS.iter().enumerate().map(|(index, function)| {
            let address = 0xffff_ffff_c000_0000 + 16 * index;
            match function.symbol {
                Symbol::Kernel(name) => format!("{address:x} t {name}"),
                Symbol::Probe(name) => format!(
                    "{address:x} t \
                     _RINvNvXNtB5_{}{name}NtB7_10Tracepoint8function8functionNt8RecorderE\t\
                     [procmon]",
                    name.len()
                ),
            }
        });
        lines.collect()
    }

    #[test]
    fn each_function_is_found() {
        let mut lines = lines();
        lines.push("ffffffffc0100000 t __pfx___bpf_trace_task_newtask".to_owned());
        lines.push("ffffffffc0100000 t taskstats_exit\t[other]".to_owned());
        lines.push("ffffffffc0100000 T _RNvXs4_NtB5_11TaskNewtaskE4call\t[procmon]".to_owned());
        // Another probe of the same tracepoint.
        lines.push(lines[0].replace("8Recorder", "7Targets"));
        let symbols = Symbols::parse(&lines.join("\n"), 0xffff_ffff_bfff_fff0).unwrap();
        assert_eq!(symbols.0[1], Place::Module(32));
        assert_eq!(symbols.0[3], Place::Kernel(0xffff_ffff_c000_0030));
        assert_eq!(symbols.0.len(), FUNCTIONS.len());
    }

    #[test]
    fn a_function_is_there_once() {
        let lines = lines();
        for index in [0, 5] {
            let mut without = lines.clone();
            without.remove(index);
            assert!(Symbols::parse(&without.join("\n"), 0).is_err());
            let mut twice = lines.clone();
            twice.push(lines[index].clone());
            assert!(Symbols::parse(&twice.join("\n"), 0).is_err());
        }
        // A caller without the right to see them is told zeros.
        let hidden = lines.join("\n").replace("ffffffffc0", "0000000000");
        assert!(Symbols::parse(&hidden, 0).is_err());
    }
}
