// SPDX-License-Identifier: GPL-2.0-only

//! Tests of the mouse. The places to click on are those of texts on the screen.

use termina::event::{KeyCode, Modifiers, MouseButton, MouseEvent, MouseEventKind};

use super::screens::{many, screen};
use super::{app, pids, press, processes, selected, selected_entry};
use crate::table::order::Order;
use crate::top::act::Flow;
use crate::top::input::Input;
use crate::top::state::{App, Mode};

const WIDTH: u16 = 80;
const HEIGHT: u16 = 24;

fn mouse(app: &mut App, kind: MouseEventKind, column: u16, row: u16) -> Flow {
    app.input(&Input::Mouse(MouseEvent {
        kind,
        column,
        row,
        modifiers: Modifiers::NONE,
    }))
}

/// Returns the place of a text on the screen.
fn place_of(app: &mut App, text: &str) -> (u16, u16) {
    let lines = screen(app, WIDTH, HEIGHT);
    let found = lines.iter().enumerate().find_map(|(row, line)| {
        let column = line[..line.find(text)?].chars().count();
        Some((u16::try_from(column).unwrap(), u16::try_from(row).unwrap()))
    });
    found.unwrap_or_else(|| panic!("no {text:?}: {lines:#?}"))
}

fn click(app: &mut App, text: &str) -> Flow {
    let (column, row) = place_of(app, text);
    mouse(app, MouseEventKind::Down(MouseButton::Left), column, row)
}

fn turn(app: &mut App, kind: MouseEventKind, text: &str) {
    let (column, row) = place_of(app, text);
    assert_eq!(mouse(app, kind, column, row), Flow::Continue);
}

#[test]
fn a_click_on_a_row_selects_it_and_a_second_one_shows_the_details() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::Home]);
    click(&mut app, " Shell");
    assert_eq!((selected(&app), app.shows_details), (Some(30), false));
    click(&mut app, " Shell");
    assert!(app.shows_details);
    click(&mut app, " worker");
    assert_eq!((selected(&app), app.shows_details), (Some(20), true));
    // The selection stays with its process, also in the first row.
    press(&mut app, &[KeyCode::Escape]);
    click(&mut app, " init");
    press(&mut app, &[KeyCode::Char('I')]);
    assert_eq!(selected(&app), Some(1));
}

/// The row is that of the screen, though the rows have been sorted anew since.
#[test]
fn a_click_is_on_the_row_that_was_drawn() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::Down]);
    let (column, row) = place_of(&mut app, " Shell");
    press(&mut app, &[KeyCode::Char('I')]);
    mouse(
        &mut app,
        MouseEventKind::Down(MouseButton::Left),
        column,
        row,
    );
    assert_eq!(selected(&app), Some(30));
}

#[test]
fn a_click_on_a_title_sorts_and_a_second_one_inverts() {
    let mut app = app(&processes(), 10);
    for (title, order, expected) in [
        ("PID", "pid", [1, 20, 30]),
        ("PID", "-pid", [30, 20, 1]),
        ("RSS", "-rss", [30, 20, 1]),
        ("RSS", "rss", [1, 20, 30]),
        ("COMMAND", "comm", [30, 1, 20]),
    ] {
        click(&mut app, title);
        assert_eq!(app.order, Order::parse(order).unwrap(), "{title}");
        assert_eq!(pids(&app), expected, "{title}");
    }
    // All of the column's width is its title.
    let (column, row) = place_of(&mut app, "PID");
    mouse(
        &mut app,
        MouseEventKind::Down(MouseButton::Left),
        column - 3,
        row,
    );
    assert_eq!(app.order, Order::parse("pid").unwrap());
}

#[test]
fn a_click_on_the_bar_presses_the_key() {
    let mut app = app(&processes(), 10);
    click(&mut app, "F5Tree");
    assert!(app.is_tree);
    click(&mut app, "Filter");
    assert!(matches!(app.mode, Mode::Prompt(_)));
    // The mouse leaves a prompt alone.
    click(&mut app, " init");
    assert!(matches!(app.mode, Mode::Prompt(_)));
    press(&mut app, &[KeyCode::Enter]);
    click(&mut app, "F6Sort");
    assert!(matches!(app.mode, Mode::Menu(_)));
    press(&mut app, &[KeyCode::Escape]);
    assert_eq!(click(&mut app, "F10Quit"), Flow::Quit);
}

