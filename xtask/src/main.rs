//! `cargo xtask CHORE`: `tidy` checks the tree, `arrows` prints the crate diagram.

use std::process::ExitCode;

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line of its own"
)]
fn main() -> ExitCode {
    let chore = std::env::args().nth(1).unwrap_or_default();
    let findings = match chore.as_str() {
        "arrows" => match xtask::arrows::workspace() {
            Ok(edges) => {
                println!("{}", xtask::arrows::diagram(&edges));
                Vec::new()
            }
            Err(error) => vec![error],
        },
        "tidy" => {
            let mut findings = xtask::arrows::check();
            findings.extend(xtask::tidy::check());
            findings
        }
        _ => vec!["usage: cargo xtask tidy | arrows".to_owned()],
    };
    for finding in &findings {
        eprintln!("{finding}");
    }
    ExitCode::from(u8::from(!findings.is_empty()))
}
