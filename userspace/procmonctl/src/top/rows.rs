// SPDX-License-Identifier: GPL-2.0-only

//! The rows of the table: which processes or groups, in what order, and their cells.

use super::state::App;
use super::turnover::{Transient, Turnover};
use super::usage::Process;
use crate::ascii;
use crate::table::columns::Column;
use crate::table::group::{Group, GroupBy, GroupName, group};
use crate::table::row::{Row, Values};
use crate::table::tree::{self, Branch};
use crate::text::printable;

/// The identity of a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Id {
    /// The process or thread with this ID.
    Process(i32),
    Group(GroupName),
}

/// A row of the table.
#[derive(Debug)]
pub enum Line {
    Process {
        pid: i32,
        /// Place in the tree.
        branch: Branch,
    },
    Group(Group),
}

impl Line {
    pub fn id(&self) -> Id {
        match self {
            Self::Process { pid, .. } => Id::Process(*pid),
            Self::Group(group) => Id::Group(group.name.clone()),
        }
    }

    /// Returns whether this is the row with this identity.
    pub fn is(&self, id: &Id) -> bool {
        match (self, id) {
            (Self::Process { pid, .. }, Id::Process(id)) => pid == id,
            (Self::Group(group), Id::Group(name)) => group.name == *name,
            _ => false,
        }
    }

    /// Returns the IDs of the process, or of those in the group.
    pub fn pids(&self) -> &[i32] {
        match self {
            Self::Process { pid, .. } => std::slice::from_ref(pid),
            Self::Group(group) => &group.pids,
        }
    }
}

impl App {
    /// Returns the columns of the table. The one that rows are sorted by is always among them.
    pub fn columns(&self) -> Vec<&'static Column> {
        let order = self.order();
        let mut columns = match self.group_by {
            Some(by) => by.columns(&self.chosen),
            None => self.chosen.clone(),
        };
        if !columns.contains(&order.column) {
            // The last column, which is flush left and long, stays the last.
            columns.insert(columns.len().saturating_sub(1), order.column);
        }
        columns
    }

    /// Filters and sorts the rows again.
    pub fn arrange(&mut self) {
        let mut rows: Vec<Row> = self
            .processes
            .iter()
            .map(|process| self.processes.row(process))
            .filter(|row| self.is_shown(row))
            .collect();
        self.lines = match self.group_by {
            Some(by) => self.groups(&rows, by),
            None => self.processes(&mut rows),
        };
        self.end_lost_follow();
        self.keep_selection();
    }

    fn groups(&self, rows: &[Row], by: GroupBy) -> Vec<Line> {
        let groups = group(rows, by, &self.columns(), self.order(), &self.context);
        groups.into_iter().map(Line::Group).collect()
    }

    fn processes(&self, rows: &mut Vec<Row>) -> Vec<Line> {
        self.order.sort(rows, &self.context);
        let mut branches = if self.is_tree {
            tree::arrange(rows, |row| self.is_folded(row))
        } else {
            vec![Branch::default(); rows.len()]
        };
        if self.look.is_ascii {
            for branch in &mut branches {
                branch.prefix = ascii::prefix(&branch.prefix);
            }
        }
        let lines = rows.iter().zip(branches);
        let line = |(row, branch): (&Row, Branch)| Line::Process {
            pid: row.record.pid(),
            branch,
        };
        lines.map(line).collect()
    }

    fn is_shown(&self, row: &Row) -> bool {
        let is_users = |uid| {
            let credentials = row.record.credentials();
            credentials.is_some_and(|credentials| credentials.uid == uid)
        };
        self.selection.matches(row, &self.context)
            && self.user.is_none_or(is_users)
            && self.is_in_opened(|by| Some(by.namer(&self.context)(row)))
            && match self.filter.condition() {
                Some(condition) => condition.holds(row, &self.context),
                None => self.is_filtered_in(row.record.pid(), || self.names(row)),
            }
    }

    /// Returns whether a process is in the opened group, or there is none.
    fn is_in_opened(&self, name_of: impl FnOnce(GroupBy) -> Option<GroupName>) -> bool {
        let opened = self.opened.as_ref();
        opened.is_none_or(|(by, name)| name_of(*by).as_ref() == Some(name))
    }

    /// Returns whether one of a process's names matches the filter, or its ID is the filter.
    fn is_filtered_in(&self, pid: i32, names: impl FnOnce() -> [String; 2]) -> bool {
        let is_match = |name: &String| self.filter.matches(name, pid);
        self.filter.is_empty() || names().iter().any(is_match)
    }

    /// Returns the name and the command line of a process as they are shown.
    pub(super) fn names(&self, row: &Row) -> [String; 2] {
        let name = printable(&self.context.kernel_names.name(row.record));
        [name, row.command_line(&self.context).text()]
    }

    /// Returns the transient processes that pass the filters, in the order of their ends. Events do
    /// not tell the cgroup, so that none of them is in the opened group of a unit, for example, nor
    /// the values of all columns, so that none fulfils a condition.
    pub fn transients<'a>(
        &'a self,
        turnover: &'a Turnover,
    ) -> impl DoubleEndedIterator<Item = &'a Transient> {
        turnover.latest.iter().filter(|process| {
            let comm = process.comm();
            let names = || {
                let name = printable(comm.as_encoded_bytes());
                [name, process.command_line().text()]
            };
            self.selection.matches_ended(
                process.pid,
                process.ppid,
                process.uid,
                comm,
                &process.command_line(),
                process.is_kernel_thread(),
            ) && self.user.is_none_or(|user| user == process.uid)
                && self.is_in_opened(|by| match by {
                    GroupBy::Name => Some(GroupName::new(comm.as_encoded_bytes())),
                    GroupBy::User => Some(GroupName::new(self.context.names.user(process.uid))),
                    GroupBy::Unit | GroupBy::Container | GroupBy::Cgroup => None,
                })
                && self.filter.condition().is_none()
                && self.is_filtered_in(process.pid, names)
        })
    }

    /// Returns the rows in their order on the screen.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Returns the process in a row.
    pub fn process(&self, line: &Line) -> Option<&Process> {
        match line {
            Line::Process { pid, .. } => self.processes.get(*pid),
            Line::Group(_) => None,
        }
    }

    /// Returns the text of a cell.
    pub fn cell(&self, line: &Line, column: &Column) -> String {
        self.look.text(match line {
            Line::Process { pid, branch } => match self.processes.get(*pid) {
                Some(process) => {
                    column.cell(&self.processes.row(process), &branch.prefix, &self.context)
                }
                None => String::new(),
            },
            Line::Group(group) => group.value(column, &self.context).text(),
        })
    }
}
