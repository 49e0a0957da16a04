// SPDX-License-Identifier: GPL-2.0-only

//! Tests of groups, and of the folds of a tree.

use nix::sys::signal::Signal;
use procmon::snapshot::Record;
use termina::event::KeyCode;

use super::actions::{Act, Notes, acting, message};
use super::screens::screen;
use super::{app, pids, press, process, select_column, selected, show, type_text};
use crate::table::group::GroupBy;
use crate::top::act::Flow;
use crate::top::rows::{Id, Line};
use crate::top::state::{App, Mode};

const TAB: KeyCode = KeyCode::Tab;

/// Returns a shell with two jobs of the same name, and one of another.
fn family() -> [Record; 5] {
    [
        process(1, 0, "init", 100),
        process(20, 1, "sh", 0),
        process(21, 20, "job", 0),
        process(22, 20, "job", 0),
        process(23, 22, "other", 0),
    ]
}

fn groups(app: &App) -> Vec<(String, &[i32])> {
    let lines = app.lines().iter().map(|line| match line {
        Line::Group(group) => (group.name.text(), &*group.pids),
        Line::Process { .. } => panic!("{line:?}"),
    });
    lines.collect()
}

/// Returns the rows of the screen below the titles.
fn rows(app: &mut App) -> Vec<String> {
    let screen = screen(app, 80, 20);
    let titles = screen.iter().position(|line| line.contains("RSS"));
    let rows = screen[titles.unwrap()..screen.len() - 1].iter();
    rows.filter(|row| !row.is_empty()).cloned().collect()
}

#[test]
fn a_key_groups_by_one_thing_after_the_other() {
    let mut app = app(&family(), 10);
    press(&mut app, &[TAB]);
    assert_eq!(app.group_by, Some(GroupBy::Name));
    assert_eq!(message(&app), "processes by name");
    for by in [
        Some(GroupBy::User),
        Some(GroupBy::Unit),
        Some(GroupBy::Container),
        Some(GroupBy::Cgroup),
        None,
        Some(GroupBy::Name),
    ] {
        press(&mut app, &[TAB]);
        assert_eq!(app.group_by, by);
    }
}

#[test]
fn a_group_has_the_sums_of_its_processes() {
    let mut app = app(&family(), 10);
    press(&mut app, &[TAB, KeyCode::Char('M')]);
    assert_eq!(
        rows(&mut app),
        [
            " PROCS  THR   CPU%  RSS▼     TIME COMMAND",
            "     2    2    0.0   43M  0:00.00 job",
            "     1    1    0.0   23M  0:00.00 other",
            "     1    1    0.0   20M  0:00.00 sh",
            "     1    1    1.0  1.0M  0:00.10 init",
        ]
    );
    let user = [("0".to_owned(), &[1, 20, 21, 22, 23][..])];
    press(&mut app, &[TAB]);
    assert_eq!(groups(&app), user);
}

/// PIDs, for example, do not add up.
#[test]
fn groups_are_sorted_by_what_they_have() {
    let mut app = app(&family(), 10);
    press(&mut app, &[TAB, KeyCode::Char('N')]);
    let names = |app: &App| {
        groups(app)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&app), ["init", "job", "other", "sh"]);
    press(&mut app, &[KeyCode::Char('I')]);
    assert_eq!(names(&app), ["sh", "other", "job", "init"]);
    press(&mut app, &[KeyCode::Function(6)]);
    let Mode::Menu(menu) = &app.mode else {
        panic!("{:?}", app.mode);
    };
    let has = |key: &str| menu.entries.iter().any(|entry| entry.text.starts_with(key));
    assert!(has("procs ") && has("comm ") && has("pss ") && !has("pid ") && !has("state "));
    select_column(&mut app, "procs");
    press(&mut app, &[KeyCode::Enter]);
    assert_eq!(names(&app)[0], "job");
}

#[test]
fn a_group_is_opened_and_closed() {
    let mut app = app(&family(), 10);
    press(&mut app, &[TAB]);
    type_text(&mut app, "/job");
    press(&mut app, &[KeyCode::Enter, KeyCode::Enter]);
    assert_eq!(pids(&app), [21, 22]);
    assert!(screen(&mut app, 80, 20)[19].contains("name: job"));
    // A group of a later refresh is the same one.
    let mut later = family().to_vec();
    later.push(process(30, 1, "job", 0));
    show(&mut app, &later, 11);
    assert_eq!(pids(&app), [21, 22, 30]);
    press(&mut app, &[KeyCode::Escape]);
    assert_eq!(app.group_by, Some(GroupBy::Name));
    let closed = app.selected.clone();
    assert!(matches!(&closed, Some(Id::Group(name)) if name.text() == "job"));
    show(&mut app, &family(), 12);
    assert_eq!(app.selected, closed, "it was placed there");
    // Another thing ends it too.
    press(&mut app, &[KeyCode::Enter, TAB, TAB]);
    assert_eq!((app.group_by, pids(&app).len()), (Some(GroupBy::User), 5));
}

#[test]
fn the_filter_is_one_of_processes() {
    let mut app = app(&family(), 10);
    press(&mut app, &[TAB]);
    type_text(&mut app, "\\22");
    press(&mut app, &[KeyCode::Enter]);
    assert_eq!(groups(&app), [("job".to_owned(), &[22][..])]);
    press(&mut app, &[KeyCode::Escape]);
    type_text(&mut app, "\\rss > 21M or comm = init");
    let shown = [("init", &[1][..]), ("job", &[22]), ("other", &[23])];
    assert_eq!(
        groups(&app),
        shown.map(|(name, pids)| (name.to_owned(), pids))
    );
}

