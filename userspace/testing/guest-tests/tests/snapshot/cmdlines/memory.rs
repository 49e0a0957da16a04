// SPDX-License-Identifier: GPL-2.0-only

//! Arguments in memory that is unusual, or that changes.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread;

use fixture::child::{Child, at_rest_after};
use fixture::memory::{PAGE, Region};
use fixture::{eventually, procfs, shared};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount, umount};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous};
use procmon::MAX_ARGUMENTS;

use super::{arguments_of, cmdline, snapshot};
use crate::snapshot::own_pid;

/// Returns the addresses of this process' arguments and of its environment.
fn places() -> [usize; 4] {
    // arg_start, arg_end, env_start and env_end.
    [48, 49, 50, 51].map(|field| procfs::number(own_pid(), field).unwrap())
}

/// Writes a title in the place of the arguments, as setproctitle(3) does.
pub fn set_title(title: &[u8]) {
    let [start, _, _, end] = places();
    assert!(title.len() < end - start);
    // SAFETY: The memory is that of this process, which reads neither its arguments nor its
    // environment.
    unsafe { std::ptr::copy_nonoverlapping(title.as_ptr(), start as *mut u8, title.len()) };
}

/// A title is what /proc shows of it: it may go on in the place of the environment.
#[test]
fn titles() {
    let _kernel = shared();
    let [start, end, _, env_end] = places();
    let len = end - start;
    // The last byte of the arguments is a NUL no more.
    let mut titles = vec![vec![b'x'; len], [vec![b'y'; len], vec![0]].concat()];
    if env_end > end + 2 {
        titles.push([vec![b'z'; len + 1], vec![0]].concat());
    }
    // One that is shorter than the arguments were.
    titles.push([b"short".to_vec(), vec![0; len - 5]].concat());
    for title in titles {
        let child = at_rest_after(|| set_title(&title));
        let shown = cmdline(child.pid()).unwrap();
        assert!(shown.starts_with(&title[..5]));
        let (bytes, _) = arguments_of(child.pid(), MAX_ARGUMENTS);
        assert_eq!(
            bytes,
            shown[..shown.len().min(4096)],
            "args of a title of {len}"
        );
        let (cut, size) = arguments_of(child.pid(), 3);
        assert_eq!(cut, shown[..3]);
        assert!(size as usize >= shown.len().min(4096), "args.args_size");
        child.kill();
    }
}

/// Moves the arguments of this process elsewhere.
fn move_arguments(start: usize, end: usize) {
    for (option, address) in [
        (libc::PR_SET_MM_ARG_END, end),
        (libc::PR_SET_MM_ARG_START, start),
        (libc::PR_SET_MM_ARG_END, end),
    ] {
        // SAFETY: The kernel checks the address, and only those who look at the arguments use it.
        let result = unsafe { libc::prctl(libc::PR_SET_MM, option, address, 0, 0) };
        // The end must not be before the start, so one of the first two may be too early.
        let _ = Errno::result(result);
    }
    let [now_start, now_end, ..] = places();
    assert_eq!((now_start, now_end), (start, end));
}

/// Maps a page of 16 bytes of arguments of this process, of a file or without one.
pub fn map_arguments(file: Option<&fs::File>) -> usize {
    let length = PAGE.try_into().unwrap();
    // SAFETY: A new mapping, which lives as long as the process.
    let page = unsafe {
        match file {
            Some(file) => mmap(
                None,
                length,
                ProtFlags::PROT_READ,
                MapFlags::MAP_PRIVATE,
                file,
                0,
            ),
            None => mmap_anonymous(None, length, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE),
        }
    };
    let start = page.unwrap().as_ptr() as usize;
    move_arguments(start, start + 16);
    start
}

