// SPDX-License-Identifier: GPL-2.0-only

//! QEMU: its arguments, its files and its process.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::pipe2;
use testvm::protocol::{FILES_PORT, REPORT_PORT, STDERR_PORT, STDIN_PORT, STDOUT_PORT};
use testvm::pump::Pump;

use crate::cli::{Harness, Link};
use crate::session::{self, Collector, Session};
use crate::target::Target;

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

/// The guest's ports. All guests have the same, used or not, so that a saved one fits any run.
const PORTS: [&str; 5] = [
    REPORT_PORT,
    FILES_PORT,
    STDIN_PORT,
    STDOUT_PORT,
    STDERR_PORT,
];

/// QEMU's way to run the guest's code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Engine {
    Kvm,
    Tcg,
    /// TCG that counts instructions, so that time is the same in each run. Each takes two to the
    /// power of this number of nanoseconds.
    Icount(u8),
}

impl Engine {
    fn arguments(self) -> Vec<String> {
        let accel = match self {
            Engine::Kvm => "kvm",
            Engine::Tcg => "tcg,thread=multi",
            Engine::Icount(_) => "tcg,thread=single",
        };
        let mut arguments = ["-accel", accel].map(str::to_owned).to_vec();
        if let Engine::Icount(shift) = self {
            arguments.extend(["-icount".to_owned(), format!("shift={shift},sleep=off")]);
        }
        arguments
    }
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
}

/// QEMU to start.
pub struct Qemu {
    command: Command,
    passed: Passed,
}

impl Qemu {
    /// Prepares QEMU for a machine, which it runs in the build root.
    pub fn new(harness: &Harness, machine: &[String]) -> Self {
        let mut command = harness.in_root();
        command
            .args(["bash", "-c", RUN_QEMU, harness.target.qemu()])
            .args(machine);
        Self {
            command,
            passed: Passed::default(),
        }
    }

    pub fn arguments(&mut self, arguments: &[&str]) {
        self.command.args(arguments);
    }

    /// Passes a file, as all files are: the build root does not see every path. Returns the name
    /// under which QEMU can open it.
    pub fn file(&mut self, file: OwnedFd) -> Result<String> {
        Ok(format!("/proc/self/fd/{}", self.passed.add(file)?))
    }

    pub fn plugin(&mut self, plugin: Plugin) -> Result<()> {
        let file = self.file(plugin.file)?;
        let output = self.file(plugin.output)?;
        self.arguments(&["-plugin", &format!("file={file},output={output}")]);
        Ok(())
    }

    /// Adds a network card with a cable. QEMU drops frames while the other end is not there.
    pub fn link(&mut self, Link { own, peer }: &Link) {
        let cable = format!(
            "dgram,id=cable,local.type=unix,local.path={own},remote.type=unix,remote.path={peer}"
        );
        let card = format!("e1000,netdev=cable,mac={}", address(own));
        self.arguments(&["-netdev", &cable, "-device", &card]);
    }

    /// Starts QEMU. `input` is None for a machine that runs nothing and has no use for our files.
    /// The kernel log begins with `log`, and is copied to `copy`.
    pub fn start(
        mut self,
        input: Option<Input>,
        log: Vec<u8>,
        copy: Option<File>,
    ) -> Result<Session> {
        let mut chardev = |id| self.passed.chardev(&mut self.command, id);
        let (console, monitor) = (chardev("console")?, chardev("monitor")?);
        let (report, files) = (chardev(REPORT_PORT)?, chardev(FILES_PORT)?);
        let (stdin, terminal) = (chardev(STDIN_PORT)?, chardev("terminal")?);
        let (stdout, stderr) = (chardev(STDOUT_PORT)?, chardev(STDERR_PORT)?);
        let our_stdin = || io::stdin().as_fd().try_clone_to_owned();
        let our_stdout = || io::stdout().as_fd().try_clone_to_owned();
        let mut outputs = Vec::new();
        let mut pump = None;
        // A port whose other end closes would be another one for the guest.
        let mut unused = Vec::new();
        match input {
            None => unused.extend([stdin, terminal, stdout, stderr]),
            Some(input) => {
                outputs.push(Pump::new(stdout, our_stdout()?));
                outputs.push(Pump::new(
                    stderr,
                    io::stderr().as_fd().try_clone_to_owned()?,
                ));
                match input {
                    Input::None => unused.extend([stdin, terminal]),
                    Input::Script => {
                        pump = Some(Pump::new(our_stdin()?, stdin));
                        unused.push(terminal);
                    }
                    Input::Terminal => {
                        outputs.push(Pump::new(terminal.try_clone()?, our_stdout()?));
                        pump = Some(Pump::new(our_stdin()?, terminal));
                        unused.push(stdin);
                    }
                }
            }
        }

        let (complaints, complaints_writer) =
            pipe2(OFlag::O_CLOEXEC).context("cannot make a pipe")?;
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(complaints_writer);
        // In a process group of its own: Ctrl-C is for us, and we stop QEMU.
        self.command.process_group(0);
        let signals = session::catch_signals()?;
        let child = self.command.spawn().context("cannot start QEMU")?;
        // Only QEMU may hold its ends of the sockets, so that they close when it is gone.
        drop(self);

        Ok(Session {
            child,
            signals,
            console: Collector::new(console, log, copy)?,
            complaints: Collector::new(complaints, Vec::new(), None)?,
            report: Collector::new(report, Vec::new(), None)?,
            monitor: Collector::new(monitor, Vec::new(), None)?,
            outputs,
            input: pump,
            files,
            delivery: None,
            has_terminal: input == Some(Input::Terminal),
            is_started: false,
            unused,
        })
    }
}

/// Returns the arguments for a machine, but for its kernel and its files. `memory` is an argument
/// of QEMU as well.
pub fn machine(target: Target, engine: Engine, cpus: u8, memory: &str) -> Vec<String> {
    let cpus = cpus.to_string();
    let own = [target.arguments(engine), engine.arguments()].concat();
    let mut arguments = vec!["-nodefaults", "-no-user-config", "-no-reboot"];
    arguments.extend(["-display", "none"]);
    arguments.extend(own.iter().map(String::as_str));
    arguments.extend(["-smp", &cpus, "-m", memory]);
    arguments.extend(["-serial", "chardev:console"]);
    arguments.extend(["-mon", "chardev=monitor,mode=control"]);
    // Without MSI-X, by whose table QEMU fails an assertion at times.
    arguments.extend(["-device", "virtio-serial-pci,vectors=0"]);
    let ports = PORTS.map(|name| format!("virtserialport,chardev={name},name={name}"));
    for port in &ports {
        arguments.extend(["-device", port]);
    }
    arguments.extend(["-device", "virtconsole,chardev=terminal"]);
    arguments.into_iter().map(str::to_owned).collect()
}

/// Returns the address of a network card, which is a local one, by the name of its end of the
/// cable.
fn address(end: &str) -> String {
    let mut hasher = DefaultHasher::new();
    end.hash(&mut hasher);
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    format!("02:70:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
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
}
