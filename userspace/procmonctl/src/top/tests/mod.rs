// SPDX-License-Identifier: GPL-2.0-only

//! Tests of `top` without a kernel: effects of keys, and screens.

mod actions;
mod arguments;
mod groups;
mod head;
mod look;
mod mouse;
mod picker;
mod pty;
mod screens;
pub mod turnover;

use std::time::Duration;

use procmon::snapshot::{Groups, Record};
use procmon::{Snapshot, uapi};
use termina::event::{KeyCode, KeyEvent, Modifiers};

use super::act::Flow;
use super::input::Input;
use super::look::Look;
use super::rows::{Id, Line};
use super::state::{App, COLUMNS, Mode, Settings};
use super::system::System;
use super::theme::Name;
use crate::table::columns::{self, Column};
use crate::table::filter::{Filters, Selection};
use crate::table::names::Names;
use crate::table::order::Order;
use crate::table::row::Context;

/// Returns a process with its CPU time so far, in ms.
pub fn process(pid: i32, ppid: i32, comm: &str, cpu_ms: u64) -> Record {
    let mut raw = uapi::procmon_record {
        pid,
        tgid: pid,
        ppid,
        threads: 1,
        state: uapi::PROCMON_STATE_SLEEPING,
        groups: Groups::all().bits(),
        utime: cpu_ms * 1_000_000,
        runtime: cpu_ms * 1_000_000,
        start_time: pid as u64,
        rss_anon: pid as u64 * 1_048_576,
        ..Default::default()
    };
    for (to, from) in raw.comm.iter_mut().zip(comm.bytes()) {
        *to = from as std::ffi::c_char;
    }
    raw.into()
}

/// The look on a terminal with UTF-8 and eight colours.
fn look() -> Look {
    Look::new(Name::Auto, false, |name| {
        (name == "LANG").then(|| "C.UTF-8".into())
    })
}

pub fn empty_app() -> App {
    let settings = Settings {
        selection: Selection::new(Filters::default(), false, &Names::default()).unwrap(),
        groups: Groups::all(),
        has_arguments: true,
        // Most processes here have names only.
        columns: COLUMNS
            .iter()
            .map(|key| if *key == "args" { "comm" } else { key })
            .map(|key| Column::by_key(key).unwrap())
            .collect(),
        order: Order::parse("-cpu").unwrap(),
        is_tree: false,
        group_by: None,
        delay: Duration::from_secs(1),
        has_events: true,
        shows_transients: false,
        look: look(),
        actor: None,
        has_mouse: true,
    };
    App::new(settings, Context::default())
}

pub fn app(records: &[Record], seconds: u64) -> App {
    let mut app = empty_app();
    show(&mut app, records, seconds);
    app
}

pub fn show(app: &mut App, records: &[Record], seconds: u64) {
    let time = Duration::from_secs(seconds);
    let snapshot = Snapshot::new(records.to_vec(), time);
    app.update(&snapshot, System::default(), None);
}

fn pids(app: &App) -> Vec<i32> {
    app.lines()
        .iter()
        .flat_map(|line| line.pids())
        .copied()
        .collect()
}

/// Returns the ID of the selected process.
fn selected(app: &App) -> Option<i32> {
    match app.selected {
        Some(Id::Process(pid)) => Some(pid),
        _ => None,
    }
}

fn prefix(line: &Line) -> &str {
    match line {
        Line::Process { branch, .. } => &branch.prefix,
        Line::Group(_) => "",
    }
}

fn cpu(app: &App) -> Vec<Option<f64>> {
    let processes = app.lines().iter().map(|line| app.process(line).unwrap());
    processes.map(|process| process.cpu).collect()
}

fn press(app: &mut App, codes: &[KeyCode]) -> Flow {
    let mut flow = Flow::Continue;
    for &code in codes {
        assert_eq!(flow, Flow::Continue, "before {code:?}");
        flow = app.input(&Input::Key(KeyEvent::from(code)));
    }
    flow
}

fn control(app: &mut App, c: char) -> Flow {
    let key = KeyEvent::new(KeyCode::Char(c), Modifiers::CONTROL);
    app.input(&Input::Key(key))
}

fn type_text(app: &mut App, text: &str) {
    for c in text.chars() {
        assert_eq!(press(app, &[KeyCode::Char(c)]), Flow::Continue);
    }
}

/// Returns the selected entry of the menu on the screen.
fn selected_entry(app: &App) -> &str {
    let Mode::Menu(menu) = &app.mode else {
        panic!("{:?}", app.mode);
    };
    &menu.entries[menu.place].text
}

