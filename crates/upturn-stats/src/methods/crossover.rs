//! From which scale a method helps: fixed sequences over a family, and the verdict.

use upturn_types::{MethodScales, MethodVerdict};

use super::effect::Effect;
use crate::multiplicity::holm;
use crate::threshold::gates;

/// Margins of a gain, in score, and the level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margins {
    /// δ: below it a gain is none.
    pub near: f64,
    /// Δ: above it a gain is substantial.
    pub substantial: f64,
    /// Level α of each one-sided test.
    pub alpha: f64,
}

/// What a method does over the scales of a family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossover {
    /// Verdict.
    pub verdict: MethodVerdict,
    /// Whether it is significantly worse from the smallest model on.
    pub hurts_below: bool,
    /// Runs and their ends.
    pub scales: MethodScales,
    /// Distinct scales.
    pub n_scales: usize,
}

/// Walks a family's effects, sorted by `x`.
///
/// Three fixed sequences: *better* from the largest down (p ≤ α), *worse* from the smallest up,
/// and *no gain* from the smallest up (upper bound of the difference below δ). Models of equal
/// scale are one gate. Each walk holds its level without adjustment.
///
/// Verdict, in order: **emergent method** when the no-gain run covers at least two scales and
/// the lower bound at every model of the largest scale is above Δ; **crossover** when some model is worse
/// and some is better after Holm's adjustment within the family; **uniformly helpful**
/// or **harmful** when every model is; **no effect** when every difference is within δ by two
/// one-sided tests; else **undetermined**.
///
/// # Panics
/// When the lengths differ or `x` decreases.
#[must_use]
pub fn crossover(x: &[f64], effects: &[Effect], margins: &Margins) -> Crossover {
    assert_eq!(x.len(), effects.len(), "one effect per scale");
    assert!(x.windows(2).all(|w| w[0] <= w[1]), "effects not sorted");
    let gates = gates(x);
    let alpha = margins.alpha;
    let passes = |gate: &(usize, usize), test: &dyn Fn(&Effect) -> bool| {
        effects[gate.0..gate.1].iter().all(test)
    };
    let better = |e: &Effect| e.p_better <= alpha;
    let worse = |e: &Effect| e.p_worse <= alpha;
    let no_gain = |e: &Effect| e.bounds.1 < margins.near;
    let up =
        |test: &dyn Fn(&Effect) -> bool| gates.iter().take_while(|gate| passes(gate, test)).count();
    let (worse_run, no_gain_run) = (up(&worse), up(&no_gain));
    let better_run = gates
        .iter()
        .rev()
        .take_while(|gate| passes(gate, &better))
        .count();
    // A gain that is certified, but small, is in both runs: the interval starts below it.
    let no_gain_below = no_gain_run.min(gates.len() - better_run);
    let models = |gates: &[(usize, usize)]| gates.iter().map(|(a, b)| b - a).sum::<usize>();
    let scales = MethodScales {
        n_worse: models(&gates[..worse_run]),
        n_no_gain: models(&gates[..no_gain_run]),
        n_better: models(&gates[gates.len() - better_run..]),
        worse_until: worse_run.checked_sub(1).map(|i| x[gates[i].0]),
        no_gain_until: no_gain_below.checked_sub(1).map(|i| x[gates[i].0]),
        better_from: (better_run > 0).then(|| x[gates[gates.len() - better_run].0]),
        confidence_level: 1.0 - 2.0 * alpha,
    };
    let some = |p: &dyn Fn(&Effect) -> f64| {
        let p: Vec<f64> = effects.iter().map(p).collect();
        holm(&p).into_iter().any(|p| p <= alpha)
    };
    let all = |test: &dyn Fn(&Effect) -> bool| !effects.is_empty() && effects.iter().all(test);
    let substantial = gates
        .last()
        .is_some_and(|gate| passes(gate, &|e| e.bounds.0 > margins.substantial));
    let verdict = if gates.len() < 2 {
        MethodVerdict::Undetermined
    } else if no_gain_run >= 2 && substantial {
        MethodVerdict::EmergentMethod
    } else if some(&|e| e.p_worse) && some(&|e| e.p_better) {
        MethodVerdict::Crossover
    } else if all(&better) {
        MethodVerdict::UniformlyHelpful
    } else if all(&worse) {
        MethodVerdict::UniformlyHarmful
    } else if all(&|e| e.bounds.0 > -margins.near && e.bounds.1 < margins.near) {
        MethodVerdict::NoEffect
    } else {
        MethodVerdict::Undetermined
    };
    Crossover {
        verdict,
        hurts_below: worse_run > 0,
        scales,
        n_scales: gates.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Obs;
    use crate::methods::effect::effect;

    const MARGINS: Margins = Margins {
        near: 0.05,
        substantial: 0.10,
        alpha: 0.05,
    };

    fn family(pairs: &[(u64, u64)], n: u64) -> Vec<Effect> {
        pairs
            .iter()
            .map(|(a, b)| effect(&Obs::count(*a, n), &Obs::count(*b, n), 0.05).expect("counts"))
            .collect()
    }

    fn verdict(pairs: &[(u64, u64)]) -> Crossover {
        let x: Vec<f64> = (0..pairs.len()).map(|i| 20.0 + i as f64).collect();
        crossover(&x, &family(pairs, 1000), &MARGINS)
    }

    #[test]
    fn one_family_of_each_kind() {
        let emergent = verdict(&[(20, 20), (22, 25), (60, 40), (500, 200)]);
        assert_eq!(emergent.verdict, MethodVerdict::EmergentMethod);
        assert!(!emergent.hurts_below);
        // At 22 it gains, and less than δ: the interval starts below.
        assert_eq!(emergent.scales.no_gain_until, Some(21.0));
        assert_eq!(emergent.scales.n_no_gain, 3);
        assert_eq!(emergent.scales.better_from, Some(22.0));
        let hurts = verdict(&[(20, 60), (30, 70), (60, 40), (500, 200)]);
        assert_eq!(hurts.verdict, MethodVerdict::EmergentMethod);
        assert!(hurts.hurts_below);
        assert_eq!(hurts.scales.worse_until, Some(21.0));
        assert_eq!(
            verdict(&[(100, 200), (260, 260), (500, 430)]).verdict,
            MethodVerdict::Crossover
        );
        assert_eq!(
            verdict(&[(300, 200), (400, 200), (500, 200)]).verdict,
            MethodVerdict::UniformlyHelpful
        );
        assert_eq!(
            verdict(&[(100, 200), (150, 300), (200, 400)]).verdict,
            MethodVerdict::UniformlyHarmful
        );
        assert_eq!(
            verdict(&[(20, 20), (20, 22), (25, 24)]).verdict,
            MethodVerdict::NoEffect
        );
        assert_eq!(
            verdict(&[(300, 300), (310, 300), (500, 450)]).verdict,
            MethodVerdict::Undetermined
        );
        assert_eq!(
            crossover(&[], &[], &MARGINS).verdict,
            MethodVerdict::Undetermined
        );
    }

    #[test]
    fn models_of_one_scale_are_one_gate() {
        let effects = family(&[(20, 20), (500, 200), (200, 200)], 1000);
        let found = crossover(&[20.0, 22.0, 22.0], &effects, &MARGINS);
        assert_eq!(found.scales.n_better, 0);
        assert_eq!(found.n_scales, 2);
    }
}
