//! Reads files and folders of results and says what was in them:
//! `cargo run --release -p upturn-store --example read_results -- PATH…`
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example reports to whoever runs it"
)]

use std::path::PathBuf;
use std::time::Instant;

use upturn_catalog::Catalog;
use upturn_store::{ReadOptions, read};

fn main() {
    let inputs: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let start = Instant::now();
    let import = read(&inputs, &ReadOptions::default(), &Catalog::builtin());
    let secs = start.elapsed().as_secs_f64();
    println!(
        "{} files ({} refused), {} rows, {} kept, in {secs:.3} s",
        import.n_files,
        import.n_files_refused,
        import.n_rows,
        import.measurements.len()
    );
    for (format, n) in &import.formats {
        println!("{n} × {format}");
    }
    for diagnostic in import.diagnostics.iter().take(20) {
        println!("{:?}: {diagnostic}", diagnostic.severity);
    }
}
