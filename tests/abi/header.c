// SPDX-License-Identifier: GPL-2.0-only
/*
 * The frozen ABI: sizes, offsets and numbers that programs were built with, independent of
 * procmon_uapi.h. tests/header compiles this as C and as C++, for 64 and 32 bits. Lines are added
 * here and never changed, except for the size of a struct that grows at its end.
 */
#include <stddef.h>

#include "procmon_uapi.h"

#define PASTE(a, b) a##b
#define NAME(line) PASTE(check_in_line_, line)

/* An array of a negative size is an error in each standard of both languages. */
#define CHECK(condition) extern char NAME(__LINE__)[(condition) ? 1 : -1]

CHECK(PROCMON_MAGIC == 'P');
CHECK(PROCMON_COMM_LEN == 16);
CHECK(PROCMON_RECORD_STRIDE_MIN == 48);
CHECK(PROCMON_SAMPLE_STRIDE_MIN == 232);

#ifdef __x86_64__
CHECK(sizeof(struct procmon_stats) == 40);
CHECK(__alignof__(struct procmon_stats) == 8);
CHECK(offsetof(struct procmon_stats, total_opens) == 0);
CHECK(offsetof(struct procmon_stats, total_reads) == 8);
CHECK(offsetof(struct procmon_stats, total_writes) == 16);
CHECK(offsetof(struct procmon_stats, total_ioctls) == 24);
CHECK(offsetof(struct procmon_stats, current_filter_pid) == 32);
CHECK(sizeof(struct procmon_query) == 32);
CHECK(__alignof__(struct procmon_query) == 8);
CHECK(offsetof(struct procmon_query, vsize) == 24);
CHECK(PROCMON_GET_STATS == 0x80285002);
CHECK(PROCMON_QUERY_PID == 0xc0205004);
#else
CHECK(sizeof(struct procmon_stats) == sizeof(struct procmon_stats32));
CHECK(sizeof(struct procmon_query) == sizeof(struct procmon_query32));
CHECK(PROCMON_GET_STATS == PROCMON_GET_STATS32);
CHECK(PROCMON_QUERY_PID == PROCMON_QUERY_PID32);
CHECK(sizeof(struct procmon_stats) == 20);
CHECK(__alignof__(struct procmon_stats) == 4);
CHECK(offsetof(struct procmon_stats, total_opens) == 0);
CHECK(offsetof(struct procmon_stats, total_reads) == 4);
CHECK(offsetof(struct procmon_stats, total_writes) == 8);
CHECK(offsetof(struct procmon_stats, total_ioctls) == 12);
CHECK(offsetof(struct procmon_stats, current_filter_pid) == 16);
CHECK(sizeof(struct procmon_query) == 28);
CHECK(__alignof__(struct procmon_query) == 4);
CHECK(offsetof(struct procmon_query, vsize) == 24);
CHECK(PROCMON_GET_STATS == 0x80145002);
CHECK(PROCMON_QUERY_PID == 0xc01c5004);
#endif

CHECK(offsetof(struct procmon_query, pid) == 0);
CHECK(offsetof(struct procmon_query, comm) == 4);
CHECK(offsetof(struct procmon_query, state) == 20);
CHECK(sizeof(((struct procmon_query *)0)->comm) == 16);

CHECK(PROCMON_RESET == 0x00005000);
CHECK(PROCMON_GET_COUNT == 0x80045001);
CHECK(PROCMON_SET_FILTER == 0x40045003);

/* The 32-bit layouts are the same in all programs. */
CHECK(sizeof(struct procmon_stats32) == 20);
CHECK(__alignof__(struct procmon_stats32) == 4);
CHECK(offsetof(struct procmon_stats32, total_opens) == 0);
CHECK(offsetof(struct procmon_stats32, total_reads) == 4);
CHECK(offsetof(struct procmon_stats32, total_writes) == 8);
CHECK(offsetof(struct procmon_stats32, total_ioctls) == 12);
CHECK(offsetof(struct procmon_stats32, current_filter_pid) == 16);
CHECK(sizeof(struct procmon_query32) == 28);
CHECK(__alignof__(struct procmon_query32) == 4);
CHECK(offsetof(struct procmon_query32, pid) == 0);
CHECK(offsetof(struct procmon_query32, comm) == 4);
CHECK(offsetof(struct procmon_query32, state) == 20);
CHECK(offsetof(struct procmon_query32, vsize) == 24);
CHECK(PROCMON_GET_STATS32 == 0x80145002);
CHECK(PROCMON_QUERY_PID32 == 0xc01c5004);

