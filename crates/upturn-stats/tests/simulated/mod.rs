//! Series with a known truth, and what the rules say of them.

use upturn_stats::artefact::link::LinkPoint;
use upturn_stats::artefact::{JudgeSettings, Paired, judge};
use upturn_stats::curves::{FitConfig, breakpoint_interval, compare};
use upturn_stats::dist::norm_quantile;
use upturn_stats::inference::binomial_sampler::BinomialSampler;
use upturn_stats::methods::{Effect, Margins, crossover, effect};
use upturn_stats::resample::SplitMix64;
use upturn_stats::tests::test_point;
use upturn_stats::threshold::{interval, walk};
use upturn_stats::{Obs, Series};
use upturn_types::{ArtefactVerdict, MethodVerdict, Text};

/// Items behind every score.
pub const N_ITEMS: u64 = 2000;
/// Tokens that must all be right.
const LENGTH: f64 = 10.0;
/// Error of a graded loss, relative, from items and from runs.
const NOISE: (f64, f64) = (0.01, 0.01);

/// What is true of the graded loss.
#[derive(Debug, Clone, Copy)]
pub enum Truth {
    /// A power law; exact match is its product over tokens.
    Smooth,
    /// A power law down to a remainder, under exact match.
    SmoothRemainder,
    /// Flat up to a scale, then a power law: the ability itself turns.
    Kink,
    /// The same, so steep that the next size has the ability.
    SharpKink,
    /// Half the slope below that scale.
    HalfKink,
    /// A power law, but exact match has a jump of its own.
    Unlinked,
}

impl Truth {
    /// Loss per token at a scale.
    fn loss(self, x: f64) -> f64 {
        const TAU: f64 = 21.0;
        let ln = match self {
            Truth::Smooth | Truth::Unlinked => -0.9 - 0.9 * (x - TAU),
            Truth::SmoothRemainder => (0.38 * (-0.9 * (x - TAU)).exp() + 0.02_f64).ln(),
            Truth::Kink => -0.5 - 1.6 * (x - TAU).max(0.0),
            Truth::SharpKink => -0.5 - 4.0 * (x - TAU).max(0.0),
            Truth::HalfKink => -0.5 - 1.4 * (x - TAU).max(0.0) - 0.7 * (x - TAU).min(0.0),
        };
        ln.exp()
    }

    /// Exact match at a loss.
    fn score(self, x: f64, loss: f64) -> f64 {
        let product = (-LENGTH * loss).exp();
        match self {
            Truth::Unlinked if x < 21.6 => 0.002,
            Truth::Unlinked => product.max(0.4),
            _ => product,
        }
    }
}

fn normal(rng: &mut SplitMix64) -> f64 {
    norm_quantile(rng.uniform().clamp(1e-15, 1.0 - 1e-15))
}

/// One model: (observed loss, its error, successes).
fn model(truth: Truth, x: f64, rng: &mut SplitMix64) -> (f64, f64, u64) {
    let own = truth.loss(x) * (NOISE.1 * normal(rng)).exp();
    let k = BinomialSampler::new(N_ITEMS, truth.score(x, own).min(1.0)).draw(rng);
    let seen = own * (1.0 + NOISE.0 * normal(rng));
    (seen, NOISE.0 * own, k)
}