/// Selects a column in the menu by its first letter, which other columns may have too.
fn select_column(app: &mut App, key: &str) {
    for _ in 0..columns::COLUMNS.len() {
        press(app, &[KeyCode::Char(key.chars().next().unwrap())]);
        if selected_entry(app).starts_with(&format!("{key} ")) {
            return;
        }
    }
    panic!("no column {key}");
}

fn processes() -> [Record; 3] {
    [
        process(1, 0, "init", 100),
        process(20, 1, "worker", 0),
        process(30, 1, "Shell", 0),
    ]
}

#[test]
fn the_cpu_column_is_the_use_since_the_last_refresh() {
    let mut app = app(&processes(), 10);
    assert_eq!(cpu(&app), [None; 3]);
    let later = [
        process(1, 0, "init", 100),
        process(20, 1, "worker", 500),
        process(30, 1, "Shell", 1500),
    ];
    show(&mut app, &later, 12);
    assert_eq!(pids(&app), [30, 20, 1]);
    assert_eq!(cpu(&app), [Some(75.0), Some(25.0), Some(0.0)]);
    app.selected = Some(Id::Process(20));
    assert_eq!(app.selected_process().unwrap().past, [25.0]);
}

#[test]
fn a_process_with_the_id_of_another_one_is_new() {
    let mut app = app(&[process(5, 1, "old", 1000)], 10);
    let raw = uapi::procmon_record {
        pid: 5,
        tgid: 5,
        threads: 1,
        groups: Groups::all().bits(),
        utime: 2_000_000_000,
        runtime: 2_000_000_000,
        start_time: 11_000_000_000,
        ..Default::default()
    };
    show(&mut app, &[raw.into()], 12);
    // All of its two seconds are of the two since the last refresh.
    assert_eq!(cpu(&app), [Some(100.0)]);
}

/// The program to look at may be started after `top`.
#[test]
fn an_empty_list_begins_an_interval() {
    let mut app = app(&[], 10);
    assert!(!app.has_interval());
    let raw = uapi::procmon_record {
        pid: 5,
        tgid: 5,
        threads: 1,
        groups: Groups::all().bits(),
        utime: 1_000_000_000,
        runtime: 1_000_000_000,
        start_time: 10_000_000_000,
        ..Default::default()
    };
    show(&mut app, &[raw.into()], 12);
    assert!(app.has_interval());
    assert_eq!(cpu(&app), [Some(50.0)]);
    // The list of threads begins again, but the system goes on.
    press(&mut app, &[KeyCode::Char('H')]);
    show(&mut app, &[raw.into()], 14);
    assert!(app.has_interval());
    assert_eq!(cpu(&app), [None]);
}

#[test]
fn no_process_uses_more_than_its_threads_can() {
    let mut app = app(&[process(5, 1, "worker", 100)], 10);
    // Its record was made some time after the snapshot was begun.
    show(&mut app, &[process(5, 1, "worker", 2110)], 12);
    assert_eq!(cpu(&app), [Some(100.0)]);
}

#[test]
fn the_time_of_a_process_is_not_that_of_its_main_thread() {
    let mut app = app(&[process(5, 1, "worker", 100)], 10);
    assert_eq!(press(&mut app, &[KeyCode::Char('H')]), Flow::Refresh);
    show(&mut app, &[process(5, 1, "worker", 2100)], 12);
    assert_eq!(cpu(&app), [None]);
    show(&mut app, &[process(5, 1, "worker", 3100)], 14);
    assert_eq!(cpu(&app), [Some(50.0)]);
}

#[test]
fn keys_sort() {
    let mut app = app(&processes(), 10);
    let char = KeyCode::Char;
    for (key, expected) in [
        (char('N'), [1, 20, 30]),
        (char('I'), [30, 20, 1]),
        (char('I'), [1, 20, 30]),
        (char('M'), [30, 20, 1]),
        (char('R'), [1, 20, 30]),
        (char('T'), [1, 20, 30]),
        (char('P'), [1, 20, 30]),
    ] {
        press(&mut app, &[key]);
        assert_eq!(pids(&app), expected, "{key:?}");
    }
    assert_eq!(app.order, Order::parse("-cpu").unwrap());
    press(&mut app, &[char('<')]);
    assert_eq!(app.order, Order::parse("-threads").unwrap());
    press(&mut app, &[char('>'), char('>')]);
    assert_eq!(app.order, Order::parse("-rss").unwrap());
    press(&mut app, &[char('N'), char('<')]);
    assert_eq!(app.order, Order::parse("comm").unwrap());
    assert_eq!(pids(&app), [30, 1, 20]);
}

