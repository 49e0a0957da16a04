// SPDX-License-Identifier: GPL-2.0-only

//! The commands, one in each file: its arguments, its work, and its JSON. `JSON` and `EXAMPLES` are
//! for the manual.

pub mod completions;
pub mod config;
pub mod count;
pub mod events;
pub mod export;
pub mod filter;
pub mod history;
pub mod man;
pub mod ps;
pub mod query;
pub mod read;
pub mod record;
pub mod report;
pub mod reset;
pub mod stats;
pub mod targets;
pub mod test;
pub mod timeline;
pub mod top;
pub mod watch;
pub mod write;

use std::process::ExitCode;

use clap::Subcommand;

use crate::session::Session;

/// The commands, in the order of the help. Their own help is that of their arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    Stats(stats::Args),
    Count(count::Args),
    Read(read::Args),
    Write(write::Args),
    Filter(filter::Args),
    Targets(targets::Args),
    Reset(reset::Args),
    Query(query::Args),
    Ps(ps::Args),
    Top(top::Args),
    History(history::Args),
    Events(events::Args),
    Record(record::Args),
    #[command(hide = true)]
    StartRecorded(record::start::Args),
    Report(report::Args),
    Timeline(timeline::Args),
    Export(export::Args),
    Watch(watch::Args),
    Test(test::Args),
    Config(config::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// The JSON of each command, for the manual.
pub const JSON: [&str; 14] = [
    stats::JSON,
    count::JSON,
    read::JSON,
    write::JSON,
    filter::JSON,
    targets::JSON,
    reset::JSON,
    query::JSON,
    watch::JSON,
    ps::JSON,
    history::JSON,
    events::JSON,
    report::JSON,
    test::JSON,
];

impl Command {
    /// Runs the command. `described` returns the command line, for completions, the
    /// manual and the configuration.
    pub fn run(
        self,
        session: &Session,
        described: impl FnOnce() -> clap::Command,
    ) -> anyhow::Result<ExitCode> {
        match self {
            Self::Stats(args) => args.run(session)?,
            Self::Count(args) => args.run(session)?,
            Self::Read(args) => args.run(session)?,
            Self::Write(args) => args.run(session)?,
            Self::Filter(args) => args.run(session)?,
            Self::Targets(args) => args.run(session)?,
            Self::Reset(args) => args.run(session)?,
            Self::Query(args) => return args.run(session),
            Self::Ps(args) => return args.run(session),
            Self::Top(args) => args.run(session)?,
            Self::History(args) => args.run(session)?,
            Self::Events(args) => args.run(session)?,
            Self::Record(args) => return args.run(session),
            Self::StartRecorded(args) => return args.run(),
            Self::Report(args) => args.run(session)?,
            Self::Timeline(args) => return args.run(session),
            Self::Export(args) => args.run(session)?,
            Self::Watch(args) => args.run(session)?,
            Self::Test(args) => return args.run(session),
            Self::Config(args) => args.run(described(), session)?,
            Self::Completions(args) => args.run(described(), session)?,
            Self::Man(args) => args.run(described())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
