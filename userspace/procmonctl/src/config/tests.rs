// SPDX-License-Identifier: GPL-2.0-only

//! Tests of the configuration file.

use std::ffi::OsString;
use std::fs;

use super::*;
use crate::cli::Cli;

fn parse(text: &str) -> Result<Config, parse::Fault> {
    parse::parse(text.as_bytes(), &Cli::described())
}

fn setting(table: &'static str, key: &'static str, values: &[&str]) -> Setting {
    let values = values.iter().map(ToString::to_string).collect();
    Setting { table, key, values }
}

/// Returns the default of each key, as the options have them.
fn defaults() -> Vec<Setting> {
    let command = Cli::described();
    let mut defaults = Vec::new();
    for table in TABLES {
        let subcommand = command.find_subcommand(table).unwrap();
        for (Key(key, _), option) in options(subcommand) {
            let values = option.get_default_values().iter();
            let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
            defaults.push(setting(table, key, &values));
        }
    }
    defaults
}

fn sorted(mut settings: Vec<Setting>) -> Vec<Setting> {
    settings.sort_by_key(|setting| (setting.table, setting.key));
    settings
}

#[test]
fn each_key_is_an_option_with_a_default() {
    let command = Cli::described();
    let top = options(command.find_subcommand("top").unwrap()).map(|(key, _)| key.0);
    assert_eq!(top.collect::<Vec<_>>(), KEYS.map(|key| key.0));
    let ps = options(command.find_subcommand("ps").unwrap()).map(|(key, _)| key.0);
    assert_eq!(
        ps.collect::<Vec<_>>(),
        KEYS[..8].iter().map(|key| key.0).collect::<Vec<_>>()
    );
    for Setting { key, values, .. } in defaults() {
        assert!(!values.concat().is_empty(), "{key}");
    }
}

#[test]
fn the_example_has_the_defaults() {
    let example = example(&Cli::described());
    assert_eq!(parse(&example).unwrap(), Config::default());
    assert!(example.lines().all(|line| line.len() <= 100), "{example}");
    // Prose has a space behind the mark.
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => setting,
        _ => line,
    });
    let all = lines.collect::<Vec<_>>().join("\n");
    assert_eq!(sorted(parse(&all).unwrap().settings), sorted(defaults()));
    for values in [
        "\n# One of auto, default, dark-256, ",
        "\n# One of full, bars, text, none\n",
        "\n# One of module, proc, auto\n",
    ] {
        assert!(example.contains(values), "{values}: {example}");
    }
    assert!(example.contains("#delay = 1\n") && example.contains("#sort = \"-cpu\"\n"));
}

#[test]
fn values_have_their_forms() {
    for (text, expected) in [
        ("delay = 2", "2"),
        ("delay = 1_000", "1000"),
        ("delay = 0x10", "16"),
        ("delay = 0.25", "0.25"),
        ("delay = 5e-1", "5e-1"),
        ("sort = '-rss'", "-rss"),
        ("tree = true", "true"),
        ("mouse = false", "false"),
        ("theme = \"dark-256\"", "dark-256"),
        ("head = 'none'", "none"),
        ("source = 'auto'", "auto"),
    ] {
        let settings = parse(&format!("[top]\n{text}")).unwrap().settings;
        assert_eq!(settings.len(), 1, "{text}");
        assert_eq!(settings[0].values, [expected], "{text}");
    }
    let columns = parse("ps.columns = [\n 'pid', # and\n 'args' ]").unwrap();
    assert_eq!(
        columns.settings,
        [setting("ps", "columns", &["pid", "args"])]
    );
}

#[test]
fn faults_are_told_with_their_places() {
    for (text, place, messages) in [
        ("tree = true", (1, 1), &["\"tree\"", "[ps], [top]"][..]),
        ("ps = 1", (1, 1), &["\"ps\"", "[ps], [top]"]),
        ("[pss]", (1, 2), &["\"pss\"", "[ps], [top]"]),
        (
            "[ps]\ntree = true\n  delay = 1",
            (3, 3),
            &["unknown key \"delay\" in [ps], which has columns, sort, tree, "],
        ),
        (
            "[top]\ntree = 'yes'",
            (2, 8),
            &["'yes' is no value of tree", "true or false"],
        ),
        (
            "[top]\ndelay = '1'",
            (2, 9),
            &["'1' is no value of delay", "a number"],
        ),
        (
            "[top]\ndelay = 0",
            (2, 9),
            &[
                "\"0\" is no value of delay",
                "a number of seconds from 0.01",
            ],
        ),
        (
            "[top]\ndelay = nan",
            (2, 9),
            &["\"nan\" is no value of delay"],
        ),
        (
            "[ps]\nsort = 7",
            (2, 8),
            &["7 is no value of sort", "a string"],
        ),
        (
            "[ps]\nsort = '-cpuu'",
            (2, 8),
            &["\"-cpuu\" is no value of sort: there is no column \"cpuu\"; there are pid, "],
        ),
        (
            "# Größe\n[top]\ncolumns = ['ä', 'pid',\n  'cpuu']",
            (3, 12),
            &["\"ä\" is no value of columns: expected one of pid, tgid, "],
        ),
        (
            "[top]\ncolumns = [\n  'pid', 'cpuu']",
            (3, 10),
            &["\"cpuu\" is no value of columns: did you mean \"cpu\"? Expected one of pid, "],
        ),
        (
            "[ps]\ncolumns = ['pid,cpu']",
            (2, 12),
            &["\"pid,cpu\" is no value"],
        ),
        (
            "[ps]\ncolumns = []",
            (2, 11),
            &["[] is no value of columns", "an array"],
        ),
        (
            "[ps]\ncolumns = 'pid'",
            (2, 11),
            &["'pid' is no value of columns", "an array"],
        ),
        (
            "[ps]\ncolumns = ['pid', 1]",
            (2, 11),
            &["an array of one string or more"],
        ),
        (
            "[top]\ntheme = 'black'",
            (2, 9),
            &[
                "\"black\" is no value of theme: ",
                "expected one of auto, default, ",
            ],
        ),
        (
            "[top]\nhead = 'half'",
            (2, 8),
            &["expected one of full, bars, text, none"],
        ),
        (
            "[top]\nsource = ''",
            (2, 10),
            &["\"\" is no value of source: "],
        ),
        ("[ps]\ntree = true\ntree = true", (3, 1), &["duplicate key"]),
        ("[ps]\ntree", (2, 5), &[]),
        ("[ps", (1, 4), &[]),
    ] {
        let fault = parse(text).unwrap_err();
        assert_eq!(fault.position(text.as_bytes()), place, "{text}: {fault:?}");
        for message in messages {
            assert!(fault.message.contains(message), "{text}: {}", fault.message);
        }
    }
    let bytes = b"[ps]\n# \xff";
    let fault = parse::parse(bytes, &Cli::described()).unwrap_err();
    assert_eq!(fault.position(bytes), (2, 3));
}

