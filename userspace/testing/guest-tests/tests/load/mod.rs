// SPDX-License-Identifier: GPL-2.0-only

//! Loading and unloading the module.

mod appearance;
mod parameters;
mod races;
mod users;
