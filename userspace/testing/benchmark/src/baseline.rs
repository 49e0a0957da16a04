// SPDX-License-Identifier: GPL-2.0-only

//! The baseline: earlier results, which must not grow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// Returns the largest growth of a number, in percent.
///
/// The lines of a call depend on where the kernel puts its objects, and the stack: across the end
/// of a line, or not. An open takes the most objects, and differs by 5 of 153 lines between boots.
fn tolerance(number: &str) -> f64 {
    match number {
        LINES => 5.0,
        _ => 3.0,
    }
}

/// The names of numbers: of a call or a turn of the monitor, of a walk for each process, and of the
/// module.
pub const INSTRUCTIONS: &str = "instructions";
pub const LINES: &str = "lines";
pub const EACH_INSTRUCTIONS: &str = "instructions for each process";
pub const EACH_LINES: &str = "lines for each process";
pub const BYTES: &str = "bytes";

/// Returns the growth of a small number that is none, as two boots may differ by that: three lines
/// for a call, which is nothing for each of many processes.
fn slack(number: &str) -> f64 {
    match number {
        LINES => 3.0,
        _ => 0.2,
    }
}

/// Earlier results, rounded, so that a new baseline differs only where something has changed.
#[derive(Serialize, Deserialize)]
pub struct Baseline {
    /// The release of the kernel, whose own code is a part of each operation.
    pub kernel: String,
    /// Numbers of each row, by what they are of: instructions, lines or bytes.
    pub rows: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Baseline {
    /// Adds a row, with one digit after the point.
    pub fn add(&mut self, row: &str, numbers: &[(&str, f64)]) {
        let rounded = numbers
            .iter()
            .map(|&(name, number)| (name.to_owned(), (number * 10.0).round() / 10.0));
        self.rows.insert(row.to_owned(), rounded.collect());
    }

    fn get(&self, row: &str, number: &str) -> Option<f64> {
        self.rows.get(row)?.get(number).copied()
    }
}

/// The result of the comparison of a row.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    name: String,
    detail: String,
    passed: bool,
}

impl Outcome {
    pub fn new(name: String, detail: String, passed: bool) -> Self {
        Self {
            name,
            detail,
            passed,
        }
    }

    pub fn passed(&self) -> bool {
        self.passed
    }
}

/// Compares all numbers of both.
pub fn check(now: &Baseline, before: &Baseline) -> Vec<Outcome> {
    let all = [&now.rows, &before.rows].into_iter().flatten();
    let names: BTreeSet<(&str, &str)> = all
        .flat_map(|(row, numbers)| numbers.keys().map(move |number| (&**row, &**number)))
        .collect();
    names
        .into_iter()
        .map(|(row, number)| {
            let (passed, mut detail) = match (now.get(row, number), before.get(row, number)) {
                (Some(now), Some(before)) => compare(number, now, before),
                (None, _) => (false, "was not measured".to_owned()),
                (_, None) => (false, "is not in the baseline".to_owned()),
            };
            if !passed && now.kernel != before.kernel {
                detail += &format!(
                    "; the baseline is of Linux {}, and this is {}",
                    before.kernel, now.kernel
                );
            }
            Outcome::new(format!("{row}: {number}"), detail, passed)
        })
        .collect()
}

fn compare(number: &str, now: f64, before: f64) -> (bool, String) {
    let slack = (before * tolerance(number) / 100.0).max(slack(number));
    let percent = (now / before - 1.0) * 100.0;
    let mut detail = format!("{now}, {percent:+.1} % to the baseline's {before}");
    if now < before - slack {
        detail += ", which should follow: tests/bench --update-baseline";
    }
    (now <= before + slack, detail)
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

    fn baseline(kernel: &str, rows: &[(&str, f64)]) -> Baseline {
        let mut baseline = Baseline {
            kernel: kernel.to_owned(),
            rows: BTreeMap::new(),
        };
        for &(name, number) in rows {
            baseline.add(name, &[(LINES, number)]);
        }
        baseline
    }

    #[test]
    fn growth_is_named() {
        let before = baseline("1", &[("a", 1000.0), ("b", 1000.0), ("c", 1000.0)]);
        let now = baseline("1", &[("a", 1050.0), ("b", 1050.06), ("c", 500.0)]);
        let outcomes = check(&now, &before);
        assert_eq!(
            outcomes.iter().map(Outcome::passed).collect::<Vec<_>>(),
            [true, false, true]
        );
        assert_eq!(
            tap(&outcomes),
            "ok 1 - a: lines\n# 1050, +5.0 % to the baseline's 1000\n\
             not ok 2 - b: lines\n# 1050.1, +5.0 % to the baseline's 1000\n\
             ok 3 - c: lines\n# 500, -50.0 % to the baseline's 1000, which should follow: \
             tests/bench --update-baseline\n\
             1..3\n"
        );
    }

    #[test]
    fn each_number_of_a_row_counts() {
        let mut before = baseline("1", &[]);
        before.add("a", &[(INSTRUCTIONS, 100.0), (LINES, 50.0)]);
        let mut now = baseline("1", &[]);
        now.add("a", &[(INSTRUCTIONS, 90.0), (LINES, 53.1)]);
        let outcomes = check(&now, &before);
        assert_eq!(outcomes[0].name, "a: instructions");
        assert!(outcomes[0].passed && !outcomes[1].passed);
    }

    #[test]
    fn instructions_may_grow_less() {
        assert!(compare(INSTRUCTIONS, 1030.0, 1000.0).0);
        assert!(!compare(INSTRUCTIONS, 1031.0, 1000.0).0);
    }

    #[test]
    fn a_small_number_may_grow_by_what_boots_differ_by() {
        assert!(compare(LINES, 13.0, 10.0).0);
        assert!(!compare(LINES, 13.1, 10.0).0);
        assert!(compare(EACH_LINES, 5.2, 5.0).0);
        assert!(!compare(EACH_LINES, 5.3, 5.0).0);
    }

    #[test]
    fn rows_do_not_get_lost() {
        let before = baseline("1", &[("a", 1000.0), ("b", 1000.0)]);
        let now = baseline("2", &[("a", 1000.0), ("c", 1000.0)]);
        let outcomes = check(&now, &before);
        assert_eq!(
            outcomes.iter().map(Outcome::passed).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert!(outcomes[1].detail.contains("baseline is of Linux 1"));
    }
}
