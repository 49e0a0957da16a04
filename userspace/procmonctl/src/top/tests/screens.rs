// SPDX-License-Identifier: GPL-2.0-only

//! Tests of screens of different sizes.

use std::time::Duration;

use procmon::{CgroupPath, Snapshot};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use termina::event::KeyCode;

use super::turnover::{exec, exit, fork, lost, measure, redacted};
use super::{app, press, process, select_column, show, type_text};
use crate::table::columns::COLUMNS;
use crate::top::state::App;
use crate::top::system::System;
use crate::top::turnover::TurnoverMeter;
use crate::top::{keys, view};

pub fn buffer(app: &mut App, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(app, frame)).unwrap();
    terminal.backend().buffer().clone()
}

pub fn screen(app: &mut App, width: u16, height: u16) -> Vec<String> {
    let buffer = buffer(app, width, height);
    let lines = buffer.content().chunks(usize::from(width));
    lines
        .map(|line| {
            let text: String = line.iter().map(|cell| cell.symbol()).collect();
            text.trim_end().to_owned()
        })
        .collect()
}

/// A PID that no process has.
const HIGHEST: i32 = 4_194_304;

fn shown() -> App {
    let records = |init_ms, sh_ms| {
        [
            process(1, 0, "init", init_ms),
            process(HIGHEST, 1, "sh", sh_ms),
        ]
    };
    let mut app = app(&records(0, 0), 60);
    let later = records(10, 1000);
    show(&mut app, &later, 62);
    app
}

/// Returns a screen after a refresh before which three processes came and went, and one is gone.
pub fn after_a_build() -> App {
    const SECOND: u64 = 1_000_000_000;
    let mut meter = TurnoverMeter::default();
    measure(&mut meter, 0, 60, &[(1, 1), (9, 9)], &[]);
    let events = [
        fork(1, (100, 60 * SECOND)),
        exec(2, (100, 60 * SECOND), b"make\0-j2\0"),
        fork(3, (101, 60 * SECOND)),
        exec(4, (101, 60 * SECOND), b"cc1\0-O2\0"),
        exit(5, (101, 60 * SECOND), 61 * SECOND, "cc1", 1 << 8),
        exit(6, (100, 60 * SECOND), 62 * SECOND, "make", 2 << 8),
        fork(7, (102, 61 * SECOND)),
        redacted(exit(8, (102, 61 * SECOND), 62 * SECOND, "su", 0)),
        exit(9, (9, 9), 62 * SECOND, "gone", 9),
    ];
    let turnover = measure(&mut meter, 9, 62, &[(1, 1)], &events);
    let mut app = shown();
    let snapshot = Snapshot::new(vec![process(1, 0, "init", 0)], Duration::from_secs(63));
    app.update(&snapshot, System::default(), turnover);
    app
}

#[test]
fn the_head_counts_what_came_and_went() {
    let mut app = after_a_build();
    let counts = "memory 0B of 0B in use, 3 started, 4 ended, 3 came and went";
    assert_eq!(screen(&mut app, 80, 24)[2], counts);
    // Without events nothing is said of them.
    show(&mut app, &[process(1, 0, "init", 0)], 64);
    assert_eq!(screen(&mut app, 80, 24)[2], "memory 0B of 0B in use");
    assert!(!screen(&mut shown(), 80, 24)[2].contains("started"));
}

