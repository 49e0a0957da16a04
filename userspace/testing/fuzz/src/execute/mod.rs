// SPDX-License-Identifier: GPL-2.0

//! Running a program, and judging what the kernel makes of it.
//!
//! The two threads share the device and their files, so mostly it is a set of results that is
//! right and not a single one.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fmt::Debug;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use fixture::faults::Faults;
use fixture::memory::{PAGE, Ptr, Region};
use fixture::{ia32, raw};
use nix::errno::Errno;
use nix::fcntl::{self, OFlag};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, gettid, pause};
use procmon::sysfs::{self, Parameter};
use procmon::{Groups, uapi};

use crate::kcov::Kcov;
use crate::program::{
    Buffer, Call, Command, FILES, List, ListKind, MAX_BUFFER, Place, Program, Step, Value, Way,
};

/// What buffers are filled with before the kernel gets them.
const CANARY: u8 = 0xaa;

/// Messages are made of bytes that follow each other, and after the last number comes 0.
const PATTERN: u8 = 251;

/// The module's buffer_size when a program begins.
const BUFFER_SIZE: u32 = Parameter::BufferSize.default_value();

/// What both threads of a program know.
pub struct Shared {
    program: Program,
    files: Mutex<[Option<Arc<File>>; FILES]>,
    /// All values that buffer_size may have had.
    limits: Mutex<BTreeSet<usize>>,
    /// All values that the filter may have had.
    filters: Mutex<BTreeSet<i32>>,
    /// Whether the message can no longer be the empty one of the beginning.
    written: AtomicBool,
    /// Whether the program may write an empty message.
    writes_nothing: bool,
}

impl Shared {
    /// The knowledge at the beginning of a program.
    pub fn new(program: Program) -> Self {
        let writes_nothing = program
            .steps
            .iter()
            .any(|step| matches!(&step.call, Call::Write { buffer, .. } if buffer.len == 0));
        Self {
            program,
            files: Mutex::default(),
            limits: Mutex::new(BTreeSet::from([BUFFER_SIZE as usize])),
            filters: Mutex::new(BTreeSet::from([0])),
            written: AtomicBool::new(false),
            writes_nothing,
        }
    }

    /// Whether there is anything to do for a thread.
    pub fn has_steps(&self, second_thread: bool) -> bool {
        let mut steps = self.program.steps.iter();
        steps.any(|step| step.second_thread == second_thread)
    }

    /// Whether the program may leave parameters with other values than at the beginning.
    pub fn sets_parameters(&self) -> bool {
        let mut steps = self.program.steps.iter();
        steps.any(|step| matches!(step.call, Call::SetParameter { .. }))
    }

    fn file(&self, number: usize) -> Option<Arc<File>> {
        self.files.lock().unwrap()[number].clone()
    }

    /// Puts a file in the place of another one, which is closed when nobody uses it any more.
    fn replace(&self, number: usize, file: Option<Arc<File>>) {
        let previous = std::mem::replace(&mut self.files.lock().unwrap()[number], file);
        drop(previous);
    }

    /// Whether the message cannot be empty from now on.
    fn has_message(&self) -> bool {
        self.written.load(Ordering::Relaxed) && !self.writes_nothing
    }
}

/// An open file.
struct File {
    fd: OwnedFd,
    flags: OFlag,
}

impl File {
    fn can(&self, mode: OFlag) -> bool {
        let access = self.flags & (OFlag::O_ACCMODE | OFlag::O_PATH);
        access == OFlag::O_RDWR || access == mode
    }

    /// Whether the file is more than a name.
    fn is_open(&self) -> bool {
        !self.flags.contains(OFlag::O_PATH)
    }
}

/// What the module should have counted, and how often that was set back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub opens: u64,
    pub reads: u64,
    pub writes: u64,
    pub ioctls: u64,
    pub resets: u64,
}

impl Counts {
    /// The sum of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            opens: self.opens + other.opens,
            reads: self.reads + other.reads,
            writes: self.writes + other.writes,
            ioctls: self.ioctls + other.ioctls,
            resets: self.resets + other.resets,
        }
    }
}

/// What came of a thread of a program.
pub struct Outcome {
    pub counts: Counts,
    /// What KCOV has recorded.
    pub trace: Vec<u64>,
}

/// A thread that runs programs.
pub struct Thread {
    pub kcov: Kcov,
    caller: Caller,
}

