// SPDX-License-Identifier: GPL-2.0-only

//! Tests of what is done to processes: signals, nice values, tags, and following.

use std::cell::RefCell;
use std::rc::Rc;

use nix::sys::signal::Signal;
use procmon::snapshot::{Groups, Record};
use procmon::uapi;
use rustix::io::Errno;
use termina::event::KeyCode;

use super::screens::screen;
use super::{app, pids, press, process, processes, selected, selected_entry, show, type_text};
use crate::top::act::Flow;
use crate::top::actor::{Actor, Refusal, Target};
use crate::top::menu::Entry;
use crate::top::state::{App, Mode};

/// Order that an actor was given: the PID, with a signal or a change of the nice value.
#[derive(Debug, Eq, PartialEq)]
pub enum Act {
    Signal(i32, Signal),
    Nice(i32, i32),
}

/// An actor that takes notes. It refuses acts on one process.
#[derive(Clone, Default)]
pub struct Notes {
    acts: Rc<RefCell<Vec<Act>>>,
    refused: Option<(i32, Refusal)>,
}

impl Notes {
    fn note(&self, pid: i32, act: Act) -> Result<(), Refusal> {
        if let Some((refused, refusal)) = self.refused
            && refused == pid
        {
            return Err(refusal);
        }
        self.acts.borrow_mut().push(act);
        Ok(())
    }

    pub fn take(&self) -> Vec<Act> {
        self.acts.take()
    }
}

impl Actor for Notes {
    fn signal(&self, target: &Target, signal: Signal) -> Result<(), Refusal> {
        self.note(target.tgid, Act::Signal(target.tgid, signal))
    }

    fn renice(&self, target: &Target, by: i32) -> Result<i32, Refusal> {
        self.note(target.pid, Act::Nice(target.pid, by))?;
        Ok(by)
    }
}

/// Returns an app in the order of PIDs whose first process is selected.
pub fn acting(records: &[Record], notes: &Notes) -> App {
    let mut app = app(records, 10);
    app.actor = Some(Box::new(notes.clone()));
    press(&mut app, &[KeyCode::Char('N'), KeyCode::Home]);
    app
}

pub fn message(app: &App) -> &str {
    app.message.as_deref().unwrap_or_default()
}

fn title(app: &App) -> &str {
    let Mode::Menu(menu) = &app.mode else {
        panic!("{:?}", app.mode);
    };
    &menu.title
}

#[test]
fn a_signal_goes_to_the_selected_process() {
    for key in [KeyCode::Function(9), KeyCode::Char('k')] {
        let notes = Notes::default();
        let mut app = acting(&processes(), &notes);
        press(&mut app, &[KeyCode::Down, key]);
        assert_eq!(title(&app), "Signal to the process worker (20)");
        assert_eq!(selected_entry(&app), "15 SIGTERM");
        assert_eq!(notes.take(), []);
        assert_eq!(press(&mut app, &[KeyCode::Enter]), Flow::Refresh);
        assert_eq!(notes.take(), [Act::Signal(20, Signal::SIGTERM)]);
        assert_eq!(message(&app), "SIGTERM sent to worker (20)");
        // A number selects as well, and Esc sends nothing.
        press(&mut app, &[key, KeyCode::Char('9')]);
        assert_eq!(selected_entry(&app), "9  SIGKILL");
        press(&mut app, &[KeyCode::Escape]);
        assert_eq!(notes.take(), []);
        press(&mut app, &[key, KeyCode::Char('9'), KeyCode::Enter]);
        assert_eq!(notes.take(), [Act::Signal(20, Signal::SIGKILL)]);
    }
}

#[test]
fn all_signals_but_those_for_real_time_are_in_the_menu() {
    let mut app = acting(&processes(), &Notes::default());
    press(&mut app, &[KeyCode::Function(9)]);
    let Mode::Menu(menu) = &app.mode else {
        panic!("{:?}", app.mode);
    };
    let numbers = menu.entries.iter().map(|Entry { text, .. }| {
        let number = text.split_whitespace().next();
        number.unwrap().parse::<usize>().unwrap()
    });
    assert_eq!(numbers.collect::<Vec<_>>(), Vec::from_iter(1..=31));
}

