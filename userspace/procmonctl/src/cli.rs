// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::history::HistoryArgs;
use crate::ps::PsArgs;
use crate::top::TopArgs;

const EXIT_STATUS: &str = "\
Exit status:
  0  success
  1  failure, among them a message that did not fit and a failed test
  2  wrong usage
  3  no device: the procmon module is not loaded
  4  no permission
  5  no such process (query; those that were found are printed all the same)";

const JSON: &str = "\
JSON objects, one a line; null stands for a value that there is none of:
  stats   {opens, reads, writes, ioctls, per_cpu_ops, filter_pid}
  count   {count}
  read    {length, text, base64}; text is null when the message is not UTF-8
  write   {length, written}
  filter  {filter_pid}
  reset   {reset}
  query   {pid, found, comm, comm_base64, state, state_name, vsize}, one object for each PID
  watch   {opens, ..., filter_pid, buffer_size, samples, processes, threads, running,
          uninterruptible, zombies, forks}
  ps      {version, time, processes: [{a key for each column}]}
  top     the same with system: {load, cpu, memory, memory_used}, one object a refresh (--batch only)
  history {version, interval_ms, missed, next, samples: [{sequence, time, ...}]}
  test    {test, name, ok, skipped, reason}, one object for each test";

/// Talk to procmon, the process monitor in the Linux kernel
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_STATUS, after_long_help = format!("{JSON}\n\n{EXIT_STATUS}"))]
pub struct Cli {
    /// Print JSON, one object a line (see --help for the fields)
    #[arg(long, global = true)]
    pub json: bool,

    /// The device, where a command needs it
    #[arg(long, global = true, value_name = "PATH", default_value = procmon::DEVICE_PATH)]
    pub device: PathBuf,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show how often the device was used
    ///
    /// The numbers come from sysfs: no privilege is needed, and asking counts nowhere.
    Stats,

    /// Print the length of the message in bytes
    Count,

    /// Print the message
    Read,

    /// Replace the message
    ///
    /// At most as many bytes as the module's parameter buffer_size says are taken. If that is not
    /// all, the message consists of those that were, and the exit status is 1.
    Write {
        /// The message, to which nothing is added; standard input if absent or "-"
        text: Option<OsString>,
    },

    /// Show the filter, or set it to a PID or to "off"
    ///
    /// The process need not exist. Showing needs no privilege.
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
    Ps(PsArgs),

    /// Show a live, full-screen process list
    ///
    /// CPU use is that since the last refresh, and on the first screen that of whole lifetimes.
    /// Signals that end or stop it have their usual effect after the terminal was put in order.
    #[command(after_long_help = crate::top::keys_help())]
    Top(TopArgs),

    /// Show what the monitor has recorded
    ///
    /// That is one sample of the system in each interval, and of the process that "filter" has
    /// chosen. When that is gone, nothing more is recorded until "filter" is used again.
    History(HistoryArgs),

    /// Show the statistics and the monitor's sample whenever there is a new one
    ///
    /// The numbers come from sysfs. Without the permission to open the device, by which a new
    /// sample is noticed, they are shown at regular intervals.
    Watch {
        /// At least so many seconds from one showing to the next
        #[arg(short = 'n', long, value_name = "SECONDS", default_value = "1",
              value_parser = parse_seconds)]
        interval: Duration,

        /// End after so many showings
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },

    /// Test every ioctl command with good and bad input
    ///
    /// Prints the results in the Test Anything Protocol. The totals are zeroed by it; the message
    /// and the filter are changed and put back at the end. Needs root, and a device that nobody
    /// else uses meanwhile.
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

/// What to set the filter to.
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

/// The longest interval, in seconds: 30 years, so that no point in time is out of reach.
const LONGEST: f64 = 1e9;

/// The shortest interval, in seconds. A shorter one does nothing but keep a CPU busy.
const SHORTEST: f64 = 0.01;

pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (SHORTEST..=LONGEST).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("expected seconds from {SHORTEST} to {LONGEST}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

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
}
