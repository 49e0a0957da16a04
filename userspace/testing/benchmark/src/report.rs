// SPDX-License-Identifier: GPL-2.0

//! The report: results beside their targets.

use std::fmt;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::baseline::Baseline;
use crate::measure::{Measurement, Run, Unit};
use crate::processes::Processes;
use crate::rows::{File, ROWS, SIZE, SIZE_TARGET};
use crate::scaling::{SCALED, Scaling};

/// A measured module.
pub struct Module {
    pub name: String,
    pub size: u64,
    pub run: Run,
}

impl Module {
    fn row(&self, name: &str) -> Result<Measurement> {
        let row = self.run.rows.get(name).copied();
        row.with_context(|| format!("{name} of {} was not measured", self.name))
    }

    /// Returns a baseline for later runs.
    pub fn baseline(&self, processes: &Processes) -> Result<Baseline> {
        ensure!(
            self.run.kernel == processes.kernel,
            "the processes were looked at on another kernel"
        );
        ensure!(
            self.run.unit == Unit::Instructions,
            "only instructions can be compared with those of another machine"
        );
        let ours = ROWS.iter().filter(|row| !matches!(row.file, File::Process));
        let rows: Result<_> = ours
            .map(|row| (row.name, self.row(row.name)))
            .map(|(name, row)| Ok((name.to_owned(), row?.cost.median.round() as u64)))
            .chain([Ok((SIZE.to_owned(), self.size))])
            .chain(processes.baseline().map(Ok))
            .collect();
        Ok(Baseline {
            kernel: self.run.kernel.clone(),
            rows: rows?,
        })
    }
}

#[derive(Serialize)]
pub struct Report {
    kernel: String,
    pub unit: Unit,
    calibration: Option<[f64; 2]>,
    /// The names of the modules, ours first.
    pub modules: Vec<String>,
    pub rows: Vec<ReportRow>,
    scaling: Vec<Scaling>,
    processes: Option<Processes>,
}

#[derive(Serialize)]
pub struct ReportRow {
    pub name: &'static str,
    pub floor: Option<f64>,
    /// One result of each module.
    pub results: Vec<f64>,
    /// The result of our module in floors.
    ratio: Option<f64>,
    /// The distance of our module's quartiles, as a part of its median.
    spread: Option<f64>,
    pub target: Option<f64>,
    ok: Option<bool>,
}

impl Report {
    /// Creates a report on our module, which comes first, and on others.
    pub fn new(
        modules: &[Module],
        scaling: Vec<Scaling>,
        processes: Option<Processes>,
    ) -> Result<Self> {
        let ours = modules.first().context("there is nothing to report on")?;
        for other in modules {
            ensure!(
                (other.run.unit, &other.run.kernel) == (ours.run.unit, &ours.run.kernel),
                "{} and {} were measured in different ways",
                ours.name,
                other.name
            );
        }
        // The targets are instructions.
        let comparable =
            |target: Option<f64>| target.filter(|_| ours.run.unit == Unit::Instructions);
        let mut rows = Vec::new();
        for row in &ROWS {
            let measured = ours.row(row.name)?;
            let costs: Result<_> = modules
                .iter()
                .map(|module| Ok(module.row(row.name)?.cost.median))
                .collect();
            rows.push(ReportRow::new(
                row.name,
                measured.floor.map(|floor| floor.median),
                costs?,
                Some(measured.cost.spread()),
                comparable(row.target),
            ));
        }
        let sizes = modules.iter().map(|module| module.size as f64).collect();
        rows.push(ReportRow::new(SIZE, None, sizes, None, Some(SIZE_TARGET)));
        Ok(Self {
            kernel: ours.run.kernel.clone(),
            unit: ours.run.unit,
            calibration: ours.run.calibration,
            modules: modules.iter().map(|module| module.name.clone()).collect(),
            rows,
            scaling,
            processes,
        })
    }
}

impl ReportRow {
    fn new(
        name: &'static str,
        floor: Option<f64>,
        results: Vec<f64>,
        spread: Option<f64>,
        target: Option<f64>,
    ) -> Self {
        let ours = results[0];
        Self {
            name,
            floor,
            ratio: floor.map(|floor| ours / floor),
            spread,
            target,
            // Reading the counter adds a few hundredths to a whole number of instructions.
            ok: target.map(|target| ours.round() <= target),
            results,
        }
    }

