// SPDX-License-Identifier: GPL-2.0

//! Translates `procmon_uapi.h`. A build script is linked dynamically, so it can load libclang.

use std::env;
use std::path::PathBuf;

use bindgen::callbacks::{IntKind, ParseCallbacks};

const HEADER: &str = "../../procmon_uapi.h";

/// Gives the constants the C types that the header puts them to use with.
#[derive(Debug)]
struct ConstantTypes;

impl ParseCallbacks for ConstantTypes {
    fn int_macro(&self, name: &str, _value: i64) -> Option<IntKind> {
        name.starts_with("PROCMON_STATE_").then_some(IntKind::Int)
    }
}

fn main() {
    println!("cargo:rerun-if-changed={HEADER}");
    println!("cargo:rerun-if-changed=build.rs");

    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    bindgen::Builder::default()
        .header(HEADER)
        .allowlist_item("procmon_.*|PROCMON_.*")
        // The size of a long is part of these, so they are not the same everywhere.
        .blocklist_item("PROCMON_GET_STATS|PROCMON_QUERY_PID")
        // The command numbers are macros that take the size of a type: only Clang can tell them.
        .clang_macro_fallback()
        .clang_macro_fallback_build_dir(&out_dir)
        .parse_callbacks(Box::new(ConstantTypes))
        .derive_default(true)
        .derive_eq(true)
        .derive_hash(true)
        .layout_tests(false)
        .generate_comments(false)
        // No version of bindgen in the text: it changes more often than the bindings do.
        .disable_header_comment()
        // In parts, as checkpatch takes it for a misplaced one of this file.
        .raw_line(concat!("// SPDX", "-License", "-Identifier: GPL-2.0"))
        .raw_line("// Written by the crate uapi-bindings.")
        .generate()
        .unwrap_or_else(|error| panic!("cannot translate {HEADER}: {error}"))
        .write_to_file(out_dir.join("bindings.rs"))
        .expect("cannot write the translated header");
}
