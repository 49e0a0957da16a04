// SPDX-License-Identifier: GPL-2.0-only

//! A replica of walks over processes in the memory of a program, timed on the CPU that it runs on.
//!
//! Neither instructions nor lines say how long a walk takes: that depends on how many of its cache
//! misses overlap. The replica has objects of the kernel's sizes, linked as the kernel links them.
//! A walk touches the lines of each object that the plugin saw the real one touch, in the same
//! order of dependence, with as many instructions between. It is a model: the instructions are
//! simple ones, and neither page tables nor interrupts are in it.

use std::arch::asm;
use std::arch::x86_64::{_MM_HINT_T0, _mm_clflush, _mm_lfence, _mm_mfence, _mm_prefetch, _rdtsc};
use std::fmt;
use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed};

use anyhow::{Context, Result, ensure};
use cost::LINE_SIZE;
use nix::sys::mman::{MmapAdvise, madvise};
use serde::{Deserialize, Serialize};

use crate::costs::{Cost, Costs};
use crate::owners::{Objects, Owned, Owner};
use crate::rows::{BPF, C_ALL, C_SOME, SNAPSHOT_ALL, SNAPSHOT_SHORT, SNAPSHOT_SOME, listed};
use crate::scaling::median;
use crate::tables::{Table, optional, ratio};

/// The number of rounds of each walk.
const ROUNDS: usize = 41;

/// The least part of the processes for which a line has to be touched to be in the model.
const USUAL: f64 = 0.5;

/// The words of a line.
const WORDS: u64 = LINE_SIZE / 8;

/// The instructions that the model itself takes for a line, and for a process: about, by its
/// machine code.
const PER_LINE: f64 = 8.0;
const PER_PROCESS: f64 = 30.0;

/// The instructions of a turn of the loop that stands for all others.
const PER_TURN: f64 = 6.0;

/// The kinds of objects, in the order in which a walk comes to them.
const KINDS: [Owner; 5] = [
    Owner::Pid,
    Owner::Task,
    Owner::Signal,
    Owner::Mm,
    Owner::Cred,
];

/// The times of all walks, in ticks of the time stamp counter for each process.
#[derive(Serialize, Deserialize)]
pub struct Replica {
    processes: usize,
    rows: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    name: String,
    /// With nothing in any cache.
    cold: Ticks,
    /// At once again.
    warm: Ticks,
}

/// The median over rounds, and the quartiles.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Ticks {
    median: f64,
    lower: f64,
    upper: f64,
}

impl Replica {
    /// Times replicas of the walks of a run.
    pub fn measure(costs: &Costs) -> Result<Self> {
        let text = costs.objects.as_ref();
        let objects = Objects::parse(text.context("the run has no objects")?)?;
        let processes = usize::try_from(costs.get(SNAPSHOT_SOME)?.per)?;
        let world = World::new(&objects, processes)?;
        let mut rows = Vec::new();
        for (name, aheads) in [
            (C_SOME, &[Ahead::Nothing][..]),
            (C_ALL, &[Ahead::Nothing]),
            (BPF, &[Ahead::Nothing]),
            (SNAPSHOT_SOME, &[Ahead::Nothing, Ahead::All]),
            (SNAPSHOT_ALL, &[Ahead::Nothing, Ahead::All]),
            (SNAPSHOT_SHORT, &[Ahead::Nothing, Ahead::All]),
        ] {
            let name_of_lines = listed(name);
            let cost = costs.get(&name_of_lines)?;
            let owned = Owned::find(&objects, costs.lines(&name_of_lines), cost.per);
            let model = Model::new(&owned, costs.get(name)?);
            for ahead in aheads {
                rows.push(Row {
                    name: format!("{name}{}", ahead.name()),
                    cold: world.time(&model, *ahead, true),
                    warm: world.time(&model, *ahead, false),
                });
            }
        }
        Ok(Self { processes, rows })
    }
}

/// Memory that a walk fetches ahead.
#[derive(Clone, Copy, PartialEq)]
enum Ahead {
    Nothing,
    /// The ID of the process four further on, the lines of the task two further on, and all that
    /// the next one leads to.
    All,
}

impl Ahead {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::All => " + prefetch",
        }
    }
}

/// The work of a walk for a process.
#[derive(Debug, Default, PartialEq)]
struct Model {
    /// The lines of each object that are touched, and whether they are written, in the order of
    /// [`KINDS`].
    lines: [Vec<(u64, bool)>; 5],
    /// The number of written lines for which that is by a locked instruction.
    locked: usize,
    /// Words of output.
    output: usize,
    /// Turns of the loop for all other instructions, which are spread over the lines.
    turns_per_line: u32,
}

