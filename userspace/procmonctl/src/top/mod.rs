// SPDX-License-Identifier: GPL-2.0

//! The live process list: its state, its keys, and its view on a screen or in a file.

mod act;
pub mod batch;
mod event;
mod input;
pub mod keys;
pub mod live;
mod menu;
mod prompt;
mod screen;
mod signals;
pub mod state;
mod system;
#[cfg(test)]
mod tests;
mod turnover;
mod usage;
mod view;
pub mod worker;
