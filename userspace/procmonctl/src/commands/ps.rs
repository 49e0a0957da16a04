// SPDX-License-Identifier: GPL-2.0

//! `ps`: processes, once.

pub mod habits;

use std::process::ExitCode;

use anstyle::Style;
use anyhow::bail;
use procmon::snapshot::Groups;
use procmon::{CpuUsage, MAX_ARGUMENTS, Rates};

use crate::exit::Exit;
use crate::output::{Output, complain, terminal_width};
use crate::session::Session;
use crate::source::Source;
use crate::table::args::TableArgs;
use crate::table::columns::Column;
use crate::table::csv;
use crate::table::document::Document;
use crate::table::filter::Selection;
use crate::table::names::Names;
use crate::table::render::Table;
use crate::table::row::{Context, Row};
use crate::table::style::style_of;
use crate::table::tree;

/// Show processes
///
/// Without filters these are all processes. With several of them, a process has to pass each one:
/// unlike those of procps, they do not add up. If there are filters and no process passes them, the
/// exit status is 5.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    pub table: TableArgs,

    /// All processes, as without filters
    #[arg(short = 'e', visible_short_alias = 'A', long, overrides_with = "all")]
    all: bool,

    /// Print comma-separated values, with bytes and seconds as plain numbers
    #[arg(long, conflicts_with = "tree")]
    pub csv: bool,
}

pub const JSON: &str = "  ps, top  {version, time, wall_time, boot_id, processes: [{COLUMN, ...}]},
           by top also {system, turnover}";

const EXAMPLES: &str = "\
Examples:
  procmonctl ps -u www-data --sort -cpu
  procmonctl ps -C sshd,cron -o pid,ppid,started,comm
  procmonctl ps --tree --command '^(ssh|ba)'
  procmonctl ps -s D -o pid,state,time,comm
  procmonctl ps --unit nginx -o pid,user,container,tty,comm
  procmonctl ps --json -o pid,comm,started | jq .processes
  procmonctl ps --source proc -u \"$USER\"";

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let out = &session.out;
        let TableArgs {
            columns,
            sort,
            filters,
            tree,
            threads,
            source,
        } = self.table;
        let source = Source::open(source, session, "ps")?;
        let names = Names::read();
        let has_filters = !filters.is_empty();
        let selection = Selection::new(filters, threads, &names)?;
        let used = || columns.iter().copied().chain([sort.column]);
        let capabilities = source.capabilities()?;
        check_columns(used(), capabilities.groups)?;
        let groups = used().fold(Groups::BASIC, |groups, column| groups | column.groups);
        let mut options = selection.options(groups);
        let needs_arguments =
            selection.needs_arguments() || used().any(|column| column.needs_arguments);
        if capabilities.arguments && needs_arguments {
            options = options.arguments(MAX_ARGUMENTS);
        }
        let snapshot = source.snapshot(&options)?;
        let mut context = Context::new(snapshot.time().since_boot(), names);
        context.reads_proc = matches!(source, Source::Proc);
        let mut rows: Vec<_> = snapshot
            .records()
            .iter()
            .map(|record| Row {
                cpu: CpuUsage::of_life(record, &snapshot).map(CpuUsage::percent),
                rates: Rates::of_life(record, &snapshot),
                // Of long ones /proc has the rest.
                arguments: snapshot.arguments(record.tgid()).map(|it| it.as_bytes()),
                has_more: snapshot
                    .arguments(record.tgid())
                    .is_some_and(|arguments| arguments.is_cut()),
                ..Row::of(record)
            })
            .filter(|row| selection.matches(row, &context))
            .collect();
        sort.sort(&mut rows, &context);
        let prefixes = if tree {
            tree::arrange(&mut rows)
        } else {
            Vec::new()
        };

        if out.is_json() {
            out.print_json(&Document::new(&rows, &columns, &context))?;
        } else if self.csv {
            let mut text = csv::keys(&[], &columns)?;
            text.extend(csv::lines(&[], &rows, &columns, &context)?);
            out.bytes(&text)?;
        } else {
            print_table(&rows, &prefixes, &columns, &context, out)?;
        }
        // As with query, messages on missing processes follow the output of the others.
        let missing = selection.pids().iter().copied();
        let missing = missing.filter(|&pid| !rows.iter().any(|row| row.record.tgid() == pid));
        explain(&source, missing.collect())?;
        Ok(if rows.is_empty() && has_filters {
            Exit::NoProcess.into()
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// Prints a message for each ID that matched no process and is that of a thread.
fn explain(source: &Source, missing: Vec<i32>) -> procmon::Result<()> {
    for pid in source.threads_of(missing)? {
        complain(format_args!(
            "PID {pid} is a thread, not a process: --pid takes processes, and --threads shows \
             their threads"
        ));
    }
    Ok(())
}

fn print_table(
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
        // The first line has the titles.
        let style = match index.checked_sub(1).and_then(|index| rows.get(index)) {
            None => Style::new().bold(),
            Some(row) => style_of(row.record),
        };
        text.push_str(&format!("{style}{line}{style:#}\n"));
    }
    out.styled(&text)
}

/// Refuses columns that the loaded module does not know.
fn check_columns<'a>(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::columns::COLUMNS;

    #[test]
    fn an_old_module_lacks_columns() {
        let all = || COLUMNS.iter();
        check_columns(all(), Groups::all()).unwrap();
        let runtime = || all().filter(|column| column.groups == Groups::RUNTIME);
        let error = check_columns(runtime(), Groups::all() - Groups::RUNTIME).unwrap_err();
        let key = runtime().next().unwrap().key;
        assert_eq!(
            error.to_string(),
            format!("the loaded module is too old for the column {key}")
        );
    }
}