/// The verdict on one simulated family with two others beside it; `None` where exact match
/// shows no onset (two sizes near chance, one above).
pub fn artefact_verdict(truth: Truth, draw: u64, n_draws: u32) -> Option<ArtefactVerdict> {
    let mut rng = SplitMix64::stream(0xa57e, draw);
    let sizes = |shift: f64| (0..12).map(move |i| 18.5 + shift + 0.4 * f64::from(i));
    let x: Vec<f64> = sizes(0.0).collect();
    let models: Vec<(f64, f64, u64)> = x.iter().map(|x| model(truth, *x, &mut rng)).collect();
    let others: Vec<LinkPoint> = [0.13, 0.27]
        .into_iter()
        .flat_map(sizes)
        .map(|x| {
            // The other families follow the smooth link, whatever this one does.
            let of = match truth {
                Truth::Unlinked => Truth::Smooth,
                other => other,
            };
            let (loss, _, k) = model(of, x, &mut rng);
            LinkPoint {
                loss,
                score: k as f64 / N_ITEMS as f64,
                n: N_ITEMS as f64,
                chance: 0.0,
                ceiling: 1.0,
            }
        })
        .collect();
    let tests: Vec<_> = models
        .iter()
        .map(|m| test_point(&Obs::count(m.2, N_ITEMS), 0.0, 1.0, 0.05, 0.05))
        .collect();
    let found = walk(&x, &tests, 0.05);
    if found.n_near < 2 || found.n_above < 1 {
        return None;
    }
    let (low, high) = interval(&x, &found);
    let k = x.len();
    let names: Vec<(Text, Option<u64>)> = vec![("m".into(), None); k];
    let score: Vec<f64> = models.iter().map(|m| m.2 as f64 / N_ITEMS as f64).collect();
    let loss: Vec<f64> = models.iter().map(|m| m.0).collect();
    let se: Vec<Option<f64>> = models.iter().map(|m| Some(m.1)).collect();
    let counts: Vec<u64> = models.iter().map(|m| m.2).collect();
    let series = Series::binomial(&x, &counts, N_ITEMS, 0.0);
    let score_breakpoint = compare(&series, &FitConfig::default())
        .and_then(|fits| breakpoint_interval(&series, &fits))
        .filter(|b| !b.degenerate)
        .and_then(|b| b.interval.lower.zip(b.interval.upper));
    let pair = Paired {
        x: &x,
        names: &names,
        score: &score,
        n: &vec![Some(N_ITEMS); k],
        loss: &loss,
        loss_se: &se,
        chance: 0.0,
        ceiling: 1.0,
        n_below: k - found.n_above,
        onset: low.zip(high),
        score_breakpoint,
        null_loss: None,
        others: &others,
        n_other_series: 2,
        analytic: None,
    };
    let settings = JudgeSettings {
        n_draws,
        n_power_draws: n_draws,
        seed: draw,
        ..JudgeSettings::default()
    };
    Some(judge(&pair, &settings).verdict)
}

/// Verdicts counted: (artefact, real, undetermined).
pub fn artefact_counts(truth: Truth, n: u64, n_draws: u32) -> (u64, u64, u64) {
    let mut counts = (0, 0, 0);
    for draw in 0..n {
        match artefact_verdict(truth, draw, n_draws) {
            Some(ArtefactVerdict::Artefact) => counts.0 += 1,
            Some(ArtefactVerdict::Real) => counts.1 += 1,
            Some(ArtefactVerdict::Undetermined) => counts.2 += 1,
            None => {}
        }
    }
    counts
}

/// A method that gains `gain` from the fifth of eight sizes on and nothing below: whether the
/// interval holds the onset, and the verdict.
pub fn method_outcome(gain: f64, n_items: u64, draw: u64) -> (bool, MethodVerdict) {
    let mut rng = SplitMix64::stream(0x3e7, draw);
    let x: Vec<f64> = (0..8).map(|i| 20.0 + 0.5 * f64::from(i)).collect();
    let onset = x[4];
    let effects: Vec<Effect> = x
        .iter()
        .map(|&x| {
            let base = 0.3 / (1.0 + (-1.2 * (x - 22.0)).exp());
            let with = if x < onset { base } else { base + gain };
            let mut count =
                |p: f64| Obs::count(BinomialSampler::new(n_items, p).draw(&mut rng), n_items);
            effect(&count(with), &count(base), 0.05).expect("counts")
        })
        .collect();
    let margins = Margins {
        near: 0.05,
        substantial: 0.10,
        alpha: 0.05,
    };
    let found = crossover(&x, &effects, &margins);
    let above = found.scales.better_from.is_none_or(|upper| onset <= upper);
    let below = found.scales.no_gain_until.is_none_or(|lower| lower < onset);
    (above && below, found.verdict)
}
