// SPDX-License-Identifier: GPL-2.0-only

//! The look of the screen: its theme, its characters, and the extent of its head.

use std::ffi::OsString;

use clap::ValueEnum;

use super::theme::{Name, Theme};
use crate::ascii;

/// The most that the head shows, as far as the screen has space.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Extent {
    /// Text, bars and graphs of the past
    #[default]
    Full,
    /// Text and bars
    Bars,
    /// Text
    Text,
    /// Nothing
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
        theme: Name,
        is_ascii: bool,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        // An empty variable is as good as none.
        let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
        let name = match theme {
            Name::Auto if variable("NO_COLOR").is_some() => Name::Mono,
            Name::Auto => by_terminal(variable("COLORTERM"), variable("TERM")),
            // Options go before NO_COLOR: see https://no-color.org.
            name => name,
        };
        Self {
            theme: name.theme(),
            is_ascii: is_ascii || ascii::is_needed(&environment),
            head: Extent::default(),
        }
    }

    /// Returns a text as the terminal can show it.
    pub fn text(&self, text: String) -> String {
        if self.is_ascii {
            ascii::escape(text)
        } else {
            text
        }
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

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    fn look(theme: Name, is_ascii: bool, variables: &[(&str, &str)]) -> Look {
        Look::new(theme, is_ascii, |name| {
            let mut variables = variables.iter();
            let (_, value) = variables.find(|variable| variable.0 == name)?;
            Some(OsString::from(value))
        })
    }

    #[test]
    fn the_terminal_chooses_the_theme() {
        let theme = |theme, variables: &[_]| look(theme, false, variables).theme;
        type Case<'a> = (Name, &'a [(&'a str, &'a str)], Name);
        let cases: [Case<'_>; 10] = [
            (Name::Auto, &[], Name::Default),
            (Name::Auto, &[("TERM", "linux")], Name::Default),
            (
                Name::Auto,
                &[("TERM", "screen-256color-bce")],
                Name::Dark256,
            ),
            (
                Name::Auto,
                &[("TERM", "xterm"), ("COLORTERM", "24bit")],
                Name::DarkTruecolor,
            ),
            (
                Name::Auto,
                &[("COLORTERM", "truecolor")],
                Name::DarkTruecolor,
            ),
            (Name::Auto, &[("COLORTERM", "yes")], Name::Default),
            (Name::Light, &[("COLORTERM", "24bit")], Name::Light),
            (
                Name::Auto,
                &[("NO_COLOR", "1"), ("COLORTERM", "24bit")],
                Name::Mono,
            ),
            (Name::Auto, &[("NO_COLOR", "")], Name::Default),
            (Name::Light, &[("NO_COLOR", "1")], Name::Light),
        ];
        for (chosen, variables, expected) in cases {
            assert!(
                ptr::eq(theme(chosen, variables), expected.theme()),
                "{variables:?}"
            );
        }
    }

    #[test]
    fn the_locale_and_the_option_choose_the_characters() {
        let utf8: &[_] = &[("LANG", "C.UTF-8")];
        for (is_ascii, variables, expected) in [
            (false, utf8, "søvn"),
            (true, utf8, "s\\u{f8}vn"),
            (false, &[("LANG", "C")], "s\\u{f8}vn"),
        ] {
            let look = look(Name::Auto, is_ascii, variables);
            assert_eq!(look.text("søvn".to_owned()), expected, "{variables:?}");
        }
    }
}
