// SPDX-License-Identifier: GPL-2.0-only

//! The report as text, in sections.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use recording::report::{CriticalPath, Failure, Measure, Parallelism, Step, Usage, ancestors};
use recording::{Run, Text};

use super::Form;
use super::head::{self, command_line};
use crate::table::render::{Head, Side, Table};
use crate::table::value::{status_text, time_text};
use crate::text::printable;

pub mod usage;

use usage::{USAGE, absent, cells, measure_name, measure_text};

/// The number of intervals of the parallelism.
const INTERVALS: u32 = 20;

/// The width of the longest bar.
const BAR: f64 = 40.0;

/// The number of processes above a failure that are shown.
const PARENTS: usize = 4;

/// The measures of the summary, with their titles.
const MOST: [(Measure, &str); 7] = [
    (Measure::Count, "most often"),
    (Measure::Time, "most time"),
    (Measure::Own, "most own time"),
    (Measure::Cpu, "most CPU time"),
    (Measure::Memory, "most memory"),
    (Measure::Io, "most I/O"),
    (Measure::Failures, "most failures"),
];

/// Adds a section: a title, and a table unless it is empty.
pub fn add(text: &mut String, title: &str, table: Table, form: Form) {
    text.push('\n');
    text.push_str(title);
    text.push('\n');
    for line in table.lines(form.width) {
        text.push_str(&line);
        text.push('\n');
    }
}

/// Returns the number of lines that a table shows, of those that it could.
pub fn number(all: usize, form: Form) -> String {
    if all > form.limit {
        format!("{} of {all}, --all shows them", form.limit)
    } else {
        all.to_string()
    }
}

/// Returns the report. The uses are in the order of the measure.
pub fn text(
    run: &Run,
    programs: &[(Text, Usage)],
    processes: &[(usize, Usage)],
    form: Form,
) -> String {
    let mut text = head::text(run);
    add_most(&mut text, programs, form);
    add_programs(&mut text, programs, form);
    add_processes(&mut text, run, processes, form);
    add_parallelism(&mut text, run, form);
    add_critical_path(&mut text, run, form);
    add_failures(&mut text, run, form);
    text
}

fn add_most(text: &mut String, programs: &[(Text, Usage)], form: Form) {
    let rows = MOST.map(|(measure, title)| {
        let mut all: Vec<_> = programs.iter().collect();
        all.sort_by_key(|(_, usage)| std::cmp::Reverse(measure.of(usage)));
        let most = all
            .into_iter()
            .map(|(name, usage)| (name, measure.of(usage)))
            .filter(|(_, value)| *value > 0)
            .take(3)
            .map(|(name, value)| {
                let name = printable(name.as_bytes());
                format!("{name} {}", measure_text(measure, value))
            });
        [title.to_owned()].into_iter().chain(most).collect()
    });
    let heads = ["", "FIRST", "SECOND", "THIRD"].map(|title| Head::new(title, Side::Left));
    add(text, "Summary", Table::new(heads, rows.to_vec()), form);
}

fn add_programs(text: &mut String, programs: &[(Text, Usage)], form: Form) {
    let rows = programs.iter().take(form.limit).map(|(name, usage)| {
        let mut row = vec![usage.count.to_string()];
        row.extend(cells(usage));
        row.extend([usage.failures.to_string(), printable(name.as_bytes())]);
        row
    });
    let heads = [Head::new("COUNT", Side::Right)].into_iter();
    let heads = heads.chain(USAGE).chain([
        Head::new("FAILED", Side::Right),
        Head::new("PROGRAM", Side::Left),
    ]);
    let title = format!(
        "Programs ({}), by {}",
        number(programs.len(), form),
        measure_name(form.measure)
    );
    add(text, &title, Table::new(heads, rows.collect()), form);
}

fn add_processes(text: &mut String, run: &Run, processes: &[(usize, Usage)], form: Form) {
    let rows = processes.iter().take(form.limit).map(|(place, usage)| {
        let process = &run.processes()[*place];
        let mut row = vec![process.pid.to_string()];
        row.extend(cells(usage));
        // The longest time is that of the one process.
        row.remove(3);
        row.push(command_line(process.command_line()));
        row
    });
    let heads = [Head::new("PID", Side::Right)].into_iter();
    let heads = heads
        .chain(USAGE.into_iter().filter(|head| head.title != "LONGEST"))
        .chain([Head::new("COMMAND", Side::Left)]);
    let title = format!(
        "Processes ({}), by {}",
        number(processes.len(), form),
        measure_name(form.measure)
    );
    add(text, &title, Table::new(heads, rows.collect()), form);
}

