// SPDX-License-Identifier: GPL-2.0

//! `completions`: scripts for shells.

use crate::session::Session;

/// Print a script that completes this command's arguments in a shell
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

const EXAMPLES: &str = "\
Examples:
  procmonctl completions bash >/etc/bash_completion.d/procmonctl";

impl Args {
    pub fn run(self, mut command: clap::Command, session: &Session) -> anyhow::Result<()> {
        let mut script = Vec::new();
        let name = command.get_name().to_owned();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        session.out.bytes(&script)
    }
}
