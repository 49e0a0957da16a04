// SPDX-License-Identifier: GPL-2.0-only

//! Setting up a system on a bare kernel.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

/// Mounts the file systems that every Linux system has.
pub fn mount_all() -> Result<()> {
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let writable = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_one("devtmpfs", "/dev", MsFlags::MS_NOSUID, "mode=0755")?;
    mount_one("proc", "/proc", safe, "")?;
    mount_one("sysfs", "/sys", safe, "")?;
    fs::create_dir("/dev/pts").context("cannot make /dev/pts")?;
    mount_one(
        "devpts",
        "/dev/pts",
        MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
        "mode=0620,gid=5",
    )?;
    mount_one("tmpfs", "/tmp", writable, "mode=1777")?;
    // Only kernels with debugfs have the directory, and some of them refuse the mount.
    let debug = "/sys/kernel/debug";
    if Path::new(debug).exists() {
        match mount(Some("debugfs"), debug, Some("debugfs"), safe, None::<&str>) {
            Ok(()) | Err(Errno::EPERM | Errno::ENODEV) => {}
            Err(error) => return Err(error).context("cannot mount debugfs"),
        }
    }
    Ok(())
}

fn mount_one(kind: &str, target: &str, flags: MsFlags, options: &str) -> Result<()> {
    mount(Some(kind), target, Some(kind), flags, Some(options))
        .with_context(|| format!("cannot mount {kind} on {target}"))
}

/// Sets up the parts that start-up scripts of a distribution do.
pub fn configure() -> Result<()> {
    nix::unistd::sethostname("guest").context("cannot set the host name")?;
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ] {
        std::os::unix::fs::symlink(target, format!("/dev/{link}"))
            .with_context(|| format!("cannot make /dev/{link}"))?;
    }
    // Without IPv4, the loopback device has no use.
    if Path::new("/proc/sys/net/ipv4").exists() {
        let status = Command::new("/bin/ip")
            .args(["link", "set", "lo", "up"])
            .status()
            .context("cannot run ip")?;
        ensure!(
            status.success(),
            "cannot bring up the loopback device: ip says {status}"
        );
    }
    Ok(())
}
