// SPDX-License-Identifier: GPL-2.0-only

//! The exporter: what groups of processes use, as metrics for Prometheus.

pub mod exporter;
mod group;
mod groups;
pub mod http;
pub mod metrics;
pub mod namer;
pub mod rules;
mod subject;
pub mod textfile;
mod usage;

pub use groups::{Beginning, Limits};
