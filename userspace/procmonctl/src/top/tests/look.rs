// SPDX-License-Identifier: GPL-2.0-only

//! Tests of screens without colours, and in ASCII.

use procmon::snapshot::Groups;
use procmon::uapi;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::style::force_color_output;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use termina::event::KeyCode;

use super::head::{titles, update, with_cpus};
use super::screens::{after_a_build, screen};
use super::{press, process};
use crate::top::look::Look;
use crate::top::state::App;
use crate::top::theme::Name;
use crate::top::view;

/// Returns what a terminal gets for a screen, with all colours of the theme.
fn output(app: &mut App, width: u16, height: u16) -> String {
    // Of itself the backend leaves them out if the environment has NO_COLOR.
    force_color_output(true);
    let mut output = Vec::new();
    let options = TerminalOptions {
        viewport: Viewport::Fixed(Rect::new(0, 0, width, height)),
    };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut output), options).unwrap();
    terminal.draw(|frame| view::draw(app, frame)).unwrap();
    drop(terminal);
    String::from_utf8(output).unwrap()
}

/// Returns the codes of colours in output, but for those of the default ones.
fn colors(output: &str) -> Vec<String> {
    let sequences = output.split("\x1b[").skip(1);
    let codes = sequences.filter_map(|sequence| {
        let (codes, _) = sequence.split_once('m')?;
        codes
            .bytes()
            .all(|c| c.is_ascii_digit() || c == b';')
            .then_some(codes)
    });
    let is_color = |code: &&str| code.len() > 1 && code.starts_with(['3', '4', '9']);
    let codes = codes.flat_map(|codes| codes.split(';')).filter(is_color);
    codes
        .filter(|code| !matches!(*code, "39" | "49"))
        .map(str::to_owned)
        .collect()
}

/// Calls a function with screens that have all kinds of contents.
fn on_all_screens(look: Look, check: impl Fn(&mut App, u16, u16)) {
    let zombie = uapi::procmon_record {
        pid: 2,
        tgid: 2,
        state: uapi::PROCMON_STATE_ZOMBIE,
        groups: Groups::all().bits(),
        ..Default::default()
    };
    let mut records = vec![process(1, 0, "init", 5), zombie.into()];
    records.extend((3..30).map(|pid| process(pid, 1, "\u{65e5}\u{672c}", 0)));
    let shown = |cpus| {
        let mut app = after_a_build();
        app.look = look;
        for seconds in 64..67 {
            update(&mut app, &records, cpus, seconds);
        }
        app
    };
    for (width, height) in [(40, 10), (80, 24), (100, 30), (200, 60)] {
        check(&mut shown(2), width, height);
        check(&mut shown(64), width, height);
    }
    for keys in ["E\r", "t", "?", "u", ".", "/\u{e4}", "\\\u{e4}", " x"] {
        let mut app = shown(2);
        for key in keys.chars() {
            let code = match key {
                '\r' => KeyCode::Enter,
                _ => KeyCode::Char(key),
            };
            press(&mut app, &[code]);
        }
        check(&mut app, 80, 30);
    }
}

#[test]
fn ascii_screens_have_no_other_characters() {
    let look = Look::new(Name::Auto, true, |_| None);
    on_all_screens(look, |app, width, height| {
        let lines = screen(app, width, height);
        assert!(lines.iter().all(|line| line.is_ascii()), "{lines:#?}");
        let text = view::text(app);
        assert!(text.is_ascii(), "{text}");
    });
    let mut app = with_cpus(64);
    app.look = look;
    app.is_tree = true;
    let records = [process(1, 0, "init", 0), process(2, 1, "s\u{f8}vn", 0)];
    update(&mut app, &records, 64, 71);
    press(&mut app, &[KeyCode::Char('N')]);
    let lines = screen(&mut app, 100, 30);
    assert!(lines[4].starts_with(" 0-63[***"), "{lines:#?}");
    let titles = titles(&lines);
    assert!(lines[titles].starts_with("   PID^ USER"), "{lines:#?}");
    assert!(lines[titles + 2].ends_with("+- s\\u{f8}vn"), "{lines:#?}");
}

#[test]
fn mono_screens_have_no_colours() {
    let no_color = |name: &str| (name == "NO_COLOR").then(|| "1".into());
    on_all_screens(
        Look::new(Name::Auto, false, no_color),
        |app, width, height| {
            let output = output(app, width, height);
            assert_eq!(colors(&output), Vec::<String>::new(), "{output:?}");
        },
    );
    let mut app = with_cpus(2);
    let colored = output(&mut app, 80, 24);
    assert!(!colors(&colored).is_empty(), "the test sees colours");
    app.look.theme = Name::Mono.theme();
    let mono = output(&mut app, 80, 24);
    assert!(mono.contains("\x1b[7m"), "attributes: {mono:?}");
}
