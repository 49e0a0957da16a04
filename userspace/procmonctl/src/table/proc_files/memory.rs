// SPDX-License-Identifier: GPL-2.0-only

//! `/proc/PID/smaps_rollup`.

use std::str;

/// The resident memory of a process in bytes, of which other processes may have a part as well.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// Sum over all pages of their sizes, each divided by the number of processes that have it.
    pub proportional: u64,
    /// Size of the pages that no other process has.
    pub unique: u64,
}

impl Memory {
    /// Parses the file.
    pub fn parse(contents: &[u8]) -> Option<Self> {
        let contents = str::from_utf8(contents).ok()?;
        let mut memory = Self::default();
        let mut has_any = false;
        for line in contents.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let field = match name {
                "Pss" => &mut memory.proportional,
                "Private_Clean" | "Private_Dirty" | "Private_Hugetlb" => &mut memory.unique,
                _ => continue,
            };
            *field = field.saturating_add(bytes(value)?);
            has_any = true;
        }
        has_any.then_some(memory)
    }
}

/// Parses a number of kilobytes with its unit.
pub fn bytes(text: &str) -> Option<u64> {
    let kilobytes: u64 = text.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!(bytes("\t   12 kB"), Some(12288));
        assert_eq!(bytes("0 kB\n"), Some(0));
        for bad in ["", "kB", "12", "-1 kB", "12 MB", "18446744073709551615 kB"] {
            assert_eq!(bytes(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn other_contents_have_no_values() {
        for bad in [&b""[..], b"\xff", b"Rss: 1 kB\n", b"Pss: x kB\n", b"Pss:\n"] {
            assert_eq!(Memory::parse(bad), None, "{bad:?}");
        }
    }
}
