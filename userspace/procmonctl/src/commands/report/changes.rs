// SPDX-License-Identifier: GPL-2.0-only

//! The differences of two recordings as text, in sections.

use recording::Run;
use recording::report::{Change, ChangeKind, Diff, Measure, Pair};

use super::Form;
use super::head::{self, command_line};
use super::text::usage::{self, measure_name, measure_text};
use super::text::{add, number};
use crate::table::render::{Head, Side, Table};
use crate::table::value::time_text;
use crate::text::printable;

/// The measures whose growth is shown besides that which the table is sorted by.
const OTHERS: [(Measure, &str); 4] = [
    (Measure::Count, "COUNT"),
    (Measure::Time, "TIME"),
    (Measure::Cpu, "CPU"),
    (Measure::Memory, "RSS"),
];

/// Returns the differences, which are in the order of the measure.
pub fn text(old: &Run, new: &Run, diff: &Diff, form: Form) -> String {
    let mut text = format!("old: {}new: {}", head::text(old), head::text(new));
    let nanoseconds = |run: &Run| i128::try_from(run.lasted().as_nanos()).unwrap_or(i128::MAX);
    let growth = nanoseconds(new).saturating_sub(nanoseconds(old));
    text.push_str(&format!(
        "\n{} instead of {}: {}",
        time_text(new.lasted()),
        time_text(old.lasted()),
        growth_text(Measure::Time, growth)
    ));
    if !old.lasted().is_zero() {
        let percent = growth as f64 / nanoseconds(old) as f64 * 100.0;
        text.push_str(&format!(" ({percent:+.1} %)"));
    }
    text.push('\n');
    let programs = diff.programs.iter();
    let programs: Vec<_> = programs
        .map(|(name, change)| (change, printable(name.as_bytes())))
        .collect();
    add_all(&mut text, "programs", "PROGRAM", &programs, form);
    let processes = diff.processes.iter();
    let processes: Vec<_> = processes
        .map(|(pair, change)| (change, command(old, new, *pair)))
        .collect();
    add_all(&mut text, "processes", "COMMAND", &processes, form);
    text
}

fn command(old: &Run, new: &Run, pair: Pair) -> String {
    let place = pair.new.map(|place| (new, place));
    let place = place.or(pair.old.map(|place| (old, place)));
    place.map_or_else(String::new, |(run, place)| {
        command_line(run.processes()[place].command_line())
    })
}

/// Adds a table for each kind of change that there is.
fn add_all(
    text: &mut String,
    things: &str,
    head: &'static str,
    changes: &[(&Change, String)],
    form: Form,
) {
    let is_time = matches!(
        form.measure,
        Measure::Time | Measure::Own | Measure::Longest | Measure::Cpu
    );
    for (kind, title) in [
        (ChangeKind::Grown, if is_time { "Slower" } else { "More" }),
        (ChangeKind::Shrunk, if is_time { "Faster" } else { "Less" }),
        (ChangeKind::New, "New"),
        (ChangeKind::Gone, "Gone"),
    ] {
        let these: Vec<_> = changes
            .iter()
            .filter(|(change, _)| change.kind(form.measure) == kind)
            .collect();
        if these.is_empty() {
            continue;
        }
        let title = format!(
            "{title} {things} ({}), by {}",
            number(these.len(), form),
            measure_name(form.measure)
        );
        let these = these.into_iter().take(form.limit);
        let rows = these.map(|(change, name)| {
            let mut row = cells(change, form.measure);
            row.push(name.clone());
            row
        });
        let heads = heads(kind).into_iter().chain([Head::new(head, Side::Left)]);
        add(text, &title, Table::new(heads, rows.collect()), form);
    }
}

fn heads(kind: ChangeKind) -> Vec<Head> {
    if matches!(kind, ChangeKind::New | ChangeKind::Gone) {
        let count = [Head::new("COUNT", Side::Right)].into_iter();
        return count.chain(usage::USAGE).collect();
    }
    let titles = ["OLD", "NEW", "CHANGE"].into_iter();
    titles
        .chain(OTHERS.map(|(_, title)| title))
        .map(|title| Head::new(title, Side::Right))
        .collect()
}

fn cells(change: &Change, measure: Measure) -> Vec<String> {
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => {
            let mut cells = vec![
                measure_text(measure, measure.of(old)),
                measure_text(measure, measure.of(new)),
            ];
            let growth = |measure| growth_text(measure, change.growth(measure));
            cells.push(growth(measure));
            cells.extend(OTHERS.map(|(measure, _)| growth(measure)));
            cells
        }
        (None, Some(only)) | (Some(only), None) => {
            let mut cells = vec![only.count.to_string()];
            cells.extend(usage::cells(only));
            cells
        }
        (None, None) => Vec::new(),
    }
}

/// Formats the growth of a measure, with its sign.
fn growth_text(measure: Measure, growth: i128) -> String {
    let sign = if growth < 0 { '-' } else { '+' };
    format!("{sign}{}", measure_text(measure, growth.unsigned_abs()))
}