impl Model {
    fn new(owned: &Owned, cost: Cost) -> Self {
        let mut model = Self::default();
        for (lines, kind) in model.lines.iter_mut().zip(KINDS) {
            for (&(owner, line), share) in &owned.by_line {
                if owner == kind && share.lines >= USUAL {
                    lines.push((line, share.written >= USUAL));
                }
            }
        }
        let count: usize = model.lines.iter().map(Vec::len).sum();
        let output = owned.sums.get(&Owner::Output).copied().unwrap_or_default();
        model.output = (output.lines * WORDS as f64).round() as usize;
        model.locked = cost.of(cost.counts.locked).round() as usize;
        let own = PER_PROCESS + PER_LINE * count as f64 + model.output as f64;
        let left = (cost.instructions() - own).max(0.0);
        model.turns_per_line = (left / PER_TURN / count.max(1) as f64).round() as u32;
        model
    }
}

/// All objects, in one piece of memory: pointers are the indices of words.
struct World {
    memory: Vec<Line>,
    /// The pids in the order of their numbers.
    pids: Vec<u64>,
    output: Vec<AtomicU64>,
    /// The places of the pointers, in words from the beginning of their objects.
    places: Places,
}

#[derive(Clone, Copy)]
struct Places {
    task_of_pid: u64,
    /// The signal, mm and cred of a task.
    of_task: [u64; 3],
    /// A word of a line that is never a pointer, so that walks can write it.
    free: u64,
}

#[repr(align(64))]
#[derive(Default)]
struct Line([AtomicU64; WORDS as usize]);

impl World {
    fn new(objects: &Objects, processes: usize) -> Result<Self> {
        let place = |owner, field| {
            let offset = objects.offset(owner, field);
            Ok::<_, anyhow::Error>(offset.with_context(|| format!("no offset of {field}"))? / 8)
        };
        let task_of_pid = place(Owner::Pid, "tasks")?;
        let of_task = [
            place(Owner::Task, "signal")?,
            place(Owner::Task, "mm")?,
            place(Owner::Task, "real_cred")?,
        ];
        let is_free = |&word: &u64| {
            let mut pointers = of_task.iter().chain([&task_of_pid]);
            pointers.all(|pointer| pointer % WORDS != word)
        };
        let places = Places {
            task_of_pid,
            of_task,
            free: (0..WORDS)
                .find(is_free)
                .context("there are too many pointers")?,
        };
        let mut random = Random(1);
        let mut words = 0;
        // The objects of each process, in the order of the kinds.
        let mut starts = vec![[0; KINDS.len()]; processes];
        for (index, kind) in KINDS.into_iter().enumerate() {
            let size = objects.size(kind).context("an object has no size")?;
            let stride = size.next_multiple_of(LINE_SIZE) / 8;
            let slabs = slabs(&mut words, stride, processes, &mut random);
            for (process, start) in starts.iter_mut().zip(slabs) {
                process[index] = start;
            }
        }
        let lines = usize::try_from(words / WORDS)?;
        let world = Self {
            memory: in_huge_pages(lines, Line::default),
            pids: starts.iter().map(|&[pid, ..]| pid).collect(),
            output: in_huge_pages(processes * 64, || AtomicU64::new(1)),
            places,
        };
        for [pid, task, signal, mm, cred] in starts {
            world.word(pid + places.task_of_pid).store(task, Relaxed);
            for (place, object) in places.of_task.into_iter().zip([signal, mm, cred]) {
                world.word(task + place).store(object, Relaxed);
            }
        }
        ensure!(!world.pids.is_empty(), "there are no processes");
        Ok(world)
    }

    #[inline(always)]
    fn word(&self, index: u64) -> &AtomicU64 {
        &self.memory[(index / WORDS) as usize].0[(index % WORDS) as usize]
    }