#[test]
fn the_menu_sorts_by_columns_that_are_not_shown_too() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Function(6)]);
    assert!(selected_entry(&app).starts_with("cpu "));
    select_column(&mut app, "minflt");
    press(&mut app, &[KeyCode::Enter]);
    assert_eq!(app.order, Order::parse("-minflt").unwrap());
    let keys: Vec<_> = app.columns().iter().map(|column| column.key).collect();
    assert_eq!(keys[8..], ["minflt", "comm"]);
    press(&mut app, &[KeyCode::Char('P')]);
    assert_eq!(app.columns().len(), COLUMNS.len());
}

#[test]
fn a_filter_is_typed_and_edited() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Function(4)]);
    type_text(&mut app, "sq");
    assert!(pids(&app).is_empty());
    press(&mut app, &[KeyCode::Backspace]);
    assert_eq!(pids(&app), [30]);
    assert_eq!(selected(&app), Some(30));
    // Keys with an effect elsewhere are text here.
    control(&mut app, 'u');
    type_text(&mut app, "q");
    assert_eq!(app.filter.text(), "q");
    press(&mut app, &[KeyCode::Backspace]);
    app.input(&Input::Paste("wor\n".to_owned()));
    press(&mut app, &[KeyCode::Enter]);
    assert_eq!(pids(&app), [20]);
    // Esc ends one thing at a time.
    press(&mut app, &[KeyCode::Enter, KeyCode::Escape]);
    assert_eq!((pids(&app).len(), app.shows_details), (1, false));
    press(&mut app, &[KeyCode::Escape]);
    assert_eq!(pids(&app).len(), 3);
    // IDs have to match as a whole.
    press(&mut app, &[KeyCode::Char('\\')]);
    type_text(&mut app, "20");
    assert_eq!(pids(&app), [20]);
    press(&mut app, &[KeyCode::Escape]);
    assert_eq!(pids(&app).len(), 3);
}

#[test]
fn a_filter_is_a_regular_expression() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Function(4)]);
    type_text(&mut app, "^(init|sh)");
    assert_eq!(pids(&app), [1, 30]);
    assert_eq!(app.message, None);
    // The last valid one is in effect, and the prompt has the reason.
    type_text(&mut app, "[");
    assert_eq!(pids(&app), [1, 30]);
    assert_eq!(app.message.as_deref(), Some("unclosed character class"));
    press(&mut app, &[KeyCode::Enter]);
    assert_eq!(app.filter.text(), "^(init|sh)");
    assert_eq!(app.message.as_deref(), Some("unclosed character class"));
}

#[test]
fn a_search_moves_the_selection() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::Char('/')]);
    type_text(&mut app, "er");
    assert_eq!(selected(&app), Some(20));
    assert_eq!(pids(&app).len(), 3);
    type_text(&mut app, "x");
    assert_eq!(app.message.as_deref(), Some("nothing matches \"erx\""));
    press(&mut app, &[KeyCode::Backspace, KeyCode::Backspace]);
    press(&mut app, &[KeyCode::Function(3)]);
    assert_eq!(selected(&app), Some(30), "the next one");
    press(&mut app, &[KeyCode::Enter, KeyCode::Char('n')]);
    assert_eq!(selected(&app), Some(20), "from the top again");
    press(&mut app, &[KeyCode::Char('b')]);
    assert_eq!(
        selected(&app),
        Some(30),
        "the one before the first is the last"
    );
    press(&mut app, &[KeyCode::Char('b')]);
    assert_eq!(selected(&app), Some(20));
}

#[test]
fn the_selection_moves_and_stays_with_its_process() {
    let mut app = app(&processes(), 10);
    press(
        &mut app,
        &[KeyCode::Char('N'), KeyCode::Home, KeyCode::Down],
    );
    assert_eq!(selected(&app), Some(20));
    press(&mut app, &[KeyCode::Char('I')]);
    assert_eq!(selected(&app), Some(20));
    press(&mut app, &[KeyCode::End]);
    assert_eq!(selected(&app), Some(1));
    press(
        &mut app,
        &[KeyCode::Down, KeyCode::Up, KeyCode::Up, KeyCode::Up],
    );
    assert_eq!(selected(&app), Some(30));
    show(&mut app, &processes()[..2], 11);
    assert_eq!(
        selected(&app),
        Some(20),
        "the first row: its process is gone"
    );
}