#[test]
fn what_came_and_went_is_listed() {
    let mut app = after_a_build();
    assert!(!screen(&mut app, 80, 24).join("\n").contains("cc1"));
    press(&mut app, &[KeyCode::Char('E')]);
    let lines = screen(&mut app, 80, 24);
    let first = lines.iter().position(|line| line.starts_with('┌')).unwrap();
    let inside = |line: &String| line.trim_matches('│').trim_end().to_owned();
    let list: Vec<_> = lines[first..].iter().map(inside).collect();
    assert!(
        list[0].starts_with("┌ Came and went: 3 so far, the last ones first ─"),
        "{lines:?}"
    );
    assert_eq!(
        list[1..5],
        [
            "    PID    PPID USER     STATUS      LASTED     TIME   RSS COMMAND",
            "    102       1 0        ?          0:01.00  0:01.23  2.0M [su]",
            "    100       1 0        2          0:02.00  0:01.23  2.0M make -j2",
            "    101       1 0        1          0:01.00  0:01.23  2.0M cc1 -O2",
        ]
    );
    // The process that is left is above.
    assert!(lines[4].ends_with(" init"), "{lines:?}");
    let row = u16::try_from(first + 2).unwrap();
    let style = buffer(&mut app, 80, 24)[(10, row)].style();
    assert!(style.add_modifier.contains(Modifier::DIM));

    // They stay when nothing happens.
    show(&mut app, &[process(1, 0, "init", 0)], 64);
    assert!(screen(&mut app, 80, 24).join("\n").contains("cc1"));
    press(&mut app, &[KeyCode::Char('\\')]);
    type_text(&mut app, "-j");
    press(&mut app, &[KeyCode::Enter]);
    let text = screen(&mut app, 80, 24).join("\n");
    assert!(text.contains("make") && !text.contains("cc1"), "{text}");
    press(&mut app, &[KeyCode::Escape, KeyCode::Char('E')]);
    assert!(!screen(&mut app, 80, 24).join("\n").contains("cc1"));
}

/// The list leaves space for the table, also beside the details.
#[test]
fn the_list_fits_all_screens() {
    let mut app = after_a_build();
    press(&mut app, &[KeyCode::Char('E'), KeyCode::Enter]);
    for (width, height) in [(80, 24), (200, 60), (40, 16), (120, 30)] {
        let text = screen(&mut app, width, height).join("\n");
        for part in ["init", "Came and went", "102", "[su]", "cpu"] {
            assert!(text.contains(part), "{part}, {width}x{height}\n{text}");
        }
    }
    for width in [1, 2, 3, 10, 39, 200] {
        for height in 1..40 {
            screen(&mut app, width, height);
        }
    }
}

#[test]
fn losses_are_marked() {
    let mut meter = TurnoverMeter::default();
    measure(&mut meter, 0, 60, &[], &[]);
    let turnover = measure(&mut meter, 9, 62, &[], &[fork(1, (5, 5)), lost(2, 9, 3)]);
    let mut app = shown();
    let snapshot = Snapshot::new(vec![process(1, 0, "init", 0)], Duration::from_secs(63));
    app.update(&snapshot, System::default(), turnover);
    press(&mut app, &[KeyCode::Char('E')]);
    let lines = screen(&mut app, 80, 24);
    let counts = "memory 0B of 0B in use, at least 1 started, 0 ended, 0 came and went";
    assert_eq!(lines[2], counts);
    assert!(lines.join("\n").contains(" at least 0 so far"), "{lines:?}");
}

#[test]
fn events_that_are_read_no_more_are_told_of() {
    let mut app = after_a_build();
    app.turnover = None;
    app.events_error = Some("Out of memory".to_owned());
    let head = screen(&mut app, 80, 24)[2].clone();
    assert!(
        head.ends_with("events are read no more: Out of memory"),
        "{head:?}"
    );
}

#[test]
fn a_module_without_events_is_told_of() {
    let mut app = shown();
    app.has_events = false;
    press(&mut app, &[KeyCode::Char('E')]);
    let lines = screen(&mut app, 80, 24);
    assert!(lines[23].starts_with("the module does not tell what came and went"));
    assert!(!lines.join("\n").contains("Came and went"), "{lines:?}");
}

