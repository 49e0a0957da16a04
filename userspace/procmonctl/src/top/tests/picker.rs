// SPDX-License-Identifier: GPL-2.0-only

//! Tests of the list of columns.

use termina::event::KeyCode;

use super::screens::screen;
use super::{app, press, processes, type_text};
use crate::table::columns::COLUMNS;
use crate::top::state::{App, Mode};

const SPACE: KeyCode = KeyCode::Char(' ');

fn keys(app: &App) -> Vec<&str> {
    app.columns().iter().map(|column| column.key).collect()
}

/// Returns the selected entry as it is shown.
fn entry(app: &App) -> String {
    let Mode::Picker(menu) = &app.mode else {
        panic!("{:?}", app.mode);
    };
    let entry = &menu.entries[menu.place];
    let key = entry.text.split(' ').next().unwrap();
    format!("{}{key}", entry.mark)
}

#[test]
fn a_column_is_shown_and_hidden() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Function(2)]);
    assert_eq!(entry(&app), "[x] pid");
    let Mode::Picker(menu) = &app.mode else {
        panic!("{:?}", app.mode);
    };
    assert_eq!(menu.entries.len(), COLUMNS.len());
    type_text(&mut app, "swap");
    assert_eq!(entry(&app), "[ ] swap");
    press(&mut app, &[SPACE]);
    assert_eq!(entry(&app), "[x] swap");
    let shown = ["time", "swap", "comm"];
    assert_eq!(keys(&app)[7..], shown, "the name stays the last");
    let titles = screen(&mut app, 100, 60).join("\n");
    assert!(titles.contains("[x] swap"), "{titles}");
    press(&mut app, &[KeyCode::Enter]);
    assert_eq!(
        (entry(&app), keys(&app).contains(&"swap")),
        ("[ ] swap".to_owned(), false)
    );
    press(&mut app, &[SPACE, KeyCode::Escape]);
    assert_eq!(
        app.message.as_deref(),
        Some("as an option: -o pid,user,nice,state,threads,cpu,rss,time,swap,comm")
    );
    assert!(screen(&mut app, 100, 20).join("\n").contains(" SWAP "));
}

#[test]
fn a_column_is_moved() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Function(2), KeyCode::Function(7)]);
    assert_eq!(keys(&app)[..2], ["pid", "user"], "it is the first one");
    press(&mut app, &[KeyCode::Function(8), KeyCode::Function(8)]);
    assert_eq!(keys(&app)[..3], ["user", "nice", "pid"]);
    press(&mut app, &[KeyCode::Function(7)]);
    assert_eq!(entry(&app), "[x] pid");
    assert_eq!(keys(&app)[..3], ["user", "pid", "nice"]);
    type_text(&mut app, "swap");
    press(&mut app, &[KeyCode::Function(7)]);
    assert!(app.message.is_some() && !keys(&app).contains(&"swap"));
}

#[test]
fn one_column_remains() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Function(2)]);
    for _ in 0..COLUMNS.len() {
        press(&mut app, &[KeyCode::Home, SPACE]);
    }
    assert_eq!(app.chosen.len(), 1);
    assert!(app.message.is_some());
    // Beside the one that the rows are sorted by.
    assert_eq!(keys(&app), ["cpu", "comm"]);
}

#[test]
fn the_list_fits_small_screens() {
    for (width, height) in [(40, 10), (20, 5), (200, 60)] {
        let mut app = app(&processes(), 10);
        press(&mut app, &[KeyCode::Function(2), KeyCode::End]);
        let key = COLUMNS.last().unwrap().key;
        let text = screen(&mut app, width, height).join("\n");
        assert!(
            text.contains(&format!("[ ] {key}")),
            "{width}x{height}\n{text}"
        );
    }
}
