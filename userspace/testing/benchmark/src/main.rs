// SPDX-License-Identifier: GPL-2.0

//! Benchmark of procmon. `tests/bench` runs it: in a guest to measure, on the host to report.

mod baseline;
mod calls;
mod chart;
mod cpu;
mod measure;
mod processes;
mod report;
mod rows;
mod scaling;
mod size;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::measure::{Run, Unit};
use crate::processes::Processes;
use crate::report::{Module, Report};

/// Measures the cost of procmon's operations.
#[derive(Parser)]
#[command(name = "benchmark")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// In the guest: measure each operation, and print JSON
    Measure {
        /// Unit of the results: instructions are for a guest that counts them as its time
        #[arg(long, value_enum)]
        unit: Unit,

        /// Seconds to wait first, so that work left over from booting gets done
        #[arg(long, default_value_t = 10)]
        idle: u64,
    },
    /// In the guest: measure the cost of looking at many processes, and print JSON
    Processes {
        /// Numbers of sleeping processes, each measured in turn
        #[arg(value_name = "NUMBER", required = true)]
        counts: Vec<usize>,

        /// The file that a BPF task iterator is pinned to
        #[arg(long)]
        iterator: Option<PathBuf>,

        /// A program that shows processes on a terminal, with its arguments
        #[arg(long = "viewer", value_name = "COMMAND")]
        viewers: Vec<String>,

        /// Seconds to wait before each number
        #[arg(long, default_value_t = 10)]
        idle: u64,
    },
    /// In the guest: measure throughput with all CPUs at work, and print JSON
    Scale,
    /// Print a table of results, and write it as JSON and as a chart
    Report {
        /// The measured module, and the output of "measure"
        #[arg(long, num_args = 2, value_names = ["MODULE", "RUN"])]
        ours: Vec<PathBuf>,

        /// Another module to compare with, and the output of "measure"
        #[arg(long, num_args = 2, value_names = ["MODULE", "RUN"])]
        compared: Vec<PathBuf>,

        /// Outputs of "scale", with one number of CPUs each
        #[arg(long, num_args = 1.., value_name = "RUN")]
        scaling: Vec<PathBuf>,

        /// Output of "processes"
        #[arg(long, value_name = "RUN")]
        processes: Option<PathBuf>,

        #[arg(long)]
        json: PathBuf,

        #[arg(long)]
        svg: PathBuf,
    },
    /// Compare with a baseline, and print TAP
    Check {
        module: PathBuf,
        run: PathBuf,
        processes: PathBuf,
        baseline: PathBuf,
    },
    /// Print a baseline for "check"
    Baseline {
        module: PathBuf,
        run: PathBuf,
        processes: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("benchmark: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Measure { unit, idle } => println!("{}", pretty(&Run::measure(unit, idle)?)?),
        Command::Processes {
            counts,
            iterator,
            viewers,
            idle,
        } => {
            let processes = Processes::measure(&counts, idle, iterator.as_deref(), &viewers)?;
            println!("{}", pretty(&processes)?);
        }
        Command::Scale => println!("{}", pretty(&scaling::measure()?)?),
        Command::Report {
            ours,
            compared,
            scaling,
            processes,
            json,
            svg,
        } => {
            let modules = [ours, compared];
            let modules: Result<Vec<Module>> = modules
                .iter()
                .filter(|paths| !paths.is_empty())
                .map(|paths| module(&paths[0], &paths[1]))
                .collect();
            let scaling: Result<Vec<_>> = scaling.iter().map(|path| read(path)).collect();
            let processes = processes.map(|path| read(&path)).transpose()?;
            let report = Report::new(&modules?, scaling?, processes)?;
            write(&json, &pretty(&report)?)?;
            write(&svg, &chart::draw(&report))?;
            print!("{report}");
        }
        Command::Check {
            module: file,
            run,
            processes,
            baseline,
        } => {
            let now = module(&file, &run)?.baseline(&read(&processes)?)?;
            let results = baseline::check(&now, &read(&baseline)?);
            print!("{}", baseline::tap(&results));
            if !results.iter().all(baseline::Outcome::passed) {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Baseline {
            module: file,
            run,
            processes,
        } => {
            let now = module(&file, &run)?.baseline(&read(&processes)?)?;
            println!("{}", pretty(&now)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn module(file: &Path, run: &Path) -> Result<Module> {
    Ok(Module {
        name: file.display().to_string(),
        size: size::of(file)?,
        run: read(run)?,
    })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("strange {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, format!("{text}\n")).with_context(|| format!("cannot write {}", path.display()))
}

fn pretty(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}
