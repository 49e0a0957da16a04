// SPDX-License-Identifier: GPL-2.0

//! `ps`: processes, once.

use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;

use anstyle::Style;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use procmon::Device;
use procmon::snapshot::Groups;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::output::Output;
use crate::processes::columns::{COLUMNS, Column, Context, DEFAULT, Row};
use crate::processes::select::{Filters, Order, Selection};
use crate::processes::style::style_of;
use crate::processes::table::Table;
use crate::processes::tree;
use crate::processes::users::Names;

/// The version of what `--json` prints. It goes up when a key goes away or means something else.
pub const JSON_VERSION: u32 = 1;

#[derive(Args, Debug)]
pub struct PsArgs {
    /// The columns, in this order
    #[arg(short = 'o', long, value_name = "COLUMN,...", value_delimiter = ',',
          default_values = DEFAULT, hide_default_value = true, value_parser = column_parser())]
    pub columns: Vec<&'static Column>,

    /// Sort by a column, with "-" before it the largest one first
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

    /// Print comma-separated values, with bytes and seconds as plain numbers
    #[arg(long, conflicts_with_all = ["json", "tree"])]
    pub csv: bool,
}

/// Takes the key of a column, and lists them all in the help.
pub fn column_parser() -> impl TypedValueParser<Value = &'static Column> {
    let keys = COLUMNS
        .iter()
        .map(|column| PossibleValue::new(column.key).help(column.help));
    PossibleValuesParser::new(keys)
        .try_map(|key| Column::by_key(&key).ok_or("there is no such column"))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document {
    version: u32,
    /// When the snapshot was begun, in nanoseconds since boot.
    time: u64,
    processes: Vec<Map<String, Json>>,
}

pub fn run(device: &Device, args: PsArgs, out: &Output) -> anyhow::Result<()> {
    let names = Names::read();
    let selection = Selection::new(args.filters, args.threads, &names)?;
    let groups = groups_of(&args.columns) | args.sort.column.groups;
    let snapshot = device.snapshot(&selection.options(groups))?;
    let context = Context {
        now: snapshot.time(),
        names,
    };
    let mut rows: Vec<_> = snapshot
        .records()
        .iter()
        .filter(|record| selection.matches(record))
        .map(|record| Row { record, cpu: None })
        .collect();
    args.sort.sort(&mut rows, &context);
    let prefixes = if args.tree {
        tree::arrange(&mut rows)
    } else {
        Vec::new()
    };

    if out.is_json() {
        let processes = rows
            .iter()
            .map(|row| json_object(row, &args.columns, &context))
            .collect::<Result<_, _>>()?;
        return out.print_json(&Document {
            version: JSON_VERSION,
            time: u64::try_from(snapshot.time().as_nanos())?,
            processes,
        });
    }
    if args.csv {
        return csv(&rows, &args.columns, &context, out);
    }

    let cells = rows.iter().enumerate().map(|(index, row)| {
        let cell = |column: &&Column| match (column.key, prefixes.get(index)) {
            ("comm", Some(prefix)) => format!("{prefix}{}", column.value(row, &context).text()),
            _ => column.value(row, &context).text(),
        };
        args.columns.iter().map(cell).collect()
    });
    let table = Table::new(&args.columns, cells.collect());
    let mut text = String::new();
    for (index, line) in table.lines(terminal_width()).enumerate() {
        // The line of the titles comes first.
        let style = match index.checked_sub(1).and_then(|index| rows.get(index)) {
            None => Style::new().bold(),
            Some(row) => style_of(row.record),
        };
        text.push_str(&format!("{style}{line}{style:#}\n"));
    }
    out.styled(&text)
}

/// A process as `--json` shows it.
pub fn json_object(
    row: &Row,
    columns: &[&Column],
    context: &Context,
) -> serde_json::Result<Map<String, Json>> {
    let mut object = Map::new();
    for column in columns {
        let value = if column.key == "comm" {
            // JSON is for programs, which want the name as it is.
            Json::String(String::from_utf8_lossy(row.record.comm().as_bytes()).into_owned())
        } else {
            serde_json::to_value(column.value(row, context))?
        };
        object.insert(column.key.to_owned(), value);
    }
    Ok(object)
}

fn csv(
    rows: &[Row],
    columns: &[&'static Column],
    context: &Context,
    out: &Output,
) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|column| column.key))?;
    for row in rows {
        let cells = columns
            .iter()
            .map(|column| column.value(row, context).plain());
        writer.write_record(cells)?;
    }
    out.bytes(&writer.into_inner()?)
}

/// How wide the terminal is, if that is where the output goes.
fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    (size.ws_col > 0).then(|| size.ws_col.into())
}

/// The groups that columns need.
pub fn groups_of(columns: &[&Column]) -> Groups {
    columns
        .iter()
        .fold(Groups::BASIC, |groups, column| groups | column.groups)
}
