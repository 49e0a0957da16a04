// SPDX-License-Identifier: GPL-2.0-only

//! Measuring what lives cost. This runs in a guest with QEMU's plugin.
//!
//! The cost of a life depends on earlier allocations of the kernel, by more than on some of the
//! listeners, so all listeners have their turn in each round, in one order and then in the
//! other.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;

use anyhow::{Context, Result, ensure};
use fixture::Module;
use procmon::sysfs::Parameter;
use serde::{Deserialize, Serialize};

use super::bpf::Programs;
use super::listeners::Listening;
use super::netlink::Socket;
use super::stream::Stream;
use super::symbols::Symbols;
use super::work::{BUSYBOX, Lives, NOTHING};
use super::{Life, Listener, OF_BUSYBOX, Reading, inside, lives};
use crate::cpu::pin;
use crate::measure::kernel;
use crate::regions::{Label, ROUNDS, Regions, SETTLE};

/// The size of the ring: the smallest one of which a reader can wait for a batch.
const EVENTS_KB: u32 = 256;

/// The number of lives that fill the ring, each with events of about 650 bytes.
const FILL: usize = 450;

/// The number of lives before those that are measured, by which all caches of the kernel are warm.
const WARM_UP: usize = 5;

/// The number of messages that are received in a region.
const MESSAGES: usize = 64;

/// The number of events that the command shows, of programs and ends: fewer than are in the ring.
const COMMAND_EVENTS: usize = 600;

/// The number of open files whose memory is measured.
const READERS: usize = 768;

/// The output of a run.
#[derive(Serialize, Deserialize)]
pub struct Run {
    /// The kernel's release.
    pub kernel: String,
    pub regions: Vec<Label>,
    /// The memory that a reader of procmon's events takes, beside an open file that is none.
    pub reader_bytes: Option<f64>,
}

/// The plan for a run.
pub struct Plan {
    /// The number of rounds with all listeners. With none, only procmon's own numbers are
    /// measured, which hardly differ between two boots.
    pub rounds: usize,
    /// The directory that the BPF programs are pinned to.
    pub programs: Option<PathBuf>,
}

impl Run {
    pub fn measure(plan: &Plan) -> Result<Self> {
        pin(0)?;
        fixture::module::unload_shared();
        let module = load()?;
        let reader_bytes = (plan.rounds > 0).then(reader_bytes).transpose()?;
        let mut bench = Bench {
            lives: Lives::of(NOTHING)?,
            symbols: Symbols::find()?,
            programs: plan.programs.as_deref().map(Programs::open).transpose()?,
            regions: Regions::arm(),
        };
        bench.symbols.watch(true)?;
        bench.exact()?;
        if plan.rounds > 0 {
            bench.command()?;
        }
        drop(module);
        if plan.rounds > 0 {
            // The first time that somebody listens is another one.
            bench.round(0, false).context("first round")?;
        }
        for round in 1..=plan.rounds {
            bench
                .round(round, true)
                .with_context(|| format!("round {round}"))?;
        }
        Ok(Self {
            kernel: kernel()?,
            regions: bench.regions.into_labels(),
            reader_bytes,
        })
    }
}

/// Loads the module, with a monitor that takes no samples.
fn load() -> Result<Module> {
    let never = Parameter::MonitorIntervalMs.range().end().to_owned();
    let parameters = format!("events_kb={EVENTS_KB} monitor_interval_ms={never}");
    Module::load(&parameters).context("cannot load the module")
}

/// The common parts of all measurements.
struct Bench {
    lives: Lives,
    symbols: Symbols,
    programs: Option<Programs>,
    regions: Regions,
}

impl Bench {
    /// Measures the numbers that hardly differ: those of procmon's probes and those of reading.
    fn exact(&mut self) -> Result<()> {
        self.fill()?;
        for life in [Life::Exec, Life::Thread] {
            self.lives_of(life, Listener::Unread, &inside(life))?;
        }
        let busybox = Lives::of(BUSYBOX)?;
        busybox.live(Life::Exec, WARM_UP)?;
        for _ in 0..ROUNDS {
            self.regions
                .list_calls(OF_BUSYBOX, || busybox.live(Life::Exec, 1))?;
        }
        let mut stream = Stream::open()?;
        for _ in 0..ROUNDS {
            self.lives.live(Life::Exec, Life::Exec.number())?;
            let name = Reading::Procmon.name();
            self.regions.measure(name, || stream.read())?;
            stream.drain()?;
        }
        Ok(())
    }

