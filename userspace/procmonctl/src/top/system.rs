// SPDX-License-Identifier: GPL-2.0

//! Numbers of the whole system for the header, from three files of /proc.

use std::fs;

/// Load, memory and CPU time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct System {
    /// Load averages of the last one, five and fifteen minutes.
    pub load: [f64; 3],
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of memory that are not available to programs.
    pub memory_used: u64,
    /// Busy ticks of all CPUs.
    busy: u64,
    /// All ticks of all CPUs.
    ticks: u64,
}

impl System {
    /// Reads the files. Missing numbers are zero.
    pub fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(
            &read("/proc/loadavg"),
            &read("/proc/meminfo"),
            &read("/proc/stat"),
        )
    }

    fn parse(loadavg: &str, meminfo: &str, stat: &str) -> Self {
        let mut load = [0.0; 3];
        for (load, text) in load.iter_mut().zip(loadavg.split_ascii_whitespace()) {
            *load = text.parse().unwrap_or(0.0);
        }
        let kilobytes = |key: &str| -> u64 {
            meminfo
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .and_then(|rest| rest.split_ascii_whitespace().next())
                .and_then(|number| number.parse().ok())
                .unwrap_or(0)
        };
        let memory = kilobytes("MemTotal:") * 1024;
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are among the first two.
        let ticks: Vec<u64> = stat
            .lines()
            .find_map(|line| line.strip_prefix("cpu "))
            .unwrap_or_default()
            .split_ascii_whitespace()
            .take(8)
            .map(|number| number.parse().unwrap_or(0))
            .collect();
        let sum: u64 = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Self {
            load,
            memory,
            memory_used: memory.saturating_sub(kilobytes("MemAvailable:") * 1024),
            busy: sum - idle,
            ticks: sum,
        }
    }

    /// Returns the use of all CPUs since `before`, in percent.
    pub fn busy_since(&self, before: &Self) -> f64 {
        match self.ticks.saturating_sub(before.ticks) {
            0 => 0.0,
            ticks => self.busy.saturating_sub(before.busy) as f64 / ticks as f64 * 100.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_parsed() {
        let before = System::default();
        let system = System::parse(
            "0.50 1.25 2.00 3/100 4711\n",
            "MemTotal:        1000 kB\nMemFree:  100 kB\nMemAvailable:     400 kB\n",
            "cpu  10 20 30 400 40 1 2 3 9 9\ncpu0 10 20 30 400 40 1 2 3 9 9\n",
        );
        assert_eq!(system.load, [0.5, 1.25, 2.0]);
        assert_eq!((system.memory, system.memory_used), (1_024_000, 614_400));
        let busy = system.busy_since(&before);
        assert!((busy - 66.0 / 506.0 * 100.0).abs() < 1e-9, "{busy}");
        assert_eq!(system.busy_since(&system), 0.0);
        assert_eq!(System::parse("", "", ""), before);
    }
}