    /// Measures rounds of a walk.
    fn time(&self, model: &Model, ahead: Ahead, cold: bool) -> Ticks {
        let walk = match ahead {
            Ahead::Nothing => Self::walk::<false>,
            Ahead::All => Self::walk::<true>,
        };
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                if cold {
                    self.flush();
                } else {
                    black_box(walk(self, model));
                }
                let start = now();
                black_box(walk(self, model));
                (now() - start) as f64 / self.pids.len() as f64
            })
            .collect();
        rounds.sort_unstable_by(f64::total_cmp);
        Ticks {
            lower: rounds[ROUNDS / 4],
            upper: rounds[ROUNDS * 3 / 4],
            median: median(rounds),
        }
    }

    /// Walks over all processes. Returns a sum of what it has read, and their number.
    #[inline(never)]
    fn walk<const AHEAD: bool>(&self, model: &Model) -> (u64, usize) {
        let mut sum = 0_u64;
        let mut written = 0;
        for (index, &pid) in self.pids.iter().enumerate() {
            if AHEAD {
                self.fetch_ahead(index, model);
            }
            let mut locked = model.locked;
            let task = self.word(pid + self.places.task_of_pid).load(Relaxed);
            self.touch(pid, &model.lines[0], model, &mut locked, &mut sum);
            self.touch(task, &model.lines[1], model, &mut locked, &mut sum);
            for (place, lines) in self.places.of_task.iter().zip(&model.lines[2..]) {
                let object = self.word(task + place).load(Relaxed);
                self.touch(object, lines, model, &mut locked, &mut sum);
            }
            let end = (written + model.output).min(self.output.len());
            for word in &self.output[written..end] {
                word.store(sum, Relaxed);
            }
            written = end;
        }
        (sum, self.pids.len())
    }

    #[inline(always)]
    fn touch(
        &self,
        object: u64,
        lines: &[(u64, bool)],
        model: &Model,
        locked: &mut usize,
        sum: &mut u64,
    ) {
        for &(line, is_written) in lines {
            let word = self.word(object + line * WORDS + self.places.free);
            if !is_written {
                *sum = sum.wrapping_add(word.load(Relaxed));
            } else if *locked > 0 {
                *locked -= 1;
                *sum = sum.wrapping_add(word.swap(0, Acquire));
            } else {
                word.store(0, Relaxed);
            }
            spin(model.turns_per_line);
        }
    }

    fn fetch(&self, index: u64) {
        if let Some(line) = self.memory.get((index / WORDS) as usize) {
            // SAFETY: A prefetch has no effect that a program could see.
            unsafe { _mm_prefetch::<_MM_HINT_T0>((&raw const *line).cast()) };
        }
    }

    #[inline(always)]
    fn task(&self, index: usize) -> Option<u64> {
        let pid = self.pids.get(index)?;
        Some(self.word(pid + self.places.task_of_pid).load(Relaxed))
    }

    #[inline(always)]
    fn fetch_ahead(&self, index: usize, model: &Model) {
        if let Some(pid) = self.pids.get(index + 4) {
            for (line, _) in &model.lines[0] {
                self.fetch(pid + line * WORDS);
            }
        }
        if let Some(task) = self.task(index + 2) {
            for (line, _) in &model.lines[1] {
                self.fetch(task + line * WORDS);
            }
        }
        if let Some(task) = self.task(index + 1) {
            for (place, lines) in self.places.of_task.iter().zip(&model.lines[2..]) {
                let object = self.word(task + place).load(Relaxed);
                for (line, _) in lines {
                    self.fetch(object + line * WORDS);
                }
            }
        }
    }

    /// Removes all objects and the output from all caches.
    fn flush(&self) {
        let lines = self.memory.iter().map(|line| (&raw const *line).cast());
        let output = self.output.chunks(WORDS as usize);
        for address in lines.chain(output.map(|words| words.as_ptr().cast())) {
            // SAFETY: The address is one of this program, whose memory keeps what it has.
            unsafe { _mm_clflush(address) };
        }
        // SAFETY: Each x86-64 CPU has it.
        unsafe { _mm_mfence() };
    }
}

/// Makes values in memory that has huge pages, as the kernel's has, where the machine gives any.
fn in_huge_pages<T>(count: usize, make: impl Fn() -> T) -> Vec<T> {
    const PAGE: usize = 4096;

    let mut values = Vec::with_capacity(count);
    let memory = values.spare_capacity_mut();
    let start = memory.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(PAGE);
    if let Some(length) = size_of_val(memory).checked_sub(skipped)
        && let Some(first) = NonNull::new(start.wrapping_add(skipped))
    {
        // SAFETY: The pages are those of the vector, and the advice changes nothing in them.
        // Without huge pages, the times are those of small ones.
        let _ = unsafe { madvise(first.cast(), length, MmapAdvise::MADV_HUGEPAGE) };
    }
    values.extend((0..count).map(|_| make()));
    values
}

/// Places objects of a size, in words, from `end` on in slabs of 32 KiB, each filled in any order.
fn slabs(end: &mut u64, stride: u64, count: usize, random: &mut Random) -> Vec<u64> {
    let slab = 32 * 1024 / 8;
    let each = usize::try_from(slab / stride).unwrap_or(1).max(1);
    let mut starts = Vec::with_capacity(count);
    while starts.len() < count {
        let mut places: Vec<u64> = (0..each as u64).map(|n| *end + n * stride).collect();
        for last in (1..places.len()).rev() {
            places.swap(last, random.below(last + 1));
        }
        starts.extend(places);
        *end += slab.max(stride);
    }
    starts.truncate(count);
    starts
}

