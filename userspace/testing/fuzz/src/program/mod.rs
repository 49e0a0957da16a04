// SPDX-License-Identifier: GPL-2.0

//! What an input means: system calls for two threads.
//!
//! Any bytes are an input. Most choices take a single byte, so that small changes of the bytes are
//! small changes of the program.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Result, Unstructured};
use nix::fcntl::OFlag;
use procmon::sysfs::{ATTRIBUTES, Parameter};
use procmon::{Groups, uapi};

/// Most steps of a program, those of both threads together.
const MAX_STEPS: usize = 16;

/// How many open files there can be at a time. The threads share them.
pub const FILES: usize = 4;

/// Length of the longest buffer.
pub const MAX_BUFFER: usize = 20 << 10;

/// A decoded input.
#[derive(Debug)]
pub struct Program {
    pub steps: Vec<Step>,
}

impl Program {
    /// Decodes an input, and tells how many of its bytes mean something.
    pub fn decode(bytes: &[u8]) -> (Self, usize) {
        let mut input = Unstructured::new(bytes);
        let mut steps = Vec::new();
        while !input.is_empty() && steps.len() < MAX_STEPS {
            // Bytes that are missing at the end count as zeroes.
            steps.extend(input.arbitrary::<Step>());
        }
        (Self { steps }, bytes.len() - input.len())
    }
}

/// A system call to make, or a short series of them.
#[derive(Debug)]
pub struct Step {
    /// Which of the threads does it.
    pub second_thread: bool,
    /// Which allocation or copy is to fail meanwhile; 0 for none.
    pub fail_nth: u8,
    pub call: Call,
}

/// What to do. Files are given by their numbers, below [`FILES`].
#[derive(Debug)]
pub enum Call {
    Open {
        file: usize,
        flags: OFlag,
    },
    Close {
        file: usize,
    },
    Duplicate {
        from: usize,
        to: usize,
    },
    Read {
        file: usize,
        buffer: Buffer,
        way: Way,
    },
    Write {
        file: usize,
        buffer: Buffer,
        way: Way,
        /// The byte that the message begins with.
        first: u8,
    },
    Ioctl {
        file: usize,
        command: Command,
    },
    /// Ask for many things at once.
    List {
        file: usize,
        list: List,
    },
    ReadAttribute {
        path: &'static str,
    },
    /// Which the kernel must refuse.
    OpenAttributeForWriting {
        path: &'static str,
    },
    SetParameter {
        parameter: Parameter,
        text: String,
        number: Option<u32>,
    },
    /// Give the thread another name.
    Rename {
        name: [u8; 15],
    },
    /// Start a child process, in place of an earlier one, that waits or ends at once.
    Fork {
        ends: bool,
    },
}

/// A call of ioctl(2).
#[derive(Debug)]
pub struct Command {
    pub number: u32,
    /// Whether to call as a 32-bit process.
    pub compat: bool,
    /// Whether to set bits of the number that the kernel does not look at.
    pub high_bits: bool,
    pub place: Place,
    /// What is there.
    pub value: Value,
}

/// What is asked for by PROCMON_SNAPSHOT or PROCMON_HISTORY.
#[derive(Debug)]
pub struct List {
    pub kind: ListKind,
    /// Whether to call as a 32-bit process.
    pub compat: bool,
    /// Where the arguments are.
    pub place: Place,
    pub size: u32,
    /// The last byte of arguments that are longer than the module knows.
    pub tail: u8,
    pub flags: u32,
    pub groups: u32,
    pub cursor: Value,
    pub stride: u32,
    pub capacity: u32,
    pub uid: u32,
    pub ppid: Value,
    pub tgid: Value,
    /// Where the records are to go.
    pub records: Place,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ListKind {
    Info,
    Snapshot,
    History,
}

/// A buffer as the caller gives it.
#[derive(Debug)]
pub struct Buffer {
    pub place: Place,
    pub len: usize,
}

/// Where a pointer leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// To so many bytes behind the beginning of a region that has room for any buffer.
    Inside(usize),
    /// To so many bytes before an inaccessible page.
    BeforeEnd(usize),
    ReadOnly,
    Null,
    One,
    Kernel,
}

