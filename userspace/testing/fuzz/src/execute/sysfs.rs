// SPDX-License-Identifier: GPL-2.0-only

//! Attributes of the device and parameters of the module.

use anyhow::{Result, ensure};
use fixture::memory::PAGE;
use fixture::raw;
use nix::errno::Errno;
use nix::fcntl::{self, OFlag};
use nix::sys::stat::Mode;
use procmon::sysfs::{ATTRIBUTES, Parameter};
use procmon::uapi;

use super::caller::Caller;
use super::shared::Shared;
use crate::model::{check_attribute, is_target, judge, reasons};
use crate::program::Word;

impl Caller {
    pub(super) fn read_attribute(&mut self, path: &str, nth: u8) -> Result<()> {
        self.fill_with_canaries();
        let (result, failed) = self.fail(nth, || {
            let file = fcntl::open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
            raw::read(&file, self.memory.start(), PAGE)
        });
        let may = reasons(&[(failed, Errno::ENOMEM), (failed, Errno::EFAULT)]);
        match judge(result, &[], &may)? {
            Some(len) => check_attribute(path, &String::from_utf8(self.memory.bytes(0, len))?),
            None => Ok(()),
        }
    }

    pub(super) fn set_parameter(
        &mut self,
        shared: &Shared,
        parameter: Parameter,
        text: &str,
        number: Option<u32>,
        nth: u8,
    ) -> Result<()> {
        let number = number.filter(|number| parameter.range().contains(number));
        if let (Parameter::BufferSize, Some(number)) = (parameter, number) {
            shared.limits.lock().unwrap().insert(number.try_into()?);
        }
        self.memory.fill(0, text.as_bytes());
        let path = parameter.path();
        let (result, failed) = self.fail(nth, || {
            let file = fcntl::open(&path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
            raw::write(&file, self.memory.start(), text.len())
        });
        let must = reasons(&[(number.is_none(), Errno::EINVAL)]);
        let may = reasons(&[(failed, Errno::ENOMEM), (failed, Errno::EFAULT)]);
        if let Some(len) = judge(result, &must, &may)? {
            ensure!(len == text.len(), "{len} bytes were taken");
        }
        Ok(())
    }
}

/// The ID of the kernel thread that is the parent of all others.
const KTHREADD: i32 = 2;

impl Caller {
    pub(super) fn set_targets(
        &mut self,
        shared: &Shared,
        words: &[Word],
        separator: char,
        nth: u8,
    ) -> Result<()> {
        let path = format!("{ATTRIBUTES}/targets");
        let texts: Vec<_> = words.iter().map(|word| self.text(*word)).collect();
        let list = texts.join(separator.encode_utf8(&mut [0; 4]));
        // The first place is the filter. A name has no process at first.
        shared.note_filter(0);
        match words.first() {
            Some(Word::Pid(value)) => shared.note_filter(self.value(*value)),
            Some(Word::Kthreadd) => shared.note_filter(KTHREADD),
            _ => {}
        }
        self.memory.fill(0, list.as_bytes());
        let (result, failed) = self.fail(nth, || {
            let file = fcntl::open(&*path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
            raw::write(&file, self.memory.start(), list.len())
        });
        let is_long = texts.len() > uapi::PROCMON_TARGETS_MAX as usize;
        let must = reasons(&[
            (is_long, Errno::E2BIG),
            (!texts.iter().all(|text| is_target(text)), Errno::EINVAL),
        ]);
        let may = reasons(&[(failed, Errno::ENOMEM), (failed, Errno::EFAULT)]);
        if let Some(len) = judge(result, &must, &may)? {
            ensure!(len == list.len(), "{len} bytes were taken");
        }
        self.read_attribute(&path, 0)
    }

    fn text(&self, word: Word) -> String {
        match word {
            Word::Pid(value) => self.value(value).to_string(),
            Word::Kthreadd => "kthreadd".to_owned(),
            Word::Text(text) => text.to_owned(),
        }
    }
}

/// Opens an attribute for writing, which the kernel must refuse.
pub(super) fn open_attribute_for_writing(path: &str) -> Result<()> {
    let result = fcntl::open(path, OFlag::O_WRONLY, Mode::empty());
    judge(result, &[Errno::EACCES], &[])?;
    Ok(())
}
