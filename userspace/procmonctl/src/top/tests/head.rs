// SPDX-License-Identifier: GPL-2.0-only

//! Tests of the head of the screen, at different sizes, with few and many CPUs.

use std::time::Duration;

use procmon::Snapshot;
use procmon::snapshot::Record;
use ratatui::style::Color;
use termina::event::KeyCode;

use super::screens::{after_a_build, buffer, screen};
use super::{app, press, process};
use crate::top::state::App;
use crate::top::system::System;
use crate::top::system::cpu::Cpus;
use crate::top::system::memory::Memory;
use crate::top::system::pressure::{Pressure, Stall};
use crate::top::view;

const GB: u64 = 1 << 30;

/// Returns the numbers of a system whose CPUs have used 37 % of this time, more of it for lower
/// numbers, and some of it in each kind.
fn system(cpus: u32, seconds: u64) -> System {
    let mut stat = format!("cpu 0 0 {} {}\n", 37 * seconds, 63 * seconds);
    for number in 0..cpus {
        let user = 40 - 40 * u64::from(number) / u64::from(cpus);
        let kinds = [user, 5, 10, 25 + 40 - user, 6, 2, 2, 10].map(|ticks| ticks * seconds);
        let kinds = kinds.map(|ticks| ticks.to_string());
        stat.push_str(&format!("cpu{number} {}\n", kinds.join(" ")));
    }
    let stall = |some, full| {
        Some(Stall {
            some,
            full: Some(full),
        })
    };
    System {
        load: [1.5, 1.0, 0.5],
        cpus: Cpus::parse(&stat),
        memory: Memory {
            total: 16 * GB,
            used: 4 * GB,
            cache: 8 * GB,
            swap: 2 * GB,
            swap_used: GB / 2,
        },
        pressure: Pressure {
            cpu: stall(2.0, 0.0),
            memory: stall(0.0, 0.0),
            io: stall(12.0, 4.5),
        },
    }
}

pub fn update(app: &mut App, records: &[Record], cpus: u32, seconds: u64) {
    let snapshot = Snapshot::new(records.to_vec(), Duration::from_secs(seconds));
    app.update(&snapshot, system(cpus, seconds), app.turnover.clone());
}

/// Returns a screen with 100 processes, after some refreshes.
pub fn with_cpus(cpus: u32) -> App {
    let records: Vec<_> = (1..=100).map(|pid| process(pid, 0, "p", 0)).collect();
    let mut app = app(&records, 59);
    for seconds in 60..70 {
        update(&mut app, &records, cpus, seconds);
    }
    app
}

/// Returns the line of titles.
pub fn titles(lines: &[String]) -> usize {
    let line = lines.iter().position(|line| line.contains("COMMAND"));
    line.unwrap_or_else(|| panic!("no titles: {lines:#?}"))
}

#[test]
fn a_few_cpus_have_a_bar_each() {
    let lines = screen(&mut with_cpus(2), 80, 24);
    assert_eq!(
        lines[..9],
        [
            "up 1:09.00, load 1.50 1.00 0.50, CPUs 37.0 % busy",
            "100 tasks, 100 threads, 0 running, 0 in disk sleep, 0 stopped, 0 zombies",
            "PSI cpu 2.0 memory 0.0/0.0 io 12.0/4.5",
            "0[||||||||||||||||||||||||||||    69.0%] 1[||||||||||||||||||||           49.0%]",
            "Mem[||||||||||cache 8.0G, used 4.0G/16G] Swp[|||||||||                512M/2.0G]",
            "CPUs 37.0 %                memory 25.0 %              PSI io 12.0 %, max 12.0",
            "                                                                      ██████████",
            "                ▅▅▅▅▅▅▅▅▅▅                 ▄▄▄▄▄▄▄▄▄▄                 ██████████",
            "    PID USER      NI S   THR  CPU%▼   RSS     TIME COMMAND",
        ]
    );
}

/// On each screen the table has at least half of the lines, and none is lost.
#[test]
fn the_table_has_precedence() {
    for cpus in [0, 1, 2, 16, 17, 64, 4096] {
        let mut app = with_cpus(cpus);
        for (width, height) in [(40, 10), (80, 24), (100, 30), (200, 60), (20, 12)] {
            let lines = screen(&mut app, width, height);
            let table = usize::from(height) - 1 - titles(&lines);
            assert!(table >= usize::from(height) / 2, "{cpus}: {lines:#?}");
            assert!(lines[0].starts_with("up 1:09.00"), "{lines:#?}");
        }
    }
}

#[test]
fn tiny_screens_are_no_errors() {
    for cpus in [1, 16, 17] {
        let mut app = with_cpus(cpus);
        for width in [1, 2, 5, 19, 41] {
            for height in 1..20 {
                screen(&mut app, width, height);
            }
        }
    }
}

