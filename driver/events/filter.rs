// SPDX-License-Identifier: GPL-2.0-only

//! The filter of a reader: which events it gets, and what of them.

use kernel::prelude::*;

use crate::{
    abstractions::time_namespace::TimeNamespace,
    driver::events::{
        request::{
            Request,
            Rights,
            Viewer, //
        },
        ring::padded,
        subtree::Subtree, //
    },
    uapi::{
        self,
        procmon_event as Header,
        procmon_event_exec as Exec,
        procmon_event_exit as Exit,
        procmon_event_fork as Fork, //
    }, //
};

/// The request of a reader, and the processes that it is about.
pub(super) struct Filter {
    pub(super) request: Request,
    subtree: Subtree,
}

impl Filter {
    /// Creates the filter of a reader that has not asked for events yet.
    pub(super) fn new() -> Self {
        Self {
            request: Request::default(),
            subtree: Subtree::new(),
        }
    }

    /// Creates the filter for a request.
    ///
    /// # Errors
    ///
    /// As for [`Subtree::of`].
    pub(super) fn of(request: Request) -> Result<Self> {
        let subtree = if request.has(uapi::PROCMON_EVENTS_BY_SUBTREE) {
            Subtree::of(request.tgid)?
        } else {
            Subtree::new()
        };

        Ok(Self { request, subtree })
    }

    /// Brings the filter up to date after a loss of events.
    ///
    /// # Errors
    ///
    /// As for [`Subtree::renew`].
    pub(super) fn renew(&mut self, newest: u64) -> Result {
        if self.request.has(uapi::PROCMON_EVENTS_BY_SUBTREE) {
            self.subtree.renew(newest)?;
        }
        Ok(())
    }

    /// Forgets processes whose events come before the one with this sequence number, which the
    /// reader is told of next.
    pub(super) fn tidy(&mut self, next: u64) {
        self.subtree.tidy(next);
    }

    /// Whether the reader wants events of a class.
    pub(super) fn wants(&self, kind: u32) -> bool {
        self.request.classes & 1u32.wrapping_shl(kind) != 0
    }

    /// Takes what a reader may not see, and what it does not want, from an event, and translates
    /// its times. Returns the size that is left of it, or `None` if it is not for the reader.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short. The same event may be passed to this once more.
    pub(super) fn apply(&mut self, bytes: &mut [u8], viewer: Viewer) -> Result<Option<usize>> {
        let Viewer { rights, time_ns } = viewer;
        let Ok((event, _)) = Header::read_from_prefix(bytes) else {
            return Ok(None);
        };
        let kind = u32::from(event.type_);
        let is_member = self.follow(kind, &event, bytes)?;

        if !is_member || !self.wants(kind) || !self.matches(&event, rights) {
            return Ok(None);
        }
        if !time_ns.is_initial() {
            show_times(kind, bytes, time_ns);
        }

        let size = match kind {
            uapi::PROCMON_EVENT_EXEC => self.reduce_exec(bytes, rights),
            uapi::PROCMON_EVENT_EXIT | uapi::PROCMON_EVENT_THREAD_EXIT => {
                reduce_exit(bytes, rights);
                bytes.len()
            }
            _ => bytes.len(),
        };

        Ok((!is_withheld(bytes, rights)).then_some(size))
    }

    /// Keeps the subtree up to date. Returns whether the process of the event is of it.
    fn follow(&mut self, kind: u32, event: &Header, bytes: &[u8]) -> Result<bool> {
        if !self.request.has(uapi::PROCMON_EVENTS_BY_SUBTREE) {
            return Ok(true);
        }
        if kind == uapi::PROCMON_EVENT_FORK {
            if let Ok((fork, _)) = Fork::read_from_prefix(bytes) {
                self.subtree.add(&fork)?;
            }
        }

        let is_member = self.subtree.contains(event);

        if kind == uapi::PROCMON_EVENT_EXIT {
            self.subtree.end(event);
        }
        Ok(is_member)
    }

