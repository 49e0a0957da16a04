// SPDX-License-Identifier: GPL-2.0-only

//! The commands that fill an array, and PROCMON_INFO, which is about them. A new one is a
//! [`ListKind`] and a form of [`Arguments`].

use std::mem::offset_of;

use anyhow::{Result, ensure};
use procmon::Groups;
use procmon::uapi::{
    self, procmon_events as Events, procmon_history as History, procmon_info as Info,
    procmon_record as Record, procmon_sample as Sample, procmon_snapshot as Snapshot,
};

use super::elements::{check_entries, check_events, check_records, check_samples};
use crate::plain::{FromBytes, IntoBytes};

/// The largest stride, and the largest size of arguments.
pub const MAX_SIZE: usize = fixture::memory::PAGE;

/// All flags of PROCMON_SNAPSHOT.
pub const SNAPSHOT_FLAGS: u32 = uapi::PROCMON_SNAPSHOT_THREADS
    | uapi::PROCMON_SNAPSHOT_NO_KTHREADS
    | uapi::PROCMON_SNAPSHOT_BY_UID
    | uapi::PROCMON_SNAPSHOT_BY_PPID
    | uapi::PROCMON_SNAPSHOT_BY_TGID;

/// All groups of PROCMON_SNAPSHOT.
pub const SNAPSHOT_GROUPS: u32 = Groups::all().bits() | uapi::PROCMON_GROUP_ARGS;

/// All flags of PROCMON_EVENTS.
pub const EVENTS_FLAGS: u32 = uapi::PROCMON_EVENTS_FROM_OLDEST
    | uapi::PROCMON_EVENTS_BY_UID
    | uapi::PROCMON_EVENTS_BY_SUBTREE
    | uapi::PROCMON_EVENTS_BY_CGROUP;

/// All classes of events.
const CLASSES: u32 = (1 << uapi::PROCMON_EVENT_TYPES) - 1;

/// The largest size of a program's arguments in an event.
const MAX_ARGS: u32 = 8192;

/// The commands whose number may have any size.
pub const NUMBERS: [u32; 3] = [
    uapi::PROCMON_SNAPSHOT,
    uapi::PROCMON_HISTORY,
    uapi::PROCMON_EVENTS,
];

/// The sizes that PROCMON_INFO may have in its number.
pub const INFO_SIZES: std::ops::RangeInclusive<usize> =
    offset_of!(Info, event_classes)..=size_of::<Info>();

/// A command for a list, or about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ListKind {
    Info,
    Snapshot,
    History,
    Events,
}

impl ListKind {
    /// Returns the kind that three bits stand for. Snapshots take most of them.
    pub fn of(bits: u8) -> Self {
        match bits & 7 {
            7 => Self::Info,
            4 => Self::History,
            5 | 6 => Self::Events,
            _ => Self::Snapshot,
        }
    }

    /// Returns the size for the field `size`. PROCMON_INFO has no such field.
    pub fn size(self) -> usize {
        match self {
            Self::Info | Self::Snapshot => size_of::<Snapshot>(),
            Self::History => size_of::<History>(),
            Self::Events => size_of::<Events>(),
        }
    }

    /// Returns the size of an element.
    pub fn stride(self) -> usize {
        match self {
            Self::Info | Self::Snapshot => size_of::<Record>(),
            Self::History => size_of::<Sample>(),
            // That of the arguments of a program.
            Self::Events => 512,
        }
    }
}

/// Arguments in the form that the kernel takes and gives back.
pub enum Arguments {
    Info(Info),
    Snapshot(Snapshot),
    History(History),
    Events(Events),
}

// SAFETY: All fields are integers.
unsafe impl FromBytes for Info {}
// SAFETY: As above.
unsafe impl FromBytes for Snapshot {}
// SAFETY: As above.
unsafe impl FromBytes for History {}
// SAFETY: As above.
unsafe impl FromBytes for Events {}

// SAFETY: Arguments have no padding, as a test shows.
unsafe impl IntoBytes for Info {}
// SAFETY: As above.
unsafe impl IntoBytes for Snapshot {}
// SAFETY: As above.
unsafe impl IntoBytes for History {}
// SAFETY: As above.
unsafe impl IntoBytes for Events {}

