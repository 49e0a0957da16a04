// SPDX-License-Identifier: GPL-2.0-only

//! The options that `ps` and `top` share.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::columns::{COLUMNS, Column, DEFAULT};
use super::filter::Filters;
use super::group::Grouping;
use super::order::Order;
use crate::source::SourceName;

/// Columns, rows and order of a table. The defaults are those of `ps`.
#[derive(Args, Debug)]
pub struct TableArgs {
    /// The columns, in this order
    #[arg(short = 'o', long, value_name = "COLUMN,...", value_delimiter = ',',
          default_values = DEFAULT, hide_default_value = true, value_parser = column_parser())]
    pub columns: Vec<&'static Column>,

    /// Sort by COLUMN; "-COLUMN" sorts in descending order
    #[arg(long, value_name = "[-]COLUMN", default_value = "pid", allow_hyphen_values = true,
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

    /// One line for all processes that have this in common, with the sums of those columns that add
    /// up; shared memory counts for each process that has it, but in pss
    #[arg(long, value_enum, value_name = "THING", default_value_t, hide_default_value = true,
          conflicts_with_all = ["tree", "threads"])]
    pub group_by: Grouping,

    /// ASCII characters only, as on a terminal in a locale without UTF-8
    #[arg(long)]
    pub ascii: bool,

    /// The source of the values
    #[arg(long, value_enum, value_name = "SOURCE", default_value_t)]
    pub source: SourceName,

    /// The configuration file, in place of the user's; /dev/null for none
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Returns the parser of a column's key, which lists all columns in the help.
fn column_parser() -> impl TypedValueParser<Value = &'static Column> {
    let keys = COLUMNS
        .iter()
        .map(|column| PossibleValue::new(column.key).help(column.help));
    PossibleValuesParser::new(keys)
        .try_map(|key| Column::by_key(&key).ok_or("there is no such column"))
}