/// How to read or write.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// read(2) or write(2).
    Plain,
    /// pread(2) or pwrite(2).
    At(i64),
    /// readv(2) or writev(2), the buffer being cut in two at this share of its length, in 256ths.
    Vector(u8),
    /// read(2) or write(2) as a 32-bit process.
    Compat,
}

/// An integer argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    OwnThread,
    Child,
    Number(i32),
}

const OPEN_FLAGS: [OFlag; 10] = [
    OFlag::O_RDWR,
    OFlag::O_RDONLY,
    OFlag::O_WRONLY,
    OFlag::O_RDWR.union(OFlag::O_APPEND),
    OFlag::O_RDWR.union(OFlag::O_NONBLOCK),
    OFlag::O_RDWR.union(OFlag::O_TRUNC),
    OFlag::O_RDWR.union(OFlag::O_CREAT),
    OFlag::O_WRONLY.union(OFlag::O_SYNC),
    OFlag::O_PATH,
    // Which the device does not do.
    OFlag::O_RDWR.union(OFlag::O_DIRECT),
];

const LENGTHS: [usize; 14] = [
    0, 1, 2, 3, 7, 100, 1023, 1024, 1025, 4095, 4096, 4097, 8192, MAX_BUFFER,
];

const OFFSETS: [i64; 12] = [
    0,
    1,
    2,
    3,
    100,
    1023,
    1024,
    4096,
    1 << 40,
    i64::MAX,
    -1,
    i64::MIN,
];

const COMMANDS: [u32; 7] = [
    uapi::PROCMON_RESET,
    uapi::PROCMON_GET_COUNT,
    uapi::PROCMON_GET_STATS,
    uapi::PROCMON_GET_STATS32,
    uapi::PROCMON_SET_FILTER,
    uapi::PROCMON_QUERY_PID,
    uapi::PROCMON_QUERY_PID32,
];

/// Commands of nobody.
const FOREIGN_COMMANDS: [u32; 4] = [0, u32::MAX, 0x5100, 0xc020_5104];

/// Attributes that no process can write.
const READ_ONLY_ATTRIBUTES: [&str; 3] = ["stats", "buffer_size", "monitor"];

/// The paths of all attributes, first of the read-only ones, then of the parameters.
static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let attributes = READ_ONLY_ATTRIBUTES.map(|name| format!("{ATTRIBUTES}/{name}"));
    let parameters = Parameter::ALL.iter().map(|parameter| {
        let path = parameter.path().into_os_string();
        path.into_string().expect("the paths are ASCII")
    });
    attributes.into_iter().chain(parameters).collect()
});

/// A text to write to a parameter.
enum Text {
    /// The text, and its number in the eyes of the kernel.
    Fixed(&'static str, Option<u32>),
    /// A number at the limits of the parameter.
    Limit(fn(&RangeInclusive<u32>) -> u32),
}

const TEXTS: [Text; 19] = [
    Text::Fixed("1", Some(1)),
    Text::Fixed("1024", Some(1024)),
    Text::Fixed("3", Some(3)),
    Text::Fixed("100\n", Some(100)),
    Text::Fixed("0x1000", Some(4096)),
    Text::Fixed("010", Some(8)),
    Text::Fixed("+20480", Some(20480)),
    Text::Limit(|range| *range.end()),
    Text::Limit(|range| range.end() + 1),
    Text::Limit(|range| *range.start()),
    Text::Limit(|range| range.start().saturating_sub(1)),
    Text::Fixed("0", Some(0)),
    Text::Fixed("-1", None),
    Text::Fixed("4294967296", None),
    Text::Fixed("18446744073709551616", None),
    Text::Fixed("abc", None),
    Text::Fixed("5 6", None),
    Text::Fixed("0x", None),
    Text::Fixed("\n", None),
];

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        // Faults and the second thread are for the minority of the steps, and zeroes mean neither.
        let flavour: u8 = input.arbitrary()?;
        Ok(Self {
            second_thread: flavour & 3 == 3,
            fail_nth: (flavour >> 2).saturating_sub(40),
            call: input.arbitrary()?,
        })
    }
}

