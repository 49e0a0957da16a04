// SPDX-License-Identifier: GPL-2.0-only

//! Arguments of the `ps` of procps, which are answered by the command line of this one.

mod columns;

use std::ffi::{OsStr, OsString};
use std::vec::IntoIter;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::table::columns::Column;
use crate::text::printable_lines;

/// The columns of `ps u`, `ps -f` and `ps -l`, as far as there are such.
const USER_FORMAT: &str = "user,pid,cpu,mem,vsize,rss,tty,state,started,time,args";
const FULL_FORMAT: &str = "user,pid,ppid,started,tty,time,args";
const LONG_FORMAT: &str = "flags,state,uid,pid,ppid,nice,vsize,tty,time,comm";

/// Returns the command line for arguments that are meant for the `ps` of procps, or `None` if none
/// of them is, one of them has no counterpart, or a message cannot show one of them as it is.
pub fn translate(arguments: Vec<OsString>) -> Option<String> {
    let words = arguments
        .into_iter()
        .map(OsString::into_string)
        .collect::<Result<Vec<_>, _>>()
        .ok()?;
    if !words.iter().all(|word| is_visible(word)) {
        return None;
    }
    if !Line::parse(words.clone(), false)?.is_habit {
        return None;
    }
    // Now also for columns that stand before the word by which the line is a habit.
    Some(Line::parse(words, true)?.text())
}

/// Returns the arguments of the subcommand if that is `ps`: the global options before it and the
/// words behind it.
pub fn arguments(all: impl IntoIterator<Item = OsString>) -> Option<Vec<OsString>> {
    let mut words = all.into_iter().skip(1);
    let mut arguments = Vec::new();
    loop {
        let word = words.next()?;
        if word == "ps" {
            arguments.extend(words);
            return Some(arguments);
        }
        let has_value = word == "--device";
        if !has_value && word != "--json" && !starts_with(&word, "--device=") {
            return None;
        }
        arguments.push(word);
        if has_value {
            arguments.push(words.next()?);
        }
    }
}

/// Whether a message shows a word as it is.
fn is_visible(word: &str) -> bool {
    !word.contains(char::is_control) && printable_lines(word.as_bytes()) == word
}

/// Returns the long options of `ps` that take a value, which is not to be taken for letters.
fn options_with_value() -> Vec<String> {
    let mut command = Cli::command();
    // The subcommand has the global options from here on.
    command.build();
    let ps = command.find_subcommand("ps").into_iter();
    ps.flat_map(clap::Command::get_opts)
        .filter(|option| !option.is_require_equals_set())
        .filter_map(|option| Some(format!("--{}", option.get_long()?)))
        .collect()
}

fn starts_with(word: &OsStr, start: &str) -> bool {
    word.as_encoded_bytes().starts_with(start.as_bytes())
}

/// The command line so far.
#[derive(Default)]
struct Line {
    options: Vec<String>,
    /// The columns of a format, if none are named.
    format: Option<&'static str>,
    has_columns: bool,
    /// Whether anything in it is none of this command.
    is_habit: bool,
    /// The long options that take a value.
    with_value: Vec<String>,
}

impl Line {
    /// Parses words, in a line that is a habit already or not.
    fn parse(words: Vec<String>, is_habit: bool) -> Option<Self> {
        let mut line = Self {
            is_habit,
            with_value: options_with_value(),
            ..Self::default()
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            // The letter is one of this command, which takes states, whereas -s of procps takes
            // sessions.
            if word.starts_with("--") || word == "-s" {
                line.long(word, &mut words)?;
            } else if let Some(letters) = word.strip_prefix('-') {
                // As procps does, unless there is a user with such a name.
                let is_without_dash = letters.starts_with('a') && letters.contains('u');
                line.cluster(letters, is_without_dash, &mut words)?;
            } else if word.starts_with(|c: char| c.is_ascii_digit()) {
                line.is_habit = true;
                line.push(["-p", &word]);
            } else {
                line.is_habit = true;
                line.cluster(&word, true, &mut words)?;
            }
        }
        Some(line)
    }

    fn push<const N: usize>(&mut self, words: [&str; N]) {
        self.options.extend(words.map(quoted));
    }