#[test]
fn the_head_says_where_snapshots_are_from() {
    let mut app = shown();
    assert!(!screen(&mut app, 80, 24)[2].contains("/proc"));
    app.context.reads_proc = true;
    app.has_events = false;
    let head = screen(&mut app, 80, 24)[2].clone();
    assert!(head.contains("in use, from /proc without events"), "{head}");
    press(&mut app, &[KeyCode::Char('E')]);
    let lines = screen(&mut app, 80, 24);
    assert!(lines[23].starts_with("/proc does not tell what came and went"));
}

pub fn many(count: i32) -> App {
    let records: Vec<_> = (1..=count).map(|pid| process(pid, 0, "p", 0)).collect();
    app(&records, 60)
}

#[test]
fn the_busiest_comes_first() {
    let screen = screen(&mut shown(), 80, 12);
    assert_eq!(
        screen[0],
        "up 1:02.00, load 0.00 0.00 0.00, CPUs 0.0 % busy"
    );
    assert_eq!(
        screen[1],
        "2 tasks, 2 threads, 0 running, 0 in disk sleep, 0 stopped, 0 zombies"
    );
    assert_eq!(
        screen[3],
        "    PID USER      NI S   THR  CPU%▼   RSS     TIME COMMAND"
    );
    assert_eq!(
        screen[4],
        "4194304 0          0 S     1   50.0  4.0T  0:01.00 sh"
    );
    assert_eq!(
        screen[5],
        "      1 0          0 S     1    0.5  1.0M  0:00.01 init"
    );
    assert!(screen[11].starts_with("F10Quit F1Help "), "{screen:?}");
    assert!(screen[11].ends_with(" 1/2"), "{screen:?}");
}

#[test]
fn the_first_screen_explains_its_cpu_column() {
    let mut app = app(&[process(1, 0, "init", 0)], 60);
    assert!(screen(&mut app, 80, 24)[2].contains("whole lifetimes"));
    show(&mut app, &[process(1, 0, "init", 0)], 61);
    assert!(!screen(&mut app, 80, 24)[2].contains("lifetimes"));
}

/// The columns stay in their places when processes come and go.
#[test]
fn columns_do_not_jump() {
    let mut app = many(5);
    let before = screen(&mut app, 80, 24)[3].clone();
    let records = [process(4_194_303, 0, "p", 0), process(4_194_304, 0, "a", 0)];
    show(&mut app, &records, 61);
    let screen_now = screen(&mut app, 80, 24);
    assert_eq!(screen_now[3], before);
    assert!(screen_now[4].starts_with("4194303 "), "{screen_now:?}");
    // A column that has grown stays so.
    let mut raw = procmon::uapi::procmon_record {
        pid: 7,
        tgid: 7,
        groups: procmon::snapshot::Groups::all().bits(),
        ..Default::default()
    };
    raw.uid = 4_000_000_000;
    show(&mut app, &[raw.into()], 62);
    let wide = screen(&mut app, 80, 24)[3].clone();
    assert_eq!(wide.len(), before.len() + 2, "{wide:?}");
    show(&mut app, &records, 63);
    assert_eq!(screen(&mut app, 80, 24)[3], wide);
}

#[test]
fn the_order_is_visible() {
    let mut app = many(3);
    for (key, expected) in [('N', "PID▲"), ('I', "PID▼"), ('M', "RSS▼"), ('T', "TIME▼")] {
        press(&mut app, &[KeyCode::Char(key)]);
        let titles = screen(&mut app, 80, 24)[3].clone();
        assert!(titles.contains(expected), "{titles:?}");
        assert_eq!(titles.matches(['▲', '▼']).count(), 1, "{titles:?}");
    }
    // By a column that is not among those shown.
    press(&mut app, &[KeyCode::Char('.')]);
    select_column(&mut app, "minflt");
    press(&mut app, &[KeyCode::Enter]);
    let titles = screen(&mut app, 80, 24)[3].clone();
    assert!(titles.contains("MINFLT▼"), "{titles:?}");
    // On a narrow screen as well.
    let titles = screen(&mut app, 30, 10)[3].clone();
    assert!(titles.contains("MINFLT▼"), "{titles:?}");
}

