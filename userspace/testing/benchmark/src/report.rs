// SPDX-License-Identifier: GPL-2.0-only

//! The report: results beside their floors and targets.

mod render;

pub use render::viewers_table;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::baseline::{BYTES, Baseline, EACH_INSTRUCTIONS, EACH_LINES, INSTRUCTIONS, LINES};
use crate::costs::{Cost, Costs};
use crate::growth::Growth;
use crate::lives::results::Results;
use crate::owners::{Objects, Owned};
use crate::replica::Replica;
use crate::rows::{CALLS, File, SIZE, TURN, WALKS, floor_of, listed};
use crate::scaling::Scaling;

/// A measured module.
pub struct Module {
    pub name: String,
    pub size: u64,
    pub costs: Costs,
}

impl Module {
    /// Returns a baseline for later runs.
    pub fn baseline(&self) -> Result<Baseline> {
        let mut baseline = Baseline {
            kernel: self.costs.kernel.clone(),
            rows: BTreeMap::new(),
        };
        let whole = |cost: Cost| [(INSTRUCTIONS, cost.instructions()), (LINES, cost.lines())];
        for row in CALLS.iter().filter(|row| row.file != File::Process) {
            baseline.add(row.name, &whole(self.costs.call(row.name)?));
        }
        for row in WALKS.iter().filter(|row| row.walk.is_ours()) {
            let cost = self.costs.get(row.name)?;
            let each = [
                (EACH_INSTRUCTIONS, cost.instructions()),
                (EACH_LINES, cost.lines()),
            ];
            baseline.add(row.name, &each);
        }
        baseline.add(TURN, &whole(self.costs.beyond(TURN)?));
        baseline.add(SIZE, &[(BYTES, self.size as f64)]);
        Ok(baseline)
    }
}

/// Measurements beside the costs of our module.
#[derive(Default)]
pub struct Others {
    pub compared: Option<Module>,
    pub lives: Option<Results>,
    pub growth: Vec<Costs>,
    pub scaling: Vec<Scaling>,
    pub replica: Option<Replica>,
}

#[derive(Serialize)]
pub struct Report {
    kernel: String,
    /// The names of the modules, ours first.
    pub modules: Vec<String>,
    pub calls: Vec<CallResult>,
    walks: Vec<WalkResult>,
    turn: Option<Cost>,
    viewers: Vec<(String, Cost)>,
    sizes: Vec<u64>,
    owners: Vec<Shares>,
    #[serde(skip)]
    objects: Objects,
    lives: Option<Results>,
    growth: Growth,
    scaling: Vec<Scaling>,
    replica: Option<Replica>,
}

#[derive(Serialize)]
pub struct CallResult {
    pub name: &'static str,
    pub floor: Option<Cost>,
    /// One result of each module.
    pub results: Vec<Cost>,
    /// The largest numbers beyond those of the floor.
    pub target: Option<f64>,
    lines_target: Option<f64>,
}

#[derive(Serialize)]
struct WalkResult {
    name: &'static str,
    cost: Cost,
}

/// The lines of a walk by their owners.
#[derive(Serialize)]
struct Shares {
    /// The short name of the walk.
    name: &'static str,
    #[serde(flatten)]
    owned: Owned,
}

