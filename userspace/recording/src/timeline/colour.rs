// SPDX-License-Identifier: GPL-2.0-only

//! Colours of programs.

use std::collections::HashMap;

use super::summary::programs;
use crate::{Run, Text};

/// The colours of bars, and of the text on them. They differ for the colour-blind as well (from the
/// palettes of Okabe and Ito, and of Tol), and stand out from a white and from a dark ground. None
/// is red: that is the colour of failures.
pub const PALETTE: [(&str, &str); 10] = [
    ("#56b4e9", DARK),
    ("#e69f00", DARK),
    ("#009e73", DARK),
    ("#cc79a7", DARK),
    ("#0072b2", LIGHT),
    ("#999933", DARK),
    ("#aa4499", LIGHT),
    ("#44aa99", DARK),
    ("#8d93ab", DARK),
    ("#9a6a3c", LIGHT),
];

const DARK: &str = "#101010";
const LIGHT: &str = "#ffffff";

/// The colour of bars of several programs.
pub const SEVERAL: (&str, &str) = ("#8a8a8a", DARK);

/// The colour of failures.
pub const FAILURE: &str = "#d3212d";

/// The colours of the programs of a recording, as places in [`PALETTE`].
///
/// That of a name is the same in each recording, so that pictures can be compared. But the programs
/// that took most time have different ones.
pub struct Colours {
    /// Those of the programs that took most time.
    first: HashMap<Text, usize>,
}

impl Colours {
    /// Chooses the colours.
    pub fn of(run: &Run) -> Self {
        let mut names: Vec<_> = programs(run).into_iter().map(|one| one.name).collect();
        names.truncate(PALETTE.len());
        // As their order by time differs between recordings of the same work.
        names.sort_unstable();
        let mut is_taken = [false; PALETTE.len()];
        let mut first = HashMap::new();
        for name in names {
            let places =
                (0..PALETTE.len()).map(|step| (place(name.as_bytes()) + step) % PALETTE.len());
            if let Some(place) = places.into_iter().find(|&place| !is_taken[place]) {
                is_taken[place] = true;
                first.insert(name, place);
            }
        }
        Self { first }
    }

    /// Returns the place in the palette for a name.
    pub fn place(&self, name: &Text) -> usize {
        let first = self.first.get(name).copied();
        first.unwrap_or_else(|| place(name.as_bytes()))
    }
}

/// Returns the place in the palette that a name has unless another has it.
fn place(name: &[u8]) -> usize {
    // FNV-1a: that of the standard library differs between its versions.
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // Its low bits alone tell short names apart too little.
    ((hash ^ hash >> 32) % PALETTE.len() as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::fixture::recording;

    /// Returns the contrast of two colours as WCAG 2 defines it.
    fn contrast(one: &str, other: &str) -> f64 {
        let luminance = |colour: &str| -> f64 {
            let parts = [(1, 0.2126), (3, 0.7152), (5, 0.0722)].map(|(at, weight)| {
                let part = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
                let part = f64::from(part) / 255.0;
                let linear = if part <= 0.040_45 {
                    part / 12.92
                } else {
                    ((part + 0.055) / 1.055).powf(2.4)
                };
                weight * linear
            });
            parts.iter().sum()
        };
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        (one / other).max(other / one)
    }

    #[test]
    fn bars_and_their_text_stand_out() {
        for (bar, text) in PALETTE.into_iter().chain([SEVERAL]) {
            assert!(contrast(bar, "#ffffff") > 2.0, "{bar}");
            assert!(contrast(bar, "#16181d") > 3.0, "{bar}");
            assert!(contrast(bar, text) > 4.5, "{bar}");
        }
    }

    #[test]
    fn the_first_programs_have_different_colours() {
        let mut recording = recording();
        for pid in 1..=30 {
            recording.begin(pid, 10, 0, &format!("n{pid}"));
            recording.exit_after(pid, 20, 0, 1000 - pid as u64);
        }
        let colours = Colours::of(&recording.run());
        let name = |pid| Text::from(&format!("n{pid}"));
        let mut places: Vec<_> = (1..=10).map(|pid| colours.place(&name(pid))).collect();
        places.sort_unstable();
        assert_eq!(places, (0..10).collect::<Vec<_>>());
        assert_eq!(colours.place(&name(30)), place(b"n30"));
    }

    #[test]
    fn names_keep_their_colour() {
        // Reference value of FNV-1a for "a": 0xaf63dc4c8601ec8c.
        let hash = 0xaf63_dc4c_8601_ec8c_u64;
        assert_eq!(place(b"a") as u64, (hash ^ hash >> 32) % 10);
        let names = [
            "make", "sh", "cc1", "as", "ld", "gcc", "rm", "cp", "sed", "awk",
        ];
        let places: std::collections::HashSet<_> =
            names.iter().map(|name| place(name.as_bytes())).collect();
        assert!(places.len() >= 5, "{places:?}");
    }
}