/// Memory of files, which may be on a file system in user space, is not looked at.
#[test]
fn arguments_in_a_file() {
    let _kernel = shared();
    let child = at_rest_after(|| {
        let file = fs::File::open("/bin/busybox").unwrap();
        let start = map_arguments(Some(&file));
        // SAFETY: The page is mapped. Once read, it is present.
        unsafe { std::ptr::read_volatile(start as *const u8) };
    });
    assert_eq!(cmdline(child.pid()).unwrap(), b"");
    for _ in 0..100 {
        assert_eq!(snapshot(256).arguments(child.pid()), None, "args of a file");
    }
}

/// Memory that is not present stays so: no page of another process is brought in.
#[test]
fn arguments_that_are_not_present() {
    let _kernel = shared();
    let child = at_rest_after(|| {
        map_arguments(None);
    });
    // The flag of a page that is present, in /proc/PID/pagemap, which some kernels lack.
    let is_present = || {
        let start: u64 = procfs::number(child.pid(), 48).unwrap();
        let pagemap = fs::File::open(format!("/proc/{}/pagemap", child.pid())).ok()?;
        let mut entry = [0; 8];
        pagemap
            .read_exact_at(&mut entry, start / PAGE as u64 * 8)
            .unwrap();
        Some(u64::from_ne_bytes(entry) >> 63 == 1)
    };
    for _ in 0..100 {
        let snapshot = snapshot(256);
        assert_ne!(is_present(), Some(true), "the page was brought in");
        assert_eq!(
            snapshot.arguments(child.pid()),
            None,
            "args that are not there"
        );
    }
    // /proc brings it in.
    assert_eq!(cmdline(child.pid()).unwrap(), [0; 16]);
    assert_ne!(is_present(), Some(false));
    assert_eq!(arguments_of(child.pid(), 256).0, [0; 16]);
}

/// A process with a file of a file system of its own in its memory, which can be taken down when
/// nothing keeps that memory any more.
pub struct Mapped {
    directory: PathBuf,
    pub child: Child,
}

impl Mapped {
    pub fn new() -> Self {
        let directory = std::env::temp_dir().join("mapped");
        fs::create_dir_all(&directory).unwrap();
        mount(
            Some("tmpfs"),
            &directory,
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        )
        .unwrap();
        let path = directory.join("file");
        fs::write(&path, [7; PAGE]).unwrap();
        let child = at_rest_after(|| {
            let file = fs::File::open(&path).unwrap();
            // SAFETY: A new mapping, which lives as long as the process.
            let page = unsafe {
                let length = PAGE.try_into().unwrap();
                mmap(
                    None,
                    length,
                    ProtFlags::PROT_READ,
                    MapFlags::MAP_PRIVATE,
                    &file,
                    0,
                )
            };
            page.unwrap();
        });
        Self { directory, child }
    }

    /// Ends the process, and waits for the end of its memory.
    pub fn end(self) {
        assert_eq!(umount(&self.directory), Err(Errno::EBUSY));
        self.child.kill();
        // The last reference may be given back by a worker.
        eventually("the end of its memory", || umount(&self.directory).is_ok());
        fs::remove_dir(&self.directory).unwrap();
    }
}

/// When a process has ended, nothing keeps its memory.
#[test]
fn no_address_space_is_kept() {
    let _kernel = shared();
    let mapped = Mapped::new();
    for _ in 0..10 {
        arguments_of(mapped.child.pid(), 256);
    }
    mapped.end();
}

/// While a process changes its memory all the time, its arguments are the right ones or none, and
/// often there.
#[test]
fn a_process_that_changes_its_memory() {
    let _kernel = shared();
    let child = Child::spawn(|| {
        let change = || {
            loop {
                drop(Region::new(PAGE));
            }
        };
        let threads = [(); 3].map(|()| thread::spawn(change));
        for thread in threads {
            let _ = thread.join();
        }
    });
    let expected = cmdline(own_pid()).unwrap();
    let mut found = 0;
    eventually("arguments, a hundred times", || {
        if let Some(arguments) = snapshot(MAX_ARGUMENTS).arguments(child.pid()) {
            assert_eq!(arguments.as_bytes(), &expected[..expected.len().min(4096)]);
            found += 1;
        }
        found >= 100
    });
}
