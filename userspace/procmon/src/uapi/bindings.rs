// SPDX-License-Identifier: GPL-2.0-only
// Written by the crate uapi-bindings.

pub const PROCMON_KEPT_MESSAGES: u32 = 4;
pub const PROCMON_BUFFER_SIZE_MIN: u32 = 1;
pub const PROCMON_BUFFER_SIZE_MAX: u32 = 1048576;
pub const PROCMON_BUFFER_SIZE_DEFAULT: u32 = 1024;
pub const PROCMON_MONITOR_INTERVAL_MS_MIN: u32 = 10;
pub const PROCMON_MONITOR_INTERVAL_MS_MAX: u32 = 3600000;
pub const PROCMON_MONITOR_INTERVAL_MS_DEFAULT: u32 = 1000;
pub const PROCMON_EVENTS_KB_MIN: u32 = 64;
pub const PROCMON_EVENTS_KB_MAX: u32 = 1048576;
pub const PROCMON_EVENTS_KB_DEFAULT: u32 = 4096;
pub const PROCMON_EVENTS_RECORD_MIN: u32 = 0;
pub const PROCMON_EVENTS_RECORD_MAX: u32 = 1;
pub const PROCMON_EVENTS_RECORD_DEFAULT: u32 = 0;
pub const PROCMON_HIDEPID_MIN: u32 = 0;
pub const PROCMON_HIDEPID_MAX: u32 = 2;
pub const PROCMON_HIDEPID_DEFAULT: u32 = 0;
pub const PROCMON_HISTORY_MIN: u32 = 1;
pub const PROCMON_HISTORY_MAX: u32 = 65536;
pub const PROCMON_HISTORY_DEFAULT: u32 = 3600;
pub const PROCMON_COMM_LEN: u32 = 16;
pub const PROCMON_TARGETS_MAX: u32 = 16;
pub const PROCMON_STATE_NOT_FOUND: ::std::os::raw::c_int = -1;
pub const PROCMON_STATE_UNKNOWN: ::std::os::raw::c_int = -2;
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
pub const PROCMON_GROUP_ARGS: u32 = 512;
pub const PROCMON_SNAPSHOT_THREADS: u32 = 1;
pub const PROCMON_SNAPSHOT_NO_KTHREADS: u32 = 2;
pub const PROCMON_SNAPSHOT_BY_UID: u32 = 4;
pub const PROCMON_SNAPSHOT_BY_PPID: u32 = 8;
pub const PROCMON_SNAPSHOT_BY_TGID: u32 = 16;
pub const PROCMON_TASK_KTHREAD: u32 = 1;
pub const PROCMON_TASK_EXITING: u32 = 2;
pub const PROCMON_TASK_MIXED: u32 = 4;
pub const PROCMON_TASK_REDACTED: u32 = 8;
pub const PROCMON_ABI_VERSION: u32 = 5;
pub const PROCMON_RECORD_STRIDE_MIN: u32 = 48;
pub const PROCMON_SAMPLE_STRIDE_MIN: u32 = 232;
pub const PROCMON_ARGS_MAX: u32 = 4096;
pub const PROCMON_SAMPLE_PROCESS: u32 = 1;
pub const PROCMON_SAMPLE_GONE: u32 = 2;
pub const PROCMON_EVENT_FORK: u32 = 0;
pub const PROCMON_EVENT_EXEC: u32 = 1;
pub const PROCMON_EVENT_EXIT: u32 = 2;
pub const PROCMON_EVENT_THREAD_START: u32 = 3;
pub const PROCMON_EVENT_THREAD_EXIT: u32 = 4;
pub const PROCMON_EVENT_COMM: u32 = 5;
pub const PROCMON_EVENT_CGROUP: u32 = 6;
pub const PROCMON_EVENT_OOM: u32 = 7;
pub const PROCMON_EVENT_TYPES: u32 = 8;
pub const PROCMON_EVENT_LOST: u32 = 255;
pub const PROCMON_EVENT_KTHREAD: u32 = 1;
pub const PROCMON_EVENT_WORKER: u32 = 2;
pub const PROCMON_EVENT_TRUNCATED: u32 = 4;
pub const PROCMON_EVENT_PROTECTED: u32 = 8;
pub const PROCMON_EVENT_REDACTED: u32 = 16;
pub const PROCMON_EVENTS_FROM_OLDEST: u32 = 1;
pub const PROCMON_EVENTS_BY_UID: u32 = 2;
pub const PROCMON_EVENTS_BY_SUBTREE: u32 = 4;
pub const PROCMON_EVENTS_BY_CGROUP: u32 = 8;
pub const PROCMON_MAGIC: u8 = 80u8;
pub const PROCMON_RESET: u32 = 20480;
pub const PROCMON_GET_COUNT: u32 = 2147766273;
#[cfg(target_pointer_width = "64")]
pub const PROCMON_GET_STATS: u32 = 2150125570;
pub const PROCMON_SET_FILTER: u32 = 1074024451;
#[cfg(target_pointer_width = "64")]
pub const PROCMON_QUERY_PID: u32 = 3223343108;
pub const PROCMON_INFO: u32 = 2150125573;
pub const PROCMON_SNAPSHOT: u32 = 3227013126;
pub const PROCMON_HISTORY: u32 = 3225440263;
pub const PROCMON_EVENTS: u32 = 3227537416;
pub const PROCMON_GET_STATS32: u32 = 2148814850;
pub const PROCMON_QUERY_PID32: u32 = 3223080964;
pub type __u8 = ::std::os::raw::c_uchar;
pub type __u16 = ::std::os::raw::c_ushort;
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
    pub event_classes: __u32,
    pub events_size: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_info"][::std::mem::size_of::<procmon_info>() - 40usize];
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
    ["Offset of field: procmon_info::event_classes"]
        [::std::mem::offset_of!(procmon_info, event_classes) - 32usize];
    ["Offset of field: procmon_info::events_size"]
        [::std::mem::offset_of!(procmon_info, events_size) - 36usize];
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
    pub sequence: __u64,
    pub args: __u64,
    pub args_capacity: __u32,
    pub args_max: __u32,
    pub args_bytes: __u32,
    pub reserved: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_snapshot"][::std::mem::size_of::<procmon_snapshot>() - 88usize];
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
    ["Offset of field: procmon_snapshot::sequence"]
        [::std::mem::offset_of!(procmon_snapshot, sequence) - 56usize];
    ["Offset of field: procmon_snapshot::args"]
        [::std::mem::offset_of!(procmon_snapshot, args) - 64usize];
    ["Offset of field: procmon_snapshot::args_capacity"]
        [::std::mem::offset_of!(procmon_snapshot, args_capacity) - 72usize];
    ["Offset of field: procmon_snapshot::args_max"]
        [::std::mem::offset_of!(procmon_snapshot, args_max) - 76usize];
    ["Offset of field: procmon_snapshot::args_bytes"]
        [::std::mem::offset_of!(procmon_snapshot, args_bytes) - 80usize];
    ["Offset of field: procmon_snapshot::reserved"]
        [::std::mem::offset_of!(procmon_snapshot, reserved) - 84usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_args {
    pub size: __u32,
    pub pid: __s32,
    pub args_size: __u32,
    pub args_stored: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_args"][::std::mem::size_of::<procmon_args>() - 16usize];
    ["Alignment of procmon_args"][::std::mem::align_of::<procmon_args>() - 4usize];
    ["Offset of field: procmon_args::size"][::std::mem::offset_of!(procmon_args, size) - 0usize];
    ["Offset of field: procmon_args::pid"][::std::mem::offset_of!(procmon_args, pid) - 4usize];
    ["Offset of field: procmon_args::args_size"]
        [::std::mem::offset_of!(procmon_args, args_size) - 8usize];
    ["Offset of field: procmon_args::args_stored"]
        [::std::mem::offset_of!(procmon_args, args_stored) - 12usize];
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
    pub target: __u32,
    pub reserved: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_history"][::std::mem::size_of::<procmon_history>() - 64usize];
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
    ["Offset of field: procmon_history::target"]
        [::std::mem::offset_of!(procmon_history, target) - 56usize];
    ["Offset of field: procmon_history::reserved"]
        [::std::mem::offset_of!(procmon_history, reserved) - 60usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_event {
    pub size: __u16,
    pub tail: __u16,
    pub type_: __u8,
    pub reserved: __u8,
    pub flags: __u16,
    pub sequence: __u64,
    pub time: __u64,
    pub start_time: __u64,
    pub tgid: __s32,
    pub pid: __s32,
    pub ppid: __s32,
    pub cpu: __u32,
    pub uid: __u32,
    pub euid: __u32,
    pub cgroup_id: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_event"][::std::mem::size_of::<procmon_event>() - 64usize];
    ["Alignment of procmon_event"][::std::mem::align_of::<procmon_event>() - 8usize];
    ["Offset of field: procmon_event::size"][::std::mem::offset_of!(procmon_event, size) - 0usize];
    ["Offset of field: procmon_event::tail"][::std::mem::offset_of!(procmon_event, tail) - 2usize];
    ["Offset of field: procmon_event::type_"]
        [::std::mem::offset_of!(procmon_event, type_) - 4usize];
    ["Offset of field: procmon_event::reserved"]
        [::std::mem::offset_of!(procmon_event, reserved) - 5usize];
    ["Offset of field: procmon_event::flags"]
        [::std::mem::offset_of!(procmon_event, flags) - 6usize];
    ["Offset of field: procmon_event::sequence"]
        [::std::mem::offset_of!(procmon_event, sequence) - 8usize];
    ["Offset of field: procmon_event::time"][::std::mem::offset_of!(procmon_event, time) - 16usize];
    ["Offset of field: procmon_event::start_time"]
        [::std::mem::offset_of!(procmon_event, start_time) - 24usize];
    ["Offset of field: procmon_event::tgid"][::std::mem::offset_of!(procmon_event, tgid) - 32usize];
    ["Offset of field: procmon_event::pid"][::std::mem::offset_of!(procmon_event, pid) - 36usize];
    ["Offset of field: procmon_event::ppid"][::std::mem::offset_of!(procmon_event, ppid) - 40usize];
    ["Offset of field: procmon_event::cpu"][::std::mem::offset_of!(procmon_event, cpu) - 44usize];
    ["Offset of field: procmon_event::uid"][::std::mem::offset_of!(procmon_event, uid) - 48usize];
    ["Offset of field: procmon_event::euid"][::std::mem::offset_of!(procmon_event, euid) - 52usize];
    ["Offset of field: procmon_event::cgroup_id"]
        [::std::mem::offset_of!(procmon_event, cgroup_id) - 56usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_event_fork {
    pub event: procmon_event,
    pub clone_flags: __u64,
    pub parent_start_time: __u64,
    pub creator_start_time: __u64,
    pub creator_tgid: __s32,
    pub creator: __s32,
    pub comm: [::std::os::raw::c_char; 16usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_event_fork"][::std::mem::size_of::<procmon_event_fork>() - 112usize];
    ["Alignment of procmon_event_fork"][::std::mem::align_of::<procmon_event_fork>() - 8usize];
    ["Offset of field: procmon_event_fork::event"]
        [::std::mem::offset_of!(procmon_event_fork, event) - 0usize];
    ["Offset of field: procmon_event_fork::clone_flags"]
        [::std::mem::offset_of!(procmon_event_fork, clone_flags) - 64usize];
    ["Offset of field: procmon_event_fork::parent_start_time"]
        [::std::mem::offset_of!(procmon_event_fork, parent_start_time) - 72usize];
    ["Offset of field: procmon_event_fork::creator_start_time"]
        [::std::mem::offset_of!(procmon_event_fork, creator_start_time) - 80usize];
    ["Offset of field: procmon_event_fork::creator_tgid"]
        [::std::mem::offset_of!(procmon_event_fork, creator_tgid) - 88usize];
    ["Offset of field: procmon_event_fork::creator"]
        [::std::mem::offset_of!(procmon_event_fork, creator) - 92usize];
    ["Offset of field: procmon_event_fork::comm"]
        [::std::mem::offset_of!(procmon_event_fork, comm) - 96usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_event_exec {
    pub event: procmon_event,
    pub args_size: __u32,
    pub args_stored: __u32,
    pub name_size: __u32,
    pub old_pid: __s32,
    pub gid: __u32,
    pub egid: __u32,
    pub comm: [::std::os::raw::c_char; 16usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_event_exec"][::std::mem::size_of::<procmon_event_exec>() - 104usize];
    ["Alignment of procmon_event_exec"][::std::mem::align_of::<procmon_event_exec>() - 8usize];
    ["Offset of field: procmon_event_exec::event"]
        [::std::mem::offset_of!(procmon_event_exec, event) - 0usize];
    ["Offset of field: procmon_event_exec::args_size"]
        [::std::mem::offset_of!(procmon_event_exec, args_size) - 64usize];
    ["Offset of field: procmon_event_exec::args_stored"]
        [::std::mem::offset_of!(procmon_event_exec, args_stored) - 68usize];
    ["Offset of field: procmon_event_exec::name_size"]
        [::std::mem::offset_of!(procmon_event_exec, name_size) - 72usize];
    ["Offset of field: procmon_event_exec::old_pid"]
        [::std::mem::offset_of!(procmon_event_exec, old_pid) - 76usize];
    ["Offset of field: procmon_event_exec::gid"]
        [::std::mem::offset_of!(procmon_event_exec, gid) - 80usize];
    ["Offset of field: procmon_event_exec::egid"]
        [::std::mem::offset_of!(procmon_event_exec, egid) - 84usize];
    ["Offset of field: procmon_event_exec::comm"]
        [::std::mem::offset_of!(procmon_event_exec, comm) - 88usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_event_exit {
    pub event: procmon_event,
    pub status: __s32,
    pub gid: __u32,
    pub utime: __u64,
    pub stime: __u64,
    pub runtime: __u64,
    pub minor_faults: __u64,
    pub major_faults: __u64,
    pub voluntary_switches: __u64,
    pub involuntary_switches: __u64,
    pub read_bytes: __u64,
    pub write_bytes: __u64,
    pub max_rss: __u64,
    pub wait_time: __u64,
    pub child_utime: __u64,
    pub child_stime: __u64,
    pub child_minor_faults: __u64,
    pub child_major_faults: __u64,
    pub child_max_rss: __u64,
    pub comm: [::std::os::raw::c_char; 16usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_event_exit"][::std::mem::size_of::<procmon_event_exit>() - 216usize];
    ["Alignment of procmon_event_exit"][::std::mem::align_of::<procmon_event_exit>() - 8usize];
    ["Offset of field: procmon_event_exit::event"]
        [::std::mem::offset_of!(procmon_event_exit, event) - 0usize];
    ["Offset of field: procmon_event_exit::status"]
        [::std::mem::offset_of!(procmon_event_exit, status) - 64usize];
    ["Offset of field: procmon_event_exit::gid"]
        [::std::mem::offset_of!(procmon_event_exit, gid) - 68usize];
    ["Offset of field: procmon_event_exit::utime"]
        [::std::mem::offset_of!(procmon_event_exit, utime) - 72usize];
    ["Offset of field: procmon_event_exit::stime"]
        [::std::mem::offset_of!(procmon_event_exit, stime) - 80usize];
    ["Offset of field: procmon_event_exit::runtime"]
        [::std::mem::offset_of!(procmon_event_exit, runtime) - 88usize];
    ["Offset of field: procmon_event_exit::minor_faults"]
        [::std::mem::offset_of!(procmon_event_exit, minor_faults) - 96usize];
    ["Offset of field: procmon_event_exit::major_faults"]
        [::std::mem::offset_of!(procmon_event_exit, major_faults) - 104usize];
    ["Offset of field: procmon_event_exit::voluntary_switches"]
        [::std::mem::offset_of!(procmon_event_exit, voluntary_switches) - 112usize];
    ["Offset of field: procmon_event_exit::involuntary_switches"]
        [::std::mem::offset_of!(procmon_event_exit, involuntary_switches) - 120usize];
    ["Offset of field: procmon_event_exit::read_bytes"]
        [::std::mem::offset_of!(procmon_event_exit, read_bytes) - 128usize];
    ["Offset of field: procmon_event_exit::write_bytes"]
        [::std::mem::offset_of!(procmon_event_exit, write_bytes) - 136usize];
    ["Offset of field: procmon_event_exit::max_rss"]
        [::std::mem::offset_of!(procmon_event_exit, max_rss) - 144usize];
    ["Offset of field: procmon_event_exit::wait_time"]
        [::std::mem::offset_of!(procmon_event_exit, wait_time) - 152usize];
    ["Offset of field: procmon_event_exit::child_utime"]
        [::std::mem::offset_of!(procmon_event_exit, child_utime) - 160usize];
    ["Offset of field: procmon_event_exit::child_stime"]
        [::std::mem::offset_of!(procmon_event_exit, child_stime) - 168usize];
    ["Offset of field: procmon_event_exit::child_minor_faults"]
        [::std::mem::offset_of!(procmon_event_exit, child_minor_faults) - 176usize];
    ["Offset of field: procmon_event_exit::child_major_faults"]
        [::std::mem::offset_of!(procmon_event_exit, child_major_faults) - 184usize];
    ["Offset of field: procmon_event_exit::child_max_rss"]
        [::std::mem::offset_of!(procmon_event_exit, child_max_rss) - 192usize];
    ["Offset of field: procmon_event_exit::comm"]
        [::std::mem::offset_of!(procmon_event_exit, comm) - 200usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_event_comm {
    pub event: procmon_event,
    pub old_comm: [::std::os::raw::c_char; 16usize],
    pub comm: [::std::os::raw::c_char; 16usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_event_comm"][::std::mem::size_of::<procmon_event_comm>() - 96usize];
    ["Alignment of procmon_event_comm"][::std::mem::align_of::<procmon_event_comm>() - 8usize];
    ["Offset of field: procmon_event_comm::event"]
        [::std::mem::offset_of!(procmon_event_comm, event) - 0usize];
    ["Offset of field: procmon_event_comm::old_comm"]
        [::std::mem::offset_of!(procmon_event_comm, old_comm) - 64usize];
    ["Offset of field: procmon_event_comm::comm"]
        [::std::mem::offset_of!(procmon_event_comm, comm) - 80usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_event_cgroup {
    pub event: procmon_event,
    pub new_cgroup_id: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_event_cgroup"][::std::mem::size_of::<procmon_event_cgroup>() - 72usize];
    ["Alignment of procmon_event_cgroup"][::std::mem::align_of::<procmon_event_cgroup>() - 8usize];
    ["Offset of field: procmon_event_cgroup::event"]
        [::std::mem::offset_of!(procmon_event_cgroup, event) - 0usize];
    ["Offset of field: procmon_event_cgroup::new_cgroup_id"]
        [::std::mem::offset_of!(procmon_event_cgroup, new_cgroup_id) - 64usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_event_lost {
    pub event: procmon_event,
    pub last: __u64,
    pub counts: [__u64; 8usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_event_lost"][::std::mem::size_of::<procmon_event_lost>() - 136usize];
    ["Alignment of procmon_event_lost"][::std::mem::align_of::<procmon_event_lost>() - 8usize];
    ["Offset of field: procmon_event_lost::event"]
        [::std::mem::offset_of!(procmon_event_lost, event) - 0usize];
    ["Offset of field: procmon_event_lost::last"]
        [::std::mem::offset_of!(procmon_event_lost, last) - 64usize];
    ["Offset of field: procmon_event_lost::counts"]
        [::std::mem::offset_of!(procmon_event_lost, counts) - 72usize];
};
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_events {
    pub size: __u32,
    pub flags: __u32,
    pub classes: __u32,
    pub min_bytes: __u32,
    pub timeout_ms: __s32,
    pub args_max: __u32,
    pub buffer: __u64,
    pub capacity: __u32,
    pub bytes: __u32,
    pub count: __u32,
    pub uid: __u32,
    pub tgid: __s32,
    pub reserved: __u32,
    pub cgroup_id: __u64,
    pub sequence: __u64,
    pub oldest: __u64,
    pub newest: __u64,
    pub lost: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
#[cfg(target_pointer_width = "64")]
const _: () = {
    ["Size of procmon_events"][::std::mem::size_of::<procmon_events>() - 96usize];
    ["Alignment of procmon_events"][::std::mem::align_of::<procmon_events>() - 8usize];
    ["Offset of field: procmon_events::size"]
        [::std::mem::offset_of!(procmon_events, size) - 0usize];
    ["Offset of field: procmon_events::flags"]
        [::std::mem::offset_of!(procmon_events, flags) - 4usize];
    ["Offset of field: procmon_events::classes"]
        [::std::mem::offset_of!(procmon_events, classes) - 8usize];
    ["Offset of field: procmon_events::min_bytes"]
        [::std::mem::offset_of!(procmon_events, min_bytes) - 12usize];
    ["Offset of field: procmon_events::timeout_ms"]
        [::std::mem::offset_of!(procmon_events, timeout_ms) - 16usize];
    ["Offset of field: procmon_events::args_max"]
        [::std::mem::offset_of!(procmon_events, args_max) - 20usize];
    ["Offset of field: procmon_events::buffer"]
        [::std::mem::offset_of!(procmon_events, buffer) - 24usize];
    ["Offset of field: procmon_events::capacity"]
        [::std::mem::offset_of!(procmon_events, capacity) - 32usize];
    ["Offset of field: procmon_events::bytes"]
        [::std::mem::offset_of!(procmon_events, bytes) - 36usize];
    ["Offset of field: procmon_events::count"]
        [::std::mem::offset_of!(procmon_events, count) - 40usize];
    ["Offset of field: procmon_events::uid"][::std::mem::offset_of!(procmon_events, uid) - 44usize];
    ["Offset of field: procmon_events::tgid"]
        [::std::mem::offset_of!(procmon_events, tgid) - 48usize];
    ["Offset of field: procmon_events::reserved"]
        [::std::mem::offset_of!(procmon_events, reserved) - 52usize];
    ["Offset of field: procmon_events::cgroup_id"]
        [::std::mem::offset_of!(procmon_events, cgroup_id) - 56usize];
    ["Offset of field: procmon_events::sequence"]
        [::std::mem::offset_of!(procmon_events, sequence) - 64usize];
    ["Offset of field: procmon_events::oldest"]
        [::std::mem::offset_of!(procmon_events, oldest) - 72usize];
    ["Offset of field: procmon_events::newest"]
        [::std::mem::offset_of!(procmon_events, newest) - 80usize];
    ["Offset of field: procmon_events::lost"]
        [::std::mem::offset_of!(procmon_events, lost) - 88usize];
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
