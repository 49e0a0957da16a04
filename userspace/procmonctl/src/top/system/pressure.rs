// SPDX-License-Identifier: GPL-2.0-only

//! Pressure stall information (PSI), from `/proc/pressure`.

use serde::Serialize;

/// Parts of the last ten seconds for which tasks were stalled, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stall {
    /// At least one task was.
    pub some: f64,
    /// All tasks that were not idle were. Kernels before 5.13 do not have it for CPUs.
    pub full: Option<f64>,
}

impl Stall {
    /// Parses a file. Returns `None` if it does not have the numbers.
    pub fn parse(text: &str) -> Option<Self> {
        let average = |kind: &str| -> Option<f64> {
            let mut lines = text.lines().map(str::split_ascii_whitespace);
            let mut words = lines.find(|words| words.clone().next() == Some(kind))?;
            let number = words.find_map(|word| word.strip_prefix("avg10="))?;
            number
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
        };
        Some(Self {
            some: average("some")?,
            full: average("full"),
        })
    }
}

/// The pressure on each resource, as far as the kernel has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pressure {
    pub cpu: Option<Stall>,
    pub memory: Option<Stall>,
    pub io: Option<Stall>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_parsed() {
        let text = "some avg10=21.74 avg60=10.35 avg300=17.41 total=123885956\n\
                    full avg10=1.50 avg60=0.00 avg300=0.00 total=7\n";
        let stall = |some, full| Some(Stall { some, full });
        assert_eq!(Stall::parse(text), stall(21.74, Some(1.5)));
        // For CPUs, an older kernel has one line.
        let old = text.lines().next().unwrap();
        assert_eq!(Stall::parse(old), stall(21.74, None));
        let other = "some total=5 avg10=2.00\nmost avg10=9.00\nfull\n";
        assert_eq!(Stall::parse(other), stall(2.0, None));
        for text in ["", "full avg10=1.00\n", "some avg10=\n", "some avg10=nan"] {
            assert_eq!(Stall::parse(text), None, "{text:?}");
        }
    }
}
