// SPDX-License-Identifier: GPL-2.0-only

//! QEMU plugin that counts what the guest does between marks.
//!
//! ```text
//! qemu-system-x86_64 ... -plugin file=libcost_plugin.so,output=FILE
//! ```
//!
//! A program in the guest sets the marks of [`cost::marks`]; the regions between them are written
//! to FILE as [`cost::Region`] shows them. Until the first mark, [`Mark::Arm`] or
//! [`Mark::ArmToCount`], nothing is instrumented, so that booting takes no longer than without the
//! plugin. Then all code is translated anew.

mod qemu;
mod scores;

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fs::File;
use std::io::Write;
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

use cost::{Instruction, Mark, Meter, Region, Tally};

use crate::qemu::{CallbackFlags, Id, Info, MemoryAccess, OnExecution, Simple, TranslationBlock};
use crate::scores::Scores;

/// The version of QEMU's interface that this is written for.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 4;

static PLUGIN: OnceLock<Plugin> = OnceLock::new();

struct Plugin {
    id: Id,
    is_armed: AtomicBool,
    /// Whether a region has begun, which most instructions need not take the lock to know.
    is_running: AtomicBool,
    meter: Mutex<Meter>,
    scores: Scores,
    tally: Mutex<Tally>,
    output: Mutex<File>,
}

impl Plugin {
    fn write(&self, region: &Region) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        // The benchmark notices a region that is missing.
        if let Err(error) = write!(output, "{region}") {
            eprintln!("cost-plugin: cannot write: {error}");
        }
    }
}

/// Starts the plugin.
///
/// # Safety
///
/// For QEMU to call, with `count` strings as `arguments`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: Id,
    _: *const Info,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    let arguments = match usize::try_from(count) {
        Ok(count @ 1..) => {
            // SAFETY: By the safety requirements.
            unsafe { slice::from_raw_parts(arguments, count) }
        }
        _ => &[],
    };
    let path = arguments.iter().find_map(|&argument| {
        // SAFETY: By the safety requirements.
        let argument = unsafe { CStr::from_ptr(argument) };
        argument.to_str().ok()?.strip_prefix("output=")
    });
    let Some(path) = path else {
        eprintln!("cost-plugin: there is no output=FILE");
        return 1;
    };
    let output = match File::create(path) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("cost-plugin: cannot write to {path}: {error}");
            return 1;
        }
    };
    PLUGIN.get_or_init(|| Plugin {
        id,
        is_armed: AtomicBool::new(false),
        is_running: AtomicBool::new(false),
        meter: Mutex::default(),
        scores: Scores::new(),
        tally: Mutex::default(),
        output: Mutex::new(output),
    });
    // SAFETY: The ID is this plugin's, and the callback is one for blocks that are translated.
    unsafe { qemu::qemu_plugin_register_vcpu_tb_trans_cb(id, look_for_arm) };
    0
}

/// Looks for the first mark in a block that is translated.
unsafe extern "C" fn look_for_arm(_: Id, block: *mut TranslationBlock) {
    for instruction in instructions(block) {
        let callback: OnExecution = match Mark::of(instruction.bytes()) {
            Some(Mark::Arm) => arm,
            Some(Mark::ArmToCount) => arm_to_count,
            _ => continue,
        };
        // SAFETY: The instruction is of this block, and the callbacks take no data.
        unsafe {
            qemu::qemu_plugin_register_vcpu_insn_exec_cb(
                instruction.handle,
                callback,
                CallbackFlags::NoRegisters,
                std::ptr::null_mut(),
            );
        }
    }
}

/// Has all code translated anew, with a callback that goes on after that.
fn reset(callback: Simple) {
    if let Some(plugin) = PLUGIN.get()
        && !plugin.is_armed.swap(true, Relaxed)
    {
        // SAFETY: The ID is this plugin's. The old callbacks have no data that could be left over.
        unsafe { qemu::qemu_plugin_reset(plugin.id, callback) };
    }
}

unsafe extern "C" fn arm(_: c_uint, _: *mut c_void) {
    reset(instrument_all);
}

unsafe extern "C" fn arm_to_count(_: c_uint, _: *mut c_void) {
    reset(count_all);
}

/// Goes on after the reset, when there is no translated code.
unsafe extern "C" fn instrument_all(id: Id) {
    // SAFETY: As in `qemu_plugin_install()`.
    unsafe { qemu::qemu_plugin_register_vcpu_tb_trans_cb(id, instrument) };
}

/// Instruments a block that is translated.
unsafe extern "C" fn instrument(_: Id, block: *mut TranslationBlock) {
    for instruction in instructions(block) {
        let decoded = Instruction::decode(instruction.address, instruction.bytes());
        // QEMU does not say when a block is gone, so this stays for ever.
        let data: *const Instruction = Box::leak(Box::new(decoded));
        // SAFETY: The instruction is of this block, and the callbacks take such data.
        unsafe {
            qemu::qemu_plugin_register_vcpu_insn_exec_cb(
                instruction.handle,
                execute,
                CallbackFlags::NoRegisters,
                data.cast_mut().cast(),
            );
            qemu::qemu_plugin_register_vcpu_mem_cb(
                instruction.handle,
                access,
                CallbackFlags::NoRegisters,
                qemu::READS_AND_WRITES,
                std::ptr::null_mut(),
            );
        }
    }
}

