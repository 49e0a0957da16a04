// SPDX-License-Identifier: GPL-2.0

//! `top`: processes, again and again.

mod act;
mod batch;
mod event;
mod input;
mod keys;
mod live;
mod menu;
mod prompt;
mod screen;
mod signals;
mod state;
mod system;
#[cfg(test)]
mod tests;
mod usage;
mod view;
mod worker;

use std::env;
use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use procmon::Device;

use crate::commands::ps::column_parser;
use crate::output::Output;
use crate::table::columns::Column;
use crate::table::filter::{Filters, Order, Selection};
use crate::table::names::Names;
use state::{App, Settings};

#[derive(Args, Debug)]
pub struct TopArgs {
    /// Seconds from one refresh to the next
    #[arg(short, long, value_name = "SECONDS", default_value = "1",
          value_parser = crate::cli::parse_seconds)]
    pub delay: Duration,

    /// Batch mode: print text, or with --json one object a refresh, and read no keys
    #[arg(short, long)]
    pub batch: bool,

    /// Exit after N refreshes
    #[arg(short = 'n', long, value_name = "N")]
    pub count: Option<u64>,

    /// The columns, in this order
    #[arg(short = 'o', long, value_name = "COLUMN,...", value_delimiter = ',',
          default_values = state::COLUMNS, hide_default_value = true, hide_possible_values = true,
          value_parser = column_parser())]
    pub columns: Vec<&'static Column>,

    /// Sort by COLUMN; "-COLUMN" sorts in descending order
    #[arg(long, value_name = "[-]COLUMN", default_value = "-cpu", allow_hyphen_values = true,
          value_parser = Order::parse)]
    pub sort: Order,

    #[command(flatten)]
    pub filters: Filters,

    /// Show children below their parents
    #[arg(long)]
    pub tree: bool,

    /// One line for each thread
    #[arg(short = 'T', long)]
    pub threads: bool,
}

/// The keys, for the help and the manual.
pub fn keys_help() -> String {
    let mut text = String::from("Keys:\n");
    for binding in keys::BINDINGS {
        text.push_str(&format!("  {:<14} {}\n", binding.names, binding.help));
    }
    text.push_str(
        "\nThe arrow in the titles is at the column that the rows are sorted by. In the line for a \
         filter or\nsearch, keys edit as in a shell.",
    );
    text
}

pub fn run(device: Device, args: TopArgs, out: &Output) -> anyhow::Result<()> {
    let names = Names::read();
    let selection = Selection::new(args.filters, args.threads, &names)?;
    let settings = Settings {
        selection,
        groups: device.info()?.groups,
        columns: args.columns,
        order: args.sort,
        is_tree: args.tree,
        delay: args.delay,
    };
    let app = App::new(settings, names);
    if args.batch {
        return batch::run(&device, app, args.count, out);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        bail!("top needs a terminal; use --batch for pipes and files");
    }
    if env::var_os("TERM").is_some_and(|kind| kind == "dumb") {
        bail!("the terminal cannot move its cursor (TERM=dumb); use --batch");
    }
    live::run(device, app, args.count)
}