impl Arguments {
    /// Gives arguments the form of a kind. Those that the kind lacks are left out.
    pub fn new(kind: ListKind, arguments: Snapshot) -> Self {
        match kind {
            ListKind::Info => Self::Info(Info::default()),
            ListKind::Snapshot => Self::Snapshot(arguments),
            ListKind::History => Self::History(History {
                size: arguments.size,
                flags: arguments.flags,
                sequence: arguments.cursor.cast_unsigned().into(),
                samples: arguments.records,
                stride: arguments.stride,
                capacity: arguments.capacity,
                // One of all places, or the first number that is none. A short version has none.
                target: if arguments.size as usize >= size_of::<History>() {
                    arguments.uid % (uapi::PROCMON_TARGETS_MAX + 1)
                } else {
                    0
                },
                ..Default::default()
            }),
            ListKind::Events => Self::Events(Events {
                size: arguments.size,
                flags: arguments.flags,
                classes: arguments.groups,
                args_max: arguments.stride,
                buffer: arguments.records,
                // Enough for as many short ones.
                capacity: arguments.capacity.saturating_mul(128),
                min_bytes: arguments.cursor.cast_unsigned(),
                // No program waits longer than that.
                timeout_ms: i32::from(arguments.capacity == 1),
                uid: arguments.uid,
                tgid: arguments.tgid,
                ..Default::default()
            }),
        }
    }

    /// Returns the number of the command.
    pub fn number(&self) -> u32 {
        match self {
            Self::Info(_) => uapi::PROCMON_INFO,
            Self::Snapshot(_) => uapi::PROCMON_SNAPSHOT,
            Self::History(_) => uapi::PROCMON_HISTORY,
            Self::Events(_) => uapi::PROCMON_EVENTS,
        }
    }

    /// Returns the bytes for the kernel.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Info(info) => info.to_bytes(),
            Self::Snapshot(snapshot) => snapshot.to_bytes(),
            Self::History(history) => history.to_bytes(),
            Self::Events(events) => events.to_bytes(),
        }
    }

    /// Whether the command fills an array.
    pub fn is_list(&self) -> bool {
        !matches!(self, Self::Info(_))
    }

    /// Whether the module takes the arguments, but for their size.
    pub fn are_valid(&self) -> bool {
        match self {
            Self::Info(_) => true,
            Self::Snapshot(snapshot) => {
                let is_used = |flag| snapshot.flags & flag != 0;
                snapshot.flags & !SNAPSHOT_FLAGS == 0
                    && snapshot.groups & !SNAPSHOT_GROUPS == 0
                    && is_second_buffer_valid(snapshot)
                    && snapshot.capacity > 0
                    && is_stride_valid(snapshot.stride, uapi::PROCMON_RECORD_STRIDE_MIN)
                    && snapshot.cursor >= 0
                    && (is_used(uapi::PROCMON_SNAPSHOT_BY_UID) || snapshot.uid == 0)
                    && (is_used(uapi::PROCMON_SNAPSHOT_BY_PPID) || snapshot.ppid == 0)
                    && (is_used(uapi::PROCMON_SNAPSHOT_BY_TGID) || snapshot.tgid == 0)
            }
            Self::History(history) => {
                history.flags == 0
                    && history.target < uapi::PROCMON_TARGETS_MAX
                    && is_stride_valid(history.stride, uapi::PROCMON_SAMPLE_STRIDE_MIN)
            }
            Self::Events(events) => {
                let is_used = |flag| events.flags & flag != 0;
                events.flags & !EVENTS_FLAGS == 0
                    && events.classes != 0
                    && events.classes & !CLASSES == 0
                    && events.args_max <= MAX_ARGS
                    && events.buffer.is_multiple_of(8)
                    && (is_used(uapi::PROCMON_EVENTS_BY_UID) || events.uid == 0)
                    && (is_used(uapi::PROCMON_EVENTS_BY_SUBTREE) || events.tgid == 0)
            }
        }
    }

    /// Returns the size of the shortest version that the module takes.
    pub fn min_size(&self) -> usize {
        match self {
            Self::Info(_) => size_of::<Info>(),
            Self::Snapshot(_) => offset_of!(Snapshot, sequence),
            Self::History(_) => offset_of!(History, target),
            Self::Events(_) => size_of::<Events>(),
        }
    }

    /// Returns the size of an element, 0 if they have no common one.
    fn stride(&self) -> usize {
        match self {
            Self::Info(_) | Self::Events(_) => 0,
            Self::Snapshot(snapshot) => snapshot.stride as usize,
            Self::History(history) => history.stride as usize,
        }
    }

    /// Returns the number of bytes that the caller has space for.
    pub fn room(&self) -> usize {
        match self {
            Self::Info(_) => 0,
            Self::Snapshot(snapshot) => self.stride().saturating_mul(snapshot.capacity as usize),
            Self::History(history) => self.stride().saturating_mul(history.capacity as usize),
            Self::Events(events) => events.capacity as usize,
        }
    }

    /// Returns the number of bytes that an answer tells of.
    pub fn written(&self, answer: &[u8]) -> usize {
        match self {
            Self::Info(_) => 0,
            Self::Snapshot(_) => Snapshot::read(answer).count as usize * self.stride(),
            Self::History(_) => History::read(answer).count as usize * self.stride(),
            Self::Events(_) => Events::read(answer).bytes as usize,
        }
    }

    /// Returns the number of bytes of the second buffer that an answer tells of.
    pub fn args_written(&self, answer: &[u8]) -> usize {
        match self {
            Self::Snapshot(_) => Snapshot::read(answer).args_bytes as usize,
            _ => 0,
        }
    }

    /// Returns how many bytes may be touched behind those that an answer tells of: those of an
    /// element that could not be written whole, or of a batch of events.
    pub fn touched_behind(&self) -> usize {
        match self {
            Self::Events(_) => usize::MAX,
            _ => self.stride(),
        }
    }

    /// Whether the answer depends on a process that may not be there.
    pub fn is_about_a_process(&self) -> bool {
        matches!(self, Self::Events(events)
            if events.flags & uapi::PROCMON_EVENTS_BY_SUBTREE != 0)
    }

    /// Checks the arguments after a success, with the elements that were written, and the entries
    /// of the second buffer.
    pub fn check(&self, answer: &[u8], elements: &[u8], entries: &[u8]) -> Result<()> {
        match self {
            Self::Info(_) => check_info(&Info::read(answer)),
            Self::Snapshot(Snapshot {
                groups,
                stride,
                args_max,
                ..
            }) => {
                let delivered = Snapshot::read(answer).groups;
                let allowed = groups | uapi::PROCMON_GROUP_BASIC;
                ensure!(delivered & !allowed == 0, "groups {delivered:x}");
                ensure!(
                    delivered & uapi::PROCMON_GROUP_BASIC != 0,
                    "groups {delivered:x}"
                );
                check_records(elements, *stride as usize, delivered)?;
                check_entries(entries, elements, *stride as usize, *args_max)
            }
            Self::History(history) => check_samples(elements, history.stride as usize),
            Self::Events(events) => {
                check_events(elements, events.classes, Events::read(answer).count)
            }
        }
    }
}

