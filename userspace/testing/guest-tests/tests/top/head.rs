// SPDX-License-Identifier: GPL-2.0-only

//! The head of the screen: bars of CPUs and memory, and the key for it.

use std::fs;

use fixture::child::{Child, stay_on};
use fixture::command::PROGRAM;
use fixture::terminal::Terminal;
use fixture::{eventually, shared};
use nix::sys::prctl;

use super::{has, meminfo, titles, wait_for_table};

/// Returns the ticks of CPU 1 since boot: those in which it was busy, and all.
fn ticks() -> (f64, f64) {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu1 "));
    let words = line.expect("there is a second CPU").split_whitespace();
    let numbers: Vec<f64> = words.take(8).map(|word| word.parse().unwrap()).collect();
    let sum: f64 = numbers.iter().sum();
    (sum - numbers[3] - numbers[4], sum)
}

/// Has the screen refreshed, and returns it.
fn refreshed(top: &mut Terminal) -> Vec<String> {
    let clock = top.lines()[0].clone();
    top.press("\x12");
    top.wait_for("a refresh", |lines| {
        lines[0] != clock && !has("x does nothing")(lines)
    });
    // The answer to another key comes after all of that frame.
    top.press("x");
    top.wait_for("an answer", has("x does nothing"));
    top.lines()
}

/// Returns the percentage of CPU 1 in its bar.
fn percentage(lines: &[String]) -> f64 {
    let bars = lines.iter().find(|line| line.starts_with("0["));
    let bar = bars.and_then(|line| line.split_once(" 1["));
    let (_, bar) = bar.unwrap_or_else(|| panic!("no bars: {lines:#?}"));
    let (bar, _) = bar.split_once("%]").unwrap();
    let digits = bar.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().unwrap()
}

/// The bar of a CPU has the use that `/proc/stat` shows for the same time.
#[test]
fn top_shows_which_cpu_is_busy() {
    const TICKS: f64 = 150.0;

    let _kernel = shared();
    let bee = Child::spawn(|| {
        stay_on(1);
        prctl::set_name(c"busybee").unwrap();
        loop {
            std::hint::spin_loop();
        }
    });
    let mut top = Terminal::start(&[PROGRAM, "top", "--delay", "1000"], 30, 100);
    wait_for_table(&mut top);
    // What the program sees is between what is seen here before it and after it.
    let before = ticks();
    refreshed(&mut top);
    let after = ticks();
    eventually("some use", || ticks().1 >= after.1 + TICKS);
    let later = ticks();
    let shown = percentage(&refreshed(&mut top));
    let last = ticks();
    let least = (later.0 - after.0) / (last.1 - before.1) * 100.0;
    let most = (last.0 - before.0) / (later.1 - after.1) * 100.0;
    assert!(
        (least - 0.1..=most + 0.1).contains(&shown) && least > 10.0,
        "{shown}, not from {least} to {most}"
    );
    bee.kill();
    top.press("q");
    assert_eq!(top.end(), 0);
}

/// Returns the bytes that a text such as "1.5G" stands for, about.
fn bytes(text: &str) -> f64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let power = "BKMGT".find(unit).unwrap();
    number.parse::<f64>().unwrap() * 1024_f64.powi(i32::try_from(power).unwrap())
}

/// The bar of memory has the numbers of `/proc/meminfo`, as far as its digits go.
#[test]
fn top_shows_the_memory() {
    let _kernel = shared();
    let mut top = Terminal::start(&[PROGRAM, "top", "--delay", "1000"], 30, 100);
    wait_for_table(&mut top);
    let total = meminfo("MemTotal:") as f64;
    let used = || total - meminfo("MemAvailable:") as f64;
    let before = used();
    let lines = refreshed(&mut top);
    let after = used();
    let bar = lines.iter().find(|line| line.starts_with("Mem["));
    let text = bar.and_then(|line| line.split_once("used "));
    let (_, text) = text.unwrap_or_else(|| panic!("no memory: {lines:#?}"));
    let (text, _) = text.split_once(']').unwrap();
    let (shown, shown_total) = text.split_once('/').unwrap();
    assert!(
        (bytes(shown_total) / total - 1.0).abs() < 0.06,
        "{text}, not {total}"
    );
    // Pages that a CPU has to itself are counted late.
    let late = 16.0 * 1024.0 * 1024.0;
    let range = (before.min(after) - late) * 0.94..=(before.max(after) + late) * 1.06;
    assert!(range.contains(&bytes(shown)), "{text}, not {range:?}");
    top.press("q");
    assert_eq!(top.end(), 0);
}

/// A key shows more or less in the head, and the table has the rest.
#[test]
fn top_with_more_or_less_in_its_head() {
    let _kernel = shared();
    let mut top = Terminal::start(&[PROGRAM, "top", "--delay", "0.2"], 30, 100);
    wait_for_table(&mut top);
    for (what, has_bars, height) in [
        ("bars", true, None),
        ("text", false, Some(3)),
        ("no head", false, Some(0)),
        ("graphs", true, None),
    ] {
        top.press("#");
        top.wait_for(what, |lines| {
            let is_as_high =
                titles(lines).is_some_and(|line| height.is_none_or(|height| line == height));
            is_as_high && has("Mem[")(lines) == has_bars && has(what)(lines)
        });
    }
    top.press("q");
    assert_eq!(top.end(), 0);
}
