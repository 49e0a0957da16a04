// SPDX-License-Identifier: GPL-2.0-only

//! A build under programs that record its processes.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::costs::Costs;
use crate::regions::Regions;
use crate::tables::{Table, ratio, verdict};

/// The beginning of the name of a build.
const BUILD: &str = "build ";

/// The build without a recorder.
const ALONE: &str = "none";

/// Our recorder, and by how much it may make a build longer, in percent.
const OURS: &str = "procmonctl";
const TARGET: f64 = 1.0;

/// Measures all that the machine does while a build runs, with each recorder in turn. The script
/// gets the name of one behind "prepare", "run" and "check".
pub fn measure(
    regions: &mut Regions,
    script: &Path,
    rounds: usize,
    recorders: &[String],
) -> Result<()> {
    let run = |action, recorder: &str| {
        let status = Command::new("sh")
            .arg(script)
            .args([action, recorder])
            .status()?;
        ensure!(status.success(), "{action}: {status}");
        Ok(1)
    };
    for round in 1..=rounds {
        for recorder in names(recorders) {
            let mut build = || {
                run("prepare", recorder)?;
                regions.measure(&name(recorder, round), || run("run", recorder))?;
                run("check", recorder)
            };
            build().with_context(|| format!("{BUILD}{recorder}"))?;
        }
    }
    Ok(())
}

/// Returns the names of the rows, the build without a recorder being the first.
fn names(recorders: &[String]) -> impl Iterator<Item = &str> {
    [ALONE]
        .into_iter()
        .chain(recorders.iter().map(String::as_str))
}

fn name(recorder: &str, round: usize) -> String {
    format!("{BUILD}{recorder}, round {round}")
}

/// Returns the instructions of programs, of the kernel and of modules in each round.
fn rounds(costs: &Costs, recorder: &str) -> Result<Vec<[f64; 3]>> {
    let beginning = format!("{BUILD}{recorder}, round ");
    let rounds: Vec<_> = costs
        .behind(&beginning)
        .map(|(_, cost)| cost.parts())
        .collect();
    ensure!(!rounds.is_empty(), "{recorder} was not measured");
    Ok(rounds)
}

fn mean(rounds: &[[f64; 3]]) -> [f64; 3] {
    let sum = |part: usize| rounds.iter().map(|round| round[part]).sum::<f64>();
    [0, 1, 2].map(|part| sum(part) / rounds.len() as f64)
}

fn sum(parts: &[f64; 3]) -> f64 {
    parts.iter().sum()
}

/// Returns the table of recorders in this order. All numbers are means of the rounds but for the
/// least and the most of them.
pub fn table(costs: &Costs, recorders: &[String]) -> Result<Table> {
    let mut table = Table::new(
        "Instructions of a build under recorders",
        &[
            "instr.",
            "user",
            "kernel",
            "modules",
            "more in %",
            "target",
            "least",
            "most",
        ],
    );
    let alone = sum(&mean(&rounds(costs, ALONE)?));
    for recorder in names(recorders) {
        let rounds = rounds(costs, recorder)?;
        let mean = mean(&rounds);
        let more = |instructions: f64| (instructions / alone - 1.0) * 100.0;
        let percent = more(sum(&mean));
        let each = || rounds.iter().map(|round| more(sum(round)));
        let target = (recorder == OURS).then_some(TARGET);
        let mut cells = vec![format!("{:.0}", sum(&mean))];
        cells.extend(mean.map(|part| format!("{part:.0}")));
        cells.extend([
            ratio(percent),
            verdict(percent, target, ratio),
            ratio(each().fold(f64::INFINITY, f64::min)),
            ratio(each().fold(f64::NEG_INFINITY, f64::max)),
        ]);
        table.row(recorder, cells);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::tests::costs;

    #[test]
    fn recorders_are_compared_with_the_mean_without_one() {
        let costs = costs(&[
            ("build none, round 1", 1, 990, 0),
            ("build none, round 2", 1, 1010, 0),
            ("build procmonctl, round 1", 1, 1010, 0),
            ("build procmonctl, round 2", 1, 1006, 0),
        ]);
        let text = table(&costs, &["procmonctl".to_owned()])
            .unwrap()
            .to_string();
        let rows: Vec<Vec<_>> = text
            .lines()
            .skip(3)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows,
            [
                vec!["none", "1000", "0", "1000", "0", "0.00", "-1.00", "1.00"],
                vec![
                    "procmonctl",
                    "1008",
                    "0",
                    "1008",
                    "0",
                    "0.80",
                    "1.00",
                    "ok",
                    "0.60",
                    "1.00"
                ],
            ]
        );
        assert!(table(&costs, &["strace".to_owned()]).is_err());
    }
}
