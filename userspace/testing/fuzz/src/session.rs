// SPDX-License-Identifier: GPL-2.0-only

//! A session: the module under test, the threads that use it, and the coverage so far.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};
use fixture::kernel_log::KernelLog;
use fixture::leaks::Kmemleak;
use fixture::memory::Ptr;
use fixture::module::{self, Module};
use fixture::{open, raw};
use procmon::sysfs::{self, Parameter};
use procmon::{Stats, uapi};

use crate::blocks::{Block, Blocks};
use crate::execute::shared::Shared;
use crate::execute::{Outcome, Thread};
use crate::model::Counts;
use crate::program::Program;

/// The taint flags, some of which the kernel sets after an error of its own.
const TAINTED: &str = "/proc/sys/kernel/tainted";

/// The code that an input was the first to reach.
pub struct News {
    /// The number of blocks.
    pub blocks: usize,
    /// The number of ways from one block to the next.
    pub edges: usize,
    /// The number of bytes of the input that have a meaning.
    pub used: usize,
}

impl News {
    /// Whether the input reached any new code.
    pub fn any(&self) -> bool {
        self.edges > 0
    }
}

/// The second thread, with the channels to it.
struct Second {
    programs: Sender<(Arc<Shared>, Arc<Barrier>)>,
    outcomes: Receiver<Result<Outcome>>,
}

impl Second {
    fn start() -> Result<Self> {
        let (programs, receiver) = channel::<(Arc<Shared>, Arc<Barrier>)>();
        let (sender, outcomes) = channel();
        let (ready, is_ready) = channel();
        thread::spawn(move || {
            let mut this = match Thread::new(true) {
                Ok(this) => this,
                Err(error) => return ready.send(Err(error)).unwrap_or(()),
            };
            // A channel that is closed means that the session has ended.
            let _ = ready.send(Ok(()));
            for (shared, start) in receiver {
                start.wait();
                let outcome = this.run(&shared);
                drop(shared);
                let _ = sender.send(outcome);
            }
        });
        is_ready.recv().context("the second thread has died")??;
        Ok(Self { programs, outcomes })
    }
}

/// The loaded module, and the means to run inputs.
pub struct Session {
    pub blocks: Blocks,
    pub executions: u64,
    edges: HashSet<(Block, Block)>,
    first: Thread,
    second: Second,
    module: Option<Loaded>,
    log: KernelLog,
    announcements: File,
    tainted: File,
    /// The content of `tainted` at the beginning.
    flags: String,
    kmemleak: Kmemleak,
}

/// The loaded module. Files are kept open, as opening one takes long on the debug kernel.
struct Loaded {
    /// The device, for commands that reset it.
    control: File,
    /// The attribute `stats`.
    stats: File,
    /// The writable parameters, with their defaults, to which they are set back.
    parameters: Vec<(File, u32)>,
    /// The operations that the module should have counted since it was loaded.
    operations: u64,
    // After the file, which keeps it from being unloaded.
    module: Module,
}

impl Session {
    /// Loads the module and starts the second thread.
    pub fn begin() -> Result<Self> {
        let mut this = Self {
            blocks: Blocks::read(Path::new(module::PATH))?,
            executions: 0,
            edges: HashSet::new(),
            first: Thread::new(false)?,
            second: Second::start()?,
            module: None,
            log: KernelLog::from_now(),
            announcements: File::options().write(true).open("/dev/kmsg")?,
            tainted: File::open(TAINTED)?,
            flags: String::new(),
            kmemleak: Kmemleak::new().context("cannot look for leaks")?,
        };
        this.load()?;
        this.flags = content(&this.tainted)?;
        Ok(this)
    }

    fn load(&mut self) -> Result<()> {
        let load = || Module::load("");
        let (module, trace) = self.first.kcov.record(load)?;
        let module = module.context("cannot load the module")?;
        self.blocks.locate()?;
        self.note(&trace)?;
        let writable = Parameter::ALL.iter().filter(|each| each.is_writable());
        let parameters = writable.map(|parameter| {
            let file = File::options().write(true).open(parameter.path())?;
            io::Result::Ok((file, parameter.default_value()))
        });
        self.module = Some(Loaded {
            control: open(),
            stats: File::open(Path::new(sysfs::ATTRIBUTES).join("stats"))?,
            parameters: parameters.collect::<io::Result<_>>()?,
            operations: 1,
            module,
        });
        Ok(())
    }

    fn unload(&mut self) -> Result<()> {
        let Some(Loaded {
            control, module, ..
        }) = self.module.take()
        else {
            return Ok(());
        };
        drop(control);
        let (result, trace) = self.first.kcov.record(|| module.unload())?;
        if let Err((_module, errno)) = result {
            bail!("cannot unload the module: {errno}");
        }
        self.note(&trace)?;
        Ok(())
    }

    /// Unloads the module and loads it again.
    pub fn reload(&mut self) -> Result<()> {
        self.unload()?;
        self.load()?;
        self.check_kernel()
    }

