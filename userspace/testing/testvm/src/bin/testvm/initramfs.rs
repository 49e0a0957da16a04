// SPDX-License-Identifier: GPL-2.0-only

//! Trees of files for the guest, as cpio archives in the "newc" format.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use cpio::newc;

const DIRECTORY: u32 = libc::S_IFDIR;
const REGULAR: u32 = libc::S_IFREG;
const SYMLINK: u32 = libc::S_IFLNK;
const CHARACTER: u32 = libc::S_IFCHR;

#[derive(Clone, Debug, Hash, PartialEq)]
struct Node {
    /// Type and permissions.
    mode: u32,
    owner: u32,
    device: (u32, u32),
    data: Vec<u8>,
}

/// A tree of files. Paths are absolute.
#[derive(Clone, Default, Hash)]
pub struct Tree(BTreeMap<String, Node>);

impl Tree {
    pub fn directory(&mut self, path: &str, permissions: u32, owner: u32) -> Result<()> {
        self.insert(path, DIRECTORY | permissions, owner, (0, 0), Vec::new())
    }

    pub fn file(&mut self, path: &str, permissions: u32, data: impl Into<Vec<u8>>) -> Result<()> {
        self.insert(path, REGULAR | permissions, 0, (0, 0), data.into())
    }

    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.insert(path, SYMLINK | 0o777, 0, (0, 0), target.into())
    }

    pub fn device(&mut self, path: &str, permissions: u32, major: u32, minor: u32) -> Result<()> {
        self.insert(path, CHARACTER | permissions, 0, (major, minor), Vec::new())
    }

    /// Copies a file of the host.
    pub fn copy(&mut self, path: &str, permissions: u32, source: &Path) -> Result<()> {
        let data = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        self.file(path, permissions, data)
    }

    fn insert(
        &mut self,
        path: &str,
        mode: u32,
        owner: u32,
        device: (u32, u32),
        data: Vec<u8>,
    ) -> Result<()> {
        let Some(path) = path.strip_prefix('/') else {
            bail!("{path} is not absolute")
        };
        match path.rsplit_once('/') {
            Some((parent, _)) if !self.0.contains_key(parent) => {
                self.directory(&format!("/{parent}"), 0o755, 0)?;
            }
            _ => {}
        }
        let node = Node {
            mode,
            owner,
            device,
            data,
        };
        match self.0.get(path) {
            Some(present) if *present != node => {
                bail!("the guest cannot have two different files called /{path}")
            }
            _ => {
                self.0.insert(path.to_owned(), node);
                Ok(())
            }
        }
    }

    /// Leaves out all that is in another tree, too.
    pub fn without(mut self, other: &Tree) -> Self {
        self.0.retain(|path, _| !other.0.contains_key(path));
        self
    }

    /// Writes the archive. A directory comes before its files, because of the order of keys.
    pub fn write(&self, mut archive: impl Write) -> io::Result<()> {
        for (number, (path, node)) in self.0.iter().enumerate() {
            let size = u32::try_from(node.data.len()).map_err(io::Error::other)?;
            let mut file = newc::Builder::new(path)
                .ino(number as u32 + 1)
                .nlink(1)
                .mode(node.mode)
                .uid(node.owner)
                .gid(node.owner)
                .rdev_major(node.device.0)
                .rdev_minor(node.device.1)
                .write(archive, size);
            file.write_all(&node.data)?;
            archive = file.finish()?;
        }
        newc::trailer(archive)?.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns names, modes and contents in an archive.
    fn list(mut archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        loop {
            let reader = newc::Reader::new(archive).unwrap();
            if reader.entry().is_trailer() {
                return entries;
            }
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            let mut data = Vec::new();
            archive = reader.to_writer(&mut data).unwrap();
            entries.push((name, mode, data));
        }
    }

    #[test]
    fn directories_come_before_their_files() {
        let mut tree = Tree::default();
        tree.file("/b/c/d", 0o755, "data").unwrap();
        tree.link("/a", "b").unwrap();
        tree.directory("/b", 0o755, 0).unwrap();
        let mut archive = Vec::new();
        tree.write(&mut archive).unwrap();
        assert_eq!(
            list(&archive),
            [
                ("a".to_owned(), 0o120777, b"b".to_vec()),
                ("b".to_owned(), 0o040755, Vec::new()),
                ("b/c".to_owned(), 0o040755, Vec::new()),
                ("b/c/d".to_owned(), 0o100755, b"data".to_vec()),
            ]
        );
    }

    #[test]
    fn leaves_out_what_another_tree_has() {
        let mut base = Tree::default();
        base.file("/b/c", 0o644, "data").unwrap();
        let mut tree = base.clone();
        tree.file("/b/c", 0o644, "data").unwrap();
        tree.file("/b/d", 0o644, "more").unwrap();
        let mut archive = Vec::new();
        tree.without(&base).write(&mut archive).unwrap();
        assert_eq!(
            list(&archive),
            [("b/d".to_owned(), 0o100644, b"more".to_vec())]
        );
    }

    #[test]
    fn refuses_two_files_for_one_path() {
        let mut tree = Tree::default();
        tree.file("/a", 0o644, "one").unwrap();
        tree.file("/a", 0o644, "one").unwrap();
        assert!(tree.file("/a", 0o644, "two").is_err());
        assert!(tree.file("a", 0o644, "relative").is_err());
    }
}
