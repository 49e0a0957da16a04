// SPDX-License-Identifier: GPL-2.0

//! The commands that fill an array, and PROCMON_INFO, which is about them. A new one is a
//! [`ListKind`] and a form of [`Arguments`].

use anyhow::{Result, ensure};
use procmon::Groups;
use procmon::uapi::{
    self, procmon_history as History, procmon_info as Info, procmon_record as Record,
    procmon_sample as Sample, procmon_snapshot as Snapshot,
};

use super::elements::{check_records, check_samples};
use crate::plain::{FromBytes, IntoBytes};

/// The largest stride, and the largest size of arguments.
pub const MAX_SIZE: usize = fixture::memory::PAGE;

/// All flags of PROCMON_SNAPSHOT.
pub const SNAPSHOT_FLAGS: u32 = uapi::PROCMON_SNAPSHOT_THREADS
    | uapi::PROCMON_SNAPSHOT_NO_KTHREADS
    | uapi::PROCMON_SNAPSHOT_BY_UID
    | uapi::PROCMON_SNAPSHOT_BY_PPID
    | uapi::PROCMON_SNAPSHOT_BY_TGID;

/// The commands whose number may have any size.
pub const NUMBERS: [u32; 2] = [uapi::PROCMON_SNAPSHOT, uapi::PROCMON_HISTORY];

/// A command for a list, or about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ListKind {
    Info,
    Snapshot,
    History,
}

impl ListKind {
    /// Returns the kind that three bits stand for. Snapshots take most of them.
    pub fn of(bits: u8) -> Self {
        match bits & 7 {
            7 => Self::Info,
            4..=6 => Self::History,
            _ => Self::Snapshot,
        }
    }

    /// Returns the size for the field `size`. PROCMON_INFO has no such field.
    pub fn size(self) -> usize {
        match self {
            Self::Info | Self::Snapshot => size_of::<Snapshot>(),
            Self::History => size_of::<History>(),
        }
    }

    /// Returns the size of an element.
    pub fn stride(self) -> usize {
        match self {
            Self::Info | Self::Snapshot => size_of::<Record>(),
            Self::History => size_of::<Sample>(),
        }
    }
}

/// Arguments in the form that the kernel takes and gives back.
pub enum Arguments {
    Info(Info),
    Snapshot(Snapshot),
    History(History),
}

// SAFETY: All fields are integers.
unsafe impl FromBytes for Info {}
// SAFETY: As above.
unsafe impl FromBytes for Snapshot {}
// SAFETY: As above.
unsafe impl FromBytes for History {}

// SAFETY: Arguments have no padding, as a test shows.
unsafe impl IntoBytes for Info {}
// SAFETY: As above.
unsafe impl IntoBytes for Snapshot {}
// SAFETY: As above.
unsafe impl IntoBytes for History {}

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
        }
    }

    /// Returns the bytes for the kernel.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Info(info) => info.to_bytes(),
            Self::Snapshot(snapshot) => snapshot.to_bytes(),
            Self::History(history) => history.to_bytes(),
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
                    && snapshot.groups & !Groups::all().bits() == 0
                    && snapshot.capacity > 0
                    && is_stride_valid(snapshot.stride, uapi::PROCMON_RECORD_STRIDE_MIN)
                    && snapshot.cursor >= 0
                    && (is_used(uapi::PROCMON_SNAPSHOT_BY_UID) || snapshot.uid == 0)
                    && (is_used(uapi::PROCMON_SNAPSHOT_BY_PPID) || snapshot.ppid == 0)
                    && (is_used(uapi::PROCMON_SNAPSHOT_BY_TGID) || snapshot.tgid == 0)
            }
            Self::History(history) => {
                history.flags == 0
                    && is_stride_valid(history.stride, uapi::PROCMON_SAMPLE_STRIDE_MIN)
            }
        }
    }

    /// Returns the number of elements that an answer tells of.
    pub fn count(&self, answer: &[u8]) -> usize {
        match self {
            Self::Info(_) => 0,
            Self::Snapshot(_) => Snapshot::read(answer).count as usize,
            Self::History(_) => History::read(answer).count as usize,
        }
    }

    /// Checks the arguments after a success, with the elements that were written.
    pub fn check(&self, answer: &[u8], elements: &[u8]) -> Result<()> {
        match self {
            Self::Info(_) => check_info(&Info::read(answer)),
            Self::Snapshot(Snapshot { groups, stride, .. }) => {
                let delivered = Snapshot::read(answer).groups;
                let allowed = groups | uapi::PROCMON_GROUP_BASIC;
                ensure!(delivered & !allowed == 0, "groups {delivered:x}");
                ensure!(
                    delivered & uapi::PROCMON_GROUP_BASIC != 0,
                    "groups {delivered:x}"
                );
                check_records(elements, *stride as usize, delivered)
            }
            Self::History(history) => check_samples(elements, history.stride as usize),
        }
    }
}

fn is_stride_valid(stride: u32, least: u32) -> bool {
    (least as usize..=MAX_SIZE).contains(&(stride as usize))
        && (stride as usize).is_multiple_of(align_of::<Record>())
}

fn check_info(info: &Info) -> Result<()> {
    let expected = Info {
        abi_version: uapi::PROCMON_ABI_VERSION,
        groups: Groups::all().bits(),
        snapshot_flags: SNAPSHOT_FLAGS,
        snapshot_size: size_of::<Snapshot>() as u32,
        record_size: size_of::<Record>() as u32,
        max_stride: MAX_SIZE as u32,
        sample_size: size_of::<Sample>() as u32,
        history_size: size_of::<History>() as u32,
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
        assert!(!has_padding::<Info>() && !has_padding::<Snapshot>() && !has_padding::<History>());
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
        let good: [fn(&mut Snapshot); 5] = [
            |_| (),
            |it| it.stride = 48,
            |it| it.stride = 4096,
            |it| it.groups = Groups::all().bits(),
            |it| (it.flags, it.uid, it.ppid, it.tgid) = (31, 1, 1, 1),
        ];
        for change in good {
            assert!(is_valid(change, ListKind::Snapshot));
        }
        let bad: [fn(&mut Snapshot); 10] = [
            |it| it.flags = 32,
            |it| it.groups = Groups::all().bits() + 1,
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
        assert_eq!(asked.count(&answer(1, 2)), 2);
        assert!(asked.check(&answer(1, 0), &[]).is_ok());
        assert!(asked.check(&answer(0, 0), &[]).is_err());
        assert!(asked.check(&answer(3, 0), &[]).is_err());
        let info = Arguments::new(ListKind::Info, snapshot());
        assert!(info.check(&[0; size_of::<Info>()], &[]).is_err());
    }
}
