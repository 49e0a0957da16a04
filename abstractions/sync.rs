// SPDX-License-Identifier: GPL-2.0-only

//! Synchronisation primitives.

pub(crate) mod rcu_data;
pub(crate) mod rculist;
pub(crate) mod rwlock;
pub(crate) mod rwonce;
pub(crate) mod seqlock;
pub(crate) mod wait_bit;
