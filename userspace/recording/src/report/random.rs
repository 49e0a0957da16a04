// SPDX-License-Identifier: GPL-2.0-only

//! Reports on random lines, whose results have to make sense nevertheless.

use std::collections::HashSet;
use std::time::Duration;

use fastrand::Rng;

use super::critical::last;
use super::span::{life, whole};
use super::*;
use crate::script::{Script, ended, executed, started};
use crate::{Exec, Exit, Line, Process, Run, Sample, Selection, Started, Text};

/// Returns a time: mostly a small one, so that many are equal, and now and then an extreme one.
fn time(rng: &mut Rng, most: u64) -> u64 {
    match rng.u8(..) {
        0 => u64::MAX,
        1 => 0,
        2 => rng.u64(..),
        _ => rng.u64(..most),
    }
}

fn name(rng: &mut Rng) -> Text {
    Text::from(*rng.choice(&["sh", "cc", "grep", "\u{1b}"]).unwrap_or(&""))
}

/// Returns a random line. Most of them are of processes that are known, by PID and start.
fn line(rng: &mut Rng, most: u64, known: &mut Vec<(i32, u64)>) -> Line {
    let any = (rng.i32(-1..9), time(rng, most));
    let one = match rng.choice(known.iter()) {
        Some(one) if rng.u8(..) > 30 => *one,
        _ => any,
    };
    let (pid, start) = one;
    match rng.u8(..8) {
        0..=2 => {
            known.push(any);
            Line::Process(Started {
                parent_start: (rng.u8(..) > 50).then_some(start),
                comm: name(rng),
                is_older: rng.bool(),
                ..started(any.0, any.1, pid)
            })
        }
        3 | 4 => Line::Exec(Exec {
            time: rng.bool().then(|| time(rng, most)),
            args: rng.bool().then(|| vec![name(rng)]),
            directory: rng.bool().then(|| name(rng)),
            comm: name(rng),
            ..executed(pid, start, 0, &["sh"])
        }),
        5 | 6 => Line::Exit(Exit {
            status: rng.bool().then(|| rng.i32(..)),
            utime: time(rng, most),
            stime: time(rng, most),
            minor_faults: time(rng, most),
            major_faults: time(rng, most),
            max_rss: rng.u64(..),
            read_bytes: rng.bool().then(|| rng.u64(..)),
            write_bytes: rng.bool().then(|| rng.u64(..)),
            ..ended(pid, start, time(rng, most), 0)
        }),
        _ => Line::Sample(Sample {
            time: time(rng, most),
            busy: rng.u64(..),
            io_wait: 0,
            memory: 0,
        }),
    }
}

fn run(rng: &mut Rng) -> Run {
    let most = rng.u64(2..60);
    let mut script = Script::new(rng.u64(..most));
    if rng.bool() {
        script.selection(Selection::Pid(rng.i32(0..9)));
    }
    let mut known = Vec::new();
    for _ in 0..rng.usize(..200) {
        script.line(line(rng, most, &mut known));
    }
    script.run()
}

/// Returns a run as the kernel would make it: each process begins while its parent is alive.
fn consistent_run(rng: &mut Rng) -> Run {
    let mut now = rng.u64(..10);
    let mut script = Script::new(now);
    script.fork(1, now, 0);
    let mut alive = vec![1];
    for pid in 2..rng.i32(3..60) {
        now += rng.u64(..3);
        if let Some(&parent) = rng.choice(&alive) {
            script.fork(pid, now, parent);
        }
        alive.push(pid);
        while alive.len() > 1 && rng.bool() {
            now += rng.u64(..3);
            let ended = alive.swap_remove(rng.usize(1..alive.len()));
            script.exit(ended, now, 0);
        }
    }
    script.exit(1, now + rng.u64(..3), 0).run()
}

