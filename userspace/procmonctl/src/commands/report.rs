// SPDX-License-Identifier: GPL-2.0-only

//! `report`: what a recording tells.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use recording::Run;
use recording::report::{CriticalPath, Diff, Measure, processes, programs};

use crate::output::{complain, terminal_width};
use crate::session::Session;
use crate::text::printable;

mod changes;
mod csv;
mod head;
mod json;
mod text;

/// The number of lines of a table without `--all`.
const SHORT: usize = 10;

/// Show what a recording tells: what took longest, what failed, and what the run waited for
///
/// A process works while none of its children is alive, and its own time is the time that it works:
/// a shell that waits for a compiler does not. The critical path is the chain of processes that
/// determined how long the run took: from the end on, in each process the child that ended last.
/// docs/recording.md has the definitions and their limits.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The recording
    file: PathBuf,

    /// Compare with an older recording: what got slower, what ran anew
    #[arg(long, value_name = "OLD")]
    diff: Option<PathBuf>,

    /// Sort by this
    #[arg(long, value_enum, value_name = "MEASURE", default_value_t)]
    by: By,

    /// Show all lines of each table
    #[arg(long)]
    all: bool,

    /// Print the programs as comma-separated values
    #[arg(long)]
    pub csv: bool,
}

pub const JSON: &str = "  report   {version, run, programs, processes, parallelism, critical_path,
           failures}, with --diff {version, old, new, programs, processes}:
           docs/recording.md";

const EXAMPLES: &str = "\
Examples:
  procmonctl report build.procmon
  procmonctl report build.procmon --by cpu --all
  procmonctl report new.procmon --diff old.procmon
  procmonctl report build.procmon --json | jq '.critical_path.programs'";

/// The measures by their names on the command line.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum By {
    /// The number of executions
    Count,
    /// Time in total
    Time,
    /// Time without that at which a child was alive
    #[default]
    Own,
    /// The longest time
    Longest,
    /// User and system time
    Cpu,
    /// The most resident memory
    Rss,
    /// Bytes read and written
    Io,
    /// Page faults
    Faults,
    /// Failures
    Failures,
}

impl From<By> for Measure {
    fn from(by: By) -> Self {
        match by {
            By::Count => Self::Count,
            By::Time => Self::Time,
            By::Own => Self::Own,
            By::Longest => Self::Longest,
            By::Cpu => Self::Cpu,
            By::Rss => Self::Memory,
            By::Io => Self::Io,
            By::Faults => Self::Faults,
            By::Failures => Self::Failures,
        }
    }
}

/// The form of the tables.
#[derive(Clone, Copy, Debug)]
struct Form {
    measure: Measure,
    /// The most lines of a table.
    limit: usize,
    /// The width of the terminal.
    width: Option<usize>,
}

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        let out = &session.out;
        let new = read(&self.file)?;
        let old = self.diff.as_deref().map(read).transpose()?;
        let form = Form {
            measure: self.by.into(),
            limit: if self.all { usize::MAX } else { SHORT },
            width: terminal_width(),
        };
        if self.csv {
            for run in old.iter().chain([&new]) {
                head::gaps(run).iter().for_each(complain);
            }
        }
        match old {
            Some(old) => {
                let mut diff = Diff::between(&old, &new);
                let measure = form.measure;
                let growth = |change: &recording::report::Change| {
                    std::cmp::Reverse(change.growth(measure).unsigned_abs())
                };
                diff.programs.sort_by_key(|(_, change)| growth(change));
                diff.processes.sort_by_key(|(_, change)| growth(change));
                if out.is_json() {
                    out.print_json(&json::Comparison::new(&old, &new, &diff, form))
                } else if self.csv {
                    out.bytes(&csv::changes(&diff, measure)?)
                } else {
                    out.bytes(changes::text(&old, &new, &diff, form).as_bytes())
                }
            }
            None => {
                let (mut programs, mut processes) = (programs(&new), processes(&new));
                form.measure.sort(&mut programs);
                form.measure.sort(&mut processes);
                if out.is_json() {
                    let path = CriticalPath::of(&new);
                    out.print_json(&json::Report::new(&new, &programs, &processes, &path, form))
                } else if self.csv {
                    out.bytes(&csv::programs(&programs)?)
                } else {
                    out.bytes(text::text(&new, &programs, &processes, form).as_bytes())
                }
            }
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Run> {
    let name = || printable(path.as_os_str().as_bytes());
    Run::read(path).with_context(|| format!("cannot read {}", name()))
}
