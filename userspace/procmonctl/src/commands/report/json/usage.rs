// SPDX-License-Identifier: GPL-2.0-only

//! Uses in JSON.

use recording::report::Usage;
use serde::Serialize;

use crate::clock::nanoseconds;

/// A use. Times are in nanoseconds, memory is in bytes.
#[derive(Serialize)]
pub struct Use {
    count: u64,
    time: u64,
    own_time: u64,
    longest: u64,
    cpu_time: Option<u64>,
    max_rss: Option<u64>,
    read_bytes: Option<u64>,
    write_bytes: Option<u64>,
    minor_faults: Option<u64>,
    major_faults: Option<u64>,
    failures: u64,
}

impl Use {
    pub fn of(usage: &Usage) -> Self {
        let Usage {
            count,
            time,
            own,
            longest,
            cpu_time,
            max_rss,
            read_bytes,
            write_bytes,
            minor_faults,
            major_faults,
            failures,
        } = *usage;
        Self {
            count,
            time: nanoseconds(time),
            own_time: nanoseconds(own),
            longest: nanoseconds(longest),
            cpu_time: cpu_time.map(nanoseconds),
            max_rss,
            read_bytes,
            write_bytes,
            minor_faults,
            major_faults,
            failures,
        }
    }
}
