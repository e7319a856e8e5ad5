//! How often the verdict rules err, by simulation: eight models at x = 19.5, 20, …, 23 with
//! pure binomial noise, 300 series per case.
//!
//! Seeds are fixed, so a run always gives the same counts. The bounds are not tuned to them:
//! each comment gives the probability that the assertion would fail under another seed,
//! from the rate of an independent simulation (numpy, 300 series) or from an exact bound.

use upturn_stats::resample::SplitMix64;
use upturn_stats::threshold::interval;
use upturn_stats::verdict::{JudgeConfig, Judgement, judge};
use upturn_stats::{Series, dist::binom_sf};
use upturn_types::{Attribute, Shape};

const SIMULATIONS: u64 = 300;
const X: [f64; 8] = [19.5, 20.0, 20.5, 21.0, 21.5, 22.0, 22.5, 23.0];

/// Binomial draw as a sum of n Bernoulli draws.
fn draw(rng: &mut SplitMix64, n: u64, p: f64) -> u64 {
    (0..n).map(|_| u64::from(rng.uniform() < p)).sum()
}

/// Judges 300 series with true scores `p` at [`X`].
fn simulate(p: [f64; 8], n: u64, chance: f64, seed: u64) -> Vec<Judgement> {
    (0..SIMULATIONS)
        .map(|i| {
            let mut rng = SplitMix64::stream(seed, i);
            let k = p.map(|p| draw(&mut rng, n, p));
            judge(
                &Series::binomial(&X, &k, n, chance),
                &JudgeConfig::default(),
            )
        })
        .collect()
}

fn share(judgements: &[Judgement], shape: Shape) -> f64 {
    let count = judgements.iter().filter(|j| j.shape == shape).count();
    count as f64 / judgements.len() as f64
}

fn logistic_from_floor(b: f64, middle: f64) -> [f64; 8] {
    X.map(|x| 0.25 + 0.75 / (1.0 + (-b * (x - middle)).exp()))
}

const STEP: [f64; 8] = [0.25, 0.25, 0.25, 0.25, 0.25, 0.6, 0.6, 0.6];

/// The reference rate must lie within `sigmas` of ours, both from 300 series.
fn agrees(ours: f64, reference: f64, sigmas: f64) -> bool {
    let p = ((ours + reference) / 2.0).clamp(0.005, 0.995);
    (ours - reference).abs() <= sigmas * (2.0 * p * (1.0 - p) / SIMULATIONS as f64).sqrt()
}

/// Exact binomial bounds, largest at n = 250 and c = .25: two near-random models and a
/// largest one above c + δ have probability 1.0e-4 per series, above c + Δ 4.3e-7. So any
/// `emergent` in 1 800 series has probability < 2e-4, and more than three `weak_onset` in
/// the 300 of one case < 1e-7.
#[test]
fn flat_data_are_never_emergent() {
    for (seed, n) in [250, 1000, 2000].into_iter().enumerate() {
        for (chance, p) in [(0.25, 0.25), (0.0, 0.01)] {
            let judgements = simulate([p; 8], n, chance, 100 + seed as u64);
            assert_eq!(
                share(&judgements, Shape::Emergent),
                0.0,
                "n {n} chance {chance}"
            );
            assert!(
                share(&judgements, Shape::WeakOnset) <= 0.01,
                "n {n} chance {chance}"
            );
            // One fall among 28 pairs at .05/56 each is found in at most 2.5%: over 7% of
            // 300 series has probability 9e-6.
            assert!(share(&judgements, Shape::Inverse) <= 0.07);
        }
    }
}

/// Reference rates of `flat`: .25 and .863 (c = .25; n = 1000, 2000), 1 (c = 0, n ≥ 1000).
/// Two rates from 300 differ by more than 4 standard errors with probability 6e-5 each.
#[test]
fn flat_data_are_flat_when_n_suffices() {
    for (n, chance, p, reference) in [
        (1000, 0.25, 0.25, 0.25),
        (2000, 0.25, 0.25, 0.863),
        (250, 0.0, 0.01, 0.913),
        (1000, 0.0, 0.01, 1.0),
    ] {
        let flat = share(&simulate([p; 8], n, chance, 7), Shape::Flat);
        assert!(agrees(flat, reference, 4.0), "n {n}: {flat}");
    }
}