/// The menu is for the processes that it names, whatever happens to selection and tags until Enter.
#[test]
fn a_signal_goes_to_the_tagged_processes() {
    let notes = Notes::default();
    let mut app = acting(&processes(), &notes);
    press(&mut app, &[KeyCode::Down, KeyCode::Char(' ')]);
    press(&mut app, &[KeyCode::Char(' '), KeyCode::Home]);
    press(&mut app, &[KeyCode::Function(9)]);
    assert_eq!(
        title(&app),
        "Signal to 2 processes: worker (20), Shell (30)"
    );
    let lines = screen(&mut app, 80, 40).join("\n");
    assert!(lines.contains(" Signal to 2 processes: worker (20), Shell (30) "));
    show(&mut app, &processes()[..1], 11);
    press(&mut app, &[KeyCode::Enter]);
    let expected = [20, 30].map(|pid| Act::Signal(pid, Signal::SIGTERM));
    assert_eq!(notes.take(), expected);
    assert_eq!(message(&app), "SIGTERM sent to 2 processes");
}

#[test]
fn refusals_are_told_of() {
    let refused = |refusal| Notes {
        refused: Some((20, refusal)),
        ..Notes::default()
    };
    for (refusal, text) in [
        (Refusal::Ended, "it has ended"),
        (Refusal::Other(Errno::PERM), "permission denied"),
        (Refusal::Other(Errno::ACCESS), "permission denied"),
        (
            Refusal::LowerNice,
            "a lower nice value takes the right CAP_SYS_NICE, or RLIMIT_NICE",
        ),
    ] {
        let notes = refused(refusal);
        let mut app = acting(&processes(), &notes);
        press(&mut app, &[KeyCode::Down]);
        assert_eq!(press(&mut app, &[KeyCode::Function(7)]), Flow::Refresh);
        assert_eq!(message(&app), format!("worker (20): {text}"));
        press(&mut app, &[KeyCode::Home, KeyCode::Char('c')]);
        press(&mut app, &[KeyCode::Function(9), KeyCode::Enter]);
        assert_eq!(message(&app), format!("1 of 3: worker (20): {text}"));
        let expected = [1, 30].map(|pid| Act::Signal(pid, Signal::SIGTERM));
        assert_eq!(notes.take(), expected);
    }
}

#[test]
fn nice_values_change_by_one() {
    let notes = Notes::default();
    let mut app = acting(&processes(), &notes);
    assert_eq!(press(&mut app, &[KeyCode::Function(8)]), Flow::Refresh);
    assert_eq!(message(&app), "init (1) has the nice value 1");
    press(&mut app, &[KeyCode::Char(' '), KeyCode::Char(' ')]);
    assert_eq!(press(&mut app, &[KeyCode::Function(7)]), Flow::Refresh);
    assert_eq!(message(&app), "2 nice values changed by -1");
    let expected = [Act::Nice(1, 1), Act::Nice(1, -1), Act::Nice(20, -1)];
    assert_eq!(notes.take(), expected);
}

#[test]
fn nothing_is_done_with_read_only() {
    let mut app = acting(&processes(), &Notes::default());
    app.actor = None;
    for code in [7, 8, 9].map(KeyCode::Function) {
        assert_eq!(press(&mut app, &[code]), Flow::Continue, "{code:?}");
        assert_eq!(message(&app), "switched off by --read-only");
        assert!(matches!(app.mode, Mode::Table));
    }
}

#[test]
fn nothing_is_done_without_a_process() {
    let notes = Notes::default();
    let mut app = acting(&[], &notes);
    for code in [7, 8, 9].map(KeyCode::Function) {
        press(&mut app, &[code]);
        assert!(message(&app).starts_with("there is no process"), "{code:?}");
    }
    assert_eq!(notes.take(), []);
}

fn raw(pid: i32, tgid: i32, flags: u32) -> Record {
    let raw = uapi::procmon_record {
        pid,
        tgid,
        flags,
        threads: 1,
        groups: Groups::all().bits(),
        start_time: pid as u64,
        ..Default::default()
    };
    raw.into()
}

