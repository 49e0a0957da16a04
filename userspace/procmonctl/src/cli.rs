// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::history::HistoryArgs;
use crate::commands::ps::PsArgs;
use crate::top::TopArgs;

/// Talk to procmon, the process monitor in the Linux kernel
#[derive(Debug, Parser)]
#[command(name = "procmonctl", version)]
pub struct Cli {
    /// Print JSON, one object a line (procmonctl --help lists the keys)
    #[arg(long, global = true)]
    pub json: bool,

    /// The device, for commands that open it
    #[arg(long, global = true, value_name = "PATH", default_value = procmon::DEVICE_PATH)]
    pub device: PathBuf,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show how often the device was used
    ///
    /// The numbers come from sysfs, which takes no privilege and is not counted.
    Stats,

    /// Print the length of the message in bytes
    Count,

    /// Print the message
    ///
    /// All bytes are printed as they are, but on a terminal: there characters that it would obey or
    /// not show are escaped.
    Read,

    /// Replace the message
    ///
    /// The device takes at most as many bytes as the module's parameter buffer_size says. A longer
    /// message is cut there, and the exit status is 1.
    Write {
        /// The message, taken as it is; standard input if absent or "-"
        text: Option<OsString>,
    },

    /// Show or set the process that the monitor records ("history" shows the result)
    ///
    /// The module calls this PID its filter, but it filters nothing: it chooses the one process
    /// that is in each sample of the monitor. The ID of a thread chooses its process. The process
    /// need not exist. Showing the PID takes no privilege.
    #[command(visible_alias = "record")]
    Filter {
        /// A PID, or "off"
        #[arg(value_parser = parse_filter, allow_negative_numbers = true)]
        pid: Option<Filter>,
    },

    /// Zero the totals (opens, reads, writes, ioctls) and the filter
    ///
    /// The message and per_cpu_ops stay.
    Reset,

    /// Show the name, state and memory size of processes or threads
    Query {
        /// PIDs, in the PID namespace of this command
        #[arg(required = true, value_name = "PID", value_parser = parse_pid,
              allow_negative_numbers = true)]
        pids: Vec<i32>,
    },

    /// Show processes
    ///
    /// Without filters these are all processes. If there are filters and no process passes them,
    /// the exit status is 5.
    Ps(PsArgs),

    /// Show a live, full-screen process list
    ///
    /// CPU use is that since the last refresh, and on the first screen that of whole lifetimes.
    /// Signals that end or stop it have their usual effect after the terminal was put in order.
    Top(TopArgs),

    /// Show what the monitor has recorded
    ///
    /// The monitor takes one sample of the system in each interval, with the process that "filter"
    /// has chosen. When that process is gone, recording stops until "filter" is used again.
    History(HistoryArgs),

    /// Show the statistics and the monitor's sample whenever there is a new one
    ///
    /// The numbers come from sysfs. Without the permission to open the device, which announces new
    /// samples, they are shown at regular intervals.
    Watch {
        /// The least number of seconds between two outputs
        #[arg(short = 'n', long, value_name = "SECONDS", default_value = "1",
              value_parser = parse_seconds)]
        interval: Duration,

        /// End after this number of outputs
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },

    /// Test every ioctl command with good and bad input
    ///
    /// Prints the results in the Test Anything Protocol. The test zeroes the totals, and changes
    /// the message and the filter, which it restores at the end. It needs root, and a device that
    /// no other program uses at the same time.
    Test,

    /// Print a script that completes this command's arguments in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },

    /// Write manual pages to a directory
    Man {
        /// The directory, which must exist
        directory: PathBuf,
    },
}

/// The value of the filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Filter {
    Off,
    Pid(i32),
}

fn parse_filter(text: &str) -> Result<Filter, String> {
    if text == "off" {
        return Ok(Filter::Off);
    }
    parse_pid(text)
        .map(Filter::Pid)
        .map_err(|error| format!("{error}, or \"off\""))
}

