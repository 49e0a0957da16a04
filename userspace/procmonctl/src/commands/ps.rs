// SPDX-License-Identifier: GPL-2.0

//! `ps`: processes, once.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anstyle::Style;
use anyhow::bail;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use procmon::snapshot::Groups;
use procmon::{CpuUsage, Device, SnapshotOptions};

use crate::Exit;
use crate::output::{Output, complain};
use crate::table::columns::{COLUMNS, Column, Context, DEFAULT, Row};
use crate::table::document::Document;
use crate::table::filter::{Filters, Order, Selection};
use crate::table::names::Names;
use crate::table::render::Table;
use crate::table::style::style_of;
use crate::table::tree;

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
    #[arg(long, conflicts_with = "tree")]
    pub csv: bool,
}

/// Parses the key of a column, and lists all of them in the help.
pub fn column_parser() -> impl TypedValueParser<Value = &'static Column> {
    let keys = COLUMNS
        .iter()
        .map(|column| PossibleValue::new(column.key).help(column.help));
    PossibleValuesParser::new(keys)
        .try_map(|key| Column::by_key(&key).ok_or("there is no such column"))
}

pub fn run(device: &Device, args: PsArgs, out: &Output) -> anyhow::Result<ExitCode> {
    let names = Names::read();
    let has_filters = !args.filters.is_empty();
    let selection = Selection::new(args.filters, args.threads, &names)?;
    let groups = groups_of(&args.columns) | args.sort.column.groups;
    let columns = args.columns.iter().copied();
    check_columns(columns.chain([args.sort.column]), device.info()?.groups)?;
    let snapshot = device.snapshot(&selection.options(groups))?;
    let context = Context::new(snapshot.time().since_boot(), names);
    let mut rows: Vec<_> = snapshot
        .records()
        .iter()
        .filter(|record| selection.matches(record))
        .map(|record| Row {
            record,
            cpu: CpuUsage::of_life(record, &snapshot).map(CpuUsage::percent),
        })
        .collect();
    args.sort.sort(&mut rows, &context);
    let prefixes = if args.tree {
        tree::arrange(&mut rows)
    } else {
        Vec::new()
    };
    // As with query, those that are found are printed, before anything is said of others.
    let is_empty = rows.is_empty();
    let missing: Vec<i32> = selection
        .pids()
        .iter()
        .copied()
        .filter(|&pid| !rows.iter().any(|row| row.record.tgid() == pid))
        .collect();

    if out.is_json() {
        out.print_json(&Document::new(&rows, &args.columns, &context))?;
    } else if args.csv {
        csv(&rows, &args.columns, &context, out)?;
    } else {
        table(&rows, &prefixes, &args.columns, &context, out)?;
    }
    for pid in missing {
        explain(device, pid)?;
    }
    Ok(if is_empty && has_filters {
        Exit::NoProcess.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// Says that the ID that chose nothing is that of a thread, if it is.
fn explain(device: &Device, pid: i32) -> procmon::Result<()> {
    let is_process = !device
        .snapshot(&SnapshotOptions::new().tgid(pid))?
        .records()
        .is_empty();
    if !is_process && device.query(pid)?.is_some() {
        complain(format_args!(
            "PID {pid} is a thread and no process: --pid takes processes, and --threads shows \
             their threads"
        ));
    }
    Ok(())
}

fn table(
    rows: &[Row],
    prefixes: &[String],
    columns: &[&'static Column],
    context: &Context,
    out: &Output,
) -> anyhow::Result<()> {
    let cells = rows.iter().enumerate().map(|(index, row)| {
        let prefix = prefixes.get(index).map_or("", String::as_str);
        let cells = columns
            .iter()
            .map(|column| column.cell(row, prefix, context));
        cells.collect()
    });
    let table = Table::new(columns, cells.collect());
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

/// Returns the width of the terminal, if the output goes to one.
pub fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    (size.ws_col > 0).then(|| size.ws_col.into())
}

/// Refuses columns that the loaded module knows nothing of.
pub fn check_columns<'a>(
    columns: impl IntoIterator<Item = &'a Column>,
    known: Groups,
) -> anyhow::Result<()> {
    for column in columns {
        if !known.contains(column.groups) {
            bail!("the loaded module is too old for the column {}", column.key);
        }
    }
    Ok(())
}

/// Returns the groups that columns need.
pub fn groups_of(columns: &[&Column]) -> Groups {
    columns
        .iter()
        .fold(Groups::BASIC, |groups, column| groups | column.groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_module_lacks_columns() {
        let all = || COLUMNS.iter();
        check_columns(all(), Groups::all()).unwrap();
        let error = check_columns(all(), Groups::all() - Groups::RUNTIME).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the loaded module is too old for the column runtime"
        );
    }
}