#[test]
fn a_click_in_a_menu_chooses() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Function(6)]);
    let texts = |app: &mut App| screen(app, WIDTH, HEIGHT).join("\n");
    // The border does nothing, and the wheel moves on.
    click(&mut app, " Sort by ");
    assert!(selected_entry(&app).starts_with("cpu "));
    turn(&mut app, MouseEventKind::ScrollDown, " Sort by ");
    assert!(selected_entry(&app).starts_with("time "));
    turn(&mut app, MouseEventKind::ScrollUp, " Sort by ");
    assert!(selected_entry(&app).starts_with("cpu "));
    click(&mut app, "│threads ");
    assert!(texts(&mut app).contains(" Sort by "), "the border again");
    click(&mut app, "threads      Number");
    assert_eq!(app.order, Order::parse("-threads").unwrap());
    assert!(!texts(&mut app).contains(" Sort by "));

    // An entry of a menu that is scrolled.
    press(&mut app, &[KeyCode::Function(6), KeyCode::End]);
    click(&mut app, "majflt ");
    assert_eq!(app.order, Order::parse("-majflt").unwrap());

    // A click elsewhere closes a menu, and does nothing else.
    press(&mut app, &[KeyCode::Char('u')]);
    assert_eq!(click(&mut app, "F10Quit"), Flow::Continue);
    assert!(matches!(app.mode, Mode::Table));
}

#[test]
fn the_wheel_scrolls_and_the_selection_stays_visible() {
    let mut app = many(100);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::Home]);
    screen(&mut app, WIDTH, HEIGHT);
    let height = i32::try_from(app.height).unwrap();
    turn(&mut app, MouseEventKind::ScrollDown, " p");
    assert_eq!((app.first, selected(&app)), (3, Some(4)));
    press(&mut app, &[KeyCode::Down, KeyCode::Down]);
    turn(&mut app, MouseEventKind::ScrollUp, " p");
    assert_eq!((app.first, selected(&app)), (0, Some(6)), "it was visible");
    for _ in 0..40 {
        turn(&mut app, MouseEventKind::ScrollDown, " p");
    }
    assert_eq!(selected(&app), Some(101 - height));
    let last = screen(&mut app, WIDTH, HEIGHT);
    assert!(
        last.iter()
            .any(|line| line.trim_start().starts_with("100 "))
    );
    for _ in 0..40 {
        turn(&mut app, MouseEventKind::ScrollUp, " p");
    }
    assert_eq!((app.first, selected(&app)), (0, Some(height)));
}

#[test]
fn the_wheel_scrolls_the_help_and_the_details() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Function(1)]);
    turn(&mut app, MouseEventKind::ScrollDown, " Keys ");
    screen(&mut app, WIDTH, HEIGHT);
    assert_eq!(app.help_first, 3);
    click(&mut app, " Keys ");
    assert!(matches!(app.mode, Mode::Table));

    press(&mut app, &[KeyCode::Enter]);
    let scroll = |app: &mut App, kind| {
        screen(app, 40, 12);
        mouse(app, kind, 5, 10);
        screen(app, 40, 12);
        app.details_first
    };
    assert_eq!(scroll(&mut app, MouseEventKind::ScrollDown), 3);
    assert_eq!(scroll(&mut app, MouseEventKind::ScrollUp), 0);
}

/// Nothing on the screen is out of bounds, whatever a terminal reports.
#[test]
fn clicks_are_harmless_everywhere() {
    for key in [None, Some(KeyCode::Function(1)), Some(KeyCode::Function(6))] {
        for (column, row) in [(0, 0), (79, 23), (80, 24), (u16::MAX, u16::MAX)] {
            let mut app = app(&processes(), 10);
            press(&mut app, &key.into_iter().collect::<Vec<_>>());
            for kind in [
                MouseEventKind::Down(MouseButton::Left),
                MouseEventKind::ScrollUp,
                MouseEventKind::ScrollDown,
            ] {
                // Before the first drawing too.
                mouse(&mut app, kind, column, row);
                screen(&mut app, WIDTH, HEIGHT);
            }
        }
    }
}

#[test]
fn the_mouse_is_left_to_the_terminal() {
    let mut app = app(&processes(), 10);
    assert_eq!(press(&mut app, &[KeyCode::Char('m')]), Flow::Mouse);
    assert!(!app.has_mouse);
    assert_eq!(press(&mut app, &[KeyCode::Char('m')]), Flow::Mouse);
    assert!(app.has_mouse);
}
