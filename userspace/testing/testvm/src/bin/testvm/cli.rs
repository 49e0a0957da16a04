// SPDX-License-Identifier: GPL-2.0-only

//! The command line.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::{Parser, ValueEnum};

use crate::target::Target;

/// Boots a Linux kernel in a virtual machine, loads procmon there and runs a command.
///
/// The command's output, and nothing else, goes to stdout and stderr, and its exit status is ours.
/// Its stdin is /dev/null. Without a command, a shell runs in the guest: an interactive one on a
/// terminal, else one that reads its commands from stdin.
///
/// The guest is made anew for each call and lives in memory. It has busybox, the module as
/// /lib/modules/procmon.ko, procmonctl, and the files of --add. In emulation a guest is saved right
/// after its first boot, without these files, and later calls restore it.
#[derive(Debug, Parser)]
#[command(
    name = "vm",
    override_usage = "tests/vm [OPTIONS] [-- COMMAND...]",
    after_help = "\
Exit status:
  N    of the command; 128+N if signal N killed it
  124  the time was up
  125  the guest could not be started, or died before the command ended
  126  the kernel log shows a problem of the kernel, whatever else happened
"
)]
pub struct Options {
    /// Kernel to boot: one of those of docs/kernels.md, by its name, or a file, by a path with a
    /// slash.
    #[arg(long, value_name = "NAME|PATH", default_value = "debian")]
    pub kernel: PathBuf,

    /// Number of CPUs. [default: 2, 1 with --icount]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub cpus: Option<u8>,

    /// Memory of the guest, like 768M or 2G. [default: 512M, 1G with a kernel that finds errors]
    #[arg(long, value_name = "SIZE")]
    pub mem: Option<Memory>,

    /// Engine for the guest's code. KVM is only taken if it proves to work.
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    pub accel: Accel,

    /// Count instructions instead of time, so that runs repeat more exactly. Means TCG, with CPUs
    /// that take turns.
    #[arg(long, conflicts_with = "accel")]
    pub icount: bool,

    /// Let an instruction take two to the power of N nanoseconds.
    #[arg(long, value_name = "N", requires = "icount", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(..=10))]
    pub icount_shift: u8,

    /// Boot the guest, even if one like it was saved after its boot and could be restored.
    #[arg(long)]
    pub boot: bool,

    /// Load a plugin into QEMU, whose argument "output" is the file of --plugin-output. Means TCG.
    #[arg(long, value_name = "FILE", requires = "plugin_output")]
    pub plugin: Option<PathBuf>,

    /// File for what the plugin writes.
    #[arg(long, value_name = "FILE", requires = "plugin")]
    pub plugin_output: Option<PathBuf>,

    /// Run the command on our terminal, and not with /dev/null as its stdin. Without a command, a
    /// shell runs there.
    #[arg(long)]
    pub terminal: bool,

    /// Put a file into the guest, as /bin/NAME if it is executable, else as /NAME. The shared
    /// libraries of an executable come along. May be given again.
    #[arg(long, value_name = "FILE[:DEST]")]
    pub add: Vec<Addition>,

    /// Give the guest a network card, eth0, which is linked to that of another guest: frames come
    /// from the socket OWN and go to the socket PEER, and the other guest has them the other way
    /// round. Its driver, e1000, is not loaded. The guest is booted.
    #[arg(long, value_name = "OWN:PEER", conflicts_with = "icount")]
    pub link: Option<Link>,

    /// More arguments for the kernel. May be given again.
    #[arg(long, value_name = "KERNEL ARGS", allow_hyphen_values = true)]
    pub append: Vec<String>,

    /// Parameters of the module, like "buffer_size=4096".
    #[arg(long, value_name = "ARGS", default_value = "")]
    pub module_args: String,

    /// Do not load the module, which is in the guest all the same.
    #[arg(long, conflicts_with = "module_args")]
    pub no_module: bool,

    /// Module in place of the procmon.ko of this checkout.
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,

    /// Limit for the whole run. [default: 120, three times that with a kernel that finds errors,
    /// without limit on a terminal]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,

    /// File for the kernel log.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// Boot nothing, but judge a kernel log that was written before.
    #[arg(long, value_name = "FILE")]
    pub judge: Option<PathBuf>,

    #[command(flatten)]
    pub harness: Harness,

    /// Command for the guest's /bin/sh.
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// Options that the wrapper tests/vm adds.
#[derive(Debug, clap::Args)]
pub struct Harness {
    /// Program that runs a command in the build root.
    #[arg(long, hide = true)]
    pub runner: PathBuf,

    /// Directory of the build root.
    #[arg(long, hide = true)]
    pub root: PathBuf,

    /// Kind of the build root.
    #[arg(long, hide = true)]
    pub root_kind: String,

