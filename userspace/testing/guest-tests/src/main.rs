// SPDX-License-Identifier: GPL-2.0

//! Runs the test programs in the guest, each test in a process of its own, and reports by the Test
//! Anything Protocol.
//!
//! A test that hangs or crashes is a failure like any other, and the next ones still get a turn.

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

/// What a test has printed.
const OUTPUT: &str = "/tmp/test-output";

#[derive(Parser)]
struct Arguments {
    /// Run only tests with this in their names, or one of several
    #[arg(long)]
    filter: Vec<String>,

    /// Seconds that a test may take
    #[arg(long, default_value_t = 120)]
    timeout: u64,

    /// See at the end that the module has not lost any memory, of which the kernel keeps account
    #[arg(long)]
    leaks: bool,

    /// Programs made by Rust's test harness
    #[arg(required = true)]
    programs: Vec<PathBuf>,
}

/// What became of a test.
enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

/// What was reported so far.
#[derive(Default)]
struct Report {
    count: u32,
    failed: u32,
}

impl Report {
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
    for program in &arguments.programs {
        let name = program
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        for test in tests_of(program) {
            let filters = &arguments.filter;
            if !filters.is_empty() && !filters.iter().any(|filter| test.contains(filter)) {
                continue;
            }
            // If this is the last line, then the test has taken the machine down.
            println!("# {name}: {test}");
            let start = Instant::now();
            let outcome = run(program, &test, Duration::from_secs(arguments.timeout));
            report.add(&format!("{name}: {test}"), start.elapsed(), outcome);
        }
    }
    if let Some(kmemleak) = kmemleak {
        let start = Instant::now();
        let outcome = match kmemleak.map(|kmemleak| kmemleak.lost()) {
            Ok(lost) if lost.is_empty() => Outcome::Passed,
            Ok(lost) => Outcome::Failed(lost.concat()),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        report.add("all: no memory is lost", start.elapsed(), outcome);
    }
    println!("1..{}", report.count);
    if report.failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The names of the tests in a program.
fn tests_of(program: &Path) -> Vec<String> {
    let list = Command::new(program)
        .args(["--list", "--format", "terse"])
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

fn run(program: &Path, test: &str, timeout: Duration) -> Outcome {
    let failure = match try_run(program, test, timeout) {
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
    // The next test finds things as it expects them, if that can be had.
    let _ = module::try_unload();
    Outcome::Failed(format!("{failure}\n{}", output()))
}

/// Runs a test and tells how it has failed, if it has.
fn try_run(program: &Path, test: &str, timeout: Duration) -> io::Result<Option<String>> {
    kernel_log::rearm()?;
    let mut log = KernelLog::from_now();
    let tainted = kernel_log::trouble();
    let status = wait_for(program, test, timeout)?;
    // Whatever the test itself has found, or has not come to look for.
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

/// Runs a test to its end, or gives it up.
fn wait_for(program: &Path, test: &str, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let output = File::create(OUTPUT)?;
    let mut child = Command::new(program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()?;
    let status = child.wait_timeout(timeout)?;
    if status.is_none() {
        // The kernel's log tells where in the kernel it hangs.
        fs::write("/proc/sysrq-trigger", "w")?;
        let group = i32::try_from(child.id()).map_err(io::Error::other)?;
        // Nobody waits for the end: it may not be possible to kill it.
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