    /// Adds an option of this command, which procps may have as well.
    fn long(&mut self, word: String, words: &mut IntoIter<String>) -> Option<()> {
        if word == "--forest" {
            self.is_habit = true;
            self.push(["--tree"]);
            return Some(());
        }
        let (name, value) = match word.split_once('=') {
            // A switch takes a value in its own word only, as in --tree=false.
            Some((name, value)) if self.with_value.iter().any(|other| other == name) => {
                (name.to_owned(), Some(value.to_owned()))
            }
            None if word == "-s" || self.with_value.contains(&word) => (word, Some(words.next()?)),
            _ => (word, None),
        };
        match (&*name, value) {
            ("--sort", Some(keys)) => {
                let key = self.sort(&keys)?;
                self.push(["--sort", &key]);
            }
            (name, Some(value)) => self.push([name, &value]),
            (name, None) => self.push([name]),
        }
        Some(())
    }

    /// Adds letters: those that BSD has without a dash, or others. The last one may take a value,
    /// which is the rest of the word or the next one.
    fn cluster(&mut self, letters: &str, is_bsd: bool, words: &mut IntoIter<String>) -> Option<()> {
        for (place, letter) in letters.char_indices() {
            let option = match (letter, is_bsd) {
                ('o' | 'O', _) => "-o",
                ('k', true) => "--sort",
                ('p' | 'q', _) => "-p",
                ('u', false) | ('U', _) => "-u",
                ('C', false) => "-C",
                ('c', false) => "-c",
                _ => {
                    self.letter(letter, is_bsd)?;
                    continue;
                }
            };
            let rest = &letters[place + letter.len_utf8()..];
            let value = match rest {
                "" => words.next()?,
                rest => rest.to_owned(),
            };
            return self.value(option, &value);
        }
        Some(())
    }

    /// Adds a letter that takes no value.
    fn letter(&mut self, letter: char, is_bsd: bool) -> Option<()> {
        let is_own = !is_bsd && matches!(letter, 'e' | 'A' | 'K' | 'T');
        self.is_habit |= !is_own;
        match (letter, is_bsd) {
            // All processes, wide lines, and no lines of titles or environment.
            ('a' | 'x' | 'e' | 'w', _) | ('g' | 'c', true) | ('A' | 'd' | 'y', false) => {}
            ('u', true) => self.format = Some(USER_FORMAT),
            ('f' | 'F', false) => self.format = Some(FULL_FORMAT),
            ('l', _) => self.format = Some(LONG_FORMAT),
            ('f', true) | ('H', false) => self.push(["--tree"]),
            ('m', _) | ('H', true) | ('L' | 'T', false) => self.push(["-T"]),
            ('K', false) => self.push(["-K"]),
            ('r', true) => self.push(["-s", "R"]),
            _ => return None,
        }
        Some(())
    }

    fn value(&mut self, option: &str, value: &str) -> Option<()> {
        match option {
            "-o" => {
                let names = value.split([',', ' ']).filter(|name| !name.is_empty());
                let names: Option<Vec<_>> = names.map(|name| self.column(name)).collect();
                self.push(["-o", &names?.join(",")]);
                self.has_columns = true;
            }
            "--sort" => {
                let key = self.sort(value)?;
                self.push(["--sort", &key]);
            }
            _ => self.push([option, value]),
        }
        Some(())
    }

    /// Returns the first one of several keys, with its sign.
    fn sort(&mut self, keys: &str) -> Option<String> {
        let first = keys.split(',').next()?;
        let name = first.trim_start_matches(['+', '-']);
        let sign = if first.starts_with('-') { "-" } else { "" };
        Some(format!("{sign}{}", self.column(name)?))
    }

    /// Returns the column that has this name, which a title may follow, in procps or here.
    fn column(&mut self, name: &str) -> Option<&'static str> {
        let (name, title) = name
            .split_once('=')
            .map_or((name, None), |(name, title)| (name, Some(title)));
        self.is_habit |= title.is_some();
        if let Some(key) = columns::of_both(name).filter(|_| self.is_habit) {
            return Some(key);
        }
        if let Some(column) = Column::by_key(name) {
            return Some(column.key);
        }
        self.is_habit = true;
        columns::of_procps(name)
    }

    fn text(mut self) -> String {
        if let Some(format) = self.format.filter(|_| !self.has_columns) {
            self.push(["-o", format]);
        }
        [&["procmonctl ps".to_owned()], &self.options[..]]
            .concat()
            .join(" ")
    }
}

/// Quotes a word for the shell, if it has to be.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ",._/+=:@%-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests;
