// SPDX-License-Identifier: GPL-2.0-only

//! The use of each program and of each process.

use std::collections::BTreeMap;

use super::span::{Span, life, overlaps, own, parts};
use super::usage::Usage;
use crate::{Process, Run, Text};

/// Returns the use of each program, in the order of the names.
///
/// A process that executes several programs counts its time for each in turn, and the values that
/// its end tells for the last one. Its time from the fork to the first program counts for the name
/// that it has until then, which is that of its parent, but not as one more of these.
#[must_use]
pub fn programs(run: &Run) -> Vec<(Text, Usage)> {
    let mut programs: BTreeMap<&Text, Usage> = BTreeMap::new();
    for process in run.processes() {
        let own = own(run, process);
        for part in parts(run, process) {
            if part.span.is_empty() && !part.is_run {
                continue;
            }
            let usage = programs.entry(part.name).or_default();
            let time = part.span.lasted();
            usage.count += u64::from(part.is_run);
            usage.time += time;
            usage.own += overlaps(&own, |span| *span, part.span)
                .map(|(_, span)| span.lasted())
                .sum();
            usage.longest = usage.longest.max(time);
        }
        programs.entry(process.name()).or_default().add_end(process);
    }
    programs
        .into_iter()
        .map(|(name, usage)| (name.clone(), usage))
        .collect()
}

/// Returns the use of each process, by its place in [`Run::processes`].
#[must_use]
pub fn processes(run: &Run) -> Vec<(usize, Usage)> {
    let uses = run.processes().iter().map(|process| usage(run, process));
    uses.enumerate().collect()
}

/// Returns the use of a process.
fn usage(run: &Run, process: &Process) -> Usage {
    let time = life(run, process).lasted();
    let mut usage = Usage {
        count: 1,
        time,
        longest: time,
        own: own(run, process).into_iter().map(Span::lasted).sum(),
        ..Usage::default()
    };
    usage.add_end(process);
    usage
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::usage::Measure;
    use super::*;
    use crate::script::Script;

    const fn ns(time: u64) -> Duration {
        Duration::from_nanos(time)
    }

    /// Returns a run of `make` with two compilers and a shell that becomes `ld`.
    fn run() -> Run {
        Script::new(100)
            .fork(1, 100, 0)
            .exec(1, 100, &["make"])
            .fork(2, 110, 1)
            .exec(2, 112, &["cc", "a.c"])
            .exit(2, 140, 0)
            .fork(3, 140, 1)
            .exec(3, 141, &["cc", "b.c"])
            .exit(3, 150, 256)
            .fork(4, 150, 1)
            .exec(4, 150, &["sh", "-c", "exec ld"])
            .exec(4, 160, &["ld"])
            .exit(4, 190, 0)
            .exit(1, 200, 0)
            .run()
    }

    #[test]
    fn programs_add_up() {
        let programs = programs(&run());
        let of = |name: &str| {
            let found = programs.iter().find(|(text, _)| *text == Text::from(name));
            &found.unwrap().1
        };
        let names: Vec<_> = programs.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, ["cc", "fork", "ld", "make", "sh"].map(Text::from));
        let cc = of("cc");
        assert_eq!((cc.count, cc.failures), (2, 1));
        assert_eq!((cc.time, cc.own, cc.longest), (ns(37), ns(37), ns(28)));
        // The script gives each process its PID as microseconds, and so on.
        assert_eq!(cc.cpu_time, Some(Duration::from_micros(2 + 3)));
        assert_eq!((cc.max_rss, cc.minor_faults), (Some(3 << 20), Some(5)));
        assert_eq!((cc.read_bytes, cc.write_bytes), (Some(50), Some(500)));
        assert_eq!((of("fork").count, of("fork").time), (0, ns(3)));
        assert_eq!((of("sh").count, of("sh").time), (1, ns(10)));
        // The process ended as another program.
        assert_eq!(of("sh").cpu_time, None);
        assert_eq!(of("ld").cpu_time, Some(Duration::from_micros(4)));
        assert_eq!((of("make").time, of("make").own), (ns(100), ns(20)));
    }

    #[test]
    fn measures_order_programs() {
        let first = |measure: Measure| {
            let mut programs = programs(&run());
            measure.sort(&mut programs);
            programs[0].0.to_string_lossy().into_owned()
        };
        for (measure, name) in [
            (Measure::Count, "cc"),
            (Measure::Time, "make"),
            (Measure::Own, "cc"),
            (Measure::Longest, "make"),
            (Measure::Cpu, "cc"),
            (Measure::Memory, "ld"),
            (Measure::Io, "cc"),
            (Measure::Faults, "cc"),
            (Measure::Failures, "cc"),
        ] {
            assert_eq!(first(measure), name, "{measure:?}");
        }
    }

    #[test]
    fn processes_have_their_own_time() {
        let run = run();
        let own: Vec<_> = processes(&run).iter().map(|(_, usage)| usage.own).collect();
        assert_eq!(own, [ns(20), ns(30), ns(10), ns(40)]);
    }

    #[test]
    fn an_older_process_counts_from_the_beginning() {
        let run = Script::new(100)
            .older(1, 10, "fork")
            .older_exec(1, &["init"])
            .fork(2, 130, 1)
            .exit(2, 150, 0)
            .run();
        let programs = programs(&run);
        let [(fork, child), (init, usage)] = &programs[..] else {
            panic!("{programs:?}");
        };
        assert_eq!((fork, init), (&Text::from("fork"), &Text::from("init")));
        assert_eq!((child.count, child.time), (1, ns(20)));
        assert_eq!((usage.count, usage.time, usage.own), (1, ns(50), ns(30)));
        assert_eq!((usage.cpu_time, usage.max_rss), (None, None));
    }
}
