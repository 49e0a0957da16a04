// SPDX-License-Identifier: GPL-2.0-only

//! Results of lives: what the plugin has counted, joined with what the guest says of it.

mod report;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use cost::Region;
use serde::Serialize;

use super::measure::Run;
use super::{Event, FUNCTIONS, Life, Listener, OF_BUSYBOX, Reading, inside, lives};
use crate::baseline::{Baseline, INSTRUCTIONS};
use crate::regions;
use crate::scaling::median;

/// The kinds of listeners whose functions are watched.
const WATCHED: [Listener; 4] = [
    Listener::Unread,
    Listener::Bpf,
    Listener::Connector,
    Listener::Taskstats,
];

/// The regions of the same name, one of each round, with the number that its cost is divided by.
type Rounds = BTreeMap<String, Vec<(Region, u64)>>;

/// The results of a run.
#[derive(Serialize)]
pub struct Results {
    #[serde(skip)]
    pub kernel: String,
    lives: Vec<LifeResult>,
    /// The same of the life of another program.
    of_busybox: Option<f64>,
    inside: Vec<InsideResult>,
    reading: Vec<ReadingResult>,
    reader_bytes: Option<f64>,
}

/// Instructions of a life with a listener.
#[derive(Serialize)]
struct LifeResult {
    #[serde(skip)]
    life: Life,
    #[serde(skip)]
    listener: Listener,
    name: String,
    /// Those of the round in the middle.
    instructions: f64,
    /// Those of them that are of modules and BPF programs.
    of_modules: f64,
    /// Those of a life without a listener, in the round in the middle.
    base: f64,
    /// Those beyond a life in the same round without a listener: in the round in the middle, the
    /// least and the most.
    more: f64,
    least_more: f64,
    most_more: f64,
}

/// Instructions of a call of a watched function: that in the middle.
#[derive(Serialize)]
struct InsideResult {
    #[serde(skip)]
    life: Life,
    #[serde(skip)]
    listener: Listener,
    #[serde(skip)]
    event: Event,
    name: String,
    instructions: f64,
    least: u64,
    most: u64,
    calls: usize,
}

/// Instructions of reading an event.
#[derive(Serialize)]
struct ReadingResult {
    name: &'static str,
    instructions: f64,
    /// The number of events that were read at once.
    events: u64,
}

impl Results {
    /// Joins a run with the plugin's regions, which are in the same order.
    pub fn join(run: Run, regions: Vec<Region>) -> Result<Self> {
        let mut by_name = Rounds::new();
        for (label, region) in regions::join(run.regions, regions)? {
            by_name
                .entry(label.name)
                .or_default()
                .push((region, label.per));
        }
        let mut results = Self {
            kernel: run.kernel,
            lives: Vec::new(),
            of_busybox: by_name.get(OF_BUSYBOX).map(|rounds| least(rounds)),
            inside: Vec::new(),
            reading: Vec::new(),
            reader_bytes: run.reader_bytes,
        };
        for life in Life::ALL {
            for listener in Listener::ALL {
                let name = lives(life, listener);
                let Some(rounds) = by_name.get(&name) else {
                    continue;
                };
                let base = base(&by_name, life, listener);
                ensure!(rounds.len() == base.len(), "{name} was not in all rounds");
                let each: Vec<_> = rounds.iter().map(each).collect();
                let more: Vec<_> = each
                    .iter()
                    .zip(&base)
                    .map(|(all, base)| all - base)
                    .collect();
                results.lives.push(LifeResult {
                    life,
                    listener,
                    name,
                    instructions: median(each),
                    of_modules: median(rounds.iter().map(each_of_modules).collect()),
                    base: median(base),
                    least_more: more.iter().copied().fold(f64::INFINITY, f64::min),
                    most_more: more.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    more: median(more),
                });
            }
            for listener in WATCHED {
                let name = match listener {
                    Listener::Unread => inside(life),
                    _ => lives(life, listener),
                };
                if let Some(rounds) = by_name.get(&name) {
                    results.add_inside(life, listener, rounds)?;
                }
            }
        }
        for reading in Reading::ALL {
            if let Some(rounds) = by_name.get(reading.name()) {
                results.reading.push(ReadingResult {
                    name: reading.name(),
                    instructions: least(rounds),
                    events: rounds[0].1,
                });
            }
        }
        Ok(results)
    }

