// SPDX-License-Identifier: GPL-2.0-only

//! Measuring the cost of each operation. This runs in a guest with QEMU's plugin, which does the
//! counting, and whose clock goes by instructions: so the ticks of the kernel come after the same
//! work in each run, and idle time takes none.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use procmon::sysfs::{self, Parameter};
use serde::{Deserialize, Serialize};

use crate::calls::Prepared;
use crate::cpu::pin;
use crate::recorders;
use crate::regions::{Label, ROUNDS, Regions};
use crate::rows::{
    CALLS, CallRow, RECORD_SIZE, SOME, TURN, WALKS, floor_of, listed, many, without,
};
use crate::scrapes;
use crate::tasks::{Cgroups, Sleepers};
use crate::viewers;
use crate::walks::Walker;

/// The time after starting processes, in which the work that this has left gets done.
const IDLE: Duration = Duration::from_secs(5);

/// The number of rounds with a list of lines.
const LISTED_ROUNDS: usize = 2;

/// The output of a run: the names of the regions that the plugin has measured, and facts.
#[derive(Serialize, Deserialize)]
pub struct Run {
    /// The kernel's release.
    pub kernel: String,
    pub regions: Vec<Label>,
    /// The text of /proc/floor: where the kernel's objects are.
    pub objects: Option<String>,
    /// The steps of growth, each with facts about its tasks.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// A step of growth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    pub processes: usize,
    pub threads: usize,
    pub cgroups: usize,
    pub cpus: usize,
    /// The number of system calls of a first snapshot, which does not know how many records there
    /// are, as the library takes it.
    pub calls: u64,
}

/// The plan for a run.
pub struct Plan {
    /// The number of sleeping processes. With none, only calls are measured.
    pub processes: usize,
    /// The file that the BPF iterator is pinned to.
    pub iterator: Option<PathBuf>,
    /// Programs that show processes on a terminal, with their arguments.
    pub viewers: Vec<String>,
}

impl Run {
    /// Measures all rows.
    pub fn measure(plan: &Plan) -> Result<Self> {
        pin(0)?;
        let mut sleepers = Sleepers::default();
        sleepers.grow_to(plan.processes, 0, &Cgroups::default())?;
        let mut walker = Walker::new(plan.processes, plan.iterator.as_deref())?;
        sleep(IDLE);
        if plan.processes > 0 {
            rest_the_monitor()?;
        }
        let objects = objects()?;
        let mut regions = Regions::arm();
        for row in &CALLS {
            call(&mut regions, row).context(row.name)?;
        }
        if plan.processes > 0 {
            for row in &WALKS {
                if !walker.can(row.walk) {
                    continue;
                }
                let mut walk = || walker.walk(row.walk).context(row.name);
                // The first one brings all memory.
                ensure!(
                    walk()? > plan.processes,
                    "{} does not find all processes",
                    row.name
                );
                let rounds = if row.walk.is_long() { 2 } else { ROUNDS };
                for _ in 0..rounds {
                    regions.measure(row.name, &mut walk)?;
                }
                if objects.is_some() && !row.walk.is_long() {
                    for _ in 0..LISTED_ROUNDS {
                        regions.list(&listed(row.name), &mut walk)?;
                    }
                }
            }
            turn(&mut regions).context(TURN)?;
            for viewer in &plan.viewers {
                viewers::watch(&mut regions, viewer).with_context(|| viewer.clone())?;
            }
        }
        Ok(Self {
            kernel: kernel()?,
            regions: regions.into_labels(),
            objects,
            steps: Vec::new(),
        })
    }

    /// Measures viewers alone.
    pub fn watch(processes: usize, viewers: &[String]) -> Result<Self> {
        Self::beside(processes, Regions::arm, |regions| {
            rest_the_monitor()?;
            for viewer in viewers {
                viewers::watch(regions, viewer).with_context(|| viewer.clone())?;
            }
            Ok(())
        })
    }

    /// Measures scrapes of exporters alone.
    pub fn scrape(processes: usize, exporters: &[String]) -> Result<Self> {
        Self::beside(processes, Regions::arm_to_count, |regions| {
            for exporter in exporters {
                scrapes::measure(regions, exporter).with_context(|| exporter.clone())?;
            }
            Ok(())
        })
    }

    /// Measures builds under recorders, by what a script does.
    pub fn record(script: &Path, rounds: usize, recorders: &[String]) -> Result<Self> {
        Self::beside(0, Regions::arm_to_count, |regions| {
            recorders::measure(regions, script, rounds, recorders)
        })
    }

    /// Measures other programs beside a number of sleeping processes.
    fn beside(
        processes: usize,
        arm: impl FnOnce() -> Regions,
        measure: impl FnOnce(&mut Regions) -> Result<()>,
    ) -> Result<Self> {
        pin(0)?;
        let mut sleepers = Sleepers::default();
        sleepers.grow_to(processes, 0, &Cgroups::default())?;
        sleep(IDLE);
        let mut regions = arm();
        measure(&mut regions)?;
        Ok(Self {
            kernel: kernel()?,
            regions: regions.into_labels(),
            objects: None,
            steps: Vec::new(),
        })
    }
}