fn add_parallelism(text: &mut String, run: &Run, form: Form) {
    let parallelism = Parallelism::of(run, INTERVALS);
    let means = || parallelism.intervals.iter().map(|interval| interval.mean);
    let most = means().fold(0.0, f64::max);
    let rows = parallelism.intervals.iter().map(|interval| {
        let bar = if most > 0.0 {
            (interval.mean / most * BAR).round() as usize
        } else {
            0
        };
        vec![
            time_text(since(run, interval.span.from)),
            format!("{:.1}", interval.mean),
            interval.peak.to_string(),
            interval
                .cpus
                .map_or_else(absent, |cpus| format!("{cpus:.1}")),
            "#".repeat(bar),
        ]
    });
    let heads = [
        Head::new("FROM", Side::Right),
        Head::new("WORKING", Side::Right),
        Head::new("PEAK", Side::Right),
        Head::new("CPUS", Side::Right),
        Head::new("", Side::Left),
    ];
    let mut title = format!(
        "Parallelism: {:.1} processes work on average, {} at most",
        parallelism.mean, parallelism.peak
    );
    if let (Some(mean), Some(peak)) = (parallelism.mean_cpus, parallelism.peak_cpus) {
        title.push_str(&format!(
            "; {mean:.1} of {} CPUs are busy on average, {peak:.1} at most",
            run.header.cpus
        ));
    }
    add(text, &title, Table::new(heads, rows.collect()), form);
}

fn add_critical_path(text: &mut String, run: &Run, form: Form) {
    let path = CriticalPath::of(run);
    let whole = path.lasted();
    let rows = path.programs.iter().take(form.limit).map(|(name, time)| {
        let share = time.as_secs_f64() / whole.as_secs_f64() * 100.0;
        vec![
            time_text(*time),
            format!("{share:.1}"),
            printable(name.as_bytes()),
        ]
    });
    let heads = [
        Head::new("TIME", Side::Right),
        Head::new("%", Side::Right),
        Head::new("PROGRAM", Side::Left),
    ];
    let title = format!(
        "Critical path: {} of {}, programs ({})",
        time_text(whole),
        time_text(run.lasted()),
        number(path.programs.len(), form)
    );
    add(text, &title, Table::new(heads, rows.collect()), form);

    let rows = longest(&path.steps, form.limit).into_iter().map(|step| {
        let process = &run.processes()[step.process];
        vec![
            time_text(since(run, step.span.from)),
            time_text(step.span.lasted()),
            process.pid.to_string(),
            command_line(process.command_line()),
        ]
    });
    let heads = [
        Head::new("FROM", Side::Right),
        Head::new("TIME", Side::Right),
        Head::new("PID", Side::Right),
        Head::new("COMMAND", Side::Left),
    ];
    let title = format!(
        "Longest steps of the critical path ({}), in order",
        number(path.steps.len(), form)
    );
    add(text, &title, Table::new(heads, rows.collect()), form);
}

/// Returns the longest steps, in the order of time.
fn longest(steps: &[Step], limit: usize) -> Vec<Step> {
    let mut longest = steps.to_vec();
    longest.sort_by_key(|step| std::cmp::Reverse(step.span.lasted()));
    longest.truncate(limit);
    longest.sort_by_key(|step| step.span.from);
    longest
}

fn add_failures(text: &mut String, run: &Run, form: Form) {
    let mut failures = Failure::all(run);
    // Those of one kind stay in the order of time.
    failures.sort_by_key(|failure| failure.kind);
    let rows = failures.iter().take(form.limit).map(|failure| {
        let process = &run.processes()[failure.process];
        let program = process.program();
        let parents: Vec<_> = ancestors(run, failure.process)
            .take(PARENTS)
            .map(|parent| printable(run.processes()[parent].name().as_bytes()))
            .collect();
        vec![
            time_text(since(run, process.end)),
            process.pid.to_string(),
            status_text(ExitStatus::from_raw(failure.status)),
            failure.kind.name().to_owned(),
            time_text(process.lasted()),
            parents.join(" < "),
            program
                .and_then(|program| program.directory.as_ref())
                .map_or_else(absent, |path| printable(path.as_bytes())),
            command_line(process.command_line()),
        ]
    });
    let heads = [
        Head::new("AT", Side::Right),
        Head::new("PID", Side::Right),
        Head::new("STATUS", Side::Left),
        Head::new("KIND", Side::Left),
        Head::new("TIME", Side::Right),
        Head::new("BELOW", Side::Left),
        Head::new("DIRECTORY", Side::Left),
        Head::new("COMMAND", Side::Left),
    ];
    let title = format!("Failures ({})", number(failures.len(), form));
    add(text, &title, Table::new(heads, rows.collect()), form);
}

/// Returns the time since the beginning of a run.
fn since(run: &Run, time: u64) -> Duration {
    Duration::from_nanos(time.saturating_sub(run.header.time))
}