#[test]
fn files_of_other_kinds_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let message = |path: &Path| file::read(path).unwrap_err().to_string();
    assert_eq!(message(directory.path()), "not a regular file");
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(message(&fifo), "not a regular file");
    assert_eq!(message(Path::new("/dev/zero")), "not a regular file");
    assert!(file::read(Path::new("/dev/null")).unwrap().is_empty());

    let large = directory.path().join("large");
    fs::write(&large, "#".repeat(64 << 10)).unwrap();
    assert_eq!(file::read(&large).unwrap().len(), 64 << 10);
    fs::write(&large, "#".repeat((64 << 10) + 1)).unwrap();
    assert_eq!(message(&large), "larger than 64 KiB");

    for absent in ["/nonexistent/x", "/dev/null/x"] {
        assert!(file::is_absent(Path::new(absent)), "{absent}");
    }
    assert!(!file::is_absent(&fifo));
}

/// Returns the value of an option for a command line with a file.
fn value<T: Clone + Send + Sync + 'static>(text: &str, line: &str, option: &str) -> Vec<T> {
    let command = parse(text).unwrap().set_defaults(Cli::described());
    let words = line.split_whitespace().map(OsString::from);
    let matches = command.try_get_matches_from(words).unwrap();
    let (_, matches) = matches.subcommand().unwrap();
    matches.get_many(option).unwrap().cloned().collect()
}

#[test]
fn options_go_before_the_file_and_the_file_before_defaults() {
    use crate::table::columns::Column;
    use crate::table::order::Order;

    let keys = |text: &str, line: &str| -> Vec<_> {
        let columns = value::<&Column>(text, line, "columns").into_iter();
        columns.map(|column| column.key).collect()
    };
    let file = "[ps]\ncolumns = ['comm', 'pid']\nsort = '-rss'";
    assert_eq!(keys(file, "procmonctl ps"), ["comm", "pid"]);
    assert_eq!(keys(file, "procmonctl ps -o cpu,pid"), ["cpu", "pid"]);
    assert_eq!(keys(file, "procmonctl top"), crate::top::state::COLUMNS);
    let order = |line| value::<Order>(file, line, "sort")[0];
    for (line, expected) in [
        ("procmonctl ps", "-rss"),
        ("procmonctl ps --sort pid", "pid"),
        ("procmonctl top", "-cpu"),
    ] {
        assert_eq!(order(line), Order::parse(expected).unwrap(), "{line}");
    }

    let on = "[top]\ntree = true\nthreads = true\nno_kernel_threads = true\nascii = true\n\
              read_only = true\ntransient = true";
    let off = "[top]\nmouse = false";
    for (key, arguments) in [
        ("tree", &["--tree"][..]),
        ("threads", &["--threads", "-T", "-KT"]),
        ("no_kernel_threads", &["--no-kernel-threads", "-K", "-TK"]),
        ("ascii", &["--ascii"]),
        ("read_only", &["--read-only"]),
        ("transient", &["--transient", "-E", "-KE"]),
        ("mouse", &["--mouse"]),
    ] {
        let is_on = |text: &str, argument: &str| {
            let line = format!("procmonctl top {argument}");
            value::<bool>(text, &line, key) == [true]
        };
        let default = key == "mouse";
        assert_eq!(is_on("", ""), default, "{key}");
        assert_eq!(is_on(if default { off } else { on }, ""), !default, "{key}");
        let long = arguments[0];
        for text in [on, off, ""] {
            for argument in arguments {
                assert!(is_on(text, argument), "{argument}");
            }
            assert!(is_on(text, &format!("{long}=true")), "{long}");
            assert!(!is_on(text, &format!("{long}=false")), "{long}");
            // The last one counts, as with an alias of the shell.
            assert!(!is_on(text, &format!("{long} {long}=false")), "{long}");
            assert!(is_on(text, &format!("{long}=false {long}")), "{long}");
        }
    }
}
