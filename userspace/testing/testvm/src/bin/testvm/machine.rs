// SPDX-License-Identifier: GPL-2.0

//! The virtual machine: QEMU, its arguments and its files.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::pipe2;
use testvm::protocol::{EXIT_PORT, REPORT_PORT, STDERR_PORT, STDIN_PORT, STDOUT_PORT};
use testvm::pump::Pump;

use crate::initramfs::Tree;
use crate::kernel;
use crate::session::{self, Collector, Run, Session};
use crate::tsc;

/// Kernel arguments of every guest:
/// - Messages of every level go to the console, and none is dropped for their number.
/// - A panic ends the machine at once. An oops is one, before it can do harm to the results.
/// - Pointers in the log are not hashed, which is for debugging.
/// - What hangs is reported late: a busy host may stop a CPU of the guest for half a minute.
/// - Booting leaves out slow steps that do not matter here: the self-tests of cryptography, half of
///   the time, and calibrations.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 ignore_loglevel printk.devkmsg=on log_buf_len=4M \
    panic=-1 oops=panic no_hash_pointers cryptomgr.notests no_timer_check tsc=reliable \
    rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60 workqueue.watchdog_thresh=300";

/// Script that becomes QEMU, beside a process that kills it when their standard input ends: a pipe
/// of ours, which is closed whichever way we end. The build root's processes are told to die with
/// their parents as well, but each only after it has started.
const RUN_QEMU: &str = r#"
    exec 3<&0 </dev/null
    {
        # The sockets are to close when QEMU is gone.
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 3 ] || eval "exec $fd>&-"
        done
        read -r _
        kill -KILL $$
    } <&3 2>/dev/null &
    exec "$0" "$@" 3<&-
"#;

/// QEMU's way to run the guest's code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Engine {
    Kvm,
    Tcg,
    /// TCG that counts instructions, so that time is the same in each run.
    Icount,
}

impl Engine {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Engine::Kvm => &["-accel", "kvm", "-cpu", "host"],
            Engine::Tcg => &["-accel", "tcg,thread=multi", "-cpu", "max"],
            Engine::Icount => &[
                "-accel",
                "tcg,thread=single",
                "-cpu",
                "max",
                "-icount",
                "shift=0,sleep=off",
            ],
        }
    }
}

/// A machine to run.
pub struct Machine<'a> {
    /// Program that runs a command in the build root, where QEMU is.
    pub runner: &'a Path,
    pub kernel: &'a Path,
    pub engine: Engine,
    pub cpus: u8,
    pub memory: String,
    /// More kernel arguments.
    pub append: &'a str,
    pub tree: Tree,
    /// The use of our stdin in the guest.
    pub input: Input,
    pub plugin: Option<Plugin>,
    pub timeout: Option<Duration>,
    /// A copy of the kernel log, written while it grows.
    pub log: Option<File>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input {
    /// None.
    None,
    /// The port with a script.
    Script,
    /// A console in the guest, whose output is our stdout.
    Terminal,
}

/// A plugin for QEMU.
pub struct Plugin {
    file: OwnedFd,
    output: OwnedFd,
}

impl Plugin {
    /// Opens a plugin and the file for what it writes, which is made anew.
    pub fn open(plugin: &Path, output: &Path) -> Result<Self> {
        let file = File::open(plugin)
            .with_context(|| format!("cannot open the plugin {}", plugin.display()))?;
        let output = File::create(output)
            .with_context(|| format!("cannot write to {}", output.display()))?;
        Ok(Self {
            file: file.into(),
            output: output.into(),
        })
    }

    /// Passes both. Returns the argument for QEMU.
    fn pass(self, passed: &mut Passed) -> Result<String> {
        let file = passed.file(self.file)?;
        let output = passed.file(self.output)?;
        Ok(format!("file={file},output={output}"))
    }
}

