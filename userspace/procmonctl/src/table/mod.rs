// SPDX-License-Identifier: GPL-2.0

//! Processes as rows of a table: their selection, order and columns.

pub mod columns;
pub mod document;
pub mod filter;
pub mod kernel_threads;
pub mod names;
pub mod render;
pub mod style;
pub mod tree;