impl Report {
    /// Creates a report on our module, and on what was measured beside.
    pub fn new(ours: &Module, others: Others) -> Result<Self> {
        let modules: Vec<_> = [ours].into_iter().chain(&others.compared).collect();
        for module in &modules {
            ensure!(
                module.costs.kernel == ours.costs.kernel,
                "{} and {} were measured on different kernels",
                ours.name,
                module.name
            );
        }
        if let Some(lives) = &others.lives {
            ensure!(
                lives.kernel == ours.costs.kernel,
                "lives were measured on another kernel"
            );
        }
        let calls: Result<_> = CALLS
            .iter()
            .map(|row| {
                let results: Result<_> = modules
                    .iter()
                    .map(|module| module.costs.call(row.name).context(module.name.clone()))
                    .collect();
                let floor = row.floor.map(|_| ours.costs.get(&floor_of(row.name)));
                Ok(CallResult {
                    name: row.name,
                    floor: floor.transpose()?,
                    results: results?,
                    target: row.instructions,
                    lines_target: row.lines,
                })
            })
            .collect();
        let walks: Result<_> = WALKS
            .iter()
            .filter(|row| ours.costs.contains(row.name))
            .map(|row| {
                Ok(WalkResult {
                    name: row.name,
                    cost: ours.costs.get(row.name)?,
                })
            })
            .collect();
        let objects = match &ours.costs.objects {
            Some(text) => Objects::parse(text)?,
            None => Objects::default(),
        };
        let owners = WALKS.iter().filter_map(|row| {
            let name = listed(row.name);
            ours.costs.objects.as_ref()?;
            let cost = ours.costs.get(&name).ok()?;
            Some(Shares {
                name: row.short,
                owned: Owned::find(&objects, ours.costs.lines(&name), cost.per),
            })
        });
        Ok(Self {
            kernel: ours.costs.kernel.clone(),
            modules: modules.iter().map(|module| module.name.clone()).collect(),
            calls: calls?,
            turn: ours
                .costs
                .contains(TURN)
                .then(|| ours.costs.beyond(TURN))
                .transpose()?,
            viewers: ours
                .costs
                .viewers()
                .map(|(name, cost)| (name.to_owned(), cost))
                .collect(),
            sizes: modules.iter().map(|module| module.size).collect(),
            owners: owners.collect(),
            walks: walks?,
            objects,
            lives: others.lives,
            growth: Growth::new(&others.growth)?,
            scaling: others.scaling,
            replica: others.replica,
        })
    }
}

impl Report {
    /// Returns the rows of the chart.
    pub fn bars(&self) -> impl Iterator<Item = Bars> {
        self.calls.iter().map(|row| {
            let floor = row.floor.map(|floor| floor.instructions());
            Bars {
                name: row.name,
                floor,
                results: row.results.iter().map(Cost::instructions).collect(),
                target: floor.zip(row.target).map(|(floor, more)| floor + more),
            }
        })
    }
}

/// A row of the chart: instructions.
pub struct Bars {
    pub name: &'static str,
    pub floor: Option<f64>,
    /// One of each module.
    pub results: Vec<f64>,
    pub target: Option<f64>,
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::costs::tests::costs;
    use crate::rows::{C_ALL, C_SOME, SNAPSHOT_ALL, without};

    /// Returns a module whose calls take a number of instructions more than floors of 500, and
    /// whose walks take a number for each of 2000 processes.
    pub fn module(name: &str, more: u64, each: u64) -> Module {
        let turn = without(TURN);
        let mut rows = vec![(TURN, 1, 5000 + more, 30), (&*turn, 1, 5000, 10)];
        let floors: Vec<_> = CALLS.iter().map(|row| floor_of(row.name)).collect();
        for (row, floor) in CALLS.iter().zip(&floors) {
            rows.push((row.name, 1, 500 + more, 40));
            if row.floor.is_some() {
                rows.push((floor, 1, 500, 30));
            }
        }
        for row in WALKS.iter().filter(|row| row.walk.is_ours()) {
            rows.push((row.name, 2000, 2000 * each, 2000 * 23));
        }
        for name in [C_SOME, C_ALL] {
            rows.push((name, 2000, 2000 * 200, 2000 * 20));
        }
        Module {
            name: name.to_owned(),
            size: 1000,
            costs: costs(&rows),
        }
    }

    /// Returns a report on a module that reaches most targets, beside another one, whose name needs
    /// quoting.
    pub fn report() -> Report {
        let others = Others {
            compared: Some(module("<other>", 1000, 900)),
            ..Others::default()
        };
        Report::new(&module("ours", 100, 200), others).unwrap()
    }

    #[test]
    fn other_kernels_are_not_compared() {
        let mut other = module("other", 1, 1);
        other.costs.kernel = "1.2.4".to_owned();
        let others = Others {
            compared: Some(other),
            ..Others::default()
        };
        assert!(Report::new(&module("ours", 1, 1), others).is_err());
    }

    #[test]
    fn a_baseline_has_the_rows_of_procmon() {
        let baseline = module("ours", 100, 200).baseline().unwrap();
        assert_eq!(baseline.rows["pread 64"][INSTRUCTIONS], 600.0);
        assert_eq!(baseline.rows[SNAPSHOT_ALL][EACH_LINES], 23.0);
        assert_eq!(baseline.rows[TURN][INSTRUCTIONS], 100.0);
        assert_eq!(baseline.rows[SIZE][BYTES], 1000.0);
        // All calls but the one of the kernel's own file, five snapshots, the turn and the size.
        assert_eq!(baseline.rows.len(), CALLS.len() - 1 + 5 + 2);
    }
}
