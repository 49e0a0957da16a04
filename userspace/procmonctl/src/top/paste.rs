// SPDX-License-Identifier: GPL-2.0-only

//! The rest of a paste that took too long. Its bytes are no keys.

use std::time::{Duration, Instant};

/// Sequences that terminals send before and after pasted text.
const BEGIN: &[u8] = b"\x1b[200~";
const END: &[u8] = b"\x1b[201~";

/// The time without bytes after which a paste is over even without its end.
const PATIENCE: Duration = Duration::from_secs(3);

/// The rest of a paste, up to its end.
pub struct Rest {
    /// The last bytes, which may be a part of the end.
    tail: Vec<u8>,
    /// Arrival of the last bytes.
    last: Instant,
}

impl Rest {
    /// Returns the rest of the paste that begins in bytes, the last of which arrived at `last`.
    pub fn of(bytes: &[u8], last: Instant) -> Option<Self> {
        let mut places = bytes.windows(BEGIN.len());
        let begin = places.position(|part| part == BEGIN)?;
        let mut text = bytes[begin + BEGIN.len()..].to_vec();
        Some(Self {
            tail: split_tail(&mut text),
            last,
        })
    }

    /// Drops bytes of the paste. Returns those after it when it is over.
    pub fn skip(&mut self, bytes: &[u8], now: Instant) -> Option<Vec<u8>> {
        let last = std::mem::replace(&mut self.last, now);
        if now.saturating_duration_since(last) >= PATIENCE {
            return Some(bytes.to_vec());
        }
        let mut text = std::mem::take(&mut self.tail);
        text.extend(bytes);
        let mut places = text.windows(END.len());
        if let Some(end) = places.position(|part| part == END) {
            return Some(text.split_off(end + END.len()));
        }
        self.tail = split_tail(&mut text);
        None
    }
}

/// Splits off the last bytes, which may be a part of the end.
fn split_tail(text: &mut Vec<u8>) -> Vec<u8> {
    text.split_off(text.len().saturating_sub(END.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_ends() {
        let now = Instant::now();
        assert!(Rest::of(b"\x1b[201~text", now).is_none());
        for (begin, rest, after) in [
            (&b"\x1b[200~"[..], &b"k\r\x1b[201~"[..], Some("")),
            (b"q\x1b[200~text", b"\x1b[201~q", Some("q")),
            (b"\x1b[200~text\x1b[2", b"01~q", Some("q")),
            (b"\x1b[200~text", b"k\r", None),
        ] {
            let mut paste = Rest::of(begin, now).unwrap();
            let after = after.map(|text| text.as_bytes().to_vec());
            assert_eq!(paste.skip(rest, now), after, "{rest:?}");
            // The same in pieces of one byte.
            let mut paste = Rest::of(begin, now).unwrap();
            let end = rest
                .iter()
                .position(|&byte| paste.skip(&[byte], now).is_some());
            let taken = after.map(|text| rest.len() - text.len() - 1);
            assert_eq!(end, taken, "{rest:?}");
        }
    }

    #[test]
    fn a_paste_without_an_end_is_over_some_time() {
        let now = Instant::now();
        let mut paste = Rest::of(b"\x1b[200~text", now).unwrap();
        let soon = now + PATIENCE / 2;
        assert_eq!(paste.skip(b"k", soon), None);
        assert_eq!(paste.skip(b"k", soon + PATIENCE / 2), None);
        let last = soon + PATIENCE / 2 + PATIENCE;
        assert_eq!(paste.skip(b"q", last), Some(b"q".to_vec()));
    }
}
