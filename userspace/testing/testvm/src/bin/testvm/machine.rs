// SPDX-License-Identifier: GPL-2.0-only

//! The virtual machine, from its boot or from a saved state to its end.

use std::fs::File;
use std::io::{BufWriter, Seek};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::cli::{Harness, Link, Memory};
use crate::guest::Guest;
use crate::host;
use crate::initramfs::Tree;
use crate::kernel;
use crate::qemu::{self, Engine, Input, Plugin, Qemu};
use crate::saved::{Place, State};
use crate::session::{Run, Saving};
use crate::target::Target;
use crate::tsc;

/// The largest number of boots for a guest to save.
const BOOTS: usize = 4;

/// A machine to run.
pub struct Machine<'a> {
    pub harness: &'a Harness,
    pub kernel: &'a Path,
    pub engine: Engine,
    pub cpus: u8,
    pub memory: Memory,
    /// More kernel arguments.
    pub append: &'a str,
    pub guest: Guest,
    /// The use of our stdin in the guest.
    pub input: Input,
    pub plugin: Option<Plugin>,
    pub timeout: Option<Duration>,
    /// A copy of the kernel log, written while it grows.
    pub log: Option<File>,
    pub link: Option<&'a Link>,
    /// Whether the guest may come from a state that was saved.
    pub may_restore: bool,
}

