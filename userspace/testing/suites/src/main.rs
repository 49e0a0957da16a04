// SPDX-License-Identifier: GPL-2.0

//! Runs the test suites and sums up their results: see tests/run.

mod kunit;
mod matrix;
mod outcome;
mod report;
mod runner;
mod stop;
mod suite;

use std::env;
use std::fs;
use std::io::{self, Read};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::suite::Selection;

const MATRIX: &str = "tests/kernels/matrix";
const RESULTS: &str = "test-results.xml";

/// Runs the test suites of the checkout in the present directory, or reads what one has printed
#[derive(Parser)]
#[command(max_term_width = 100)]
enum Cli {
    /// Run suites: see tests/run
    #[command(override_usage = "tests/run [--all]")]
    Run {
        /// Run longer ones, and those on all kernels, as well
        #[arg(long)]
        all: bool,
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
        Cli::Run { all } => run(all),
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
fn run(all: bool) -> Result<bool> {
    let given = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let selection = Selection {
        test: given("TEST"),
        kernel: given("KERNEL"),
        all,
    };
    let matrix = fs::read_to_string(MATRIX).with_context(|| format!("cannot read {MATRIX}"))?;
    let matrix = matrix::parse(&matrix).with_context(|| format!("bad {MATRIX}"))?;
    let runs = selection.runs(&matrix)?;

    let scratch = tempfile::tempdir().context("cannot make a directory")?;
    stop::on_signals(scratch.path().to_owned())?;
    let results = runner::run(&runs, scratch.path());
    let xml = report::junit(&results)?;
    fs::write(RESULTS, xml).with_context(|| format!("cannot write {RESULTS}"))?;
    print!("{}", report::summary(&results));
    Ok(report::failures(&results) == 0)
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
