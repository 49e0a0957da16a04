// SPDX-License-Identifier: GPL-2.0-only

//! Prints the samples of the monitor, those that are kept and then each new one, until the target
//! is gone.

use procmon::Device;
use procmon::history::Target;

fn main() -> procmon::Result<()> {
    let device = Device::open_read_only()?;
    let mut next = 0;
    loop {
        let history = device.history(next)?;
        for sample in &history {
            let time = sample.time();
            match sample.target() {
                Target::Process(record) => println!("{time} {} {}", record.pid(), record.state()),
                Target::Gone { pid, .. } => {
                    println!("{time} {pid} is gone");
                    return Ok(());
                }
                _ => println!("{time} {} processes", sample.system().processes),
            }
        }
        next = history.next();
        device.wait_for_sample(None)?;
    }
}
