//! Operating characteristics of the artefact and method verdicts on simulated series:
//! `cargo run --release -p upturn-stats --example questions_simulated -- [SERIES]`
#![expect(clippy::print_stdout, reason = "an example reports to whoever runs it")]

#[path = "../tests/simulated/mod.rs"]
mod simulated;

use simulated::{N_ITEMS, Truth, artefact_counts, artefact_verdict, method_outcome};
use upturn_types::MethodVerdict;

fn main() {
    let n: u64 = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(1000);
    println!("12 sizes, {N_ITEMS} items, {n} series: artefact, real, undetermined");
    for truth in [
        Truth::Smooth,
        Truth::SmoothRemainder,
        Truth::Kink,
        Truth::SharpKink,
        Truth::HalfKink,
        Truth::Unlinked,
    ] {
        let (artefact, real, undetermined) = artefact_counts(truth, n, 199);
        println!("{truth:?}: {artefact} {real} {undetermined}");
    }
    assert_eq!(
        artefact_verdict(Truth::Smooth, 0, 99),
        artefact_verdict(Truth::Smooth, 0, 99)
    );
    println!("method from the fifth of 8 sizes on: covered, emergent");
    for (gain, n_items) in [(0.25, 1000), (0.25, 250), (0.15, 1000), (0.0, 1000)] {
        let outcomes: Vec<_> = (0..n).map(|d| method_outcome(gain, n_items, d)).collect();
        let covered = outcomes.iter().filter(|o| o.0).count();
        let found = outcomes
            .iter()
            .filter(|o| o.1 == MethodVerdict::EmergentMethod)
            .count();
        if gain > 0.0 {
            println!("gain {gain}, {n_items} items: {covered} {found} of {n}");
        } else {
            println!("no gain, {n_items} items: {found} of {n} called emergent");
        }
    }
}
