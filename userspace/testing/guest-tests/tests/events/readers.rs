// SPDX-License-Identifier: GPL-2.0-only

//! Readers of different speed: the events that each has got and those that it has lost are all.

use std::ffi::{c_int, c_void};
use std::fs::{self, File};
use std::io::{Read, Write, pipe};
use std::mem::offset_of;
use std::thread;
use std::time::Duration;

use fixture::child::Child;
use fixture::memory::{PAGE, Region};
use fixture::procfs::{self, forks};
use fixture::raw::bytes_of;
use fixture::{eventually, is_long, is_own_kernel, is_very_long, loaded, open, raw};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};
use procmon::uapi;

use super::vfork;

const TYPES: usize = uapi::PROCMON_EVENT_TYPES as usize;

/// The name that the test gives itself in the end.
const END: &str = "the end";

/// An open file that reads all classes of events, by raw calls: the library has a buffer of its own
/// size.
struct Reader {
    file: File,
    arguments: Region,
    buffer: Region,
    capacity: usize,
    /// Bytes of events that a call waits for.
    min_bytes: u32,
    /// The sequence number of the next event.
    next: u64,
    counts: Counts,
}

/// The results of a call.
struct Results {
    events: Vec<u8>,
    sequence: u64,
    lost: u64,
}

/// The number of events of each type that a reader has got, and of those that it has lost.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// The sequence number of the first event.
    first: u64,
    /// That of the last one, which is neither among the got nor among the lost ones.
    last: u64,
    got: [u64; TYPES],
    lost: [u64; TYPES],
}

impl Counts {
    /// Returns the number of all events of a type.
    fn of(&self, kind: u32) -> u64 {
        self.got[kind as usize] + self.lost[kind as usize]
    }

    fn words(&self) -> Vec<u64> {
        [&[self.first, self.last], &self.got[..], &self.lost[..]].concat()
    }

    fn from_words(words: &[u64]) -> Self {
        let (places, counts) = words.split_at(2);
        let (got, lost) = counts.split_at(TYPES);
        Self {
            first: places[0],
            last: places[1],
            got: got.try_into().unwrap(),
            lost: lost.try_into().unwrap(),
        }
    }
}

/// Returns the number at an offset.
fn number(bytes: &[u8], offset: usize) -> u64 {
    u64::from_ne_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

impl Reader {
    /// Opens the device, for events from now on.
    fn new(capacity: usize, min_bytes: u32) -> Self {
        let mut reader = Self {
            file: open(),
            arguments: Region::new(PAGE),
            buffer: Region::new(capacity),
            capacity,
            min_bytes,
            next: 0,
            counts: Counts::default(),
        };
        reader.next = reader.call(0).unwrap().sequence;
        reader.counts.first = reader.next;
        reader
    }

    /// Makes a call that waits at most for a moment.
    fn call(&self, capacity: usize) -> nix::Result<Results> {
        let arguments = uapi::procmon_events {
            size: size_of::<uapi::procmon_events>() as u32,
            classes: (1 << TYPES) - 1,
            buffer: self.buffer.start().as_ptr() as u64,
            capacity: u32::try_from(capacity).unwrap(),
            min_bytes: self.min_bytes,
            timeout_ms: 100,
            ..Default::default()
        };
        self.arguments.fill(0, &bytes_of(&arguments));
        let start = self.arguments.start();
        raw::ioctl(&self.file, uapi::PROCMON_EVENTS.into(), start)?;
        let results = self.arguments.bytes(0, size_of_val(&arguments));
        // The upper half is the number of events.
        let len = number(&results, offset_of!(uapi::procmon_events, bytes)) as u32;
        Ok(Results {
            events: self.buffer.bytes(0, len as usize),
            sequence: number(&results, offset_of!(uapi::procmon_events, sequence)),
            lost: number(&results, offset_of!(uapi::procmon_events, lost)),
        })
    }

    /// Reads up to the event of the test's new name.
    fn read_to_end(mut self) -> Counts {
        while self.counts.last == 0 {
            let results = match self.call(self.capacity) {
                // The reader was stopped.
                Err(Errno::EINTR) => continue,
                result => result.unwrap(),
            };
            let mut rest = &results.events[..];
            while self.counts.last == 0 && !rest.is_empty() {
                let size = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
                self.count(&rest[..size]);
                rest = &rest[size..];
            }
            if self.counts.last == 0 {
                assert_eq!(results.sequence, self.next);
                assert_eq!(results.lost, self.counts.lost.iter().sum::<u64>());
            }
        }
        self.counts
    }

    /// Counts an event, which has to follow the one before.
    fn count(&mut self, event: &[u8]) {
        let sequence = number(event, offset_of!(uapi::procmon_event, sequence));
        assert_eq!(sequence, self.next, "neither read nor told to be lost");
        match u32::from(event[offset_of!(uapi::procmon_event, type_)]) {
            uapi::PROCMON_EVENT_LOST => {
                let last = number(event, offset_of!(uapi::procmon_event_lost, last));
                let mut all = 0;
                for (kind, lost) in self.counts.lost.iter_mut().enumerate() {
                    let counts = offset_of!(uapi::procmon_event_lost, counts);
                    let count = number(event, counts + 8 * kind);
                    *lost += count;
                    all += count;
                }
                assert_eq!(all, last - sequence + 1, "all classes are wanted");
                self.next = last + 1;
            }
            uapi::PROCMON_EVENT_COMM
                if event[offset_of!(uapi::procmon_event_comm, comm)..]
                    .starts_with(END.as_bytes()) =>
            {
                self.counts.last = sequence;
            }
            kind => {
                self.counts.got[kind as usize] += 1;
                self.next = sequence + 1;
            }
        }
    }

    /// Reads in a process of its own, which writes its counts in the end.
    fn start(self, report: impl Write) -> Child {
        Self::start_with(|| self, report)
    }

    /// Like [`start`](Self::start), with a reader that the process makes.
    fn start_with(make: impl FnOnce() -> Self, mut report: impl Write) -> Child {
        Child::spawn(move || {
            let words = make().read_to_end().words();
            let bytes: Vec<_> = words.into_iter().flat_map(u64::to_ne_bytes).collect();
            report.write_all(&bytes).unwrap();
        })
    }
}

/// The tasks of the machine by the kernel's own account.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tasks {
    /// Those that were made since boot.
    made: u64,
    /// Those of them that were reaped.
    reaped: u64,
}

