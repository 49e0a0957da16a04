// SPDX-License-Identifier: GPL-2.0-only

//! The needs of an executable: its interpreter and its shared libraries.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};

use crate::cli::Harness;

/// Returns the interpreter of an executable. None if it is static, or no ELF file.
pub fn interpreter(data: &[u8]) -> Result<Option<PathBuf>> {
    match FileKind::parse(data) {
        Ok(FileKind::Elf32) => interpreter_of::<FileHeader32<Endianness>>(data),
        Ok(FileKind::Elf64) => interpreter_of::<FileHeader64<Endianness>>(data),
        _ => Ok(None),
    }
}

fn interpreter_of<Elf: FileHeader<Endian = Endianness>>(data: &[u8]) -> Result<Option<PathBuf>> {
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    for segment in header.program_headers(endian, data)? {
        if let Some(name) = segment.interpreter(endian, data)? {
            return Ok(Some(std::str::from_utf8(name)?.into()));
        }
    }
    Ok(None)
}

/// A system that a dynamic executable could run in: the host or the build root.
pub struct System<'a> {
    /// The harness, for the build root.
    pub harness: Option<&'a Harness>,
    /// The directory of its files on the host.
    pub root: &'a Path,
}

impl System<'_> {
    /// Returns the files that `executable` loads there, with its interpreter, as paths in that
    /// system.
    ///
    /// The interpreter itself lists them, as only it has all the rules of the search.
    pub fn libraries(&self, executable: &Path, interpreter: &Path) -> Result<BTreeSet<PathBuf>> {
        let mut command = match self.harness {
            Some(harness) => {
                // The executable need not have a name in the other system: a descriptor does.
                let file = File::open(executable)
                    .with_context(|| format!("cannot open {}", executable.display()))?;
                let mut command = harness.in_root();
                command
                    .arg(interpreter)
                    .args(["--list", "/proc/self/fd/0"])
                    .stdin(file);
                command
            }
            None => {
                let mut command = Command::new(interpreter);
                command.arg("--list").arg(executable);
                command
            }
        };
        let output = command
            .output()
            .with_context(|| format!("cannot run {}", interpreter.display()))?;
        let listing = String::from_utf8_lossy(&output.stdout);
        // A library that is too old causes a message, but no error status.
        let errors = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || [&listing, &errors].iter().any(|s| s.contains("not found")) {
            bail!("{}\n{errors}{listing}", output.status);
        }
        let mut files = parse_listing(&listing);
        files.insert(interpreter.to_owned());
        Ok(files)
    }

    /// Reads a file of that system, and follows symbolic links as the system would.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let context = || format!("cannot read {} in {}", path.display(), self.root.display());
        let root = File::open(self.root).with_context(context)?;
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        let mut file = File::from(openat2(root, path, how).with_context(context)?);
        let mut data = Vec::new();
        file.read_to_end(&mut data).with_context(context)?;
        Ok(data)
    }
}

/// Extracts the paths from lines like these:
/// ```text
///     linux-vdso.so.1 (0x00007ffd0a5f2000)
///     libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f5d1c000000)
///     /lib64/ld-linux-x86-64.so.2 (0x00007f5d1c200000)
/// ```
fn parse_listing(listing: &str) -> BTreeSet<PathBuf> {
    listing
        .lines()
        .filter_map(|line| {
            let line = line.trim();
            let line = line.split_once(" => ").map_or(line, |(_, path)| path);
            let path = line.rsplit_once(" (0x").map_or(line, |(path, _)| path);
            path.starts_with('/').then(|| path.into())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_paths_in_a_listing() {
        let files = parse_listing(
            "\tlinux-vdso.so.1 (0x00007ffd0a5f2000)\n\
             \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f5d1c000000)\n\
             \tliba b.so => /opt/a b/liba b.so (0x00007f5d1c100000)\n\
             \t/lib64/ld-linux-x86-64.so.2 (0x00007f5d1c200000)\n",
        );
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
            "/opt/a b/liba b.so",
        ];
        assert_eq!(files, expected.map(PathBuf::from).into());
        assert!(parse_listing("\tstatically linked\n").is_empty());
    }

    #[test]
    fn a_static_executable_and_a_script_need_nothing() {
        let this_test = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(interpreter(&this_test).unwrap(), None);
        assert_eq!(interpreter(b"#!/bin/sh\n").unwrap(), None);
        assert_eq!(interpreter(b"").unwrap(), None);
    }

    #[test]
    fn a_dynamic_executable_names_its_interpreter() {
        let data = std::fs::read("/bin/bash").unwrap();
        let path = interpreter(&data).unwrap().unwrap();
        assert_eq!(path, Path::new("/lib64/ld-linux-x86-64.so.2"));
    }
}
