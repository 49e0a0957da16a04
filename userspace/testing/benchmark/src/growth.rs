// SPDX-License-Identifier: GPL-2.0-only

//! The growth of costs with the number of tasks, cgroups and CPUs.

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use crate::costs::{Cost, Costs};
use crate::measure::{Step, THREADS, grown};
use crate::rows::WALKS;
use crate::tables::{Table, is_met, number};

/// The largest growth of the cost of a record.
const MOST: f64 = 0.1;

/// The number of records that a snapshot of at most this number of system calls has, and that
/// number.
const CALLS: (usize, u64) = (10_000, 3);

/// All steps, with the costs of each row.
#[derive(Default, Serialize)]
pub struct Growth {
    steps: Vec<Step>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    #[serde(skip)]
    short: &'static str,
    /// One for each step.
    costs: Vec<Cost>,
}

impl Growth {
    /// Creates it from guests that have measured steps, the first step being what all others are
    /// compared with.
    pub fn new(guests: &[Costs]) -> Result<Self> {
        let walks = WALKS.iter().filter(|row| row.walk.is_ours());
        let names = walks
            .map(|row| (row.name, row.short))
            .chain([(THREADS, "threads")]);
        let steps = || {
            guests
                .iter()
                .flat_map(|guest| guest.steps.iter().map(move |step| (guest, step)))
        };
        let rows: Result<_> = names
            .map(|(name, short)| {
                let costs: Result<_> = steps()
                    .map(|(guest, step)| guest.get(&grown(name, step)))
                    .collect();
                Ok(Row {
                    name,
                    short,
                    costs: costs?,
                })
            })
            .collect();
        Ok(Self {
            steps: steps().map(|(_, step)| step.clone()).collect(),
            rows: rows?,
        })
    }
}

/// Formats a cost, and its growth from the first. The record of a process has the sums over its
/// threads, so where there are more of them, that of a process is not comparable.
fn cell(row: &Row, index: usize, step: &Step, of: fn(&Cost) -> f64) -> String {
    let (first, value) = (of(&row.costs[0]), of(&row.costs[index]));
    let growth = value / first - 1.0;
    let is_comparable = index > 0 && (step.threads == 0 || row.name == THREADS);
    let verdict = if !is_comparable {
        String::new()
    } else if is_met(value, first * (1.0 + MOST)) {
        format!(" {:+.0} % ok", growth * 100.0)
    } else {
        format!(" {:+.0} % no", growth * 100.0)
    };
    format!("{}{verdict}", number(value))
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return Ok(());
        }
        for (title, of) in [
            ("Instructions", Cost::instructions as fn(&Cost) -> f64),
            ("Lines of data", Cost::lines),
        ] {
            let mut columns = vec!["processes", "threads", "cgroups", "CPUs"];
            columns.extend(self.rows.iter().map(|row| row.short));
            let mut table = Table::new(
                format!(
                    "{title} for each record, at most {:.0} % more than at first",
                    MOST * 100.0
                ),
                &columns,
            );
            for (index, step) in self.steps.iter().enumerate() {
                let facts = [step.processes, step.threads, step.cgroups, step.cpus];
                let mut cells = facts.map(|fact| fact.to_string()).to_vec();
                cells.extend(self.rows.iter().map(|row| cell(row, index, step, of)));
                table.row(format!("step {}", index + 1), cells);
            }
            write!(f, "\n{table}")?;
        }
        let mut table = Table::new("System calls for a first snapshot", &["processes", "calls"]);
        for step in &self.steps {
            let verdict = match step.processes <= CALLS.0 {
                true if step.calls <= CALLS.1 => " ok",
                true => " too many",
                false => "",
            };
            table.row(
                "",
                vec![
                    step.processes.to_string(),
                    format!("{}{verdict}", step.calls),
                ],
            );
        }
        write!(f, "\n{table}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::tests::costs;

    fn guest(cpus: usize, threads: usize, per_record: u64) -> Costs {
        let step = Step {
            name: format!("{cpus} CPUs"),
            processes: 2000,
            threads,
            cgroups: 0,
            cpus,
            calls: 1,
        };
        let mut names: Vec<_> = WALKS
            .iter()
            .filter(|row| row.walk.is_ours())
            .map(|row| grown(row.name, &step))
            .collect();
        names.push(grown(THREADS, &step));
        let regions: Vec<_> = names
            .iter()
            .map(|name| (&**name, 2000, 2000 * per_record, 2000 * 20))
            .collect();
        let mut costs = costs(&regions);
        costs.steps.push(step);
        costs
    }

    #[test]
    fn growth_beyond_a_tenth_is_shown() {
        let text = Growth::new(&[guest(1, 0, 200), guest(2, 0, 220), guest(4, 0, 221)])
            .unwrap()
            .to_string();
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line("step 2").ends_with("220 +10 % ok"), "{text}");
        assert!(line("step 3").ends_with("221 +10 % no"), "{text}");
        assert!(text.contains("20 +0 % ok"), "{text}");
    }

    #[test]
    fn processes_of_more_threads_are_not_compared() {
        let text = Growth::new(&[guest(1, 0, 200), guest(1, 2000, 300)])
            .unwrap()
            .to_string();
        let line = text.lines().find(|line| line.starts_with("step 2"));
        let line = line.unwrap();
        let walks = WALKS.iter().filter(|row| row.walk.is_ours()).count();
        assert_eq!(line.matches("300").count(), walks + 1, "{text}");
        assert_eq!(line.matches("+50 % no").count(), 1, "{text}");
        assert!(line.ends_with("300 +50 % no"), "{text}");
    }

    #[test]
    fn no_step_is_no_table() {
        assert_eq!(Growth::default().to_string(), "");
        assert!(Growth::new(&[costs(&[])]).unwrap().to_string().is_empty());
    }
}
