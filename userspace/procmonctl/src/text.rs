// SPDX-License-Identifier: GPL-2.0-only

//! Text of unknown origin, made fit for terminals and JSON.
//!
//! Names of processes, users and groups, and the message, are bytes of other users' choice. On a
//! terminal and in CSV each of them goes through [`printable`], in every field.

use std::fmt::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use regex::Regex;

/// Characters that move the cursor, change the direction of text, end a line or are invisible: all
/// that are unassigned, private, control or format characters, separators other than a space, or
/// ignored by default, and the Braille pattern without dots.
static HIDDEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\x{2800}]--\x20]")
        .expect("it is valid")
});

/// Characters that combine with the previous one.
static COMBINING: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{M}").expect("it is valid"));

/// Returns a name as one line of visible characters.
///
/// Different names give different texts: escapes begin with a backslash, and a backslash is
/// doubled. A space is escaped at the start and at the end only, where it would be invisible. A
/// combining character is escaped at the start only, where it would combine with the text before
/// the name.
pub fn printable(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    let inner = name.trim_ascii_start();
    let spaces = |text: &mut String, blanks: &[u8]| {
        for &blank in blanks {
            match blank {
                b' ' => text.push_str("\\x20"),
                _ => push(text, blank.into()),
            }
        }
    };
    spaces(&mut text, &name[..name.len() - inner.len()]);
    let middle = inner.trim_ascii_end();
    escape(&mut text, middle, true);
    spaces(&mut text, &inner[middle.len()..]);
    text
}

/// Returns text with its line ends, tabs and backslashes kept, and other characters made visible.
pub fn printable_lines(message: &[u8]) -> String {
    let mut text = String::with_capacity(message.len());
    for part in message.split_inclusive(|byte| matches!(byte, b'\n' | b'\t')) {
        match part.split_last() {
            Some((&end @ (b'\n' | b'\t'), line)) => {
                escape(&mut text, line, false);
                text.push(end.into());
            }
            _ => escape(&mut text, part, false),
        }
    }
    text
}

/// Appends bytes. Hidden characters are escaped, and backslashes on demand.
fn escape(text: &mut String, bytes: &[u8], backslashes: bool) {
    let start = text.len();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if text.len() == start
                && !c.is_ascii()
                && COMBINING.is_match(c.encode_utf8(&mut [0; 4]))
            {
                text.extend(c.escape_unicode());
            } else if c == '\\' && !backslashes {
                text.push(c);
            } else {
                push(text, c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

fn push(text: &mut String, c: char) {
    let is_hidden = match c {
        ' '..='~' => false,
        _ => HIDDEN.is_match(c.encode_utf8(&mut [0; 4])),
    };
    if is_hidden || c == '\\' {
        text.extend(c.escape_default());
    } else {
        text.push(c);
    }
}

/// Encodes bytes in base64.
pub fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_printable() {
        let table: &[(&[u8], &str)] = &[
            (b"", ""),
            (b"kworker/0:1-eve", "kworker/0:1-eve"),
            ("søvn (1) 日本".as_bytes(), "søvn (1) 日本"),
            (b"it's \"x\"", "it's \"x\""),
            // Control characters: C0, DEL and C1.
            (b"a\nb\x1b[2J\\", "a\\nb\\u{1b}[2J\\\\"),
            (b"a\r\t\0b", "a\\r\\t\\u{0}b"),
            (b"a\x7fb", "a\\u{7f}b"),
            ("a\u{85}\u{9b}b".as_bytes(), "a\\u{85}\\u{9b}b"),
            // Bytes that are no characters.
            (b"\xff\xc3", "\\xff\\xc3"),
            (b"\\xff", "\\\\xff"),
            // Directions.
            ("\u{202e}exe".as_bytes(), "\\u{202e}exe"),
            ("\u{2066}a\u{2069}".as_bytes(), "\\u{2066}a\\u{2069}"),
            (
                "\u{200e}\u{200f}\u{61c}".as_bytes(),
                "\\u{200e}\\u{200f}\\u{61c}",
            ),
            // Nothing to see.
            ("a\u{200b}\u{200d}b".as_bytes(), "a\\u{200b}\\u{200d}b"),
            ("\u{feff}a\u{ad}b".as_bytes(), "\\u{feff}a\\u{ad}b"),
            (
                "a\u{2060}\u{fe0f}\u{34f}".as_bytes(),
                "a\\u{2060}\\u{fe0f}\\u{34f}",
            ),
            ("\u{3164}\u{115f}".as_bytes(), "\\u{3164}\\u{115f}"),
            ("\u{e0041}".as_bytes(), "\\u{e0041}"),
            ("\u{e000}\u{378}".as_bytes(), "\\u{e000}\\u{378}"),
            // Blanks and ends of lines.
            ("a\u{2028}b\u{2029}c".as_bytes(), "a\\u{2028}b\\u{2029}c"),
            (
                "\u{3000}\u{a0}\u{2003}".as_bytes(),
                "\\u{3000}\\u{a0}\\u{2003}",
            ),
            ("\u{2800}".as_bytes(), "\\u{2800}"),
            (b"   ", "\\x20\\x20\\x20"),
            (b" a b ", "\\x20a b\\x20"),
            (b"\ta\n", "\\ta\\n"),
            // A character that combines.
            ("\u{301}e\u{301}".as_bytes(), "\\u{301}e\u{301}"),
        ];
        for (name, text) in table {
            assert_eq!(printable(name), *text, "{name:x?}");
        }
    }

    #[test]
    fn no_text_has_a_hidden_character() {
        for c in ('\0'..='\u{ffff}').chain('\u{e0000}'..='\u{e01ff}') {
            let text = printable(format!("x{c}x").as_bytes());
            let is_plain = text == format!("x{c}x");
            let is_suspect = c.is_control()
                || (c.is_whitespace() && c != ' ')
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
                || matches!(
                    c,
                    '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}' | '\u{61c}'
                );
            assert!(!(is_plain && is_suspect), "{c:?}");
            assert!(!text.chars().any(char::is_control), "{c:?}");
        }
    }

    #[test]
    fn different_names_give_different_texts() {
        let names: &[&[u8]] = &[
            b"\xff",
            b"\\xff",
            b"\\\\xff",
            "\u{ff}".as_bytes(),
            b" ",
            b"\\x20",
            b"\n",
            b"\\n",
            "\u{fffd}".as_bytes(),
            b"\xfe",
            b"",
            b"\\u{a}",
        ];
        let texts: std::collections::HashSet<_> =
            names.iter().map(|name| printable(name)).collect();
        assert_eq!(texts.len(), names.len(), "{texts:?}");
    }

    #[test]
    fn lines_keep_their_ends() {
        assert_eq!(
            printable_lines(b" a\tb \n\x1b[0m\n"),
            " a\tb \n\\u{1b}[0m\n"
        );
        assert_eq!(printable_lines(b"a\xff\r\n"), "a\\xff\\r\n");
        assert_eq!(printable_lines(b"C:\\x\\"), "C:\\x\\");
        assert_eq!(printable_lines(b""), "");
    }
}
