//! Tables of measurements in CSV: any bytes are read or refused.
//!
//! `just fuzz canonical_csv`, or without just, on the stable toolchain:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none canonical_csv -- -timeout=10`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use upturn_store::{FileInfo, Texts, canonical_csv};

fuzz_target!(|bytes: &[u8]| {
    let info = FileInfo::new(Path::new("table.csv"), "fuzz");
    let parsed = canonical_csv::parse(bytes, &info, &Texts::default());
    assert!(parsed.measurements.len() <= parsed.n_rows);
});
