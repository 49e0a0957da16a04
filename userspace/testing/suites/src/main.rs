// SPDX-License-Identifier: GPL-2.0-only

//! Runs the test suites and sums up their results: see tests/run.

mod kunit;
mod matrix;
mod outcome;
mod progress;
mod report;
mod runner;
mod stop;
mod suite;

use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;

use crate::progress::Progress;
use crate::runner::{Circumstances, Host};
use crate::suite::Selection;

const MATRIX: &str = "tests/kernels/matrix";
const RESULTS: &str = "test-results.xml";

/// Runs the test suites of the checkout in the present directory, or reads what one has printed
#[derive(Parser)]
#[command(max_term_width = 100)]
enum Cli {
    /// Run suites: see tests/run
    #[command(override_usage = "tests/run [--all | --busy]")]
    Run {
        /// Run longer ones, those on all kernels, and the others once more on a busy host
        #[arg(long)]
        all: bool,

        /// Run them beside a program that takes all CPUs
        #[arg(long, conflicts_with = "all")]
        busy: bool,
    },

    /// Print TAP of the module's KUnit tests in a kernel log, which is read from standard input
    Kunit {
        /// Number of tests that the module has
        #[arg(long, value_name = "N")]
        expected: usize,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse() {
        Cli::Run { all, busy } => run(all, busy),
        Cli::Kunit { expected } => kunit(expected),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("suites: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the suites that the environment selects. Returns whether all tests have passed.
fn run(all: bool, busy: bool) -> Result<bool> {
    let given = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let selection = Selection {
        test: given("TEST"),
        kernel: given("KERNEL"),
        all,
    };
    let matrix = fs::read_to_string(MATRIX).with_context(|| format!("cannot read {MATRIX}"))?;
    let matrix = matrix::parse(&matrix).with_context(|| format!("bad {MATRIX}"))?;
    let runs = match busy {
        true => Vec::new(),
        false => selection.runs(&matrix)?,
    };
    let busy_runs = match busy || all {
        true => Selection {
            all: false,
            ..selection
        }
        .runs(&matrix)?,
        false => Vec::new(),
    };

    let scratch = tempfile::tempdir().context("cannot make a directory")?;
    stop::on_signals(scratch.path().to_owned())?;
    let logs = logs()?;
    let start = Instant::now();
    let progress = Progress::new(runs.len() + busy_runs.len());
    let mut results = Vec::new();
    for (host, runs) in [(Host::AsItIs, runs), (Host::Busy, busy_runs)] {
        if runs.is_empty() {
            continue;
        }
        let circumstances = Circumstances {
            scratch: scratch.path(),
            logs: &logs,
            host,
        };
        let of_host = runner::run(&runs, &circumstances, &progress);
        results.extend(of_host.context("cannot make the host busy")?);
    }
    let seconds = start.elapsed().as_secs_f64();
    let xml = report::junit(&results)?;
    fs::write(RESULTS, xml).with_context(|| format!("cannot write {RESULTS}"))?;
    print!("{}", report::summary(&results, seconds));
    Ok(report::failures(&results) == 0)
}

/// Returns the directory for the suites' output, in the cache. What is there is of an earlier run.
fn logs() -> Result<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => env::home_dir()
            .context("there is no home directory")?
            .join(".cache"),
    };
    let logs = cache.join("procmon/logs");
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    Ok(logs)
}

/// Returns whether all tests in the log have passed.
fn kunit(expected: usize) -> Result<bool> {
    // A kernel log can have any bytes.
    let mut log = Vec::new();
    io::stdin()
        .read_to_end(&mut log)
        .context("cannot read the log")?;
    let (text, have_passed) = kunit::tap(&String::from_utf8_lossy(&log), expected);
    print!("{text}");
    Ok(have_passed)
}
