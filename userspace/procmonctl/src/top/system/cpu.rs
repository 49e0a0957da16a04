// SPDX-License-Identifier: GPL-2.0-only

//! CPU time, from `/proc/stat`.

use std::time::Duration;

use serde::Serialize;

use crate::table::proc_files::time_of;

/// The number of kinds of CPU time, without idle time.
pub const KINDS: usize = 6;

/// Ticks since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ticks {
    /// In the order of the fields of [`Usage`].
    kinds: [u64; KINDS],
    idle: u64,
}

impl Ticks {
    /// Parses the numbers of a line. An old kernel, or another system, has fewer of them.
    fn parse(line: &str) -> Self {
        let mut numbers = line
            .split_ascii_whitespace()
            .map(|number| number.parse().unwrap_or(0_u64));
        // Guests, which follow, are among user and nice.
        let [user, nice, system, idle, iowait, irq, softirq, steal] =
            [(); 8].map(|()| numbers.next().unwrap_or(0));
        Self {
            kinds: [
                user,
                nice,
                system,
                irq.saturating_add(softirq),
                steal,
                iowait,
            ],
            idle,
        }
    }

    /// Returns the times since boot that the CPUs were busy, and idle with IO pending.
    pub fn times(&self) -> (Duration, Duration) {
        let [user, nice, system, irq, steal, iowait] = self.kinds;
        let busy = [user, nice, system, irq, steal];
        let busy = busy.into_iter().fold(0, u64::saturating_add);
        (time_of(busy), time_of(iowait))
    }

    /// Returns the use since `before`.
    ///
    /// The counters of idle and iowait are estimates, and may go back a little, which counts as
    /// nothing.
    fn since(&self, before: &Self) -> Usage {
        let mut parts = [0.0; KINDS];
        let mut sum = self.idle.saturating_sub(before.idle) as f64;
        for (part, (now, before)) in parts.iter_mut().zip(self.kinds.iter().zip(before.kinds)) {
            *part = now.saturating_sub(before) as f64;
            sum += *part;
        }
        let percent = 100.0 / sum.max(1.0);
        let [user, nice, system, irq, steal, iowait] = parts.map(|part| part * percent);
        Usage {
            user,
            nice,
            system,
            irq,
            steal,
            iowait,
        }
    }
}

/// Use of a CPU, or of all CPUs, by kind, in percent of its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    pub user: f64,
    pub nice: f64,
    pub system: f64,
    /// Interrupts, hard and soft ones.
    pub irq: f64,
    /// Time that the hypervisor gave to other guests.
    pub steal: f64,
    /// Idle time with IO pending.
    pub iowait: f64,
}

impl Usage {
    /// Returns all kinds, in the order in which a bar has them.
    pub fn kinds(&self) -> [f64; KINDS] {
        [
            self.user,
            self.nice,
            self.system,
            self.irq,
            self.steal,
            self.iowait,
        ]
    }

    /// Returns the sum of all kinds in which the CPU is not idle.
    pub fn busy(&self) -> f64 {
        self.user + self.nice + self.system + self.irq + self.steal
    }
}

/// The ticks of all CPUs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cpus {
    pub all: Ticks,
    /// Those that are online, by their numbers, in ascending order.
    pub each: Vec<(u32, Ticks)>,
}

impl Cpus {
    /// Parses the file, in which the lines of CPUs come first.
    pub fn parse(stat: &str) -> Self {
        let mut cpus = Self::default();
        for line in stat.lines() {
            let Some(rest) = line.strip_prefix("cpu") else {
                break;
            };
            let (number, numbers) = rest.split_once(' ').unwrap_or((rest, ""));
            if number.is_empty() {
                cpus.all = Ticks::parse(numbers);
            } else if let Ok(number) = number.parse() {
                cpus.each.push((number, Ticks::parse(numbers)));
            }
        }
        cpus
    }

    /// Returns the use since `before`, or since boot if that is empty.
    pub fn since(&self, before: &Self) -> CpuUse {
        let is_first = before.each.is_empty();
        let each = self.each.iter().map(|(number, ticks)| {
            let known = before.each.binary_search_by_key(number, |cpu| cpu.0);
            let known = known.ok().and_then(|place| before.each.get(place));
            let before = match known {
                Some((_, before)) => Some(*before),
                None => is_first.then(Ticks::default),
            };
            Cpu {
                number: *number,
                usage: before.map(|before| ticks.since(&before)),
            }
        });
        CpuUse {
            all: self.all.since(&before.all),
            each: each.collect(),
        }
    }
}

/// A CPU that is online.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cpu {
    pub number: u32,
    /// None if the CPU was offline at the last refresh.
    pub usage: Option<Usage>,
}

