// SPDX-License-Identifier: GPL-2.0-only

//! Sentences about a whole recording.

use std::collections::HashMap;

use super::layout::Window;
use super::text::{count, duration, label, line, number, size};
use crate::{Process, Run, Selection, Text};

/// Returns what was recorded.
pub fn subject(run: &Run) -> String {
    match &run.header.selection {
        Selection::Command { args, .. } => line(args, 100),
        Selection::Pid(pid) => format!("Process {pid} and its descendants"),
        Selection::Cgroup(path) => format!("Cgroup {}", line([path], 100)),
        Selection::System => "All processes".to_owned(),
    }
}

/// Returns the circumstances.
pub fn facts(run: &Run) -> String {
    let header = &run.header;
    let failed = run.processes().iter().filter(|one| one.has_failed());
    let cpus = usize::try_from(header.cpus).unwrap_or(usize::MAX);
    format!(
        "{} · {}, {} failed · {}, Linux {}, {}, {}",
        duration(Window::of(run).length()),
        count(run.processes().len(), "process", "processes"),
        number(failed.count()),
        line([&header.host], 40),
        line([&header.kernel], 40),
        count(cpus, "CPU", "CPUs"),
        size(header.memory),
    )
}

/// Returns what the recording lacks.
pub fn warnings(run: &Run) -> Vec<String> {
    let mut warnings = Vec::new();
    if run.lost > 0 {
        warnings.push(format!(
            "{} events were lost: processes may be missing, or seem to go on.",
            number(run.lost)
        ));
    }
    if run.end.is_none() {
        warnings.push("The recording was cut off: it has no end.".to_owned());
    }
    warnings
}

/// Returns user and system time in nanoseconds, as far as they are known.
pub fn cpu_time(process: &Process) -> u64 {
    let exit = process.exit.as_ref();
    exit.map_or(0, |exit| exit.utime.saturating_add(exit.stime))
}

/// Returns whether a process goes on at the end. One without a last event may have ended before.
pub fn goes_on(run: &Run, process: &Process) -> bool {
    process.exit.is_none() && process.end >= run.last
}

/// The processes of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The name.
    pub name: Text,
    /// The number of processes that ended with it.
    pub processes: usize,
    /// Their CPU time, in nanoseconds.
    pub cpu_time: u64,
}

impl Program {
    /// Returns the name as a label.
    pub fn label(&self) -> String {
        label(&self.name)
    }
}

/// Returns the programs, with those first that took most CPU time.
pub fn programs(run: &Run) -> Vec<Program> {
    let mut places: HashMap<&Text, usize> = HashMap::new();
    let mut programs: Vec<Program> = Vec::new();
    for process in run.processes() {
        let place = *places.entry(process.name()).or_insert_with(|| {
            programs.push(Program {
                name: process.name().clone(),
                processes: 0,
                cpu_time: 0,
            });
            programs.len() - 1
        });
        let program = &mut programs[place];
        program.processes += 1;
        program.cpu_time = program.cpu_time.saturating_add(cpu_time(process));
    }
    programs.sort_by(|one, other| {
        let key = |program: &Program| (program.cpu_time, program.processes);
        key(other)
            .cmp(&key(one))
            .then_with(|| one.name.cmp(&other.name))
    });
    programs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::fixture::recording;

    #[test]
    fn programs_are_in_the_order_of_their_time() {
        let mut recording = recording();
        for (pid, name, time) in [(1, "sh", 5), (2, "cc", 4), (3, "cc", 3), (4, "a", 0)] {
            recording.begin(pid, 10, 0, name);
            recording.exit_after(pid, 20, 0, time);
        }
        let programs = programs(&recording.run());
        let programs: Vec<_> = programs
            .iter()
            .map(|one| (one.label(), one.processes, one.cpu_time))
            .collect();
        let expected = [("cc", 2, 7), ("sh", 1, 5), ("a", 1, 0)];
        assert_eq!(
            programs,
            expected.map(|(name, count, time)| (name.to_owned(), count, time))
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut recording = recording();
        assert_eq!(warnings(&recording.run()), Vec::<String>::new());
        recording.lost(1234);
        recording.is_ended = false;
        let warnings = warnings(&recording.run());
        assert!(
            warnings[0].starts_with("1,234 events were lost"),
            "{warnings:?}"
        );
        assert!(warnings[1].contains("cut off"), "{warnings:?}");
    }

    #[test]
    fn a_process_goes_on_unless_it_is_gone() {
        let mut recording = recording();
        recording.begin(1, 100, 0, "a");
        recording.begin(2, 110, 0, "b");
        recording.process(3, 120, 0, "c", 500);
        recording.gone(2, 300);
        let run = recording.run();
        let processes = run.processes().iter();
        let all: Vec<_> = processes.map(|process| goes_on(&run, process)).collect();
        assert_eq!(all, [true, false, false]);
    }

    #[test]
    fn facts_are_those_of_the_header() {
        let mut recording = recording();
        recording.begin(1, 100, 0, "sh");
        recording.exit_after(1, 1_500_000_100, 256, 0);
        let run = recording.run();
        assert_eq!(
            facts(&run),
            "1.5 s · 1 process, 1 failed · box, Linux 7.3, 4 CPUs, 8.0 GiB"
        );
        assert_eq!(subject(&run), "make -j4");
    }
}