/// Numbers that are random enough, and the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Returns the time stamp counter, after all earlier work.
fn now() -> u64 {
    // SAFETY: Each x86-64 CPU has both.
    unsafe {
        _mm_lfence();
        let ticks = _rdtsc();
        _mm_lfence();
        ticks
    }
}

/// Runs a loop of six simple instructions.
#[inline(always)]
fn spin(turns: u32) {
    if turns > 0 {
        // SAFETY: Only changes registers.
        unsafe {
            asm!(
                "2: lea {a}, [{a} + 1]",
                "lea {b}, [{b} + 1]",
                "lea {c}, [{c} + 1]",
                "lea {d}, [{d} + 1]",
                "dec {turns:e}",
                "jnz 2b",
                a = inout(reg) 0_u64 => _,
                b = inout(reg) 0_u64 => _,
                c = inout(reg) 0_u64 => _,
                d = inout(reg) 0_u64 => _,
                turns = inout(reg) turns => _,
                options(nomem, nostack),
            );
        }
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(
            format!(
                "Replica on this CPU: ticks for each of {} processes, and in those of BPF",
                self.processes
            ),
            &["cold", "quartiles", "warm", "quartiles", "cold", "warm"],
        );
        let bpf = self.rows.iter().find(|row| row.name == BPF);
        for row in &self.rows {
            let mut cells = Vec::new();
            for ticks in [row.cold, row.warm] {
                cells.push(format!("{:.0}", ticks.median));
                cells.push(format!("{:.0} to {:.0}", ticks.lower, ticks.upper));
            }
            for of in [|row: &Row| row.cold, |row: &Row| row.warm] {
                let to_bpf = bpf.map(|bpf| of(row).median / of(bpf).median);
                cells.push(optional(to_bpf, ratio));
            }
            table.row(&*row.name, cells);
        }
        write!(f, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use cost::Counts;

    use super::*;
    use crate::owners::{Share, tests::TEXT};

    fn owned() -> Owned {
        let share = |lines, written| Share { lines, written };
        Owned {
            sums: [(Owner::Output, share(2.0, 2.0))].into(),
            by_line: [
                ((Owner::Task, 1), share(1.0, 0.0)),
                ((Owner::Task, 2), share(0.1, 0.0)),
                ((Owner::Signal, 0), share(0.9, 0.9)),
            ]
            .into(),
        }
    }

    fn cost(instructions: u64) -> Cost {
        Cost {
            counts: Counts {
                kernel_instructions: instructions,
                locked: 1,
                ..Counts::default()
            },
            per: 1,
            with_deferred: None,
        }
    }

    #[test]
    fn a_model_has_the_lines_of_most_processes() {
        let model = Model::new(&owned(), cost(1000));
        assert_eq!(model.lines[1], [(1, false)]);
        assert_eq!(model.lines[2], [(0, true)]);
        assert_eq!((model.locked, model.output), (1, 16));
        assert!(model.turns_per_line > 50);
        assert_eq!(Model::new(&owned(), cost(10)).turns_per_line, 0);
    }

    #[test]
    fn a_walk_comes_to_all_processes() {
        let text = format!(
            "{TEXT}field task signal 3520\nfield task real_cred 3384\nfield pid tasks 48\n"
        );
        let objects = Objects::parse(&text).unwrap();
        let world = World::new(&objects, 100).unwrap();
        let model = Model::new(&owned(), cost(0));
        let free = world.places.free;
        // What a walk writes is in the objects that it came to.
        for process in 0..100 {
            let task = world.task(process).unwrap();
            let signal = world.word(task + 3520 / 8).load(Relaxed);
            world.word(signal + free).store(7, Relaxed);
            world.word(task + WORDS + free).store(1, Relaxed);
        }
        for walk in [World::walk::<false>, World::walk::<true>] {
            let (sum, found) = walk(&world, &model);
            assert_eq!(found, 100);
            assert!(sum >= 100);
        }
        for process in 0..100 {
            let task = world.task(process).unwrap();
            let signal = world.word(task + 3520 / 8).load(Relaxed);
            assert_eq!(world.word(signal + free).load(Relaxed), 0);
        }
    }

    #[test]
    fn objects_do_not_overlap() {
        let mut end = 0;
        let mut starts = slabs(&mut end, 768, 100, &mut Random(1));
        starts.sort_unstable();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 768));
        assert!(end >= starts[99] + 768);
    }
}
