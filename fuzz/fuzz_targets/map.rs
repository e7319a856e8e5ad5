//! Maps and the tables that they name: the bytes before the first zero are the map.
//!
//! `just fuzz map`, or without just, on the stable toolchain:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none map -- -timeout=10`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use upturn_catalog::Catalog;
use upturn_store::map::{self, MapSpec};

fuzz_target!(|bytes: &[u8]| {
    let cut = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let (spec, table) = bytes.split_at(cut);
    let Ok(spec) = std::str::from_utf8(spec) else {
        return;
    };
    if let Ok(spec) = MapSpec::parse(spec, "map.toml") {
        let table = table.get(1..).unwrap_or_default();
        let _ = map::parse(table, &spec, None, "table.csv", &Catalog::builtin());
    }
});
