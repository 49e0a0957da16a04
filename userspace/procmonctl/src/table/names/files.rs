// SPDX-License-Identifier: GPL-2.0-only

//! `/etc/passwd` and `/etc/group`.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::id::parse_id;

/// Metadata that changes with a file: device, inode, time of the change, and size.
type Version = (u64, u64, i64, i64, u64);

/// A line of one of the files: `name:password:ID:...`.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub name: &'a [u8],
    pub id: u32,
    /// The fields after the ID.
    rest: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Parses a line. One that is not well-formed is no entry.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(4, |byte| *byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let id = fields.nth(1).and_then(parse_id)?;
        let rest = fields.next().unwrap_or_default();
        Some(Self { name, id, rest })
    }

    fn fields(&self) -> impl Iterator<Item = &'a [u8]> {
        self.rest.split(|byte| *byte == b':')
    }

    /// Returns the ID of the user's main group, in a line of `/etc/passwd`.
    pub fn main_group(&self) -> Option<u32> {
        self.fields().next().and_then(parse_id)
    }

    /// Returns the user's home directory, in a line of `/etc/passwd`.
    pub fn home(&self) -> Option<&'a [u8]> {
        self.fields().nth(2)
    }

    /// Returns the names of the group's members, in a line of `/etc/group`.
    pub fn members(&self) -> impl Iterator<Item = &'a [u8]> {
        let members = self.fields().next();
        members
            .into_iter()
            .flat_map(|members| members.split(|byte| *byte == b','))
    }
}

/// Returns the well-formed lines of `/etc/passwd` or `/etc/group`. Names may have any bytes, as no
/// rule makes them UTF-8.
pub fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    bytes.split(|byte| *byte == b'\n').filter_map(Entry::parse)
}

/// The names in one of the files.
#[derive(Debug, Default)]
pub struct Database {
    path: PathBuf,
    version: Option<Version>,
    /// The first name of each ID.
    names: HashMap<u32, Vec<u8>>,
    /// The IDs of all names.
    ids: HashMap<Vec<u8>, u32>,
}

impl Database {
    /// Reads a file. A file that cannot be read has no names.
    pub fn read(path: impl Into<PathBuf>) -> Self {
        let mut database = Self {
            path: path.into(),
            ..Self::default()
        };
        database.refresh();
        database
    }

    /// Reads the file again if it has changed.
    pub fn refresh(&mut self) {
        let version = fs::metadata(&self.path).ok().map(|data| {
            let (seconds, nanoseconds) = (data.mtime(), data.mtime_nsec());
            (data.dev(), data.ino(), seconds, nanoseconds, data.size())
        });
        if version == self.version {
            return;
        }
        let bytes = fs::read(&self.path).unwrap_or_default();
        *self = Self {
            path: std::mem::take(&mut self.path),
            version,
            ..Self::parse(&bytes)
        };
    }

    /// Collects the names.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut database = Self::default();
        for Entry { name, id, .. } in entries(bytes) {
            database.names.entry(id).or_insert_with(|| name.to_owned());
            database.ids.entry(name.to_owned()).or_insert(id);
        }
        database
    }

    /// Returns the first name of an ID.
    pub fn name(&self, id: u32) -> Option<&[u8]> {
        self.names.get(&id).map(Vec::as_slice)
    }

    /// Returns the ID of a name.
    pub fn id(&self, name: &[u8]) -> Option<u32> {
        self.ids.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_spoil_nothing() {
        let database = Database::parse(
            b"root:x:0:0::/:\njose:x:1001:1001:Jos\xe9:/:/bin/sh\nm\xfcller:x:1002:\n\
              :x:1003:\nx\n::::\n# comment\nlate:x:1004:\nneg:x:-2:\nmax:x:4294967295:\nlast:x:7",
        );
        assert_eq!(database.name(0), Some(&b"root"[..]));
        assert_eq!(database.name(1001), Some(&b"jose"[..]));
        assert_eq!(database.name(1002), Some(&b"m\xfcller"[..]));
        assert_eq!(database.id(b"m\xfcller"), Some(1002));
        assert_eq!(database.name(1003), None);
        assert_eq!(database.name(1004), Some(&b"late"[..]));
        assert_eq!(database.id(b"neg"), None);
        assert_eq!(database.id(b"max"), None);
        assert_eq!(database.name(7), Some(&b"last"[..]));
    }

    #[test]
    fn entries_have_the_other_fields() {
        let passwd = b"ann:x:1000:1001:Ann,,:/home/\xe4nn:/bin/sh\nbob:x:7\nmax:x:8:4294967295::";
        let users: Vec<_> = entries(passwd)
            .map(|user| (user.id, user.main_group(), user.home()))
            .collect();
        let home: &[u8] = b"/home/\xe4nn";
        let expected = [
            (1000, Some(1001), Some(home)),
            (7, None, None),
            (8, None, Some(b"")),
        ];
        assert_eq!(users, expected);
        let group = b"adm:x:4:ann,b\xf6b\nann:x:1001:\nnone:x:5";
        let members = entries(group).map(|group| group.members().collect::<Vec<_>>());
        let members: Vec<_> = members.collect();
        assert_eq!(
            members,
            [vec![&b"ann"[..], b"b\xf6b"], vec![b""], vec![b""]]
        );
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwd");
        let mut database = Database::read(&path);
        assert_eq!(database.name(5), None);
        fs::write(&path, "a:x:5:\n").unwrap();
        database.refresh();
        assert_eq!(database.name(5), Some(&b"a"[..]));
        // vipw and useradd put another file in its place.
        let other = directory.path().join("passwd+");
        fs::write(&other, "b:x:5:\n").unwrap();
        fs::rename(&other, &path).unwrap();
        database.refresh();
        assert_eq!(database.name(5), Some(&b"b"[..]));
        fs::remove_file(&path).unwrap();
        database.refresh();
        assert_eq!(database.name(5), None);
    }
}
