// SPDX-License-Identifier: GPL-2.0-only

//! Marks of a time axis.

const SECOND: u64 = 1_000_000_000;

/// Returns times, in nanoseconds, that are round and at most `most`, with their labels.
pub fn ticks(length: u64, most: u64) -> Vec<(u64, String)> {
    let step = step(length, most);
    let times = (0..=length / step).map(|number| number * step);
    times.map(|time| (time, label(time, step))).collect()
}

/// Returns the least round step of which at most `most` fit.
fn step(length: u64, most: u64) -> u64 {
    let least = length.div_ceil(most.max(1)).max(1);
    let minutes = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440];
    let decimal = (0..11).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
    let seconds = [15, 30].map(|seconds| seconds * SECOND);
    let mut steps: Vec<_> = decimal.filter(|&step| step <= 10 * SECOND).collect();
    steps.extend(seconds);
    steps.extend(minutes.map(|minutes| minutes * 60 * SECOND));
    let day = 1440 * 60 * SECOND;
    let fits = steps.into_iter().find(|&step| step >= least);
    fits.unwrap_or_else(|| least.div_ceil(day).saturating_mul(day))
}

/// Returns a time in the unit that suits the step.
fn label(time: u64, step: u64) -> String {
    if time == 0 {
        return "0".to_owned();
    }
    let seconds = time / SECOND;
    match step {
        0..1_000 => format!("{time} ns"),
        1_000..1_000_000 => format!("{} µs", time / 1_000),
        1_000_000..SECOND if time < SECOND => format!("{} ms", time / 1_000_000),
        1_000_000..SECOND => {
            let fraction = format!("{:03}", time % SECOND / 1_000_000);
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            format!("{seconds}{point}{fraction} s")
        }
        _ if time < 60 * SECOND => format!("{seconds} s"),
        _ if time < 3600 * SECOND => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        for (length, expected) in [
            (0, vec!["0"]),
            (25, vec!["0", "5 ns", "10 ns", "15 ns", "20 ns", "25 ns"]),
            (
                1_200_000_000,
                vec!["0", "200 ms", "400 ms", "600 ms", "800 ms", "1 s", "1.2 s"],
            ),
            (
                95 * SECOND,
                vec![
                    "0", "15 s", "30 s", "45 s", "1:00 min", "1:15 min", "1:30 min",
                ],
            ),
            (
                2 * 3600 * SECOND,
                vec!["0", "30:00 min", "1:00 h", "1:30 h", "2:00 h"],
            ),
        ] {
            let labels: Vec<_> = ticks(length, 7).into_iter().map(|tick| tick.1).collect();
            assert_eq!(labels, expected);
        }
    }

    #[test]
    fn the_number_of_ticks_is_bounded() {
        for length in (0..64).map(|shift| u64::MAX >> shift) {
            let count = ticks(length, 10).len();
            assert!(count <= 11, "{length}: {count}");
        }
    }
}
