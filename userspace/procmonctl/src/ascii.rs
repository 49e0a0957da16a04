// SPDX-License-Identifier: GPL-2.0-only

//! Text in ASCII, for locales without UTF-8.
//!
//! Names are escaped where they are shown. The characters of trees, borders and bars, of ratatui
//! and of this program, have substitutes.

use std::ffi::OsString;

/// Returns whether the locale of an environment has other characters than those of UTF-8.
pub fn is_needed(environment: impl Fn(&str) -> Option<OsString>) -> bool {
    // The order is that of setlocale(3), in which an empty variable is as good as none.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| environment(name).filter(|value| !value.is_empty()));
    // As in de_DE.UTF-8 or C.utf8.
    let is_utf8 = |locale: OsString| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    !locale.is_some_and(is_utf8)
}

/// Returns a text with other characters escaped, as [`printable`](crate::text::printable) does
/// with those that are hidden.
pub fn escape(text: String) -> String {
    if text.is_ascii() {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            escaped.extend(c.escape_unicode());
        }
    }
    escaped
}

/// Returns the prefix of a name in a tree.
pub fn prefix(prefix: &str) -> String {
    prefix.chars().map(substitute).collect()
}

/// Returns the character of ASCII that is most like another one.
pub fn substitute(c: char) -> char {
    match c {
        ' '..='~' => c,
        '─' | '━' => '-',
        '│' | '║' | '┃' | '├' => '|',
        '┌' | '┐' | '└' | '┘' => '+',
        '▲' => '^',
        '▼' => 'v',
        '…' => '.',
        // Eighths of a bar, by the ink that they take.
        '▁' => '_',
        '▂' => '.',
        '▃' => '-',
        '▄' => '=',
        '▅' => '+',
        '▆' => '*',
        '▇' => '%',
        '█' => '#',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_chooses_the_characters() {
        let cases: [(&[(&str, &str)], bool); 10] = [
            (&[], true),
            (&[("LANG", "C")], true),
            (&[("LANG", "POSIX")], true),
            (&[("LANG", "de_DE.ISO-8859-1")], true),
            (&[("LANG", "en_US.UTF-8")], false),
            (&[("LANG", "C.utf8")], false),
            (&[("LANG", "C.UTF-8"), ("LC_CTYPE", "C")], true),
            (&[("LC_ALL", ""), ("LANG", "C.UTF-8")], false),
            (&[("LC_ALL", "C"), ("LC_CTYPE", "C.UTF-8")], true),
            (&[("LC_ALL", "C.UTF-8"), ("LC_CTYPE", "C")], false),
        ];
        for (variables, expected) in cases {
            let environment = |name: &str| {
                let mut variables = variables.iter();
                let (_, value) = variables.find(|variable| variable.0 == name)?;
                Some(OsString::from(value))
            };
            assert_eq!(is_needed(environment), expected, "{variables:?}");
        }
    }

    #[test]
    fn names_are_escaped_and_lines_are_replaced() {
        assert_eq!(escape("søvn \\".to_owned()), "s\\u{f8}vn \\");
        assert_eq!(prefix("│  ├─ "), "|  |- ");
        assert_eq!(prefix("… 33 └─ "), ". 33 +- ");
    }
}