    /// Machine that the guest is.
    #[arg(long, value_enum, hide = true)]
    pub target: Target,

    /// Directory of the cache.
    #[arg(long, hide = true)]
    pub cache: PathBuf,

    /// Directory of the binaries for the guest.
    #[arg(long, hide = true)]
    pub binaries: PathBuf,

    /// The module to test.
    #[arg(long, hide = true)]
    pub default_module: PathBuf,

    /// Directory of the kernel that is given by a name.
    #[arg(long, hide = true)]
    pub named_kernel: PathBuf,
}

impl Harness {
    pub fn qemu(&self) -> PathBuf {
        self.root.join("usr/bin").join(self.target.qemu())
    }

    /// Returns the beginning of a command for the build root.
    pub fn in_root(&self) -> Command {
        let mut command = Command::new(&self.runner);
        command.args(["--root", &self.root_kind]);
        command
    }
}

impl Options {
    /// Returns the file to boot.
    pub fn kernel_file(&self) -> PathBuf {
        if self.kernel_is_named() {
            self.harness.named_kernel.join("vmlinuz")
        } else {
            self.kernel.clone()
        }
    }

    /// Returns the file with the options that the kernel must have, if procmon configures it: all
    /// such kernels find errors, and are slow.
    pub fn wanted_file(&self) -> Option<PathBuf> {
        let file = self.harness.named_kernel.join("wanted");
        (self.kernel_is_named() && file.exists()).then_some(file)
    }

    pub fn memory(&self) -> Memory {
        let default = match self.wanted_file() {
            Some(_) => "1G",
            None => "512M",
        };
        self.mem.clone().unwrap_or(Memory(default.to_owned()))
    }

    pub fn cpus(&self) -> u8 {
        self.cpus.unwrap_or(if self.icount { 1 } else { 2 })
    }

    fn kernel_is_named(&self) -> bool {
        !self.kernel.as_os_str().as_bytes().contains(&b'/')
    }