impl Thread {
    /// Gets all ready for the thread that calls this.
    pub fn new(second: bool) -> Result<Self> {
        let read_only = Region::new_low(MAX_BUFFER);
        read_only.fill(0, &pattern(0, read_only.size()));
        Ok(Self {
            kcov: Kcov::new()?,
            caller: Caller {
                second,
                faults: Faults::new().context("cannot set up fault injection")?,
                memory: Region::new_low(MAX_BUFFER + PAGE),
                arguments: Region::new_low(2 * PAGE),
                read_only: read_only.read_only(),
                child: None,
                counts: Counts::default(),
            },
        })
    }

    /// Does this thread's steps of a program.
    pub fn run(&mut self, shared: &Shared) -> Result<Outcome> {
        let caller = &mut self.caller;
        let (counts, trace) = self.kcov.record(|| caller.run(shared))?;
        let counts = counts?;
        Ok(Outcome { counts, trace })
    }
}

/// The part of a thread that makes the calls.
struct Caller {
    second: bool,
    faults: Faults,
    memory: Region,
    /// Where the arguments of lists are.
    arguments: Region,
    read_only: Region,
    child: Option<Pid>,
    counts: Counts,
}

/// Where a pointer leads to, which is nowhere if there is no room.
struct Target {
    ptr: Ptr,
    /// How many bytes there are up to the next inaccessible one.
    room: usize,
    writable: bool,
    /// Where that is in the memory to write to.
    offset: usize,
}

/// The bytes of a message.
fn pattern(first: u8, len: usize) -> Vec<u8> {
    let numbers = (0..PATTERN).cycle().skip((first % PATTERN).into());
    numbers.take(len).collect()
}

/// Checks that a call succeeded, or that it failed for one of the reasons that there were: each of
/// `must` makes it fail, each of `may` can. Returns the result of a success.
fn judge<T: Debug>(result: nix::Result<T>, must: &[Errno], may: &[Errno]) -> Result<Option<T>> {
    match result {
        Ok(value) if must.is_empty() => Ok(Some(value)),
        Ok(value) => bail!("{value:?} instead of {must:?}"),
        Err(errno) if must.contains(&errno) || may.contains(&errno) => Ok(None),
        Err(errno) => bail!("{errno:?} where only {must:?} and {may:?} can be"),
    }
}

/// Those reasons that there are.
fn reasons(list: &[(bool, Errno)]) -> Vec<Errno> {
    let present = list.iter().filter(|(present, _)| *present);
    present.map(|&(_, errno)| errno).collect()
}

impl Caller {
    fn run(&mut self, shared: &Shared) -> Result<Counts> {
        self.counts = Counts::default();
        let second = self.second;
        let mut steps = shared.program.steps.iter();
        let result = steps
            .by_ref()
            .filter(|step| step.second_thread == second)
            .try_for_each(|step| self.step(step, shared).with_context(|| format!("{step:?}")));
        self.end_child();
        result.map(|()| self.counts)
    }

    fn step(&mut self, step: &Step, shared: &Shared) -> Result<()> {
        let nth = step.fail_nth;
        match &step.call {
            Call::Open { file, flags } => self.open(shared, *file, *flags, nth),
            Call::Close { file } => {
                shared.replace(*file, None);
                Ok(())
            }
            Call::Duplicate { from, to } => self.duplicate(shared, *from, *to),
            Call::Read { file, buffer, way } => match shared.file(*file) {
                Some(file) => self.read(shared, &file, buffer, *way, nth),
                None => Ok(()),
            },
            Call::Write {
                file,
                buffer,
                way,
                first,
            } => match shared.file(*file) {
                Some(file) => self.write(shared, &file, buffer, *way, *first, nth),
                None => Ok(()),
            },
            Call::Ioctl { file, command } => match shared.file(*file) {
                Some(file) => self.ioctl(shared, &file, command, nth),
                None => Ok(()),
            },
            Call::List { file, list } => match shared.file(*file) {
                Some(file) => self.list(&file, list, nth),
                None => Ok(()),
            },
            Call::ReadAttribute { path } => self.read_attribute(path, nth),
            Call::OpenAttributeForWriting { path } => {
                let result = fcntl::open(*path, OFlag::O_WRONLY, Mode::empty());
                judge(result, &[Errno::EACCES], &[])?;
                Ok(())
            }
            Call::SetParameter {
                parameter,
                text,
                number,
            } => self.set_parameter(shared, *parameter, text, *number, nth),
            Call::Rename { name } => {
                let len = name.iter().position(|&byte| byte == 0);
                let name = CString::new(&name[..len.unwrap_or(name.len())])?;
                prctl::set_name(&name).context("PR_SET_NAME")
            }
            Call::Fork { ends } => {
                self.end_child();
                self.child = Some(start_child(*ends)?);
                Ok(())
            }
        }
    }

