// SPDX-License-Identifier: GPL-2.0-only

//! Coverage-guided fuzzer of procmon.
//!
//! The fuzzer runs as root in a guest with the debug kernel, and loads the module itself. An input
//! is a [`program`] of system calls; [`execute`](mod@execute) makes them, and checks their results
//! by a [`model`] of the device. The kernel's own checks count as well. Each input is written to
//! the kernel's log before it is run, so that the log names the one that the guest died of.

mod blocks;
mod execute;
mod kcov;
mod model;
mod mutate;
mod plain;
mod program;

mod session;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Parser;
use fastrand::Rng;

use program::Program;
use session::{News, Session};

/// The time between two reports of progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// The number of programs between two loads of the module.
const RELOAD: u64 = 1000;

/// Fuzzes procmon in a guest that is thrown away.
///
/// The given inputs are run first, the shortest before the others. At the end, the program prints
/// the coverage of the module, and the new inputs that were the first to reach some code, as lines
/// "corpus BASE64". After a failure, the input is in a line "crash BASE64".
#[derive(Debug, Parser)]
#[command(name = "fuzz")]
struct Options {
    /// Number of new inputs. [default: any]
    #[arg(long, value_name = "NUMBER")]
    executions: Option<u64>,

    /// Time for new inputs. [default: any, if there is a number of them, else 30]
    #[arg(long)]
    seconds: Option<u64>,

    /// Seed of the new inputs, which also depend on the code that the old ones reach. [default: the
    /// time]
    #[arg(long)]
    seed: Option<u64>,

    /// Run the given inputs only.
    #[arg(long)]
    replay: bool,

    /// Files with inputs to begin with, or directories of such files.
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match fuzz(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn fuzz(options: &Options) -> Result<()> {
    let inputs = read_inputs(&options.files)?;
    let mut session = Session::begin()?;
    let mut corpus = Vec::new();
    for (path, input) in inputs {
        let news = execute(&mut session, &input)?;
        println!("input {}: {} new blocks", path.display(), news.blocks);
        if news.any() {
            corpus.push(input);
        }
    }
    println!("replayed {} inputs", session.executions);
    let known = corpus.len();
    if !options.replay {
        let seed = options.seed.unwrap_or_else(seed_of_the_time);
        println!("seed {seed}, {known} inputs to begin with");
        explore(&mut session, &mut corpus, seed, &Limits::of(options))?;
    }
    for input in &corpus[known..] {
        println!("corpus {}", BASE64_STANDARD.encode(input));
    }
    let executions = session.executions;
    let blocks = session.end()?;
    println!("driver/: {}", blocks.driver());
    println!("module: {}", blocks.total());
    print!("not reached in driver/:\n{}", blocks.unreached());
    println!("finished after {executions} executions");
    Ok(())
}

/// Reads all inputs in the given files and directories, the shortest first.
fn read_inputs(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut inputs = Vec::new();
    let mut add = |path: &Path| {
        let input = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        inputs.push((path.to_owned(), input));
        anyhow::Ok(())
    };
    for path in paths {
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                add(&entry?.path())?;
            }
        } else {
            add(path)?;
        }
    }
    inputs.sort_by_cached_key(|(path, input)| (input.len(), path.clone()));
    Ok(inputs)
}

fn seed_of_the_time() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

/// The end of a run, which comes with the first of both.
struct Limits {
    executions: u64,
    duration: Duration,
}

impl Limits {
    fn of(options: &Options) -> Self {
        let executions = options.executions.unwrap_or(u64::MAX);
        let seconds = match (options.seconds, options.executions) {
            (Some(seconds), _) => seconds,
            (None, Some(_)) => u64::MAX,
            (None, None) => 30,
        };
        Self {
            executions,
            duration: Duration::from_secs(seconds),
        }
    }
}

/// Runs new inputs, and keeps those that reach new code.
fn explore(
    session: &mut Session,
    corpus: &mut Vec<Vec<u8>>,
    seed: u64,
    limits: &Limits,
) -> Result<()> {
    let mut rng = Rng::with_seed(seed);
    let start = Instant::now();
    let before = session.executions;
    let mut shown = start;
    while session.executions - before < limits.executions && start.elapsed() < limits.duration {
        let input = match (rng.choice(&*corpus), rng.choice(&*corpus)) {
            (Some(parent), Some(other)) if rng.u8(0..16) > 0 => {
                mutate::mutate(&mut rng, parent, other)
            }
            _ => mutate::fresh(&mut rng),
        };
        let news = execute(session, &input)?;
        if news.any() {
            corpus.push(input[..news.used].to_vec());
        }
        if session.executions.is_multiple_of(RELOAD) {
            session.reload()?;
        }
        if shown.elapsed() > PROGRESS {
            shown = Instant::now();
            show(session, corpus, session.executions - before, start);
        }
    }
    show(session, corpus, session.executions - before, start);
    Ok(())
}

fn show(session: &Session, corpus: &[Vec<u8>], executions: u64, start: Instant) {
    let elapsed = start.elapsed();
    println!(
        "{} s: {executions} executions, {:.0} a second, corpus {}, driver/ {}",
        elapsed.as_secs(),
        executions as f64 / elapsed.as_secs_f64(),
        corpus.len(),
        session.blocks.driver()
    );
}

/// Runs an input. Prints it if that fails.
fn execute(session: &mut Session, input: &[u8]) -> Result<News> {
    let text = BASE64_STANDARD.encode(input);
    session.execute(input, &text).inspect_err(|_| {
        println!("crash {text}");
        for step in Program::decode(input).0.steps {
            println!("    {step:?}");
        }
    })
}
