// SPDX-License-Identifier: GPL-2.0-only

//! `top`: processes, again and again.

use std::env;
use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::bail;

use crate::config;
use crate::output::complain;
use crate::session::Session;
use crate::source::{Capabilities, Source};
use crate::table::args::TableArgs;
use crate::table::filter::Selection;
use crate::table::group::Grouping;
use crate::table::names::Names;
use crate::table::row::Context;
use crate::top::actor::{Actor, Kernel};
use crate::top::batch::{self, Form};
use crate::top::look::{Extent, Look};
use crate::top::state::{self, App, Settings};
use crate::top::worker::{self, Proc, Watched};
use crate::top::{keys, live, theme};
use crate::values::{parse_count, parse_seconds};

/// Show a live, full-screen process list
///
/// CPU use is that since the last refresh, and on the first screen that of whole lifetimes. If the
/// module tells of them, the head has the numbers of processes that started and that ended since
/// the last refresh, and of those that came and went in between, which no snapshot has. Signals
/// that end or stop the program have their usual effect after the terminal was put in order.
#[derive(clap::Args, Debug)]
#[command(
    after_long_help = format!("{}\n\n{}\n\n{EXAMPLES}", keys::help(), config::MANUAL),
    mut_arg("columns", |columns| columns.default_values(state::COLUMNS).hide_possible_values(true)),
    mut_arg("sort", |sort| sort.default_value("-cpu")),
    mut_args(config::switch),
)]
pub struct Args {
    /// Seconds from one refresh to the next
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    delay: Duration,

    /// Batch mode: print text, or with --json one object a refresh, and read no keys
    #[arg(short, long)]
    pub batch: bool,

    /// In batch mode, print comma-separated values, with the number and the time of the refresh in
    /// front of each row
    #[arg(long, requires = "batch", conflicts_with_all = ["tree", "transient"])]
    pub csv: bool,

    /// Exit after N refreshes
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_count)]
    count: Option<u64>,

    /// List processes that came and went between two refreshes as well
    #[arg(short = 'E', long)]
    transient: bool,

    /// Send no signals and change no nice values
    #[arg(long)]
    read_only: bool,

    /// Select, sort and press keys with the mouse
    #[arg(long, overrides_with = "no_mouse", default_value_t = true)]
    mouse: bool,

    /// Leave the mouse to the terminal, as does --mouse=false
    #[arg(long, overrides_with = "mouse")]
    no_mouse: bool,

    /// Colours of the screen
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    theme: theme::Name,

    /// The most that the head shows, as far as the screen has space
    #[arg(long, value_name = "EXTENT", value_enum, default_value_t)]
    head: Extent,

    #[command(flatten)]
    pub table: TableArgs,
}

const EXAMPLES: &str = "\
Examples:
  procmonctl top --sort -rss -u www-data
  procmonctl top --group-by unit --sort -rss
  procmonctl top --batch -n 2 -d 5 >processes.txt
  procmonctl top --batch --csv -d 10 -p 4711 -o pid,cpu,rss >>4711.csv
  procmonctl top --source proc";

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        let source = Source::open(self.table.source, session, "top")?;
        let capabilities = source.capabilities()?;
        match source {
            Source::Module(device) => {
                let source = Watched::new(device);
                let has_events = source.has_events();
                let app = self.app(capabilities, has_events)?;
                self.show(source, app, session)
            }
            Source::Proc => {
                let mut app = self.app(capabilities, false)?;
                app.context.reads_proc = true;
                self.show(Proc::new(), app, session)
            }
        }
    }

    fn app(&self, capabilities: Capabilities, has_events: bool) -> anyhow::Result<App> {
        let table = &self.table;
        let names = Names::read();
        let Grouping(group_by) = table.group_by;
        // Threads share what would be added, whichever way the file and the options are combined.
        let threads = table.threads && group_by.is_none();
        let selection = Selection::new(table.filters.clone(), threads, &names)?;
        let mut look = Look::new(self.theme, table.ascii, |name| env::var_os(name));
        look.head = self.head;
        if self.batch {
            // As that of ps, the text does not depend on the locale.
            look.is_ascii = table.ascii;
        }
        let settings = Settings {
            selection,
            groups: capabilities.groups,
            has_arguments: capabilities.arguments,
            columns: table.columns.clone(),
            order: table.sort,
            is_tree: table.tree,
            group_by,
            delay: self.delay,
            has_events,
            shows_transients: self.transient && has_events,
            look,
            actor: (!self.read_only).then(|| Box::new(Kernel) as Box<dyn Actor>),
            has_mouse: self.mouse && !self.no_mouse,
        };
        Ok(App::new(settings, Context::new(Duration::ZERO, names)))
    }

    fn show(
        &self,
        source: impl worker::Source,
        mut app: App,
        session: &Session,
    ) -> anyhow::Result<()> {
        let is_in_vain = self.transient && !app.shows_transients;
        if self.batch {
            if is_in_vain {
                complain(app.no_events());
            }
            let form = if self.csv {
                Form::Csv
            } else if session.out.is_json() {
                Form::Json
            } else {
                Form::Text
            };
            return batch::run(source, app, self.count, form, &session.out);
        }
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            bail!("top needs a terminal; use --batch for pipes and files");
        }
        if env::var_os("TERM").is_some_and(|kind| kind == "dumb") {
            bail!("the terminal cannot move its cursor (TERM=dumb); use --batch");
        }
        app.message = is_in_vain.then(|| app.no_events().to_owned());
        live::run(source, app, self.count)
    }
}