pub fn parse_pid(text: &str) -> Result<i32, String> {
    text.parse()
        .ok()
        .filter(|pid| *pid > 0)
        .ok_or_else(|| format!("expected a PID (1 to {})", i32::MAX))
}

/// The shortest and the longest interval in seconds: less would keep a CPU busy with nothing else,
/// and more could not be added to a time.
const SECONDS: RangeInclusive<f64> = 0.01..=1e9;

pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| SECONDS.contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| {
            let (shortest, longest) = SECONDS.into_inner();
            format!("expected a number of seconds from {shortest} to {longest}")
        })
}

impl Cli {
    /// Refuses `--json` for commands or with options that have another format. clap does not see
    /// the conflict with an option that stands before the subcommand.
    pub fn check(self) -> Result<Self, clap::Error> {
        if !self.json {
            return Ok(self);
        }
        let other = match &self.command {
            Command::Completions { .. } => "the subcommand 'completions'",
            Command::Man { .. } => "the subcommand 'man'",
            Command::Ps(args) if args.csv => "'--csv'",
            Command::History(args) if args.csv => "'--csv'",
            Command::History(args) if args.plot => "'--plot'",
            Command::Top(args) if !args.batch => {
                return Err(Self::command().error(
                    ErrorKind::MissingRequiredArgument,
                    "top --json needs --batch: a screen is not JSON",
                ));
            }
            _ => return Ok(self),
        };
        let message = format!("the argument '--json' cannot be used with {other}");
        Err(Self::command().error(ErrorKind::ArgumentConflict, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn values_are_checked() {
        assert_eq!(parse_filter("off"), Ok(Filter::Off));
        assert_eq!(parse_filter("2147483647"), Ok(Filter::Pid(i32::MAX)));
        for bad in ["", "0", "-1", "2147483648", "on", "1 "] {
            assert!(parse_filter(bad).is_err(), "{bad:?}");
            assert!(parse_pid(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_seconds("0.01"), Ok(Duration::from_millis(10)));
        assert_eq!(parse_seconds("1e9"), Ok(Duration::from_secs(1_000_000_000)));
        for bad in [
            "", "0", "-1", "1e-9", "0.009", "NaN", "inf", "1e10", "1e19", "1e30", "1e308", "soon",
        ] {
            assert!(parse_seconds(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn global_options_go_anywhere() {
        let cli = Cli::try_parse_from(["procmonctl", "query", "1", "2", "--json"]).unwrap();
        assert!(cli.json);
        assert!(matches!(cli.command, Command::Query { pids } if pids == [1, 2]));
        assert!(Cli::try_parse_from(["procmonctl", "query"]).is_err());
    }

    #[test]
    fn json_is_refused_where_it_would_be_ignored() {
        for line in [
            "completions bash",
            "man /tmp",
            "ps --csv",
            "history --csv",
            "history --plot",
            "top",
            "top -n 1",
        ] {
            let is_refused = |line: String| {
                Cli::try_parse_from(line.split(' '))
                    .and_then(Cli::check)
                    .is_err_and(|error| error.exit_code() == 2)
            };
            assert!(is_refused(format!("procmonctl --json {line}")), "{line}");
            assert!(is_refused(format!("procmonctl {line} --json")), "{line}");
            assert!(!is_refused(format!("procmonctl {line}")), "{line}");
        }
        for line in ["ps --tree", "top --batch", "history"] {
            let line = format!("procmonctl --json {line}");
            let cli = Cli::try_parse_from(line.split(' ')).and_then(Cli::check);
            assert!(cli.is_ok(), "{line}");
        }
    }

    #[test]
    fn filter_has_a_name_that_says_what_it_does() {
        let cli = Cli::try_parse_from(["procmonctl", "record", "7"]).unwrap();
        assert!(matches!(
            cli.command,
            Command::Filter {
                pid: Some(Filter::Pid(7))
            }
        ));
    }
}
