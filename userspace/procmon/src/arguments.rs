// SPDX-License-Identifier: GPL-2.0-only

//! Arguments of programs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::uapi;

/// The largest number of bytes of the arguments of one process in a snapshot.
pub const MAX_ARGUMENTS: u32 = uapi::PROCMON_ARGS_MAX;

/// The arguments of a program, as /proc/PID/cmdline has them: those that it was executed with, or
/// what it has written in their place since, which many services use as a title.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Arguments<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) size: u32,
}

impl<'a> Arguments<'a> {
    /// Iterates over the arguments. The last one may be cut, or be missing, if
    /// [`is_cut`](Self::is_cut).
    pub fn iter(&self) -> impl Iterator<Item = &'a OsStr> + use<'a> {
        split(self.bytes)
    }

    /// Returns all bytes, with a NUL after each argument. The last NUL is missing where it was cut
    /// off, and where a program has written over it.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the size of all arguments in bytes, each with a NUL. If a title is cut, this is the
    /// size of the memory that it may take.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Whether not all bytes are there.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.size as usize
    }
}

/// Splits bytes with a NUL after each argument.
pub(crate) fn split<'a>(bytes: &'a [u8]) -> impl Iterator<Item = &'a OsStr> + use<'a> {
    let arguments = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    let mut split = (!bytes.is_empty()).then(|| arguments.split(|byte| *byte == 0));
    std::iter::from_fn(move || split.as_mut()?.next().map(OsStr::from_bytes))
}

/// The arguments of the processes of a snapshot: entries as the module writes them, one behind the
/// other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// Entries, with space for more.
    bytes: Vec<u8>,
    /// PIDs in ascending order, each with the offset of its entry.
    places: Vec<(i32, usize)>,
}

impl Table {
    const HEADER: usize = size_of::<uapi::procmon_args>();

    /// The average size of an entry for which space is made.
    const USUAL: usize = 128;

    /// Returns the size of an entry with a text of this size.
    fn entry(text: u32) -> usize {
        (Self::HEADER + text as usize).next_multiple_of(size_of::<u64>())
    }

    /// Makes space for the entries of this number of records, with texts of at most `max` bytes,
    /// and returns it. There is space for one entry at least.
    pub(crate) fn space(&mut self, records: usize, max: u32) -> &mut [std::mem::MaybeUninit<u8>] {
        let entry = Self::entry(max);
        // As the module counts it by 32 bits.
        let size = records.saturating_mul(entry.min(Self::USUAL)).min(1 << 30);
        self.bytes.reserve(size.max(entry));
        self.bytes.spare_capacity_mut()
    }

    /// Adds entries that were written to the space. Returns `None` if these are no entries.
    ///
    /// # Safety
    ///
    /// The first `len` bytes of the space are initialised.
    pub(crate) unsafe fn add(&mut self, len: usize) -> Option<()> {
        let mut place = self.bytes.len();
        // SAFETY: By the safety requirements.
        unsafe { self.bytes.set_len(place + len) };
        while place < self.bytes.len() {
            let (pid, size, _) = self.header(place)?;
            self.places.push((pid, place));
            place += size;
        }
        Some(())
    }

    /// Returns the PID of an entry, its size, and its arguments.
    fn header(&self, place: usize) -> Option<(i32, usize, Arguments<'_>)> {
        let entry = self.bytes.get(place..)?;
        let (header, rest) = entry.split_first_chunk::<{ Self::HEADER }>()?;
        let [size, pid, args_size, stored] = [0, 4, 8, 12].map(|offset| {
            let word = header[offset..].first_chunk();
            word.map_or(0, |word| u32::from_ne_bytes(*word))
        });
        let arguments = Arguments {
            bytes: rest.get(..stored as usize)?,
            size: args_size,
        };
        let is_whole = size as usize >= Self::entry(stored) && entry.len() >= size as usize;
        is_whole.then_some((pid.cast_signed(), size as usize, arguments))
    }

    pub(crate) fn get(&self, pid: i32) -> Option<Arguments<'_>> {
        let place = self
            .places
            .binary_search_by_key(&pid, |place| place.0)
            .ok()?;
        let (_, _, arguments) = self.header(self.places[place].1)?;
        Some(arguments)
    }

    /// Empties the table and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// Iterates over all arguments, with the PIDs.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i32, Arguments<'_>)> {
        let arguments = |place: &(i32, usize)| Some((place.0, self.header(place.1)?.2));
        self.places.iter().filter_map(arguments)
    }

    /// Adds the arguments of a process, or puts them in the place of others.
    pub(crate) fn insert(&mut self, pid: i32, arguments: Arguments<'_>) {
        let place = (pid, self.bytes.len());
        match self.places.binary_search_by_key(&pid, |place| place.0) {
            Ok(index) => self.places[index] = place,
            Err(index) => self.places.insert(index, place),
        }
        let stored = arguments.bytes.len() as u32;
        let entry = Self::entry(stored);
        let words = [entry as u32, pid.cast_unsigned(), arguments.size, stored];
        self.bytes
            .extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        self.bytes.extend(arguments.bytes);
        self.bytes.resize(place.1 + entry, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_at_their_nuls() {
        let list = |bytes: &'static [u8]| split(bytes).collect::<Vec<_>>();
        assert_eq!(list(b"sleep\x0010\0"), ["sleep", "10"]);
        assert_eq!(list(b"a\0\0"), ["a", ""]);
        assert_eq!(list(b"\0"), [""]);
        assert_eq!(list(b"nginx: master"), ["nginx: master"]);
        assert_eq!(list(b""), [""; 0]);
    }

    fn arguments(bytes: &[u8]) -> Arguments<'_> {
        Arguments {
            bytes,
            size: bytes.len() as u32,
        }
    }

    #[test]
    fn a_table_finds_arguments_by_pids() {
        let mut table = Table::default();
        table.insert(7, arguments(b"sh\0-c\0:\0"));
        table.insert(1, arguments(b"old\0"));
        table.insert(1, arguments(b"init\0"));
        assert_eq!(
            table.get(7).unwrap().iter().collect::<Vec<_>>(),
            ["sh", "-c", ":"]
        );
        assert_eq!(table.get(1).unwrap().as_bytes(), b"init\0");
        assert_eq!(table.get(2), None);
        let pids: Vec<_> = table.iter().map(|(pid, _)| pid).collect();
        assert_eq!(pids, [1, 7]);
        table.clear();
        assert_eq!(table.get(1), None);
    }

    #[test]
    fn bytes_that_are_no_entries_are_refused() {
        let mut good = Table::default();
        good.insert(1, arguments(b"init\0"));
        let bytes = good.bytes.clone();
        let add = |bytes: &[u8]| {
            let mut table = Table::default();
            for (to, from) in table.space(1, 64).iter_mut().zip(bytes) {
                to.write(*from);
            }
            // SAFETY: They were just written.
            let added = unsafe { table.add(bytes.len()) };
            added.map(|()| table.get(1).map(|arguments| arguments.size()))
        };
        assert_eq!(add(&bytes), Some(Some(5)));
        assert_eq!(add(&[]), Some(None));
        assert_eq!(add(&bytes[..bytes.len() - 1]), None, "cut");
        assert_eq!(add(&bytes[..8]), None, "no header");
        let mut empty = bytes.clone();
        empty[..4].fill(0);
        assert_eq!(add(&empty), None, "an entry without a size would never end");
        let mut long = bytes;
        long[12] = 200;
        assert_eq!(add(&long), None, "a text longer than its entry");
    }
}
