// SPDX-License-Identifier: GPL-2.0

//! What `top` knows, and what keys do to it.

use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt;
use std::process;
use std::time::Duration;

use procmon::snapshot::{Groups, Record};
use procmon::{Device, Snapshot};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::system::System;
use crate::output::printable;
use crate::processes::columns::{Column, Context, Row, Side};
use crate::processes::select::{Order, Selection};
use crate::processes::tree;
use crate::processes::users::Names;

/// The columns of the table.
pub const KEYS: [&str; 9] = [
    "pid", "user", "nice", "state", "threads", "cpu", "rss", "time", "comm",
];

/// How many refreshes the past of a process goes back.
pub const PAST: usize = 240;

/// Whether to go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flow {
    Continue,
    Quit,
}

/// What tells a process from another one that had its ID before.
type Identity = (i32, Duration);

/// What is known of a process from before.
#[derive(Debug)]
struct Past {
    identity: Identity,
    /// User and system time at the last refresh.
    time: Duration,
    /// The parts of a CPU that it has used, in per cent, oldest first.
    cpu: VecDeque<f64>,
}

/// The state of the program.
pub struct App {
    selection: Selection,
    pub order: Order,
    pub is_tree: bool,
    /// Processes whose name has this in it.
    pub filter: String,
    pub is_typing: bool,
    is_paused: bool,
    pub shows_help: bool,
    pub shows_details: bool,
    /// The process with the mark, by its ID.
    pub selected: Option<i32>,
    /// Whether somebody has put it there.
    is_marked: bool,
    /// The first row on the screen, and how many rows there were room for.
    pub first: usize,
    pub height: usize,

    pub context: Context,
    pub system: System,
    pub busy: f64,
    snapshot: Snapshot,
    /// The part of a CPU that each process of the snapshot has used.
    cpu: Vec<Option<f64>>,
    /// In the order of the IDs, as snapshots are.
    past: Vec<Past>,
    /// The rows that are shown, by their places in the snapshot, and what stands before the names.
    rows: Vec<usize>,
    prefixes: Vec<String>,
}

impl App {
    pub fn new(selection: Selection, order: Order, is_tree: bool, names: Names) -> Self {
        Self {
            selection,
            order,
            is_tree,
            filter: String::new(),
            is_typing: false,
            is_paused: false,
            shows_help: false,
            shows_details: false,
            selected: None,
            is_marked: false,
            first: 0,
            height: 0,
            context: Context {
                now: Duration::ZERO,
                names,
            },
            system: System::default(),
            busy: 0.0,
            snapshot: Snapshot::default(),
            cpu: Vec::new(),
            past: Vec::new(),
            rows: Vec::new(),
            prefixes: Vec::new(),
        }
    }

