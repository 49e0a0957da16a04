// SPDX-License-Identifier: GPL-2.0-only

//! The state that both threads of a program share, and the knowledge of the module's state.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fixture::procfs;
use nix::fcntl::OFlag;
use procmon::sysfs::Parameter;

use crate::program::{Call, FILES, Program};

/// The module's buffer_size when a program begins.
const BUFFER_SIZE: u32 = Parameter::BufferSize.default_value();

/// The state of one run of a program.
pub struct Shared {
    pub program: Program,
    files: Mutex<[Option<Arc<File>>; FILES]>,
    /// All values that buffer_size may have had.
    pub limits: Mutex<BTreeSet<usize>>,
    /// All values that the filter may have had.
    pub filters: Mutex<BTreeSet<i32>>,
    /// Whether a message was written.
    written: AtomicBool,
    /// Whether the program may write an empty message.
    writes_nothing: bool,
}

impl Shared {
    /// Creates the state at the beginning of a program.
    pub fn new(program: Program) -> Self {
        let writes_nothing = program
            .steps
            .iter()
            .any(|step| matches!(&step.call, Call::Write { buffer, .. } if buffer.len == 0));
        Self {
            program,
            files: Mutex::default(),
            limits: Mutex::new(BTreeSet::from([BUFFER_SIZE as usize])),
            filters: Mutex::new(BTreeSet::from([0])),
            written: AtomicBool::new(false),
            writes_nothing,
        }
    }

    /// Whether a thread has any steps.
    pub fn has_steps(&self, second_thread: bool) -> bool {
        let mut steps = self.program.steps.iter();
        steps.any(|step| step.second_thread == second_thread)
    }

    /// Whether the program may leave parameters with other values than at the beginning.
    pub fn sets_parameters(&self) -> bool {
        let mut steps = self.program.steps.iter();
        steps.any(|step| matches!(step.call, Call::SetParameter { .. }))
    }

    /// Returns the file with a number.
    pub fn file(&self, number: usize) -> Option<Arc<File>> {
        self.files.lock().unwrap()[number].clone()
    }

    /// Replaces the file with a number. The previous one is closed after its last use.
    pub fn replace(&self, number: usize, file: Option<Arc<File>>) {
        let previous = std::mem::replace(&mut self.files.lock().unwrap()[number], file);
        drop(previous);
    }

    /// Notes that the filter is being set to a PID, and may be that from now on.
    pub fn note_filter(&self, pid: i32) {
        // The ID of a thread stands for its process, and one of no process for itself.
        let ids = [Some(pid), procfs::process_of(pid)];
        self.filters
            .lock()
            .unwrap()
            .extend(ids.into_iter().flatten());
    }

    /// Notes that a message was written that is not empty.
    pub fn note_message(&self) {
        self.written.store(true, Ordering::Relaxed);
    }

    /// Whether the message cannot be empty from now on.
    pub fn has_message(&self) -> bool {
        self.written.load(Ordering::Relaxed) && !self.writes_nothing
    }
}

/// An open file of the device.
pub struct File {
    pub fd: OwnedFd,
    pub flags: OFlag,
}

impl File {
    /// Whether it is open for `O_RDONLY` or `O_WRONLY`.
    pub fn can(&self, mode: OFlag) -> bool {
        let access = self.flags & (OFlag::O_ACCMODE | OFlag::O_PATH);
        access == OFlag::O_RDWR || access == mode
    }

    /// Whether the file is more than a name.
    pub fn is_open(&self) -> bool {
        !self.flags.contains(OFlag::O_PATH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(flags: OFlag) -> File {
        let null = std::fs::File::open("/dev/null").unwrap();
        File {
            fd: null.into(),
            flags,
        }
    }

    #[test]
    fn files_know_their_access_mode() {
        for (flags, can_read, can_write, is_open) in [
            (OFlag::O_RDONLY, true, false, true),
            (OFlag::O_WRONLY | OFlag::O_SYNC, false, true, true),
            (OFlag::O_RDWR | OFlag::O_APPEND, true, true, true),
            (OFlag::O_PATH, false, false, false),
        ] {
            let file = file(flags);
            assert_eq!(file.can(OFlag::O_RDONLY), can_read, "{flags:?}");
            assert_eq!(file.can(OFlag::O_WRONLY), can_write, "{flags:?}");
            assert_eq!(file.is_open(), is_open, "{flags:?}");
        }
    }

    #[test]
    fn a_program_that_never_writes_nothing_has_a_message_from_its_first_write_on() {
        let (program, _) = Program::decode(&[]);
        let shared = Shared::new(program);
        assert!(!shared.has_message() && !shared.has_steps(false) && !shared.sets_parameters());
        shared.note_message();
        assert!(shared.has_message());
    }
}
