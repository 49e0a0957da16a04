// SPDX-License-Identifier: GPL-2.0

//! A fuzzer of procmon that is guided by what its inputs reach in the module's code.
//!
//! It runs as root in a guest with the debug kernel, and loads the module itself. An input is a
//! program of system calls (see [`program`]); what the kernel makes of them is judged in [`run`],
//! beside what the kernel's own checks say. Each input is announced in the kernel's log before it
//! is run, so that the log names the one that the guest died of.

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

/// How often to say what is going on.
const PROGRESS: Duration = Duration::from_secs(10);

/// How many programs a load of the module has to stand.
const RELOAD: u64 = 1000;

/// Fuzzes procmon in a guest that is thrown away.
///
/// The given inputs are run first, the shortest before the others. At the end comes how much of the
/// module was reached, and the new inputs that were the first to reach something, as lines
/// "corpus BASE64". When something is wrong, the input is in a line "crash BASE64".
#[derive(Debug, Parser)]
#[command(name = "fuzz")]
struct Options {
    /// How long to try new inputs.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    seconds: u64,

    /// What the new inputs depend on, beside what the old ones reach. [default: the time]
    #[arg(long)]
    seed: Option<u64>,

    /// Only run the given inputs.
    #[arg(long)]
    replay: bool,

    /// Files with inputs to begin with, or directories of such.
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
        explore(&mut session, &mut corpus, seed, options.seconds)?;
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

/// All inputs in the given files and directories, the shortest first.
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

/// Tries new inputs, and keeps those that reach something new.
fn explore(
    session: &mut Session,
    corpus: &mut Vec<Vec<u8>>,
    seed: u64,
    seconds: u64,
) -> Result<()> {
    let mut rng = Rng::with_seed(seed);
    let start = Instant::now();
    let duration = Duration::from_secs(seconds);
    let before = session.executions;
    let mut shown = start;
    while start.elapsed() < duration {
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

/// Runs an input. If something is wrong, the input is printed.
fn execute(session: &mut Session, input: &[u8]) -> Result<News> {
    let text = BASE64_STANDARD.encode(input);
    session.execute(input, &text).inspect_err(|_| {
        println!("crash {text}");
        for step in Program::decode(input).0.steps {
            println!("    {step:?}");
        }
    })
}
