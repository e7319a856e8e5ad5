//! Tables of measurements in CSV: any bytes are read or refused.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use upturn_store::{FileInfo, Texts, canonical_csv};

fuzz_target!(|bytes: &[u8]| {
    let info = FileInfo::new(Path::new("table.csv"), "fuzz");
    let parsed = canonical_csv::parse(bytes, &info, &Texts::default());
    assert!(parsed.measurements.len() <= parsed.n_rows);
});