/* All others have one layout for all word sizes. */
CHECK(sizeof(struct procmon_info) == 40);
CHECK(offsetof(struct procmon_info, abi_version) == 0);
CHECK(offsetof(struct procmon_info, groups) == 4);
CHECK(offsetof(struct procmon_info, snapshot_flags) == 8);
CHECK(offsetof(struct procmon_info, snapshot_size) == 12);
CHECK(offsetof(struct procmon_info, record_size) == 16);
CHECK(offsetof(struct procmon_info, max_stride) == 20);
CHECK(offsetof(struct procmon_info, sample_size) == 24);
CHECK(offsetof(struct procmon_info, history_size) == 28);
CHECK(offsetof(struct procmon_info, event_classes) == 32);
CHECK(offsetof(struct procmon_info, events_size) == 36);
CHECK(sizeof(struct procmon_record) == 192);
CHECK(offsetof(struct procmon_record, groups) == 0);
CHECK(offsetof(struct procmon_record, pid) == 4);
CHECK(offsetof(struct procmon_record, tgid) == 8);
CHECK(offsetof(struct procmon_record, ppid) == 12);
CHECK(offsetof(struct procmon_record, state) == 16);
CHECK(offsetof(struct procmon_record, flags) == 20);
CHECK(offsetof(struct procmon_record, threads) == 24);
CHECK(offsetof(struct procmon_record, comm) == 28);
CHECK(sizeof(((struct procmon_record *)0)->comm) == 16);
CHECK(offsetof(struct procmon_record, cpu) == 44);
CHECK(offsetof(struct procmon_record, utime) == 48);
CHECK(offsetof(struct procmon_record, stime) == 56);
CHECK(offsetof(struct procmon_record, start_time) == 64);
CHECK(offsetof(struct procmon_record, nice) == 72);
CHECK(offsetof(struct procmon_record, policy) == 76);
CHECK(offsetof(struct procmon_record, uid) == 80);
CHECK(offsetof(struct procmon_record, euid) == 84);
CHECK(offsetof(struct procmon_record, gid) == 88);
CHECK(offsetof(struct procmon_record, egid) == 92);
CHECK(offsetof(struct procmon_record, minor_faults) == 96);
CHECK(offsetof(struct procmon_record, major_faults) == 104);
CHECK(offsetof(struct procmon_record, vsize) == 112);
CHECK(offsetof(struct procmon_record, rss_anon) == 120);
CHECK(offsetof(struct procmon_record, rss_file) == 128);
CHECK(offsetof(struct procmon_record, rss_shmem) == 136);
CHECK(offsetof(struct procmon_record, voluntary_switches) == 144);
CHECK(offsetof(struct procmon_record, involuntary_switches) == 152);
CHECK(offsetof(struct procmon_record, read_bytes) == 160);
CHECK(offsetof(struct procmon_record, write_bytes) == 168);
CHECK(offsetof(struct procmon_record, cgroup_id) == 176);
CHECK(offsetof(struct procmon_record, runtime) == 184);
CHECK(sizeof(struct procmon_snapshot) == 88);
CHECK(offsetof(struct procmon_snapshot, size) == 0);
CHECK(offsetof(struct procmon_snapshot, flags) == 4);
CHECK(offsetof(struct procmon_snapshot, groups) == 8);
CHECK(offsetof(struct procmon_snapshot, cursor) == 12);
CHECK(offsetof(struct procmon_snapshot, records) == 16);
CHECK(offsetof(struct procmon_snapshot, stride) == 24);
CHECK(offsetof(struct procmon_snapshot, capacity) == 28);
CHECK(offsetof(struct procmon_snapshot, count) == 32);
CHECK(offsetof(struct procmon_snapshot, uid) == 36);
CHECK(offsetof(struct procmon_snapshot, ppid) == 40);
CHECK(offsetof(struct procmon_snapshot, tgid) == 44);
CHECK(offsetof(struct procmon_snapshot, time) == 48);
CHECK(offsetof(struct procmon_snapshot, sequence) == 56);
CHECK(offsetof(struct procmon_snapshot, args) == 64);
CHECK(offsetof(struct procmon_snapshot, args_capacity) == 72);
CHECK(offsetof(struct procmon_snapshot, args_max) == 76);
CHECK(offsetof(struct procmon_snapshot, args_bytes) == 80);
CHECK(offsetof(struct procmon_snapshot, reserved) == 84);

