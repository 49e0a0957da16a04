// SPDX-License-Identifier: GPL-2.0-only

//! Texts for people: names without control characters, and quantities with units.

use std::fmt::Write;

use crate::Text;

/// Returns a name as visible characters. Control and format characters, and bytes that are not
/// UTF-8, become escapes, and a backslash is doubled, so that different names stay different.
pub fn label(text: &Text) -> String {
    let mut label = String::with_capacity(text.as_bytes().len());
    for chunk in text.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\'' => label.push(c),
                _ => label.extend(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(label, "\\x{byte:02x}");
        }
    }
    label
}

/// Returns the words of a command line as one label of at most `most` characters.
pub fn line<'a>(words: impl IntoIterator<Item = &'a Text>, most: usize) -> String {
    let mut line = String::new();
    for word in words {
        // No more of a long line is looked at than is shown.
        if line.len() > 4 * most {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&label(word));
    }
    cut(&line, most)
}

/// Returns a text of at most `most` characters, the last of which tells of a cut.
pub fn cut(text: &str, most: usize) -> String {
    let mut ends = text.char_indices().map(|(end, _)| end);
    let end = ends.nth(most.saturating_sub(1)).unwrap_or(text.len());
    if ends.next().is_none() {
        return text.to_owned();
    }
    format!("{}…", &text[..end])
}

/// Returns a time in nanoseconds with a unit.
pub fn duration(time: u64) -> String {
    let part = |unit: u64| (time / unit, time % unit * 10 / unit);
    match time {
        0 => "0 s".to_owned(),
        1..1_000 => format!("{time} ns"),
        1_000..1_000_000 => format!("{} µs", time / 1_000),
        1_000_000..10_000_000 => {
            let (whole, tenth) = part(1_000_000);
            format!("{whole}.{tenth} ms")
        }
        10_000_000..1_000_000_000 => format!("{} ms", time / 1_000_000),
        1_000_000_000..60_000_000_000 => {
            let (whole, tenth) = part(1_000_000_000);
            format!("{whole}.{tenth} s")
        }
        _ => {
            let seconds = time / 1_000_000_000;
            match seconds / 3_600 {
                0 => format!("{} min {} s", seconds / 60, seconds % 60),
                hours => format!("{hours} h {} min", seconds / 60 % 60),
            }
        }
    }
}

/// Returns a size in bytes with a unit.
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut found = None;
    for (unit, shift) in units.into_iter().zip((10..).step_by(10)) {
        if bytes >> shift == 0 {
            break;
        }
        let tenth = (bytes >> (shift - 10)) % 1024 * 10 / 1024;
        found = Some(format!("{}.{tenth} {unit}", bytes >> shift));
    }
    found.unwrap_or_else(|| format!("{bytes} B"))
}

/// Returns a number with its digits in groups of three.
pub fn number(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number of things, in the singular or in the plural.
pub fn count(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{} {many}", number(count)),
    }
}

/// Returns how a process ended, from a status as wait(2) has it.
pub fn ending(status: i32) -> String {
    match (status & 0x7f, status >> 8 & 0xff) {
        (0, code) => format!("exit status {code}"),
        (signal, _) => format!("killed by signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_visible_characters_only() {
        for (bytes, expected) in [
            (&b"cc1 'a' \"b\""[..], "cc1 'a' \"b\""),
            (b"a\n\0\x1b[2J\\", "a\\n\\0\\u{1b}[2J\\\\"),
            (b"\xff\xc3", "\\xff\\xc3"),
            (
                "\u{202e}exe \u{feff}søvn".as_bytes(),
                "\\u{202e}exe \\u{feff}søvn",
            ),
            ("\u{2028}\u{e000}".as_bytes(), "\\u{2028}\\u{e000}"),
        ] {
            assert_eq!(label(&Text::from(bytes)), expected);
        }
        for c in '\0'..='\u{ffff}' {
            let label = label(&Text::from(&c.to_string()));
            // XML has no such characters, not even as references.
            let is_outside_xml = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
            assert!(!label.contains(is_outside_xml), "{c:?}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(cut("åbcd", 4), "åbcd");
        assert_eq!(cut("åbcde", 4), "åbc…");
        assert_eq!(cut("", 4), "");
        let words = ["cc", "-c", "a.c"].map(Text::from);
        assert_eq!(line(&words, 100), "cc -c a.c");
        assert_eq!(line(&words, 6), "cc -c…");
        let endless = vec![Text::from("x"); 10_000];
        assert_eq!(line(&endless, 5), "x x …");
    }

    #[test]
    fn quantities_have_units() {
        for (time, expected) in [
            (0, "0 s"),
            (999, "999 ns"),
            (12_345, "12 µs"),
            (1_260_000, "1.2 ms"),
            (340_000_000, "340 ms"),
            (59_990_000_000, "59.9 s"),
            (125_000_000_000, "2 min 5 s"),
            (7_500_000_000_000, "2 h 5 min"),
        ] {
            assert_eq!(duration(time), expected);
        }
        for (bytes, expected) in [
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        assert_eq!(number(7_u64), "7");
        assert_eq!(number(1_234_567_u64), "1,234,567");
        assert_eq!(count(1, "process", "processes"), "1 process");
        assert_eq!(count(2000, "process", "processes"), "2,000 processes");
    }

    #[test]
    fn statuses_are_those_of_wait() {
        assert_eq!(ending(0x100), "exit status 1");
        assert_eq!(ending(0x8b), "killed by signal 11");
    }
}
