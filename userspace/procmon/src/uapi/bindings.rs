// SPDX-License-Identifier: GPL-2.0
// Written by the crate uapi-bindings.

pub const PROCMON_KEPT_MESSAGES: u32 = 4;
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
pub const PROCMON_SAMPLE_PROCESS: u32 = 1;
pub const PROCMON_SAMPLE_GONE: u32 = 2;
pub const PROCMON_MAGIC: u8 = 80u8;
pub const PROCMON_RESET: u32 = 20480;
pub const PROCMON_GET_COUNT: u32 = 2147766273;
pub const PROCMON_SET_FILTER: u32 = 1074024451;
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
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_query {
    pub pid: ::std::os::raw::c_int,
    pub comm: [::std::os::raw::c_char; 16usize],
    pub state: ::std::os::raw::c_int,
    pub vsize: ::std::os::raw::c_ulong,
}
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
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_stats32 {
    pub total_opens: __u32,
    pub total_reads: __u32,
    pub total_writes: __u32,
    pub total_ioctls: __u32,
    pub current_filter_pid: __s32,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Hash, PartialEq, Eq)]
pub struct procmon_query32 {
    pub pid: __s32,
    pub comm: [::std::os::raw::c_char; 16usize],
    pub state: __s32,
    pub vsize: __u32,
}