impl<'a> Arbitrary<'a> for Call {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let kind: u8 = input.arbitrary()?;
        // A rare kind is one that takes long.
        if kind >= 252 {
            return Ok(Self::Fork {
                ends: input.arbitrary()?,
            });
        }
        if kind >= 224 {
            return Ok(Self::List {
                file: file(input)?,
                list: input.arbitrary()?,
            });
        }
        let call = match kind % 14 {
            0 | 1 => Self::Open {
                file: file(input)?,
                flags: *input.choose(&OPEN_FLAGS)?,
            },
            2 => Self::Close { file: file(input)? },
            3 => Self::Duplicate {
                from: file(input)?,
                to: file(input)?,
            },
            4 | 5 => Self::Read {
                file: file(input)?,
                buffer: input.arbitrary()?,
                way: input.arbitrary()?,
            },
            6 | 7 => Self::Write {
                file: file(input)?,
                buffer: input.arbitrary()?,
                way: input.arbitrary()?,
                first: input.arbitrary()?,
            },
            8..=10 => Self::Ioctl {
                file: file(input)?,
                command: input.arbitrary()?,
            },
            11 => match input.int_in_range(0..=9)? {
                9 => Self::OpenAttributeForWriting {
                    path: input.choose(&PATHS[..READ_ONLY_ATTRIBUTES.len()])?,
                },
                _ => Self::ReadAttribute {
                    path: input.choose(&PATHS)?,
                },
            },
            12 => {
                let writable = Parameter::ALL.iter().filter(|each| each.is_writable());
                let parameter = **input.choose(&writable.collect::<Vec<_>>())?;
                let (text, number) = match input.choose(&TEXTS)? {
                    Text::Fixed(text, number) => ((*text).to_owned(), *number),
                    Text::Limit(of) => {
                        let number = of(&parameter.range());
                        (number.to_string(), Some(number))
                    }
                };
                Self::SetParameter {
                    parameter,
                    text,
                    number,
                }
            }
            _ => Self::Rename { name: name(input)? },
        };
        Ok(call)
    }
}

fn file(input: &mut Unstructured<'_>) -> Result<usize> {
    input.choose_index(FILES)
}

/// A name of up to 15 bytes, the first one of which is not 0.
fn name(input: &mut Unstructured<'_>) -> Result<[u8; 15]> {
    let len = input.int_in_range(1..=15)?;
    let mut name = [0; 15];
    name[..len].fill_with(|| input.arbitrary().unwrap_or(b'x'));
    Ok(name)
}

impl<'a> Arbitrary<'a> for Command {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let flags: u8 = input.arbitrary()?;
        let kind: u8 = input.arbitrary()?;
        let known = COMMANDS[usize::from(kind) % COMMANDS.len()];
        let number = match kind {
            0..=223 => known,
            // The size, the direction or the number is another one. The magic number stays what it
            // is: there are commands that the kernel itself knows for any file.
            224..=247 => known ^ (1 << input.choose(&[0, 1, 2, 7, 16, 18, 20, 21, 29, 30, 31])?),
            248.. => *input.choose(&FOREIGN_COMMANDS)?,
        };
        Ok(Self {
            number,
            compat: flags & 1 != 0,
            high_bits: flags >= 250,
            place: input.arbitrary()?,
            value: input.arbitrary()?,
        })
    }
}

/// The groups that do not fit into a byte.
const LATER_GROUPS: u32 = Groups::all().bits() & !0xff;

const LIST_SIZES: [u32; 8] = [56, 64, 120, 4096, 4097, 55, 0, u32::MAX];

/// Sizes of records, those of groups, and what is none.
const STRIDES: [u32; 14] = [
    192, 232, 48, 80, 112, 144, 176, 184, 256, 4096, 0, 40, 188, 4104,
];

const CAPACITIES: [u32; 8] = [64, 1, 2, 65, 20, 1000, 0, u32::MAX];

