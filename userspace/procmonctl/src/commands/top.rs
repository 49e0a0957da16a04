// SPDX-License-Identifier: GPL-2.0

//! `top`: processes, again and again.

use std::env;
use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::bail;

use crate::output::complain;
use crate::session::Session;
use crate::table::args::TableArgs;
use crate::table::filter::Selection;
use crate::table::names::Names;
use crate::table::row::Context;
use crate::top::state::{self, App, NO_EVENTS, Settings};
use crate::top::worker::Watched;
use crate::top::{batch, keys, live};
use crate::values::parse_seconds;

/// Show a live, full-screen process list
///
/// CPU use is that since the last refresh, and on the first screen that of whole lifetimes. If the
/// module tells of them, the head has the numbers of processes that started and that ended since
/// the last refresh, and of those that came and went in between, which no snapshot has. Signals
/// that end or stop the program have their usual effect after the terminal was put in order.
#[derive(clap::Args, Debug)]
#[command(
    after_long_help = format!("{}\n\n{EXAMPLES}", keys::help()),
    mut_arg("columns", |columns| columns.default_values(state::COLUMNS).hide_possible_values(true)),
    mut_arg("sort", |sort| sort.default_value("-cpu")),
)]
pub struct Args {
    /// Seconds from one refresh to the next
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    delay: Duration,

    /// Batch mode: print text, or with --json one object a refresh, and read no keys
    #[arg(short, long)]
    pub batch: bool,

    /// Exit after N refreshes
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,

    /// List processes that came and went between two refreshes as well
    #[arg(short = 'E', long)]
    transient: bool,

    #[command(flatten)]
    pub table: TableArgs,
}

const EXAMPLES: &str = "\
Examples:
  procmonctl top --sort -rss -u www-data
  procmonctl top --batch -n 2 -d 5 >processes.txt";

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        let device = session.open_to_read()?;
        let info = device.info()?;
        let source = Watched::new(device);
        let names = Names::read();
        let selection = Selection::new(self.table.filters, self.table.threads, &names)?;
        let settings = Settings {
            selection,
            groups: info.groups,
            has_arguments: info.arguments,
            columns: self.table.columns,
            order: self.table.sort,
            is_tree: self.table.tree,
            delay: self.delay,
            has_events: source.has_events(),
            shows_transients: self.transient && source.has_events(),
        };
        let is_in_vain = self.transient && !source.has_events();
        let mut app = App::new(settings, Context::new(Duration::ZERO, names));
        if self.batch {
            if is_in_vain {
                complain(NO_EVENTS);
            }
            return batch::run(source, app, self.count, &session.out);
        }
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            bail!("top needs a terminal; use --batch for pipes and files");
        }
        if env::var_os("TERM").is_some_and(|kind| kind == "dumb") {
            bail!("the terminal cannot move its cursor (TERM=dumb); use --batch");
        }
        app.message = is_in_vain.then(|| NO_EVENTS.to_owned());
        live::run(source, app, self.count)
    }
}
