// SPDX-License-Identifier: GPL-2.0-only

//! The example of a file, made of the options.

use clap::Command;
use textwrap::{Options, WordSplitter, fill};
use toml::Value;

use super::{Key, Kind, TABLES, options};

const WIDTH: usize = 80;

const HEAD: &str = "\
# Configuration of procmonctl, for ~/.config/procmon/config.toml.
#
# A key is that of an option of \"procmonctl ps\" or \"procmonctl top\", which goes before it.
# All keys are here with their defaults: remove the # before one to set it.
";

/// Returns a file that sets nothing, and has all keys with their defaults as comments.
pub fn example(command: &Command) -> String {
    let mut text = HEAD.to_owned();
    for table in TABLES {
        let subcommand = command
            .find_subcommand(table)
            .expect("each table has its command");
        text.push_str(&format!("\n[{table}]\n"));
        for (Key(name, kind), option) in options(subcommand) {
            let mut help = option
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            if kind != Kind::Flag {
                let values = option.get_possible_values();
                let values: Vec<_> = values.iter().map(|value| value.get_name()).collect();
                if !values.is_empty() {
                    help.push_str(&format!("\nOne of {}", values.join(", ")));
                }
            }
            let comment = Options::new(WIDTH)
                .initial_indent("# ")
                .subsequent_indent("# ")
                .word_splitter(WordSplitter::NoHyphenation);
            let defaults = option.get_default_values().iter();
            let defaults: Vec<_> = defaults
                .map(|value| value.to_string_lossy().into_owned())
                .collect();
            let value = match kind {
                Kind::Flag | Kind::Number => defaults.concat(),
                Kind::Text => Value::String(defaults.concat()).to_string(),
                Kind::List => Value::from(defaults).to_string(),
            };
            text.push_str(&format!("\n{}\n#{name} = {value}\n", fill(&help, comment)));
        }
    }
    text
}
