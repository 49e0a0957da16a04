// SPDX-License-Identifier: GPL-2.0-only

//! The files of /proc that are read at each refresh: they stay open, and one system call reads
//! each of them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::str;

use super::cpu::Cpus;
use super::memory::Memory;
use super::pressure::{Pressure, Stall};
use super::{System, parse_load};

/// The size of the buffer at first. It grows to that of the largest file, `/proc/stat`.
const BUFFER: usize = 8192;

/// The open files.
pub struct Reader {
    load: Source,
    stat: Source,
    memory: Source,
    cpu_pressure: Source,
    memory_pressure: Source,
    io_pressure: Source,
    buffer: Vec<u8>,
}

impl Reader {
    /// Opens the files. The numbers of those that do not exist are absent.
    pub fn new() -> Self {
        Self {
            load: Source::open("/proc/loadavg"),
            stat: Source::open("/proc/stat"),
            memory: Source::open("/proc/meminfo"),
            cpu_pressure: Source::open("/proc/pressure/cpu"),
            memory_pressure: Source::open("/proc/pressure/memory"),
            io_pressure: Source::open("/proc/pressure/io"),
            buffer: vec![0; BUFFER],
        }
    }

    /// Opens only those with the use of CPUs and memory.
    pub fn of_use() -> Self {
        Self {
            load: Source(None),
            stat: Source::open("/proc/stat"),
            memory: Source::open("/proc/meminfo"),
            cpu_pressure: Source(None),
            memory_pressure: Source(None),
            io_pressure: Source(None),
            buffer: vec![0; BUFFER],
        }
    }

    pub fn read(&mut self) -> System {
        let buffer = &mut self.buffer;
        System {
            load: parse_load(self.load.read(buffer)),
            cpus: Cpus::parse(self.stat.read(buffer)),
            memory: Memory::parse(self.memory.read(buffer)),
            pressure: Pressure {
                cpu: Stall::parse(self.cpu_pressure.read(buffer)),
                memory: Stall::parse(self.memory_pressure.read(buffer)),
                io: Stall::parse(self.io_pressure.read(buffer)),
            },
        }
    }
}

/// A file, unless it cannot be opened.
struct Source(Option<File>);

impl Source {
    fn open(path: &str) -> Self {
        Self(File::open(path).ok())
    }

    /// Reads the file from its beginning. One that cannot be read is empty, as those of
    /// `/proc/pressure` are with `psi=0`.
    fn read<'a>(&self, buffer: &'a mut Vec<u8>) -> &'a str {
        let Some(file) = &self.0 else {
            return "";
        };
        let mut length = file.read_at(buffer, 0).unwrap_or(0);
        // One call reads all that fits: the file may go on after a full buffer only.
        while length == buffer.len() {
            buffer.resize(2 * length, 0);
            length = file.read_at(buffer, 0).unwrap_or(0);
        }
        str::from_utf8(&buffer[..length]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn files_are_read_whole_each_time() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let source = Source::open(file.path().to_str().unwrap());
        let mut buffer = vec![0; 4];
        assert_eq!(source.read(&mut buffer), "");
        for text in ["abc", "d", "efghijklmnop"] {
            file.write_all(text.as_bytes()).unwrap();
        }
        for _ in 0..2 {
            assert_eq!(source.read(&mut buffer), "abcdefghijklmnop");
        }
        file.as_file().set_len(2).unwrap();
        assert_eq!(source.read(&mut buffer), "ab");
        assert_eq!(Source::open("/nonexistent").read(&mut buffer), "");
        // A directory can be opened, but not read.
        assert_eq!(Source::open("/").read(&mut buffer), "");
    }

    #[test]
    fn this_kernel_has_numbers() {
        let system = Reader::new().read();
        assert!(system.memory.total > 0);
        assert!(!system.cpus.each.is_empty());
    }
}
