// SPDX-License-Identifier: GPL-2.0-only

//! Events that are there already.

use std::time::Duration;

use procmon::Events;
use procmon::events::Event;

/// Reads the events up to one, as far as they are there, without waiting for any.
pub fn read_up_to(
    last: u64,
    events: &mut Events<'_>,
    mut apply: impl FnMut(&Event<'_>),
) -> procmon::Result<()> {
    while events.sequence() <= last {
        let batch = events.wait(Some(Duration::ZERO))?;
        if batch.is_empty() {
            break;
        }
        batch.into_iter().for_each(|event| apply(&event));
    }
    Ok(())
}
