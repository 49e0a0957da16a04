// SPDX-License-Identifier: GPL-2.0-only

//! The report as JSON.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use recording::report::{CriticalPath, Failure, Interval, Parallelism, Step, Usage, ancestors};
use recording::{Process, Run, Text};
use serde::Serialize;

use super::Form;
use crate::clock::nanoseconds;

mod changes;
mod names;
mod usage;

pub use changes::Comparison;
use names::{Circumstances, Comm, Identity};
use usage::Use;

/// The version of the JSON. It increases when a key is removed or changes its meaning.
const VERSION: u32 = 1;

/// The number of intervals of the parallelism.
const INTERVALS: u32 = 100;

/// The most processes above a failure.
const PARENTS: usize = 16;

/// The report on one run.
#[derive(Serialize)]
pub struct Report<'a> {
    version: u32,
    run: Circumstances<'a>,
    programs: Vec<Program<'a>>,
    processes: Vec<ProcessUse<'a>>,
    parallelism: Graph,
    critical_path: Path<'a>,
    failures: Vec<Failed<'a>>,
}

impl<'a> Report<'a> {
    /// Creates the report, with the uses in the order of the measure.
    pub fn new(
        run: &'a Run,
        programs: &'a [(Text, Usage)],
        processes: &'a [(usize, Usage)],
        path: &'a CriticalPath,
        form: Form,
    ) -> Self {
        let programs = programs.iter().map(|(name, usage)| Program {
            name: Comm::of(name),
            usage: Use::of(usage),
        });
        let shown = processes.iter().take(form.limit);
        let processes = shown.map(|(place, usage)| ProcessUse {
            process: Identity::of(&run.processes()[*place]),
            usage: Use::of(usage),
        });
        let failures = Failure::all(run);
        Self {
            version: VERSION,
            run: Circumstances::of(run),
            programs: programs.collect(),
            processes: processes.collect(),
            parallelism: Graph::of(&Parallelism::of(run, INTERVALS)),
            critical_path: Path::of(run, path),
            failures: failures.iter().map(|one| Failed::of(run, one)).collect(),
        }
    }
}

/// The use of a program.
#[derive(Serialize)]
struct Program<'a> {
    #[serde(flatten)]
    name: Comm<'a>,
    #[serde(flatten)]
    usage: Use,
}

/// The use of a process.
#[derive(Serialize)]
struct ProcessUse<'a> {
    #[serde(flatten)]
    process: Identity<'a>,
    #[serde(flatten)]
    usage: Use,
}

/// The parallelism.
#[derive(Serialize)]
struct Graph {
    mean: f64,
    peak: u64,
    mean_cpus: Option<f64>,
    peak_cpus: Option<f64>,
    intervals: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    from: u64,
    to: u64,
    mean: f64,
    peak: u64,
    cpus: Option<f64>,
}

impl Graph {
    fn of(parallelism: &Parallelism) -> Self {
        let points = parallelism.intervals.iter().map(|interval| {
            let Interval {
                span,
                mean,
                peak,
                cpus,
            } = *interval;
            Point {
                from: span.from,
                to: span.to,
                mean,
                peak,
                cpus,
            }
        });
        Self {
            mean: parallelism.mean,
            peak: parallelism.peak,
            mean_cpus: parallelism.mean_cpus,
            peak_cpus: parallelism.peak_cpus,
            intervals: points.collect(),
        }
    }
}

/// The critical path.
#[derive(Serialize)]
struct Path<'a> {
    time: u64,
    programs: Vec<ProgramTime<'a>>,
    steps: Vec<PathStep<'a>>,
}

#[derive(Serialize)]
struct ProgramTime<'a> {
    #[serde(flatten)]
    name: Comm<'a>,
    time: u64,
}

#[derive(Serialize)]
struct PathStep<'a> {
    from: u64,
    to: u64,
    pid: i32,
    start: u64,
    #[serde(flatten)]
    name: Comm<'a>,
}

impl<'a> Path<'a> {
    fn of(run: &'a Run, path: &'a CriticalPath) -> Self {
        let programs = path.programs.iter().map(|(name, time)| ProgramTime {
            name: Comm::of(name),
            time: nanoseconds(*time),
        });
        let steps = path.steps.iter().map(|&Step { process, span }| {
            let process = &run.processes()[process];
            PathStep {
                from: span.from,
                to: span.to,
                pid: process.pid,
                start: process.start,
                name: Comm::of(process.name()),
            }
        });
        Self {
            time: nanoseconds(path.lasted()),
            programs: programs.collect(),
            steps: steps.collect(),
        }
    }
}

/// A process that failed.
#[derive(Serialize)]
struct Failed<'a> {
    #[serde(flatten)]
    process: Identity<'a>,
    time: u64,
    lasted: u64,
    exit_code: Option<i32>,
    signal: Option<i32>,
    core_dumped: bool,
    failure: &'static str,
    /// The processes above it, the nearest first.
    parents: Vec<Parent<'a>>,
}

#[derive(Serialize)]
struct Parent<'a> {
    pid: i32,
    start: u64,
    #[serde(flatten)]
    name: Comm<'a>,
}

impl<'a> Failed<'a> {
    fn of(run: &'a Run, failure: &Failure) -> Self {
        let process: &Process = &run.processes()[failure.process];
        let status = ExitStatus::from_raw(failure.status);
        let parents = ancestors(run, failure.process).take(PARENTS).map(|place| {
            let process = &run.processes()[place];
            Parent {
                pid: process.pid,
                start: process.start,
                name: Comm::of(process.name()),
            }
        });
        Self {
            process: Identity::of(process),
            time: process.end,
            lasted: nanoseconds(process.lasted()),
            exit_code: status.code(),
            signal: status.signal(),
            core_dumped: status.core_dumped(),
            failure: failure.kind.name(),
            parents: parents.collect(),
        }
    }
}
