// SPDX-License-Identifier: GPL-2.0-only

//! The decoding of inputs.
//!
//! Any bytes are an input. Most choices take a single byte, so that small changes of the bytes are
//! small changes of the program. The order of each list below is part of the meaning of inputs, and
//! so is the length of it.

use std::mem::offset_of;
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Result, Unstructured};
use nix::fcntl::OFlag;
use procmon::Groups;
use procmon::sysfs::{ATTRIBUTES, Parameter};
use procmon::uapi::{self, procmon_record as Record};

use super::{Buffer, Call, Command, FILES, List, MAX_BUFFER, Place, Step, Texts, Value, Way, Word};
use crate::model::command::COMMANDS;
use crate::model::list::{EVENTS_FLAGS, ListKind, MAX_SIZE, SNAPSHOT_FLAGS};

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
    // The device has no such I/O.
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

/// Numbers of no command.
const FOREIGN_COMMANDS: [u32; 4] = [0, u32::MAX, 0x5100, 0xc020_5104];

/// Attributes that no process can write.
const READ_ONLY_ATTRIBUTES: [&str; 3] = ["stats", "buffer_size", "monitor"];

/// Words for targets: names that no process has, and what is neither a name nor a PID.
const WORDS: [&str; 8] = [
    "a-name",
    "a-name-of-more-than-15-bytes",
    "0x10",
    "%d",
    "2147483648",
    "99999999999999999999",
    "-1",
    "\u{e9}t\u{e9}",
];

/// The paths of all attributes, first of the read-only ones, then of the parameters.
static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let attributes = READ_ONLY_ATTRIBUTES.map(|name| format!("{ATTRIBUTES}/{name}"));
    let parameters = Parameter::ALL.iter().map(|parameter| {
        let path = parameter.path().into_os_string();
        path.into_string().expect("the paths are ASCII")
    });
    attributes.into_iter().chain(parameters).collect()
});

/// The texts to write to parameters, each with the number that it is to the kernel.
static TEXTS: LazyLock<Vec<(String, Option<u32>)>> = LazyLock::new(|| {
    let numbers = [
        ("1", 1),
        ("1024", 1024),
        ("3", 3),
        ("100\n", 100),
        ("0x1000", 4096),
        ("010", 8),
        ("+20480", 20480),
    ];
    let others = [
        ("0", Some(0)),
        ("-1", None),
        ("4294967296", None),
        ("18446744073709551616", None),
        ("abc", None),
        ("5 6", None),
        ("0x", None),
        ("\n", None),
    ];
    let limits = writable_parameters().flat_map(|parameter| {
        let most = *parameter.range().end();
        [most, most + 1].map(|number| (number.to_string(), Some(number)))
    });
    let owned = |(text, number): (&str, _)| (text.to_owned(), number);
    let numbers = numbers.map(|(text, number)| (text, Some(number)));
    let numbers = numbers.map(owned).into_iter();
    numbers.chain(limits).chain(others.map(owned)).collect()
});

