// SPDX-License-Identifier: GPL-2.0-only

//! Tables of processes: columns, filters, order, tree, and their text, JSON and CSV.

pub mod args;
pub mod columns;
pub mod condition;
pub mod csv;
pub mod document;
pub mod filter;
pub mod group;
pub mod identity;
pub mod kernel_threads;
pub mod names;
pub mod order;
pub mod places;
pub mod proc_files;
pub mod render;
pub mod row;
pub mod style;
pub mod tree;
mod units;
pub mod value;
