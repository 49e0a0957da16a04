// SPDX-License-Identifier: GPL-2.0-only

//! Costs: what the plugin has counted, joined with what the guest says of it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use cost::{Counts, Region, TouchedLine};
use serde::{Serialize, Serializer};

use crate::measure::{Run, Step};
use crate::regions;
use crate::rows::{VIEWER, many, without};

/// The cost of a piece of work, like a call or a look at one process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    pub counts: Counts,
    /// The number of pieces that the counts are for.
    pub per: u64,
    /// Instructions of a piece with the work that it leaves for later, if it leaves any. The counts
    /// are without.
    pub with_deferred: Option<f64>,
}

impl Cost {
    /// Returns a count per piece.
    pub fn of(&self, count: u64) -> f64 {
        count as f64 / self.per as f64
    }

    pub fn instructions(&self) -> f64 {
        self.with_deferred
            .unwrap_or_else(|| self.of(self.counts.instructions()))
    }

    /// Returns the instructions of programs, of the kernel and of modules.
    pub fn parts(&self) -> [f64; 3] {
        let counts = &self.counts;
        [
            counts.user_instructions,
            counts.kernel_instructions,
            counts.module_instructions,
        ]
        .map(|count| self.of(count))
    }

    pub fn lines(&self) -> f64 {
        self.of(self.counts.lines())
    }

    pub fn prefetches(&self) -> f64 {
        self.of(self.counts.prefetches)
    }

    pub fn kernel_lines_written(&self) -> f64 {
        self.of(self.counts.kernel_lines_written)
    }
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sums = [
            ("instructions", self.instructions()),
            ("lines", self.lines()),
        ];
        let parts = self.counts.iter();
        serializer.collect_map(
            sums.into_iter()
                .chain(parts.map(|(name, count)| (name, self.of(count)))),
        )
    }
}

/// The costs of a run, by the names of its regions.
pub struct Costs {
    pub kernel: String,
    pub objects: Option<String>,
    pub steps: Vec<Step>,
    costs: BTreeMap<String, Cost>,
    lines: BTreeMap<String, Vec<TouchedLine>>,
}

impl Costs {
    /// Joins a run with the plugin's regions, which are in the same order. Of those with the same
    /// name the one with the fewest instructions counts, and of several the one with the fewest
    /// lines.
    pub fn join(run: Run, regions: Vec<Region>) -> Result<Self> {
        let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
        let mut lines = BTreeMap::new();
        for (label, region) in regions::join(run.regions, regions)? {
            let cost = Cost {
                counts: region.counts,
                per: label.per,
                with_deferred: None,
            };
            let order = |cost: &Cost| (cost.instructions(), cost.lines());
            if costs
                .get(&label.name)
                .is_none_or(|before| order(&cost) < order(before))
            {
                costs.insert(label.name.clone(), cost);
                lines.insert(label.name, region.lines);
            }
        }
        Ok(Self {
            kernel: run.kernel,
            objects: run.objects,
            steps: run.steps,
            costs,
            lines,
        })
    }

    /// Returns the cost of regions with this name.
    pub fn get(&self, name: &str) -> Result<Cost> {
        let cost = self.costs.get(name).copied();
        cost.with_context(|| format!("{name} was not measured"))
    }

    pub fn contains(&self, name: &str) -> bool {
        self.costs.contains_key(name)
    }

    /// Returns the costs of regions whose names have a beginning, by the rest of their names.
    pub fn behind(&self, beginning: &str) -> impl Iterator<Item = (&str, Cost)> {
        let costs = self.costs.iter();
        costs.filter_map(move |(name, cost)| Some((name.strip_prefix(beginning)?, *cost)))
    }

    /// Returns the cost of a region beyond that of the same time without its work.
    pub fn beyond(&self, name: &str) -> Result<Cost> {
        let (with, without) = (self.get(name)?, self.get(&without(name))?);
        Ok(Cost {
            counts: with.counts - without.counts,
            ..with
        })
    }

    /// Returns the cost of a call, with the instructions of what it leaves for later if that was
    /// measured.
    pub fn call(&self, name: &str) -> Result<Cost> {
        let mut cost = self.get(name)?;
        if let Ok(all) = self.get(&many(name)) {
            let idle = self.get(&without(name))?;
            cost.with_deferred = Some(all.of((all.counts - idle.counts).instructions()));
        }
        Ok(cost)
    }

    /// Returns the lines of a region, if they were listed.
    pub fn lines(&self, name: &str) -> &[TouchedLine] {
        self.lines.get(name).map_or(&[], |lines| lines)
    }

    /// Returns the programs that show processes, and the cost of a refresh.
    pub fn viewers(&self) -> impl Iterator<Item = (&str, Cost)> {
        self.costs.keys().filter_map(|name| {
            let command = name.strip_prefix(VIEWER)?;
            // Others are of the time without.
            Some((command, self.beyond(name).ok()?))
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::regions::Label;

    /// Returns costs of regions with a name, a divisor, instructions and lines.
    pub fn costs(regions: &[(&str, u64, u64, u64)]) -> Costs {
        let labels = regions.iter().map(|&(name, per, ..)| Label {
            name: name.to_owned(),
            per,
        });
        let run = Run {
            kernel: "1.2.3".to_owned(),
            regions: labels.collect(),
            objects: None,
            steps: Vec::new(),
        };
        let counts = regions.iter().map(|&(_, _, instructions, lines)| Region {
            counts: Counts {
                kernel_instructions: instructions,
                kernel_lines_read: lines,
                ..Counts::default()
            },
            ..Region::default()
        });
        Costs::join(run, counts.collect()).unwrap()
    }

    #[test]
    fn the_round_with_the_least_work_counts() {
        let costs = costs(&[
            ("a", 10, 1050, 100),
            ("b", 1, 7, 7),
            ("a", 10, 1000, 110),
            ("a", 10, 1000, 90),
            ("a", 10, 2000, 80),
        ]);
        let cost = costs.get("a").unwrap();
        assert_eq!((cost.instructions(), cost.lines()), (100.0, 9.0));
        assert!(costs.get("c").is_err());
    }

    #[test]
    fn work_for_later_is_a_part_of_a_call() {
        let costs = costs(&[
            ("write", 1, 1300, 70),
            ("write, many", 100, 155_000, 900),
            ("write, without", 100, 5000, 100),
        ]);
        let cost = costs.call("write").unwrap();
        assert_eq!((cost.instructions(), cost.lines()), (1500.0, 70.0));
        assert_eq!(costs.get("write").unwrap().instructions(), 1300.0);
    }

    #[test]
    fn what_goes_on_anyway_does_not_count() {
        let costs = costs(&[("turn", 1, 800, 50), ("turn, without", 1, 300, 20)]);
        let cost = costs.beyond("turn").unwrap();
        assert_eq!((cost.instructions(), cost.lines()), (500.0, 30.0));
        assert!(costs.beyond("write").is_err());
    }

    #[test]
    fn lost_regions_are_noticed() {
        let run = || Run {
            kernel: String::new(),
            regions: vec![Label {
                name: "a".to_owned(),
                per: 1,
            }],
            objects: None,
            steps: Vec::new(),
        };
        assert!(Costs::join(run(), Vec::new()).is_err());
        assert!(Costs::join(run(), vec![Region::default()]).is_ok());
        let mut empty = run();
        empty.regions[0].per = 0;
        assert!(Costs::join(empty, vec![Region::default()]).is_err());
    }
}
