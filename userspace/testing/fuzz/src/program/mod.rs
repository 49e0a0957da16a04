// SPDX-License-Identifier: GPL-2.0-only

//! Programs: system calls for two threads.

mod decode;

use arbitrary::Unstructured;
use nix::fcntl::OFlag;
use procmon::sysfs::Parameter;

use crate::model::list::ListKind;

/// The largest number of steps of a program, those of both threads together.
const MAX_STEPS: usize = 16;

/// The number of files that can be open at a time. The threads share them.
pub const FILES: usize = 4;

/// The length of the longest buffer.
pub const MAX_BUFFER: usize = 20 << 10;

/// A decoded input.
#[derive(Debug)]
pub struct Program {
    pub steps: Vec<Step>,
}

impl Program {
    /// Decodes an input. Returns also the number of its bytes that have a meaning.
    pub fn decode(bytes: &[u8]) -> (Self, usize) {
        let mut input = Unstructured::new(bytes);
        let mut steps = Vec::new();
        while !input.is_empty() && steps.len() < MAX_STEPS {
            // Bytes that are missing at the end are zeroes.
            steps.extend(input.arbitrary::<Step>());
        }
        (Self { steps }, bytes.len() - input.len())
    }
}

/// A system call, or a short series of them.
#[derive(Debug)]
pub struct Step {
    /// Whether the second thread makes it, and not the first one.
    pub second_thread: bool,
    /// The number of the allocation or copy in it that fails; 0 for none.
    pub fail_nth: u8,
    pub call: Call,
}

/// The system call of a step. Files are numbers below [`FILES`].
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
        /// The first byte of the message.
        first: u8,
    },
    Ioctl {
        file: usize,
        command: Command,
    },
    /// A command that fills an array, or PROCMON_INFO.
    List {
        file: usize,
        list: List,
    },
    ReadAttribute {
        path: &'static str,
    },
    /// Open a read-only attribute for writing, which the kernel must refuse.
    OpenAttributeForWriting {
        path: &'static str,
    },
    SetParameter {
        parameter: Parameter,
        text: String,
        number: Option<u32>,
    },
    /// Write the attribute `targets`, and read it.
    SetTargets {
        words: Vec<Word>,
        separator: char,
    },
    /// Rename the thread.
    Rename {
        name: [u8; 15],
    },
    /// Start a child process in place of an earlier one. It waits, or ends at once.
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
    /// Whether to set bits of the register that the kernel ignores.
    pub high_bits: bool,
    pub place: Place,
    /// The integer at that place.
    pub value: Value,
}

/// A call with the arguments of PROCMON_SNAPSHOT, or with those that another list shares.
#[derive(Debug)]
pub struct List {
    pub kind: ListKind,
    /// Whether to call as a 32-bit process.
    pub compat: bool,
    /// The place of the arguments.
    pub place: Place,
    pub size: u32,
    /// The last byte of arguments that are longer than the module's.
    pub tail: u8,
    pub flags: u32,
    pub groups: u32,
    pub cursor: Value,
    pub stride: u32,
    pub capacity: u32,
    pub uid: u32,
    pub ppid: Value,
    pub tgid: Value,
    /// The place of the array.
    pub records: Place,
    /// The second buffer, for arguments of programs.
    pub args: Texts,
}

/// The second buffer of a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Texts {
    pub place: Place,
    pub capacity: u32,
    pub max: u32,
    /// A field that has to be 0.
    pub reserved: u32,
}

impl Texts {
    /// No buffer.
    pub const NONE: Self = Self {
        place: Place::Null,
        capacity: 0,
        max: 0,
        reserved: 0,
    };
}

/// A word of the attribute `targets`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word {
    Pid(Value),
    /// The name of a process that is there.
    Kthreadd,
    /// Another name, or a number that is no PID.
    Text(&'static str),
}

/// A buffer of the caller.
#[derive(Debug)]
pub struct Buffer {
    pub place: Place,
    pub len: usize,
}

/// The place that a pointer leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// An offset in a region that any buffer fits in.
    Inside(usize),
    /// This number of bytes before an inaccessible page.
    BeforeEnd(usize),
    ReadOnly,
    Null,
    One,
    Kernel,
}

/// The variant of a read or write.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// read(2) or write(2).
    Plain,
    /// pread(2) or pwrite(2).
    At(i64),
    /// readv(2) or writev(2), with the buffer cut in two at this share of its length, in 256ths.
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
            // The other bytes have no meaning.
            let (again, _) = Program::decode(&bytes[..used]);
            assert_eq!(format!("{program:?}"), format!("{again:?}"));
        }
        assert!(Program::decode(&[]).0.steps.is_empty());
    }
}
