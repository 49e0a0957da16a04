// SPDX-License-Identifier: GPL-2.0-only

//! ioctl(2) with arguments of a fixed size, and with numbers that may be of no command.

use anyhow::{Context, Result, ensure};
use fixture::{ia32, raw};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::unistd::{Pid, gettid};

use super::caller::Caller;
use super::shared::{File, Shared};
use crate::model::command::{Effect, Facts, Meaning};
use crate::model::{judge, reasons};
use crate::program::{Command, MAX_BUFFER};

impl Caller {
    pub(super) fn ioctl(
        &mut self,
        shared: &Shared,
        file: &File,
        command: &Command,
        nth: u8,
    ) -> Result<()> {
        let pointee = self.pointee(command.place);
        let meaning = Meaning::of(command.number, command.compat);
        let (input, output, effect) = match &meaning {
            Meaning::Command(known) => (known.input(), known.output(), known.effect),
            Meaning::List | Meaning::None => (0, 0, Effect::None),
        };
        let mut value = self.value(command.value);
        self.fill_with_canaries();
        if pointee.writable {
            let bytes = value.to_ne_bytes();
            let len = bytes.len().min(pointee.size);
            self.memory.fill(pointee.offset, &bytes[..len]);
        } else if pointee.size > 0 {
            let bytes = self.read_only.bytes(0, size_of_val(&value));
            value = i32::from_ne_bytes(bytes.try_into().expect("the same length"));
        }
        if effect == Effect::SetFilter {
            shared.note_filter(value);
        }
        // Not after the call, when the other thread may have written one.
        let has_message = shared.has_message();
        let (result, failed) = self.fail(nth, || {
            if command.compat {
                ia32::ioctl(&file.fd, command.number, pointee.ptr)
            } else {
                let high_bits = if command.high_bits { 1 << 32 } else { 0 };
                raw::ioctl(&file.fd, u64::from(command.number) | high_bits, pointee.ptr)
            }
        });
        self.counts.ioctls += u64::from(file.is_open());
        let needs_writable = effect != Effect::None;
        // The integer is the size of a list's arguments. The rest of them is canaries, which are
        // unknown flags; or there is a message, whose first bytes are a size beyond a page.
        let is_list = matches!(meaning, Meaning::List);
        let must = reasons(&[
            (!file.is_open(), Errno::EBADF),
            (needs_writable && !file.can(OFlag::O_WRONLY), Errno::EBADF),
            (matches!(meaning, Meaning::None), Errno::ENOTTY),
            (is_list, Errno::EINVAL),
            (is_list, Errno::E2BIG),
            (is_list, Errno::EFAULT),
            (pointee.size < input.max(output), Errno::EFAULT),
            (output > 0 && !pointee.writable, Errno::EFAULT),
            (effect == Effect::SetFilter && value < 0, Errno::EINVAL),
        ]);
        let may = reasons(&[(failed, Errno::EFAULT), (failed && is_list, Errno::ENOMEM)]);
        let success = judge(result, &must, &may)?;
        // The value was put there in any case, and a copy that fails may have done its first part.
        self.check_canaries(&pointee, output.max(size_of_val(&value)))?;
        let (Some(status), Meaning::Command(known)) = (success, meaning) else {
            return Ok(());
        };
        ensure!(status == 0, "the command returned {status}");
        self.counts.resets += u64::from(effect == Effect::Reset);
        let answer = match output {
            0 => Vec::new(),
            _ => self.memory.bytes(pointee.offset, output),
        };
        let name = prctl::get_name().context("PR_GET_NAME")?;
        let facts = Facts {
            value,
            filters: &shared.filters.lock().unwrap(),
            has_message,
            max_message: MAX_BUFFER,
            thread: gettid().as_raw(),
            name: name.to_bytes(),
            child: self.child.map(Pid::as_raw),
        };
        (known.check)(&facts, &answer)
    }
}