    /// Makes a call with the `nth` allocation or copy in it failing, and tells whether that was so.
    fn fail<T>(&self, nth: u8, call: impl FnOnce() -> T) -> (T, bool) {
        if nth == 0 {
            return (call(), false);
        }
        self.faults.arm(nth.into());
        let result = call();
        (result, self.faults.disarm())
    }

    fn target(&self, place: Place) -> Target {
        let writable = |offset, ptr| Target {
            ptr,
            room: self.memory.size() - offset,
            writable: true,
            offset,
        };
        let nowhere = |ptr| Target {
            ptr,
            room: 0,
            writable: false,
            offset: 0,
        };
        match place {
            Place::Inside(offset) => writable(offset, self.memory.at(offset)),
            Place::BeforeEnd(len) => {
                writable(self.memory.size() - len, self.memory.before_end(len))
            }
            Place::ReadOnly => Target {
                ptr: self.read_only.start(),
                room: self.read_only.size(),
                writable: false,
                offset: 0,
            },
            Place::Null => nowhere(Ptr::NULL),
            Place::One => nowhere(Ptr::ONE),
            Place::Kernel => nowhere(Ptr::KERNEL),
        }
    }

    fn fill_with_canaries(&self) {
        self.memory.fill(0, &[CANARY; MAX_BUFFER + PAGE]);
    }

    /// Checks that the kernel has written to `len` bytes at a target at the most.
    fn check_canaries(&self, target: &Target, len: usize) -> Result<()> {
        let bytes = self.memory.bytes(0, self.memory.size());
        let end = (target.offset + len).min(bytes.len());
        let outside = bytes[..target.offset].iter().chain(&bytes[end..]);
        ensure!(
            outside.copied().all(|byte| byte == CANARY),
            "the kernel has written to memory outside of the buffer"
        );
        Ok(())
    }

