// SPDX-License-Identifier: GPL-2.0-only

//! The numbers of a region, and their text: a line of `name=number` for each region, and after it
//! one for each listed cache line and call.

use std::error::Error;
use std::fmt;
use std::ops::Sub;
use std::str::FromStr;

/// The results of a region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Region {
    pub counts: Counts,
    /// The data lines in the order of their addresses, if they were asked for.
    pub lines: Vec<TouchedLine>,
    /// The calls of watched functions in the order of their returns, if they were asked for.
    pub calls: Vec<Call>,
}

/// A call of a watched function, from its first instruction to its return.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// The index of the function among those that are watched.
    pub function: usize,
    /// The instructions of the function, of all that it calls, and of what interrupts it.
    pub instructions: u64,
}

/// A line of data that a region has read or written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TouchedLine {
    pub address: u64,
    pub written: bool,
}

/// Defines the counts, their names in the text being those of the fields.
macro_rules! counts {
    ($($(#[$attribute:meta])* $name:ident,)*) => {
        /// The numbers of a region.
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct Counts {
            $($(#[$attribute])* pub $name: u64,)*
        }

        impl Counts {
            /// Returns all counts with their names.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            fn field(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

counts! {
    /// Instructions, one that repeats itself counting once.
    user_instructions,
    kernel_instructions,
    /// Those of modules and of BPF programs.
    module_instructions,
    loads,
    stores,
    /// Instructions that lock the bus on a machine with several CPUs.
    locked,
    prefetches,
    /// Distinct lines of data that were only read, and those that were written.
    kernel_lines_read,
    kernel_lines_written,
    user_lines_read,
    user_lines_written,
    /// Distinct lines of code.
    instruction_lines,
    /// Distinct pages of data.
    pages,
}

impl Counts {
    pub fn instructions(&self) -> u64 {
        self.user_instructions + self.kernel_instructions + self.module_instructions
    }

    /// Returns the number of distinct lines of data.
    pub fn lines(&self) -> u64 {
        self.kernel_lines_read
            + self.kernel_lines_written
            + self.user_lines_read
            + self.user_lines_written
    }
}

impl Sub for Counts {
    type Output = Self;

    /// Returns by how much each count is larger, 0 for those that are not.
    fn sub(mut self, other: Self) -> Self {
        for (name, count) in other.iter() {
            if let Some(field) = self.field(name) {
                *field = field.saturating_sub(count);
            }
        }
        self
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, count)) in self.counts.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            write!(f, "{blank}{name}={count}")?;
        }
        writeln!(f)?;
        for line in &self.lines {
            let written = if line.written { "w" } else { "r" };
            writeln!(f, "{written} {:x}", line.address)?;
        }
        for call in &self.calls {
            writeln!(f, "call {} {}", call.function, call.instructions)?;
        }
        Ok(())
    }
}

/// A text that no plugin has written.
#[derive(Debug)]
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not of the plugin", self.0)
    }
}

impl Error for ParseError {}

impl Region {
    /// Reads all regions that a plugin has written.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, ParseError> {
        let mut regions: Vec<Self> = Vec::new();
        for line in text.lines() {
            let error = || ParseError(line.to_owned());
            if line.contains('=') {
                regions.push(Self {
                    counts: line.parse()?,
                    ..Self::default()
                });
                continue;
            }
            let (kind, address) = line.split_once(' ').ok_or_else(error)?;
            let region = regions.last_mut().ok_or_else(error)?;
            if kind == "call" {
                let (function, instructions) = address.split_once(' ').ok_or_else(error)?;
                region.calls.push(Call {
                    function: function.parse().map_err(|_| error())?,
                    instructions: instructions.parse().map_err(|_| error())?,
                });
                continue;
            }
            region.lines.push(TouchedLine {
                address: u64::from_str_radix(address, 16).map_err(|_| error())?,
                written: match kind {
                    "w" => true,
                    "r" => false,
                    _ => return Err(error()),
                },
            });
        }
        Ok(regions)
    }
}

impl FromStr for Counts {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError(text.to_owned());
        let mut counts = Self::default();
        let mut expected: Vec<_> = Self::default().iter().map(|(name, _)| name).collect();
        for word in text.split(' ') {
            let (name, number) = word.split_once('=').ok_or_else(error)?;
            let place = expected.iter().position(|&other| other == name);
            expected.swap_remove(place.ok_or_else(error)?);
            *counts.field(name).ok_or_else(error)? = number.parse().map_err(|_| error())?;
        }
        if expected.is_empty() {
            Ok(counts)
        } else {
            Err(error())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut regions = vec![Region::default(), Region::default()];
        regions[0].counts.locked = 7;
        regions[1].counts.pages = u64::MAX;
        regions[0].lines = vec![
            TouchedLine {
                address: 0xffff_8880_0000_0040,
                written: true,
            },
            TouchedLine {
                address: 0x40,
                written: false,
            },
        ];
        regions[1].calls = vec![Call {
            function: 3,
            instructions: 280,
        }];
        let text: String = regions.iter().map(Region::to_string).collect();
        assert_eq!(Region::parse_all(&text).unwrap(), regions);
    }

    #[test]
    fn strange_lines_are_refused() {
        let good = Region::default().to_string();
        assert!(Region::parse_all(&good).is_ok());
        for text in [
            "w 40".to_owned(),
            format!("{good}x 40"),
            format!("{good}w 4g"),
            format!("{good}w"),
            format!("{good}call 1"),
            format!("{good}call 1 -1"),
            "call 1 2".to_owned(),
            good.replace("pages=0", "pages=-1"),
            good.replace("pages", "sides"),
            good.replace("pages=0", "pages=0 pages=1"),
            good.replace(" pages=0", ""),
        ] {
            assert!(Region::parse_all(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn sums_have_all_parts() {
        let mut counts = Counts::default();
        for name in ["user", "kernel", "module"] {
            *counts.field(&format!("{name}_instructions")).unwrap() = 1;
        }
        for name in ["kernel", "user"] {
            *counts.field(&format!("{name}_lines_read")).unwrap() = 10;
            *counts.field(&format!("{name}_lines_written")).unwrap() = 100;
        }
        assert_eq!((counts.instructions(), counts.lines()), (3, 220));
        let more = Counts {
            kernel_instructions: 2,
            locked: 1,
            ..counts
        };
        let difference = more - counts;
        assert_eq!((difference.instructions(), difference.locked), (1, 1));
        assert_eq!((counts - more).instructions(), 0);
    }
}
