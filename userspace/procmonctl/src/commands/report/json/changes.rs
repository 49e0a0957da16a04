// SPDX-License-Identifier: GPL-2.0-only

//! The differences of two recordings as JSON.

use recording::Run;
use recording::report::{Change, ChangeKind, Diff, Measure};
use serde::Serialize;

use super::super::Form;
use super::VERSION;
use super::names::{Circumstances, Comm, Identity};
use super::usage::Use;

/// The differences between two runs.
#[derive(Serialize)]
pub struct Comparison<'a> {
    version: u32,
    old: Circumstances<'a>,
    new: Circumstances<'a>,
    programs: Vec<ProgramChange<'a>>,
    processes: Vec<ProcessChange<'a>>,
}

impl<'a> Comparison<'a> {
    /// Creates the differences, which are in the order of the measure.
    pub fn new(old: &'a Run, new: &'a Run, diff: &'a Diff, form: Form) -> Self {
        let programs = diff.programs.iter().map(|(name, change)| ProgramChange {
            name: Comm::of(name),
            change: Uses::of(change, form.measure),
        });
        let kinds = [
            ChangeKind::Grown,
            ChangeKind::Shrunk,
            ChangeKind::New,
            ChangeKind::Gone,
        ];
        let processes = kinds.into_iter().flat_map(|kind| {
            diff.processes
                .iter()
                .filter(move |(_, change)| change.kind(form.measure) == kind)
                .take(form.limit)
        });
        let processes = processes.map(|(pair, change)| {
            let of = |run: &'a Run, place: Option<usize>| {
                place.map(|place| Identity::of(&run.processes()[place]))
            };
            ProcessChange {
                old_process: of(old, pair.old),
                new_process: of(new, pair.new),
                change: Uses::of(change, form.measure),
            }
        });
        Self {
            version: VERSION,
            old: Circumstances::of(old),
            new: Circumstances::of(new),
            programs: programs.collect(),
            processes: processes.collect(),
        }
    }
}

/// The uses of two runs.
#[derive(Serialize)]
struct Uses {
    change: &'static str,
    old: Option<Use>,
    new: Option<Use>,
}

impl Uses {
    fn of(change: &Change, measure: Measure) -> Self {
        Self {
            change: change.kind(measure).name(),
            old: change.old.as_ref().map(Use::of),
            new: change.new.as_ref().map(Use::of),
        }
    }
}

#[derive(Serialize)]
struct ProgramChange<'a> {
    #[serde(flatten)]
    name: Comm<'a>,
    #[serde(flatten)]
    change: Uses,
}

#[derive(Serialize)]
struct ProcessChange<'a> {
    old_process: Option<Identity<'a>>,
    new_process: Option<Identity<'a>>,
    #[serde(flatten)]
    change: Uses,
}
