// SPDX-License-Identifier: GPL-2.0-only

//! The command `PROCMON_HISTORY`: samples of the monitor.

mod arguments;
mod polling;
mod samples;
mod target;

use fixture::{eventually, is_own_kernel};
use procmon::Device;
use procmon::history::Sample;

/// Returns a short interval of the monitor, in ms. It leaves time for other work on our own
/// kernels, where a sample takes long.
fn interval() -> u64 {
    if is_own_kernel() { 100 } else { 10 }
}

/// Returns the parameter for a monitor that takes many samples.
fn fast() -> String {
    format!("monitor_interval_ms={}", interval())
}

/// Waits for the first sample from a number on that meets a condition.
fn wait_for(device: &Device, first: u64, wanted: impl Fn(&Sample) -> bool) -> Sample {
    let mut next = first;
    let mut found = None;
    eventually("a sample", || {
        let history = device.history(next).unwrap();
        // That of the next sample, which may be before the first one.
        next = history.next();
        let mut samples = history.samples().iter().copied();
        found = samples.find(|sample| sample.sequence() >= first && wanted(sample));
        found.is_some()
    });
    found.unwrap()
}

fn newest(device: &Device) -> u64 {
    device.history(0).unwrap().next() - 1
}