/// Checks that steps are in order and disjoint, each within the life of its process.
fn check_path(run: &Run) {
    let path = CriticalPath::of(run);
    assert!(path.steps.is_sorted_by(|before, after| {
        before.span.to <= after.span.from && before.process != after.process
    }));
    for step in &path.steps {
        let life = life(run, &run.processes()[step.process]);
        assert!(step.span.from < step.span.to, "{step:?}");
        assert!(life.from <= step.span.from && step.span.to <= life.to);
    }
    let programs: Duration = path.programs.iter().map(|(_, time)| *time).sum();
    assert_eq!(programs, path.lasted());
    assert!(path.lasted() <= whole(run).lasted());
    if let Some(step) = path.steps.last() {
        let last = last(run).map(|last| life(run, &run.processes()[last]).to);
        assert!(last.is_some_and(|last| step.span.to <= last));
    }
}

fn check_programs(run: &Run) {
    let (programs, processes) = (programs(run), processes(run));
    let all = |of: fn(&Usage) -> u128| -> (u128, u128) {
        (
            programs.iter().map(|(_, usage)| of(usage)).sum(),
            processes.iter().map(|(_, usage)| of(usage)).sum(),
        )
    };
    for of in [
        |usage: &Usage| usage.time.as_nanos(),
        |usage: &Usage| usage.own.as_nanos(),
        |usage: &Usage| usage.failures.into(),
        |usage: &Usage| usage.cpu_time.unwrap_or_default().as_nanos(),
    ] {
        let (by_program, by_process) = all(of);
        assert_eq!(by_program, by_process);
    }
    let executed = |process: &Process| process.programs.len().max(1) as u128;
    let runs: u128 = run.processes().iter().map(executed).sum();
    assert_eq!(all(|usage| usage.count.into()).0, runs);
    for usage in programs.iter().map(|(_, usage)| usage) {
        assert!(usage.own <= usage.time && usage.longest <= usage.time);
    }
}

fn check_parallelism(run: &Run) {
    let parallelism = Parallelism::of(run, 7);
    let whole = whole(run);
    let own: u128 = processes(run)
        .iter()
        .map(|(_, usage)| usage.own.as_nanos())
        .sum();
    let sum = parallelism.mean * whole.length() as f64;
    assert!((sum - own as f64).abs() <= own as f64 * 1e-9 + 1e-9);
    let mut from = whole.from;
    for interval in &parallelism.intervals {
        assert_eq!(interval.span.from, from);
        from = interval.span.to;
        assert!(interval.mean <= interval.peak as f64 * (1.0 + 1e-9));
        assert!(
            interval
                .cpus
                .is_none_or(|cpus| cpus.is_finite() && cpus >= 0.0)
        );
    }
    assert!(parallelism.intervals.is_empty() || from == whole.to);
}

fn check_failures(run: &Run) {
    let failures = Failure::all(run);
    let failed = run
        .processes()
        .iter()
        .filter(|process| process.has_failed());
    assert_eq!(failures.len(), failed.count());
    assert!(failures.is_sorted_by_key(|failure| run.processes()[failure.process].end));
    for failure in failures {
        assert!(ancestors(run, failure.process).count() < run.processes().len());
    }
}

fn check_diff(old: &Run, new: &Run) {
    let diff = Diff::between(old, new);
    let places = |of: fn(&Pair) -> Option<usize>| -> Vec<_> {
        diff.processes
            .iter()
            .filter_map(|(pair, _)| of(pair))
            .collect()
    };
    for (places, run) in [
        (places(|pair| pair.old), old),
        (places(|pair| pair.new), new),
    ] {
        let different: HashSet<_> = places.iter().collect();
        assert_eq!(
            (places.len(), different.len()),
            (run.processes().len(), run.processes().len())
        );
    }
    for (pair, change) in &diff.processes {
        if let (Some(a), Some(b)) = (pair.old, pair.new) {
            let line = old.processes()[a].command_line();
            assert_eq!(line, new.processes()[b].command_line());
        }
        assert_eq!(pair.old.is_some(), change.old.is_some());
    }
    let growth: i128 = diff
        .programs
        .iter()
        .map(|(_, change)| change.growth(Measure::Failures))
        .sum();
    let failures = |run: &Run| Failure::all(run).len() as i128;
    assert_eq!(growth, failures(new) - failures(old));
}