    /// Adds the results of the functions that a listener has for a life.
    fn add_inside(
        &mut self,
        life: Life,
        listener: Listener,
        rounds: &[(Region, u64)],
    ) -> Result<()> {
        let calls = || rounds.iter().flat_map(|(region, _)| &region.calls);
        let lives: u64 = rounds.iter().map(|&(_, lives)| lives).sum();
        for (index, function) in FUNCTIONS.iter().enumerate() {
            // Only programs are executed.
            let has_event = function.event != Event::Exec || life == Life::Exec;
            if function.listener != listener || !has_event {
                continue;
            }
            let counts = calls().filter(|call| call.function == index);
            let counts: Vec<_> = counts.map(|call| call.instructions).collect();
            let name = format!(
                "{}: {:?} of {}",
                life.name(),
                function.event,
                listener.name()
            );
            // While one is interrupted for long, there may be others.
            ensure!(
                10 * counts.len() as u64 >= 9 * lives,
                "{name}: {} calls for {lives} lives",
                counts.len()
            );
            let (least, most) = (counts.iter().min(), counts.iter().max());
            self.inside.push(InsideResult {
                life,
                listener,
                event: function.event,
                name,
                instructions: median(counts.iter().map(|&count| count as f64).collect()),
                least: least.copied().unwrap_or_default(),
                most: most.copied().unwrap_or_default(),
                calls: counts.len(),
            });
        }
        Ok(())
    }

    /// Adds procmon's own numbers, which hardly differ between two boots.
    pub fn add_to(&self, baseline: &mut Baseline) -> Result<()> {
        for (name, life, event) in [
            ("event of a fork, inside", Life::Exec, Event::Fork),
            ("event of an exec, inside", Life::Exec, Event::Exec),
            ("event of an exit, inside", Life::Exec, Event::Exit),
            ("unwanted event, inside", Life::Thread, Event::Exit),
        ] {
            let value = self.of_call(life, Listener::Unread, event);
            let value = value.with_context(|| format!("{name} was not measured"))?;
            baseline.add(name, &[(INSTRUCTIONS, value)]);
        }
        let reading = self.of_reading(Reading::Procmon);
        let reading = reading.context("reading was not measured")?;
        baseline.add("reading of an event", &[(INSTRUCTIONS, reading)]);
        Ok(())
    }

    fn of_life(&self, life: Life, listener: Listener) -> Option<f64> {
        let mut lives = self.lives.iter();
        let found = lives.find(|result| (result.life, result.listener) == (life, listener))?;
        Some(found.instructions)
    }

    fn of_call(&self, life: Life, listener: Listener, event: Event) -> Option<f64> {
        let wanted = (life, listener, event);
        let mut inside = self.inside.iter();
        let found = inside.find(|result| (result.life, result.listener, result.event) == wanted)?;
        Some(found.instructions)
    }

    fn of_reading(&self, reading: Reading) -> Option<f64> {
        let mut all = self.reading.iter();
        let found = all.find(|result| result.name == reading.name())?;
        Some(found.instructions)
    }
}

/// Returns the instructions of a piece of the work of a region.
fn each((region, per): &(Region, u64)) -> f64 {
    region.counts.instructions() as f64 / *per as f64
}

/// Returns those of modules and BPF programs of it.
fn each_of_modules((region, per): &(Region, u64)) -> f64 {
    region.counts.module_instructions as f64 / *per as f64
}

/// Returns the instructions of a life without a listener, in each round: as what the kernel has
/// allocated before changes them, the mean of the turns without a listener that a listener has its
/// own turn between.
fn base(by_name: &Rounds, life: Life, listener: Listener) -> Vec<f64> {
    let turns: &[_] = if listener.needs_module() {
        &[Listener::Idle, Listener::Again]
    } else {
        &[Listener::None]
    };
    let turns: Vec<_> = turns
        .iter()
        .filter_map(|&turn| by_name.get(&lives(life, turn)))
        .collect();
    let rounds = turns.iter().map(|turn| turn.len()).max().unwrap_or(0);
    (0..rounds)
        .map(|round| {
            let turns = turns.iter().filter_map(|turn| turn.get(round));
            let values: Vec<_> = turns.map(each).collect();
            values.iter().sum::<f64>() / values.len() as f64
        })
        .collect()
}