    /// Whether the row is in bytes, and so has no bar in the chart.
    pub fn is_size(&self) -> bool {
        self.name == SIZE
    }
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Nanoseconds => "nanoseconds",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Linux {}: {} per operation",
            self.kernel,
            self.unit.name()
        )?;
        if let Some([before, after]) = self.calibration {
            write!(f, " (calibration {before:.4}, {after:.4})")?;
        }
        write!(f, "\n\n{:28}", "operation")?;
        for title in ["floor", "result", "ratio", "spread", "target"] {
            write!(f, "{title:>9}")?;
        }
        for (index, other) in self.modules[1..].iter().enumerate() {
            // Ours has a verdict beside its target.
            let verdict = if index == 0 { 10 } else { 0 };
            write!(f, "{:verdict$}  {other}", "")?;
        }
        writeln!(f)?;
        for row in &self.rows {
            let verdict = match (row.ok, row.target) {
                (Some(true), _) => "ok".to_owned(),
                (Some(false), Some(target)) => format!("{:+.0}", row.results[0] - target),
                _ => String::new(),
            };
            let mut line = format!(
                "{:28}{:>9}{:>9.0}{:>9}{:>9}{:>9}  {verdict:8}",
                row.name,
                or_dash(row.floor.map(|floor| format!("{floor:.0}"))),
                row.results[0],
                or_dash(row.ratio.map(|ratio| format!("{ratio:.2}"))),
                or_dash(row.spread.map(|spread| format!("{:.1} %", spread * 100.0))),
                or_dash(row.target.map(|target| format!("{target:.0}"))),
            );
            for (other, result) in self.modules[1..].iter().zip(&row.results[1..]) {
                line += &format!("  {result:>width$.0}", width = other.len());
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        if !self.scaling.is_empty() {
            self.write_scaling(f)?;
        }
        if let Some(processes) = &self.processes {
            write!(f, "{processes}")?;
        }
        Ok(())
    }
}

impl Report {
    fn write_scaling(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nThroughput per CPU with all at it, in percent of that on a file of the kernel"
        )?;
        write!(f, "\n{:28}", "CPUs")?;
        for scaling in &self.scaling {
            write!(f, "{:>9}", scaling.cpus)?;
        }
        writeln!(f)?;
        for (name, _, floor) in SCALED {
            write!(f, "{:28}", format!("{name} ({floor})"))?;
            for scaling in &self.scaling {
                let relative = scaling.relative.get(name).copied().unwrap_or(f64::NAN);
                write!(f, "{:>9.0}", relative * 100.0)?;
            }
            writeln!(f)?;
        }
        writeln!(
            f,
            "\nMedian wall time of a pwrite of 64 bytes, in times of that to /dev/null"
        )?;
        write!(f, "\n{:28}", "CPUs")?;
        for scaling in &self.scaling {
            write!(f, "{:>9}", scaling.cpus)?;
        }
        write!(f, "\n{:28}", "pwrite 64")?;
        for scaling in &self.scaling {
            write!(f, "{:>9.2}", scaling.write / scaling.write_floor)?;
        }
        writeln!(f)
    }
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::measure::Cost;

    fn module(name: &str, factor: f64) -> Module {
        let cost = |median| Cost {
            median,
            lower: median,
            upper: median,
        };
        let rows = ROWS.iter().map(|row| {
            let measurement = Measurement {
                cost: cost(row.target.unwrap_or(1000.0) * factor),
                floor: row.floor.map(|_| cost(500.0)),
            };
            (row.name.to_owned(), measurement)
        });
        Module {
            name: name.to_owned(),
            size: 1000,
            run: Run {
                kernel: "1.2.3".to_owned(),
                unit: Unit::Instructions,
                calibration: Some([1.0, 1.0]),
                rows: rows.collect(),
            },
        }
    }

    /// Returns a report in which our module reaches every target, and another one, whose name needs
    /// quoting, none.
    pub fn report() -> Report {
        let scaling = Scaling {
            cpus: 2,
            relative: BTreeMap::from([("pread 64".to_owned(), 0.8)]),
            write: 300.0,
            write_floor: 200.0,
        };
        Report::new(
            &[module("ours", 1.0), module("<other>", 2.0)],
            vec![scaling],
            None,
        )
        .unwrap()
    }

    #[test]
    fn shows_all_rows_of_all_modules() {
        let text = report().to_string();
        for row in &ROWS {
            assert!(text.contains(row.name), "{text}");
        }
        let line = text
            .lines()
            .find(|line| line.starts_with("pread 64 "))
            .unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "pread", "64", "500", "860", "1.72", "0.0", "%", "860", "ok", "1720"
            ]
        );
        assert!(
            text.contains("pwrite 64                        1.50"),
            "{text}"
        );
    }

    #[test]
    fn missed_targets_are_shown() {
        let text = Report::new(&[module("other", 2.0)], vec![], None)
            .unwrap()
            .to_string();
        let line = text
            .lines()
            .find(|line| line.starts_with("GET_COUNT "))
            .unwrap();
        assert!(line.trim_end().ends_with("680  +680"), "{line}");
    }

    #[test]
    fn parts_of_an_instruction_do_not_miss_a_target() {
        let ok = |result| ReportRow::new("row", None, vec![result], None, Some(740.0)).ok;
        assert_eq!(ok(740.04), Some(true));
        assert_eq!(ok(740.96), Some(false));
    }

    #[test]
    fn units_are_not_mixed() {
        let mut other = module("other", 1.0);
        other.run.unit = Unit::Nanoseconds;
        assert!(Report::new(&[module("ours", 1.0), other], vec![], None).is_err());
    }

    #[test]
    fn a_baseline_has_the_rows_of_procmon() {
        let processes = Processes {
            kernel: "1.2.3".to_owned(),
            calibration: [1.0, 1.0],
            counts: Vec::new(),
        };
        let baseline = module("ours", 1.0).baseline(&processes).unwrap();
        assert_eq!(baseline.rows["pread 64"], 860);
        assert_eq!(baseline.rows[SIZE], 1000);
        assert_eq!(baseline.rows.len(), ROWS.len());
    }
}
