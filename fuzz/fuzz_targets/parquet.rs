//! Tables of measurements in Parquet: any bytes are read or refused.
//!
//! The library below panics on some damaged files; Upturn catches that and refuses
//! the file, but the fuzzer stops at the panic itself. A finding whose trace ends
//! in the `parquet` crate belongs there.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use upturn_store::{FileInfo, Texts, parquet};

fuzz_target!(|bytes: &[u8]| {
    let info = FileInfo::new(Path::new("table.parquet"), "fuzz");
    let _ = parquet::parse(bytes, &info, &Texts::default());
});