impl Machine<'_> {
    /// Runs the machine to its end. QEMU is gone when this returns, and dies if we do.
    pub fn run(self) -> Result<Run> {
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        if self.can_be_saved() {
            let place = self.place()?;
            let state = match place.open(self.memory.bytes()) {
                Some(state) => Saving::Saved(state),
                None => self.save(&place, deadline)?,
            };
            match state {
                Saving::Saved(state) => match self.restore(state, deadline)? {
                    Some(run) => return Ok(run),
                    None => {
                        // It is damaged. If it stays, the next run will find out, too.
                        let _ = place.clear();
                    }
                },
                Saving::Ended(run) => return Ok(run),
                Saving::Failed => {}
            }
        }
        self.boot(deadline)
    }

    /// Whether the machine may be saved and restored. With KVM a boot takes a second, a plugin or a
    /// count of instructions is about all that the guest does, and the address of a network card
    /// would be the same in all guests.
    fn can_be_saved(&self) -> bool {
        self.may_restore
            && self.engine == Engine::Tcg
            && self.plugin.is_none()
            && self.link.is_none()
    }

    fn arguments(&self) -> Vec<String> {
        qemu::machine(
            self.harness.target,
            self.engine,
            self.cpus,
            &self.memory.to_string(),
        )
    }

    fn kernel_arguments(&self) -> String {
        let target = self.harness.target;
        format!("{} {}", target.kernel_arguments(), self.append)
    }

    /// Returns the place for the state after the boot, which depends on all of this. The frequency
    /// of the counter is not named, as it is measured anew each time: a state is for one boot of
    /// the host, in which it stays the same.
    fn place(&self) -> Result<Place> {
        let description = (
            host::cpu_model()?,
            host::identity(&self.harness.qemu())?,
            host::identity(self.kernel)?,
            self.arguments(),
            self.kernel_arguments(),
            &self.guest.base,
        );
        let cache = &self.harness.cache;
        Ok(Place::new(cache, &host::boot_id()?, &description))
    }

    /// Boots the guest and saves it. On a busy host, several boots may be needed for one with a
    /// timer; if there is none, the last one has to do.
    fn save(&self, place: &Place, deadline: Option<Instant>) -> Result<Saving<State>> {
        let mut saving = self.save_once(place, deadline)?;
        for _ in 1..BOOTS {
            match &saving {
                Saving::Saved(state) if !state.has_timer() => {
                    saving = self.save_once(place, deadline)?;
                }
                _ => break,
            }
        }
        Ok(saving)
    }

    fn save_once(&self, place: &Place, deadline: Option<Instant>) -> Result<Saving<State>> {
        let Ok(file) = place.draft(self.memory.bytes()) else {
            return Ok(Saving::Failed);
        };
        let mut qemu = self.prepare();
        self.load(&mut qemu)?;
        let stream = self.map(&mut qemu, &file, "on")?;
        let session = qemu.start(None, Vec::new(), self.log_copy()?)?;
        Ok(match session.save(&stream, deadline)? {
            Saving::Saved(log) => match place.keep(file, log) {
                Ok(state) => Saving::Saved(state),
                Err(_) => Saving::Failed,
            },
            Saving::Failed => Saving::Failed,
            Saving::Ended(run) => Saving::Ended(run),
        })
    }

    /// Goes on with a saved guest. Returns None if that does not work.
    fn restore(&self, state: State, deadline: Option<Instant>) -> Result<Option<Run>> {
        let mut qemu = self.prepare();
        let stream = self.map(&mut qemu, &state.file, "off")?;
        qemu.arguments(&["-incoming", "defer"]);
        let files = memory_file(&self.guest.files)?;
        let session = qemu.start(Some(self.input), state.log, self.log_copy()?)?;
        session.restore(&stream, files, deadline)
    }

    fn boot(mut self, deadline: Option<Instant>) -> Result<Run> {
        let mut qemu = self.prepare();
        self.load(&mut qemu)?;
        if let Some(plugin) = self.plugin.take() {
            qemu.plugin(plugin)?;
        }
        if let Some(link) = self.link {
            qemu.link(link);
        }
        let files = memory_file(&self.guest.files)?;
        let session = qemu.start(Some(self.input), Vec::new(), self.log_copy()?)?;
        session.boot(files, deadline)
    }

    fn prepare(&self) -> Qemu {
        Qemu::new(self.harness, &self.arguments())
    }

    /// Adds the kernel with all that it starts with.
    fn load(&self, qemu: &mut Qemu) -> Result<()> {
        let reading = (self.harness.target == Target::X86_64).then(tsc::Reading::take);
        let kernel = qemu.file(kernel::open(self.kernel)?)?;
        let initramfs = qemu.file(memory_file(&self.guest.base)?)?;
        let mut arguments = self.kernel_arguments();
        // After the files, which take longer than the counter needs.
        if self.engine == Engine::Tcg
            && let Some(argument) = reading.and_then(tsc::Reading::argument)
        {
            arguments = format!("{argument} {arguments}");
        }
        qemu.arguments(&[
            "-kernel", &kernel, "-initrd", &initramfs, "-append", &arguments,
        ]);
        Ok(())
    }

    /// Makes a file the memory of the guest, whose writes go there if `share` is "on". Returns the
    /// place behind it, for the state of the devices, in the form that QEMU takes.
    fn map(&self, qemu: &mut Qemu, file: &File, share: &str) -> Result<String> {
        let name = qemu.file(file.try_clone()?.into())?;
        let memory = &self.memory;
        let object =
            format!("memory-backend-file,id=memory,size={memory},mem-path={name},share={share}");
        qemu.arguments(&["-object", &object, "-machine", "memory-backend=memory"]);
        Ok(format!("file:{name},offset={}", memory.bytes()))
    }

    /// Returns the file for the copy of the log, for an attempt to write it from its beginning.
    fn log_copy(&self) -> Result<Option<File>> {
        let Some(file) = &self.log else {
            return Ok(None);
        };
        let context = "cannot write the kernel log";
        let mut copy = file.try_clone().context(context)?;
        copy.set_len(0).context(context)?;
        copy.rewind().context(context)?;
        Ok(Some(copy))
    }
}

/// Writes an archive of files to memory.
fn memory_file(tree: &Tree) -> Result<OwnedFd> {
    let context = "cannot make an archive in memory";
    let memory = memfd_create(c"files", MFdFlags::MFD_CLOEXEC).context(context)?;
    let mut file = BufWriter::new(File::from(memory));
    tree.write(&mut file).context(context)?;
    let mut file = file.into_inner().context(context)?;
    file.rewind().context(context)?;
    Ok(file.into())
}
