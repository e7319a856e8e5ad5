//! Simulations with a known truth, kept small; the example `questions_simulated` runs more.

mod simulated;

use simulated::{Truth, artefact_counts, artefact_verdict, method_outcome};
use upturn_types::MethodVerdict;

/// Series per truth.
const N: u64 = 40;
/// Draws of each test of a kink.
const N_DRAWS: u32 = 199;

#[test]
fn a_smooth_link_is_never_called_real() {
    for truth in [Truth::Smooth, Truth::SmoothRemainder] {
        let (artefact, real, undetermined) = artefact_counts(truth, N, N_DRAWS);
        assert!(
            artefact + real + undetermined >= N * 9 / 10,
            "{truth:?}: few onsets"
        );
        assert_eq!(real, 0, "{truth:?}");
        assert!(artefact >= N / 4, "{truth:?}: {artefact} found");
    }
}

#[test]
fn a_kink_in_the_graded_metric_is_never_called_an_artefact() {
    for truth in [Truth::Kink, Truth::SharpKink] {
        let (artefact, real, undetermined) = artefact_counts(truth, N, N_DRAWS);
        assert!(artefact + real + undetermined >= N * 9 / 10);
        assert!(artefact <= 1, "{truth:?}: {artefact} false");
        // A kink that takes sizes to show in exact match leaves models below the threshold
        // that are past it: only a sharp one is found.
        let sharp = matches!(truth, Truth::SharpKink);
        assert!(!sharp || real >= N / 2, "{real} found");
    }
    let (artefact, _, _) = artefact_counts(Truth::HalfKink, N, N_DRAWS);
    assert!(artefact <= 2, "half a slope: {artefact} false");
}

#[test]
fn a_jump_that_the_link_does_not_make_is_no_artefact() {
    let (artefact, real, _) = artefact_counts(Truth::Unlinked, N, N_DRAWS);
    assert!(artefact <= 1 && real == 0, "{artefact} {real}");
}

#[test]
fn the_same_draw_gives_the_same_verdict() {
    for draw in 0..3 {
        let run = || artefact_verdict(Truth::Smooth, draw, 99);
        assert_eq!(run(), run());
    }
}

#[test]
fn a_method_that_helps_above_a_scale_is_found_there() {
    let outcomes: Vec<_> = (0..300)
        .map(|draw| method_outcome(0.25, 1000, draw))
        .collect();
    let covered = outcomes.iter().filter(|o| o.0).count();
    let found = outcomes
        .iter()
        .filter(|o| o.1 == MethodVerdict::EmergentMethod)
        .count();
    assert!(covered >= 270, "{covered} of 300 covered");
    assert!(found >= 270, "{found} of 300 found");
    // No gain anywhere: nothing emerges.
    let none = (0..300)
        .filter(|draw| method_outcome(0.0, 1000, *draw).1 == MethodVerdict::EmergentMethod)
        .count();
    assert!(none <= 3, "{none} of 300 false");
}
