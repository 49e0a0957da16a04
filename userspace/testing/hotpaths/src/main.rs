// SPDX-License-Identifier: GPL-2.0-only

//! Compares the writes and calls on the hot paths of a module with a list of those that they may
//! have, each with its reason. Prints TAP.
//!
//! The list has a line with the name of each function, and below it, indented, a line "effect #
//! reason" for each kind of instruction or call.

mod code;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::code::Module;

/// Lists the effects of functions of a module and of all functions that these call in it: writes to
/// memory that is neither the stack nor per-CPU, and calls out of the module. Compares them with a
/// list
#[derive(Parser)]
struct Cli {
    /// Write the list. A new effect has no reason yet, and fails until it gets one
    #[arg(long)]
    update: bool,

    /// Do not follow this function, given by the end of its name
    #[arg(long, value_name = "FUNCTION")]
    skip: Vec<String>,

    module: PathBuf,
    list: PathBuf,

    /// Functions to begin with, by the ends of their names
    #[arg(required = true, value_name = "FUNCTION")]
    functions: Vec<String>,
}

/// The allowed effects of each function, with their reasons.
type List = BTreeMap<String, BTreeMap<String, String>>;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("hotpaths: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<bool> {
    let data =
        fs::read(&cli.module).with_context(|| format!("cannot read {}", cli.module.display()))?;
    let found = Module::parse(&data)
        .and_then(|module| module.walk(&cli.functions, &cli.skip))
        .with_context(|| cli.module.display().to_string())?;
    let text = fs::read_to_string(&cli.list)
        .with_context(|| format!("cannot read {}", cli.list.display()))?;
    let (head, expected) = parse(&text)?;
    if cli.update {
        fs::write(&cli.list, head + &write(&found, &expected))
            .with_context(|| format!("cannot write {}", cli.list.display()))?;
        return Ok(true);
    }
    let (tap, passed) = compare(&found, &expected);
    print!("{tap}");
    Ok(passed)
}

/// Parses a list. Returns also the comment at its beginning.
fn parse(text: &str) -> Result<(String, List)> {
    let mut head = String::new();
    let mut list = List::new();
    let mut function = None;
    for line in text.lines() {
        if let Some(entry) = line.strip_prefix("    ") {
            let (what, why) = entry.split_once(" #").unwrap_or((entry, ""));
            let function: &mut BTreeMap<_, _> = match &function {
                Some(name) => list.entry(String::clone(name)).or_default(),
                None => bail!("{what} belongs to no function"),
            };
            function.insert(what.trim().to_owned(), why.trim().to_owned());
        } else if line.starts_with('#') {
            head += line;
            head.push('\n');
        } else if !line.is_empty() {
            list.entry(line.to_owned()).or_default();
            function = Some(line.to_owned());
        }
    }
    Ok((head, list))
}

/// Formats a list of the effects that were found, with the reasons of an earlier one.
fn write(found: &BTreeMap<String, BTreeSet<String>>, earlier: &List) -> String {
    let mut text = String::new();
    for (function, entries) in found {
        let _ = writeln!(text, "\n{function}");
        for what in entries {
            let why = earlier
                .get(function)
                .and_then(|entries| entries.get(what))
                .map_or("", String::as_str);
            let _ = writeln!(text, "{}", format!("    {what:35} # {why}").trim_end());
        }
    }
    text
}

/// Compares the effects that were found with a list, as a test for each function.
fn compare(found: &BTreeMap<String, BTreeSet<String>>, expected: &List) -> (String, bool) {
    let functions: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let mut tap = String::new();
    let mut failed = false;
    for (index, &function) in functions.iter().enumerate() {
        let mut problems = Vec::new();
        let none = BTreeMap::new();
        let listed = expected.get(function).unwrap_or_else(|| {
            problems.push("is not in the list".to_owned());
            &none
        });
        match found.get(function) {
            None => problems.push("is in the list, but no longer on the paths".to_owned()),
            Some(entries) => {
                for what in entries {
                    match listed.get(what).map(String::as_str) {
                        None => problems.push(format!("new: {what}")),
                        Some("") => problems.push(format!("without a reason: {what}")),
                        Some(_) => {}
                    }
                }
                for what in listed.keys().filter(|&what| !entries.contains(what)) {
                    problems.push(format!("gone: {what}"));
                }
            }
        }
        let not = if problems.is_empty() { "" } else { "not " };
        failed |= !problems.is_empty();
        let _ = writeln!(tap, "{not}ok {} - {function}", index + 1);
        for problem in problems {
            let _ = writeln!(tap, "# {problem}");
        }
    }
    let _ = writeln!(tap, "1..{}", functions.len());
    (tap, !failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# Head\n\n\
        a\n    calls b            # why not\n    lock dec 4 bytes +0x8\n\n\
        c\n    mov 1 byte         # a flag\n";

    fn found(functions: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        let owned = |entries: &[&str]| entries.iter().map(|&entry| entry.to_owned()).collect();
        functions
            .iter()
            .map(|&(name, entries)| (name.to_owned(), owned(entries)))
            .collect()
    }

    #[test]
    fn a_list_survives_being_written() {
        let (head, list) = parse(LIST).unwrap();
        assert_eq!(head, "# Head\n");
        assert_eq!(list["a"]["calls b"], "why not");
        assert_eq!(list["a"]["lock dec 4 bytes +0x8"], "");
        let same = found(&[
            ("a", &["calls b", "lock dec 4 bytes +0x8"]),
            ("c", &["mov 1 byte"]),
        ]);
        assert_eq!(parse(&write(&same, &list)).unwrap().1, list);
    }

    #[test]
    fn differences_are_named() {
        let (_, list) = parse(LIST).unwrap();
        let now = found(&[("a", &["calls b", "mov 8 bytes"]), ("d", &[])]);
        let (tap, passed) = compare(&now, &list);
        assert!(!passed);
        assert_eq!(
            tap,
            "not ok 1 - a\n# new: mov 8 bytes\n# gone: lock dec 4 bytes +0x8\n\
             not ok 2 - c\n# is in the list, but no longer on the paths\n\
             not ok 3 - d\n# is not in the list\n1..3\n"
        );
    }

    #[test]
    fn everything_needs_a_reason() {
        let (_, mut list) = parse(LIST).unwrap();
        let same = found(&[
            ("a", &["calls b", "lock dec 4 bytes +0x8"]),
            ("c", &["mov 1 byte"]),
        ]);
        assert!(
            compare(&same, &list)
                .0
                .contains("# without a reason: lock dec")
        );
        for reasons in list.values_mut() {
            reasons.values_mut().for_each(|why| *why = "so".to_owned());
        }
        assert!(compare(&same, &list).1);
    }
}
