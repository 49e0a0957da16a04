// SPDX-License-Identifier: GPL-2.0

//! The look of the screen: its theme, its characters, and the extent of its head.

use std::ffi::{OsStr, OsString};

use super::theme::{Name, Theme};

/// The most that the head shows, as far as the screen has space.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Extent {
    /// Text, bars and graphs of the past.
    #[default]
    Full,
    /// Text and bars.
    Bars,
    /// Text.
    Text,
    None,
}

impl Extent {
    /// Returns the next one in turn.
    pub fn next(self) -> Self {
        match self {
            Self::Full => Self::Bars,
            Self::Bars => Self::Text,
            Self::Text => Self::None,
            Self::None => Self::Full,
        }
    }

    pub fn description(self) -> &'static str {
        match self {
            Self::Full => "bars and graphs in the head",
            Self::Bars => "bars in the head",
            Self::Text => "text in the head",
            Self::None => "no head",
        }
    }
}

/// The look of the screen.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub theme: &'static Theme,
    /// Whether the terminal shows ASCII only.
    pub is_ascii: bool,
    pub head: Extent,
}

impl Look {
    /// Chooses what the arguments leave open by the environment.
    pub fn new(
        theme: Option<Name>,
        is_ascii: bool,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        // An empty variable is as good as none.
        let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
        // Options go before NO_COLOR: see https://no-color.org.
        let name = theme.unwrap_or_else(|| {
            if variable("NO_COLOR").is_some() {
                Name::Mono
            } else {
                by_terminal(variable("COLORTERM"), variable("TERM"))
            }
        });
        // The order is that of setlocale(3).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(variable);
        Self {
            theme: name.theme(),
            is_ascii: is_ascii || !locale.is_some_and(|locale| is_utf8(&locale)),
            head: Extent::default(),
        }
    }

    /// Returns a text as the terminal can show it. Characters that it lacks are escaped, as
    /// [`printable`](crate::text::printable) does with those that are hidden.
    pub fn text(&self, text: String) -> String {
        if !self.is_ascii || text.is_ascii() {
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
}

/// Returns the theme with as many colours as the terminal has.
fn by_terminal(colorterm: Option<OsString>, term: Option<OsString>) -> Name {
    if colorterm.is_some_and(|value| value == "truecolor" || value == "24bit") {
        Name::DarkTruecolor
    } else if term.is_some_and(|kind| kind.to_string_lossy().contains("256color")) {
        Name::Dark256
    } else {
        Name::Default
    }
}

/// Returns whether the characters of a locale are those of UTF-8, as in `de_DE.UTF-8` or `C.utf8`.
fn is_utf8(locale: &OsStr) -> bool {
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    fn look(theme: Option<Name>, is_ascii: bool, variables: &[(&str, &str)]) -> Look {
        Look::new(theme, is_ascii, |name| {
            let mut variables = variables.iter();
            let (_, value) = variables.find(|variable| variable.0 == name)?;
            Some(OsString::from(value))
        })
    }

    #[test]
    fn the_terminal_chooses_the_theme() {
        let theme = |theme, variables: &[_]| look(theme, false, variables).theme;
        type Case<'a> = (Option<Name>, &'a [(&'a str, &'a str)], Name);
        let cases: [Case<'_>; 10] = [
            (None, &[], Name::Default),
            (None, &[("TERM", "linux")], Name::Default),
            (None, &[("TERM", "screen-256color-bce")], Name::Dark256),
            (
                None,
                &[("TERM", "xterm"), ("COLORTERM", "24bit")],
                Name::DarkTruecolor,
            ),
            (None, &[("COLORTERM", "truecolor")], Name::DarkTruecolor),
            (None, &[("COLORTERM", "yes")], Name::Default),
            (Some(Name::Light), &[("COLORTERM", "24bit")], Name::Light),
            (
                None,
                &[("NO_COLOR", "1"), ("COLORTERM", "24bit")],
                Name::Mono,
            ),
            (None, &[("NO_COLOR", "")], Name::Default),
            (Some(Name::Light), &[("NO_COLOR", "1")], Name::Light),
        ];
        for (chosen, variables, expected) in cases {
            assert!(
                ptr::eq(theme(chosen, variables), expected.theme()),
                "{variables:?}"
            );
        }
    }

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
            assert_eq!(
                look(None, false, variables).is_ascii,
                expected,
                "{variables:?}"
            );
            assert!(look(None, true, variables).is_ascii, "{variables:?}");
        }
    }

    #[test]
    fn characters_are_escaped_for_ascii() {
        let ascii = look(None, true, &[]);
        assert_eq!(ascii.text("søvn \\".to_owned()), "s\\u{f8}vn \\");
        let utf8 = look(None, false, &[("LANG", "C.UTF-8")]);
        assert_eq!(utf8.text("søvn".to_owned()), "søvn");
    }
}
