// SPDX-License-Identifier: GPL-2.0

//! Runs suites, two at a time.

use std::io::{self, Read, Stdout, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::outcome;
use crate::report::Results;
use crate::stop;
use crate::suite::{EMPTY_DIRECTORY, Run, Stream};

/// Priority by which the shorter stream gives way.
const NICENESS: &str = "5";

/// Runs all of them. Returns their results in the order in which they have ended.
pub fn run(runs: &[Run], scratch: &Path) -> Vec<Results> {
    let results = Mutex::new(Vec::new());
    let stream = |stream, output: &Output<Stdout>| {
        for run in runs.iter().filter(|run| run.suite.stream == stream) {
            let result = run_one(run, scratch, output);
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(result);
        }
    };
    // Both at once would be hard to tell apart.
    let later = Output::held_back(io::stdout());
    thread::scope(|scope| {
        scope.spawn(|| stream(Stream::Longer, &later));
        stream(Stream::Shorter, &Output::now(io::stdout()));
        later.release();
    });
    // After a signal, what the suites did tells nothing.
    drop(stop::going_on());
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn run_one(run: &Run, scratch: &Path, output: &Output<Stdout>) -> Results {
    let start = Instant::now();
    let title = format!("== {}, {} kernel", run.suite.name, run.kernel);
    output.write(format!("{title}\n").as_bytes());
    let mut log = Vec::new();
    let status = execute(&mut command(run, scratch), |part| {
        log.extend_from_slice(part);
        output.write(part);
    })
    .unwrap_or_else(|error| {
        output.write(format!("cannot run it: {error}\n").as_bytes());
        // That of a shell.
        127
    });
    output.write(format!("{title}: {} s\n", start.elapsed().as_secs()).as_bytes());
    Results {
        suite: run.suite.name,
        kernel: run.kernel.clone(),
        cases: outcome::cases(&String::from_utf8_lossy(&log), status),
    }
}

fn command(run: &Run, scratch: &Path) -> Command {
    let (program, arguments) = run.suite.command.split_first().unwrap_or((&"false", &[]));
    let mut command = match run.suite.stream {
        Stream::Longer => Command::new(program),
        Stream::Shorter => {
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

/// A writer, and the text that it gets later.
struct Output<W>(Mutex<(W, Option<Vec<u8>>)>);

impl<W: Write> Output<W> {
    fn now(writer: W) -> Self {
        Self(Mutex::new((writer, None)))
    }

    fn held_back(writer: W) -> Self {
        Self(Mutex::new((writer, Some(Vec::new()))))
    }

    fn write(&self, text: &[u8]) {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            (_, Some(held)) => held.extend_from_slice(text),
            (writer, None) => print(writer, text),
        }
    }

    /// Prints all that was written, and from now on what will be.
    fn release(&self) {
        let (writer, held) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = held.take() {
            print(writer, &text);
        }
    }
}

/// Prints to a terminal or pipe. That it may be gone does not concern the results.
fn print(writer: &mut impl Write, text: &[u8]) {
    let _ = writer.write_all(text).and_then(|()| writer.flush());
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

    #[test]
    fn held_back_output_is_kept_until_its_release() {
        let mut printed = Vec::new();
        let output = Output::held_back(&mut printed);
        output.write(b"a");
        assert!(output.0.lock().unwrap().0.is_empty());
        output.release();
        output.write(b"b");
        assert_eq!(printed, b"ab");
    }

    /// Returns the command of the only run that has a name, as words, and its environment.
    fn words(test: &str, kernel: &str) -> (Vec<String>, BTreeMap<String, Option<String>>) {
        let selection = Selection {
            test: Some(test.to_owned()),
            kernel: Some(kernel.to_owned()),
            all: false,
        };
        let matrix = matrix::parse(include_str!("../../../../tests/kernels/matrix")).unwrap();
        let runs = selection.runs(&matrix).unwrap();
        assert_eq!(runs.len(), 1);
        let command = command(&runs[0], Path::new("/empty"));
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
        let (words, environment) = words("poll", "debug");
        assert_eq!(words, ["tests/guest", "poll"]);
        assert_eq!(environment["KERNEL"].as_deref(), Some("debug"));
        assert_eq!(environment["PROCMON_STRESS_SECONDS"].as_deref(), Some("60"));
        assert_eq!(environment["TEST"], None);
    }

    #[test]
    fn the_shorter_stream_gives_way() {
        let (words, _) = words("fuzz", "debug");
        assert_eq!(
            words,
            [
                "nice",
                "-n",
                "5",
                "tests/fuzz",
                "--seconds",
                "30",
                "--corpus",
                "/empty"
            ]
        );
    }
}