    fn open(&mut self, shared: &Shared, number: usize, flags: OFlag, nth: u8) -> Result<()> {
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

    fn duplicate(&mut self, shared: &Shared, from: usize, to: usize) -> Result<()> {
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

    fn read(
        &mut self,
        shared: &Shared,
        file: &File,
        buffer: &Buffer,
        way: Way,
        nth: u8,
    ) -> Result<()> {
        let target = self.target(buffer.place);
        let room = if target.writable { target.room } else { 0 };
        let len = buffer.len;
        let has_message = shared.has_message();
        self.fill_with_canaries();
        let (result, failed) = self.fail(nth, || match way {
            Way::Plain => raw::read(&file.fd, target.ptr, len),
            Way::At(offset) => raw::pread(&file.fd, target.ptr, len, offset),
            Way::Vector(cut) => raw::readv(&file.fd, &self.cut(&target, len, cut)),
            Way::Compat => ia32::read(&file.fd, target.ptr, len),
        });
        let must = reasons(&[
            (!file.can(OFlag::O_RDONLY), Errno::EBADF),
            (is_beyond(way, len), Errno::EINVAL),
        ]);
        let may = reasons(&[
            (
                room < len || buffer.place == Place::Kernel || failed,
                Errno::EFAULT,
            ),
            (failed, Errno::ENOMEM),
            // Other files may have had too many messages kept since this one's pass began.
            (!matches!(way, Way::At(0)), Errno::ESTALE),
        ]);
        let read = judge(result, &must, &may)?;
        self.counts.reads += u64::from(read.is_some_and(|read| read > 0));
        ensure!(
            !(read == Some(0) && len > 0 && has_message && matches!(way, Way::At(0))),
            "nothing was read of a message that is not empty"
        );
        let read = read.unwrap_or(0);
        ensure!(read <= len.min(room), "{read} bytes were read");
        // The module tries to copy without a page fault first, and again if that does not do. What
        // the first attempt has written stays there if the second one is made to fail.
        let touched = if failed { len.min(room) } else { read };
        self.check_canaries(&target, touched)?;
        let bytes = self.memory.bytes(target.offset, read);
        ensure!(
            bytes
                .first()
                .is_none_or(|&first| bytes == pattern(first, read)),
            "what was read is not part of a message"
        );
        Ok(())
    }

    /// A buffer in two segments, with an empty one that leads nowhere between them.
    fn cut(&self, target: &Target, len: usize, share: u8) -> [(Ptr, usize); 3] {
        let first = len * usize::from(share) / 256;
        // Only memory of ours has a second part.
        let second = if target.writable && target.room >= first {
            self.memory.at(target.offset + first)
        } else {
            target.ptr
        };
        [(target.ptr, first), (Ptr::NULL, 0), (second, len - first)]
    }

    fn write(
        &mut self,
        shared: &Shared,
        file: &File,
        buffer: &Buffer,
        way: Way,
        first: u8,
        nth: u8,
    ) -> Result<()> {
        let target = self.target(buffer.place);
        let len = buffer.len;
        self.memory.fill(0, &pattern(first, self.memory.size()));
        let (result, failed) = self.fail(nth, || match way {
            Way::Plain => raw::write(&file.fd, target.ptr, len),
            Way::At(offset) => raw::pwrite(&file.fd, target.ptr, len, offset),
            Way::Vector(cut) if buffer.place != Place::ReadOnly => {
                raw::writev(&file.fd, &self.cut(&target, len, cut))
            }
            Way::Vector(_) => raw::writev(&file.fd, &[(target.ptr, len)]),
            Way::Compat => ia32::write(&file.fd, target.ptr, len),
        });
        let must = reasons(&[
            (!file.can(OFlag::O_WRONLY), Errno::EBADF),
            (is_beyond(way, len), Errno::EINVAL),
            (target.room == 0 && len > 0, Errno::EFAULT),
        ]);
        let may = reasons(&[
            (
                target.room < len || buffer.place == Place::Kernel || failed,
                Errno::EFAULT,
            ),
            (failed, Errno::ENOMEM),
        ]);
        if let Some(written) = judge(result, &must, &may)? {
            // The VFS itself deals with empty vectors.
            self.counts.writes += u64::from(len > 0 || !matches!(way, Way::Vector(_)));
            if written > 0 {
                shared.written.store(true, Ordering::Relaxed);
            }
            ensure!(written <= target.room, "{written} bytes were written");
            let limits = shared.limits.lock().unwrap();
            ensure!(
                limits.iter().any(|&limit| written == len.min(limit)),
                "{written} bytes were written, with a limit out of {limits:?}"
            );
        }
        Ok(())
    }

    fn value(&self, value: Value) -> i32 {
        match value {
            Value::OwnThread => gettid().as_raw(),
            Value::Child => self.child.map_or(0, Pid::as_raw),
            Value::Number(number) => number,
        }
    }

    fn ioctl(&mut self, shared: &Shared, file: &File, command: &Command, nth: u8) -> Result<()> {
        let target = self.target(command.place);
        let kind = Kind::of(command.number, command.compat);
        let (input, output) = kind.sizes();
        let mut value = self.value(command.value);
        self.fill_with_canaries();
        if target.writable {
            let bytes = value.to_ne_bytes();
            let len = bytes.len().min(target.room);
            self.memory.fill(target.offset, &bytes[..len]);
        } else if target.room > 0 {
            let bytes = self.read_only.bytes(0, size_of_val(&value));
            value = i32::from_ne_bytes(bytes.try_into().expect("as many as asked for"));
        }
        if kind == Kind::SetFilter {
            shared.filters.lock().unwrap().insert(value);
        }
        // Not afterwards, when the other thread may have written one.
        let has_message = shared.has_message();
        let (result, failed) = self.fail(nth, || {
            if command.compat {
                ia32::ioctl(&file.fd, command.number, target.ptr)
            } else {
                let high_bits = if command.high_bits { 1 << 32 } else { 0 };
                raw::ioctl(&file.fd, u64::from(command.number) | high_bits, target.ptr)
            }
        });
        self.counts.ioctls += u64::from(file.is_open());
        let changes = matches!(kind, Kind::Reset | Kind::SetFilter);
        let must = reasons(&[
            (!file.is_open(), Errno::EBADF),
            (changes && !file.can(OFlag::O_WRONLY), Errno::EBADF),
            (kind == Kind::Unknown, Errno::ENOTTY),
            (target.room < input.max(output), Errno::EFAULT),
            (output > 0 && !target.writable, Errno::EFAULT),
            (kind == Kind::SetFilter && value < 0, Errno::EINVAL),
        ]);
        let success = judge(result, &must, &reasons(&[(failed, Errno::EFAULT)]))?;
        // The value was put there in any case, and a copy that fails may have done its first part.
        self.check_canaries(&target, output.max(size_of_val(&value)))?;
        if let Some(status) = success {
            ensure!(status == 0, "the command returned {status}");
            self.counts.resets += u64::from(kind == Kind::Reset);
            let answer = if output > 0 {
                self.memory.bytes(target.offset, output)
            } else {
                Vec::new()
            };
            self.check_answer(shared, kind, value, has_message, &answer)?;
        }
        Ok(())
    }

    /// Asks for many things at once.
    fn list(&mut self, file: &File, list: &List, nth: u8) -> Result<()> {
        let records = self.target(list.records);
        let (number, arguments) = self.list_arguments(list, records.ptr);
        let (ptr, room, writable) = match list.place {
            Place::Inside(offset) => {
                let room = self.arguments.size() - offset;
                (self.arguments.at(offset), room, true)
            }
            Place::BeforeEnd(len) => (self.arguments.before_end(len), len, true),
            place => {
                let target = self.target(place);
                (target.ptr, target.room, false)
            }
        };
        let start = self.arguments.size().saturating_sub(room);
        self.arguments.fill(0, &vec![0; self.arguments.size()]);
        self.fill_with_canaries();
        if writable {
            self.arguments
                .fill(start, &arguments[..arguments.len().min(room)]);
            let last = (list.size as usize).clamp(1, PAGE) - 1;
            if list.tail != 0 && last >= arguments.len() && last < room {
                self.arguments.fill(start + last, &[list.tail]);
            }
        }

        let (result, failed) = self.fail(nth, || {
            if list.compat {
                ia32::ioctl(&file.fd, number, ptr)
            } else {
                raw::ioctl(&file.fd, number.into(), ptr)
            }
        });
        self.counts.ioctls += u64::from(file.is_open());
        let is_list = list.kind != ListKind::Info;
        let needed = match list.kind {
            ListKind::Info => size_of::<uapi::procmon_info>(),
            _ => arguments.len(),
        };
        let is_whole = writable && room >= needed;
        let size = list.size as usize;
        let must = reasons(&[
            (!file.is_open(), Errno::EBADF),
            (!is_whole, Errno::EFAULT),
            (is_list && is_whole && size < arguments.len(), Errno::EINVAL),
            (is_list && is_whole && size > PAGE, Errno::E2BIG),
            (
                is_list && is_whole && self.has_tail(list, room),
                Errno::E2BIG,
            ),
            (is_list && is_whole && !is_good(list, self), Errno::EINVAL),
        ]);
        let stride = list.stride as usize;
        let reachable = if records.writable { records.room } else { 0 };
        let may = reasons(&[
            // Arguments that are strange and lead nowhere too.
            (!is_whole, Errno::EINVAL),
            (!is_whole, Errno::E2BIG),
            (is_list && reachable < stride, Errno::EFAULT),
            // What follows the arguments cannot be read.
            (is_list && size > room, Errno::EFAULT),
            (failed, Errno::EFAULT),
            (failed, Errno::ENOMEM),
        ]);
        let success = judge(result, &must, &may)?;
        if !is_list {
            return self.check_canaries(&records, 0);
        }
        if success.is_none() {
            // Records may have been written before the arguments could not be.
            let most = stride.saturating_mul(list.capacity as usize);
            return self.check_canaries(&records, most.min(reachable));
        }
        let answer = self.arguments.bytes(start, arguments.len());
        let word = |offset: usize| u32::from_ne_bytes(answer[offset..][..4].try_into().unwrap());
        let count = word(32) as usize;
        ensure!(count <= list.capacity as usize, "{count} records");
        ensure!(count * stride <= reachable, "{count} records without room");
        self.check_canaries(&records, reachable.min((count + 1) * stride))?;
        let bytes = self.memory.bytes(records.offset, count * stride);
        if list.kind == ListKind::Snapshot {
            let groups = word(8);
            ensure!(groups & !(list.groups | 1) == 0, "groups {groups:x}");
            ensure!(groups & 1 != 0, "groups {groups:x}");
            check_records(&bytes, stride, groups)
        } else {
            check_samples(&bytes, stride)
        }
    }

    /// The number of the command, and its arguments.
    fn list_arguments(&self, list: &List, records: Ptr) -> (u32, Vec<u8>) {
        let cursor = self.value(list.cursor);
        let mut bytes = Vec::new();
        let mut word = |word: u32| bytes.extend(word.to_ne_bytes());
        word(list.size);
        word(list.flags);
        let number = match list.kind {
            ListKind::Info => uapi::PROCMON_INFO,
            ListKind::Snapshot => {
                word(list.groups);
                word(cursor as u32);
                uapi::PROCMON_SNAPSHOT
            }
            ListKind::History => {
                word(cursor as u32);
                word(0);
                uapi::PROCMON_HISTORY
            }
        };
        let address = records.as_ptr() as u64;
        word(address as u32);
        word((address >> 32) as u32);
        word(list.stride);
        word(list.capacity);
        word(0);
        if list.kind == ListKind::Snapshot {
            word(list.uid);
            word(self.value(list.ppid) as u32);
            word(self.value(list.tgid) as u32);
        }
        bytes.resize(size_of::<uapi::procmon_snapshot>(), 0);
        (number, bytes)
    }

    /// Whether something is set that the module does not know.
    fn has_tail(&self, list: &List, room: usize) -> bool {
        let known = size_of::<uapi::procmon_snapshot>();
        let size = list.size as usize;
        list.tail != 0 && size > known && size <= PAGE.min(room)
    }

    fn check_answer(
        &self,
        shared: &Shared,
        kind: Kind,
        value: i32,
        has_message: bool,
        answer: &[u8],
    ) -> Result<()> {
        let int = |offset: usize| i32::from_ne_bytes(answer[offset..][..4].try_into().unwrap());
        match kind {
            Kind::Reset | Kind::SetFilter | Kind::Unknown => {}
            Kind::GetCount => {
                let count = usize::try_from(int(0))?;
                ensure!(count <= MAX_BUFFER, "a message of {count} bytes");
                ensure!(count > 0 || !has_message, "no message");
            }
            Kind::GetStats { compat } => {
                let filter = int(if compat { 16 } else { 32 });
                let filters = shared.filters.lock().unwrap();
                ensure!(filters.contains(&filter), "filter {filter} of {filters:?}");
                if !compat {
                    ensure!(int(36) == 0, "padding that is not zero");
                }
            }
            Kind::QueryPid { .. } => {
                let (pid, comm, state) = (int(0), &answer[4..20], int(20));
                let vsize = answer[24..].iter().any(|&byte| byte != 0);
                ensure!(pid == value, "the PID has become {pid}");
                let len = comm.iter().position(|&byte| byte == 0);
                let len = len.context("a name without an end")?;
                ensure!(comm[len..].iter().all(|&byte| byte == 0), "name {comm:?}");
                ensure!(STATES.contains(&state), "state {state}");
                if state == uapi::PROCMON_STATE_NOT_FOUND {
                    ensure!(len == 0 && !vsize, "data of a process that there is not");
                }
                if pid == gettid().as_raw() {
                    let name = prctl::get_name().context("PR_GET_NAME")?;
                    ensure!(
                        name.to_bytes() == &comm[..len],
                        "{name:?} is called {comm:?}"
                    );
                    ensure!(state == uapi::PROCMON_STATE_RUNNING && vsize, "own process");
                }
                if pid > 0 && pid == self.child.map_or(0, Pid::as_raw) {
                    ensure!(state != uapi::PROCMON_STATE_NOT_FOUND, "no child process");
                }
            }
        }
        Ok(())
    }

    fn read_attribute(&mut self, path: &str, nth: u8) -> Result<()> {
        self.fill_with_canaries();
        let (result, failed) = self.fail(nth, || {
            let file = fcntl::open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
            raw::read(&file, self.memory.start(), PAGE)
        });
        let may = reasons(&[(failed, Errno::ENOMEM), (failed, Errno::EFAULT)]);
        let Some(len) = judge(result, &[], &may)? else {
            return Ok(());
        };
        let text = String::from_utf8(self.memory.bytes(0, len))?;
        let content = text.strip_suffix('\n').context("no end of line")?;
        match path.rsplit('/').next() {
            Some("stats") => drop(content.parse::<sysfs::Stats>()?),
            Some("monitor") => drop(content.parse::<sysfs::Monitor>()?),
            _ => drop(content.parse::<u32>()?),
        }
        Ok(())
    }

    fn set_parameter(
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

    fn end_child(&mut self) {
        if let Some(child) = self.child.take() {
            kill(child, Signal::SIGKILL).expect("the child is there until it is waited for");
            waitpid(child, None).expect("the child is there");
        }
    }
}

/// Whether the arguments of a list are as they should be, but for their size.
fn is_good(list: &List, caller: &Caller) -> bool {
    const FLAGS: u32 = uapi::PROCMON_SNAPSHOT_THREADS
        | uapi::PROCMON_SNAPSHOT_NO_KTHREADS
        | uapi::PROCMON_SNAPSHOT_BY_UID
        | uapi::PROCMON_SNAPSHOT_BY_PPID
        | uapi::PROCMON_SNAPSHOT_BY_TGID;
    const GROUPS: u32 = Groups::all().bits();

    let least = match list.kind {
        ListKind::Snapshot => uapi::PROCMON_RECORD_STRIDE_MIN,
        _ => uapi::PROCMON_SAMPLE_STRIDE_MIN,
    };
    let stride_is_good = (least..=4096).contains(&list.stride) && list.stride.is_multiple_of(8);
    match list.kind {
        ListKind::Info => true,
        ListKind::History => list.flags == 0 && stride_is_good,
        ListKind::Snapshot => {
            let is_used = |flag| list.flags & flag != 0;
            list.flags & !FLAGS == 0
                && list.groups & !GROUPS == 0
                && list.capacity > 0
                && stride_is_good
                && caller.value(list.cursor) >= 0
                && (is_used(uapi::PROCMON_SNAPSHOT_BY_UID) || list.uid == 0)
                && (is_used(uapi::PROCMON_SNAPSHOT_BY_PPID) || caller.value(list.ppid) == 0)
                && (is_used(uapi::PROCMON_SNAPSHOT_BY_TGID) || caller.value(list.tgid) == 0)
        }
    }
}

/// Checks records of a snapshot that was to have these groups.
fn check_records(bytes: &[u8], stride: usize, groups: u32) -> Result<()> {
    const RECORD: usize = size_of::<uapi::procmon_record>();

    let mut previous = 0;
    for record in bytes.chunks_exact(stride) {
        let word = |offset: usize| u32::from_ne_bytes(record[offset..][..4].try_into().unwrap());
        let pid = word(4) as i32;
        ensure!(pid > previous, "PID {pid} after {previous}");
        previous = pid;
        ensure!(word(0) & !groups == 0, "groups {:x} of {groups:x}", word(0));
        ensure!(STATES.contains(&(word(16) as i32)), "state {}", word(16));
        let comm = &record[28..44];
        let len = comm.iter().position(|&byte| byte == 0);
        let len = len.context("a name without an end")?;
        ensure!(comm[len..].iter().all(|&byte| byte == 0), "name {comm:?}");
        // Of groups that are not there all is zero.
        for (group, range) in [(1, 44..80), (2, 80..96), (3, 96..112), (4, 112..144)] {
            let is_there = word(0) & (1 << group) != 0;
            let fields = record.get(range).unwrap_or_default();
            ensure!(
                is_there || fields.iter().all(|&byte| byte == 0),
                "group {group} is filled in"
            );
        }
        let rest = record.get(RECORD..).unwrap_or_default();
        ensure!(rest.iter().all(|&byte| byte == 0), "bytes behind a record");
    }
    Ok(())
}

fn check_samples(bytes: &[u8], stride: usize) -> Result<()> {
    const SAMPLE: usize = size_of::<uapi::procmon_sample>();

    let mut expected = None;
    for sample in bytes.chunks_exact(stride) {
        let sequence = u64::from_ne_bytes(sample[..8].try_into()?);
        ensure!(
            sequence == expected.unwrap_or(sequence),
            "sample {sequence}"
        );
        expected = Some(sequence + 1);
        let flags = u32::from_ne_bytes(sample[16..20].try_into()?);
        ensure!(flags < 3, "flags {flags}");
        ensure!(sample[44..48] == [0; 4], "reserved bytes");
        let process = &sample[48..SAMPLE];
        ensure!(
            flags != 0 || process.iter().all(|&byte| byte == 0),
            "a process in a sample without one"
        );
        ensure!(
            sample[SAMPLE..].iter().all(|&byte| byte == 0),
            "bytes behind a sample"
        );
    }
    Ok(())
}

/// Whether that begins or ends where no file can be.
fn is_beyond(way: Way, len: usize) -> bool {
    matches!(way, Way::At(offset) if offset < 0 || offset > i64::MAX - len as i64)
}

/// A process that waits until it is killed, or one that has ended and is not waited for.
fn start_child(ends: bool) -> Result<Pid> {
    // SAFETY: The child makes nothing but system calls, whatever locks the other thread may hold.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { child } => Ok(child),
        // SAFETY: This refers to no memory, and does not return.
        ForkResult::Child if ends => unsafe { libc::_exit(0) },
        ForkResult::Child => loop {
            pause();
        },
    }
}

/// What the module takes a command for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Reset,
    GetCount,
    GetStats { compat: bool },
    SetFilter,
    QueryPid { compat: bool },
    Unknown,
}

impl Kind {
    fn of(number: u32, compat: bool) -> Self {
        match (number, compat) {
            (uapi::PROCMON_RESET, _) => Self::Reset,
            (uapi::PROCMON_GET_COUNT, _) => Self::GetCount,
            (uapi::PROCMON_SET_FILTER, _) => Self::SetFilter,
            (uapi::PROCMON_GET_STATS, false) | (uapi::PROCMON_GET_STATS32, true) => {
                Self::GetStats { compat }
            }
            (uapi::PROCMON_QUERY_PID, false) | (uapi::PROCMON_QUERY_PID32, true) => {
                Self::QueryPid { compat }
            }
            _ => Self::Unknown,
        }
    }

