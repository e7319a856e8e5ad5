//! Samples of lm-evaluation-harness: any bytes are read or refused, in one line.
//!
//! `just fuzz lm_eval_samples`, or without just, on the stable toolchain:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none lm_eval_samples -- -timeout=10`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use upturn_store::{FileInfo, lm_eval_samples};

fuzz_target!(|bytes: &[u8]| {
    let info = FileInfo::new(Path::new("pythia-70m/samples_piqa.jsonl"), "fuzz");
    let samples = lm_eval_samples::parse_samples(bytes, &info, 4096);
    assert!(samples.diagnostics.len() <= 1);
});