/// Has the monitor take samples as rarely as can be: they are for regions of their own.
fn rest_the_monitor() -> Result<()> {
    let interval = Parameter::MonitorIntervalMs;
    interval.set(*interval.range().end())?;
    Ok(())
}

/// Returns the kernel's release.
pub fn kernel() -> Result<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")
        .context("cannot read the kernel's release")?;
    Ok(release.trim_end().to_owned())
}

fn objects() -> Result<Option<String>> {
    match fs::read_to_string("/proc/floor") {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => Ok(Some(text.context("cannot read /proc/floor")?)),
    }
}

fn call(regions: &mut Regions, row: &CallRow) -> Result<()> {
    if let Some(path) = row.floor {
        regions.call(&floor_of(row.name), Prepared::floor(path, row.call)?)?;
    }
    regions.call(row.name, Prepared::procmon(row.file, row.call)?)?;
    if row.defers {
        let call = Prepared::procmon(row.file, row.call)?;
        regions.calls(&many(row.name), &without(row.name), call)?;
    }
    Ok(())
}

/// Measures a sample of the monitor: a region with one, less one of the same time with none.
fn turn(regions: &mut Regions) -> Result<()> {
    const INTERVAL: u64 = 100;
    /// The time of a region: a sample takes a few milliseconds, and a longer time would have more
    /// of the kernel's other work in it.
    const TIME: Duration = Duration::from_millis(40);
    /// The time from a sample to the region that has the next one.
    const UNTIL: Duration = Duration::from_millis(INTERVAL - 20);
    const TURNS: usize = 10;

    let samples = || -> Result<u64> { Ok(sysfs::monitor()?.samples) };
    let interval = Parameter::MonitorIntervalMs;
    interval.set(u32::try_from(INTERVAL)?)?;
    for _ in 0..TURNS {
        let before = samples()?;
        let mut waits = 0..2 * INTERVAL;
        while samples()? == before {
            ensure!(waits.next().is_some(), "the monitor takes no sample");
            sleep(Duration::from_millis(1));
        }
        let start = Instant::now();
        for (name, time, expected) in [
            (without(TURN), Duration::ZERO, 0),
            (TURN.to_owned(), UNTIL, 1),
        ] {
            sleep(time.saturating_sub(start.elapsed()));
            let before = samples()?;
            regions.measure(&name, || {
                sleep(TIME);
                Ok(1)
            })?;
            let taken = samples()? - before;
            ensure!(taken == expected, "{taken} samples in place of {expected}");
        }
    }
    rest_the_monitor()
}

/// Measures walks over more and more tasks.
pub fn grow(steps: &[(usize, usize)], cgroups: usize) -> Result<Run> {
    let cpus = thread::available_parallelism()?.get();
    pin(0)?;
    for file in ["pid_max", "threads-max"] {
        let path = format!("/proc/sys/kernel/{file}");
        fs::write(&path, "1000000").with_context(|| format!("cannot write {path}"))?;
    }
    let most = steps
        .iter()
        .map(|&(processes, threads)| processes + threads)
        .max();
    let mut sleepers = Sleepers::default();
    let mut regions = None;
    let mut facts = Vec::new();
    let mut threads_so_far = 0;
    let own = Cgroups::make(cgroups)?;
    let mut walker = Walker::new(most.context("there is nothing to do")?, None)?;
    for &(processes, threads) in steps {
        let more = processes.saturating_sub(sleepers.len());
        let each = threads.saturating_sub(threads_so_far) / more.max(1);
        sleepers.grow_to(processes, each, &own)?;
        threads_so_far += each * more;
        sleep(IDLE);
        let step = Step {
            name: format!("{processes}+{threads_so_far} in {cgroups} cgroups on {cpus} CPUs"),
            processes,
            threads: threads_so_far,
            cgroups,
            cpus,
            calls: calls()?,
        };
        let regions = regions.get_or_insert_with(Regions::arm);
        for row in WALKS.iter().filter(|row| row.walk.is_ours()) {
            let name = grown(row.name, &step);
            walker.walk(row.walk)?;
            for _ in 0..ROUNDS {
                regions.measure(&name, || walker.walk(row.walk))?;
            }
        }
        let name = grown(THREADS, &step);
        let found = walker.threads(SOME, RECORD_SIZE)?;
        ensure!(
            found > processes + threads_so_far,
            "only {found} threads of {}",
            processes + threads_so_far
        );
        for _ in 0..ROUNDS {
            regions.measure(&name, || walker.threads(SOME, RECORD_SIZE))?;
        }
        facts.push(step);
    }
    Ok(Run {
        kernel: kernel()?,
        regions: regions.map(Regions::into_labels).unwrap_or_default(),
        objects: None,
        steps: facts,
    })
}

/// A snapshot with a record for each thread.
pub const THREADS: &str = "snapshot of threads, as by BPF";

/// Returns the name of a row at a step.
pub fn grown(row: &str, step: &Step) -> String {
    format!("{row}: {}", step.name)
}

/// Returns the number of system calls that a snapshot of the library takes, by the device's count.
fn calls() -> Result<u64> {
    let device = procmon::Device::open()?;
    let before = sysfs::stats()?.totals.ioctls;
    device.snapshot(&procmon::SnapshotOptions::new())?;
    let after = sysfs::stats()?.totals.ioctls;
    Ok(after - before)
}