/// Counts an instruction. `data` is an [`Instruction`].
unsafe extern "C" fn execute(cpu: c_uint, data: *mut c_void) {
    // SAFETY: `instrument()` has set it to such a value, which is never freed nor changed.
    let instruction = unsafe { &*data.cast::<Instruction>() };
    let Some(plugin) = PLUGIN.get() else { return };
    if instruction.mark.is_none() && !plugin.is_running.load(Relaxed) {
        return;
    }
    let mut meter = plugin.meter.lock().unwrap_or_else(PoisonError::into_inner);
    let region = meter.execute(cpu, instruction);
    if instruction.mark.is_some() {
        plugin.is_running.store(meter.is_running(), Relaxed);
    }
    drop(meter);
    if let Some(region) = region {
        plugin.write(&region);
    }
}

/// Counts an access to memory.
unsafe extern "C" fn access(cpu: c_uint, info: MemoryAccess, address: u64, _: *mut c_void) {
    let Some(plugin) = PLUGIN.get() else { return };
    if !plugin.is_running.load(Relaxed) {
        return;
    }
    // SAFETY: QEMU has passed these, and this is a callback for an access.
    let (is_device, size, is_store) = unsafe {
        let place = qemu::qemu_plugin_get_hwaddr(info, address);
        (
            !place.is_null() && qemu::qemu_plugin_hwaddr_is_io(place),
            1 << qemu::qemu_plugin_mem_size_shift(info),
            qemu::qemu_plugin_mem_is_store(info),
        )
    };
    // The registers of a device are in no cache.
    if !is_device {
        let mut meter = plugin.meter.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: As above.
        let value = || unsafe { qemu::qemu_plugin_mem_get_value(info) }.low;
        meter.access(cpu, address, size, is_store, value);
    }
}

/// Goes on after the reset like [`instrument_all`].
unsafe extern "C" fn count_all(id: Id) {
    // SAFETY: As in `qemu_plugin_install()`.
    unsafe { qemu::qemu_plugin_register_vcpu_tb_trans_cb(id, count) };
}

/// Has the instructions of a block that is translated counted.
unsafe extern "C" fn count(_: Id, block: *mut TranslationBlock) {
    let Some(plugin) = PLUGIN.get() else { return };
    for instruction in instructions(block) {
        let decoded = Instruction::decode(instruction.address, instruction.bytes());
        let callback: OnExecution = match decoded {
            Instruction { mark: Some(_), .. } => pass,
            Instruction { repeats: true, .. } => repeat,
            Instruction { place, .. } => {
                plugin.scores.count(place, instruction.handle);
                continue;
            }
        };
        // As in `instrument()`.
        let data: *const Instruction = Box::leak(Box::new(decoded));
        // SAFETY: The instruction is of this block, and the callbacks take such data.
        unsafe {
            qemu::qemu_plugin_register_vcpu_insn_exec_cb(
                instruction.handle,
                callback,
                CallbackFlags::NoRegisters,
                data.cast_mut().cast(),
            );
        }
    }
}

/// Passes a mark. `data` is an [`Instruction`].
unsafe extern "C" fn pass(_: c_uint, data: *mut c_void) {
    // SAFETY: `count()` has set it to such a value, which is never freed nor changed.
    let instruction = unsafe { &*data.cast::<Instruction>() };
    let (Some(plugin), Some(mark)) = (PLUGIN.get(), instruction.mark) else {
        return;
    };
    let mut tally = plugin.tally.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(region) = tally.pass(mark, plugin.scores.totals()) {
        plugin.write(&region);
    }
}

/// Counts a turn of an instruction that repeats itself. `data` is an [`Instruction`].
unsafe extern "C" fn repeat(cpu: c_uint, data: *mut c_void) {
    // SAFETY: As in `pass()`.
    let instruction = unsafe { &*data.cast::<Instruction>() };
    let Some(plugin) = PLUGIN.get() else { return };
    let mut tally = plugin.tally.lock().unwrap_or_else(PoisonError::into_inner);
    if tally.is_first_turn(cpu, instruction.address, plugin.scores.of_cpu(cpu)) {
        plugin.scores.add(instruction.place, cpu);
    }
}

/// An instruction of a block that is being translated.
struct Translated {
    handle: *mut qemu::Instruction,
    address: u64,
    bytes: [u8; 15],
    size: usize,
}

impl Translated {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.size]
    }
}

/// Returns the instructions of a block that QEMU passes to a callback.
fn instructions(block: *mut TranslationBlock) -> impl Iterator<Item = Translated> {
    // SAFETY: The block is valid during the callback, which is as long as this is used.
    let count = unsafe { qemu::qemu_plugin_tb_n_insns(block) };
    (0..count).map(move |index| {
        let mut bytes = [0; 15];
        // SAFETY: As above. There is an instruction with this index, and space for its bytes.
        unsafe {
            let handle = qemu::qemu_plugin_tb_get_insn(block, index);
            let size = qemu::qemu_plugin_insn_data(handle, bytes.as_mut_ptr().cast(), bytes.len());
            Translated {
                handle,
                address: qemu::qemu_plugin_insn_vaddr(handle),
                bytes,
                size,
            }
        }
    })
}
