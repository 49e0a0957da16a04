// SPDX-License-Identifier: GPL-2.0-only

//! Runs suites, two at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::outcome;
use crate::progress::Progress;
use crate::report::Results;
use crate::stop;
use crate::suite::{EMPTY_DIRECTORY, Run};

/// Priority by which the shorter suites give way: a CPU of a guest that waits for another one,
/// which the host does not run, is lost to both.
const NICENESS: &str = "5";

const SECOND: Duration = Duration::from_secs(1);

/// The place of a suite beside the other one that runs.
#[derive(Clone, Copy)]
enum Lane {
    /// Takes the longest suite that is left.
    Longest,
    /// Takes the suites in their order, and gives way.
    InOrder,
}

/// Circumstances of a run.
pub struct Circumstances<'a> {
    /// An empty directory for a suite that asks for it.
    pub scratch: &'a Path,
    /// The directory for the output of each suite.
    pub logs: &'a Path,
    pub host: Host,
}

/// Load of the machine beside the suites.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Host {
    /// That of others.
    AsItIs,
    /// Processes that take all CPUs, several for each: no test may depend on its speed.
    Busy,
}

impl Host {
    /// Starts what makes the host busy, until the result is dropped.
    fn occupy(self) -> io::Result<Option<Stress>> {
        if self == Self::AsItIs {
            return Ok(None);
        }
        let cpus = thread::available_parallelism()?.get() * 2;
        let _guard = stop::going_on();
        let stress = Command::new("scripts/buildroot")
            .args(["stress-ng", "--quiet", "--timeout", "0", "--cpu"])
            .arg(cpus.to_string())
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Some(Stress(stress)))
    }
}

/// A program that makes the host busy.
struct Stress(Child);

impl Drop for Stress {
    fn drop(&mut self) {
        // It has nothing to clean up, and what it has started ends with it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs all of them, of which the last take longest. Returns their results in the order in which
/// they have ended.
///
/// # Errors
///
/// Fails if the host cannot be made busy.
pub fn run(
    runs: &[Run],
    circumstances: &Circumstances<'_>,
    progress: &Progress,
) -> io::Result<Vec<Results>> {
    let _stress = circumstances.host.occupy()?;
    let queue = Mutex::new(runs.iter().collect::<VecDeque<_>>());
    let results = Mutex::new(Vec::new());
    let take = |lane| {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        match lane {
            Lane::Longest => queue.pop_back(),
            Lane::InOrder => queue.pop_front(),
        }
    };
    let work = |lane| {
        while let Some(run) = take(lane) {
            let result = run_one(run, lane, circumstances, progress);
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(result);
        }
    };
    thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        scope.spawn(move || {
            while stopped.recv_timeout(SECOND) == Err(RecvTimeoutError::Timeout) {
                progress.tick();
            }
        });
        let other = scope.spawn(|| work(Lane::InOrder));
        work(Lane::Longest);
        // A panic there is one of the scope.
        let _ = other.join();
        drop(stop);
    });
    // After a signal, what the suites did tells nothing.
    drop(stop::going_on());
    Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn run_one(
    run: &Run,
    lane: Lane,
    circumstances: &Circumstances<'_>,
    progress: &Progress,
) -> Results {
    let start = Instant::now();
    let mut results = Results {
        suite: run.suite.name,
        kernel: run.kernel.clone(),
        host: circumstances.host,
        cases: Vec::new(),
        seconds: 0.0,
        log: PathBuf::new(),
    };
    results.log = circumstances.logs.join(results.file_name());
    let suite = progress.begin(results.title());
    let mut output = Vec::new();
    let mut log = File::create(&results.log);
    let status = execute(&mut command(run, lane, circumstances.scratch), |part| {
        output.extend_from_slice(part);
        suite.print(part);
        // The report says what is missing from the file.
        if let Ok(file) = &mut log
            && let Err(error) = file.write_all(part)
        {
            log = Err(error);
        }
    })
    .unwrap_or_else(|error| {
        let program = run.suite.command.first().unwrap_or(&"it");
        output.extend_from_slice(format!("cannot run {program}: {error}\n").as_bytes());
        // That of a shell.
        127
    });
    if let Err(error) = log {
        let path = results.log.display();
        output.extend_from_slice(format!("cannot write {path}: {error}\n").as_bytes());
    }
    results.cases = outcome::cases(&String::from_utf8_lossy(&output), status);
    results.seconds = start.elapsed().as_secs_f64();
    suite.end(&results);
    results
}

fn command(run: &Run, lane: Lane, scratch: &Path) -> Command {
    let (program, arguments) = run.suite.command.split_first().unwrap_or((&"false", &[]));
    let mut command = match lane {
        Lane::Longest => Command::new(program),
        Lane::InOrder => {
            let mut command = Command::new("nice");
            command.args(["-n", NICENESS, program]);
            command
        }
    };
    for argument in arguments {
        match *argument {
            EMPTY_DIRECTORY => command.arg(scratch),
            argument => command.arg(argument),
        };
    }
    command
        .args(&run.filter)
        .env_remove("TEST")
        .env("KERNEL", &run.kernel)
        .envs(run.suite.environment.iter().copied())
        .stdin(Stdio::null());
    command
}

/// Runs a command. Passes on all that it and its descendants print, and returns its exit status, as
/// a shell has it.
fn execute(command: &mut Command, mut print: impl FnMut(&[u8])) -> io::Result<i32> {
    let (mut reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = {
        let _guard = stop::going_on();
        command.spawn()?
    };
    // Else this process would have the pipe open itself.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut buffer = [0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            length => print(&buffer[..length]),
        }
    }
    let status = child.wait()?;
    Ok(status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;

    use super::*;
    use crate::matrix;
    use crate::suite::Selection;

    fn shell(script: &str) -> (i32, String) {
        let mut log = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let status = execute(&mut command, |part| log.extend_from_slice(part)).unwrap();
        (status, String::from_utf8(log).unwrap())
    }

    #[test]
    fn both_outputs_come_in_order() {
        let script = "echo a; echo b >&2; echo c; exit 3";
        assert_eq!(shell(script), (3, "a\nb\nc\n".to_owned()));
    }

    #[test]
    fn a_signal_has_the_status_of_a_shell() {
        assert_eq!(shell("kill -TERM $$").0, 143);
    }

    #[test]
    fn output_of_descendants_is_part_of_it() {
        assert_eq!(shell("(sleep 0.2; echo late) &").1, "late\n");
    }

    /// Returns the circumstances of a run with one directory for all.
    fn with_directory(directory: &Path) -> Circumstances<'_> {
        Circumstances {
            scratch: directory,
            logs: directory,
            host: Host::AsItIs,
        }
    }