impl Machine<'_> {
    /// Runs the machine to its end. QEMU is gone when this returns, and dies if we do.
    pub fn run(self) -> Result<Run> {
        let reading = tsc::Reading::take();
        let mut passed = Passed::default();
        let mut qemu = Command::new(self.runner);
        qemu.args([
            "bash",
            "-c",
            RUN_QEMU,
            "qemu-system-x86_64",
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
        ])
        .args([
            "-display",
            "none",
            "-machine",
            "q35",
            "-device",
            // Without MSI-X, by whose table QEMU fails an assertion at times.
            "virtio-serial-pci,vectors=0",
        ])
        .arg("-device")
        .arg(format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1"))
        .args(self.engine.arguments())
        .args(["-smp", &self.cpus.to_string(), "-m", &self.memory]);

        // All files are handed over as descriptors: the build root does not see every path.
        qemu.args(["-kernel", &passed.file(kernel::open(self.kernel)?)?]);
        qemu.args(["-initrd", &passed.file(initramfs(&self.tree)?)?]);

        let mut arguments = format!("{KERNEL_ARGUMENTS} {}", self.append);
        // After the files, which take longer than the counter needs.
        if self.engine == Engine::Tcg
            && let Some(argument) = reading.argument()
        {
            arguments = format!("{argument} {arguments}");
        }
        qemu.args(["-append", &arguments]);

        if let Some(plugin) = self.plugin {
            qemu.args(["-plugin", &plugin.pass(&mut passed)?]);
        }

        let console = passed.chardev(&mut qemu, "console")?;
        qemu.args(["-serial", "chardev:console"]);
        let report = passed.port(&mut qemu, REPORT_PORT)?;
        let stdout = passed.port(&mut qemu, STDOUT_PORT)?;
        let stderr = passed.port(&mut qemu, STDERR_PORT)?;
        let our_stdout = io::stdout().as_fd().try_clone_to_owned()?;
        let our_stderr = io::stderr().as_fd().try_clone_to_owned()?;
        let mut outputs = vec![Pump::new(stdout, our_stdout), Pump::new(stderr, our_stderr)];
        let mut input = None;
        match self.input {
            Input::None => {}
            Input::Script => {
                let port = passed.port(&mut qemu, STDIN_PORT)?;
                input = Some(Pump::new(io::stdin().as_fd().try_clone_to_owned()?, port));
            }
            Input::Terminal => {
                let terminal = passed.chardev(&mut qemu, "terminal")?;
                qemu.args(["-device", "virtconsole,chardev=terminal"]);
                let our_stdout = io::stdout().as_fd().try_clone_to_owned()?;
                outputs.push(Pump::new(terminal.try_clone()?, our_stdout));
                input = Some(Pump::new(
                    io::stdin().as_fd().try_clone_to_owned()?,
                    terminal,
                ));
            }
        }

        let (complaints, complaints_writer) =
            pipe2(OFlag::O_CLOEXEC).context("cannot make a pipe")?;
        qemu.stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(complaints_writer);
        // In a process group of its own: Ctrl-C is for us, and we stop QEMU.
        qemu.process_group(0);
        let signals = session::catch_signals()?;
        let child = qemu
            .spawn()
            .with_context(|| format!("cannot start QEMU by {}", self.runner.display()))?;
        // Only QEMU may hold its ends of the sockets, so that they close when it is gone.
        drop((qemu, passed));

        let session = Session {
            child,
            signals,
            console: Collector::new(console, self.log),
            complaints: Collector::new(complaints, None),
            report: Collector::new(report, None),
            outputs,
            input,
            has_terminal: self.input == Input::Terminal,
        };
        session.attend(self.timeout)
    }
}

fn initramfs(tree: &Tree) -> Result<OwnedFd> {
    let memory = memfd_create(c"initramfs", MFdFlags::MFD_CLOEXEC)
        .context("cannot make a file in memory")?;
    let mut file = BufWriter::new(File::from(memory));
    tree.write(&mut file)
        .context("cannot write the initramfs")?;
    Ok(file
        .into_inner()
        .context("cannot write the initramfs")?
        .into())
}

/// Descriptors that QEMU inherits.
#[derive(Default)]
struct Passed(Vec<OwnedFd>);

impl Passed {
    /// Shells use the descriptors below for themselves.
    const LOWEST: i32 = 20;

    fn add(&mut self, fd: OwnedFd) -> Result<i32> {
        let number =
            fcntl(&fd, FcntlArg::F_DUPFD(Self::LOWEST)).context("cannot duplicate a descriptor")?;
        // SAFETY: The descriptor is new and has no other owner.
        self.0.push(unsafe { OwnedFd::from_raw_fd(number) });
        Ok(number)
    }

    /// Passes a file. Returns the name under which QEMU can open it.
    fn file(&mut self, file: OwnedFd) -> Result<String> {
        Ok(format!("/proc/self/fd/{}", self.add(file)?))
    }

    /// Adds a character device to QEMU. Returns its other end.
    fn chardev(&mut self, qemu: &mut Command, id: &str) -> Result<OwnedFd> {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        )
        .context("cannot make a socket pair")?;
        let number = self.add(theirs)?;
        qemu.arg("-chardev")
            .arg(format!("socket,id={id},fd={number}"));
        Ok(ours)
    }

    /// Adds a virtio-serial port of that name.
    fn port(&mut self, qemu: &mut Command, name: &str) -> Result<OwnedFd> {
        let ours = self.chardev(qemu, name)?;
        qemu.arg("-device")
            .arg(format!("virtserialport,chardev={name},name={name}"));
        Ok(ours)
    }
}