    fn matches(&self, event: &Header, rights: Rights) -> bool {
        let request = &self.request;
        let may_see = match rights {
            Rights::All => true,
            Rights::Own { uid, .. } => (event.uid, event.euid) == (uid, uid),
        };

        may_see
            && (!request.has(uapi::PROCMON_EVENTS_BY_UID) || event.uid == request.uid)
            && (!request.has(uapi::PROCMON_EVENTS_BY_CGROUP)
                || event.cgroup_id == request.cgroup_id)
    }

    /// Cuts the arguments of a program to the size that the reader wants, and takes the name of its
    /// file from a reader that may not see that. Returns the size that is left of the event.
    fn reduce_exec(&self, bytes: &mut [u8], rights: Rights) -> usize {
        const TAIL: usize = size_of::<Exec>();

        let size = bytes.len();
        let Ok((exec, tail)) = Exec::mut_from_prefix(bytes) else {
            return size;
        };

        if is_hidden(&exec.event, exec.gid, rights) {
            let name = exec.name_size as usize;

            exec.event.flags |= uapi::PROCMON_EVENT_REDACTED as u16;
            exec.name_size = 0;
            // The arguments take its place.
            for to in 0..tail.len() {
                let byte = tail.get(to.saturating_add(name)).copied();

                if let Some(place) = tail.get_mut(to) {
                    *place = byte.unwrap_or(0);
                }
            }
        }
        if exec.args_stored > self.request.args_max {
            exec.args_stored = self.request.args_max;
            exec.event.flags |= uapi::PROCMON_EVENT_TRUNCATED as u16;
        }

        let len = (exec.name_size as usize).saturating_add(exec.args_stored as usize);
        let padded = padded(len).min(tail.len());

        if let Some(padding) = tail.get_mut(len..padded) {
            padding.fill(0);
        }

        let size = TAIL.saturating_add(padded);

        // CAST: It is at most that of the record.
        exec.event.size = size as u16;
        size
    }
}

/// Translates the times of an event to a namespace.
fn show_times(kind: u32, bytes: &mut [u8], time_ns: TimeNamespace) {
    if let Ok((event, _)) = Header::mut_from_prefix(bytes) {
        event.time = time_ns.show(event.time);
        event.start_time = time_ns.show(event.start_time);
    }
    if let uapi::PROCMON_EVENT_FORK | uapi::PROCMON_EVENT_THREAD_START = kind {
        if let Ok((fork, _)) = Fork::mut_from_prefix(bytes) {
            // A parent that has been reaped has no start.
            if fork.parent_start_time != 0 {
                fork.parent_start_time = time_ns.show(fork.parent_start_time);
            }
            fork.creator_start_time = time_ns.show(fork.creator_start_time);
        }
    }
}

/// Takes the status and the I/O of a process from a reader that may not see them.
fn reduce_exit(bytes: &mut [u8], rights: Rights) {
    if let Ok((exit, _)) = Exit::mut_from_prefix(bytes) {
        if is_hidden(&exit.event, exit.gid, rights) {
            exit.event.flags |= uapi::PROCMON_EVENT_REDACTED as u16;
            exit.status = 0;
            exit.read_bytes = 0;
            exit.write_bytes = 0;
        }
    }
}

/// Whether an event that was reduced is not for the reader at all.
fn is_withheld(bytes: &[u8], rights: Rights) -> bool {
    let Rights::Own { hides: true, .. } = rights else {
        return false;
    };

    Header::read_from_prefix(bytes)
        .is_ok_and(|(event, _)| u32::from(event.flags) & uapi::PROCMON_EVENT_REDACTED != 0)
}

/// Whether what `ptrace_may_access()` is asked for is to be hidden from a reader.
fn is_hidden(event: &Header, gid: u32, rights: Rights) -> bool {
    match rights {
        Rights::All => false,
        Rights::Own { gid: own, .. } => {
            u32::from(event.flags) & uapi::PROCMON_EVENT_PROTECTED != 0 || gid != own
        }
    }
}
