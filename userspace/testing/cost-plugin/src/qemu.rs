// SPDX-License-Identifier: GPL-2.0-only

//! The functions of `qemu-plugin.h` that are used, by its version 4. QEMU itself has them.

use std::ffi::{c_int, c_uint, c_void};

pub type Id = u64;

/// Opaque types of QEMU.
#[repr(C)]
pub struct Info(c_int);
#[repr(C)]
pub struct TranslationBlock(c_int);
#[repr(C)]
pub struct Instruction(c_int);
#[repr(C)]
pub struct HardwareAddress(c_int);

/// `qemu_plugin_meminfo_t`: a description of an access.
pub type MemoryAccess = u32;

/// `qemu_plugin_mem_value`: a value that was read or written.
#[repr(C)]
pub struct MemoryValue {
    pub kind: c_int,
    pub low: u64,
    pub high: u64,
}

/// `qemu_plugin_cb_flags`: the use that a callback makes of the CPU's registers.
#[repr(C)]
pub enum CallbackFlags {
    NoRegisters,
}

/// `qemu_plugin_scoreboard`: numbers for each CPU.
#[repr(C)]
pub struct Scoreboard(c_int);

/// `qemu_plugin_u64`: one of these numbers.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Score {
    pub board: *mut Scoreboard,
    pub offset: usize,
}

/// `qemu_plugin_op`: an operation that QEMU does itself.
#[repr(C)]
pub enum Operation {
    Add,
}

/// `QEMU_PLUGIN_MEM_RW`.
pub const READS_AND_WRITES: c_int = 3;

pub type Simple = unsafe extern "C" fn(Id);
pub type OnTranslation = unsafe extern "C" fn(Id, *mut TranslationBlock);
pub type OnExecution = unsafe extern "C" fn(c_uint, *mut c_void);
pub type OnAccess = unsafe extern "C" fn(c_uint, MemoryAccess, u64, *mut c_void);

unsafe extern "C" {
    pub fn qemu_plugin_reset(id: Id, callback: Simple);
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, callback: OnTranslation);
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: OnExecution,
        flags: CallbackFlags,
        data: *mut c_void,
    );
    pub fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut Instruction,
        callback: OnAccess,
        flags: CallbackFlags,
        kinds: c_int,
        data: *mut c_void,
    );
    pub fn qemu_plugin_scoreboard_new(size: usize) -> *mut Scoreboard;
    pub fn qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
        instruction: *mut Instruction,
        operation: Operation,
        score: Score,
        operand: u64,
    );
    pub fn qemu_plugin_u64_add(score: Score, cpu: c_uint, added: u64);
    pub fn qemu_plugin_u64_get(score: Score, cpu: c_uint) -> u64;
    pub fn qemu_plugin_u64_sum(score: Score) -> u64;
    pub fn qemu_plugin_tb_n_insns(block: *const TranslationBlock) -> usize;
    pub fn qemu_plugin_tb_get_insn(
        block: *const TranslationBlock,
        index: usize,
    ) -> *mut Instruction;
    pub fn qemu_plugin_insn_data(
        instruction: *const Instruction,
        to: *mut c_void,
        length: usize,
    ) -> usize;
    pub fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    pub fn qemu_plugin_mem_size_shift(access: MemoryAccess) -> c_uint;
    pub fn qemu_plugin_mem_is_store(access: MemoryAccess) -> bool;
    pub fn qemu_plugin_mem_get_value(access: MemoryAccess) -> MemoryValue;
    pub fn qemu_plugin_get_hwaddr(access: MemoryAccess, address: u64) -> *mut HardwareAddress;
    pub fn qemu_plugin_hwaddr_is_io(address: *const HardwareAddress) -> bool;
}
