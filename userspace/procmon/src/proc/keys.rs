// SPDX-License-Identifier: GPL-2.0-only

//! Files with lines of a key and numbers: `status` and `io`.

use std::array;
use std::str;

/// Returns the first numbers behind a key, or `None` if there are fewer.
///
/// No name of a process looks like a line of its own: `status` has line breaks in it escaped.
pub fn numbers<const N: usize>(text: &[u8], key: &str) -> Option<[u64; N]> {
    let line = text
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b":"))?;
    let mut words = str::from_utf8(line).ok()?.split_ascii_whitespace();
    let numbers: [Option<u64>; N] = array::from_fn(|_| words.next()?.parse().ok());
    numbers
        .iter()
        .all(Option::is_some)
        .then(|| numbers.map(Option::unwrap_or_default))
}

/// Returns the number behind a key.
pub fn number(text: &[u8], key: &str) -> Option<u64> {
    numbers(text, key).map(|[number]| number)
}

/// Returns the number of bytes behind a key, where the file has kibibytes.
pub fn bytes(text: &[u8], key: &str) -> Option<u64> {
    Some(number(text, key)?.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &[u8] = b"Name:\t\xff\\nUid:\t9\nUmask:\t0022\nUid:\t1000\t1001\t1002\t1003\n\
        RssAnon:\t     512 kB\nVmSize:\t99999999999999999 kB\nbad:\t-1\n\
        voluntary_ctxt_switches:\t42\nnonvoluntary_ctxt_switches:\t7";

    #[test]
    fn numbers_stand_behind_their_keys() {
        assert_eq!(numbers(STATUS, "Uid"), Some([1000, 1001]));
        assert_eq!(bytes(STATUS, "RssAnon"), Some(512 * 1024));
        assert_eq!(number(STATUS, "voluntary_ctxt_switches"), Some(42));
        assert_eq!(number(STATUS, "nonvoluntary_ctxt_switches"), Some(7));
        assert_eq!(bytes(STATUS, "VmSize"), Some(u64::MAX));
    }

    #[test]
    fn other_lines_have_none() {
        for key in ["Gid", "Ui", "Name", "bad", "", "ctxt_switches"] {
            assert_eq!(number(STATUS, key), None, "{key}");
        }
        assert_eq!(numbers::<5>(STATUS, "Uid"), None);
        assert_eq!(number(b"", "Uid"), None);
        assert_eq!(number(b"Uid:\xff", "Uid"), None);
    }
}
