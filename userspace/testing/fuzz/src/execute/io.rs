// SPDX-License-Identifier: GPL-2.0-only

//! open(2), dup(2), read(2) and write(2), in their variants.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use fixture::memory::Ptr;
use fixture::{ia32, raw};
use nix::errno::Errno;
use nix::fcntl::{self, OFlag};
use nix::sys::stat::Mode;

use super::caller::{Caller, Pointee};
use super::shared::{File, Shared};
use crate::model::{check_message, judge, pattern, reasons};
use crate::program::{Buffer, Place, Way};

impl Caller {
    pub(super) fn open(
        &mut self,
        shared: &Shared,
        number: usize,
        flags: OFlag,
        nth: u8,
    ) -> Result<()> {
        let (result, failed) = self.fail(nth, || {
            let flags = flags | OFlag::O_CLOEXEC;
            fcntl::open(procmon::DEVICE_PATH, flags, Mode::empty())
        });
        let must = reasons(&[(flags.contains(OFlag::O_DIRECT), Errno::EINVAL)]);
        let may = reasons(&[(failed, Errno::ENOMEM), (failed, Errno::EFAULT)]);
        if let Some(fd) = judge(result, &must, &may)? {
            let file = File { fd, flags };
            self.counts.opens += u64::from(file.is_open());
            shared.replace(number, Some(Arc::new(file)));
        }
        Ok(())
    }

    pub(super) fn duplicate(&mut self, shared: &Shared, from: usize, to: usize) -> Result<()> {
        let Some(file) = shared.file(from) else {
            return Ok(());
        };
        let copy = File {
            fd: file.fd.try_clone().context("dup")?,
            flags: file.flags,
        };
        shared.replace(to, Some(Arc::new(copy)));
        Ok(())
    }

    pub(super) fn read(
        &mut self,
        shared: &Shared,
        file: &File,
        buffer: &Buffer,
        way: Way,
        nth: u8,
    ) -> Result<()> {
        let pointee = self.pointee(buffer.place);
        let size = pointee.writable_size();
        let len = buffer.len;
        let has_message = shared.has_message();
        self.fill_with_canaries();
        let (result, failed) = self.fail(nth, || match way {
            Way::Plain => raw::read(&file.fd, pointee.ptr, len),
            Way::At(offset) => raw::pread(&file.fd, pointee.ptr, len, offset),
            Way::Vector(cut) => raw::readv(&file.fd, &self.cut(&pointee, len, cut)),
            Way::Compat => ia32::read(&file.fd, pointee.ptr, len),
        });
        let must = reasons(&[
            (!file.can(OFlag::O_RDONLY), Errno::EBADF),
            (is_beyond(way, len), Errno::EINVAL),
        ]);
        let may = reasons(&[
            (
                size < len || buffer.place == Place::Kernel || failed,
                Errno::EFAULT,
            ),
            (failed, Errno::ENOMEM),
            // Passes of other files may have taken up all held messages since this one's began.
            (!matches!(way, Way::At(0)), Errno::ESTALE),
        ]);
        let read = judge(result, &must, &may)?;
        self.counts.reads += u64::from(read.is_some_and(|read| read > 0));
        ensure!(
            !(read == Some(0) && len > 0 && has_message && matches!(way, Way::At(0))),
            "nothing was read of a message that is not empty"
        );
        let read = read.unwrap_or(0);
        ensure!(read <= len.min(size), "{read} bytes were read");
        // The module tries to copy without a page fault first, and again if that fails. The bytes
        // of the first attempt stay there if the second one is made to fail.
        let touched = if failed { len.min(size) } else { read };
        self.check_canaries(&pointee, touched)?;
        check_message(&self.memory.bytes(pointee.offset, read))
    }

    /// Returns a buffer in two segments, with an empty one between them whose pointer is bad.
    fn cut(&self, pointee: &Pointee, len: usize, share: u8) -> [(Ptr, usize); 3] {
        let first = len * usize::from(share) / 256;
        // Only memory of ours has a second part.
        let second = if pointee.writable && pointee.size >= first {
            self.memory.at(pointee.offset + first)
        } else {
            pointee.ptr
        };
        [(pointee.ptr, first), (Ptr::NULL, 0), (second, len - first)]
    }

    pub(super) fn write(
        &mut self,
        shared: &Shared,
        file: &File,
        buffer: &Buffer,
        way: Way,
        first: u8,
        nth: u8,
    ) -> Result<()> {
        let pointee = self.pointee(buffer.place);
        let len = buffer.len;
        self.memory.fill(0, &pattern(first, self.memory.size()));
        let (result, failed) = self.fail(nth, || match way {
            Way::Plain => raw::write(&file.fd, pointee.ptr, len),
            Way::At(offset) => raw::pwrite(&file.fd, pointee.ptr, len, offset),
            Way::Vector(cut) if buffer.place != Place::ReadOnly => {
                raw::writev(&file.fd, &self.cut(&pointee, len, cut))
            }
            Way::Vector(_) => raw::writev(&file.fd, &[(pointee.ptr, len)]),
            Way::Compat => ia32::write(&file.fd, pointee.ptr, len),
        });
        let must = reasons(&[
            (!file.can(OFlag::O_WRONLY), Errno::EBADF),
            (is_beyond(way, len), Errno::EINVAL),
            (pointee.size == 0 && len > 0, Errno::EFAULT),
        ]);
        let may = reasons(&[
            (
                pointee.size < len || buffer.place == Place::Kernel || failed,
                Errno::EFAULT,
            ),
            (failed, Errno::ENOMEM),
        ]);
        if let Some(written) = judge(result, &must, &may)? {
            // The VFS itself deals with empty vectors.
            self.counts.writes += u64::from(len > 0 || !matches!(way, Way::Vector(_)));
            if written > 0 {
                shared.note_message();
            }
            ensure!(written <= pointee.size, "{written} bytes were written");
            let limits = shared.limits.lock().unwrap();
            ensure!(
                limits.iter().any(|&limit| written == len.min(limit)),
                "{written} bytes were written, with a limit out of {limits:?}"
            );
        }
        Ok(())
    }
}

/// Whether the range begins or ends at an offset that no file has.
fn is_beyond(way: Way, len: usize) -> bool {
    matches!(way, Way::At(offset) if offset < 0 || offset > i64::MAX - len as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_beyond_the_end_of_files_are_known() {
        assert!(!is_beyond(Way::At(0), 1));
        assert!(!is_beyond(Way::At(i64::MAX - 1), 1));
        assert!(is_beyond(Way::At(i64::MAX), 1));
        assert!(is_beyond(Way::At(-1), 0));
        assert!(!is_beyond(Way::Plain, usize::MAX));
    }
}