    /// Returns the runs that have a name on a kernel.
    fn select(test: &str, kernel: &str) -> Vec<Run> {
        let selection = Selection {
            test: Some(test.to_owned()),
            kernel: Some(kernel.to_owned()),
            all: false,
        };
        let matrix = matrix::parse(include_str!("../../../../tests/kernels/matrix")).unwrap();
        selection.runs(&matrix).unwrap()
    }

    /// Returns the command of the only run that has a name, as words, and its environment.
    fn words(
        test: &str,
        kernel: &str,
        lane: Lane,
    ) -> (Vec<String>, BTreeMap<String, Option<String>>) {
        let runs = select(test, kernel);
        assert_eq!(runs.len(), 1);
        let command = command(&runs[0], lane, Path::new("/empty"));
        let text = |text: &OsStr| text.to_str().unwrap().to_owned();
        let environment = command.get_envs();
        (
            [command.get_program()]
                .into_iter()
                .chain(command.get_args())
                .map(text)
                .collect(),
            environment
                .map(|(name, value)| (text(name), value.map(text)))
                .collect(),
        )
    }

    #[test]
    fn a_filter_is_the_last_argument() {
        let (words, environment) = words("poll", "debug", Lane::Longest);
        assert_eq!(words, ["tests/guest", "poll"]);
        assert_eq!(environment["KERNEL"].as_deref(), Some("debug"));
        assert_eq!(environment["PROCMON_STRESS_SECONDS"].as_deref(), Some("10"));
        assert_eq!(environment["TEST"], None);
    }

    #[test]
    fn one_lane_gives_way() {
        let (words, _) = words("header", "debian", Lane::InOrder);
        assert_eq!(words, ["nice", "-n", "5", "tests/header"]);
    }

    #[test]
    fn an_empty_directory_is_handed_over() {
        let runs = select("fuzz", "debug");
        let command = command(&runs[0], Lane::Longest, Path::new("/empty"));
        assert_eq!(command.get_args().last(), Some(OsStr::new("/empty")));
    }

    #[test]
    fn a_program_that_is_missing_is_a_failure_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let circumstances = with_directory(directory.path());
        // The suites' programs are not in the directory where unit tests run.
        let results = run(
            &select("header", "debian"),
            &circumstances,
            &Progress::silent(),
        )
        .unwrap();
        assert_eq!(results.len(), 1);
        let [case] = &results[0].cases[..] else {
            panic!("{results:?}");
        };
        assert_eq!(case.outcome, outcome::Outcome::Failed);
        assert!(case.detail.contains("tests/header"), "{case:?}");
        assert_eq!(results[0].log, directory.path().join("header-debian.log"));
    }

    #[test]
    fn each_run_happens_once() {
        let directory = tempfile::tempdir().unwrap();
        let circumstances = with_directory(directory.path());
        let runs: Vec<Run> = ["header", "hotpaths", "kunit", "fuzz", "harness"]
            .into_iter()
            .flat_map(|name| [select(name, "debian"), select(name, "debug")])
            .flatten()
            .collect();
        let mut names: Vec<_> = runs.iter().map(|run| run.suite.name).collect();
        let results = run(&runs, &circumstances, &Progress::silent()).unwrap();
        let mut seen: Vec<_> = results.iter().map(|result| result.suite).collect();
        names.sort_unstable();
        seen.sort_unstable();
        assert_eq!(seen, names);
    }
}