/// Opens the details, scrolls them to their end, and returns all screens on the way, on which the
/// key and the value of each column have to be, except of those that a process could delay, and of
/// the number of processes.
fn scrolled_details(app: &mut App, width: u16, height: u16) -> String {
    press(app, &[KeyCode::Enter]);
    let mut seen = screen(app, width, height).join("\n");
    for _ in COLUMNS {
        press(app, &[KeyCode::Char(']')]);
        seen.push_str(&screen(app, width, height).join("\n"));
    }
    for column in COLUMNS {
        let row = app.processes.row(app.selected_process().unwrap());
        let field = format!("{} {}", column.key, column.value(&row, &app.context).text());
        assert_eq!(
            seen.contains(&field),
            !column.is_slow && column.key != "procs",
            "{field:?}, {width}x{height}\n{seen}"
        );
    }
    seen
}

#[test]
fn details_have_all_fields() {
    for (width, height) in [(80, 24), (110, 24), (120, 40), (200, 60), (132, 30)] {
        let mut app = shown();
        let text = scrolled_details(&mut app, width, height);
        assert!(text.contains(&format!(" {HIGHEST} sh ")), "{text}");
        // Some of the table remains.
        assert!(text.lines().any(|line| line.ends_with("init")), "{text}");
        press(&mut app, &[KeyCode::Enter]);
        let text = screen(&mut app, width, height).join("\n");
        assert!(!text.contains(&format!(" {HIGHEST} sh ")), "{text}");
    }
}

/// On a large screen the details need no keys, and have a graph: below or beside the fields.
#[test]
fn large_screens_show_all_details_at_once() {
    for (width, height) in [(80, 60), (120, 60), (200, 60)] {
        let mut app = shown();
        let text = scrolled_details(&mut app, width, height);
        assert!(!text.contains("scroll"), "{text}");
        assert!(text.contains("CPU, up to 50.0 %"), "{text}");
    }
}

/// A long value is complete, and the other fields stay beside each other.
#[test]
fn long_values_have_lines_of_their_own() {
    let path = format!("/user.slice/{}", "x".repeat(100));
    for width in [80, 120, 200] {
        let mut app = shown();
        let path = CgroupPath::new(&path);
        app.context.cgroups.borrow_mut().insert(0, path.clone());
        press(&mut app, &[KeyCode::Enter]);
        let lines = screen(&mut app, width, 60);
        let fields = lines.iter().filter_map(|line| line.strip_prefix('│'));
        let fields: Vec<_> = fields
            .map(|line| line.trim_end_matches(['│', ' ']))
            .collect();
        let first = fields[0].split_whitespace().count();
        assert!(first >= 6, "{lines:#?}");
        if width < 110 {
            // No graph is beside them.
            assert!(fields.concat().contains(&path.to_string()), "{lines:#?}");
        }
    }
}

/// Where not all of them fit, keys scroll to the rest, as the border tells.
#[test]
fn details_scroll_on_small_screens() {
    for (width, height) in [(40, 10), (80, 12), (60, 16)] {
        let mut app = shown();
        let text = scrolled_details(&mut app, width, height);
        assert!(text.contains("scroll"), "{width}x{height}\n{text}");
        let last = app.details_first;
        press(&mut app, &[KeyCode::Char('[')]);
        assert_eq!(app.details_first, last - 1, "it does not go beyond the end");
    }
}

