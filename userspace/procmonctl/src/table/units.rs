// SPDX-License-Identifier: GPL-2.0-only

//! The units in which people give the numbers of columns.

use std::fmt;

use super::value::Kind;

/// Units, each with its value in that of [`Value::number`](super::value::Value::number).
#[derive(Clone, Copy, Debug)]
pub struct Units {
    /// Name of what they are units of.
    quantity: &'static str,
    units: &'static [(&'static str, f64)],
}

const BYTES: &[(&str, f64)] = &[
    ("K", 1024.0),
    ("M", 1_048_576.0),
    ("G", 1_073_741_824.0),
    ("T", 1_099_511_627_776.0),
    ("P", 1_125_899_906_842_624.0),
];

const TIMES: &[(&str, f64)] = &[("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86400.0)];

impl Units {
    /// Returns the units of a kind of value. Texts have none, as numbers without a quantity.
    pub fn of(kind: Kind) -> Self {
        let (quantity, units) = match kind {
            Kind::Bytes => ("a number of bytes", BYTES),
            Kind::BytesRate => ("a number of bytes per second", BYTES),
            Kind::Percent => ("a percentage", &[("%", 1.0)][..]),
            Kind::Time => ("an amount of time", TIMES),
            _ => ("a plain number", &[][..]),
        };
        Self { quantity, units }
    }

    /// Returns the value of a unit, and 1 for none.
    pub fn factor(self, unit: &str) -> Option<f64> {
        if unit.is_empty() {
            return Some(1.0);
        }
        let known = self.units.iter().find(|(name, _)| *name == unit);
        known.map(|(_, factor)| *factor)
    }
}

/// The quantity, and which units fit it.
impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.units.iter().map(|(name, _)| *name).collect();
        write!(f, "{}: ", self.quantity)?;
        match &names[..] {
            [] => f.write_str("no unit does"),
            [name] => write!(f, "{name} does"),
            [names @ .., last] => write!(f, "{} and {last} do", names.join(", ")),
        }
    }
}