/// The use of all CPUs between two refreshes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuUse {
    pub all: Usage,
    pub each: Vec<Cpu>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as kernels have it, with these CPUs.
    fn stat(numbers: impl IntoIterator<Item = u32>) -> String {
        let mut text = String::from("cpu  74608 2520 24433 1117073 6176 4054 1800 230 16 5\n");
        for number in numbers {
            let user = 100 * (number + 1);
            text.push_str(&format!("cpu{number} {user} 20 30 400 40 1 2 3 9 9\n"));
        }
        text + "intr 114930548 113199788 3 0 5 263 0 4 [... lots more numbers ...]\n\
                ctxt 1990473\nbtime 1062191376\nprocesses 2915\nprocs_running 1\n\
                procs_blocked 0\nsoftirq 183433 0 21755 12 39 1137 231 21459 2263\n"
    }

    #[test]
    fn cpus_are_parsed() {
        for count in [1, 2, 16, 17, 64, 4096] {
            let cpus = Cpus::parse(&stat(0..count));
            let all = Ticks {
                kinds: [74608, 2520, 24433, 5854, 230, 6176],
                idle: 1_117_073,
            };
            assert_eq!(cpus.all, all);
            let numbers: Vec<_> = cpus.each.iter().map(|cpu| cpu.0).collect();
            assert_eq!(numbers, (0..count).collect::<Vec<_>>());
            let last = Ticks {
                kinds: [u64::from(100 * count), 20, 30, 3, 3, 40],
                idle: 400,
            };
            assert_eq!(cpus.each.last().unwrap().1, last);
        }
    }

    #[test]
    fn other_formats_are_no_errors() {
        // Linux 2.4 has four numbers; a line may end anywhere, and a number may be none.
        let cpus = Cpus::parse("cpu 1 2 3 4\ncpu0 1 2\ncpux 1\ncpu1\ncpu2 a b\nintr 7\ncpu3 1\n");
        assert_eq!(
            (cpus.all.kinds[..3].to_vec(), cpus.all.idle),
            (vec![1, 2, 3], 4)
        );
        let numbers: Vec<_> = cpus.each.iter().map(|cpu| cpu.0).collect();
        assert_eq!(numbers, [0, 1, 2]);
        for text in [
            "",
            "\n",
            "intr 1\n",
            "cpu",
            "cpu\n",
            "cpu 99999999999999999999",
        ] {
            assert_eq!(Cpus::parse(text), Cpus::default(), "{text:?}");
        }
        let most = Cpus::parse("cpu 18446744073709551615 0 0 0 0 18446744073709551615 9");
        let usage = most.since(&Cpus::default()).all;
        assert_eq!((usage.user, usage.irq), (50.0, 50.0));
    }

    #[test]
    fn use_is_that_since_the_last_refresh() {
        let before = Cpus::parse("cpu 0 0 0 0\ncpu0 100 0 0 900 0 0 0 0\ncpu1 0 0 0 1000\n");
        let now = Cpus::parse("cpu 0 0 0 0\ncpu0 150 10 20 910 5 2 1 2\ncpu1 0 0 0 1100\n");
        let CpuUse { all, each } = now.since(&before);
        assert_eq!(all, Usage::default());
        let expected = Usage {
            user: 50.0,
            nice: 10.0,
            system: 20.0,
            irq: 3.0,
            steal: 2.0,
            iowait: 5.0,
        };
        assert_eq!(each[0].usage, Some(expected));
        assert_eq!(expected.busy(), 85.0);
        assert_eq!(each[1].usage, Some(Usage::default()));
        // At first it is that since boot.
        let usage = now.since(&Cpus::default()).each[0].usage.unwrap();
        assert!((usage.user - 150.0 / 1100.0 * 100.0).abs() < 1e-9);
        assert_eq!(now.since(&now).each[0].usage, Some(Usage::default()));
    }

    #[test]
    fn counters_may_go_back() {
        let before = Cpus::parse("cpu0 100 0 0 900 50\n");
        let now = Cpus::parse("cpu0 110 0 0 899 40\n");
        let usage = now.since(&before).each[0].usage.unwrap();
        assert_eq!((usage.user, usage.iowait), (100.0, 0.0));
    }

    #[test]
    fn cpus_come_and_go() {
        let before = Cpus::parse(&stat([0, 1, 5]));
        let now = Cpus::parse(&stat([0, 2, 5]));
        let each = now.since(&before).each;
        let seen: Vec<_> = each
            .iter()
            .map(|cpu| (cpu.number, cpu.usage.is_some()))
            .collect();
        assert_eq!(seen, [(0, true), (2, false), (5, true)]);
    }
}
