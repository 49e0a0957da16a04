// SPDX-License-Identifier: GPL-2.0-only

//! The look of the screen: its colours and characters.

use std::fs;

use fixture::shared;
use fixture::terminal::Terminal;

use super::{colors, titles};

/// The environment chooses characters and colours.
#[test]
fn top_on_other_terminals() {
    let _kernel = shared();
    let run = |environment: &str, options: &str| {
        let command = format!("{environment} exec procmonctl top -n 3 -d 0.1 --tree {options}");
        let mut top = Terminal::start(&["/bin/sh", "-c", &command], 30, 100);
        assert_eq!(top.end(), 0, "{command}");
        std::mem::take(&mut top.output)
    };
    let has_bytes =
        |output: &[u8], bytes: &[u8]| output.windows(bytes.len()).any(|part| part == bytes);
    assert!(run("LANG=C", "").is_ascii());
    assert!(run("LC_ALL=POSIX", "").is_ascii());
    assert!(run("", "--ascii").is_ascii());
    let utf8 = run("", "");
    assert!(!utf8.is_ascii());
    // TERM is that of a terminal with 256 colours.
    assert!(has_bytes(&utf8, b"38;5;") && !has_bytes(&utf8, b"38;2;"));
    assert!(has_bytes(&run("COLORTERM=truecolor", ""), b"38;2;"));
    assert!(!has_bytes(
        &run("COLORTERM=truecolor", "--theme light"),
        b"38;2;"
    ));
    assert_eq!(colors(&run("", "--theme mono")), [] as [&str; 0]);
    assert_eq!(colors(&run("NO_COLOR=1", "")), [] as [&str; 0]);
    assert!(!colors(&run("NO_COLOR=1", "--theme light")).is_empty());
}

/// The screen is as the user's configuration file says, and as options say that go before it.
#[test]
fn top_with_a_configuration_file() {
    let _kernel = shared();
    let directory = "/tmp/configuration";
    fs::create_dir_all(format!("{directory}/procmon")).unwrap();
    let text = "[top]\ndelay = 1000\nhead = 'none'\nmouse = false\nread_only = true\n\
                tree = true\nascii = true\ncolumns = ['ppid', 'pid', 'comm']\nsort = 'pid'\n";
    fs::write(format!("{directory}/procmon/config.toml"), text).unwrap();
    let start = |options: &str| {
        let command = format!("XDG_CONFIG_HOME={directory} exec procmonctl top {options}");
        Terminal::start(&["/bin/sh", "-c", &command], 30, 100)
    };
    let has_branch = |line: &String| line.contains("+- ");

    let mut top = start("");
    top.wait_for("a table", |lines| {
        titles(lines) == Some(0) && lines[0].trim_start().starts_with("PPID")
    });
    top.wait_for("a tree", |lines| lines.iter().any(has_branch));
    top.press("k");
    top.wait_for("a refusal", |lines| lines[29].contains("--read-only"));
    assert!(top.output.is_ascii() && top.keeps_mouse());
    top.press("q");
    assert_eq!(top.end(), 0);

    let mut top = start("--head text --mouse --read-only=false --tree=false -o pid,comm");
    top.wait_for("a head", |lines| titles(lines) == Some(3));
    top.read_until("reports of the mouse", Terminal::reports_mouse);
    top.press("k");
    top.wait_for("signals", |lines| {
        lines.iter().any(|line| line.contains("SIGTERM"))
    });
    assert!(!top.lines().iter().any(has_branch));
    top.press("\x03");
    assert_eq!(top.end(), 0);
}
