// SPDX-License-Identifier: GPL-2.0-only

//! The configuration file: defaults for options of `ps` and `top`.
//!
//! Each key is the ID of an option, and its values go through the parser of that. What the file
//! sets becomes the option's default, so that the command line goes before it.

mod example;
mod file;
mod parse;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command, value_parser};

pub use example::example;
pub use file::path;

/// The section of the manual.
pub const MANUAL: &str = "\
Configuration:
The file config.toml in $XDG_CONFIG_HOME/procmon, or else in ~/.config/procmon, sets defaults for \
options of ps and top; \"procmonctl config\" prints an example. An option that switches something \
on takes \"=false\" as well, as in --tree=false, which takes back what the file says. Where output \
is for programs (--json, --csv and top --batch), the file is not read unless --config names it.";

/// The tables of the file, by the names of their commands.
const TABLES: [&str; 2] = ["ps", "top"];

/// The keys, in the order of the example. A table has those whose command has the option.
const KEYS: [Key; 14] = [
    Key("columns", Kind::List),
    Key("sort", Kind::Text),
    Key("tree", Kind::Flag),
    Key("threads", Kind::Flag),
    Key("group_by", Kind::Text),
    Key("no_kernel_threads", Kind::Flag),
    Key("source", Kind::Text),
    Key("ascii", Kind::Flag),
    Key("delay", Kind::Number),
    Key("theme", Kind::Text),
    Key("head", Kind::Text),
    Key("mouse", Kind::Flag),
    Key("read_only", Kind::Flag),
    Key("transient", Kind::Flag),
];

/// A key: the ID of an option, and the form of its value.
#[derive(Clone, Copy, Debug)]
struct Key(&'static str, Kind);

/// The form of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Flag,
    Number,
    Text,
    List,
}

/// Returns the keys of a table, with the options of its command.
fn options(command: &Command) -> impl Iterator<Item = (Key, &Arg)> {
    KEYS.into_iter().filter_map(|key| {
        let mut options = command.get_arguments();
        Some((key, options.find(|option| option.get_id() == key.0)?))
    })
}

/// Lets a flag that the file may set take `=false`, which takes back what the file says.
pub fn switch(option: Arg) -> Arg {
    let is_flag = |Key(key, kind)| option.get_id() == key && kind == Kind::Flag;
    if !KEYS.into_iter().any(is_flag) {
        return option;
    }
    let id = option.get_id().clone();
    let default = option.get_default_values().first().cloned();
    option
        .action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .value_name("BOOL")
        .value_parser(value_parser!(bool))
        .default_missing_value("true")
        .hide_default_value(default.is_none())
        .default_value(default.unwrap_or_else(|| "false".into()))
        .hide_possible_values(true)
        .overrides_with(id)
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the configuration file {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}:{line}:{column}: {message}", path.display())]
    Invalid {
        path: PathBuf,
        line: usize,
        column: usize,
        message: String,
    },
}

/// The settings of a file.
#[derive(Debug, Default, PartialEq)]
pub struct Config {
    settings: Vec<Setting>,
}

#[derive(Debug, PartialEq)]
struct Setting {
    table: &'static str,
    key: &'static str,
    values: Vec<String>,
}

impl Config {
    /// Reads a file. `command` is the command line, with the options.
    pub fn read(path: &Path, command: &Command) -> Result<Self, Error> {
        let bytes = file::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        parse::parse(&bytes, command).map_err(|fault| {
            let (line, column) = fault.position(&bytes);
            Error::Invalid {
                path: path.to_owned(),
                line,
                column,
                message: fault.message,
            }
        })
    }

    /// Reads the user's file, if there is one.
    pub fn read_default(command: &Command) -> Result<Option<Self>, Error> {
        match path().filter(|path| !file::is_absent(path)) {
            Some(path) => Self::read(&path, command).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the command line with these settings as the defaults of its options.
    pub fn set_defaults(self, mut command: Command) -> Command {
        for Setting { table, key, values } in self.settings {
            command = command.mut_subcommand(table, |subcommand| {
                subcommand.mut_arg(key, |option| option.default_values(values))
            });
        }
        command
    }
}
