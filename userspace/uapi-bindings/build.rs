// SPDX-License-Identifier: GPL-2.0-only

//! Translates `procmon_uapi.h`. A build script is linked dynamically, so it can load libclang.

use std::path::PathBuf;
use std::{env, fs};

use bindgen::callbacks::{IntKind, ParseCallbacks};

const HEADER: &str = "../../procmon_uapi.h";

/// Beginnings of items that hold on 64-bit machines only: the assertions of layouts, and the
/// numbers of commands that have the size of a long in them.
const OF_64_BIT: [&str; 3] = [
    "const _: () = {",
    "pub const PROCMON_GET_STATS:",
    "pub const PROCMON_QUERY_PID:",
];

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
    let mut bindings = bindgen::Builder::default()
        .header(HEADER)
        .allowlist_item("procmon_.*|PROCMON_.*")
        // The command numbers are macros that take the size of a type: only Clang can tell them.
        .clang_macro_fallback()
        .clang_macro_fallback_build_dir(&out_dir)
        .parse_callbacks(Box::new(ConstantTypes))
        .derive_default(true)
        .derive_eq(true)
        .derive_hash(true)
        .generate_comments(false)
        // No version of bindgen in the text: it changes more often than the bindings do.
        .disable_header_comment()
        // In parts, as checkpatch takes it for a misplaced one of this file.
        .raw_line(concat!("// SPDX", "-License", "-Identifier: GPL-2.0-only"))
        .raw_line("// Written by the crate uapi-bindings.")
        .generate()
        .unwrap_or_else(|error| panic!("cannot translate {HEADER}: {error}"))
        .to_string();
    for item in OF_64_BIT {
        assert!(bindings.contains(item), "no {item} in {bindings}");
        let conditional = format!("#[cfg(target_pointer_width = \"64\")]\n{item}");
        bindings = bindings.replace(item, &conditional);
    }
    fs::write(out_dir.join("bindings.rs"), bindings).expect("cannot write the translated header");
}
