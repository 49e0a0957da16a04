// SPDX-License-Identifier: GPL-2.0-only

//! The whole names of kernel threads.
//!
//! The kernel keeps 15 bytes of a name in `task_struct.comm`, from which the module takes it. For
//! kernel threads it has more, which it shows in `/proc/PID/comm`: the rest of a long name, and the
//! work of a workqueue's worker, as in `kworker/0:0H-events_highpri`.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Returns the whole name of a kernel thread whose name in a record is `comm`.
///
/// The result is `comm` if `/proc` does not have the thread, or has another one by now: a whole
/// name always begins with the short one. A thread that has ID and name of one that ended is taken
/// for it; kernel threads of equal names do the same work.
///
/// Reads one file in `/proc` where the name may be longer, so it is meant for names that are shown,
/// not for all of a snapshot.
#[must_use]
pub fn whole_name(pid: i32, comm: &OsStr) -> Cow<'_, OsStr> {
    whole_name_in(Path::new("/proc"), pid, comm)
}

fn whole_name_in<'a>(proc: &Path, pid: i32, comm: &'a OsStr) -> Cow<'a, OsStr> {
    /// The size of `task_struct.comm` without its NUL.
    const LONGEST: usize = 15;

    let bytes = comm.as_bytes();
    if bytes.len() < LONGEST && !bytes.starts_with(b"kworker/") {
        return Cow::Borrowed(comm);
    }
    match read(&proc.join(pid.to_string()).join("comm")) {
        Some(name) if name.as_bytes().starts_with(comm.as_bytes()) => Cow::Owned(name),
        _ => Cow::Borrowed(comm),
    }
}

fn read(path: &Path) -> Option<OsString> {
    /// More than the kernel's own limit, which is 64 bytes for a worker.
    const LONGEST: u64 = 256;

    let mut name = Vec::new();
    File::open(path)
        .ok()?
        .take(LONGEST)
        .read_to_end(&mut name)
        .ok()?;
    // The kernel adds one line break; any other one is a part of the name.
    name.pop_if(|&mut last| last == b'\n');
    Some(OsString::from_vec(name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_name_is_completed_if_it_is_the_same_thread() {
        let proc = tempfile::tempdir().unwrap();
        let file = |pid: &str, comm: &[u8]| {
            fs::create_dir(proc.path().join(pid)).unwrap();
            fs::write(proc.path().join(pid).join("comm"), comm).unwrap();
        };
        file("17", b"kworker/0:0H-events_highpri\n");
        file("18", b"bash\n");
        file("19", b"odd, but of 15 \n\xff\n\n");
        file("21", b"netns-and-more\n");
        for (pid, comm, whole) in [
            (
                17,
                &b"kworker/0:0H"[..],
                &b"kworker/0:0H-events_highpri"[..],
            ),
            (17, b"kworker/1:0H", b"kworker/1:0H"),
            (18, b"rcu_tasks_kthre", b"rcu_tasks_kthre"),
            (18, b"bash", b"bash"),
            (19, b"odd, but of 15 ", b"odd, but of 15 \n\xff\n"),
            (20, b"a name of 15 by", b"a name of 15 by"),
            // A short name has no rest, so the file is not read.
            (21, b"netns", b"netns"),
        ] {
            let found = whole_name_in(proc.path(), pid, OsStr::from_bytes(comm));
            assert_eq!(found.as_bytes(), whole, "{pid}");
        }
    }

    #[test]
    fn the_name_of_a_process_stays() {
        let comm = fs::read_to_string("/proc/self/comm").unwrap();
        let comm = OsStr::new(comm.trim_end());
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(whole_name(pid, comm), comm);
        let short = OsStr::from_bytes(&comm.as_bytes()[..1]);
        assert_eq!(whole_name(pid, short), short);
        let other = OsStr::from_bytes(b"\xff");
        assert_eq!(whole_name(pid, other), other);
        assert_eq!(whole_name(i32::MAX, comm), comm);
    }
}
