// SPDX-License-Identifier: GPL-2.0-only

//! The state of `top`: settings, rows, selection and mode.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use procmon::snapshot::{Groups, Record};
use procmon::{Snapshot, SnapshotOptions};

use super::actor::{Actor, Target};
use super::look::Look;
use super::menu::Menu;
use super::mouse::Spots;
use super::pattern::Pattern;
use super::prompt::Prompt;
use super::rows::{Id, Line};
use super::system::System;
use super::system::cpu::CpuUse;
use super::system::past::Past;
use super::turnover::Turnover;
use super::usage::{Identity, Process, Processes};
use crate::table::columns::Column;
use crate::table::filter::Selection;
use crate::table::group::{GroupBy, GroupName};
use crate::table::order::Order;
use crate::table::row::Context;

/// The default columns of the table.
pub const COLUMNS: [&str; 9] = [
    "pid", "user", "nice", "state", "threads", "cpu", "rss", "time", "args",
];

/// The number of bytes of a command line that is shown and searched.
const ARGUMENTS: u32 = 512;

/// The message where a module does not tell of events.
const NO_EVENTS: &str = "the module does not tell what came and went";

/// The same where there is no module.
const NO_EVENTS_IN_PROC: &str = "/proc does not tell what came and went";

/// The receiver of keys.
#[derive(Debug, Default)]
pub enum Mode {
    #[default]
    Table,
    Help,
    Prompt(Prompt),
    Menu(Menu),
    /// The choice of columns.
    Picker(Menu),
}

/// The settings of the command line.
pub struct Settings {
    pub selection: Selection,
    /// Field groups that the module knows.
    pub groups: Groups,
    /// Whether the module delivers the arguments of programs.
    pub has_arguments: bool,
    pub columns: Vec<&'static Column>,
    pub order: Order,
    pub is_tree: bool,
    pub group_by: Option<GroupBy>,
    pub delay: Duration,
    /// Whether the module tells of the starts and ends of processes.
    pub has_events: bool,
    pub shows_transients: bool,
    pub look: Look,
    /// The executor of what the user wants done to processes, if that is allowed.
    pub actor: Option<Box<dyn Actor>>,
    /// Whether the terminal reports the mouse.
    pub has_mouse: bool,
}

/// The state of the program.
pub struct App {
    pub(super) selection: Selection,
    groups: Groups,
    has_arguments: bool,
    /// The columns of processes, as chosen.
    pub(super) chosen: Vec<&'static Column>,
    /// The order of processes.
    pub(super) order: Order,
    pub is_tree: bool,
    /// The processes of which nothing below them in the tree is shown.
    pub(super) folded: HashSet<Identity>,
    pub group_by: Option<GroupBy>,
    /// The group whose processes alone are shown.
    pub opened: Option<(GroupBy, GroupName)>,
    pub delay: Duration,
    pub mode: Mode,
    /// Names, the ID, or values of the processes to show.
    pub filter: Pattern,
    /// Text of the last search.
    pub search: String,
    /// User whose processes to show.
    pub user: Option<u32>,
    pub is_paused: bool,
    pub shows_details: bool,
    pub look: Look,
    pub(super) has_events: bool,
    /// Whether the processes that came and went are listed.
    pub shows_transients: bool,
    /// First line of the help on the screen.
    pub help_first: usize,
    /// First line of the details on the screen.
    pub details_first: usize,
    /// Message at the bottom until the next key.
    pub message: Option<String>,
    /// Time for which the kernel has not answered, if it is longer than usual.
    pub is_late: Option<Duration>,
    pub(super) tagged: HashSet<Identity>,
    pub(super) actor: Option<Box<dyn Actor>>,
    /// The processes that the menu of signals was opened for.
    pub(super) targets: Vec<Target>,
    pub has_mouse: bool,
    pub spots: Spots,

    pub selected: Option<Id>,
    /// Whether the user has moved the selection, which then stays with its process.
    pub(super) is_placed: bool,
    /// The process that the user selected, unless its start is unknown.
    pub(super) placed: Option<Target>,
    /// Fate of the selected process or group that is gone, until the next input.
    pub(super) lost: Option<String>,
    /// The process that the selection stays with until it is moved.
    pub followed: Option<Target>,
    /// First row on the screen.
    pub first: usize,
    /// Number of rows that fit the screen.
    pub height: usize,
    /// Number of characters by which the last column is scrolled.
    pub shift: usize,
    /// Widths of columns, which only grow.
    pub widths: HashMap<&'static str, usize>,

