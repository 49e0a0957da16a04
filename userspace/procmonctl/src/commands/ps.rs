// SPDX-License-Identifier: GPL-2.0-only

//! `ps`: processes, once.

pub mod habits;

use std::env;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anstyle::Style;
use anyhow::bail;
use procmon::snapshot::Groups;
use procmon::{CpuUsage, MAX_ARGUMENTS};

use crate::ascii;
use crate::config;
use crate::exit::Exit;
use crate::output::{Output, complain, terminal_width};
use crate::session::Session;
use crate::source::Source;
use crate::table::args::TableArgs;
use crate::table::columns::Column;
use crate::table::csv;
use crate::table::document::Document;
use crate::table::filter::Selection;
use crate::table::group::{Group, GroupBy, Grouping, group};
use crate::table::names::Names;
use crate::table::render::Table;
use crate::table::row::{Context, Measured, Row, Values};
use crate::table::style::style_of;
use crate::table::tree::{self, Branch};

/// Show processes
///
/// Without filters these are all processes. With several of them, a process has to pass each one:
/// unlike those of procps, they do not add up. If there are filters and no process passes them, the
/// exit status is 5.
#[derive(clap::Args, Debug)]
#[command(
    after_long_help = format!("{}\n\n{EXAMPLES}", config::MANUAL),
    mut_args(config::switch),
)]
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
           with --group-by {group_by, groups: [{COLUMN, ...}]} in place of processes,
           by top also {system, turnover}";

const EXAMPLES: &str = "\
Examples:
  procmonctl ps -u www-data --sort -cpu
  procmonctl ps -C sshd,cron -o pid,ppid,started,comm
  procmonctl ps --tree --command '^(ssh|ba)'
  procmonctl ps --where 'rss > 1G or cpu > 50' --where 'user != root'
  procmonctl ps -s D -o pid,state,time,comm
  procmonctl ps --unit nginx -o pid,user,container,tty,comm
  procmonctl ps --group-by unit --sort -rss
  procmonctl ps --json -o pid,comm,started | jq .processes
  procmonctl ps --source proc -u \"$USER\"";

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let out = &session.out;
        let TableArgs {
            mut columns,
            sort,
            filters,
            tree,
            threads,
            group_by: Grouping(group_by),
            ascii,
            source,
            config: _,
        } = self.table;
        // Threads share what would be added, whichever way the file and the options are combined.
        let threads = threads && group_by.is_none();
        if let Some(by) = group_by {
            columns = by.columns(&columns);
        }
        let source = Source::open(source, session, "ps")?;
        let names = Names::read();
        let has_filters = !filters.is_empty();
        let selection = Selection::new(filters, threads, &names)?;
        let used = || {
            let shown = columns.iter().copied().chain([sort.column]);
            shown.chain(selection.columns())
        };
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
                measured: Measured {
                    now: Some(snapshot.time()),
                    ..Measured::default()
                },
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
        let form = Form {
            out,
            is_csv: self.csv,
            // In pipes and files the text does not depend on the locale.
            is_ascii: ascii
                || io::stdout().is_terminal() && ascii::is_needed(|name| env::var_os(name)),
            columns: &columns,
            context: &context,
        };
        match group_by {
            Some(by) => form.print_groups(by, &group(&rows, by, &columns, sort, &context))?,
            None => form.print_processes(&mut rows, tree)?,
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

/// The form in which processes or groups are printed.
struct Form<'a> {
    out: &'a Output,
    is_csv: bool,
    is_ascii: bool,
    columns: &'a [&'static Column],
    context: &'a Context,
}

impl Form<'_> {
    fn print_processes(&self, rows: &mut Vec<Row>, is_tree: bool) -> anyhow::Result<()> {
        let branches = if is_tree {
            tree::arrange(rows, |_| false)
        } else {
            vec![Branch::default(); rows.len()]
        };
        if self.out.is_json() {
            let document = Document::new(rows, self.columns, self.context);
            return self.out.print_json(&document);
        }
        if self.is_csv {
            return self.print_csv(rows);
        }
        let lines = rows.iter().zip(&branches).map(|(row, branch)| {
            let prefix = if self.is_ascii {
                &ascii::prefix(&branch.prefix)
            } else {
                &branch.prefix
            };
            let columns = self.columns.iter();
            let cells = columns.map(|column| column.cell(row, prefix, self.context));
            (style_of(row.record), cells.collect())
        });
        self.print_table(lines)
    }

    fn print_groups(&self, by: GroupBy, groups: &[Group]) -> anyhow::Result<()> {
        if self.out.is_json() {
            let document = Document::of_groups(groups, by, self.columns, self.context);
            return self.out.print_json(&document);
        }
        if self.is_csv {
            return self.print_csv(groups);
        }
        let lines = groups.iter().map(|group| {
            let columns = self.columns.iter();
            let cells = columns.map(|column| group.value(column, self.context).text());
            (Style::new(), cells.collect())
        });
        self.print_table(lines)
    }

    fn print_csv(&self, lines: &[impl Values]) -> anyhow::Result<()> {
        let mut text = csv::keys(&[], self.columns)?;
        text.extend(csv::lines(&[], lines, self.columns, self.context)?);
        self.out.bytes(&text)
    }

    fn print_table(&self, lines: impl Iterator<Item = (Style, Vec<String>)>) -> anyhow::Result<()> {
        let (styles, mut cells): (Vec<_>, Vec<Vec<String>>) = lines.unzip();
        if self.is_ascii {
            for cell in cells.iter_mut().flatten() {
                *cell = ascii::escape(std::mem::take(cell));
            }
        }
        let table = Table::new(self.columns, cells);
        // The first line has the titles.
        let styles = std::iter::once(Style::new().bold()).chain(styles);
        let mut text = String::new();
        for (line, style) in table.lines(terminal_width()).zip(styles) {
            text.push_str(&format!("{style}{line}{style:#}\n"));
        }
        self.out.styled(&text)
    }
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
