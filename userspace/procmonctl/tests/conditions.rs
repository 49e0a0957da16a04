// SPDX-License-Identifier: GPL-2.0-only

//! Conditions that are refused before any process is looked at.

use std::process::{Command, Stdio};

#[test]
fn a_unit_that_does_not_fit_is_a_wrong_argument() {
    for arguments in [
        &["ps", "--where", "rss > 5min"][..],
        &["top", "--batch", "--where", "rss > 5min"],
        &["ps", "--where", "rss > 1M", "--where", "rss > 5min"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_procmonctl"))
            .args(arguments)
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(output.stdout.is_empty());
        for part in [
            "invalid value 'rss > 5min' for '--where <CONDITION>'",
            "the unit \"min\" does not fit rss, which is a number of bytes: K, M, G, T and P do",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
}
