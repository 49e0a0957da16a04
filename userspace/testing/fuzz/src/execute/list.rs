// SPDX-License-Identifier: GPL-2.0-only

//! Commands that fill an array: PROCMON_SNAPSHOT, PROCMON_HISTORY and PROCMON_EVENTS; and
//! PROCMON_INFO.

use anyhow::{Result, ensure};
use fixture::{ia32, raw};
use nix::errno::Errno;
use procmon::uapi::{self, procmon_snapshot as Snapshot};

use super::caller::Caller;
use super::shared::File;
use crate::model::list::{Arguments, MAX_SIZE};
use crate::model::{judge, reasons};
use crate::program::{List, Place};

/// The size of the longest entry of the second buffer.
const LONGEST_ENTRY: usize = size_of::<uapi::procmon_args>() + uapi::PROCMON_ARGS_MAX as usize;

impl Caller {
    pub(super) fn list(&mut self, file: &File, list: &List, nth: u8) -> Result<()> {
        let array = self.pointee(list.records);
        let texts = self.pointee_in(&self.texts, list.args.place);
        let arguments = Arguments::new(
            list.kind,
            Snapshot {
                size: list.size,
                flags: list.flags,
                groups: list.groups,
                cursor: self.value(list.cursor),
                records: array.ptr.as_ptr() as u64,
                stride: list.stride,
                capacity: list.capacity,
                uid: list.uid,
                ppid: self.value(list.ppid),
                tgid: self.value(list.tgid),
                args: texts.ptr.as_ptr() as u64,
                args_capacity: list.args.capacity,
                args_max: list.args.max,
                reserved: list.args.reserved,
                ..Default::default()
            },
        );
        let bytes = arguments.to_bytes();
        let (ptr, size, writable) = match list.place {
            Place::Inside(offset) => {
                let size = self.arguments.size() - offset;
                (self.arguments.at(offset), size, true)
            }
            Place::BeforeEnd(len) => (self.arguments.before_end(len), len, true),
            place => {
                let pointee = self.pointee(place);
                (pointee.ptr, pointee.size, false)
            }
        };
        let start = self.arguments.size().saturating_sub(size);
        self.arguments.fill(0, &vec![0; self.arguments.size()]);
        self.fill_with_canaries();
        // The size by the caller's word, which may be wrong.
        let told = list.size as usize;
        if writable {
            self.arguments.fill(start, &bytes[..bytes.len().min(size)]);
            let last = told.clamp(1, MAX_SIZE) - 1;
            if list.tail != 0 && last >= bytes.len() && last < size {
                self.arguments.fill(start + last, &[list.tail]);
            }
        }

        let (result, failed) = self.fail(nth, || {
            if list.compat {
                ia32::ioctl(&file.fd, arguments.number(), ptr)
            } else {
                raw::ioctl(&file.fd, arguments.number().into(), ptr)
            }
        });
        self.counts.ioctls += u64::from(file.is_open());
        let is_list = arguments.is_list();
        let least = arguments.min_size();
        // Earlier versions have fewer fields.
        let known = if is_list {
            told.clamp(least, bytes.len())
        } else {
            bytes.len()
        };
        let is_whole = writable && size >= known;
        let has_tail = list.tail != 0 && told > bytes.len() && told <= MAX_SIZE.min(size);
        let must = reasons(&[
            (!file.is_open(), Errno::EBADF),
            (!is_whole, Errno::EFAULT),
            (is_list && is_whole && told < least, Errno::EINVAL),
            (is_list && is_whole && told > MAX_SIZE, Errno::E2BIG),
            (is_list && is_whole && has_tail, Errno::E2BIG),
            (is_whole && !arguments.are_valid(), Errno::EINVAL),
        ]);
        let room = arguments.room();
        let reachable = array.writable_size();
        let texts_reachable = texts.writable_size();
        let may_be = [
            // Arguments that are invalid and have a bad pointer.
            (!is_whole, Errno::EINVAL),
            (!is_whole, Errno::E2BIG),
            (is_list && reachable < room, Errno::EFAULT),
            (texts_reachable < list.args.capacity as usize, Errno::EFAULT),
            // The bytes behind the arguments cannot be read.
            (is_list && told > size, Errno::EFAULT),
            (failed, Errno::EFAULT),
            (failed, Errno::ENOMEM),
        ];
        let is_events = matches!(arguments, Arguments::Events(_));
        let of_events = [
            (is_events, Errno::ENOSPC),
            // The other thread reads by the same file.
            (is_events, Errno::EBUSY),
            (arguments.is_about_a_process(), Errno::ESRCH),
        ];
        let may = reasons(&[&may_be[..], &of_events].concat());
        let success = judge(result, &must, &may)?;
        if success.is_none() {
            // Elements may have been written before the arguments could not be.
            let touched = texts_reachable.min(list.args.capacity as usize);
            Self::check_canaries_in(&self.texts, &texts, touched)?;
            return self.check_canaries(&array, room.min(reachable));
        }
        let mut answer = self.arguments.bytes(start, known);
        answer.resize(bytes.len(), 0);
        let written = arguments.written(&answer);
        ensure!(written <= room, "{written} bytes");
        ensure!(written <= reachable, "{written} bytes do not fit");
        let touched = written.saturating_add(arguments.touched_behind());
        self.check_canaries(&array, touched.min(room).min(reachable))?;
        let elements = self.memory.bytes(array.offset, written);
        let args_written = arguments.args_written(&answer);
        ensure!(
            args_written <= texts_reachable,
            "{args_written} bytes of texts"
        );
        // Behind them, as far as one that did not fit was written.
        let touched = args_written.saturating_add(LONGEST_ENTRY);
        let touched = touched
            .min(list.args.capacity as usize)
            .min(texts_reachable);
        Self::check_canaries_in(&self.texts, &texts, touched)?;
        let entries = self.texts.bytes(texts.offset, args_written);
        arguments.check(&answer, &elements, &entries)
    }
}