#[test]
fn a_tree_has_children_below_their_parents() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::Function(5)]);
    let prefixes: Vec<_> = app.lines().iter().map(prefix).collect();
    assert_eq!(prefixes, ["", "├─ ", "└─ "]);
}

#[test]
fn tags_stay_with_their_processes() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::Char(' ')]);
    assert_eq!((app.tags(), selected(&app)), (1, Some(20)));
    let is_tagged = |app: &App, pid| app.is_tagged(app.processes.get(pid).unwrap());
    show(&mut app, &processes(), 11);
    assert!(is_tagged(&app, 1) && !is_tagged(&app, 20));
    press(&mut app, &[KeyCode::Char(' '), KeyCode::Char(' ')]);
    show(&mut app, &processes()[..2], 12);
    assert_eq!(app.tags(), 2, "the third one is gone");
    press(&mut app, &[KeyCode::Home, KeyCode::Char(' ')]);
    assert!(!is_tagged(&app, 1));
    press(&mut app, &[KeyCode::Char('U')]);
    assert_eq!(app.tags(), 0);
}

#[test]
fn a_user_is_chosen() {
    let of_user = |pid, uid| {
        let mut raw = uapi::procmon_record {
            pid,
            tgid: pid,
            groups: Groups::all().bits(),
            ..Default::default()
        };
        raw.uid = uid;
        Record::from(raw)
    };
    let records = [of_user(1, 0), of_user(2, 1000), of_user(3, 1000)];
    let mut app = app(&records, 10);
    press(&mut app, &[KeyCode::Char('u')]);
    let Mode::Menu(menu) = &app.mode else {
        panic!("{:?}", app.mode);
    };
    let texts: Vec<_> = menu.entries.iter().map(|entry| &*entry.text).collect();
    assert_eq!(texts, ["all users", "0 (1)", "1000 (2)"]);
    press(&mut app, &[KeyCode::End, KeyCode::Enter]);
    assert_eq!(pids(&app), [2, 3]);
    press(&mut app, &[KeyCode::Escape]);
    assert_eq!(pids(&app).len(), 3);
}

#[test]
fn every_key_is_answered() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Char('x')]);
    assert_eq!(
        app.message.as_deref(),
        Some("x does nothing here; F1 shows the keys")
    );
    press(&mut app, &[KeyCode::Down]);
    assert_eq!(app.message, None);
    for code in [
        KeyCode::Char(']'),
        KeyCode::Escape,
        KeyCode::Char('n'),
        KeyCode::Char('b'),
    ] {
        press(&mut app, &[code]);
        assert!(app.message.is_some(), "{code:?}");
    }
    app.input(&Input::Paste("q".to_owned()));
    assert!(app.message.is_some(), "a paste is no command");
}

#[test]
fn the_delay_is_changed() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Char('d')]);
    control(&mut app, 'u');
    type_text(&mut app, "2.5");
    press(&mut app, &[KeyCode::Enter]);
    assert_eq!(app.delay, Duration::from_millis(2500));
    for bad in ["", "0", "-1", "soon", "1e19"] {
        press(&mut app, &[KeyCode::Char('s')]);
        control(&mut app, 'u');
        type_text(&mut app, bad);
        press(&mut app, &[KeyCode::Enter]);
        assert!(app.message.is_some(), "{bad:?}");
        assert_eq!(app.delay, Duration::from_millis(2500), "{bad:?}");
    }
}

#[test]
fn keys_for_the_loop_work_everywhere() {
    for mode in [None, Some('/'), Some('?'), Some('u')] {
        let mut app = app(&processes(), 10);
        press(
            &mut app,
            &mode.map(KeyCode::Char).into_iter().collect::<Vec<_>>(),
        );
        assert_eq!(control(&mut app, 'l'), Flow::Redraw, "{mode:?}");
        assert_eq!(control(&mut app, 'z'), Flow::Suspend, "{mode:?}");
        assert_eq!(control(&mut app, 'c'), Flow::Quit, "{mode:?}");
    }
    let mut app = app(&processes(), 10);
    assert_eq!(press(&mut app, &[KeyCode::Char('q')]), Flow::Quit);
    assert_eq!(press(&mut app, &[KeyCode::Function(10)]), Flow::Quit);
    assert_eq!(press(&mut app, &[KeyCode::Char('K')]), Flow::Refresh);
    press(&mut app, &[KeyCode::Char('p')]);
    assert!(app.is_paused);
    assert_eq!(
        press(&mut app, &[KeyCode::Char('H')]),
        Flow::Refresh,
        "paused too"
    );
}
