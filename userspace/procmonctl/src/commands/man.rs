// SPDX-License-Identifier: GPL-2.0-only

//! `man`: the manual pages.

use std::path::PathBuf;

use anyhow::Context;

use crate::manual;

/// Write manual pages to a directory
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The directory, which must exist
    directory: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  procmonctl man /usr/local/share/man/man1";

impl Args {
    pub fn run(self, command: clap::Command) -> anyhow::Result<()> {
        manual::write_pages(command, &self.directory)
            .with_context(|| format!("cannot write to {}", self.directory.display()))
    }
}
