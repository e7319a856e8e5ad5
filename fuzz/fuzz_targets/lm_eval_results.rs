//! Results of lm-evaluation-harness: any bytes are read or refused.
//!
//! `just fuzz lm_eval_results`, or without just, on the stable toolchain:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none lm_eval_results -- -timeout=10`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use upturn_catalog::Catalog;
use upturn_store::{FileInfo, Texts, lm_eval, validate};

fuzz_target!(|bytes: &[u8]| {
    let info = FileInfo::new(Path::new("pythia-70m/results_step512.json"), "fuzz");
    let parsed = lm_eval::parse_results(bytes, &info, &Catalog::builtin(), &Texts::default());
    assert!(parsed.measurements.len() <= parsed.n_rows);
    for row in &parsed.measurements {
        let _ = validate::validate(row);
    }
});
