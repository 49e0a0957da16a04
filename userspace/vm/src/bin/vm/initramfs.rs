// SPDX-License-Identifier: GPL-2.0

//! The guest's root file system: a cpio archive in the "newc" format.

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

#[derive(Debug, PartialEq)]
struct Node {
    /// Type and permissions.
    mode: u32,
    owner: u32,
    device: (u32, u32),
    data: Vec<u8>,
}

/// A tree of files. Paths are absolute.
#[derive(Default)]
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
        let data =
            fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
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
        let Some(path) = path.strip_prefix('/') else { bail!("{path} is not absolute") };
        match path.rsplit_once('/') {
            Some((parent, _)) if !self.0.contains_key(parent) => {
                self.directory(&format!("/{parent}"), 0o755, 0)?;
            }
            _ => {}
        }
        let node = Node { mode, owner, device, data };
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

    /// Writes the archive. A directory comes before what is in it, because of the order of keys.
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
