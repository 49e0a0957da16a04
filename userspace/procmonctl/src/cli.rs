// SPDX-License-Identifier: GPL-2.0-only

//! The command line: the options that all commands take.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::commands::ps::habits;
use crate::commands::{Command, JSON};
use crate::config::{self, Config};
use crate::manual;
use crate::output::Output;
use crate::session::Session;
use crate::text::printable_lines;

/// Talk to procmon, the process monitor in the Linux kernel
#[derive(Debug, Parser)]
#[command(name = "procmonctl", version)]
pub struct Cli {
    /// Print JSON, one object a line (procmonctl --help lists the keys)
    #[arg(long, global = true)]
    json: bool,

    /// The device, for commands that open it
    #[arg(long, global = true, value_name = "PATH", default_value = procmon::DEVICE_PATH)]
    device: PathBuf,

    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// Parses the arguments of this program.
    pub fn read() -> Result<Self, clap::Error> {
        let matches = Self::described()
            .try_get_matches()
            .map_err(|error| explain(error, env::args_os()))?;
        Self::from_arg_matches(&matches)?.check()
    }

    /// Returns the command line with the manual's sections in its help.
    pub fn described() -> clap::Command {
        manual::describe(Self::command(), &JSON)
    }

    /// Refuses `--json` with commands and options whose output has another format. clap does not
    /// see the conflict with an option that stands before the subcommand.
    fn check(self) -> Result<Self, clap::Error> {
        if !self.json {
            return Ok(self);
        }
        let other = match &self.command {
            Command::Config(_) => "the subcommand 'config'",
            Command::Completions(_) => "the subcommand 'completions'",
            Command::Export(_) => "the subcommand 'export'",
            Command::Man(_) => "the subcommand 'man'",
            Command::Record(_) => "the subcommand 'record'",
            Command::Timeline(_) => "the subcommand 'timeline'",
            Command::Ps(args) if args.csv => "'--csv'",
            Command::Top(args) if args.csv => "'--csv'",
            Command::History(args) if args.csv => "'--csv'",
            Command::Report(args) if args.csv => "'--csv'",
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

    /// Returns the settings of the configuration file that the command reads, if any.
    fn config(&self) -> Result<Option<Config>, config::Error> {
        let (named, is_for_programs) = match &self.command {
            Command::Ps(args) => (&args.table.config, self.json || args.csv),
            Command::Top(args) => (&args.table.config, args.batch),
            _ => return Ok(None),
        };
        match named {
            Some(path) => Config::read(path, &Self::command()).map(Some),
            // Scripts do not depend on what a user has set.
            None if is_for_programs => Ok(None),
            None => Config::read_default(&Self::command()),
        }
    }

    /// Parses these arguments, which are those of this command line, with the defaults of the
    /// configuration file.
    pub fn configured(self, arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Self> {
        let Some(config) = self.config()? else {
            return Ok(self);
        };
        let command = config.set_defaults(Self::command());
        let matches = command.try_get_matches_from(arguments)?;
        Ok(Self::from_arg_matches(&matches)?)
    }

    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let session = Session::new(self.device, Output::new(self.json));
        self.command.run(&session, Self::described)
    }
}

/// Replaces an error in the arguments of `ps` that are those of another `ps` by the right ones.
fn explain(error: clap::Error, arguments: impl IntoIterator<Item = OsString>) -> clap::Error {
    let habit = habits::arguments(arguments).and_then(habits::translate);
    match habit.filter(|_| error.use_stderr()) {
        Some(line) => {
            // The quotes are for the shell, which takes backslashes in them as they are.
            let line = printable_lines(line.as_bytes());
            let message = format!("these are arguments of the ps of procps: use\n\n  {line}");
            Cli::command().error(error.kind(), message)
        }
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' ')).and_then(Cli::check)
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
        Cli::described().debug_assert();
    }

    #[test]
    fn global_options_go_anywhere() {
        let cli = parse("procmonctl query 1 2 --json").unwrap();
        assert!(cli.json);
        assert!(matches!(cli.command, Command::Query(args) if args.pids == [1, 2]));
        assert!(parse("procmonctl query").is_err());
    }

