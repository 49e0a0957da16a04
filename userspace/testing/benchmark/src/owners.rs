// SPDX-License-Identifier: GPL-2.0-only

//! The owners of the lines that a walk touches: objects of the kernel, and the caller's memory.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use cost::{LINE_SIZE, TouchedLine};
use serde::Serialize;

/// An owner of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    Task,
    Signal,
    Mm,
    Cred,
    Pid,
    /// A node of the tree of IDs.
    Tree,
    /// The caller's memory for the records.
    Output,
    Rest,
}

impl Owner {
    pub const ALL: [Self; 8] = [
        Self::Task,
        Self::Signal,
        Self::Mm,
        Self::Cred,
        Self::Pid,
        Self::Tree,
        Self::Output,
        Self::Rest,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Signal => "signal",
            Self::Mm => "mm",
            Self::Cred => "cred",
            Self::Pid => "pid",
            Self::Tree => "tree",
            Self::Output => "output",
            Self::Rest => "rest",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|owner| owner.name() == name)
    }

    /// Returns whether each process has an object of its own, with fields.
    pub fn has_fields(self) -> bool {
        !matches!(self, Self::Tree | Self::Output | Self::Rest)
    }
}

/// The objects of a guest: what the floor module tells in /proc/floor.
#[derive(Debug, Default)]
pub struct Objects {
    sizes: BTreeMap<Owner, u64>,
    /// The names of fields by the lines that they are in, and their offsets.
    fields: BTreeMap<(Owner, u64), Vec<(String, u64)>>,
    /// The objects by their addresses, with their lengths.
    places: BTreeMap<u64, (u64, Owner)>,
}

impl Objects {
    pub fn parse(text: &str) -> Result<Self> {
        let mut objects = Self::default();
        for line in text.lines() {
            objects
                .add(line)
                .with_context(|| format!("a strange object: {line}"))?;
        }
        ensure!(!objects.places.is_empty(), "there are no objects");
        Ok(objects)
    }

    fn add(&mut self, line: &str) -> Result<()> {
        let words: Vec<_> = line.split(' ').collect();
        let owner = |name| Owner::named(name).context("an unknown kind");
        let address = |word| u64::from_str_radix(word, 16);
        match words[..] {
            ["size", kind, size] => {
                self.sizes.insert(owner(kind)?, size.parse()?);
            }
            ["field", kind, name, offset] => {
                let offset: u64 = offset.parse()?;
                let names = self.fields.entry((owner(kind)?, offset / LINE_SIZE));
                names.or_default().push((name.to_owned(), offset));
            }
            ["node", place, size] => {
                self.places
                    .insert(address(place)?, (size.parse()?, Owner::Tree));
            }
            ["process", _, task, signal, mm, cred, pid] => {
                for (kind, place) in [
                    (Owner::Task, task),
                    (Owner::Signal, signal),
                    (Owner::Mm, mm),
                    (Owner::Cred, cred),
                    (Owner::Pid, pid),
                ] {
                    let size = self.sizes.get(&kind).context("no size before")?;
                    // A kernel thread has no mm.
                    if let place @ 1.. = address(place)? {
                        self.places.insert(place, (*size, kind));
                    }
                }
            }
            _ => anyhow::bail!("an unknown line"),
        }
        Ok(())
    }

    /// Returns the size of the objects of a kind.
    pub fn size(&self, owner: Owner) -> Option<u64> {
        self.sizes.get(&owner).copied()
    }

    /// Returns the names of the known fields in a line of an object.
    pub fn fields(&self, owner: Owner, line: u64) -> Vec<&str> {
        let fields = self.fields.get(&(owner, line)).into_iter().flatten();
        fields.map(|(name, _)| &**name).collect()
    }

    /// Returns the offset of a field.
    pub fn offset(&self, owner: Owner, field: &str) -> Option<u64> {
        let mut fields = self.fields.iter();
        fields.find_map(|((kind, _), fields)| {
            let (_, offset) = fields.iter().find(|(name, _)| name == field)?;
            (*kind == owner).then_some(*offset)
        })
    }

    /// Returns the owner of a line, and which line of the object it is.
    fn owner(&self, line: &TouchedLine) -> (Owner, u64) {
        if line.address >> 63 == 0 {
            let owner = match line.written {
                true => Owner::Output,
                false => Owner::Rest,
            };
            return (owner, 0);
        }
        // An object may begin in the middle of the line.
        let end = line.address + LINE_SIZE - 1;
        match self.places.range(..=end).next_back() {
            Some((&start, &(size, owner))) if line.address < start + size => {
                let first = start / LINE_SIZE;
                (owner, line.address / LINE_SIZE - first)
            }
            _ => (Owner::Rest, 0),
        }
    }
}