    pub fn module_file(&self) -> &Path {
        self.module.as_ref().unwrap_or(&self.harness.default_module)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum Accel {
    Auto,
    Kvm,
    Tcg,
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds: u32 = text.parse()?;
    ensure!(seconds > 0, "no time at all");
    Ok(Duration::from_secs(seconds.into()))
}

/// An amount of memory in the form that QEMU takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory(String);

impl FromStr for Memory {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text
            .strip_suffix(['M', 'G'])
            .ok_or_else(|| anyhow!("no M or G at the end"))?;
        let number: u32 = number.parse()?;
        ensure!(number > 0, "no memory at all");
        Ok(Memory(text.to_owned()))
    }
}

impl Memory {
    pub fn bytes(&self) -> u64 {
        let (number, unit) = self.0.split_at(self.0.len() - 1);
        let number: u32 = number.parse().expect("it was parsed before");
        u64::from(number) << if unit == "G" { 30 } else { 20 }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file to put into the guest.
#[derive(Debug, Clone, PartialEq)]
pub struct Addition {
    pub file: PathBuf,
    /// The path in the guest, if it was given.
    pub destination: Option<String>,
}

impl FromStr for Addition {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        // A destination is absolute, so a colon without a slash belongs to the file's name.
        let (file, destination) = match text.rfind(":/") {
            Some(colon) => (&text[..colon], Some(text[colon + 1..].to_owned())),
            None => (text, None),
        };
        ensure!(!file.is_empty(), "no file");
        if let Some(path) = &destination {
            ensure!(
                !path.ends_with('/'),
                "the destination must name a file, not a directory"
            );
            ensure!(
                !path.split('/').any(|part| part == ".."),
                "the destination has a \"..\""
            );
        }
        Ok(Addition {
            file: file.into(),
            destination,
        })
    }
}

/// The two ends of a cable, which are Unix sockets.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The path of our end.
    pub own: String,
    /// The path of the other guest's.
    pub peer: String,
}

impl FromStr for Link {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (own, peer) = text.split_once(':').ok_or_else(|| anyhow!("no colon"))?;
        ensure!(!own.is_empty() && !peer.is_empty(), "no path");
        ensure!(own != peer, "both are the same socket");
        // They mean something else in an argument of QEMU.
        ensure!(!text.contains(','), "a comma");
        Ok(Link {
            own: own.to_owned(),
            peer: peer.to_owned(),
        })
    }
}

/// Returns the command as one string for `sh -c`. Several words are joined by blanks, as by ssh.
pub fn command_line(words: &[String]) -> Option<String> {
    if words.is_empty() {
        None
    } else {
        Some(words.join(" "))
    }
}

/// Exit statuses that are not the command's.
pub const TIMED_OUT: u8 = 124;
pub const FAILED: u8 = 125;
pub const SPLAT: u8 = 126;

/// Parses the command line. An error is an exit status: a wrong option must not look like a status
/// of the command.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Options, u8> {
    Options::try_parse_from(words).map_err(|error| {
        // This only fails if our output is closed.
        let _ = error.print();
        if error.use_stderr() { FAILED } else { 0 }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    const HARNESS: &[&str] = &[
        "vm",
        "--runner=run",
        "--root=/r",
        "--cache=/c",
        "--binaries=/b",
        "--root-kind=build",
        "--target=x86_64-unknown-linux-gnu",
        "--default-module=p.ko",
        "--named-kernel=/d",
    ];

    fn parse(words: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from(HARNESS.iter().chain(words))
    }

    #[test]
    fn the_definition_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn takes_everything_after_the_dashes_as_the_command() {
        let options = parse(&["--cpus", "3", "--", "echo", "--mem", "*"]).unwrap();
        assert_eq!(options.cpus(), 3);
        assert_eq!(command_line(&options.command).unwrap(), "echo --mem *");
        assert_eq!(command_line(&parse(&[]).unwrap().command), None);
        assert!(parse(&["echo"]).is_err());
        assert!(parse(&["--terminal"]).unwrap().terminal);
    }

    #[test]
    fn memory_has_a_size_in_bytes() {
        for (text, bytes) in [("768M", 768 << 20), ("2G", 2 << 30), ("5000M", 5000 << 20)] {
            assert_eq!(text.parse::<Memory>().unwrap().bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn counting_instructions_takes_one_cpu_if_not_told_otherwise() {
        for (words, cpus) in [
            (&[][..], 2),
            (&["--icount"], 1),
            (&["--icount", "--cpus", "4"], 4),
        ] {
            assert_eq!(parse(words).unwrap().cpus(), cpus, "{words:?}");
        }
    }

    #[test]
    fn counted_instructions_take_a_nanosecond_if_not_told_otherwise() {
        let shift = |words: &[&str]| parse(words).unwrap().icount_shift;
        assert_eq!(shift(&["--icount"]), 0);
        assert_eq!(shift(&["--icount", "--icount-shift", "3"]), 3);
    }

    #[test]
    fn knows_its_kernels_and_modules() {
        let options = parse(&[]).unwrap();
        assert_eq!(options.kernel_file(), Path::new("/d/vmlinuz"));
        assert_eq!(options.module_file(), Path::new("p.ko"));
        assert_eq!(options.wanted_file(), None);
        let options = parse(&["--kernel", "./k", "--module", "m"]).unwrap();
        assert_eq!(options.kernel_file(), Path::new("./k"));
        assert_eq!(options.module_file(), Path::new("m"));
    }

    #[test]
    fn splits_an_addition_at_the_destination() {
        for (text, file, destination) in [
            ("a", "a", None),
            ("a:/b/c", "a", Some("/b/c")),
            ("/x/a:b", "/x/a:b", None),
            ("/x/a:b:/c", "/x/a:b", Some("/c")),
        ] {
            let destination = destination.map(str::to_owned);
            let expected = Addition {
                file: file.into(),
                destination,
            };
            assert_eq!(text.parse::<Addition>().unwrap(), expected);
        }
        for text in ["", ":/b", "a:/", "a:/b/../c"] {
            assert!(text.parse::<Addition>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_link_has_two_ends() {
        let link: Link = "/tmp/a:/tmp/b".parse().unwrap();
        assert_eq!((&*link.own, &*link.peer), ("/tmp/a", "/tmp/b"));
        for text in ["/tmp/a", ":b", "a:", "a:a", "a:b,c"] {
            assert!(text.parse::<Link>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_plugin_and_its_output_come_together() {
        let options =
            parse(&["--plugin", "p.so", "--plugin-output", "counts", "--icount"]).unwrap();
        assert_eq!(options.plugin.as_deref(), Some(Path::new("p.so")));
        assert_eq!(options.plugin_output.as_deref(), Some(Path::new("counts")));
        assert!(parse(&["--plugin", "p.so"]).is_err());
        assert!(parse(&["--plugin-output", "counts"]).is_err());
    }

    #[test]
    fn refuses_nonsense() {
        for words in [
            ["--cpus", "0"],
            ["--mem", "512"],
            ["--mem", "0M"],
            ["--mem", "M"],
            ["--timeout", "0"],
            ["--timeout", "-1"],
            ["--accel", "xen"],
        ] {
            assert!(parse(&words).is_err(), "{words:?}");
        }
        assert!(parse(&["--icount", "--accel", "tcg"]).is_err());
        assert!(parse(&["--icount-shift", "3"]).is_err());
        assert!(parse(&["--icount", "--icount-shift", "11"]).is_err());
        assert!(parse(&["--no-module", "--module-args", "a=1"]).is_err());
    }
}