    /// Measures the command, which has to keep up with the most that happens. The ring is full.
    fn command(&mut self) -> Result<()> {
        for _ in 0..ROUNDS {
            let mut command = Command::new("/dist/procmonctl");
            command
                .args(["events", "--json", "--since", "all", "--count"])
                .arg(COMMAND_EVENTS.to_string())
                .stdout(File::create("/events.json")?);
            self.regions.measure(Reading::Command.name(), || {
                let status = command.status()?;
                ensure!(status.success(), "procmonctl: {status}");
                Ok(COMMAND_EVENTS)
            })?;
        }
        let text = fs::read_to_string("/events.json")?;
        ensure!(text.lines().count() == COMMAND_EVENTS, "events are missing");
        Ok(())
    }

    /// Fills the ring, as it is at all times but the first ones.
    fn fill(&self) -> Result<()> {
        let _stream = Stream::open()?;
        self.lives.live(Life::Exec, FILL)?;
        Ok(())
    }

    /// Gives all listeners their turn, measured or not.
    fn round(&mut self, round: usize, is_measured: bool) -> Result<()> {
        let mut listeners = Listener::ALL.to_vec();
        listeners.retain(|&listener| listener != Listener::Bpf || self.programs.is_some());
        if round % 2 == 1 {
            listeners.reverse();
        }
        let mut module = None;
        for listener in listeners {
            if listener.needs_module() != module.is_some() {
                module = listener.needs_module().then(load).transpose()?;
                self.symbols.watch(module.is_some())?;
                if module.is_some() {
                    self.fill()?;
                }
            }
            for life in Life::ALL {
                let name = lives(life, listener);
                if is_measured {
                    self.lives_of(life, listener, &name).context(name)?;
                } else {
                    let _listening = Listening::begin(listener, self.programs.as_ref())?;
                    self.lives.live(life, WARM_UP).context(name)?;
                }
            }
        }
        if is_measured && round <= ROUNDS {
            self.read_others()?;
        }
        Ok(())
    }

    /// Measures lives that a listener is told of, with what they leave for later.
    fn lives_of(&mut self, life: Life, listener: Listener, name: &str) -> Result<()> {
        let mut listening = Listening::begin(listener, self.programs.as_ref())?;
        self.lives.live(life, WARM_UP)?;
        let before = listening.prepare()?;
        sleep(SETTLE);
        let number = life.number();
        self.regions.list_calls(name, || {
            let number = self.lives.live(life, number)?;
            sleep(SETTLE);
            Ok(number)
        })?;
        listening.check(life, number, before)
    }

    /// Measures how others read their events.
    fn read_others(&mut self) -> Result<()> {
        let mut socket = Socket::connector()?;
        self.lives.live(Life::Exec, MESSAGES)?;
        self.regions.measure(Reading::Connector.name(), || {
            for _ in 0..MESSAGES {
                socket.receive()?;
            }
            Ok(MESSAGES)
        })?;
        if let Some(programs) = &self.programs {
            programs.ring()?.read()?;
            let links = programs.attach()?;
            self.lives.live(Life::Exec, Life::Exec.number())?;
            drop(links);
            let mut ring = programs.ring()?;
            self.regions.measure(Reading::Bpf.name(), || ring.read())?;
        }
        Ok(())
    }
}

/// Measures the memory of a reader, by that of many.
fn reader_bytes() -> Result<f64> {
    // The first one has the ring made.
    let _first = Stream::open()?;
    let readers: Result<Vec<_>> = (0..READERS).map(|_| Stream::open_only()).collect();
    let readers = readers?;
    sleep(SETTLE);
    let before = free_memory()?;
    for reader in &readers {
        reader.begin()?;
    }
    sleep(SETTLE);
    let taken = before.checked_sub(free_memory()?);
    let taken = taken.context("there is more memory with readers than without")?;
    ensure!(taken > 0, "readers take no memory");
    Ok(taken as f64 / READERS as f64)
}

/// Returns the number of free bytes of memory.
fn free_memory() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    parse_free(&text).context("strange /proc/meminfo")
}

fn parse_free(text: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("MemFree:"))?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_found() {
        let text = "MemTotal:        1000 kB\nMemFree:          24 kB\nMemAvailable:  500 kB\n";
        assert_eq!(parse_free(text), Some(24 * 1024));
        assert_eq!(parse_free("MemTotal: 1 kB\n"), None);
        assert_eq!(parse_free("MemFree: x kB\n"), None);
    }
}