/// Lines for each process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    pub lines: f64,
    /// Those of them that were written.
    pub written: f64,
}

/// The lines of a walk by their owners.
#[derive(Debug, Serialize)]
pub struct Owned {
    pub sums: BTreeMap<Owner, Share>,
    /// By the number of the line in its object, where the owner has fields.
    #[serde(skip)]
    pub by_line: BTreeMap<(Owner, u64), Share>,
}

impl Owned {
    /// Finds the owners of the lines of a walk over a number of processes.
    pub fn find(objects: &Objects, lines: &[TouchedLine], processes: u64) -> Self {
        let mut owned = Self {
            sums: BTreeMap::new(),
            by_line: BTreeMap::new(),
        };
        let part = 1.0 / processes as f64;
        for line in lines {
            let (owner, number) = objects.owner(line);
            let mut shares = vec![owned.sums.entry(owner).or_default()];
            if owner.has_fields() {
                shares.push(owned.by_line.entry((owner, number)).or_default());
            }
            for share in shares {
                share.lines += part;
                share.written += if line.written { part } else { 0.0 };
            }
        }
        owned
    }

    pub fn total(&self) -> Share {
        self.sums
            .values()
            .fold(Share::default(), |sum, share| Share {
                lines: sum.lines + share.lines,
                written: sum.written + share.written,
            })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub const TEXT: &str = "size task 6144\nfield task __state 24\nfield task mm 2744\n\
        size signal 1152\nfield signal nr_threads 8\nsize mm 1728\nfield mm total_vm 608\n\
        size cred 192\nfield cred uid 8\nsize pid 144\nfield pid tasks 48\n\
        node ffff888000000000 576\n\
        process 1 ffff888000010000 ffff888000020000 ffff888000030000 ffff888000040000 \
        ffff888000050000\n\
        process 2 ffff888000110000 ffff888000120000 0 ffff888000140000 ffff888000150000\n";

    fn line(address: u64, written: bool) -> TouchedLine {
        TouchedLine { address, written }
    }

    #[test]
    fn each_line_has_an_owner() {
        let objects = Objects::parse(TEXT).unwrap();
        for (address, written, owner, number) in [
            (0xffff_8880_0001_0000, false, Owner::Task, 0),
            (0xffff_8880_0001_0000 + 2752, false, Owner::Task, 43),
            (0xffff_8880_0011_0000 + 6144, false, Owner::Rest, 0),
            (0xffff_8880_0000_0200, false, Owner::Tree, 8),
            (0xffff_8880_0005_0080, true, Owner::Pid, 2),
            (0xffff_8880_0005_00c0, true, Owner::Rest, 0),
            (0xffff_ffff_8100_0000, true, Owner::Rest, 0),
            (0x7fff_0000, true, Owner::Output, 0),
            (0x7fff_0000, false, Owner::Rest, 0),
        ] {
            assert_eq!(
                objects.owner(&line(address, written)),
                (owner, number),
                "{address:x}"
            );
        }
        assert_eq!(objects.size(Owner::Task), Some(6144));
        assert_eq!(objects.fields(Owner::Task, 42), ["mm"]);
        assert_eq!(objects.fields(Owner::Task, 41), [""; 0]);
        assert_eq!(objects.offset(Owner::Mm, "total_vm"), Some(608));
        assert_eq!(objects.offset(Owner::Task, "total_vm"), None);
    }

    #[test]
    fn shares_are_for_each_process() {
        let objects = Objects::parse(TEXT).unwrap();
        let lines = [
            line(0xffff_8880_0001_0000, true),
            line(0xffff_8880_0011_0000, false),
            line(0xffff_8880_0001_0040, false),
            line(0x1000, true),
        ];
        let owned = Owned::find(&objects, &lines, 2);
        let share = |lines, written| Share { lines, written };
        assert_eq!(owned.sums[&Owner::Task], share(1.5, 0.5));
        assert_eq!(owned.by_line[&(Owner::Task, 0)], share(1.0, 0.5));
        assert_eq!(owned.sums[&Owner::Output], share(0.5, 0.5));
        assert_eq!(owned.total(), share(2.0, 1.0));
    }

    #[test]
    fn strange_objects_are_refused() {
        for text in [
            "",
            "size sock 10\n",
            "size task x\n",
            "process 1 1000 1000 1000 1000 1000\n",
            "node x 576\n",
            "task 1\n",
        ] {
            assert!(Objects::parse(text).is_err(), "{text}");
        }
    }
}
