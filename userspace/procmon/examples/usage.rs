// SPDX-License-Identifier: GPL-2.0-only

//! Prints the processes that used the most CPU time within a second.

use std::thread;
use std::time::Duration;

use procmon::{CpuMeter, Device, Groups, SnapshotOptions};

fn main() -> procmon::Result<()> {
    let device = Device::open_read_only()?;
    // An older module does not know all groups.
    let groups = (Groups::CPU | Groups::RUNTIME) & device.info()?.groups;
    let options = SnapshotOptions::new().groups(groups);

    let mut meter = CpuMeter::new();
    let mut snapshot = device.snapshot(&options)?;
    meter.update(&snapshot);
    thread::sleep(Duration::from_secs(1));
    device.snapshot_into(&options, &mut snapshot)?;
    meter.update(&snapshot);

    let mut busy: Vec<_> = snapshot
        .iter()
        .zip(meter.usages())
        .filter_map(|(record, usage)| Some((usage.as_ref()?, record)))
        .collect();
    busy.sort_by(|(a, _), (b, _)| b.cpus().total_cmp(&a.cpus()));
    for (usage, record) in busy.iter().take(10) {
        let name = record.whole_comm();
        println!("{:>7} {usage:>6} % {}", record.pid(), name.display());
    }
    Ok(())
}
