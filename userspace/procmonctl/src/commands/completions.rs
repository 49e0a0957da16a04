// SPDX-License-Identifier: GPL-2.0-only

//! `completions`: scripts for shells.

use clap::ArgAction;

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
    pub fn run(self, command: clap::Command, session: &Session) -> anyhow::Result<()> {
        // Shells would complete the value of a switch in the next word, where it cannot be.
        let mut command = command.mut_subcommands(|subcommand| {
            subcommand.mut_args(|option| {
                if option.is_require_equals_set() {
                    option
                        .num_args(0)
                        .action(ArgAction::SetTrue)
                        .hide_default_value(false)
                        .hide_possible_values(false)
                        .require_equals(false)
                } else {
                    option
                }
            })
        });
        let mut script = Vec::new();
        let name = command.get_name().to_owned();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        session.out.bytes(&script)
    }
}
