// SPDX-License-Identifier: GPL-2.0-only

//! The runner of the tests in the guest: each test in a process of its own, with a report by the
//! Test Anything Protocol.
//!
//! A test that hangs or crashes is a failure like any other, and the next ones still get a turn.

mod mutants;

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use clap::Parser;
use fixture::kernel_log::{self, KernelLog};
use fixture::leaks::Kmemleak;
use fixture::module;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use wait_timeout::ChildExt;

/// File with the output of the last test.
const OUTPUT: &str = "/tmp/test-output";

#[derive(Parser)]
struct Arguments {
    /// Run only the tests of the topic with this name, or else those with this in their names. Of
    /// several, each adds its tests, and has to have one
    #[arg(long)]
    filter: Vec<String>,

    /// Leave out the topics with these names
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,

    /// Seconds that a test may take
    #[arg(long, default_value_t = 120)]
    timeout: u64,

    /// Verify at the end, by the kernel's account, that the module has not lost any memory
    #[arg(long)]
    leaks: bool,

    /// Run the tests that this list of tests/mutants/generate names: each once as ever, and once
    /// with each mutant, which has to make the test fail
    #[arg(long, conflicts_with_all = ["filter", "leaks"])]
    mutants: Option<PathBuf>,

    /// A program made by Rust's test harness
    program: PathBuf,
}

/// Result of a test.
enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

/// A test of a program.
struct Test<'a> {
    program: &'a Path,

    /// The name that the program has for it, with the path of its Rust module.
    path: String,
}

impl Test<'_> {
    /// The first part of the path, and the rest, which the report has as the name.
    fn parts(&self) -> (&str, &str) {
        self.path.split_once("::").unwrap_or(("", &self.path))
    }

    fn topic(&self) -> &str {
        self.parts().0
    }

    fn full_name(&self) -> String {
        let (topic, name) = self.parts();
        format!("{topic}: {name}")
    }

    /// Whether a filter selects it. `is_topic` tells whether the filter is the name of a topic.
    fn matches(&self, filter: &str, is_topic: bool) -> bool {
        let (topic, name) = self.parts();
        if is_topic {
            topic == filter
        } else {
            name.contains(filter)
        }
    }
}

/// The results so far, each of which is printed at once.
#[derive(Default)]
struct Report {
    count: u32,
    failed: u32,
}

impl Report {
    /// Runs a test and adds its outcome.
    fn run(&mut self, name: &str, test: impl FnOnce() -> Outcome) {
        // If this is the last line, then the test has taken the machine down.
        println!("# {name}");
        let start = Instant::now();
        let outcome = test();
        self.add(name, start.elapsed(), outcome);
    }

    /// Prints the number of tests. Returns the status, which is a failure also without any test.
    fn end(&self) -> ExitCode {
        println!("1..{}", self.count);
        if self.failed > 0 || self.count == 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }

