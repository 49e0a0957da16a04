// SPDX-License-Identifier: GPL-2.0

//! `/proc/PID/stat`.

use std::str::{self, FromStr};

/// Fields that records lack, and the start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stat {
    pub process_group: i32,
    pub session: i32,
    /// Number of the controlling terminal, 0 without one.
    pub terminal: u32,
    /// Process group in the foreground of the controlling terminal, -1 without one.
    pub foreground_group: i32,
    /// Start in clock ticks since boot.
    pub start: u64,
    /// Time of waiting for block I/O, in clock ticks.
    pub block_io_delay: u64,
}

impl Stat {
    /// Parses the file.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        // The name may have spaces and parentheses, but nothing after it has any of these.
        let end = bytes.iter().rposition(|&byte| byte == b')')?;
        let fields = str::from_utf8(&bytes[end + 1..]).ok()?;
        let fields: Vec<_> = fields.split_ascii_whitespace().collect();
        Some(Self {
            process_group: field(&fields, 5)?,
            session: field(&fields, 6)?,
            // The kernel prints it with a sign.
            terminal: field::<i32>(&fields, 7)?.cast_unsigned(),
            foreground_group: field(&fields, 8)?,
            start: field(&fields, 22)?,
            block_io_delay: field(&fields, 42).unwrap_or(0),
        })
    }
}

/// Returns a field by its number in proc_pid_stat(5), where the one after the name is number 3.
fn field<T: FromStr>(fields: &[&str], number: usize) -> Option<T> {
    fields.get(number - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_any_bytes() {
        let rest = "S 26397 26398 18056 34817 26400 4194304 98 0 0 0 0 0 0 0 20 0 1 0 79634 313";
        for name in [&b"cat"[..], b"a) R 1 2 3 (b", b")", b"", b" \xff\n) )"] {
            let stat = [b"26409 (", name, b") ", rest.as_bytes()].concat();
            let expected = Stat {
                process_group: 26398,
                session: 18056,
                terminal: 34817,
                foreground_group: 26400,
                start: 79634,
                block_io_delay: 0,
            };
            assert_eq!(Stat::parse(&stat), Some(expected), "{name:?}");
        }
    }

    #[test]
    fn later_fields_may_be_missing() {
        let begin = "7 (cat) S 0 1 1 0 -1 1 0 0 0 0 0 0 0 0 0 0 1 0 9".to_owned();
        let rest = " 0".repeat(19);
        let stat = Stat::parse(format!("{begin}{rest} 250 0 0").as_bytes()).unwrap();
        assert_eq!((stat.start, stat.block_io_delay), (9, 250));
    }

    #[test]
    fn numbers_of_terminals_have_32_bits() {
        let stat = b"1 (cat) S 0 1 1 -2147448832 1 0 0 0 0 0 0 0 0 0 0 0 0 0 7";
        assert_eq!(Stat::parse(stat).unwrap().terminal, 0x8000_8800);
    }

    #[test]
    fn other_contents_have_no_values() {
        for bytes in [
            &b""[..],
            b"1 cat S 1 1 1 0 -1",
            b"1 (cat)",
            b"1 (cat) S 0 1 1 0 -1 4194304 98 0 0 0 0 0 0 0 20 0 1 0",
            b"1 (cat) S 0 x 1 0 -1 4194304 98 0 0 0 0 0 0 0 20 0 1 0 79634",
            b"1 (cat) S 0 1 1 0 -1 4194304 98 0 0 0 0 0 0 0 20 0 1 0 \xff",
        ] {
            assert_eq!(Stat::parse(bytes), None, "{bytes:?}");
        }
    }
}