#[test]
fn the_help_lists_every_key() {
    for (width, height) in [(80, 24), (40, 10), (120, 60)] {
        let mut app = shown();
        press(&mut app, &[KeyCode::Function(1)]);
        let mut seen = screen(&mut app, width, height).join("\n");
        let is_short = !seen.contains("scrolls");
        assert_eq!(is_short, height == 60, "{seen}");
        for _ in keys::BINDINGS {
            press(&mut app, &[KeyCode::Down]);
            seen.push_str(&screen(&mut app, width, height).join("\n"));
        }
        for binding in keys::BINDINGS {
            assert!(seen.contains(binding.names), "{}\n{seen}", binding.names);
            if width >= 80 {
                assert!(seen.contains(binding.help), "{}\n{seen}", binding.help);
            }
        }
        press(&mut app, &[KeyCode::Char('x')]);
        assert!(
            !screen(&mut app, width, height)
                .join("\n")
                .contains(" Keys ")
        );
    }
}

#[test]
fn a_small_screen_is_scrolled() {
    let mut app = many(50);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::End]);
    let lines = screen(&mut app, 60, 10);
    assert!(lines[4].starts_with("     46 "), "{lines:?}");
    assert!(lines[8].starts_with("     50 "), "{lines:?}");
    assert!(lines[9].ends_with("50/50"), "{lines:?}");
    // The bar is at its end, and at its beginning.
    let ends = |app: &mut App| {
        let lines = screen(app, 60, 10);
        let last = |line: &String| line.chars().last().unwrap();
        (last(&lines[4]), last(&lines[8]))
    };
    assert_eq!(ends(&mut app), ('║', '█'));
    press(&mut app, &[KeyCode::Home]);
    assert_eq!(ends(&mut app), ('█', '║'));
}

/// On screens of all sizes the selected process is visible.
#[test]
fn small_screens_show_the_selection() {
    let mut app = many(50);
    press(&mut app, &[KeyCode::Char('N'), KeyCode::Home]);
    for _ in 0..20 {
        press(&mut app, &[KeyCode::Down]);
    }
    for (width, height) in [(40, 10), (20, 5), (20, 1), (20, 2), (12, 3)] {
        let lines = screen(&mut app, width, height);
        let is_there = lines
            .iter()
            .any(|line| line.trim_start().starts_with("21 "));
        assert!(is_there, "{width}x{height}: {lines:?}");
    }
    let titles = screen(&mut app, 40, 10)[3].clone();
    assert_eq!(titles, "   PID▲ S    CPU%   RSS COMMAND");
    let titles = screen(&mut app, 20, 5)[0].clone();
    assert_eq!(titles, "   PID▲ COMMAND");
    for key in [
        None,
        Some(KeyCode::Enter),
        Some(KeyCode::Char('/')),
        Some(KeyCode::Escape),
        Some(KeyCode::Char('?')),
        Some(KeyCode::Char('x')),
        Some(KeyCode::Function(6)),
    ] {
        press(&mut app, &key.into_iter().collect::<Vec<_>>());
        for width in [1, 2, 3, 10, 19, 39, 200, 500] {
            for height in [1, 2, 3, 5, 9, 11, 100] {
                screen(&mut app, width, height);
            }
        }
    }
}

#[test]
fn headers_are_not_cut_in_words() {
    let mut app = after_a_build();
    for width in 20..100 {
        for line in &screen(&mut app, width, 24)[..3] {
            let is_whole = [
                "busy", "0.00", "3.00", "tasks", "threads", "running", "sleep", "stopped",
                "zombies", "in use", "started", "ended", "went",
            ]
            .iter()
            .any(|end| line.ends_with(end));
            // The first part has to be there in any case.
            assert!(is_whole || line.len() == usize::from(width), "{line:?}");
        }
    }
}

#[test]
fn names_are_scrolled() {
    let mut app = app(&[process(1, 0, "abcdefghijklmno", 0)], 60);
    assert!(screen(&mut app, 24, 10)[4].ends_with(" abcdefghijklmno"));
    press(&mut app, &[KeyCode::Right]);
    assert!(screen(&mut app, 24, 10)[4].ends_with(" ijklmno"));
    press(&mut app, &[KeyCode::Left]);
    assert!(screen(&mut app, 24, 10)[4].ends_with(" abcdefghijklmno"));
}