    pub context: Context,
    /// Number of snapshots so far.
    updates: u64,
    pub system: System,
    /// Use of the CPUs since the last refresh.
    pub cpus: CpuUse,
    /// Numbers of the system at the last refreshes.
    pub past: Past,
    pub processes: Processes,
    /// The turnover since the last refresh, if it is known.
    pub turnover: Option<Turnover>,
    /// The turnover since the beginning.
    pub total: Turnover,
    /// The reason for which events are read no more.
    pub events_error: Option<String>,
    pub(super) lines: Vec<Line>,
}

impl App {
    pub fn new(settings: Settings, context: Context) -> Self {
        Self {
            selection: settings.selection,
            groups: settings.groups,
            has_arguments: settings.has_arguments,
            chosen: settings.columns,
            order: settings.order,
            is_tree: settings.is_tree,
            folded: HashSet::new(),
            group_by: settings.group_by,
            opened: None,
            delay: settings.delay,
            mode: Mode::Table,
            filter: Pattern::default(),
            search: String::new(),
            user: None,
            is_paused: false,
            shows_details: false,
            look: settings.look,
            has_events: settings.has_events,
            shows_transients: settings.shows_transients,
            help_first: 0,
            details_first: 0,
            message: None,
            is_late: None,
            tagged: HashSet::new(),
            actor: settings.actor,
            targets: Vec::new(),
            has_mouse: settings.has_mouse,
            spots: Spots::default(),
            selected: None,
            is_placed: false,
            placed: None,
            lost: None,
            followed: None,
            first: 0,
            height: 0,
            shift: 0,
            widths: HashMap::new(),
            context,
            updates: 0,
            system: System::default(),
            cpus: CpuUse::default(),
            past: Past::default(),
            processes: Processes::default(),
            turnover: None,
            total: Turnover::default(),
            events_error: None,
            lines: Vec::new(),
        }
    }

    /// Returns the options of the next snapshot. It has all fields, as the user may look at any of
    /// them before the next refresh.
    pub fn options(&self) -> SnapshotOptions {
        let arguments = if self.has_arguments { ARGUMENTS } else { 0 };
        self.selection.options(self.groups).arguments(arguments)
    }

    /// Returns the message where processes that came and went cannot be listed.
    pub fn no_events(&self) -> &'static str {
        if self.context.reads_proc {
            NO_EVENTS_IN_PROC
        } else {
            NO_EVENTS
        }
    }

    /// Shows another snapshot, and the turnover up to it.
    pub fn update(&mut self, snapshot: &Snapshot, system: System, turnover: Option<Turnover>) {
        if let Some(turnover) = &turnover {
            self.total.append(turnover.clone());
        }
        self.turnover = turnover;
        self.processes.update(snapshot);
        self.context.refresh(snapshot);
        self.cpus = system.cpus.since(&self.system.cpus);
        self.system = system;
        self.updates += 1;
        if self.has_interval() {
            self.past.push(&self.system, self.cpus.all.busy());
        }
        for marked in [&mut self.tagged, &mut self.folded] {
            if !marked.is_empty() {
                let all = self.processes.iter().filter_map(Process::identity);
                *marked = all.filter(|identity| marked.contains(identity)).collect();
            }
        }
        self.arrange();
    }

    /// Returns whether the CPU use of the system is that since the previous refresh, and not since
    /// boot.
    pub fn has_interval(&self) -> bool {
        self.updates > 1
    }

    /// Returns the CPU use of this program, in percent.
    pub fn own_cpu(&self) -> Option<f64> {
        let own = i32::try_from(std::process::id()).ok()?;
        self.processes.get(own)?.cpu
    }

    pub fn shows_threads(&self) -> bool {
        self.selection.threads
    }

    /// Returns the records of processes, without those of further threads.
    pub fn leaders(&self) -> impl Iterator<Item = &Record> {
        let records = self.processes.iter().map(|process| &process.record);
        records.filter(|record| record.pid() == record.tgid())
    }
}
