// SPDX-License-Identifier: GPL-2.0-only

//! Living. This runs in the guest.

use std::arch::asm;
use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::ptr;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::Life;

/// The place of a program that does nothing but exit.
pub const NOTHING: &CStr = c"/bin/nothing";

/// One that does as much when it is called by this name, and has the library of C for it.
pub const BUSYBOX: &CStr = c"/bin/busybox";
const NAME: &str = "true";

/// The number of its arguments with the name, and their size, each with a NUL.
const ARGUMENTS: usize = 12;
const ARGUMENTS_SIZE: usize = 200;

/// Returns an executable of nothing but a system call, which ends it: as short as one of processes
/// can be, so that all that is added to it weighs as much as it can.
fn nothing() -> Vec<u8> {
    const HEADER: u16 = 64;
    const SEGMENT: u16 = 56;
    const SEGMENTS: u16 = 2;
    const ADDRESS: u64 = 0x40_0000;
    // mov $SYS_exit_group,%eax; xor %edi,%edi; syscall
    const CODE: [u8; 9] = [
        0xb8,
        libc::SYS_exit_group as u8,
        0,
        0,
        0,
        0x31,
        0xff,
        0x0f,
        5,
    ];

    let start = u64::from(HEADER + SEGMENTS * SEGMENT);
    let length = start + CODE.len() as u64;
    // 64 bits, little endian, the first version.
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    for half in [libc::ET_EXEC, libc::EM_X86_64, 1, 0] {
        file.extend(half.to_le_bytes());
    }
    for word in [ADDRESS + start, HEADER.into(), 0] {
        file.extend(word.to_le_bytes());
    }
    for half in [0, 0, HEADER, SEGMENT, SEGMENTS, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    for (kind, flags, address, length) in [
        (libc::PT_LOAD, libc::PF_R | libc::PF_X, ADDRESS, length),
        (libc::PT_GNU_STACK, libc::PF_R | libc::PF_W, 0, 0),
    ] {
        file.extend(kind.to_le_bytes());
        file.extend(flags.to_le_bytes());
        for word in [0, address, address, length, length, 4096] {
            file.extend(word.to_le_bytes());
        }
    }
    file.extend(CODE);
    file
}

/// Writes that executable to a file.
fn write_nothing(path: &Path) -> io::Result<()> {
    fs::write(path, nothing())?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

/// A program with its arguments.
pub struct Lives {
    program: &'static CStr,
    _arguments: Vec<CString>,
    /// The addresses of the arguments, and a null pointer.
    pointers: Vec<*const libc::c_char>,
}

/// Returns the arguments of the program.
fn arguments() -> Result<Vec<CString>> {
    let mut arguments = vec![CString::new(NAME)?];
    let mut left = ARGUMENTS_SIZE - NAME.len() - 1;
    for after in (1..ARGUMENTS).rev() {
        let size = left.div_ceil(after);
        arguments.push(CString::new("x".repeat(size - 1))?);
        left -= size;
    }
    Ok(arguments)
}

impl Lives {
    /// Prepares lives. Processes that execute a program execute this one.
    pub fn of(program: &'static CStr) -> Result<Self> {
        if program == NOTHING {
            let path = Path::new(OsStr::from_bytes(NOTHING.to_bytes()));
            write_nothing(path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let arguments = arguments()?;
        let pointers = arguments.iter().map(|argument| argument.as_ptr());
        Ok(Self {
            program,
            pointers: pointers.chain([ptr::null()]).collect(),
            _arguments: arguments,
        })
    }

    /// Has a number of processes or threads live, one after the other.
    pub fn live(&self, life: Life, number: usize) -> Result<usize> {
        for _ in 0..number {
            match life {
                Life::Exec => wait(self.vfork_and_execute()?)?,
                // SAFETY: There is but one thread, and the child ends at once.
                Life::Fork => match unsafe { fork() }? {
                    ForkResult::Parent { child } => wait(child)?,
                    // SAFETY: Nothing has to be done before.
                    ForkResult::Child => unsafe { libc::_exit(0) },
                },
                Life::Thread => thread::spawn(|| {})
                    .join()
                    .map_err(|_| anyhow!("a thread has panicked"))?,
            }
        }
        Ok(number)
    }

    /// Executes the program in a new process, by system calls only.
    fn vfork_and_execute(&self) -> Result<Pid> {
        let result: i64;
        // SAFETY: The new process has the memory of this one, which waits for it, but registers of
        // its own. It makes two system calls, with strings that are valid, and returns from
        // neither. It has no memory written.
        unsafe {
            asm!(
                "syscall",
                "test rax, rax",
                "jnz 2f",
                "mov eax, {execve}",
                "syscall",
                "mov eax, {exit}",
                "mov edi, 127",
                "syscall",
                "2:",
                execve = const libc::SYS_execve,
                exit = const libc::SYS_exit_group,
                inlateout("rax") libc::SYS_vfork => result,
                in("rdi") self.program.as_ptr(),
                in("rsi") self.pointers.as_ptr(),
                in("rdx") self.pointers.as_ptr().add(ARGUMENTS),
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        ensure!(result > 0, "there can be no new process: {result}");
        Ok(Pid::from_raw(i32::try_from(result)?))
    }
}

/// Waits for the end of a process, which must be a good one.
fn wait(child: Pid) -> Result<()> {
    let status = waitpid(child, None)?;
    ensure!(
        matches!(status, WaitStatus::Exited(_, 0)),
        "a process has ended with {status:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_their_number_and_size() {
        let arguments = arguments().unwrap();
        assert_eq!(arguments.len(), ARGUMENTS);
        let size = |argument: &CString| argument.as_bytes_with_nul().len();
        assert_eq!(arguments.iter().map(size).sum::<usize>(), ARGUMENTS_SIZE);
        assert_eq!(arguments[0].as_c_str(), c"true");
    }

    #[test]
    fn nothing_can_be_executed() {
        let path = std::env::temp_dir().join(format!("nothing-{}", std::process::id()));
        write_nothing(&path).unwrap();
        let output = std::process::Command::new(&path).args(["a", "b"]).output();
        fs::remove_file(&path).unwrap();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    #[test]
    fn all_of_them_live() {
        let lives = Lives::of(BUSYBOX).unwrap();
        assert_eq!(lives.live(Life::Thread, 3).unwrap(), 3);
    }
}
