// SPDX-License-Identifier: GPL-2.0-only

//! A bar of one line with parts of several kinds, which no widget of ratatui has.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use crate::top::theme::{Fill, Theme};

/// The least width of a bar with its label.
pub const LEAST: u16 = 20;

/// A bar, as `12[||||    34.5%]`.
pub struct Meter<'a> {
    pub label: &'a str,
    /// The kinds, and the part of the whole that each takes: all together at most 1.
    pub parts: &'a [(f64, Fill)],
    /// The text at the end of the bar, over its parts.
    pub text: &'a str,
    pub theme: &'a Theme,
}

impl Widget for Meter<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let width = usize::from(area.width);
        let style = self.theme.label;
        let (begin, _) = buffer.set_stringn(area.x, area.y, self.label, width, style);
        let end = area.right() - 1;
        if begin >= end {
            return;
        }
        buffer[(begin, area.y)].set_char('[');
        buffer[(end, area.y)].set_char(']');
        let inner = end - begin - 1;
        let mut first = begin + 1;
        let mut sum = 0.0;
        for (part, fill) in self.parts {
            sum += part;
            // Sums are rounded, so that the end of all parts is where their sum is.
            let last = begin + 1 + ((sum * f64::from(inner)).round() as u16).min(inner);
            for x in first..last {
                let cell = &mut buffer[(x, area.y)];
                cell.set_char(fill.symbol).set_style(fill.style);
            }
            first = first.max(last);
        }
        let length = u16::try_from(self.text.width()).unwrap_or(u16::MAX);
        let place = end - length.min(inner);
        buffer.set_stringn(
            place,
            area.y,
            self.text,
            usize::from(inner),
            self.theme.value,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::theme::Name;

    fn drawn(width: u16, parts: &[f64], text: &str) -> String {
        let theme = Name::Mono.theme();
        let parts: Vec<_> = parts.iter().copied().zip(theme.cpu).collect();
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 1));
        let meter = Meter {
            label: "12",
            parts: &parts,
            text,
            theme,
        };
        meter.render(buffer.area, &mut buffer);
        buffer.content().iter().map(|cell| cell.symbol()).collect()
    }

    #[test]
    fn parts_are_as_long_as_they_are_large() {
        for (width, parts, expected) in [
            (24, &[][..], "12[             34.5%  ]"),
            (24, &[0.5][..], "12[||||||||||   34.5%  ]"),
            (24, &[0.1, 0.2, 0.3][..], "12[||----###### 34.5%  ]"),
            (24, &[1.0][..], "12[||||||||||||||||||||]"),
            // More than the whole, as by rounding.
            (24, &[0.9, 0.2][..], "12[||||||||||||||||||--]"),
            (24, &[f64::NAN, -1.0][..], "12[                    ]"),
        ] {
            let text = if expected.contains('%') {
                "34.5%  "
            } else {
                ""
            };
            assert_eq!(drawn(width, parts, text), expected, "{parts:?}");
        }
    }

    #[test]
    fn narrow_bars_are_cut() {
        for (width, expected) in [(0, ""), (1, "1"), (2, "12"), (3, "12 "), (4, "12[]")] {
            assert_eq!(drawn(width, &[1.0], "34.5%"), expected);
        }
        assert_eq!(drawn(7, &[1.0], "34.5%"), "12[34.]");
    }
}