CHECK(PROCMON_ARGS_MAX == 4096);
CHECK(sizeof(struct procmon_args) == 16);
CHECK(offsetof(struct procmon_args, size) == 0);
CHECK(offsetof(struct procmon_args, pid) == 4);
CHECK(offsetof(struct procmon_args, args_size) == 8);
CHECK(offsetof(struct procmon_args, args_stored) == 12);
CHECK(sizeof(struct procmon_sample) == 240);
CHECK(offsetof(struct procmon_sample, sequence) == 0);
CHECK(offsetof(struct procmon_sample, time) == 8);
CHECK(offsetof(struct procmon_sample, flags) == 16);
CHECK(offsetof(struct procmon_sample, processes) == 20);
CHECK(offsetof(struct procmon_sample, threads) == 24);
CHECK(offsetof(struct procmon_sample, running) == 28);
CHECK(offsetof(struct procmon_sample, uninterruptible) == 32);
CHECK(offsetof(struct procmon_sample, zombies) == 36);
CHECK(offsetof(struct procmon_sample, forks) == 40);
CHECK(offsetof(struct procmon_sample, reserved) == 44);
CHECK(offsetof(struct procmon_sample, process) == 48);
CHECK(sizeof(struct procmon_history) == 64);
CHECK(offsetof(struct procmon_history, size) == 0);
CHECK(offsetof(struct procmon_history, flags) == 4);
CHECK(offsetof(struct procmon_history, sequence) == 8);
CHECK(offsetof(struct procmon_history, samples) == 16);
CHECK(offsetof(struct procmon_history, stride) == 24);
CHECK(offsetof(struct procmon_history, capacity) == 28);
CHECK(offsetof(struct procmon_history, count) == 32);
CHECK(offsetof(struct procmon_history, interval_ms) == 36);
CHECK(offsetof(struct procmon_history, oldest) == 40);
CHECK(offsetof(struct procmon_history, newest) == 48);
CHECK(offsetof(struct procmon_history, target) == 56);
CHECK(offsetof(struct procmon_history, reserved) == 60);
CHECK(PROCMON_TARGETS_MAX == 16);
CHECK(PROCMON_ABI_VERSION == 5);
CHECK(PROCMON_INFO == 0x80285005);
CHECK(PROCMON_SNAPSHOT == 0xc0585006);
CHECK(PROCMON_HISTORY == 0xc0405007);
CHECK(PROCMON_GROUP_BASIC == 1);
CHECK(PROCMON_GROUP_CPU == 2);
CHECK(PROCMON_GROUP_CREDS == 4);
CHECK(PROCMON_GROUP_FAULTS == 8);
CHECK(PROCMON_GROUP_MEM == 16);
CHECK(PROCMON_GROUP_SCHED == 32);
CHECK(PROCMON_GROUP_IO == 64);
CHECK(PROCMON_GROUP_CGROUP == 128);
CHECK(PROCMON_GROUP_RUNTIME == 256);
CHECK(PROCMON_GROUP_ARGS == 512);
CHECK(PROCMON_SNAPSHOT_THREADS == 1);
CHECK(PROCMON_SNAPSHOT_NO_KTHREADS == 2);
CHECK(PROCMON_SNAPSHOT_BY_UID == 4);
CHECK(PROCMON_SNAPSHOT_BY_PPID == 8);
CHECK(PROCMON_SNAPSHOT_BY_TGID == 16);
CHECK(sizeof(struct procmon_event) == 64);
CHECK(offsetof(struct procmon_event, size) == 0);
CHECK(offsetof(struct procmon_event, tail) == 2);
CHECK(offsetof(struct procmon_event, type) == 4);
CHECK(offsetof(struct procmon_event, reserved) == 5);
CHECK(offsetof(struct procmon_event, flags) == 6);
CHECK(offsetof(struct procmon_event, sequence) == 8);
CHECK(offsetof(struct procmon_event, time) == 16);
CHECK(offsetof(struct procmon_event, start_time) == 24);
CHECK(offsetof(struct procmon_event, tgid) == 32);
CHECK(offsetof(struct procmon_event, pid) == 36);
CHECK(offsetof(struct procmon_event, ppid) == 40);
CHECK(offsetof(struct procmon_event, cpu) == 44);
CHECK(offsetof(struct procmon_event, uid) == 48);
CHECK(offsetof(struct procmon_event, euid) == 52);
CHECK(offsetof(struct procmon_event, cgroup_id) == 56);
CHECK(sizeof(struct procmon_event_fork) == 112);
CHECK(offsetof(struct procmon_event_fork, event) == 0);
CHECK(offsetof(struct procmon_event_fork, clone_flags) == 64);
CHECK(offsetof(struct procmon_event_fork, parent_start_time) == 72);
CHECK(offsetof(struct procmon_event_fork, creator_start_time) == 80);
CHECK(offsetof(struct procmon_event_fork, creator_tgid) == 88);
CHECK(offsetof(struct procmon_event_fork, creator) == 92);
CHECK(offsetof(struct procmon_event_fork, comm) == 96);
CHECK(sizeof(struct procmon_event_exec) == 104);
CHECK(offsetof(struct procmon_event_exec, event) == 0);
CHECK(offsetof(struct procmon_event_exec, args_size) == 64);
CHECK(offsetof(struct procmon_event_exec, args_stored) == 68);
CHECK(offsetof(struct procmon_event_exec, name_size) == 72);
CHECK(offsetof(struct procmon_event_exec, old_pid) == 76);
CHECK(offsetof(struct procmon_event_exec, gid) == 80);
CHECK(offsetof(struct procmon_event_exec, egid) == 84);
CHECK(offsetof(struct procmon_event_exec, comm) == 88);
CHECK(sizeof(struct procmon_event_exit) == 216);
CHECK(offsetof(struct procmon_event_exit, event) == 0);
CHECK(offsetof(struct procmon_event_exit, status) == 64);
CHECK(offsetof(struct procmon_event_exit, gid) == 68);
CHECK(offsetof(struct procmon_event_exit, utime) == 72);
CHECK(offsetof(struct procmon_event_exit, stime) == 80);
CHECK(offsetof(struct procmon_event_exit, runtime) == 88);
CHECK(offsetof(struct procmon_event_exit, minor_faults) == 96);
CHECK(offsetof(struct procmon_event_exit, major_faults) == 104);
CHECK(offsetof(struct procmon_event_exit, voluntary_switches) == 112);
CHECK(offsetof(struct procmon_event_exit, involuntary_switches) == 120);
CHECK(offsetof(struct procmon_event_exit, read_bytes) == 128);
CHECK(offsetof(struct procmon_event_exit, write_bytes) == 136);
CHECK(offsetof(struct procmon_event_exit, max_rss) == 144);
CHECK(offsetof(struct procmon_event_exit, wait_time) == 152);
CHECK(offsetof(struct procmon_event_exit, child_utime) == 160);
CHECK(offsetof(struct procmon_event_exit, child_stime) == 168);
CHECK(offsetof(struct procmon_event_exit, child_minor_faults) == 176);
CHECK(offsetof(struct procmon_event_exit, child_major_faults) == 184);
CHECK(offsetof(struct procmon_event_exit, child_max_rss) == 192);
CHECK(offsetof(struct procmon_event_exit, comm) == 200);
CHECK(sizeof(struct procmon_event_comm) == 96);
CHECK(offsetof(struct procmon_event_comm, event) == 0);
CHECK(offsetof(struct procmon_event_comm, old_comm) == 64);
CHECK(offsetof(struct procmon_event_comm, comm) == 80);
CHECK(sizeof(struct procmon_event_cgroup) == 72);
CHECK(offsetof(struct procmon_event_cgroup, event) == 0);
CHECK(offsetof(struct procmon_event_cgroup, new_cgroup_id) == 64);
CHECK(sizeof(struct procmon_event_lost) == 136);
CHECK(offsetof(struct procmon_event_lost, event) == 0);
CHECK(offsetof(struct procmon_event_lost, last) == 64);
CHECK(offsetof(struct procmon_event_lost, counts) == 72);
CHECK(sizeof(struct procmon_events) == 96);
CHECK(offsetof(struct procmon_events, size) == 0);
CHECK(offsetof(struct procmon_events, flags) == 4);
CHECK(offsetof(struct procmon_events, classes) == 8);
CHECK(offsetof(struct procmon_events, min_bytes) == 12);
CHECK(offsetof(struct procmon_events, timeout_ms) == 16);
CHECK(offsetof(struct procmon_events, args_max) == 20);
CHECK(offsetof(struct procmon_events, buffer) == 24);
CHECK(offsetof(struct procmon_events, capacity) == 32);
CHECK(offsetof(struct procmon_events, bytes) == 36);
CHECK(offsetof(struct procmon_events, count) == 40);
CHECK(offsetof(struct procmon_events, uid) == 44);
CHECK(offsetof(struct procmon_events, tgid) == 48);
CHECK(offsetof(struct procmon_events, reserved) == 52);
CHECK(offsetof(struct procmon_events, cgroup_id) == 56);
CHECK(offsetof(struct procmon_events, sequence) == 64);
CHECK(offsetof(struct procmon_events, oldest) == 72);
CHECK(offsetof(struct procmon_events, newest) == 80);
CHECK(offsetof(struct procmon_events, lost) == 88);
CHECK(PROCMON_EVENT_FORK == 0);
CHECK(PROCMON_EVENT_EXEC == 1);
CHECK(PROCMON_EVENT_EXIT == 2);
CHECK(PROCMON_EVENT_THREAD_START == 3);
CHECK(PROCMON_EVENT_THREAD_EXIT == 4);
CHECK(PROCMON_EVENT_COMM == 5);
CHECK(PROCMON_EVENT_CGROUP == 6);
CHECK(PROCMON_EVENT_OOM == 7);
CHECK(PROCMON_EVENT_TYPES == 8);
CHECK(PROCMON_EVENT_LOST == 255);
CHECK(PROCMON_EVENT_KTHREAD == 1);
CHECK(PROCMON_EVENT_WORKER == 2);
CHECK(PROCMON_EVENT_TRUNCATED == 4);
CHECK(PROCMON_EVENT_PROTECTED == 8);
CHECK(PROCMON_EVENT_REDACTED == 16);
CHECK(PROCMON_EVENTS_FROM_OLDEST == 1);
CHECK(PROCMON_EVENTS_BY_UID == 2);
CHECK(PROCMON_EVENTS_BY_SUBTREE == 4);
CHECK(PROCMON_EVENTS_BY_CGROUP == 8);
CHECK(PROCMON_EVENTS == 0xc0605008);
CHECK(PROCMON_TASK_KTHREAD == 1);
CHECK(PROCMON_TASK_EXITING == 2);
CHECK(PROCMON_TASK_MIXED == 4);
CHECK(PROCMON_TASK_REDACTED == 8);
CHECK(PROCMON_SAMPLE_PROCESS == 1);
CHECK(PROCMON_SAMPLE_GONE == 2);

/* The bits that /proc shows as letters. */
CHECK(PROCMON_STATE_NOT_FOUND == -1);
CHECK(PROCMON_STATE_RUNNING == 0x00);
CHECK(PROCMON_STATE_SLEEPING == 0x01);
CHECK(PROCMON_STATE_DISK_SLEEP == 0x02);
CHECK(PROCMON_STATE_STOPPED == 0x04);
CHECK(PROCMON_STATE_TRACED == 0x08);
CHECK(PROCMON_STATE_DEAD == 0x10);
CHECK(PROCMON_STATE_ZOMBIE == 0x20);
CHECK(PROCMON_STATE_PARKED == 0x40);
CHECK(PROCMON_STATE_IDLE == 0x80);

/* To see that a wrong number does not compile. */
#ifdef MUST_FAIL
CHECK(PROCMON_RESET == 0x00005001);
#endif
