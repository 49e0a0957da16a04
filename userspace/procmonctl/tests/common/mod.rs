// SPDX-License-Identifier: GPL-2.0-only

//! Runs of the command with random arguments, and with standard streams that are closed, full or
//! without a reader. Each ends with a documented status, and so neither by a panic nor by a signal.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Words in the place of a command that the help does not list as one: an alias, and no command.
const OTHER_SUBCOMMANDS: [&str; 2] = ["record", "nonsense"];

const OPTIONS: &[&str] = &[
    "--json",
    "--csv",
    "--plot",
    "--tree",
    "--tree=false",
    "--threads",
    "-T",
    "-K",
    "--help",
    "-h",
    "--version",
    "-V",
    "--source",
    "--sort",
    "-A",
    "-C",
    "-e",
    "-f",
    "-o",
    "-p",
    "--ppid",
    "-u",
    "-c",
    "-s",
    "--unit",
    "--cgroup",
    "--container",
    "--from",
    "--device",
    "-d",
    "-n",
    "--count",
    "-E",
    "--read-only",
    "--no-mouse",
    "--mouse",
    "--head",
    "--config",
    "--check",
    "--path",
    "--theme",
    "--ascii",
    "--diff",
    "--by",
    "--all",
];

const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "2",
    "1,2",
    "-1",
    "+0",
    "off",
    "2147483647",
    "2147483648",
    "4294967295",
    "18446744073709551615",
    "18446744073709551616",
    "1e19",
    "1e-9",
    "1e400",
    "-0.0",
    "NaN",
    "inf",
    "0.01",
    "root",
    "aux",
    "auto",
    "proc",
    "pid",
    "-rss",
    "comm,user",
    "cgroup-path,unit,tty,exe",
    "init.scope",
    "/system.slice",
    "mono",
    "(",
    ".*",
    "RSDTtXZPI",
    "q",
    "bash",
    "fish",
    "/dev/null",
    "/dev/full",
    "/dev/zero",
    "/",
    "/etc/passwd",
    "/nonexistent",
    "\u{202e}",
    "\x1b[2J",
    "\n",
];

/// Returns a standard stream that takes nothing.
pub fn full() -> Stdio {
    let file = File::options().write(true).open("/dev/full").unwrap();
    file.into()
}

/// Fails unless the command fails with these arguments, with a message, if its output cannot be
/// written.
pub fn fails_without_space(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdout(full())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    assert!(stderr.contains("No space left"), "{arguments:?}: {stderr}");
}

/// A generator of random numbers: xorshift64*, which makes failures reproducible.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn arguments(&mut self, subcommands: &[&str], directory: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        if self.below(4) == 0 {
            arguments.push("--json".into());
        }
        let subcommand = self.one_of(subcommands);
        arguments.push(subcommand.into());
        if subcommand == "man" && self.below(2) == 0 {
            arguments.push(directory.into());
        }
        for _ in 0..self.below(5) {
            match self.below(5) {
                0 | 1 => arguments.push(self.one_of(OPTIONS).into()),
                2 | 3 => arguments.push(self.one_of(VALUES).into()),
                _ => {
                    // No NUL, which no argument can have.
                    let bytes: Vec<_> = (0..self.below(6))
                        .map(|_| 1 + self.below(255) as u8)
                        .collect();
                    arguments.push(OsStr::from_bytes(&bytes).to_owned());
                }
            }
        }
        // These commands would not end otherwise.
        match subcommand {
            "watch" => arguments.push("--count=1".into()),
            "top" => arguments.extend(["--batch".into(), "--count=1".into()]),
            _ => {}
        }
        arguments
    }

    /// A standard stream, and a redirection for the shell that starts the command.
    fn stream(&mut self, number: u8) -> (Stdio, String) {
        let plain = String::new();
        match self.below(6) {
            0 => (Stdio::null(), format!("{number}>&-")),
            1 | 2 => (full(), plain),
            3 => {
                let (reader, writer) = std::io::pipe().unwrap();
                drop(reader);
                (writer.into(), plain)
            }
            _ => (Stdio::null(), plain),
        }
    }
}

/// Returns the commands that the help lists, less the tester, which changes the module's state.
fn commands_of(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|&command| command != "test")
        .collect()
}

/// Runs the program this number of times.
pub fn run(program: &str, directory: &Path, times: usize) {
    let help = Command::new(program).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let mut subcommands = commands_of(&help);
    assert!(
        subcommands.contains(&"stats") && subcommands.contains(&"help"),
        "{help}"
    );
    subcommands.extend(OTHER_SUBCOMMANDS);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for run in 0..times {
        let arguments = random.arguments(&subcommands, directory);
        let (stdout, first) = random.stream(1);
        let (stderr, second) = random.stream(2);
        let input = if random.below(4) == 0 { "0<&-" } else { "" };
        let script = format!("exec \"$0\" \"$@\" {input} {first} {second}");
        let status = Command::new("/bin/sh")
            .args(["-c", &script, program])
            .args(&arguments)
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .status()
            .unwrap();
        let is_documented = status.code().is_some_and(|code| (0..=5).contains(&code));
        assert!(
            is_documented,
            "run {run}: {status} of {arguments:?}, {script}"
        );
    }
}