#[test]
fn states_filters_and_tags_are_in_the_footer() {
    let mut app = shown();
    press(&mut app, &[KeyCode::Char('p'), KeyCode::Char(' ')]);
    press(&mut app, &[KeyCode::Char('\\')]);
    type_text(&mut app, "i");
    let prompt = screen(&mut app, 80, 24)[23].clone();
    assert_eq!(prompt, "filter: i");
    press(&mut app, &[KeyCode::Enter]);
    let footer = screen(&mut app, 80, 24)[23].clone();
    assert!(
        footer.ends_with("paused  filter: i  1 tagged  1/1"),
        "{footer}"
    );
    press(&mut app, &[KeyCode::Char('x')]);
    let footer = screen(&mut app, 80, 24)[23].clone();
    assert!(footer.starts_with("x does nothing here"), "{footer}");
    app.message = None;
    app.is_late = Some(Duration::from_secs(5));
    let footer = screen(&mut app, 80, 24)[23].clone();
    assert!(footer.starts_with("the kernel has not answered for 5 s"));
}

/// The colours are those of `ps`. Selected and tagged rows differ without colours too.
#[test]
fn rows_have_styles() {
    let mut raw = procmon::uapi::procmon_record {
        pid: 9,
        tgid: 9,
        state: procmon::uapi::PROCMON_STATE_ZOMBIE,
        groups: procmon::snapshot::Groups::all().bits(),
        ..Default::default()
    };
    raw.threads = 1;
    let mut app = app(&[process(1, 0, "init", 10), raw.into()], 60);
    press(&mut app, &[KeyCode::Char(' ')]);
    let buffer = buffer(&mut app, 80, 24);
    // The letter of the state, as other cells may be blank.
    let line = |y: u16| {
        let x = (0..80).find(|&x| matches!(buffer[(x, y)].symbol(), "S" | "Z"));
        buffer[(x.unwrap(), y)].style()
    };
    let tagged = line(4);
    assert!(tagged.add_modifier.contains(Modifier::BOLD));
    let selected = line(5);
    assert_eq!(selected.fg, Some(Color::Magenta));
    assert!(selected.add_modifier.contains(Modifier::REVERSED));
}

#[test]
fn text_has_all_rows() {
    let text = view::text(&many(50));
    assert_eq!(text.lines().count(), 3 + 1 + 50);

    let mut app = after_a_build();
    app.shows_transients = true;
    let text = view::text(&app);
    let lines: Vec<_> = text.lines().skip(3 + 1 + 1).collect();
    assert_eq!(lines[0], "3 came and went");
    let names = lines[1..].iter().map(|line| line.rsplit(' ').next());
    let names: Vec<_> = names.map(Option::unwrap).collect();
    assert_eq!(names, ["COMMAND", "-O2", "-j2", "[su]"]);
}

/// The last column scrolls as far as it has text.
#[test]
fn scrolling_to_the_right_has_an_end() {
    let mut app = shown();
    press(&mut app, &[KeyCode::Right; 100]);
    let lines = screen(&mut app, 80, 24);
    assert_eq!(app.shift, "init".len() - 1);
    assert!(lines.iter().any(|line| line.ends_with(" t")), "{lines:#?}");
    press(&mut app, &[KeyCode::Left]);
    assert_eq!(app.shift, 0);
}

/// The graph of the details begins on the right.
#[test]
fn the_newest_value_of_a_graph_is_on_the_right() {
    let mut app = shown();
    press(&mut app, &[KeyCode::Enter]);
    let lines = screen(&mut app, 80, 40);
    let title = lines.iter().position(|line| line.contains("CPU, up to"));
    let graph = lines[title.unwrap() + 1].trim_matches('│');
    assert!(graph.starts_with(' ') && graph.ends_with('█'), "{lines:#?}");
}