    #[test]
    fn json_is_refused_where_it_would_be_ignored() {
        for line in [
            "config",
            "completions bash",
            "man /tmp",
            "record --system",
            "timeline x --folded",
            "export --once",
            "ps --csv",
            "top --batch --csv",
            "history --csv",
            "history --plot",
            "report --csv a",
            "top",
            "top -n 1",
        ] {
            let is_refused = |line: String| parse(&line).is_err_and(|error| error.exit_code() == 2);
            assert!(is_refused(format!("procmonctl --json {line}")), "{line}");
            assert!(is_refused(format!("procmonctl {line} --json")), "{line}");
            assert!(!is_refused(format!("procmonctl {line}")), "{line}");
        }
        for line in ["ps --tree", "top --batch", "history"] {
            assert!(
                parse(&format!("procmonctl --json {line}")).is_ok(),
                "{line}"
            );
        }
    }

    #[test]
    fn metrics_go_one_way_with_any_groups() {
        for line in [
            "export",
            "export --listen :9956 --rules x --no-children --max-groups 5 --forget 60",
            "export --textfile x --interval 5 --group-by unit",
            "export --once --openmetrics --group-by user",
        ] {
            let parsed = parse(&format!("procmonctl {line}"));
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
        for line in [
            "export --once --listen :9956",
            "export --once --textfile x",
            "export --listen :9956 --textfile x",
            "export --listen :9956 --openmetrics",
            "export --listen :9956 --interval 5",
            "export --no-children",
            "export --rules x --group-by name",
            "export --group-by none",
            "export --listen 9956",
        ] {
            assert!(parse(&format!("procmonctl {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn a_screen_in_json_is_refused_with_the_way_out() {
        let error = parse("procmonctl --json top").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
        let text = error.to_string();
        assert!(text.contains("top --json needs --batch"), "{text}");
    }

    #[test]
    fn arguments_of_another_ps_are_explained() {
        let explained = |line: &[&str]| {
            let error = Cli::try_parse_from(line).unwrap_err();
            let error = explain(error, line.iter().map(OsString::from));
            (error.exit_code(), error.to_string())
        };
        let (status, text) = explained(&["procmonctl", "--json", "ps", "ax", "-C", r"a\b c"]);
        assert_eq!(status, 2);
        let line = "\n  procmonctl ps --json -C 'a\\b c'\n";
        assert!(text.contains(line), "{text}");
        let (_, text) = explained(&["procmonctl", "--device=/x", "ps", "r"]);
        assert!(
            text.contains("\n  procmonctl ps --device /x -s R\n"),
            "{text}"
        );
        for other in [
            &["procmonctl", "ps", "--help"][..],
            &["procmonctl", "ps", "--nonsense"],
            &["procmonctl", "ps", "ax", "-C", "\u{1b}[2J"],
            &["procmonctl", "top", "aux"],
        ] {
            let (_, text) = explained(other);
            assert!(!text.contains("of procps: use"), "{text}");
        }
    }

    #[test]
    fn one_thing_is_recorded() {
        for line in [
            "record -- make all",
            "record --pid 7 --duration 2",
            "record --system",
            "record --last 60s",
            "record -o x --cgroup /a",
            "record --run-as ann -- make",
        ] {
            assert!(parse(&format!("procmonctl {line}")).is_ok(), "{line}");
        }
        for line in [
            "record",
            "record 7",
            "record make",
            "record --system --pid 7",
            "record --duration 2 -- make",
            "record --last 60 --duration 2",
            "record --system --run-as ann",
            "record --max-arguments 0 -- make",
        ] {
            assert!(parse(&format!("procmonctl {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn ps_and_top_have_defaults_of_their_own() {
        let Command::Ps(ps) = parse("procmonctl ps").unwrap().command else {
            panic!("not ps");
        };
        let Command::Top(top) = parse("procmonctl top").unwrap().command else {
            panic!("not top");
        };
        let keys = |args: &crate::table::args::TableArgs| -> Vec<_> {
            args.columns.iter().map(|column| column.key).collect()
        };
        let of_ps = [
            "pid", "user", "state", "threads", "cpu", "rss", "time", "args",
        ];
        assert_eq!(keys(&ps.table), of_ps);
        let of_top = [
            "pid", "user", "nice", "state", "threads", "cpu", "rss", "time", "args",
        ];
        assert_eq!(keys(&top.table), of_top);
        let order =
            |args: &crate::table::args::TableArgs| (args.sort.column.key, args.sort.descending);
        assert_eq!(order(&ps.table), ("pid", false));
        assert_eq!(order(&top.table), ("cpu", true));
    }
}