    fn add(&mut self, name: &str, time: Duration, outcome: Outcome) {
        self.count += 1;
        let count = self.count;
        let time = time.as_secs_f32();
        match outcome {
            Outcome::Passed => println!("ok {count} - {name} # time={time:.2}s"),
            Outcome::Skipped(reason) => println!("ok {count} - {name} # SKIP {reason}"),
            Outcome::Failed(reason) => {
                self.failed += 1;
                println!("not ok {count} - {name} # time={time:.2}s");
                for line in reason.lines() {
                    println!("# {line}");
                }
            }
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut report = Report::default();
    let kmemleak = arguments.leaks.then(Kmemleak::new);
    let tests = tests_of(&arguments.program);
    let timeout = Duration::from_secs(arguments.timeout);
    if let Some(list) = &arguments.mutants {
        match fixture::mutants::read(list) {
            Ok(mutants) => mutants::run(&mutants, &tests, timeout, &mut report),
            Err(error) => {
                let reason = Outcome::Failed(error.to_string());
                report.add("the list of mutants", Duration::ZERO, reason);
            }
        }
        return report.end();
    }
    let is_topic = |name: &String| tests.iter().any(|test| test.topic() == *name);
    for name in arguments.without.iter().filter(|name| !is_topic(name)) {
        let reason = "there is no such topic to leave out".to_owned();
        report.add(name, Duration::ZERO, Outcome::Failed(reason));
    }
    let is_left_out = |test: &Test<'_>| arguments.without.iter().any(|name| test.topic() == name);
    let mut is_selected = vec![arguments.filter.is_empty(); tests.len()];
    for filter in &arguments.filter {
        let is_topic = is_topic(filter);
        let mut found = None;
        for (test, is_selected) in tests.iter().zip(&mut is_selected) {
            if test.matches(filter, is_topic) {
                *is_selected = true;
                found = found.max(Some(!is_left_out(test)));
            }
        }
        let outcome = match found {
            Some(true) => continue,
            Some(false) => Outcome::Skipped("not for this kernel".to_owned()),
            None => Outcome::Failed("it matches no topic and no test".to_owned()),
        };
        report.add(&format!("selection {filter}"), Duration::ZERO, outcome);
    }
    for (test, is_selected) in tests.iter().zip(is_selected) {
        if is_selected && !is_left_out(test) {
            report.run(&test.full_name(), || run(test, timeout, None));
        }
    }
    module::unload_shared();
    if let Some(kmemleak) = kmemleak {
        report.run("all: no memory is lost", || {
            match kmemleak.map(|kmemleak| kmemleak.lost()) {
                Ok(lost) if lost.is_empty() => Outcome::Passed,
                Ok(lost) => Outcome::Failed(lost.concat()),
                Err(error) => Outcome::Failed(error.to_string()),
            }
        });
    }
    report.end()
}

/// Lists the tests of a program, but for the parts of tests that are marked as ignored.
fn tests_of(program: &Path) -> Vec<Test<'_>> {
    let ignored = list(program, &["--ignored"]);
    list(program, &[])
        .into_iter()
        .filter(|path| !ignored.contains(path))
        .map(|path| Test { program, path })
        .collect()
}

/// Returns the names of tests that a program lists.
fn list(program: &Path, options: &[&str]) -> Vec<String> {
    let list = Command::new(program)
        .args(["--list", "--format", "terse"])
        .args(options)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(
        list.status.success(),
        "{}: {}",
        program.display(),
        list.status
    );
    String::from_utf8_lossy(&list.stdout)
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

/// Runs a test, with one of the mutants if its number is given.
fn run(test: &Test<'_>, timeout: Duration, mutant: Option<u32>) -> Outcome {
    let failure = match try_run(test, timeout, mutant) {
        Ok(None) => {
            return output()
                .lines()
                .find_map(|line| line.strip_prefix("skipped: "))
                .map_or(Outcome::Passed, |reason| {
                    Outcome::Skipped(reason.to_owned())
                });
        }
        Ok(Some(failure)) => failure,
        Err(error) => error.to_string(),
    };
    // So that the next test can load the module, if possible.
    let _ = module::try_unload();
    Outcome::Failed(format!("{failure}\n{}", output()))
}

/// Runs a test and returns the reason of its failure, if it fails.
fn try_run(test: &Test<'_>, timeout: Duration, mutant: Option<u32>) -> io::Result<Option<String>> {
    kernel_log::rearm()?;
    let mut log = KernelLog::from_now();
    let tainted = kernel_log::trouble();
    let status = wait_for(test, timeout, mutant)?;
    // Complaints of the kernel come first: they also explain most failures of the test itself.
    Ok(if let Some(splat) = log.splat() {
        Some(format!("the kernel complained: {splat}"))
    } else if kernel_log::trouble() != tainted {
        Some("the kernel got tainted".to_owned())
    } else {
        match status {
            None => Some(format!("still runs after {timeout:?}")),
            Some(status) => (!status.success()).then(|| status.to_string()),
        }
    })
}

/// Runs a test to its end, or kills it after the time limit and returns `None`.
fn wait_for(
    test: &Test<'_>,
    timeout: Duration,
    mutant: Option<u32>,
) -> io::Result<Option<ExitStatus>> {
    let output = File::create(OUTPUT)?;
    let mutant = mutant.map(|number| (fixture::mutants::VARIABLE, number.to_string()));
    let mut child = Command::new(test.program)
        .args(["--exact", &test.path, "--nocapture", "--test-threads=1"])
        .envs(mutant)
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()?;
    let status = child.wait_timeout(timeout)?;
    if status.is_none() {
        // So that the kernel's log shows where in the kernel it hangs.
        fs::write("/proc/sysrq-trigger", "w")?;
        let group = i32::try_from(child.id()).map_err(io::Error::other)?;
        // Its end is not awaited: a process that hangs in the kernel cannot be killed.
        killpg(Pid::from_raw(group), Signal::SIGKILL)?;
    }
    Ok(status)
}

fn output() -> String {
    fs::read(OUTPUT).map_or_else(
        |error| error.to_string(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}
