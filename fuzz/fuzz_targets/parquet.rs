//! Tables of measurements in Parquet: any bytes are read or refused.
//!
//! The libraries below panic on some damaged files; Upturn catches that and refuses the
//! file. So the fuzzer stops at panics in other code only, and at aborts, hangs and memory
//! running out anywhere.
//!
//! `just fuzz parquet`, or without just, on the stable toolchain:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none parquet -- -timeout=10`.
#![no_main]

use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use upturn_store::{FileInfo, Texts, parquet};

/// Leaves panics of crates from the registry to be caught.
fn pass_over_libraries() {
    let abort = take_hook();
    set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        let caught = info
            .location()
            .is_some_and(|at| at.file().contains("registry/src"));
        if !caught {
            abort(info);
        }
    }));
}

fuzz_target!(init: pass_over_libraries(), |bytes: &[u8]| {
    let info = FileInfo::new(Path::new("table.parquet"), "fuzz");
    let _ = parquet::parse(bytes, &info, &Texts::default());
});