fn writable_parameters() -> impl Iterator<Item = Parameter> {
    let all = Parameter::ALL.iter().copied();
    all.filter(|parameter| parameter.is_writable())
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        // Faults and the second thread are for a minority of the steps, and zeroes mean neither.
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
        // A slow kind is a rare one.
        if kind >= 252 {
            return Ok(Self::Fork {
                ends: input.arbitrary()?,
            });
        }
        if kind >= 250 {
            return set_targets(input);
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
                let parameters: Vec<_> = writable_parameters().collect();
                let parameter = *input.choose(&parameters)?;
                let (text, number) = input.choose(&TEXTS)?.clone();
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

/// Decodes a list of targets, which may be longer than the module takes.
fn set_targets(input: &mut Unstructured<'_>) -> Result<Call> {
    let len = input.int_in_range(0..=uapi::PROCMON_TARGETS_MAX + 1)?;
    let words = (0..len).map(|_| input.arbitrary()).collect::<Result<_>>()?;
    let separator = *input.choose(&[' ', ',', '\n', '\t'])?;
    Ok(Call::SetTargets { words, separator })
}

impl<'a> Arbitrary<'a> for Word {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let kind: u8 = input.arbitrary()?;
        Ok(match kind {
            0..=127 => Self::Pid(input.arbitrary()?),
            128..=159 => Self::Kthreadd,
            _ => Self::Text(input.choose(&WORDS)?),
        })
    }
}

fn file(input: &mut Unstructured<'_>) -> Result<usize> {
    input.choose_index(FILES)
}

/// Decodes a name of 1 to 15 bytes. It ends before its first 0.
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
        let known = COMMANDS[usize::from(kind) % COMMANDS.len()].number;
        let number = match kind {
            0..=223 => known,
            // Another size, direction or number. The magic number stays the same: the kernel itself
            // has commands for any file.
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

/// Sizes that a list of this kind may be told for its arguments.
fn list_sizes(kind: ListKind) -> [u32; 8] {
    let size = kind.size() as u32;
    let max = MAX_SIZE as u32;
    [
        size,
        size + 8,
        size + 64,
        max,
        max + 1,
        size - 1,
        0,
        u32::MAX,
    ]
}

/// Sizes of elements, those up to the ends of groups, and sizes that are too small, too large or
/// not aligned.
const STRIDES: [u32; 14] = [
    size_of::<Record>() as u32,
    uapi::PROCMON_SAMPLE_STRIDE_MIN,
    uapi::PROCMON_RECORD_STRIDE_MIN,
    offset_of!(Record, uid) as u32,
    offset_of!(Record, vsize) as u32,
    offset_of!(Record, voluntary_switches) as u32,
    offset_of!(Record, cgroup_id) as u32,
    offset_of!(Record, runtime) as u32,
    256,
    MAX_SIZE as u32,
    0,
    uapi::PROCMON_RECORD_STRIDE_MIN - 8,
    size_of::<Record>() as u32 - 4,
    MAX_SIZE as u32 + 8,
];

const CAPACITIES: [u32; 8] = [64, 1, 2, 65, 20, 1000, 0, u32::MAX];

/// Sizes of the second buffer, among them those of one longest entry, and too small ones.
const TEXT_CAPACITIES: [u32; 8] = [16 << 10, 80, 200, 4112, 79, 24, 0, u32::MAX];

/// Limits of the arguments of a process, most of which are valid.
const TEXT_LIMITS: [u32; 8] = [64, 1, 40, 4095, uapi::PROCMON_ARGS_MAX, 4097, 0, u32::MAX];

impl<'a> Arbitrary<'a> for List {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        // Zeroes are valid, and so are most other bytes.
        let flavour: u8 = input.arbitrary()?;
        let strange = flavour >= 192;
        let kind = ListKind::of(flavour);
        let mut list = Self {
            kind,
            compat: flavour & 8 != 0,
            place: input.arbitrary()?,
            size: kind.size() as u32,
            tail: 0,
            flags: 0,
            // The first eight groups and, by a spare bit, the others.
            groups: u32::from(input.arbitrary::<u8>()?)
                | if flavour & 16 != 0 { LATER_GROUPS } else { 0 },
            cursor: Value::Number(0),
            stride: kind.stride() as u32,
            capacity: *input.choose(&CAPACITIES)?,
            uid: 0,
            ppid: Value::Number(0),
            tgid: Value::Number(0),
            records: input.arbitrary()?,
            args: Texts::NONE,
        };
        if kind == ListKind::Snapshot {
            // Another spare bit.
            if flavour & 32 != 0 {
                list.groups |= uapi::PROCMON_GROUP_ARGS;
                list.args = input.arbitrary()?;
            }
            let bits = u32::from(input.arbitrary::<u8>()?);
            list.flags = bits & SNAPSHOT_FLAGS;
            // If all spare bits are set.
            list.args.reserved = u32::from(bits | SNAPSHOT_FLAGS == 0xff);
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
        if kind == ListKind::Events {
            list.flags = u32::from(input.arbitrary::<u8>()?) & EVENTS_FLAGS;
            if list.flags & uapi::PROCMON_EVENTS_BY_UID != 0 {
                list.uid = input.int_in_range(0..=1)?;
            }
            if list.flags & uapi::PROCMON_EVENTS_BY_SUBTREE != 0 {
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
            list.size = *input.choose(&list_sizes(kind))?;
            list.tail = input.arbitrary::<u8>()? & 1;
            list.flags ^= 1 << input.int_in_range(0..=31)?;
            list.groups ^= 1 << input.int_in_range(0..=31)?;
        }
        Ok(list)
    }
}

impl<'a> Arbitrary<'a> for Texts {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            place: input.arbitrary()?,
            capacity: *input.choose(&TEXT_CAPACITIES)?,
            max: *input.choose(&TEXT_LIMITS)?,
            reserved: 0,
        })
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
