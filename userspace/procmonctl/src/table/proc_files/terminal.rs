// SPDX-License-Identifier: GPL-2.0-only

//! Names of terminals by their numbers.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{major, minor};

/// The links to all character devices.
const DEVICES: &str = "/sys/dev/char";

/// `UNIX98_PTY_SLAVE_MAJOR`: the only terminals that sysfs does not have.
const PTS_MAJOR: u32 = 136;

/// Returns the name of a terminal below `/dev`, as ps(1) shows it, and `?` for none. One that sysfs
/// does not know has its number.
pub fn name(number: Option<u32>) -> Vec<u8> {
    number.map_or_else(
        || b"?".to_vec(),
        |number| name_in(Path::new(DEVICES), number),
    )
}

fn name_in(devices: &Path, number: u32) -> Vec<u8> {
    // The file has numbers in the form of a `dev_t`.
    let (major, minor) = (major(number.into()), minor(number.into()));
    if major == PTS_MAJOR {
        return format!("pts/{minor}").into_bytes();
    }
    let device = format!("{major}:{minor}");
    match fs::read_link(devices.join(&device)) {
        Ok(link) => {
            let name = link.file_name().unwrap_or_default().as_bytes();
            // sysfs has this in place of slashes.
            let slashes = |&byte: &u8| if byte == b'!' { b'/' } else { byte };
            name.iter().map(slashes).collect()
        }
        Err(_) => device.into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn without_a_terminal_there_is_a_question_mark() {
        assert_eq!(name(None), b"?");
    }

    #[test]
    fn terminals_have_the_names_of_their_files() {
        let devices = tempfile::tempdir().unwrap();
        for (device, target) in [
            ("4:1", "../../devices/virtual/tty/tty1"),
            (
                "4:64",
                "../../devices/pnp0/00:00/00:00:0/00:00:0.0/tty/ttyS0",
            ),
            ("5:1", "../../devices/virtual/tty/console"),
            ("21:300", "../../devices/virtual/tty/x!300"),
        ] {
            symlink(target, devices.path().join(device)).unwrap();
        }
        // Numbers as in proc_pid_stat(5): the minor number is in bits 31 to 20 and 7 to 0.
        for (number, name) in [
            (136 << 8, "pts/0"),
            (136 << 8 | 3, "pts/3"),
            (136 << 8 | 0x12 << 20 | 0x34, "pts/4660"),
            (136 << 8 | 0x800 << 20, "pts/524288"),
            (4 << 8 | 1, "tty1"),
            (4 << 8 | 64, "ttyS0"),
            (5 << 8 | 1, "console"),
            (21 << 8 | 1 << 20 | 44, "x/300"),
            (204 << 8 | 64, "204:64"),
        ] {
            assert_eq!(
                name_in(devices.path(), number),
                name.as_bytes(),
                "{number:x}"
            );
        }
    }
}