#[test]
fn kernel_threads_are_left_alone() {
    let notes = Notes::default();
    let mut app = acting(&[raw(2, 2, uapi::PROCMON_TASK_KTHREAD)], &notes);
    press(&mut app, &[KeyCode::Function(8)]);
    assert!(message(&app).ends_with("(2): kernel threads are left alone"));
    press(&mut app, &[KeyCode::Function(9), KeyCode::Enter]);
    assert!(message(&app).ends_with("(2): kernel threads are left alone"));
    assert_eq!(notes.take(), []);
}

/// A signal goes to the whole process, once, and a nice value is that of a thread.
#[test]
fn threads_share_signals_but_not_nice_values() {
    let notes = Notes::default();
    let records = [process(5, 1, "main", 0), raw(6, 5, 0), raw(7, 5, 0)];
    let mut app = acting(&records, &notes);
    press(&mut app, &[KeyCode::Char('H')]);
    press(&mut app, &[KeyCode::Down, KeyCode::Char(' ')]);
    press(&mut app, &[KeyCode::Char(' '), KeyCode::Function(9)]);
    assert_eq!(title(&app), "Signal to the whole process main (5)");
    press(&mut app, &[KeyCode::Enter]);
    assert_eq!(notes.take(), [Act::Signal(5, Signal::SIGTERM)]);
    press(&mut app, &[KeyCode::Function(8)]);
    assert_eq!(notes.take(), [Act::Nice(6, 1), Act::Nice(7, 1)]);
}

#[test]
fn a_followed_process_stays_selected() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::Home]);
    press(&mut app, &[KeyCode::Char('F')]);
    assert_eq!(
        message(&app),
        "the selection follows init (1) until it is moved"
    );
    press(&mut app, &[KeyCode::Char('I')]);
    assert_eq!((pids(&app)[2], selected(&app)), (1, Some(1)));
    assert!(screen(&mut app, 80, 24)[23].ends_with("follows 1  3/3"));
    // A move ends it.
    press(&mut app, &[KeyCode::Up]);
    assert!(app.followed.is_none());
    // The key again does, too.
    press(&mut app, &[KeyCode::Char('F'), KeyCode::Char('F')]);
    assert!(app.followed.is_none());
    assert_eq!(message(&app), "the selection follows no process");
}

#[test]
fn following_ends_with_the_process() {
    let mut app = app(&processes(), 10);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::End]);
    press(&mut app, &[KeyCode::Char('F')]);
    show(&mut app, &processes()[..2], 11);
    assert_eq!(message(&app), "Shell (30) has ended");
    assert!(app.followed.is_none());

    // Another process with its ID is not followed.
    press(&mut app, &[KeyCode::End, KeyCode::Char('F')]);
    assert_eq!(selected(&app), Some(20));
    let mut raw = uapi::procmon_record {
        pid: 20,
        tgid: 20,
        groups: Groups::all().bits(),
        ..Default::default()
    };
    raw.start_time = 11;
    show(&mut app, &[processes()[0], raw.into()], 12);
    assert_eq!(message(&app), "worker (20) has ended");
    assert_eq!(selected(&app), Some(1));

    show(&mut app, &processes(), 13);
    press(&mut app, &[KeyCode::Char('F'), KeyCode::Char('\\')]);
    type_text(&mut app, "w");
    assert!(app.followed.is_none());
    assert_eq!(message(&app), "init (1) is hidden");
}

#[test]
fn a_family_is_tagged() {
    let records = [
        process(1, 0, "init", 0),
        process(5, 9, "child of 9", 0),
        process(9, 1, "parent", 0),
        process(10, 1, "other", 0),
        process(11, 5, "grandchild", 0),
    ];
    let mut app = app(&records, 10);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::Home]);
    press(&mut app, &[KeyCode::Down, KeyCode::Down]);
    press(&mut app, &[KeyCode::Char('c')]);
    let tagged = app.processes.iter().filter(|one| app.is_tagged(one));
    let tagged: Vec<_> = tagged.map(|one| one.record.pid()).collect();
    assert_eq!(tagged, [5, 9, 11]);
    assert_eq!(selected(&app), Some(9));
}

