// SPDX-License-Identifier: GPL-2.0-only

//! `targets`: all targets of the monitor.

use std::fmt::{self, Display};

use procmon::sysfs::{self, TargetPlace};
use serde::Serialize;

use crate::session::Session;

/// Show or set the processes that the monitor records ("history --target" shows the result)
///
/// Each is a place, from 0 on: a PID, or the name of a process, as the first 15 characters of its
/// program's file are. A place with a name has a process that is there already or else the next one
/// that executes such a program, and after its end another one. 0 leaves a place empty. "filter"
/// sets the first place. Showing them takes no privilege.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// PIDs and names, at most 16, or "off"
    #[arg(
        value_name = "TARGET",
        value_parser = parse,
        num_args = 0..=TargetPlace::MAX,
        allow_negative_numbers = true
    )]
    pub targets: Vec<TargetPlace>,
}

pub const JSON: &str = "  targets  {targets: [PID, \"NAME\" or null, ...]}";

const EXAMPLES: &str = "\
Examples:
  procmonctl targets 4711 cron sshd
  procmonctl history --target 1
  procmonctl targets off";

fn parse(text: &str) -> Result<TargetPlace, String> {
    text.parse().map_err(|_| {
        "expected a PID, 0, or a name without blanks, commas and other characters than those of \
         ASCII"
            .to_owned()
    })
}

#[derive(Serialize)]
struct Targets {
    targets: Vec<TargetPlace>,
}

impl Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.targets.is_empty() {
            return f.write_str("off");
        }
        let places: Vec<_> = self.targets.iter().map(ToString::to_string).collect();
        f.write_str(&places.join(" "))
    }
}

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        if self.targets.is_empty() {
            let targets = sysfs::targets()?;
            return session.out.print(&Targets { targets });
        }
        // With others, it is a name.
        let targets = match &self.targets[..] {
            [TargetPlace::Name(name)] if name == "off" => Vec::new(),
            _ => self.targets,
        };
        sysfs::set_targets(&targets)?;
        session.out.print_json(&Targets { targets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_pid_or_a_name() {
        for bad in ["-1", "2147483648", "a b", "a,b", "\u{e4}", ""] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn targets_are_shown_as_they_are_set() {
        let shown = |texts: &[&str]| {
            let targets = texts.iter().map(|text| text.parse().unwrap()).collect();
            Targets { targets }.to_string()
        };
        assert_eq!(shown(&[]), "off");
        assert_eq!(shown(&["0", "7", "cron"]), "0 7 cron");
    }
}