impl Tasks {
    fn now() -> Self {
        let made = forks();
        let loadavg = fs::read_to_string("/proc/loadavg").unwrap();
        let (_, tasks) = loadavg.split_once('/').unwrap();
        let there: u64 = tasks.split(' ').next().unwrap().parse().unwrap();
        Self {
            made,
            reaped: made - there,
        }
    }

    /// Returns the account when nothing is made and nothing ends.
    fn at_rest() -> Self {
        let mut tasks = Self::now();
        eventually("no task begins or ends", || {
            thread::sleep(Duration::from_millis(10));
            let before = tasks;
            tasks = Self::now();
            tasks == before
        });
        tasks
    }
}

/// Makes processes that end at once, as fast as all CPUs can, and returns when they have ended.
fn make(processes: u32) {
    extern "C" fn end(_: *mut c_void) -> c_int {
        0
    }

    Child::spawn(|| {
        // So that they need no wait.
        // SAFETY: There is no handler.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let stack = Region::new(4 * PAGE);
                    for _ in 0..processes / 2 {
                        vfork(&stack, end);
                    }
                });
            }
        });
    })
    .join();
}

/// While processes begin and end as fast as the guest can, each of four readers gets all events but
/// those that the module says it has lost: a fast one, one whose buffer takes few events, one that
/// is stopped for a second, and one that comes late. The kernel's own numbers of tasks are the
/// witness.
#[test]
fn readers_of_different_speed() {
    let (processes, ring) = match (is_long(), is_own_kernel()) {
        _ if is_very_long() => (200_000, 1024),
        (true, false) => (12_000, 64),
        (true, true) => (1_200, 64),
        (false, false) => (3_000, 64),
        (false, true) => (600, 64),
    };
    let (_kernel, _module) = loaded(&format!("events_kb={ring}"));
    let (before, after, readers) = loop {
        let before = Tasks::at_rest();
        let readers = [
            Reader::new(64 * 1024, 4 * 1024),
            Reader::new(1024, 1024),
            Reader::new(64 * 1024, 16 * 1024),
        ];
        let first = readers[0].counts.first;
        // The kernel makes threads at any time.
        if readers.iter().all(|reader| reader.counts.first == first) {
            break (before, Tasks::now(), readers);
        }
    };
    let (mut reports, children): (Vec<_>, Vec<_>) = readers
        .into_iter()
        .map(|reader| {
            let (report, writer) = pipe().unwrap();
            (report, reader.start(writer))
        })
        .unzip();
    make(processes / 3);
    children[2].signal(Signal::SIGSTOP);
    procfs::wait_for_state(children[2].pid(), 'T');
    // It is made at any moment of what follows.
    let (report, writer) = pipe().unwrap();
    let late = Reader::start_with(|| Reader::new(64 * 1024, 4 * 1024), writer);
    reports.push(report);
    make(processes / 3);
    thread::sleep(Duration::from_secs(1));
    children[2].signal(Signal::SIGCONT);
    make(processes / 3);
    let end = Tasks::at_rest();
    prctl::set_name(c"the end").unwrap();
    let last = Tasks::now();
    let counts: Vec<_> = reports
        .iter_mut()
        .map(|report| {
            let mut bytes = [0; 8 * (2 + 2 * TYPES)];
            report.read_exact(&mut bytes).unwrap();
            let words: Vec<_> = bytes.chunks(8).map(|word| number(word, 0)).collect();
            Counts::from_words(&words)
        })
        .collect();
    children.into_iter().chain([late]).for_each(Child::join);
    for counts in &counts {
        println!("{counts:?}");
        let all = counts.got.iter().sum::<u64>() + counts.lost.iter().sum::<u64>();
        assert_eq!(counts.first + all, counts.last, "{counts:?}");
    }
    let all = |counts: &Counts| {
        (0..TYPES as u32)
            .map(|kind| counts.of(kind))
            .collect::<Vec<_>>()
    };
    let expected = all(&counts[0]);
    for (reader, counts) in counts[..3].iter().enumerate() {
        assert_eq!(all(counts), expected, "{reader}");
        let made =
            counts.of(uapi::PROCMON_EVENT_FORK) + counts.of(uapi::PROCMON_EVENT_THREAD_START);
        let ended =
            counts.of(uapi::PROCMON_EVENT_EXIT) + counts.of(uapi::PROCMON_EVENT_THREAD_EXIT);
        // Both are single numbers, unless the kernel makes or ends a thread at that very moment.
        let range = end.made - after.made..=last.made - before.made;
        assert!(
            range.contains(&made),
            "{reader}: {made} were made, {range:?}"
        );
        let range = end.reaped - after.reaped..=last.reaped - before.reaped;
        assert!(range.contains(&ended), "{reader}: {ended} ended, {range:?}");
    }
    assert!(counts[2].lost.iter().sum::<u64>() > 0, "the stopped one");
    assert!(counts[3].first > counts[0].first, "the late one");
}