impl<'a> Arbitrary<'a> for List {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        // Zeroes are what is good, and most else is too.
        let flavour: u8 = input.arbitrary()?;
        let strange = flavour >= 192;
        let kind = match flavour & 7 {
            7 => ListKind::Info,
            4..=6 => ListKind::History,
            _ => ListKind::Snapshot,
        };
        let usual = if kind == ListKind::History { 240 } else { 192 };
        let mut list = Self {
            kind,
            compat: flavour & 8 != 0,
            place: input.arbitrary()?,
            size: 56,
            tail: 0,
            flags: 0,
            // The first eight groups and, by a spare bit, the others.
            groups: u32::from(input.arbitrary::<u8>()?)
                | if flavour & 16 != 0 { LATER_GROUPS } else { 0 },
            cursor: Value::Number(0),
            stride: usual,
            capacity: *input.choose(&CAPACITIES)?,
            uid: 0,
            ppid: Value::Number(0),
            tgid: Value::Number(0),
            records: input.arbitrary()?,
        };
        if kind == ListKind::Snapshot {
            list.flags = u32::from(input.arbitrary::<u8>()? & 31);
            if list.flags & uapi::PROCMON_SNAPSHOT_BY_UID != 0 {
                list.uid = input.int_in_range(0..=1)?;
            }
            if list.flags & uapi::PROCMON_SNAPSHOT_BY_PPID != 0 {
                list.ppid = input.arbitrary()?;
            }
            if list.flags & uapi::PROCMON_SNAPSHOT_BY_TGID != 0 {
                list.tgid = input.arbitrary()?;
            }
        }
        if flavour & 16 != 0 {
            list.cursor = input.arbitrary()?;
        }
        if flavour & 32 != 0 {
            list.stride = *input.choose(&STRIDES)?;
        }
        if strange {
            list.size = *input.choose(&LIST_SIZES)?;
            list.tail = input.arbitrary::<u8>()? & 1;
            list.flags ^= 1 << input.int_in_range(0..=31)?;
            list.groups ^= 1 << input.int_in_range(0..=31)?;
        }
        Ok(list)
    }
}

impl<'a> Arbitrary<'a> for Buffer {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let place = input.arbitrary()?;
        let kind: u8 = input.arbitrary()?;
        let len = match kind {
            0..=199 => LENGTHS[usize::from(kind) % LENGTHS.len()],
            200.. => input.int_in_range(0..=MAX_BUFFER)?,
        };
        Ok(Self { place, len })
    }
}

impl<'a> Arbitrary<'a> for Place {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let kind: u8 = input.arbitrary()?;
        Ok(match kind {
            0..=127 => Self::Inside(0),
            128..=159 => Self::Inside(kind.into()),
            160..=219 => Self::BeforeEnd(usize::from(kind - 160)),
            220..=227 => Self::ReadOnly,
            228..=239 => Self::Null,
            240..=247 => Self::One,
            248.. => Self::Kernel,
        })
    }
}

impl<'a> Arbitrary<'a> for Way {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let kind: u8 = input.arbitrary()?;
        Ok(match kind {
            0..=127 => Self::Plain,
            128..=191 => Self::At(OFFSETS[usize::from(kind) % OFFSETS.len()]),
            192..=223 => Self::Vector(input.arbitrary()?),
            224.. => Self::Compat,
        })
    }
}

impl<'a> Arbitrary<'a> for Value {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let kind: u8 = input.arbitrary()?;
        Ok(match kind {
            0..=63 => Self::Number(kind.into()),
            64..=143 => Self::OwnThread,
            144..=207 => Self::Child,
            _ => Self::Number(*input.choose(&[-1, i32::MIN, i32::MAX, 4_194_304, -4096])?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_programs() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..1000 {
            let bytes = crate::mutate::fresh(&mut rng);
            let (program, used) = Program::decode(&bytes);
            assert!(!program.steps.is_empty() && program.steps.len() <= MAX_STEPS);
            assert!(used <= bytes.len());
            // What is left out has no meaning.
            let (again, _) = Program::decode(&bytes[..used]);
            assert_eq!(format!("{program:?}"), format!("{again:?}"));
        }
        assert!(Program::decode(&[]).0.steps.is_empty());
    }
}
