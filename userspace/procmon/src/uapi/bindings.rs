// SPDX-License-Identifier: GPL-2.0
// Written by the crate uapi-bindings.

pub const PROCMON_KEPT_MESSAGES: u32 = 4;
pub const PROCMON_BUFFER_SIZE_MIN: u32 = 1;
pub const PROCMON_BUFFER_SIZE_MAX: u32 = 1048576;
pub const PROCMON_BUFFER_SIZE_DEFAULT: u32 = 1024;
pub const PROCMON_MONITOR_INTERVAL_MS_MIN: u32 = 10;
pub const PROCMON_MONITOR_INTERVAL_MS_MAX: u32 = 3600000;
pub const PROCMON_MONITOR_INTERVAL_MS_DEFAULT: u32 = 1000;
pub const PROCMON_HISTORY_MIN: u32 = 1;
pub const PROCMON_HISTORY_MAX: u32 = 65536;
pub const PROCMON_HISTORY_DEFAULT: u32 = 3600;
pub const PROCMON_COMM_LEN: u32 = 16;
pub const PROCMON_STATE_NOT_FOUND: ::std::os::raw::c_int = -1;
pub const PROCMON_STATE_RUNNING: ::std::os::raw::c_int = 0;
pub const PROCMON_STATE_SLEEPING: ::std::os::raw::c_int = 1;
pub const PROCMON_STATE_DISK_SLEEP: ::std::os::raw::c_int = 2;
pub const PROCMON_STATE_STOPPED: ::std::os::raw::c_int = 4;
pub const PROCMON_STATE_TRACED: ::std::os::raw::c_int = 8;
pub const PROCMON_STATE_DEAD: ::std::os::raw::c_int = 16;
pub const PROCMON_STATE_ZOMBIE: ::std::os::raw::c_int = 32;
pub const PROCMON_STATE_PARKED: ::std::os::raw::c_int = 64;
pub const PROCMON_STATE_IDLE: ::std::os::raw::c_int = 128;
pub const PROCMON_GROUP_BASIC: u32 = 1;
pub const PROCMON_GROUP_CPU: u32 = 2;
pub const PROCMON_GROUP_CREDS: u32 = 4;
pub const PROCMON_GROUP_FAULTS: u32 = 8;
pub const PROCMON_GROUP_MEM: u32 = 16;
pub const PROCMON_GROUP_SCHED: u32 = 32;
pub const PROCMON_GROUP_IO: u32 = 64;
pub const PROCMON_GROUP_CGROUP: u32 = 128;
pub const PROCMON_GROUP_RUNTIME: u32 = 256;
pub const PROCMON_SNAPSHOT_THREADS: u32 = 1;
pub const PROCMON_SNAPSHOT_NO_KTHREADS: u32 = 2;
pub const PROCMON_SNAPSHOT_BY_UID: u32 = 4;
pub const PROCMON_SNAPSHOT_BY_PPID: u32 = 8;
pub const PROCMON_SNAPSHOT_BY_TGID: u32 = 16;
pub const PROCMON_TASK_KTHREAD: u32 = 1;
pub const PROCMON_TASK_EXITING: u32 = 2;
pub const PROCMON_TASK_MIXED: u32 = 4;
pub const PROCMON_ABI_VERSION: u32 = 2;
pub const PROCMON_RECORD_STRIDE_MIN: u32 = 48;
pub const PROCMON_SAMPLE_STRIDE_MIN: u32 = 232;
pub const PROCMON_SAMPLE_PROCESS: u32 = 1;
pub const PROCMON_SAMPLE_GONE: u32 = 2;
pub const PROCMON_MAGIC: u8 = 80u8;
pub const PROCMON_RESET: u32 = 20480;
pub const PROCMON_GET_COUNT: u32 = 2147766273;
#[cfg(target_pointer_width = "64")]
pub const PROCMON_GET_STATS: u32 = 2150125570;
pub const PROCMON_SET_FILTER: u32 = 1074024451;
#[cfg(target_pointer_width = "64")]
pub const PROCMON_QUERY_PID: u32 = 3223343108;
pub const PROCMON_INFO: u32 = 2149601285;
pub const PROCMON_SNAPSHOT: u32 = 3224915974;
pub const PROCMON_HISTORY: u32 = 3224915975;
pub const PROCMON_GET_STATS32: u32 = 2148814850;
pub const PROCMON_QUERY_PID32: u32 = 3223080964;
pub type __s32 = ::std::os::raw::c_int;
pub type __u32 = ::std::os::raw::c_uint;
pub type __u64 = ::std::os::raw::c_ulonglong;
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_stats {
    pub total_opens: ::std::os::raw::c_ulong,
    pub total_reads: ::std::os::raw::c_ulong,
    pub total_writes: ::std::os::raw::c_ulong,
    pub total_ioctls: ::std::os::raw::c_ulong,
    pub current_filter_pid: ::std::os::raw::c_int,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_stats"][::std::mem::size_of::<procmon_stats>() - 40usize];
    ["Alignment of procmon_stats"][::std::mem::align_of::<procmon_stats>() - 8usize];
    ["Offset of field: procmon_stats::total_opens"]
        [::std::mem::offset_of!(procmon_stats, total_opens) - 0usize];
    ["Offset of field: procmon_stats::total_reads"]
        [::std::mem::offset_of!(procmon_stats, total_reads) - 8usize];
    ["Offset of field: procmon_stats::total_writes"]
        [::std::mem::offset_of!(procmon_stats, total_writes) - 16usize];
    ["Offset of field: procmon_stats::total_ioctls"]
        [::std::mem::offset_of!(procmon_stats, total_ioctls) - 24usize];
    ["Offset of field: procmon_stats::current_filter_pid"]
        [::std::mem::offset_of!(procmon_stats, current_filter_pid) - 32usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_query {
    pub pid: ::std::os::raw::c_int,
    pub comm: [::std::os::raw::c_char; 16usize],
    pub state: ::std::os::raw::c_int,
    pub vsize: ::std::os::raw::c_ulong,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_query"][::std::mem::size_of::<procmon_query>() - 32usize];
    ["Alignment of procmon_query"][::std::mem::align_of::<procmon_query>() - 8usize];
    ["Offset of field: procmon_query::pid"][::std::mem::offset_of!(procmon_query, pid) - 0usize];
    ["Offset of field: procmon_query::comm"][::std::mem::offset_of!(procmon_query, comm) - 4usize];
    ["Offset of field: procmon_query::state"]
        [::std::mem::offset_of!(procmon_query, state) - 20usize];
    ["Offset of field: procmon_query::vsize"]
        [::std::mem::offset_of!(procmon_query, vsize) - 24usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_record {
    pub groups: __u32,
    pub pid: __s32,
    pub tgid: __s32,
    pub ppid: __s32,
    pub state: __s32,
    pub flags: __u32,
    pub threads: __u32,
    pub comm: [::std::os::raw::c_char; 16usize],
    pub cpu: __u32,
    pub utime: __u64,
    pub stime: __u64,
    pub start_time: __u64,
    pub nice: __s32,
    pub policy: __u32,
    pub uid: __u32,
    pub euid: __u32,
    pub gid: __u32,
    pub egid: __u32,
    pub minor_faults: __u64,
    pub major_faults: __u64,
    pub vsize: __u64,
    pub rss_anon: __u64,
    pub rss_file: __u64,
    pub rss_shmem: __u64,
    pub voluntary_switches: __u64,
    pub involuntary_switches: __u64,
    pub read_bytes: __u64,
    pub write_bytes: __u64,
    pub cgroup_id: __u64,
    pub runtime: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_record"][::std::mem::size_of::<procmon_record>() - 192usize];
    ["Alignment of procmon_record"][::std::mem::align_of::<procmon_record>() - 8usize];
    ["Offset of field: procmon_record::groups"]
        [::std::mem::offset_of!(procmon_record, groups) - 0usize];
    ["Offset of field: procmon_record::pid"][::std::mem::offset_of!(procmon_record, pid) - 4usize];
    ["Offset of field: procmon_record::tgid"]
        [::std::mem::offset_of!(procmon_record, tgid) - 8usize];
    ["Offset of field: procmon_record::ppid"]
        [::std::mem::offset_of!(procmon_record, ppid) - 12usize];
    ["Offset of field: procmon_record::state"]
        [::std::mem::offset_of!(procmon_record, state) - 16usize];
    ["Offset of field: procmon_record::flags"]
        [::std::mem::offset_of!(procmon_record, flags) - 20usize];
    ["Offset of field: procmon_record::threads"]
        [::std::mem::offset_of!(procmon_record, threads) - 24usize];
    ["Offset of field: procmon_record::comm"]
        [::std::mem::offset_of!(procmon_record, comm) - 28usize];
    ["Offset of field: procmon_record::cpu"][::std::mem::offset_of!(procmon_record, cpu) - 44usize];
    ["Offset of field: procmon_record::utime"]
        [::std::mem::offset_of!(procmon_record, utime) - 48usize];
    ["Offset of field: procmon_record::stime"]
        [::std::mem::offset_of!(procmon_record, stime) - 56usize];
    ["Offset of field: procmon_record::start_time"]
        [::std::mem::offset_of!(procmon_record, start_time) - 64usize];
    ["Offset of field: procmon_record::nice"]
        [::std::mem::offset_of!(procmon_record, nice) - 72usize];
    ["Offset of field: procmon_record::policy"]
        [::std::mem::offset_of!(procmon_record, policy) - 76usize];
    ["Offset of field: procmon_record::uid"][::std::mem::offset_of!(procmon_record, uid) - 80usize];
    ["Offset of field: procmon_record::euid"]
        [::std::mem::offset_of!(procmon_record, euid) - 84usize];
    ["Offset of field: procmon_record::gid"][::std::mem::offset_of!(procmon_record, gid) - 88usize];
    ["Offset of field: procmon_record::egid"]
        [::std::mem::offset_of!(procmon_record, egid) - 92usize];
    ["Offset of field: procmon_record::minor_faults"]
        [::std::mem::offset_of!(procmon_record, minor_faults) - 96usize];
    ["Offset of field: procmon_record::major_faults"]
        [::std::mem::offset_of!(procmon_record, major_faults) - 104usize];
    ["Offset of field: procmon_record::vsize"]
        [::std::mem::offset_of!(procmon_record, vsize) - 112usize];
    ["Offset of field: procmon_record::rss_anon"]
        [::std::mem::offset_of!(procmon_record, rss_anon) - 120usize];
    ["Offset of field: procmon_record::rss_file"]
        [::std::mem::offset_of!(procmon_record, rss_file) - 128usize];
    ["Offset of field: procmon_record::rss_shmem"]
        [::std::mem::offset_of!(procmon_record, rss_shmem) - 136usize];
    ["Offset of field: procmon_record::voluntary_switches"]
        [::std::mem::offset_of!(procmon_record, voluntary_switches) - 144usize];
    ["Offset of field: procmon_record::involuntary_switches"]
        [::std::mem::offset_of!(procmon_record, involuntary_switches) - 152usize];
    ["Offset of field: procmon_record::read_bytes"]
        [::std::mem::offset_of!(procmon_record, read_bytes) - 160usize];
    ["Offset of field: procmon_record::write_bytes"]
        [::std::mem::offset_of!(procmon_record, write_bytes) - 168usize];
    ["Offset of field: procmon_record::cgroup_id"]
        [::std::mem::offset_of!(procmon_record, cgroup_id) - 176usize];
    ["Offset of field: procmon_record::runtime"]
        [::std::mem::offset_of!(procmon_record, runtime) - 184usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_info {
    pub abi_version: __u32,
    pub groups: __u32,
    pub snapshot_flags: __u32,
    pub snapshot_size: __u32,
    pub record_size: __u32,
    pub max_stride: __u32,
    pub sample_size: __u32,
    pub history_size: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_info"][::std::mem::size_of::<procmon_info>() - 32usize];
    ["Alignment of procmon_info"][::std::mem::align_of::<procmon_info>() - 4usize];
    ["Offset of field: procmon_info::abi_version"]
        [::std::mem::offset_of!(procmon_info, abi_version) - 0usize];
    ["Offset of field: procmon_info::groups"]
        [::std::mem::offset_of!(procmon_info, groups) - 4usize];
    ["Offset of field: procmon_info::snapshot_flags"]
        [::std::mem::offset_of!(procmon_info, snapshot_flags) - 8usize];
    ["Offset of field: procmon_info::snapshot_size"]
        [::std::mem::offset_of!(procmon_info, snapshot_size) - 12usize];
    ["Offset of field: procmon_info::record_size"]
        [::std::mem::offset_of!(procmon_info, record_size) - 16usize];
    ["Offset of field: procmon_info::max_stride"]
        [::std::mem::offset_of!(procmon_info, max_stride) - 20usize];
    ["Offset of field: procmon_info::sample_size"]
        [::std::mem::offset_of!(procmon_info, sample_size) - 24usize];
    ["Offset of field: procmon_info::history_size"]
        [::std::mem::offset_of!(procmon_info, history_size) - 28usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_snapshot {
    pub size: __u32,
    pub flags: __u32,
    pub groups: __u32,
    pub cursor: __s32,
    pub records: __u64,
    pub stride: __u32,
    pub capacity: __u32,
    pub count: __u32,
    pub uid: __u32,
    pub ppid: __s32,
    pub tgid: __s32,
    pub time: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_snapshot"][::std::mem::size_of::<procmon_snapshot>() - 56usize];
    ["Alignment of procmon_snapshot"][::std::mem::align_of::<procmon_snapshot>() - 8usize];
    ["Offset of field: procmon_snapshot::size"]
        [::std::mem::offset_of!(procmon_snapshot, size) - 0usize];
    ["Offset of field: procmon_snapshot::flags"]
        [::std::mem::offset_of!(procmon_snapshot, flags) - 4usize];
    ["Offset of field: procmon_snapshot::groups"]
        [::std::mem::offset_of!(procmon_snapshot, groups) - 8usize];
    ["Offset of field: procmon_snapshot::cursor"]
        [::std::mem::offset_of!(procmon_snapshot, cursor) - 12usize];
    ["Offset of field: procmon_snapshot::records"]
        [::std::mem::offset_of!(procmon_snapshot, records) - 16usize];
    ["Offset of field: procmon_snapshot::stride"]
        [::std::mem::offset_of!(procmon_snapshot, stride) - 24usize];
    ["Offset of field: procmon_snapshot::capacity"]
        [::std::mem::offset_of!(procmon_snapshot, capacity) - 28usize];
    ["Offset of field: procmon_snapshot::count"]
        [::std::mem::offset_of!(procmon_snapshot, count) - 32usize];
    ["Offset of field: procmon_snapshot::uid"]
        [::std::mem::offset_of!(procmon_snapshot, uid) - 36usize];
    ["Offset of field: procmon_snapshot::ppid"]
        [::std::mem::offset_of!(procmon_snapshot, ppid) - 40usize];
    ["Offset of field: procmon_snapshot::tgid"]
        [::std::mem::offset_of!(procmon_snapshot, tgid) - 44usize];
    ["Offset of field: procmon_snapshot::time"]
        [::std::mem::offset_of!(procmon_snapshot, time) - 48usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_sample {
    pub sequence: __u64,
    pub time: __u64,
    pub flags: __u32,
    pub processes: __u32,
    pub threads: __u32,
    pub running: __u32,
    pub uninterruptible: __u32,
    pub zombies: __u32,
    pub forks: __u32,
    pub reserved: __u32,
    pub process: procmon_record,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_sample"][::std::mem::size_of::<procmon_sample>() - 240usize];
    ["Alignment of procmon_sample"][::std::mem::align_of::<procmon_sample>() - 8usize];
    ["Offset of field: procmon_sample::sequence"]
        [::std::mem::offset_of!(procmon_sample, sequence) - 0usize];
    ["Offset of field: procmon_sample::time"]
        [::std::mem::offset_of!(procmon_sample, time) - 8usize];
    ["Offset of field: procmon_sample::flags"]
        [::std::mem::offset_of!(procmon_sample, flags) - 16usize];
    ["Offset of field: procmon_sample::processes"]
        [::std::mem::offset_of!(procmon_sample, processes) - 20usize];
    ["Offset of field: procmon_sample::threads"]
        [::std::mem::offset_of!(procmon_sample, threads) - 24usize];
    ["Offset of field: procmon_sample::running"]
        [::std::mem::offset_of!(procmon_sample, running) - 28usize];
    ["Offset of field: procmon_sample::uninterruptible"]
        [::std::mem::offset_of!(procmon_sample, uninterruptible) - 32usize];
    ["Offset of field: procmon_sample::zombies"]
        [::std::mem::offset_of!(procmon_sample, zombies) - 36usize];
    ["Offset of field: procmon_sample::forks"]
        [::std::mem::offset_of!(procmon_sample, forks) - 40usize];
    ["Offset of field: procmon_sample::reserved"]
        [::std::mem::offset_of!(procmon_sample, reserved) - 44usize];
    ["Offset of field: procmon_sample::process"]
        [::std::mem::offset_of!(procmon_sample, process) - 48usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_history {
    pub size: __u32,
    pub flags: __u32,
    pub sequence: __u64,
    pub samples: __u64,
    pub stride: __u32,
    pub capacity: __u32,
    pub count: __u32,
    pub interval_ms: __u32,
    pub oldest: __u64,
    pub newest: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_history"][::std::mem::size_of::<procmon_history>() - 56usize];
    ["Alignment of procmon_history"][::std::mem::align_of::<procmon_history>() - 8usize];
    ["Offset of field: procmon_history::size"]
        [::std::mem::offset_of!(procmon_history, size) - 0usize];
    ["Offset of field: procmon_history::flags"]
        [::std::mem::offset_of!(procmon_history, flags) - 4usize];
    ["Offset of field: procmon_history::sequence"]
        [::std::mem::offset_of!(procmon_history, sequence) - 8usize];
    ["Offset of field: procmon_history::samples"]
        [::std::mem::offset_of!(procmon_history, samples) - 16usize];
    ["Offset of field: procmon_history::stride"]
        [::std::mem::offset_of!(procmon_history, stride) - 24usize];
    ["Offset of field: procmon_history::capacity"]
        [::std::mem::offset_of!(procmon_history, capacity) - 28usize];
    ["Offset of field: procmon_history::count"]
        [::std::mem::offset_of!(procmon_history, count) - 32usize];
    ["Offset of field: procmon_history::interval_ms"]
        [::std::mem::offset_of!(procmon_history, interval_ms) - 36usize];
    ["Offset of field: procmon_history::oldest"]
        [::std::mem::offset_of!(procmon_history, oldest) - 40usize];
    ["Offset of field: procmon_history::newest"]
        [::std::mem::offset_of!(procmon_history, newest) - 48usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_stats32 {
    pub total_opens: __u32,
    pub total_reads: __u32,
    pub total_writes: __u32,
    pub total_ioctls: __u32,
    pub current_filter_pid: __s32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_stats32"][::std::mem::size_of::<procmon_stats32>() - 20usize];
    ["Alignment of procmon_stats32"][::std::mem::align_of::<procmon_stats32>() - 4usize];
    ["Offset of field: procmon_stats32::total_opens"]
        [::std::mem::offset_of!(procmon_stats32, total_opens) - 0usize];
    ["Offset of field: procmon_stats32::total_reads"]
        [::std::mem::offset_of!(procmon_stats32, total_reads) - 4usize];
    ["Offset of field: procmon_stats32::total_writes"]
        [::std::mem::offset_of!(procmon_stats32, total_writes) - 8usize];
    ["Offset of field: procmon_stats32::total_ioctls"]
        [::std::mem::offset_of!(procmon_stats32, total_ioctls) - 12usize];
    ["Offset of field: procmon_stats32::current_filter_pid"]
        [::std::mem::offset_of!(procmon_stats32, current_filter_pid) - 16usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_query32 {
    pub pid: __s32,
    pub comm: [::std::os::raw::c_char; 16usize],
    pub state: __s32,
    pub vsize: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_query32"][::std::mem::size_of::<procmon_query32>() - 28usize];
    ["Alignment of procmon_query32"][::std::mem::align_of::<procmon_query32>() - 4usize];
    ["Offset of field: procmon_query32::pid"]
        [::std::mem::offset_of!(procmon_query32, pid) - 0usize];
    ["Offset of field: procmon_query32::comm"]
        [::std::mem::offset_of!(procmon_query32, comm) - 4usize];
    ["Offset of field: procmon_query32::state"]
        [::std::mem::offset_of!(procmon_query32, state) - 20usize];
    ["Offset of field: procmon_query32::vsize"]
        [::std::mem::offset_of!(procmon_query32, vsize) - 24usize];
};