fn is_second_buffer_valid(snapshot: &Snapshot) -> bool {
    let max = snapshot.args_max;
    if snapshot.groups & uapi::PROCMON_GROUP_ARGS == 0 {
        snapshot.args == 0 && snapshot.args_capacity == 0 && max == 0 && snapshot.reserved == 0
    } else {
        let entry = || size_of::<uapi::procmon_args>() + (max as usize).next_multiple_of(8);
        (1..=uapi::PROCMON_ARGS_MAX).contains(&max)
            && snapshot.args_capacity as usize >= entry()
            && snapshot.reserved == 0
    }
}

fn is_stride_valid(stride: u32, least: u32) -> bool {
    (least as usize..=MAX_SIZE).contains(&(stride as usize))
        && (stride as usize).is_multiple_of(align_of::<Record>())
}

fn check_info(info: &Info) -> Result<()> {
    let expected = Info {
        abi_version: uapi::PROCMON_ABI_VERSION,
        groups: SNAPSHOT_GROUPS,
        snapshot_flags: SNAPSHOT_FLAGS,
        snapshot_size: size_of::<Snapshot>() as u32,
        record_size: size_of::<Record>() as u32,
        max_stride: MAX_SIZE as u32,
        sample_size: size_of::<Sample>() as u32,
        history_size: size_of::<History>() as u32,
        event_classes: (1 << uapi::PROCMON_EVENT_TYPES) - 1,
        events_size: size_of::<uapi::procmon_events>() as u32,
    };
    ensure!(*info == expected, "{info:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::hash::{Hash, Hasher};

    use super::*;

    /// The bytes that are hashed.
    #[derive(Default)]
    struct Bytes(Vec<u8>);

    impl Hasher for Bytes {
        fn write(&mut self, bytes: &[u8]) {
            self.0.extend(bytes);
        }

        fn finish(&self) -> u64 {
            0
        }
    }

    /// The fields are hashed one by one, and the padding is not.
    fn has_padding<T: Hash + Default>() -> bool {
        let mut bytes = Bytes::default();
        T::default().hash(&mut bytes);
        bytes.0.len() < size_of::<T>()
    }

    #[test]
    fn arguments_have_no_padding() {
        assert!(!has_padding::<Info>() && !has_padding::<Snapshot>());
        assert!(!has_padding::<History>() && !has_padding::<Events>());
        assert!(has_padding::<uapi::procmon_stats>());
    }

    fn snapshot() -> Snapshot {
        Snapshot {
            size: size_of::<Snapshot>() as u32,
            cursor: 3,
            records: 0x1_2345_6789,
            stride: size_of::<Record>() as u32,
            capacity: 2,
            ..Default::default()
        }
    }

    #[test]
    fn arguments_take_the_form_of_their_kind() {
        let history = Arguments::new(ListKind::History, snapshot());
        assert_eq!(history.number(), uapi::PROCMON_HISTORY);
        let history = History::read(&history.to_bytes());
        assert_eq!((history.sequence, history.samples), (3, 0x1_2345_6789));
        assert_eq!(history.stride as usize, size_of::<Record>());
        assert_eq!(history.capacity, 2);
        let events = Arguments::new(ListKind::Events, snapshot());
        assert_eq!(events.number(), uapi::PROCMON_EVENTS);
        let events = Events::read(&events.to_bytes());
        assert_eq!((events.buffer, events.capacity), (0x1_2345_6789, 256));
        let same = Arguments::new(ListKind::Snapshot, snapshot());
        assert_eq!(Snapshot::read(&same.to_bytes()), snapshot());
        let info = Arguments::new(ListKind::Info, snapshot());
        assert_eq!(info.to_bytes(), [0; size_of::<Info>()]);
    }

    #[test]
    fn bad_arguments_are_known() {
        let is_valid = |change: fn(&mut Snapshot), kind| {
            let mut arguments = snapshot();
            change(&mut arguments);
            Arguments::new(kind, arguments).are_valid()
        };
        let good: [fn(&mut Snapshot); 7] = [
            |_| (),
            |it| (it.groups, it.args_max, it.args_capacity) = (512, 57, 80),
            |it| (it.groups, it.args_max, it.args_capacity) = (512, 4096, 4112),
            |it| it.stride = 48,
            |it| it.stride = 4096,
            |it| it.groups = Groups::all().bits(),
            |it| (it.flags, it.uid, it.ppid, it.tgid) = (31, 1, 1, 1),
        ];
        for change in good {
            assert!(is_valid(change, ListKind::Snapshot));
        }
        let bad: [fn(&mut Snapshot); 18] = [
            |it| it.flags = 32,
            |it| it.groups = SNAPSHOT_GROUPS + 1,
            |it| (it.groups, it.args_capacity) = (512, 4112),
            |it| (it.groups, it.args_max, it.args_capacity) = (512, 4097, 8192),
            |it| (it.groups, it.args_max, it.args_capacity) = (512, 57, 79),
            |it| it.args_max = 1,
            |it| it.args = 1,
            |it| it.args_capacity = 1,
            |it| it.reserved = 1,
            |it| (it.groups, it.args_max, it.args_capacity, it.reserved) = (512, 57, 80, 1),
            |it| it.cursor = -1,
            |it| it.capacity = 0,
            |it| it.stride = 40,
            |it| it.stride = 188,
            |it| it.stride = 4104,
            |it| it.uid = 1,
            |it| it.ppid = 1,
            |it| it.tgid = 1,
        ];
        for change in bad {
            assert!(!is_valid(change, ListKind::Snapshot));
        }
        assert!(is_valid(|it| it.stride = 232, ListKind::History));
        assert!(!is_valid(|it| it.stride = 224, ListKind::History));
        assert!(!is_valid(
            |it| (it.flags, it.stride) = (1, 240),
            ListKind::History
        ));
        let is_valid = |change: fn(&mut Snapshot)| {
            let mut arguments = Snapshot {
                groups: 1,
                records: 8,
                ..snapshot()
            };
            change(&mut arguments);
            Arguments::new(ListKind::Events, arguments).are_valid()
        };
        assert!(is_valid(|_| ()) && is_valid(|it| (it.flags, it.tgid) = (4, 1)));
        let bad: [fn(&mut Snapshot); 6] = [
            |it| it.flags = 16,
            |it| it.groups = 0,
            |it| it.groups = 256,
            |it| it.stride = 8193,
            |it| it.records = 12,
            |it| it.tgid = 1,
        ];
        for change in bad {
            assert!(!is_valid(change));
        }
    }

    #[test]
    fn an_answer_is_checked_against_the_arguments() {
        let asked = Arguments::new(ListKind::Snapshot, snapshot());
        let answer = |groups, count| {
            Snapshot {
                groups,
                count,
                ..snapshot()
            }
            .to_bytes()
        };
        assert_eq!(asked.written(&answer(1, 2)), 2 * size_of::<Record>());
        assert!(asked.check(&answer(1, 0), &[], &[]).is_ok());
        assert!(asked.check(&answer(0, 0), &[], &[]).is_err());
        assert!(asked.check(&answer(3, 0), &[], &[]).is_err());
        let info = Arguments::new(ListKind::Info, snapshot());
        assert!(info.check(&[0; size_of::<Info>()], &[], &[]).is_err());
    }
}