    /// How many bytes the kernel reads and writes.
    fn sizes(self) -> (usize, usize) {
        match self {
            Self::Reset | Self::Unknown => (0, 0),
            Self::GetCount => (0, 4),
            Self::GetStats { compat: false } => (0, size_of::<uapi::procmon_stats>()),
            Self::GetStats { compat: true } => (0, size_of::<uapi::procmon_stats32>()),
            Self::SetFilter => (4, 0),
            Self::QueryPid { compat: false } => {
                let size = size_of::<uapi::procmon_query>();
                (size, size)
            }
            Self::QueryPid { compat: true } => {
                let size = size_of::<uapi::procmon_query32>();
                (size, size)
            }
        }
    }
}

const STATES: [i32; 10] = [
    uapi::PROCMON_STATE_NOT_FOUND,
    uapi::PROCMON_STATE_RUNNING,
    uapi::PROCMON_STATE_SLEEPING,
    uapi::PROCMON_STATE_DISK_SLEEP,
    uapi::PROCMON_STATE_STOPPED,
    uapi::PROCMON_STATE_TRACED,
    uapi::PROCMON_STATE_DEAD,
    uapi::PROCMON_STATE_ZOMBIE,
    uapi::PROCMON_STATE_PARKED,
    uapi::PROCMON_STATE_IDLE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_judged_by_the_reasons_to_fail() {
        let (must, may) = (&[Errno::EBADF][..], &[Errno::ENOMEM][..]);
        assert_eq!(judge(Ok(5), &[], may).unwrap(), Some(5));
        assert_eq!(judge::<()>(Err(Errno::ENOMEM), &[], may).unwrap(), None);
        assert_eq!(judge::<()>(Err(Errno::EBADF), must, &[]).unwrap(), None);
        assert!(judge(Ok(5), must, may).is_err());
        assert!(judge::<()>(Err(Errno::EFAULT), must, may).is_err());
    }

    #[test]
    fn commands_are_those_of_the_caller_s_word_size() {
        let kind = Kind::of(uapi::PROCMON_GET_STATS32, true);
        assert_eq!(kind, Kind::GetStats { compat: true });
        assert_eq!(Kind::of(uapi::PROCMON_GET_STATS32, false), Kind::Unknown);
        assert_eq!(Kind::of(uapi::PROCMON_QUERY_PID, true), Kind::Unknown);
        assert_eq!(Kind::of(uapi::PROCMON_RESET, true), Kind::Reset);
    }

    #[test]
    fn patterns_go_on_where_they_were_cut() {
        let whole = pattern(249, 600);
        assert_eq!(whole[..3], [249, 250, 0]);
        assert_eq!(whole[300..], pattern(whole[300], 300));
    }
}