    /// Unloads the module, and checks that nothing of it is left. Returns the coverage.
    pub fn end(mut self) -> Result<Blocks> {
        self.unload()?;
        let lost = self.kmemleak.lost();
        ensure!(lost.is_empty(), "memory was lost:\n{}", lost.concat());
        ensure!(module::traces().is_empty(), "left: {:?}", module::traces());
        self.check_kernel()?;
        Ok(self.blocks)
    }

    /// Runs an input. `text` is its form in the log.
    pub fn execute(&mut self, input: &[u8], text: &str) -> Result<News> {
        self.executions += 1;
        // In one piece, for each write makes a line.
        let line = format!("<6>fuzz: input {text}\n");
        self.announcements
            .write_all(line.as_bytes())
            .context("cannot write to the kernel log")?;
        let (program, used) = Program::decode(input);
        let shared = Arc::new(Shared::new(program));
        let loaded = self.module.as_mut().context("no module")?;
        loaded.set_back()?;
        let mut counts = Counts::default();
        let mut traces = Vec::new();
        for outcome in self.run(&shared) {
            let outcome = outcome?;
            counts = counts.and(outcome.counts);
            traces.push(outcome.trace);
        }
        let loaded = self.module.as_mut().context("no module")?;
        if shared.sets_parameters() {
            for (file, value) in &loaded.parameters {
                file.write_all_at(value.to_string().as_bytes(), 0)?;
            }
        }
        // This closes the files.
        drop(shared);
        loaded.check_counts(&counts)?;
        self.check_kernel()?;
        let mut news = News {
            blocks: 0,
            edges: 0,
            used,
        };
        for trace in traces {
            let (blocks, edges) = self.note(&trace)?;
            news.blocks += blocks;
            news.edges += edges;
        }
        Ok(news)
    }

    /// Runs a program in the threads that it has steps for.
    fn run(&mut self, shared: &Arc<Shared>) -> Vec<Result<Outcome>> {
        if !shared.has_steps(true) {
            return vec![self.first.run(shared)];
        }
        let start = Arc::new(Barrier::new(2));
        let second = &self.second;
        if second
            .programs
            .send((shared.clone(), start.clone()))
            .is_err()
        {
            return vec![Err(anyhow!("the second thread has died"))];
        }
        start.wait();
        let first = self.first.run(shared);
        let died = |_| Err(anyhow!("the second thread has died"));
        vec![first, second.outcomes.recv().unwrap_or_else(died)]
    }

    fn check_kernel(&mut self) -> Result<()> {
        if let Some(line) = self.log.splat() {
            bail!("the kernel complains: {line}");
        }
        let flags = content(&self.tainted)?;
        ensure!(flags == self.flags, "the kernel got tainted: {flags}");
        Ok(())
    }

    /// Marks the code of a trace as reached. Returns the numbers of new blocks and edges.
    fn note(&mut self, trace: &[u64]) -> Result<(usize, usize)> {
        let mut news = (0, 0);
        let mut previous = None;
        for &address in trace {
            let block = self.blocks.find(address)?;
            news.0 += usize::from(self.blocks.reach(block));
            if let Some(previous) = previous {
                news.1 += usize::from(self.edges.insert((previous, block)));
            }
            previous = Some(block);
        }
        Ok(news)
    }
}

impl Loaded {
    /// Resets the device to its state after loading, but for the operations.
    fn set_back(&mut self) -> Result<()> {
        raw::write(&self.control, Ptr::NULL, 0).context("cannot empty the message")?;
        raw::ioctl(&self.control, uapi::PROCMON_RESET.into(), Ptr::NULL).context("RESET")?;
        self.operations += 2;
        Ok(())
    }

    /// Checks that the module has counted the operations.
    fn check_counts(&mut self, counts: &Counts) -> Result<()> {
        let Counts {
            opens,
            reads,
            writes,
            ioctls,
            resets,
        } = *counts;
        self.operations += opens + reads + writes + ioctls;
        let stats: sysfs::Stats = content(&self.stats)?.trim_end().parse()?;
        ensure!(
            stats.per_cpu_ops == self.operations,
            "{} operations instead of {}, the last of which are {counts:?}",
            stats.per_cpu_ops,
            self.operations
        );
        let expected = Stats {
            opens,
            reads,
            writes,
            ioctls,
            ..stats.totals
        };
        if resets == 0 {
            ensure!(stats.totals == expected, "{stats:?} after {counts:?}");
        } else {
            let each = [
                (stats.totals.opens, opens),
                (stats.totals.reads, reads),
                (stats.totals.writes, writes),
                (stats.totals.ioctls, ioctls),
            ];
            ensure!(
                each.iter().all(|(total, all)| total <= all),
                "{stats:?} after {counts:?}"
            );
        }
        Ok(())
    }
}

/// Reads a file of a few lines from its beginning.
fn content(file: &File) -> Result<String> {
    let mut buffer = vec![0; 1024];
    let len = file.read_at(&mut buffer, 0)?;
    buffer.truncate(len);
    Ok(String::from_utf8(buffer)?)
}
