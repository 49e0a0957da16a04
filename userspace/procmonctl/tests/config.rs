// SPDX-License-Identifier: GPL-2.0-only

//! The configuration file, of users and by `--config`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;

/// A user's configuration.
struct User(TempDir);

impl User {
    fn new(text: &str) -> Self {
        let user = Self(tempfile::tempdir().unwrap());
        fs::create_dir(user.0.path().join("procmon")).unwrap();
        fs::write(user.file(), text).unwrap();
        user
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("procmon/config.toml")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = command(arguments);
        command.env("XDG_CONFIG_HOME", self.0.path());
        command.output().unwrap()
    }

    /// Returns the output of a command that succeeds without a message.
    fn output_of(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let messages = text(&output.stderr);
        assert_eq!((output.status.code(), messages), (Some(0), ""));
        text(&output.stdout).to_owned()
    }

    /// Returns the messages of a command that is used wrongly.
    fn refusal_of(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let messages = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {messages}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        messages.to_owned()
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procmonctl"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Returns the titles of a table.
fn titles(table: &str) -> Vec<&str> {
    let is_titles = |line: &&str| line.split_whitespace().any(|word| word == "PID");
    table
        .lines()
        .find(is_titles)
        .unwrap()
        .split_whitespace()
        .collect()
}

const TOP: [&str; 7] = ["top", "--batch", "-n", "1", "--delay", "0.01", "-p1"];

#[test]
fn the_file_is_for_people() {
    let user = User::new(
        "[ps]\ncolumns = ['comm', 'pid']\nsource = 'proc'\nthreads = true\n\
         [top]\ncolumns = ['ppid', 'pid']\nsource = 'proc'\n",
    );
    let own = std::process::id().to_string();
    let (end, ended) = mpsc::channel::<()>();
    let thread = thread::spawn(move || ended.recv());
    let table = user.output_of(&["ps", "-p", &own]);
    assert_eq!(titles(&table), ["COMMAND", "PID"]);
    // The titles, the main thread and the other one.
    assert!(table.lines().count() > 2, "{table}");
    let comm = fs::read_to_string("/proc/self/comm").unwrap();
    let process = user.output_of(&["ps", "-p", &own, "--threads=false"]);
    let row: Vec<_> = process.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        (process.lines().count(), row),
        (2, vec![comm.trim_end(), &*own])
    );
    let table = user.output_of(&["ps", "-p", &own, "-o", "pid"]);
    assert_eq!(titles(&table), ["PID"]);

    // Nothing of it is in the output for programs.
    let with_source =
        |arguments: &[&str]| user.output_of(&[arguments, &["--source=proc"]].concat());
    let csv = with_source(&["ps", "--csv", "-p", &own]);
    assert!(
        csv.starts_with("pid,user,state,threads,cpu,rss,time,args\n"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 2, "{csv}");
    for line in [&["--json", "ps", "-p1"][..], &["ps", "--json", "-p1"]] {
        let json = with_source(line);
        assert!(
            json.contains("\"args\":") && !json.contains("\"comm\":"),
            "{json}"
        );
    }
    let table = with_source(&TOP);
    assert_eq!(
        titles(&table),
        [
            "PID", "USER", "NI", "S", "THR", "CPU%", "RSS", "TIME", "COMMAND"
        ]
    );
    // Unless a script asks for it.
    let file = user.file();
    let named = ["--config", file.to_str().unwrap()];
    let table = user.output_of(&[&TOP[..], &named].concat());
    assert_eq!(titles(&table), ["PPID", "CPU%", "PID"]);
    let csv = user.output_of(&[&["ps", "--csv", "-p1"][..], &named].concat());
    assert!(csv.starts_with("comm,pid\n"), "{csv}");
    drop(end);
    let _ = thread.join();
}

#[test]
fn another_file_and_none_can_be_named() {
    let user = User::new("[ps]\ncolumns = ['pid', 'ppid']");
    let arguments = ["ps", "--source", "proc", "-p1"];
    let with_file = |file: &str| user.output_of(&[&arguments[..], &["--config", file]].concat());
    assert_eq!(titles(&user.output_of(&arguments)), ["PID", "PPID"]);
    assert_eq!(titles(&with_file("/dev/null")).len(), 8);
    let empty = user.0.path().join("empty");
    fs::write(&empty, "").unwrap();
    assert_eq!(titles(&with_file(empty.to_str().unwrap())).len(), 8);
    let other = user.0.path().join("other");
    fs::write(&other, "ps.columns = ['pid']").unwrap();
    assert_eq!(titles(&with_file(other.to_str().unwrap())), ["PID"]);

    let missing = user.refusal_of(&["ps", "--config", "/nonexistent/file"]);
    assert!(
        missing.contains("cannot read the configuration file /nonexistent/file: No such file"),
        "{missing}"
    );
    fs::remove_file(user.file()).unwrap();
    assert_eq!(titles(&user.output_of(&arguments)).len(), 8);
}

/// Also what the command does not use has to be right.
#[test]
fn a_wrong_file_is_wrong_usage() {
    let user = User::new("[ps]\ntree = true\n\n[top]\nthemes = 'mono'\n");
    let place = format!("procmonctl: {}:5:1: ", user.file().display());
    let check = ["config", "--check"];
    for arguments in [&["ps", "--source", "proc"][..], &["top"], &check] {
        let message = user.refusal_of(arguments);
        assert!(message.starts_with(&place), "{message}");
        assert!(
            message.contains("unknown key \"themes\" in [top], which has "),
            "{message}"
        );
        assert!(message.contains(", theme, head, "), "{message}");
    }
    // Commands that take nothing from it go on.
    for arguments in [
        &["ps", "--help"][..],
        &["ps", "--source=proc", "--json"],
        &["config"],
        &["completions", "bash"],
    ] {
        user.output_of(arguments);
    }
    // What is in it cannot write to the terminal.
    fs::write(user.file(), "[\"\\u001b[2J\"]").unwrap();
    let message = user.refusal_of(&check);
    assert!(
        message.contains("\\u{1b}[2J") && !message.contains('\x1b'),
        "{message}"
    );
}

#[test]
fn odd_files_neither_block_nor_fill_memory() {
    let user = User::new("");
    fs::remove_file(user.file()).unwrap();
    nix::unistd::mkfifo(&user.file(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let file = user.file().into_os_string().into_string().unwrap();
    for (path, reason) in [
        (&*file, "not a regular file"),
        ("/dev/zero", "not a regular file"),
        ("/", "not a regular file"),
        ("/proc/self/exe", "larger than 64 KiB"),
    ] {
        let message = user.refusal_of(&["config", "--check", path]);
        assert!(
            message.ends_with(&format!(" {path}: {reason}\n")),
            "{message}"
        );
    }
    let message = user.refusal_of(&["ps"]);
    assert!(message.ends_with(": not a regular file\n"), "{message}");
}

#[test]
fn the_command_shows_paths_and_checks_files() {
    let user = User::new("[top]\ndelay = 2\n");
    let file = user.file().into_os_string().into_string().unwrap();
    assert_eq!(user.output_of(&["config", "--path"]), format!("{file}\n"));
    assert_eq!(
        user.output_of(&["config", "--check"]),
        format!("{file}: valid\n")
    );
    fs::remove_file(user.file()).unwrap();
    assert_eq!(
        user.output_of(&["config", "--check"]),
        format!("{file}: there is no such file in reach, so that the defaults count\n")
    );
    assert_eq!(
        user.output_of(&["config", "--check", "/dev/null"]),
        "/dev/null: valid\n"
    );
    // The example is a file, which sets nothing.
    let example = user.output_of(&["config"]);
    fs::write(user.file(), &example).unwrap();
    assert_eq!(
        user.output_of(&["config", "--check"]),
        format!("{file}: valid\n")
    );
    assert_eq!(
        titles(&user.output_of(&["ps", "--source=proc", "-p1"])).len(),
        8
    );

    let path = |home: &str, config: Option<&str>| {
        let mut command = command(&["config", "--path"]);
        command.env("HOME", home).env_remove("XDG_CONFIG_HOME");
        if let Some(config) = config {
            command.env("XDG_CONFIG_HOME", config);
        }
        text(&command.output().unwrap().stdout).to_owned()
    };
    assert_eq!(
        path("/home/x", None),
        "/home/x/.config/procmon/config.toml\n"
    );
    // The specification has relative paths ignored.
    assert_eq!(
        path("/home/x", Some("y")),
        "/home/x/.config/procmon/config.toml\n"
    );
    assert_eq!(path("/home/x", Some("/y")), "/y/procmon/config.toml\n");
    assert_eq!(path("x", None), "");
}

/// The value of a switch is in its own word.
#[test]
fn shells_complete_switches_without_a_value() {
    let user = User::new("");
    for shell in ["bash", "fish", "zsh"] {
        let script = user.output_of(&["completions", shell]);
        assert!(script.contains("no-kernel-threads"), "{shell}");
        for values in ["true false", "true\\t"] {
            assert!(!script.contains(values), "{shell}");
        }
    }
}