    /// The columns of the table.
    pub fn columns() -> Vec<&'static Column> {
        let columns = KEYS.iter().filter_map(|key| Column::by_key(key));
        columns.collect()
    }

    /// Looks again.
    pub fn refresh(&mut self, device: &Device) -> procmon::Result<()> {
        let mut groups = Groups::CPU | Groups::MEMORY | Groups::CREDENTIALS;
        groups |= self.order.column.groups;
        if self.shows_details {
            groups |= Groups::all();
        }
        let mut snapshot = std::mem::take(&mut self.snapshot);
        device.snapshot_into(&self.selection.options(groups), &mut snapshot)?;
        let system = System::read();
        self.take(snapshot, system);
        Ok(())
    }

    /// Takes over what is new.
    pub fn take(&mut self, snapshot: Snapshot, system: System) {
        let last = self.context.now;
        let elapsed = snapshot.time().saturating_sub(last).as_secs_f64();
        let percent = |time: Duration| time.as_secs_f64() / elapsed * 100.0;
        let mut past = Vec::with_capacity(snapshot.records().len());
        let mut before = std::mem::take(&mut self.past).into_iter().peekable();
        self.cpu.clear();
        for record in &snapshot {
            let Some(cpu) = record.cpu() else {
                self.cpu.push(None);
                continue;
            };
            let time = cpu.user + cpu.system;
            let identity = (record.pid(), cpu.start);
            while before.next_if(|past| past.identity < identity).is_some() {}
            // Who is new since the last refresh has used all of its time since then.
            let is_new = !last.is_zero() && cpu.start >= last && elapsed > 0.0;
            let mut used = is_new.then(|| percent(time));
            let now = match before.next_if(|past| past.identity == identity) {
                Some(mut known) => {
                    if elapsed > 0.0 {
                        let part = percent(time.saturating_sub(known.time));
                        if known.cpu.len() == PAST {
                            known.cpu.pop_front();
                        }
                        known.cpu.push_back(part);
                        used = Some(part);
                    }
                    Past { time, ..known }
                }
                None => Past {
                    identity,
                    time,
                    cpu: VecDeque::new(),
                },
            };
            self.cpu.push(used);
            past.push(now);
        }
        self.past = past;
        self.context.now = snapshot.time();
        self.snapshot = snapshot;
        self.busy = system.busy_since(&self.system);
        self.system = system;
        self.arrange();
    }

    /// Selects and sorts the rows anew.
    fn arrange(&mut self) {
        let filter = self.filter.to_lowercase();
        let records = self.snapshot.records();
        let mut rows: Vec<_> = records
            .iter()
            .zip(&self.cpu)
            .filter(|(record, _)| {
                let has_text = || {
                    let name = printable(record.comm().as_bytes()).to_lowercase();
                    name.contains(&filter) || record.pid().to_string() == filter
                };
                self.selection.matches(record) && (filter.is_empty() || has_text())
            })
            .map(|(record, &cpu)| Row { record, cpu })
            .collect();
        self.order.sort(&mut rows, &self.context);
        let prefixes = if self.is_tree {
            tree::arrange(&mut rows)
        } else {
            Vec::new()
        };
        let places: Vec<_> = rows
            .iter()
            .filter_map(|row| {
                // Snapshots are in the order of the IDs.
                let pid = row.record.pid();
                records.binary_search_by_key(&pid, Record::pid).ok()
            })
            .collect();
        self.rows = places;
        self.prefixes = prefixes;
        // Until it is moved, and when its process is gone, the mark is on the first row.
        if !self.is_marked || self.selected_place().is_none() {
            self.is_marked = false;
            self.selected = self.pid_at(0);
        }
    }

    fn row(&self, place: usize) -> Row<'_> {
        Row {
            record: &self.snapshot.records()[place],
            cpu: self.cpu.get(place).copied().flatten(),
        }
    }

    /// The rows in the order in which they are shown, with what stands before the name.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (Row<'_>, &str)> {
        self.rows.iter().enumerate().map(|(index, &place)| {
            let prefix = self.prefixes.get(index).map_or("", String::as_str);
            (self.row(place), prefix)
        })
    }

    /// All processes, shown or not.
    pub fn records(&self) -> &[Record] {
        self.snapshot.records()
    }

    /// What is in the cells of a row.
    pub fn cells(&self, row: &Row, prefix: &str, columns: &[&Column]) -> Vec<String> {
        let cells = columns.iter().map(|column| {
            let text = column.value(row, &self.context).text();
            match column.side {
                Side::Left if column.key == "comm" => format!("{prefix}{text}"),
                _ => text,
            }
        });
        cells.collect()
    }

    /// The process with the mark.
    pub fn selected_row(&self) -> Option<Row<'_>> {
        self.selected_place()
            .map(|index| self.row(self.rows[index]))
    }

    /// Which part of a CPU the process with the mark has used, oldest first.
    pub fn selected_past(&self) -> Option<&VecDeque<f64>> {
        let record = self.selected_row()?.record;
        let identity = (record.pid(), record.cpu()?.start);
        let place = self
            .past
            .binary_search_by_key(&identity, |past| past.identity);
        Some(&self.past[place.ok()?].cpu)
    }

    /// Which part of a CPU this program has used.
    pub fn own_cpu(&self) -> Option<f64> {
        let own = i32::try_from(process::id()).ok()?;
        let mut all = self.snapshot.records().iter().zip(&self.cpu);
        all.find(|(record, _)| record.pid() == own)
            .and_then(|(_, cpu)| *cpu)
    }

    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    fn pid_at(&self, index: usize) -> Option<i32> {
        self.rows
            .get(index)
            .map(|&place| self.row(place).record.pid())
    }

    /// In which row the mark is.
    pub fn selected_place(&self) -> Option<usize> {
        let selected = self.selected?;
        let mut pids = self.rows.iter().map(|&place| self.row(place).record.pid());
        pids.position(|pid| pid == selected)
    }

    /// Sees to it that the mark is on the screen, which has room for so many rows.
    pub fn scroll(&mut self, height: usize) {
        let place = self.selected_place().unwrap_or(0);
        self.height = height;
        if place < self.first {
            self.first = place;
        } else if place >= self.first + height {
            self.first = (place + 1).saturating_sub(height);
        }
        self.first = self.first.min(self.rows.len().saturating_sub(height));
    }

    fn move_by(&mut self, rows: isize) {
        let last = self.rows.len().saturating_sub(1);
        let place = self.selected_place().unwrap_or(0);
        let place = place.saturating_add_signed(rows).min(last);
        self.is_marked = place > 0;
        self.selected = self.pid_at(place);
    }

    fn sort_by(&mut self, key: &str, descending: bool) {
        if let Some(column) = Column::by_key(key) {
            self.order = Order { column, descending };
            self.arrange();
        }
    }

    /// Sorts by the next column to the right or left.
    fn sort_by_next(&mut self, step: isize) {
        let columns = Self::columns();
        let count = columns.len();
        let current = columns
            .iter()
            .position(|column| *column == self.order.column);
        let next = match current {
            Some(current) => (current + count).saturating_add_signed(step) % count,
            None => 0,
        };
        let column = columns[next];
        self.sort_by(
            column.key,
            column.side == Side::Right && column.key != "pid",
        );
    }

    /// Does what a key is for.
    pub fn key(&mut self, key: KeyEvent) -> Flow {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Flow::Quit,
                _ => Flow::Continue,
            };
        }
        if self.is_typing {
            self.type_key(key.code);
            return Flow::Continue;
        }
        if self.shows_help {
            self.shows_help = false;
            return Flow::Continue;
        }
        let page = isize::try_from(self.height).unwrap_or(isize::MAX).max(1);
        match key.code {
            KeyCode::Char('q') => return Flow::Quit,
            KeyCode::Char('?' | 'h') => self.shows_help = true,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('t') => {
                self.is_tree = !self.is_tree;
                self.arrange();
            }
            KeyCode::Char('H') => {
                self.selection.threads = !self.selection.threads;
                // What a process has used is not what its main thread has.
                self.past.clear();
            }
            KeyCode::Enter => self.shows_details = !self.shows_details,
            KeyCode::Esc => {
                self.shows_details = false;
                self.filter.clear();
                self.arrange();
            }
            KeyCode::Char('C') => self.sort_by("cpu", true),
            KeyCode::Char('M') => self.sort_by("rss", true),
            KeyCode::Char('T') => self.sort_by("time", true),
            KeyCode::Char('P') => self.sort_by("pid", false),
            KeyCode::Char('N') => self.sort_by("comm", false),
            KeyCode::Char('r') => {
                self.order.descending = !self.order.descending;
                self.arrange();
            }
            KeyCode::Char('<') | KeyCode::Left => self.sort_by_next(-1),
            KeyCode::Char('>') | KeyCode::Right => self.sort_by_next(1),
            KeyCode::Up | KeyCode::Char('k') => self.move_by(-1),
            KeyCode::Down | KeyCode::Char('j') => self.move_by(1),
            KeyCode::PageUp => self.move_by(-page),
            KeyCode::PageDown => self.move_by(page),
            KeyCode::Home => self.move_by(isize::MIN),
            KeyCode::End => self.move_by(isize::MAX),
            _ => {}
        }
        Flow::Continue
    }

    fn type_key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c) => self.filter.push(c),
            _ => {}
        }
        self.arrange();
    }
}