#[test]
fn what_is_done_to_a_group_is_done_to_its_processes() {
    let notes = Notes::default();
    let mut app = acting(&family(), &notes);
    press(&mut app, &[TAB]);
    type_text(&mut app, "/job");
    press(&mut app, &[KeyCode::Enter, KeyCode::Function(9)]);
    let Mode::Menu(menu) = &app.mode else {
        panic!("{:?}", app.mode);
    };
    assert_eq!(menu.title, "Signal to 2 processes: job (21), job (22)");
    assert_eq!(press(&mut app, &[KeyCode::Enter]), Flow::Refresh);
    let term = |pid| Act::Signal(pid, Signal::SIGTERM);
    assert_eq!(notes.take(), [term(21), term(22)]);
    assert_eq!(press(&mut app, &[KeyCode::Function(8)]), Flow::Refresh);
    assert_eq!(notes.take(), [Act::Nice(21, 1), Act::Nice(22, 1)]);
    press(&mut app, &[KeyCode::Char(' ')]);
    assert_eq!(app.tags(), 2);
    press(&mut app, &[KeyCode::Up, KeyCode::Char(' ')]);
    assert_eq!(app.tags(), 0);
    press(&mut app, &[KeyCode::Char('F')]);
    assert_eq!((&app.followed, message(&app).is_empty()), (&None, false));
}

/// A key is for the selected group. When that is gone, the first one is for none.
#[test]
fn a_key_does_not_hit_another_group() {
    let notes = Notes::default();
    let mut app = acting(&family(), &notes);
    press(&mut app, &[TAB]);
    type_text(&mut app, "/other");
    press(&mut app, &[KeyCode::Enter]);
    show(&mut app, &family()[..4], 11);
    press(&mut app, &[KeyCode::Function(8)]);
    assert_eq!(message(&app), "the selected group is empty");
    assert_eq!(notes.take(), []);
}

#[test]
fn threads_are_not_grouped() {
    let mut app = app(&family(), 10);
    app.selection.threads = true;
    press(&mut app, &[TAB]);
    assert_eq!(app.group_by, None);
    assert_eq!(message(&app), "threads are not grouped: H shows processes");
    app.selection.threads = false;
    press(&mut app, &[TAB, KeyCode::Char('H')]);
    assert!(!app.shows_threads());
}

#[test]
fn a_tree_ends_groups() {
    let mut app = app(&family(), 10);
    press(&mut app, &[TAB, KeyCode::Function(5)]);
    assert_eq!((app.group_by, app.is_tree), (None, true));
    press(&mut app, &[KeyCode::Function(5)]);
    assert!(!app.is_tree);
}

fn tree() -> App {
    let mut app = app(&family(), 10);
    press(
        &mut app,
        &[KeyCode::Char('N'), KeyCode::Function(5), KeyCode::Home],
    );
    app
}

#[test]
fn a_process_is_folded_and_unfolded() {
    let mut app = tree();
    assert_eq!(pids(&app), [1, 20, 21, 22, 23]);
    press(&mut app, &[KeyCode::Down, KeyCode::Char('-')]);
    assert_eq!(pids(&app), [1, 20]);
    assert!(
        rows(&mut app)[2].ends_with("└─ [+3] sh"),
        "{:?}",
        rows(&mut app)
    );
    // It stays so, for the same process.
    show(&mut app, &family(), 11);
    assert_eq!((pids(&app), selected(&app)), (vec![1, 20], Some(20)));
    press(&mut app, &[KeyCode::Char('+')]);
    assert_eq!(pids(&app).len(), 5);
    press(&mut app, &[KeyCode::Char('+')]);
    assert_eq!(message(&app), "nothing is hidden below the process");
    press(&mut app, &[KeyCode::End, KeyCode::Char('-')]);
    assert_eq!(message(&app), "nothing is shown below the process");
}

#[test]
fn all_processes_are_folded_and_unfolded() {
    let mut app = tree();
    press(&mut app, &[KeyCode::Char('*')]);
    assert_eq!(pids(&app), [1, 20]);
    press(&mut app, &[KeyCode::Char('*')]);
    assert_eq!(pids(&app).len(), 5);
    press(&mut app, &[KeyCode::Char('-')]);
    assert_eq!(pids(&app), [1]);
    press(&mut app, &[KeyCode::Char('*')]);
    assert_eq!(pids(&app).len(), 5);
}

#[test]
fn a_fold_ends_with_its_process() {
    let mut app = tree();
    press(&mut app, &[KeyCode::Char('-')]);
    show(&mut app, &family()[1..], 11);
    assert_eq!(pids(&app), [20, 21, 22, 23]);
    show(&mut app, &family(), 12);
    assert_eq!(pids(&app).len(), 5);
}

#[test]
fn a_list_is_not_folded() {
    let mut app = app(&family(), 10);
    for key in ['-', '+', '*'] {
        press(&mut app, &[KeyCode::Char(key)]);
        assert_eq!(message(&app), "F5 shows a tree, which can be folded");
    }
    assert_eq!(pids(&app).len(), 5);
}
