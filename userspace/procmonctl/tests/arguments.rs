// SPDX-License-Identifier: GPL-2.0-only

//! The command itself, without the module: see the guest tests for the rest.

mod common;

use std::fs;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_procmonctl");

#[test]
fn no_arguments_and_no_streams_make_it_panic() {
    let directory = tempfile::tempdir().unwrap();
    common::run(PROGRAM, directory.path(), 400);
}

#[test]
fn the_status_counts_if_messages_cannot_be_written() {
    let status = |arguments: &[&str]| {
        let status = Command::new(PROGRAM)
            .args(arguments)
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .stderr(common::full())
            .stdout(Stdio::null())
            .status();
        status.unwrap().code()
    };
    assert_eq!(status(&["--device", "/nonexistent", "ps"]), Some(3));
    assert_eq!(status(&["--nonsense"]), Some(2));
    assert_eq!(status(&["query"]), Some(2));
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["ps", "--help"],
        &["completions", "zsh"],
    ] {
        common::fails_without_space(PROGRAM, arguments);
    }
}

/// man(1) formats each page without a warning.
#[test]
fn manual_pages_are_sound() {
    let directory = tempfile::tempdir().unwrap();
    let status = Command::new(PROGRAM)
        .arg("man")
        .arg(directory.path())
        .status();
    assert!(status.unwrap().success());
    for file in fs::read_dir(directory.path()).unwrap() {
        let path = file.unwrap().path();
        let groff = Command::new("groff")
            .args(["-man", "-Tutf8", "-wall", "-z"])
            .arg(&path)
            .output();
        let output = groff.expect("groff is there, as it is in the build root");
        assert!(output.status.success());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, "", "{}", path.display());
    }
}
