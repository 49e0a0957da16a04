// SPDX-License-Identifier: GPL-2.0

//! Tags.

use super::state::App;
use super::usage::Process;

impl App {
    pub fn is_tagged(&self, process: &Process) -> bool {
        let identity = process.identity();
        identity.is_some_and(|identity| self.tagged.contains(&identity))
    }

    pub fn tags(&self) -> usize {
        self.tagged.len()
    }

    /// Tags the selected process, or untags it, and selects the next one.
    pub(super) fn tag(&mut self) {
        if let Some(identity) = self.selected_process().and_then(Process::identity) {
            if !self.tagged.remove(&identity) {
                self.tagged.insert(identity);
            }
            self.move_by(1);
        }
    }

    pub(super) fn untag(&mut self) {
        self.tagged.clear();
    }
}
