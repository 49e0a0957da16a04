// SPDX-License-Identifier: GPL-2.0-only

//! Arguments of the `ps` of procps, and those that this one has as well.

use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procmonctl"));
    command
        .args(arguments)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn arguments_of_procps_have_an_answer() {
    for (arguments, line) in [
        (&["ps", "aux"][..], "procmonctl ps -o user,pid,cpu,"),
        (&["ps", "-ef"], "procmonctl ps -o user,pid,ppid,"),
        (
            &["--json", "ps", "axo", "pid,cmd"],
            "procmonctl ps --json -o pid,args",
        ),
    ] {
        let output = run(arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(
            message.contains("arguments of the ps of procps"),
            "{message}"
        );
        assert!(message.contains(line), "{message}");
    }
    for other in [&["ps", "--nonsense"][..], &["top", "aux"]] {
        let output = run(other);
        assert_eq!(output.status.code(), Some(2));
        assert!(!text(&output.stderr).contains("procps"), "{other:?}");
    }
    assert_eq!(run(&["ps", "-eA", "--help"]).status.code(), Some(0));
}