/// Returns the least of all rounds.
fn least(rounds: &[(Region, u64)]) -> f64 {
    rounds.iter().map(each).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use cost::{Call, Counts};

    use super::*;
    use crate::regions::Label;

    /// Regions of a run, each with the calls of watched functions.
    #[derive(Default)]
    struct Regions {
        labels: Vec<Label>,
        regions: Vec<Region>,
    }

    impl Regions {
        fn add(&mut self, name: &str, per: u64, instructions: u64, calls: &[(usize, u64)]) {
            self.labels.push(Label {
                name: name.to_owned(),
                per,
            });
            let calls = calls.iter().map(|&(function, instructions)| Call {
                function,
                instructions,
            });
            self.regions.push(Region {
                counts: Counts {
                    kernel_instructions: instructions,
                    ..Counts::default()
                },
                calls: calls.collect(),
                ..Region::default()
            });
        }

        fn join(self) -> Result<Results> {
            let run = Run {
                kernel: "1.2.3".to_owned(),
                regions: self.labels,
                reader_bytes: Some(17_000.0),
            };
            Results::join(run, self.regions)
        }
    }

    /// Returns regions with procmon's own numbers.
    fn exact() -> Regions {
        let mut regions = Regions::default();
        // A tick of the clock is in one of the calls.
        let lives = [(0, 270), (1, 900), (2, 500), (0, 270), (1, 760), (2, 9000)];
        regions.add(&inside(Life::Exec), 2, 500_000, &lives);
        regions.add(&inside(Life::Thread), 1, 80_000, &[(0, 20), (2, 25)]);
        regions.add(Reading::Procmon.name(), 300, 33_000, &[]);
        regions.add(Reading::Procmon.name(), 300, 30_000, &[]);
        regions
    }

    fn words(text: &str, row: &str) -> Vec<String> {
        let start = format!("{row}  ");
        let line = text.lines().find(|line| line.starts_with(&start)).unwrap();
        let words = line[start.len()..].split_whitespace();
        words.map(str::to_owned).collect()
    }

    #[test]
    fn procmons_numbers_are_in_the_baseline() {
        let mut baseline = Baseline {
            kernel: String::new(),
            rows: BTreeMap::new(),
        };
        exact().join().unwrap().add_to(&mut baseline).unwrap();
        let values: Vec<_> = baseline
            .rows
            .iter()
            .map(|(name, numbers)| (&**name, numbers[INSTRUCTIONS]))
            .collect();
        assert_eq!(
            values,
            [
                ("event of a fork, inside", 270.0),
                ("event of an exec, inside", 760.0),
                ("event of an exit, inside", 500.0),
                ("reading of an event", 100.0),
                ("unwanted event, inside", 25.0),
            ]
        );
    }

    #[test]
    fn each_life_must_have_its_calls() {
        let mut regions = exact();
        regions.add(&inside(Life::Exec), 1, 1, &[(0, 1), (1, 1)]);
        assert!(regions.join().is_err());
        let mut regions = exact();
        regions.labels.pop();
        assert!(regions.join().is_err());
    }

    #[test]
    fn numbers_are_beside_those_of_others_and_targets() {
        let mut regions = exact();
        for (listener, more, calls) in [
            (Listener::None, 0, &[][..]),
            (Listener::Idle, 30, &[]),
            (Listener::Again, 10, &[]),
            (Listener::Batches, 2420, &[]),
            (Listener::Connector, 4000, &[(6, 900), (7, 1100), (8, 1300)]),
            (Listener::Taskstats, 5000, &[(9, 4900)]),
        ] {
            // The second round is dearer for all, and the third one for one of them.
            let once = if listener == Listener::Connector {
                900
            } else {
                0
            };
            for round in [0, 7000, once] {
                let name = lives(Life::Exec, listener);
                regions.add(&name, 1, 200_000 + more + round, calls);
            }
        }
        regions.add(Reading::Connector.name(), 64, 64 * 1500, &[]);
        let text = regions.join().unwrap().to_string();
        assert_eq!(
            words(&text, "no listener"),
            ["200030", "0", "10", "0.00", "10", "10"]
        );
        assert_eq!(
            words(&text, "procmon, read in batches"),
            [
                "202420", "0", "2400", "1.20", "1.00", "+0.20", "2400", "2400"
            ]
        );
        assert_eq!(
            words(&text, "proc connector, not read"),
            ["204900", "0", "4000", "2.00", "4000", "4900"]
        );
        assert_eq!(words(&text, "fork"), ["270", "280", "ok", "-", "900", "-"]);
        assert_eq!(
            words(&text, "exit"),
            ["500", "550", "ok", "-", "1300", "4900"]
        );
        assert_eq!(
            words(&text, "all three"),
            ["1530", "1580", "ok", "-", "3300", "4900"]
        );
        assert_eq!(
            words(&text, "in % of vfork + exec + exit + wait")[..3],
            ["0.77", "0.70", "+0.07"]
        );
        assert_eq!(words(&text, "end of a thread")[..3], ["25", "30", "ok"]);
        assert_eq!(
            words(&text, Reading::Connector.name()),
            ["1500", "15", "64"]
        );
        assert!(text.ends_with("17000  16384 +616\n"), "{text}");
    }
}
