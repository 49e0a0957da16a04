// SPDX-License-Identifier: GPL-2.0

//! The baseline: earlier results, which must not grow.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// The largest growth of a row, in percent.
const TOLERANCE: u64 = 3;

/// Earlier results, rounded, so that a new baseline differs only where something has changed.
#[derive(Serialize, Deserialize)]
pub struct Baseline {
    /// The release of the kernel, whose own code is a part of each operation.
    pub kernel: String,
    /// Instructions, or bytes, by the names of the rows.
    pub rows: BTreeMap<String, u64>,
}

/// The result of the comparison of a row.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    name: String,
    detail: String,
    passed: bool,
}

impl Outcome {
    pub fn passed(&self) -> bool {
        self.passed
    }
}

/// Compares all rows of both.
pub fn check(now: &Baseline, before: &Baseline) -> Vec<Outcome> {
    let names = now.rows.keys();
    let names = names.chain(
        before
            .rows
            .keys()
            .filter(|name| !now.rows.contains_key(*name)),
    );
    names
        .map(|name| {
            let (passed, mut detail) = match (now.rows.get(name), before.rows.get(name)) {
                (Some(&now), Some(&before)) => compare(now, before),
                (None, _) => (false, "was not measured".to_owned()),
                (_, None) => (false, "is not in the baseline".to_owned()),
            };
            if !passed && now.kernel != before.kernel {
                detail += &format!(
                    "; the baseline is of Linux {}, and this is {}",
                    before.kernel, now.kernel
                );
            }
            Outcome {
                name: name.clone(),
                detail,
                passed,
            }
        })
        .collect()
}

fn compare(now: u64, before: u64) -> (bool, String) {
    let percent = (now as f64 / before as f64 - 1.0) * 100.0;
    let mut detail = format!("{now}, {percent:+.1} % to the baseline's {before}");
    if now * 100 < before * (100 - TOLERANCE) {
        detail += ", which should follow: tests/bench --update-baseline";
    }
    (now * 100 <= before * (100 + TOLERANCE), detail)
}

pub fn tap(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for (index, outcome) in outcomes.iter().enumerate() {
        let not = if outcome.passed { "" } else { "not " };
        let _ = writeln!(text, "{not}ok {} - {}", index + 1, outcome.name);
        let _ = writeln!(text, "# {}", outcome.detail);
    }
    let _ = writeln!(text, "1..{}", outcomes.len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(kernel: &str, rows: &[(&str, u64)]) -> Baseline {
        Baseline {
            kernel: kernel.to_owned(),
            rows: rows
                .iter()
                .map(|&(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }

    #[test]
    fn growth_is_named() {
        let before = baseline("1", &[("a", 1000), ("b", 1000), ("c", 1000)]);
        let now = baseline("1", &[("a", 1030), ("b", 1031), ("c", 500)]);
        let outcomes = check(&now, &before);
        assert_eq!(
            outcomes.iter().map(Outcome::passed).collect::<Vec<_>>(),
            [true, false, true]
        );
        assert_eq!(
            tap(&outcomes),
            "ok 1 - a\n# 1030, +3.0 % to the baseline's 1000\n\
             not ok 2 - b\n# 1031, +3.1 % to the baseline's 1000\n\
             ok 3 - c\n# 500, -50.0 % to the baseline's 1000, which should follow: \
             tests/bench --update-baseline\n\
             1..3\n"
        );
    }

    #[test]
    fn rows_do_not_get_lost() {
        let before = baseline("1", &[("a", 1000), ("b", 1000)]);
        let now = baseline("2", &[("a", 1000), ("c", 1000)]);
        let outcomes = check(&now, &before);
        assert_eq!(
            outcomes.iter().map(Outcome::passed).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert!(outcomes[1].detail.contains("baseline is of Linux 1"));
    }
}