#[cfg(test)]
pub mod tests {
    use procmon::uapi;

    use super::*;
    use crate::processes::select::Filters;

    /// A process with the CPU time that it has used so far, in ms.
    pub fn process(pid: i32, ppid: i32, comm: &str, cpu_ms: u64) -> Record {
        let mut raw = uapi::procmon_record {
            pid,
            tgid: pid,
            ppid,
            threads: 1,
            state: uapi::PROCMON_STATE_SLEEPING,
            groups: Groups::all().bits(),
            utime: cpu_ms * 1_000_000,
            start_time: pid as u64,
            rss_anon: pid as u64 * 1_048_576,
            ..Default::default()
        };
        for (to, from) in raw.comm.iter_mut().zip(comm.bytes()) {
            *to = from as _;
        }
        raw.into()
    }

    pub fn app(records: &[Record], seconds: u64) -> App {
        let selection = Selection::new(Filters::default(), false, &Names::default()).unwrap();
        let order = Order::parse("-cpu").unwrap();
        let mut app = App::new(selection, order, false, Names::default());
        show(&mut app, records, seconds);
        app
    }

    pub fn show(app: &mut App, records: &[Record], seconds: u64) {
        let time = Duration::from_secs(seconds);
        app.take(Snapshot::new(records.to_vec(), time), System::default());
    }

    fn pids(app: &App) -> Vec<i32> {
        app.rows().map(|(row, _)| row.record.pid()).collect()
    }

    fn press(app: &mut App, keys: &[KeyCode]) {
        for &key in keys {
            assert_eq!(app.key(KeyEvent::from(key)), Flow::Continue);
        }
    }

    fn processes() -> [Record; 3] {
        [
            process(1, 0, "init", 100),
            process(20, 1, "worker", 0),
            process(30, 1, "Shell", 0),
        ]
    }

