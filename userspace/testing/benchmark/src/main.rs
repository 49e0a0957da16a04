// SPDX-License-Identifier: GPL-2.0-only

//! Benchmark of procmon. `tests/bench` runs it: in a guest to measure, on the host to report.

mod baseline;
mod calls;
mod chart;
mod costs;
mod cpu;
mod growth;
mod lives;
mod measure;
mod owners;
mod recorders;
mod regions;
mod replica;
mod report;
mod rows;
mod scaling;
mod scrapes;
mod size;
mod tables;
mod tasks;
mod viewers;
mod walks;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use cost::Region;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::baseline::Baseline;
use crate::costs::Costs;
use crate::lives::measure as living;
use crate::lives::results::Results;
use crate::measure::{Plan, Run};
use crate::report::{Module, Others, Report};

/// Measures the cost of procmon's operations.
#[derive(Parser)]
#[command(name = "benchmark")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// In a guest with the plugin: do each operation between marks, and print JSON
    Measure {
        /// Number of sleeping processes to look at: with none, only calls are measured
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        processes: usize,

        /// The file that a BPF task iterator is pinned to
        #[arg(long, value_name = "FILE")]
        iterator: Option<PathBuf>,

        /// A program that shows processes on a terminal, with its arguments
        #[arg(long = "viewer", value_name = "COMMAND")]
        viewers: Vec<String>,
    },
    /// In a guest with the plugin: let programs show processes on a terminal, and print JSON
    Watch {
        /// Number of sleeping processes to show
        #[arg(long, value_name = "NUMBER")]
        processes: usize,

        /// A program with its arguments
        #[arg(long = "viewer", value_name = "COMMAND", required = true)]
        viewers: Vec<String>,
    },
    /// Print the table of "watch"
    Viewers {
        /// A directory with the results of "watch" and of the plugin
        results: PathBuf,
    },
    /// In a guest with the plugin: look at more and more tasks, and print JSON
    Grow {
        /// Numbers of processes, and of threads beside their main ones
        #[arg(value_name = "PROCESSES[+THREADS]", required = true, value_parser = step)]
        steps: Vec<(usize, usize)>,

        /// Number of cgroups that the processes are in
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        cgroups: usize,
    },
    /// In a guest with the plugin: let processes and threads live while others are told of it, and
    /// print JSON
    Lives {
        /// Number of rounds in which all have their turn: with none, only those of procmon's
        /// numbers are measured that hardly differ between two boots
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        rounds: usize,

        /// The directory that BPF programs are pinned to
        #[arg(long, value_name = "DIR")]
        programs: Option<PathBuf>,
    },
    /// In a guest with the plugin: scrape exporters of metrics, and print JSON
    Scrape {
        /// Number of sleeping processes that they export
        #[arg(long, value_name = "NUMBER")]
        processes: usize,

        /// The name of an exporter, its port, and its command with arguments
        #[arg(long = "exporter", value_name = "NAME PORT COMMAND", required = true)]
        exporters: Vec<String>,
    },
    /// Print a table of what "scrape" has measured
    Scrapes {
        /// A directory with the results of "scrape" and of the plugin
        results: PathBuf,
    },
    /// In a guest with the plugin: build under recorders of processes, and print JSON
    Record {
        /// The script that does it: SCRIPT ACTION RECORDER, where the actions are prepare, run and
        /// check, and "none" is the build alone
        script: PathBuf,

        /// Number of rounds in which all have their turn
        #[arg(long, value_name = "NUMBER", default_value_t = 2)]
        rounds: usize,

        /// Names of recorders
        #[arg(value_name = "RECORDER", required = true)]
        recorders: Vec<String>,
    },
    /// Print a table of what "record" has measured
    Recorders {
        /// A directory with the results of "record" and of the plugin
        results: PathBuf,

        /// Names of recorders, in the order of the table
        #[arg(value_name = "RECORDER", required = true)]
        recorders: Vec<String>,
    },
    /// In a guest: measure throughput with all CPUs at work, and print JSON
    Scale,
    /// On any machine: time replicas of the walks of a guest, and print JSON
    Replica {
        /// A directory with the results of "measure"
        results: PathBuf,
    },
    /// Print tables of results, and write them as JSON and as a chart
    Report {
        /// The measured module, and a directory with the results of "measure" and of the plugin
        #[arg(long, num_args = 2, value_names = ["MODULE", "RESULTS"], required = true)]
        ours: Vec<PathBuf>,

        /// Another module to compare with, and a directory as above
        #[arg(long, num_args = 2, value_names = ["MODULE", "RESULTS"])]
        compared: Vec<PathBuf>,

        /// A directory with the results of "lives"
        #[arg(long, value_name = "RESULTS")]
        lives: Option<PathBuf>,

        /// Directories with the results of "grow"
        #[arg(long, num_args = 1.., value_name = "RESULTS")]
        growth: Vec<PathBuf>,

        /// Outputs of "scale", with one number of CPUs each
        #[arg(long, num_args = 1.., value_name = "RUN")]
        scaling: Vec<PathBuf>,

        #[arg(long)]
        /// Output of "replica"
        #[arg(long, value_name = "RUN")]
        replica: Option<PathBuf>,

        #[arg(long)]
        json: PathBuf,

        #[arg(long)]
        svg: PathBuf,
    },
    /// Compare with a baseline, and print TAP
    Check {
        module: PathBuf,
        results: PathBuf,
        /// A directory with the results of "lives"
        lives: PathBuf,
        /// A directory with the results of "scrape"
        scrapes: PathBuf,
        baseline: PathBuf,
    },
    /// Print a baseline for "check"
    Baseline {
        module: PathBuf,
        results: PathBuf,
        /// A directory with the results of "lives"
        lives: PathBuf,
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
        Command::Measure {
            processes,
            iterator,
            viewers,
        } => {
            let plan = Plan {
                processes,
                iterator,
                viewers,
            };
            print(&Run::measure(&plan)?)?;
        }
        Command::Watch { processes, viewers } => print(&Run::watch(processes, &viewers)?)?,
        Command::Viewers { results } => {
            print!("{}", report::viewers_table(costs(&results)?.viewers()));
        }
        Command::Grow { steps, cgroups } => print(&measure::grow(&steps, cgroups)?)?,
        Command::Lives { rounds, programs } => {
            print(&living::Run::measure(&living::Plan { rounds, programs })?)?;
        }
        Command::Scrape {
            processes,
            exporters,
        } => print(&Run::scrape(processes, &exporters)?)?,
        Command::Scrapes { results } => print!("{}", scrapes::table(&costs(&results)?)?),
        Command::Record {
            script,
            rounds,
            recorders,
        } => print(&Run::record(&script, rounds, &recorders)?)?,
        Command::Recorders { results, recorders } => {
            print!("{}", recorders::table(&costs(&results)?, &recorders)?);
        }
        Command::Scale => print(&scaling::measure()?)?,
        Command::Replica { results } => {
            print(&replica::Replica::measure(&costs(&results)?)?)?;
        }
        Command::Report {
            ours,
            compared,
            lives,
            growth,
            scaling,
            replica,
            json,
            svg,
        } => {
            let compared = match &compared[..] {
                [file, results] => Some(module(file, results)?),
                _ => None,
            };
            let others = Others {
                compared,
                lives: lives.map(|path| read_lives(&path)).transpose()?,
                growth: growth
                    .iter()
                    .map(|path| costs(path))
                    .collect::<Result<_>>()?,
                scaling: scaling
                    .iter()
                    .map(|path| read(path))
                    .collect::<Result<_>>()?,
                replica: replica.map(|path| read(&path)).transpose()?,
            };
            let report = Report::new(&module(&ours[0], &ours[1])?, others)?;
            write(&json, &pretty(&report)?)?;
            write(&svg, &chart::draw(&report))?;
            print!("{report}");
        }
        Command::Check {
            module: file,
            results,
            lives,
            scrapes,
            baseline,
        } => {
            let now = baseline_of(&file, &results, &lives)?;
            let mut outcomes = baseline::check(&now, &read(&baseline)?);
            outcomes.extend(scrapes::check(&costs(&scrapes)?)?);
            print!("{}", baseline::tap(&outcomes));
            if !outcomes.iter().all(baseline::Outcome::passed) {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Baseline {
            module: file,
            results,
            lives,
        } => print(&baseline_of(&file, &results, &lives)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Parses a step of growth.
fn step(text: &str) -> Result<(usize, usize)> {
    let (processes, threads) = text.split_once('+').unwrap_or((text, "0"));
    let step: (usize, usize) = (processes.parse()?, threads.parse()?);
    ensure!(step.0 > 0, "no processes");
    Ok(step)
}

fn module(file: &Path, results: &Path) -> Result<Module> {
    Ok(Module {
        name: file.display().to_string(),
        size: size::of(file)?,
        costs: costs(results)?,
    })
}

fn baseline_of(file: &Path, results: &Path, lives: &Path) -> Result<Baseline> {
    let mut baseline = module(file, results)?.baseline()?;
    read_lives(lives)?.add_to(&mut baseline)?;
    Ok(baseline)
}

fn costs(results: &Path) -> Result<Costs> {
    let (run, regions) = read_results(results)?;
    Costs::join(run, regions)
}

fn read_lives(results: &Path) -> Result<Results> {
    let (run, regions) = read_results(results)?;
    Results::join(run, regions)
}

/// Reads the results of a guest: `run` is of the program in it, and `regions` of the plugin.
fn read_results<T: DeserializeOwned>(results: &Path) -> Result<(T, Vec<Region>)> {
    let path = results.join("regions");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let regions =
        Region::parse_all(&text).with_context(|| format!("strange {}", path.display()))?;
    Ok((read(&results.join("run"))?, regions))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("strange {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, format!("{text}\n")).with_context(|| format!("cannot write {}", path.display()))
}

fn print(value: &impl Serialize) -> Result<()> {
    println!("{}", pretty(value)?);
    Ok(())
}

fn pretty(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_processes_and_perhaps_threads() {
        assert_eq!(step("2000").unwrap(), (2000, 0));
        assert_eq!(step("20000+80000").unwrap(), (20_000, 80_000));
        for text in ["", "0", "+1", "1+", "1+x", "-1"] {
            assert!(step(text).is_err(), "{text}");
        }
    }
}