/// A line that starts above c + δ. The two smallest models must pass as near-random: at
/// n = 250 with probability 7e-5 and 9e-9, so `emergent` has probability < 1e-9 in all.
/// `smooth` is at .993 and 1 in the reference: below .95 has probability < 1e-8.
#[test]
fn a_line_above_the_floor_is_smooth() {
    let line = X.map(|x| 0.35 + 0.4 * (x - 19.5) / 3.5);
    for n in [250, 1000, 2000] {
        let judgements = simulate(line, n, 0.25, 200);
        assert_eq!(share(&judgements, Shape::Emergent), 0.0, "n {n}");
        if n >= 1000 {
            assert!(share(&judgements, Shape::Smooth) >= 0.95, "n {n}");
        }
    }
}

/// A line .005 → .15 with chance 0 passes E1 to E3 nearly always; what E4 is for. In
/// 4·10⁶ simulated series `abrupt` came at 3.5e-6 (n = 1000) and never (n = 2000): any in
/// 300 has probability 1.1e-3.
#[test]
fn a_line_from_the_floor_is_never_abrupt() {
    let line = X.map(|x| 0.005 + 0.145 * (x - 19.5) / 3.5);
    for n in [1000, 2000] {
        let judgements = simulate(line, n, 0.0, 300);
        let abrupt = judgements
            .iter()
            .filter(|j| j.attributes.contains(&Attribute::Abrupt));
        assert_eq!(abrupt.count(), 0, "n {n}");
    }
}

/// Reference rates of `emergent` on steps and logistic curves, here `emergent` or gradual
/// (E1 to E3 hold), as the reference precedes E4. Nine comparisons at 4 standard errors of
/// the difference: a false alarm with probability 6e-4 in all.
#[test]
fn detection_of_onsets() {
    for (name, p, rates) in [
        ("step", STEP, [0.137, 0.733, 0.973]),
        ("steep", logistic_from_floor(4.0, 22.0), [0.127, 0.7, 0.953]),
        (
            "slow",
            logistic_from_floor(1.75, 22.5),
            [0.05, 0.493, 0.837],
        ),
    ] {
        for (n, reference) in [250, 1000, 2000].into_iter().zip(rates) {
            let judgements = simulate(p, n, 0.25, 400 + n);
            let found = share(&judgements, Shape::Emergent)
                + judgements
                    .iter()
                    .filter(|j| j.attributes.contains(&Attribute::GradualOnset))
                    .count() as f64
                    / SIMULATIONS as f64;
            assert!(agrees(found, reference, 4.0), "{name} n {n}: {found}");
        }
    }
}

/// A step at n = 2000 is `abrupt` in 96% of series by the reference; fewer than 90% of 300
/// then has probability 2e-6.
#[test]
fn a_step_is_abrupt() {
    let judgements = simulate(STEP, 2000, 0.25, 500);
    let abrupt = judgements
        .iter()
        .filter(|j| j.attributes.contains(&Attribute::Abrupt))
        .count();
    assert!(abrupt as f64 >= 0.9 * SIMULATIONS as f64, "{abrupt}");
}

/// Rates of `u_shaped` on a dip: .83 (n = 250), 1, 1; the others `smooth` or undecided.
/// Three comparisons at 4 standard errors: 2e-4 in all.
#[test]
fn a_dip_is_u_shaped() {
    let dip = [0.40, 0.32, 0.25, 0.25, 0.30, 0.4, 0.5, 0.6];
    for (n, reference) in [(250, 0.83), (1000, 1.0), (2000, 1.0)] {
        let u_shaped = share(&simulate(dip, n, 0.25, 600), Shape::UShaped);
        assert!(agrees(u_shaped, reference, 4.0), "n {n}: {u_shaped}");
    }
}

/// The interval (x_{i*}, x_j] misses the onset with probability at most 2α = .1 per series.
/// More than 50 misses in 300 at that rate: 1.8e-4. (It is in truth far more careful.)
#[test]
fn the_interval_covers_the_onset() {
    assert!(binom_sf(51, SIMULATIONS, 0.1) < 2e-4);
    for n in [250, 1000, 2000] {
        // Between 21.5 and 22, where the true score passes c + δ.
        let misses = simulate(STEP, n, 0.25, 700 + n)
            .iter()
            .filter(|j| {
                let (low, high) = interval(&X, &j.walk.expect("testable"));
                low.is_some_and(|x| x > 21.5) || high.is_some_and(|x| x < 22.0)
            })
            .count();
        assert!(misses <= 50, "n {n}: {misses}");
    }
}