    #[test]
    fn the_cpu_column_is_what_was_used_since_the_last_refresh() {
        let mut app = app(&processes(), 10);
        let later = [
            process(1, 0, "init", 100),
            process(20, 1, "worker", 500),
            process(30, 1, "Shell", 1500),
        ];
        show(&mut app, &later, 12);
        assert_eq!(pids(&app), [30, 20, 1]);
        let used: Vec<_> = app.rows().map(|(row, _)| row.cpu).collect();
        assert_eq!(used, [Some(75.0), Some(25.0), Some(0.0)]);

        app.selected = Some(20);
        assert_eq!(app.selected_past().unwrap(), &[25.0]);
    }

    #[test]
    fn a_process_with_the_id_of_another_one_is_new() {
        let mut app = app(&[process(5, 1, "old", 1000)], 10);
        let mut raw = uapi::procmon_record {
            pid: 5,
            groups: Groups::all().bits(),
            utime: 2_000_000_000,
            start_time: 11_000_000_000,
            ..Default::default()
        };
        raw.tgid = 5;
        show(&mut app, &[raw.into()], 12);
        // All of its two seconds are of the two since the last refresh.
        let used: Vec<_> = app.rows().map(|(row, _)| row.cpu).collect();
        assert_eq!(used, [Some(100.0)]);
    }

    #[test]
    fn the_time_of_a_process_is_not_that_of_its_main_thread() {
        let mut app = app(&[process(5, 1, "worker", 100)], 10);
        press(&mut app, &[KeyCode::Char('H')]);
        show(&mut app, &[process(5, 1, "worker", 2100)], 12);
        let used: Vec<_> = app.rows().map(|(row, _)| row.cpu).collect();
        assert_eq!(used, [None]);
    }

    #[test]
    fn keys_sort() {
        let mut app = app(&processes(), 10);
        press(&mut app, &[KeyCode::Char('N')]);
        assert_eq!(pids(&app), [30, 1, 20]);
        press(&mut app, &[KeyCode::Char('r')]);
        assert_eq!(pids(&app), [20, 1, 30]);
        press(&mut app, &[KeyCode::Char('M')]);
        assert_eq!(pids(&app), [30, 20, 1]);
        press(&mut app, &[KeyCode::Char('P')]);
        assert_eq!(pids(&app), [1, 20, 30]);
        press(&mut app, &[KeyCode::Left]);
        assert_eq!(app.order.column.key, "comm");
        press(&mut app, &[KeyCode::Right, KeyCode::Right]);
        assert_eq!(app.order.column.key, "user");
    }

    #[test]
    fn typing_filters_by_name_or_id() {
        let mut app = app(&processes(), 10);
        press(
            &mut app,
            &[KeyCode::Char('/'), KeyCode::Char('s'), KeyCode::Char('q')],
        );
        assert!(pids(&app).is_empty());
        press(&mut app, &[KeyCode::Backspace]);
        assert_eq!(pids(&app), [30]);
        assert_eq!(app.selected, Some(30));
        press(&mut app, &[KeyCode::Enter, KeyCode::Esc]);
        assert_eq!(pids(&app).len(), 3);
        press(
            &mut app,
            &[KeyCode::Char('/'), KeyCode::Char('2'), KeyCode::Char('0')],
        );
        assert_eq!(pids(&app), [20]);
        press(&mut app, &[KeyCode::Esc]);
        assert_eq!(pids(&app).len(), 3);
        assert_eq!(app.key(KeyEvent::from(KeyCode::Char('q'))), Flow::Quit);
    }

    #[test]
    fn the_mark_moves_and_stays_with_its_process() {
        let mut app = app(&processes(), 10);
        press(
            &mut app,
            &[KeyCode::Char('P'), KeyCode::Home, KeyCode::Down],
        );
        assert_eq!(app.selected, Some(20));
        press(&mut app, &[KeyCode::Char('r')]);
        assert_eq!(app.selected, Some(20));
        press(&mut app, &[KeyCode::End]);
        assert_eq!(app.selected, Some(1));
        press(
            &mut app,
            &[KeyCode::Down, KeyCode::Up, KeyCode::Up, KeyCode::Up],
        );
        assert_eq!(app.selected, Some(30));
        show(&mut app, &processes()[..2], 11);
        assert_eq!(
            app.selected,
            Some(20),
            "the first row, as the process is gone"
        );
    }

    #[test]
    fn a_tree_has_children_below_their_parents() {
        let mut app = app(&processes(), 10);
        press(&mut app, &[KeyCode::Char('P'), KeyCode::Char('t')]);
        let prefixes: Vec<_> = app.rows().map(|(_, prefix)| prefix.to_owned()).collect();
        assert_eq!(prefixes, ["", "├─ ", "└─ "]);
    }
}
