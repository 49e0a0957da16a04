// SPDX-License-Identifier: GPL-2.0-only

//! The content of the guest.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use testvm::protocol::{JOB_PATH, Job, MODULE_PATH, Task};

use crate::cli::{Addition, Harness, Options};
use crate::elf::{self, System};
use crate::initramfs::Tree;

const USER: u32 = 1000;

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
user:x:1000:1000:user:/home/user:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh
";

const GROUP: &str = "\
root:x:0:
tty:x:5:
user:x:1000:
nogroup:x:65534:
";

/// The files of a guest.
pub struct Guest {
    /// The same for all runs: process 1 and the commands.
    pub base: Tree,
    /// The others.
    pub files: Tree,
}

/// Returns a guest that reports that it works.
pub fn probe(harness: &Harness) -> Result<Guest> {
    let mut files = Tree::default();
    let job = Job {
        wanted: None,
        module: None,
        environment: Vec::new(),
        task: Task::Probe,
    };
    files.file(JOB_PATH, 0o644, serde_json::to_vec(&job)?)?;
    Ok(Guest {
        base: base(harness)?,
        files,
    })
}

/// Returns a guest for a task. The guest checks that its kernel has the options `wanted`.
pub fn full(options: &Options, wanted: Option<String>, task: Task) -> Result<Guest> {
    let harness = &options.harness;
    let additions = additions(options)?;
    let module = (!options.no_module).then(|| options.module_args.clone());
    let job = Job {
        wanted,
        module,
        environment: additions.environment(),
        task,
    };
    let base = base(harness)?;
    // On top of the base, so that a file that is there already is noticed.
    let mut tree = base.clone();
    tree.file(JOB_PATH, 0o644, serde_json::to_vec(&job)?)?;
    if !options.no_module || options.module.is_some() || options.module_file().exists() {
        tree.copy(MODULE_PATH, 0o644, options.module_file())?;
    }
    tree.copy(
        "/bin/procmonctl",
        0o755,
        &harness.binaries.join("procmonctl"),
    )?;
    additions.put_into(&mut tree)?;
    Ok(Guest {
        files: tree.without(&base),
        base,
    })
}

fn base(harness: &Harness) -> Result<Tree> {
    let mut tree = Tree::default();
    for directory in ["/dev", "/proc", "/sys", "/tmp"] {
        tree.directory(directory, 0o755, 0)?;
    }
    // The kernel gives the console to process 1 before that can mount /dev.
    tree.device("/dev/console", 0o600, 5, 1)?;
    tree.copy("/init", 0o755, &harness.binaries.join("testvm-init"))?;
    tree.directory("/root", 0o700, 0)?;
    tree.directory("/home/user", 0o755, USER)?;
    tree.file("/etc/passwd", 0o644, PASSWD)?;
    tree.file("/etc/group", 0o644, GROUP)?;
    tree.link("/etc/mtab", "/proc/mounts")?;
    for directory in ["/sbin", "/usr/bin", "/usr/sbin"] {
        tree.link(directory, "/bin")?;
    }
    let busybox = harness.root.join(harness.target.busybox());
    tree.copy("/bin/busybox", 0o755, &busybox)?;
    // That of another machine has the same ones.
    for applet in applets(&harness.root.join("bin/busybox"))? {
        tree.link(&format!("/bin/{applet}"), "busybox")?;
    }
    Ok(tree)
}

/// Returns the commands that busybox can be.
fn applets(busybox: &Path) -> Result<Vec<String>> {
    let output = Command::new(busybox)
        .arg("--list")
        .output()
        .with_context(|| format!("cannot run {}", busybox.display()))?;
    ensure!(
        output.status.success(),
        "{} --list: {}",
        busybox.display(),
        output.status
    );
    let list = String::from_utf8(output.stdout)?;
    Ok(list
        .lines()
        .filter(|&name| name != "busybox")
        .map(str::to_owned)
        .collect())
}

/// The files of --add, with the libraries that they need.
struct Additions<'a> {
    files: Vec<(String, &'a Path)>,
    libraries: BTreeSet<PathBuf>,
    /// The system with the libraries.
    system: System<'a>,
}

fn additions(options: &Options) -> Result<Additions<'_>> {
    let harness = &options.harness;
    let mut files = Vec::new();
    let mut dynamic = Vec::new();
    for Addition { file, destination } in &options.add {
        let data = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        files.push((
            destination
                .clone()
                .map_or_else(|| default_place(file), Ok)?,
            file.as_path(),
        ));
        if let Some(interpreter) = elf::interpreter(&data)
            .with_context(|| format!("{} is a broken ELF file", file.display()))?
        {
            let file = fs::canonicalize(file)
                .with_context(|| format!("cannot find {}", file.display()))?;
            dynamic.push((file, interpreter));
        }
    }

    // All libraries are taken from one system, as a guest with a mixture of two would not work:
    // from the host, else from the build root, for programs that were compiled there.
    let host = System {
        harness: None,
        root: Path::new("/"),
    };
    let build_root = System {
        harness: Some(harness),
        root: &harness.root,
    };
    let libraries_of = |system: &System| -> Result<BTreeSet<PathBuf>> {
        let mut libraries = BTreeSet::new();
        for (file, interpreter) in &dynamic {
            libraries.extend(system.libraries(file, interpreter).with_context(|| {
                format!("cannot find the shared libraries of {}", file.display())
            })?);
        }
        Ok(libraries)
    };
    match libraries_of(&host) {
        Ok(libraries) => Ok(Additions {
            files,
            libraries,
            system: host,
        }),
        Err(error) => match libraries_of(&build_root) {
            Ok(libraries) => Ok(Additions {
                files,
                libraries,
                system: build_root,
            }),
            Err(_) => Err(error),
        },
    }
}

fn default_place(file: &Path) -> Result<String> {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| anyhow!("{} needs a destination", file.display()))?;
    Ok(if is_executable(file)? {
        format!("/bin/{name}")
    } else {
        format!("/{name}")
    })
}

fn is_executable(file: &Path) -> Result<bool> {
    let metadata =
        fs::metadata(file).with_context(|| format!("cannot look at {}", file.display()))?;
    Ok(metadata.permissions().mode() & 0o111 != 0)
}

impl Additions<'_> {
    /// Returns the variable by which the guest's dynamic loader, which has no cache, finds the
    /// libraries.
    fn environment(&self) -> Vec<(String, String)> {
        let directories: BTreeSet<&str> = self
            .libraries
            .iter()
            .filter_map(|path| path.parent()?.to_str())
            .collect();
        if directories.is_empty() {
            return Vec::new();
        }
        let path = directories.into_iter().collect::<Vec<_>>().join(":");
        vec![("LD_LIBRARY_PATH".to_owned(), path)]
    }

    fn put_into(&self, tree: &mut Tree) -> Result<()> {
        for (destination, file) in &self.files {
            let permissions = if is_executable(file)? { 0o755 } else { 0o644 };
            tree.copy(destination, permissions, file)?;
        }
        for library in &self.libraries {
            let Some(path) = library.to_str() else {
                bail!("strange path {library:?}")
            };
            tree.file(path, 0o755, self.system.read(library)?)?;
        }
        Ok(())
    }
}