/// Returns the critical path at a moment of a process, from the end on, by its definition.
fn simple_path(run: &Run, place: usize, end: u64, steps: &mut Vec<Step>) {
    let process = &run.processes()[place];
    let mut now = end;
    let add = |from: u64, to: u64, steps: &mut Vec<Step>| {
        if from < to {
            steps.push(Step {
                process: place,
                span: Span { from, to },
            });
        }
    };
    let ended_last = |now: u64| {
        let children = process.children.iter().copied();
        children
            .filter(|&child| {
                let child = &run.processes()[child];
                child.start < child.end && child.end <= now
            })
            .max_by_key(|&child| run.processes()[child].end)
    };
    while let Some(child) = ended_last(now) {
        let Process { start, end, .. } = run.processes()[child];
        add(end, now, steps);
        simple_path(run, child, end, steps);
        now = start;
    }
    add(process.start, now, steps);
}

/// Returns how often a process has no child that is alive, nanosecond by nanosecond.
fn simple_own(run: &Run, process: &Process) -> u64 {
    let is_alone = |now: &u64| {
        let mut children = process.children.iter();
        children.all(|&child| {
            let Process { start, end, .. } = run.processes()[child];
            !(start..end).contains(now)
        })
    };
    (process.start..process.end).filter(is_alone).count() as u64
}

#[test]
fn reports_agree_with_simple_definitions() {
    let mut rng = Rng::with_seed(8);
    for _ in 0..400 {
        let run = consistent_run(&mut rng);
        let mut steps = Vec::new();
        simple_path(&run, 0, run.processes()[0].end, &mut steps);
        steps.reverse();
        assert_eq!(CriticalPath::of(&run).steps, steps);
        for (place, usage) in processes(&run) {
            let own = simple_own(&run, &run.processes()[place]);
            assert_eq!(usage.own, Duration::from_nanos(own));
        }
        let peak = (run.header.time..run.last)
            .map(|now| {
                let works = |process: &&Process| {
                    let spans = span::own(&run, process);
                    spans.iter().any(|span| (span.from..span.to).contains(&now))
                };
                run.processes().iter().filter(works).count()
            })
            .max();
        assert_eq!(Parallelism::of(&run, 3).peak, peak.unwrap_or(0) as u64);
    }
}

#[test]
fn a_path_without_losses_covers_the_run() {
    let mut rng = Rng::with_seed(7);
    let mut steps = 0;
    for _ in 0..400 {
        let run = consistent_run(&mut rng);
        check_path(&run);
        let path = CriticalPath::of(&run);
        let root = &run.processes()[0];
        assert_eq!(path.lasted(), root.lasted(), "{path:?}");
        steps = steps.max(path.steps.len());
    }
    assert!(steps > 20, "{steps}");
}

#[test]
fn reports_on_random_lines_make_sense() {
    let mut rng = Rng::with_seed(7);
    let mut old = run(&mut rng);
    let mut steps = 0;
    for _ in 0..400 {
        let run = run(&mut rng);
        check_path(&run);
        check_programs(&run);
        check_parallelism(&run);
        check_failures(&run);
        check_diff(&old, &run);
        steps = steps.max(CriticalPath::of(&run).steps.len());
        old = run;
    }
    // The lines are not so random that nothing comes of them.
    assert!(steps > 3, "{steps}");
}

/// Chains and families of many processes take no stack.
#[test]
fn many_processes_are_no_problem() {
    let number: i32 = 4_000;
    for parent in [|pid: i32| pid - 1, |_: i32| 1] {
        let mut script = Script::new(0);
        for pid in 1..=number {
            let start = u64::from(pid.unsigned_abs());
            script.fork(pid, start, parent(pid));
        }
        let end = u64::from(number.unsigned_abs());
        for pid in (1..=number).rev() {
            script.exit(pid, 2 * end - u64::from(pid.unsigned_abs()) + 1, 256);
        }
        let run = script.run();
        check_path(&run);
        check_programs(&run);
        check_parallelism(&run);
        assert_eq!(Failure::all(&run).len(), run.processes().len());
    }
}