#[test]
fn a_long_chain_of_descendants_is_tagged() {
    // Each child has a lower PID than its parent.
    let count = 20_000;
    let mut records: Vec<_> = (1..count)
        .map(|pid| process(pid, pid + 1, "p", 0))
        .collect();
    records.push(process(count, 0, "first", 0));
    let mut app = app(&records, 10);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::End]);
    assert_eq!(selected(&app), Some(count));
    press(&mut app, &[KeyCode::Char('c')]);
    assert_eq!(app.tags(), records.len());
}

/// A key is for the selected process. When that is gone, the first one is for none.
#[test]
fn nothing_is_done_to_the_successor_of_a_selected_process() {
    let reused = uapi::procmon_record {
        pid: 20,
        tgid: 20,
        groups: Groups::all().bits(),
        start_time: 11,
        ..Default::default()
    };
    let all = processes();
    let later = [vec![all[0], all[2]], vec![all[0], reused.into(), all[2]]];
    for records in later {
        for code in [7, 8, 9].map(KeyCode::Function) {
            let notes = Notes::default();
            let mut app = acting(&all, &notes);
            press(&mut app, &[KeyCode::Down]);
            assert_eq!(selected(&app), Some(20));
            show(&mut app, &records, 11);
            assert_eq!(selected(&app), Some(1));
            show(&mut app, &records, 12);
            assert_eq!(press(&mut app, &[code]), Flow::Continue);
            assert_eq!(message(&app), "the selected process has ended");
            assert!(matches!(app.mode, Mode::Table));
            assert_eq!(notes.take(), []);
            // The user knows now.
            press(&mut app, &[KeyCode::Function(8)]);
            assert_eq!(notes.take(), [Act::Nice(1, 1)]);
        }
    }
}

#[test]
fn a_process_that_the_user_hides_is_not_lost() {
    let notes = Notes::default();
    let mut app = acting(&processes(), &notes);
    press(&mut app, &[KeyCode::Down, KeyCode::Char('\\')]);
    type_text(&mut app, "i");
    press(&mut app, &[KeyCode::Enter, KeyCode::Function(8)]);
    assert_eq!(notes.take(), [Act::Nice(1, 1)]);
}

/// Tags have precedence over the selection, but nothing is done to what has no row.
#[test]
fn nice_values_of_hidden_processes_stay() {
    let notes = Notes::default();
    let mut app = acting(&processes(), &notes);
    press(&mut app, &[KeyCode::Char(' '), KeyCode::Char(' ')]);
    press(&mut app, &[KeyCode::Char('\\')]);
    type_text(&mut app, "w");
    press(&mut app, &[KeyCode::Enter, KeyCode::Function(8)]);
    assert_eq!(notes.take(), [Act::Nice(20, 1)]);
    press(
        &mut app,
        &[KeyCode::Char('U'), KeyCode::Escape, KeyCode::Home],
    );
    press(&mut app, &[KeyCode::Char(' '), KeyCode::Char('\\')]);
    type_text(&mut app, "w");
    press(&mut app, &[KeyCode::Enter, KeyCode::Function(8)]);
    assert_eq!(message(&app), "there is no process to change");
    assert_eq!(notes.take(), []);
}

/// Without threads, or kernel threads, their ends are unknown.
#[test]
fn what_is_left_out_may_not_have_ended() {
    let kernel_thread = raw(2, 2, uapi::PROCMON_TASK_KTHREAD);
    for (followed, key, name) in [(kernel_thread, 'K', "(2)"), (raw(6, 1, 0), 'H', "(6)")] {
        let init = process(1, 0, "init", 0);
        let mut app = acting(&[init], &Notes::default());
        press(&mut app, &[KeyCode::Char('H')]);
        show(&mut app, &[init, followed], 11);
        press(&mut app, &[KeyCode::End, KeyCode::Char('F')]);
        assert!(app.followed.is_some());
        assert_eq!(press(&mut app, &[KeyCode::Char(key)]), Flow::Refresh);
        show(&mut app, &[init], 12);
        let expected = format!("{name} is listed no more");
        assert!(message(&app).ends_with(&expected), "{}", message(&app));
        press(&mut app, &[KeyCode::Function(8)]);
        assert_eq!(message(&app), "the selected process is listed no more");
    }
}