#[test]
fn the_head_grows_with_the_screen() {
    // The numbers of lines: text, with bars, with graphs.
    for (width, height, cpus, expected) in [
        (80, 5, 2, 0),
        (80, 9, 2, 1),
        (40, 10, 2, 3),
        (40, 24, 2, 3 + 2 + 3),
        (80, 24, 2, 3 + 2 + 3),
        (100, 30, 2, 3 + 2 + 3),
        (200, 60, 2, 3 + 2 + 3),
        (40, 10, 64, 3),
        (40, 24, 64, 3 + 3 + 1),
        (80, 24, 64, 3 + 2 + 1),
        (100, 30, 64, 3 + 2 + 1 + 3),
        (200, 60, 64, 3 + 2 + 1 + 3),
        (80, 24, 16, 3 + 4 + 1),
        (200, 60, 16, 3 + 2 + 1 + 3),
        // Where there is no space for bars, there are levels.
        (40, 24, 16, 3 + 2 + 1),
    ] {
        let lines = screen(&mut with_cpus(cpus), width, height);
        assert_eq!(
            titles(&lines),
            expected,
            "{width}x{height}, {cpus}: {lines:#?}"
        );
    }
}

#[test]
fn many_cpus_have_levels() {
    let lines = screen(&mut with_cpus(64), 100, 30);
    assert!(
        lines[3].starts_with("CPU[||||||||||") && lines[3].ends_with("37.0%]"),
        "{lines:#?}"
    );
    let levels = [("▆", 12), ("▅", 19), ("▄", 21), ("▃", 12)];
    let levels: String = levels.map(|(level, count)| level.repeat(count)).concat();
    assert_eq!(lines[4], format!(" 0-63[{levels}]"));
    // With more CPUs than there are places, a level is that of several.
    let lines = screen(&mut with_cpus(4096), 100, 60);
    assert!(lines[4].starts_with("   0-1031["), "{lines:#?}");
    assert!(lines[7].contains("-4095["), "{lines:#?}");
}

#[test]
fn a_cpu_that_was_offline_has_no_percentage() {
    let mut app = with_cpus(2);
    update(&mut app, &[process(1, 0, "init", 0)], 3, 70);
    let lines = screen(&mut app, 80, 24);
    assert!(
        lines[3].ends_with("2[                      -]"),
        "{lines:#?}"
    );
    update(&mut app, &[process(1, 0, "init", 0)], 3, 71);
    assert!(screen(&mut app, 80, 24)[3].ends_with("%]"));
    update(&mut app, &[process(1, 0, "init", 0)], 1, 72);
    assert!(!screen(&mut app, 80, 24)[3].contains(" 1["));
}

#[test]
fn parts_of_bars_have_the_colours_of_their_kinds() {
    let mut app = with_cpus(1);
    let buffer = buffer(&mut app, 106, 30);
    // One place for each percent, behind "0[".
    let color = |percent: u16| buffer[(2 + percent * 102 / 100, 3)].style().fg;
    for (percent, expected) in [
        (20, Color::Green),
        (42, Color::Blue),
        (50, Color::Red),
        (57, Color::Yellow),
        (64, Color::Cyan),
        (72, Color::Magenta),
        (80, Color::Reset),
    ] {
        assert_eq!(color(percent), Some(expected), "{percent}");
    }
}

#[test]
fn a_key_shows_more_or_less() {
    let mut app = with_cpus(2);
    for expected in [5, 3, 0, 8] {
        press(&mut app, &[KeyCode::Char('#')]);
        let lines = screen(&mut app, 80, 24);
        assert_eq!(titles(&lines), expected, "{lines:#?}");
        assert!(lines[23].contains("head"), "{lines:#?}");
    }
}

#[test]
fn graphs_show_the_past() {
    let mut app = with_cpus(2);
    let lines = screen(&mut app, 80, 24);
    assert!(lines[5].contains("CPUs 37.0 %"), "{lines:#?}");
    assert!(lines[5].contains("memory 25.0 %"), "{lines:#?}");
    assert!(lines[5].ends_with("PSI io 12.0 %, max 12.0"), "{lines:#?}");
    assert!(lines[7].trim_end().ends_with(&"█".repeat(10)), "{lines:#?}");
    app.system.pressure.io = None;
    let lines = screen(&mut app, 80, 24);
    assert!(lines[5].ends_with("load 1.50, max 1.50"), "{lines:#?}");
}

#[test]
fn batch_mode_has_the_same_facts() {
    let mut app = with_cpus(2);
    app.turnover = after_a_build().turnover;
    let text = view::text(&app);
    assert_eq!(text.lines().count(), 3 + 1 + 100);
    let third = "memory 4.0G of 16G in use, 3 started, 4 ended, 3 came and went, \
                 PSI cpu 2.0 memory 0.0/0.0 io 12.0/4.5, swap 512M of 2.0G in use";
    assert_eq!(text.lines().nth(2), Some(third));
}
