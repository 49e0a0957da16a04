// SPDX-License-Identifier: GPL-2.0-only

//! `config`: the configuration file of `ps` and `top`.

use std::path::PathBuf;

use anyhow::Context;

use crate::config::{self, Config};
use crate::session::Session;
use crate::text::printable;

/// Print a configuration file with all keys and their defaults, or check one
#[derive(clap::Args, Debug)]
#[command(after_long_help = format!("{}\n\n{EXAMPLES}", config::MANUAL))]
pub struct Args {
    /// Print the path of the file that ps and top read
    #[arg(long, conflicts_with = "check")]
    path: bool,

    /// Check a file, or without a name the one that ps and top read
    #[arg(long, value_name = "FILE")]
    check: Option<Option<PathBuf>>,
}

const EXAMPLES: &str = "\
Examples:
  mkdir -p ~/.config/procmon
  procmonctl config >~/.config/procmon/config.toml
  procmonctl config --check";

impl Args {
    pub fn run(self, command: clap::Command, session: &Session) -> anyhow::Result<()> {
        let out = &session.out;
        let default = || config::path().context("there is no home directory");
        if self.path {
            let path = default()?.into_os_string();
            return out.bytes(&[path.as_encoded_bytes(), b"\n"].concat());
        }
        let (path, result) = match self.check {
            None => return out.bytes(config::example(&command).as_bytes()),
            Some(Some(path)) => {
                Config::read(&path, &command)?;
                (path, "valid")
            }
            Some(None) => match Config::read_default(&command)? {
                Some(_) => (default()?, "valid"),
                None => (
                    default()?,
                    "there is no such file in reach, so that the defaults count",
                ),
            },
        };
        let path = printable(path.as_os_str().as_encoded_bytes());
        out.text(&format!("{path}: {result}"))
    }
}
