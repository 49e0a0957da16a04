// SPDX-License-Identifier: GPL-2.0-only

//! Identities of processes and threads.

use procmon::BootTime;
use procmon::snapshot::Record;

/// The identity of a process or thread: its ID and its start, as IDs are reused.
pub type Identity = (i32, BootTime);

/// Returns the identity, which is unknown without the start time.
pub fn identity(record: &Record) -> Option<Identity> {
    Some((record.pid(), record.cpu()?.start))
}
