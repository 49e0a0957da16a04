// SPDX-License-Identifier: GPL-2.0
/*
 * What procmon_uapi.h must say, for tests/header to compile: as C and as C++, for 64 and 32 bits.
 * The numbers are those of the specification, worked out for both.
 */
#include <stddef.h>

#include "procmon_uapi.h"

#define PASTE(a, b) a##b
#define NAME(line) PASTE(check_in_line_, line)

/* An array of a negative size is an error in each standard of both languages. */
#define CHECK(condition) extern char NAME(__LINE__)[(condition) ? 1 : -1]

#ifdef __x86_64__
CHECK(sizeof(struct procmon_stats) == 40);
CHECK(offsetof(struct procmon_stats, total_opens) == 0);
CHECK(offsetof(struct procmon_stats, total_reads) == 8);
CHECK(offsetof(struct procmon_stats, total_writes) == 16);
CHECK(offsetof(struct procmon_stats, total_ioctls) == 24);
CHECK(offsetof(struct procmon_stats, current_filter_pid) == 32);
CHECK(sizeof(struct procmon_query) == 32);
CHECK(offsetof(struct procmon_query, vsize) == 24);
CHECK(PROCMON_GET_STATS == 0x80285002);
CHECK(PROCMON_QUERY_PID == 0xc0205004);
#else
CHECK(sizeof(struct procmon_stats) == 20);
CHECK(offsetof(struct procmon_stats, total_opens) == 0);
CHECK(offsetof(struct procmon_stats, total_reads) == 4);
CHECK(offsetof(struct procmon_stats, total_writes) == 8);
CHECK(offsetof(struct procmon_stats, total_ioctls) == 12);
CHECK(offsetof(struct procmon_stats, current_filter_pid) == 16);
CHECK(sizeof(struct procmon_query) == 28);
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

/* The 32-bit layouts are the same for everybody. */
CHECK(sizeof(struct procmon_stats32) == 20);
CHECK(offsetof(struct procmon_stats32, total_opens) == 0);
CHECK(offsetof(struct procmon_stats32, total_reads) == 4);
CHECK(offsetof(struct procmon_stats32, total_writes) == 8);
CHECK(offsetof(struct procmon_stats32, total_ioctls) == 12);
CHECK(offsetof(struct procmon_stats32, current_filter_pid) == 16);
CHECK(sizeof(struct procmon_query32) == 28);
CHECK(offsetof(struct procmon_query32, pid) == 0);
CHECK(offsetof(struct procmon_query32, comm) == 4);
CHECK(offsetof(struct procmon_query32, state) == 20);
CHECK(offsetof(struct procmon_query32, vsize) == 24);
CHECK(PROCMON_GET_STATS32 == 0x80145002);
CHECK(PROCMON_QUERY_PID32 == 0xc01c5004);

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
