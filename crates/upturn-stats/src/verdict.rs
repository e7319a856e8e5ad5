//! The verdict rules: from a series to a shape with its reasons.
//!
//! A verdict names only what is certified at level α; where the data cannot tell, the
//! shape is [`Shape::InsufficientData`] with the reason that stands in the way.
//!
//! Two readings hold throughout:
//!
//! - **Equal scales.** Models of equal x have no order: they are never compared with each
//!   other, and a statement about "the smallest" or "the largest" must hold for all models
//!   there. The order in which tied models are listed changes nothing.
//! - **Untestable models.** A score without n and without standard error certifies nothing
//!   and is never skipped over: it ends the walk that reaches it, no comparison involves
//!   it, and no "all models" holds with it. The reason is `n_unknown` when fewer than four
//!   testable scales are left of four or more, and when the untestable model itself stands
//!   where a certified one was needed.

use upturn_types::{Abruptness, Attribute, Label, Reason, Resolution, Shape, Trend};

use crate::dist::{binom_cdf, norm_quantile};
use crate::resolution::resolution;
use crate::series::{Obs, Series};
use crate::tests::{PointTests, holm_labels, p_larger, score_variance, test_point};
use crate::threshold::{Walk, gates, walk};
use crate::trend::{cochran_armitage, isotonic_deviance, kendall_tau_b, weighted_slope_z};

/// Conventions of the verdict, printed with every one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgeConfig {
    /// Near-random margin δ as a share of the range u − c.
    pub near_margin: f64,
    /// Substantial margin Δ as a share of the range.
    pub substantial_margin: f64,
    /// Level α of every test, in (0, ½).
    pub alpha: f64,
    /// Smallest span of scales that is judged, in units of x.
    pub min_span: f64,
    /// Whether scores below chance are told apart from scores near it: not where chance is the
    /// best that can be had without the ability.
    pub below_chance: bool,
}

impl Default for JudgeConfig {
    /// δ = 5%, Δ = 10%, α = 5%, one decade of training compute.
    fn default() -> Self {
        JudgeConfig {
            near_margin: 0.05,
            substantial_margin: 0.10,
            alpha: 0.05,
            min_span: 1.0,
            below_chance: true,
        }
    }
}

/// A shape with all that led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Shape.
    pub shape: Shape,
    /// What is missing for `insufficient_data`, or which kind of `flat`.
    pub reason: Option<Reason>,
    /// What three scales point to, where they are too few to decide.
    pub candidate: Option<Shape>,
    /// Attributes, in the order in which the rules give them.
    pub attributes: Vec<Attribute>,
    /// Tests, one per model.
    pub tests: Vec<PointTests>,
    /// Labels with Holm's adjustment over the models.
    pub labels_holm: Vec<Label>,
    /// The two walks behind the threshold interval; `None` where nothing is testable.
    pub walk: Option<Walk>,
    /// Abruptness of the onset, where both runs are certified.
    pub abruptness: Option<Abruptness>,
    /// What the smallest n can show; binomial series only.
    pub resolution: Option<Resolution>,
    /// Trend helpers.
    pub trend: Trend,
    /// Distinct scales.
    pub n_scales: usize,
    /// Near-random margin δ in score units.
    pub delta: Option<f64>,
    /// Substantial margin Δ in score units.
    pub delta_substantial: Option<f64>,
    /// p of "the mean of the models below the threshold is at least chance + δ": at least
    /// two binomial models, none certified above. It certifies that mean only.
    pub plateau_pooled_p: Option<f64>,
}

/// Judges a series across models of growing scale.
///
/// The rules are applied in order, the first that holds decides; see the module for ties
/// and untestable models. Never panics on a series that keeps its invariants.
#[must_use]
pub fn judge(series: &Series, config: &JudgeConfig) -> Judgement {
    let evidence = match Evidence::gather(series, config) {
        Ok(evidence) => evidence,
        Err(reason) => return without_floor(series, reason),
    };
    let decision = evidence.decide_across_models();
    evidence.judgement(decision)
}

/// Judges one model along its training; x is the step, or any increasing function of it
/// that may be −∞ at step 0.
///
/// Every learned task starts at random, so the rules across models are not run: the shape
/// is `acquired_during_training` when both ends of the interval are certified, `flat` when
/// every checkpoint is near-random, or when every one is above and none differs from
/// another, and otherwise `insufficient_data`. A run that is above chance from its first
/// checkpoint and goes on rising is `plateau_unresolved` (its start was not measured), not
/// flat.
#[must_use]
pub fn judge_trajectory(series: &Series, config: &JudgeConfig) -> Judgement {
    let evidence = match Evidence::gather(series, config) {
        Ok(evidence) => evidence,
        Err(reason) => return without_floor(series, reason),
    };
    let decision = evidence.decide_along_training();
    evidence.judgement(decision)
}

/// Shape with reason, candidate and attributes, before the evidence is attached.
struct Decision {
    shape: Shape,
    reason: Option<Reason>,
    candidate: Option<Shape>,
    attributes: Vec<Attribute>,
    abruptness: Option<Abruptness>,
}

impl Decision {
    fn new(shape: Shape) -> Self {
        Decision {
            shape,
            reason: None,
            candidate: None,
            attributes: Vec::new(),
            abruptness: None,
        }
    }

    fn insufficient(reason: Reason) -> Self {
        Decision {
            reason: Some(reason),
            ..Decision::new(Shape::InsufficientData)
        }
    }

    fn with(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }
}

/// Scales that a verdict across models needs.
const SCALES_MIN: usize = 4;
/// A score this close below the ceiling, as a share of the range, is saturated.
const SATURATED: f64 = 0.10;
/// Largest drop inside a rise that is a local dip, as a share of the spread of scores.
const LOCAL_DIP: f64 = 0.25;
/// Differences are compared with δ to this accuracy, so that .30 − .25 counts as .05.
const ROUNDING: f64 = 1e-12;

/// Everything the rules look at.
struct Evidence<'a> {
    series: &'a Series,
    config: &'a JudgeConfig,
    chance: f64,
    ceiling: f64,
    delta: f64,
    delta_substantial: f64,
    tests: Vec<PointTests>,
    /// Models of equal scale, as (first, one past the last).
    gates: Vec<(usize, usize)>,
    walk: Walk,
    resolution: Option<Resolution>,
}

impl<'a> Evidence<'a> {
    /// Tests every model; the reason where the series cannot be tested at all (rule 0).
    fn gather(series: &'a Series, config: &'a JudgeConfig) -> Result<Self, Reason> {
        let testable = |obs: &Obs| score_variance(obs).is_some();
        if !series.is_empty() && !series.obs.iter().any(testable) {
            return Err(Reason::NUnknown);
        }
        let chance = series
            .chance
            .filter(|c| c.is_finite())
            .ok_or(Reason::ChanceUnknown)?;
        let ceiling = series
            .ceiling
            .filter(|u| u.is_finite() && *u > chance)
            .ok_or(Reason::NoFloor)?;
        let range = ceiling - chance;
        let delta = config.near_margin * range;
        let tests: Vec<PointTests> = series
            .obs
            .iter()
            .map(|obs| {
                let test = test_point(obs, chance, ceiling, delta, config.alpha);
                match config.below_chance {
                    true => test,
                    false => test.not_below(),
                }
            })
            .collect();
        let n_smallest = series
            .obs
            .iter()
            .filter_map(|obs| match *obs {
                Obs::Binomial { n, .. } if n > 0 => Some(n),
                _ => None,
            })
            .min();
        Ok(Evidence {
            series,
            config,
            chance,
            ceiling,
            delta,
            delta_substantial: config.substantial_margin * range,
            gates: gates(&series.x),
            walk: walk(&series.x, &tests, config.alpha),
            resolution: n_smallest
                .map(|n| resolution(n, chance, delta, ceiling, config.alpha, 0.8)),
            tests,
        })
    }

    fn judgement(self, decision: Decision) -> Judgement {
        Judgement {
            shape: decision.shape,
            reason: decision.reason,
            candidate: decision.candidate,
            attributes: decision.attributes,
            labels_holm: holm_labels(&self.tests, self.config.alpha),
            walk: Some(self.walk),
            abruptness: decision.abruptness,
            resolution: self.resolution,
            trend: trend(self.series, self.n_below_threshold(), self.config.alpha),
            n_scales: self.gates.len(),
            delta: Some(self.delta),
            delta_substantial: Some(self.delta_substantial),
            plateau_pooled_p: self.plateau_pooled_p(),
            tests: self.tests,
        }
    }

    fn decide_across_models(&self) -> Decision {
        let comparisons = Comparisons::new(self);
        let plateau = self.plateau(&comparisons);
        let mut decision = self.shape_across_models(plateau, &comparisons);
        // Secondary evidence: nothing new where a plateau is certified model by model.
        let pooled = self.plateau_pooled_p();
        if self.walk.n_above > 0
            && plateau != Plateau::Certified
            && pooled.is_some_and(|p| p <= self.config.alpha)
        {
            decision.attributes.push(Attribute::PlateauPooled);
        }
        decision
    }

    fn shape_across_models(&self, plateau: Plateau, comparisons: &Comparisons) -> Decision {
        if let Some(decision) = self.too_little(comparisons) {
            return decision;
        }
        if self.all(|t| t.label == Label::BelowChance) {
            return Decision::insufficient(Reason::BelowChance);
        }
        let onset = self.walk.n_above > 0;
        let substantial = self.largest_is_substantial();
        if plateau == Plateau::Certified && onset && substantial {
            return self.emergent_or_gradual(comparisons);
        }
        let (rise, fall) = (comparisons.rise(), comparisons.fall());
        let rising = |attribute: Option<Attribute>| {
            let mut decision = self.rising(plateau, comparisons);
            decision.attributes.extend(attribute);
            decision
        };
        match (rise, fall) {
            (false, false) => self.unchanging(),
            (true, false) => rising(None),
            (_, true) if comparisons.is_local_dip() => rising(Some(Attribute::LocalDip)),
            (false, true) => Decision::new(Shape::Inverse),
            (true, true) => match (comparisons.valley(), comparisons.hill()) {
                (true, false) => Decision::new(Shape::UShaped),
                (false, true) => Decision::new(Shape::NonMonotone).with(Attribute::InvertedU),
                _ => Decision::new(Shape::NonMonotone),
            },
        }
    }

    fn decide_along_training(&self) -> Decision {
        if self.gates.len() < 2 {
            return Decision::insufficient(Reason::TooFewScales);
        }
        if self.all(|t| t.label == Label::BelowChance) {
            return Decision::insufficient(Reason::BelowChance);
        }
        let Walk { n_near, n_above } = self.walk;
        match (n_near > 0, n_above > 0) {
            (true, true) => Decision::new(Shape::AcquiredDuringTraining),
            (true, false) if self.all(|t| t.label == Label::Near) => self.unchanging(),
            (true, false) => Decision::insufficient(
                self.unless_untestable(self.gates.last(), Reason::OnsetNotSubstantial),
            ),
            (false, true) => {
                let comparisons = Comparisons::new(self);
                let steady = !comparisons.rise() && !comparisons.fall();
                if steady && self.all(|t| t.label == Label::Above) {
                    self.unchanging()
                } else {
                    Decision::insufficient(self.no_plateau())
                }
            }
            (false, false) => Decision::insufficient(self.unresolved()),
        }
    }

    /// Rule 1: too few scales, or too close together.
    fn too_little(&self, comparisons: &Comparisons) -> Option<Decision> {
        let scales = self.gates.len();
        let testable_scales = self
            .gates
            .iter()
            .filter(|(from, to)| self.tests[*from..*to].iter().any(is_testable))
            .count();
        if scales >= SCALES_MIN && testable_scales < SCALES_MIN {
            return Some(Decision::insufficient(Reason::NUnknown));
        }
        if scales < SCALES_MIN {
            let mut decision = Decision::insufficient(Reason::TooFewScales);
            if scales == SCALES_MIN - 1 {
                let bounded = self.walk.n_near > 0 && self.walk.n_above > 0;
                if bounded && self.largest_is_substantial() {
                    decision.candidate = Some(Shape::Emergent);
                } else if self.all(|t| t.label == Label::Above) && comparisons.rise_over_all() {
                    decision.candidate = Some(Shape::Smooth);
                }
            }
            return Some(decision);
        }
        let finite = || self.series.x.iter().copied().filter(|x| x.is_finite());
        let span =
            finite().fold(f64::NEG_INFINITY, f64::max) - finite().fold(f64::INFINITY, f64::min);
        (span < self.config.min_span - 1e-9).then(|| Decision::insufficient(Reason::SpanTooShort))
    }

    /// Rule 3: the whole pattern is certified; is its onset abrupt?
    fn emergent_or_gradual(&self, comparisons: &Comparisons) -> Decision {
        let abruptness = self.abruptness();
        let attribute = abruptness.map_or(Attribute::AbruptnessUnresolved, |a| {
            abruptness_class(&a, self.config.alpha)
        });
        let mut decision = if attribute == Attribute::GradualOnset {
            Decision::new(Shape::Smooth).with(attribute)
        } else {
            Decision::new(Shape::Emergent).with(attribute)
        };
        if decision.shape == Shape::Emergent && comparisons.dip_above(self.first_above()) {
            decision = decision.with(Attribute::DipAboveThreshold);
        }
        decision.abruptness = abruptness;
        decision
    }

    /// Rule 4: no difference between any two models.
    fn unchanging(&self) -> Decision {
        let saturated = self.ceiling - SATURATED * (self.ceiling - self.chance);
        if self.all(|t| t.label == Label::Near) {
            Decision {
                reason: Some(Reason::RandomThroughout),
                ..Decision::new(Shape::Flat)
            }
        } else if self.all(|t| t.lower_one_sided.is_some_and(|lower| lower > saturated)) {
            Decision::new(Shape::Saturated)
        } else if self.all(|t| t.label == Label::Above) {
            Decision::new(Shape::Flat).with(Attribute::ConstantAboveChance)
        } else {
            Decision::insufficient(self.unresolved())
        }
    }

    /// Rule 6: a rise without the whole pattern.
    fn rising(&self, plateau: Plateau, comparisons: &Comparisons) -> Decision {
        let Walk { n_near, n_above } = self.walk;
        let smallest_above = self
            .gates
            .first()
            .is_some_and(|(from, to)| self.tests[*from..*to].iter().all(is_above));
        if smallest_above {
            return Decision::new(Shape::Smooth);
        }
        let certified = plateau == Plateau::Certified;
        if certified && n_above > 0 {
            return Decision {
                abruptness: self.abruptness(),
                ..Decision::new(Shape::WeakOnset)
            };
        }
        let outside = self.series.len() - n_above;
        if n_above >= 3 && outside <= 2 && comparisons.rise_within(self.first_above()) {
            return Decision::new(Shape::Smooth).with(Attribute::FromFloor);
        }
        Decision::insufficient(match plateau {
            Plateau::Certified => {
                self.unless_untestable(self.gates.last(), Reason::OnsetNotSubstantial)
            }
            Plateau::FallsBelowChance => Reason::BelowChance,
            Plateau::TooShort => {
                let next = self.gates.iter().find(|(from, _)| *from >= n_near);
                self.unless_untestable(next, Reason::PlateauTooShort)
            }
            Plateau::None => self.no_plateau(),
        })
    }

    /// Why no small model is certified near-random.
    fn no_plateau(&self) -> Reason {
        let too_few_items = self.resolution.is_some_and(|r| r.near_power < 0.5);
        let reason = if too_few_items {
            Reason::NTooSmall
        } else {
            Reason::PlateauUnresolved
        };
        self.unless_untestable(self.gates.first(), reason)
    }

    fn unresolved(&self) -> Reason {
        if self.tests.iter().all(is_testable) {
            Reason::Unresolved
        } else {
            Reason::NUnknown
        }
    }

    fn unless_untestable(&self, gate: Option<&(usize, usize)>, reason: Reason) -> Reason {
        match gate {
            Some((from, to)) if !self.tests[*from..*to].iter().all(is_testable) => Reason::NUnknown,
            _ => reason,
        }
    }

    /// E1 with the exception of rule 2.
    fn plateau(&self, comparisons: &Comparisons) -> Plateau {
        let near = 0..self.walk.n_near;
        let fallen = near
            .clone()
            .any(|m| self.tests[m].label == Label::BelowChance && comparisons.below_smaller(m));
        match self.gates.iter().filter(|(_, to)| *to <= near.end).count() {
            0 => Plateau::None,
            1 => Plateau::TooShort,
            _ if fallen => Plateau::FallsBelowChance,
            _ => Plateau::Certified,
        }
    }

    /// E3: the largest scale is certified above chance + Δ.
    fn largest_is_substantial(&self) -> bool {
        let level = self.chance + self.delta_substantial;
        self.gates.last().is_some_and(|(from, to)| {
            self.tests[*from..*to]
                .iter()
                .all(|t| t.lower_one_sided.is_some_and(|lower| lower > level))
        })
    }

    fn first_above(&self) -> usize {
        self.series.len() - self.walk.n_above
    }

    /// Models below x_j: all where no run of models is above.
    fn n_below_threshold(&self) -> usize {
        self.first_above()
    }

    fn plateau_pooled_p(&self) -> Option<f64> {
        let below = self.n_below_threshold();
        if below < 2 || self.tests[..below].iter().any(is_above) {
            return None;
        }
        let (mut successes, mut items) = (0u64, 0u64);
        for obs in &self.series.obs[..below] {
            let Obs::Binomial { k_hi, n, .. } = *obs else {
                return None;
            };
            successes = successes.checked_add(k_hi)?;
            items = items.checked_add(n)?;
        }
        (items > 0).then(|| binom_cdf(successes, items, self.chance + self.delta))
    }

    /// E4: T = s1 − s2/4 from the least-squares slopes over the near-random run and from its
    /// last scale to the largest. Scales at −∞ and untestable models are left out.
    fn abruptness(&self) -> Option<Abruptness> {
        let last_near = self.walk.n_near.checked_sub(1)?;
        let from = self.gates.iter().find(|(_, to)| *to > last_near)?.0;
        let usable = |i: &usize| self.series.x[*i].is_finite() && is_testable(&self.tests[*i]);
        let run: Vec<usize> = (0..=last_near).filter(usable).collect();
        let rest: Vec<usize> = (from..self.series.len()).filter(usable).collect();
        let after = slope_weights(&self.series.x, &rest)?;
        let slope = |weights: &[f64]| -> f64 {
            weights
                .iter()
                .zip(&self.series.obs)
                .map(|(w, obs)| w * obs.score())
                .sum()
        };
        let slope_after = slope(&after);
        let mut abruptness = Abruptness {
            slope_before: None,
            slope_after,
            t: None,
            t_se: None,
        };
        if let Some(before) = slope_weights(&self.series.x, &run) {
            let slope_before = slope(&before);
            let variance: f64 = (0..self.series.len())
                .map(|i| {
                    let weight = before[i] - 0.25 * after[i];
                    weight * weight * score_variance(&self.series.obs[i]).unwrap_or(0.0)
                })
                .sum();
            abruptness.slope_before = Some(slope_before);
            abruptness.t = Some(slope_before - 0.25 * slope_after);
            abruptness.t_se = Some(variance.sqrt());
        }
        Some(abruptness)
    }

    fn all(&self, holds: impl Fn(&PointTests) -> bool) -> bool {
        !self.tests.is_empty() && self.tests.iter().all(holds)
    }
}

/// What the small models certify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plateau {
    /// Two or more smallest scales are near-random.
    Certified,
    /// They are, but one falls below chance from a smaller one.
    FallsBelowChance,
    /// Only one scale is.
    TooShort,
    /// None is.
    None,
}

/// The class of an abruptness test at level α.
fn abruptness_class(abruptness: &Abruptness, alpha: f64) -> Attribute {
    let z = norm_quantile(1.0 - alpha);
    match (abruptness.t, abruptness.t_se) {
        (Some(t), Some(se)) if t + z * se < 0.0 => Attribute::Abrupt,
        (Some(t), Some(se)) if t - z * se > 0.0 => Attribute::GradualOnset,
        _ => Attribute::AbruptnessUnresolved,
    }
}

fn is_testable(tests: &PointTests) -> bool {
    tests.label != Label::Untestable
}

fn is_above(tests: &PointTests) -> bool {
    tests.label == Label::Above
}

/// Coefficients, one per model, whose sum over the scores is the least-squares slope over
/// the models `among`; `None` where these have one scale.
fn slope_weights(x: &[f64], among: &[usize]) -> Option<Vec<f64>> {
    let (first, last) = (*among.first()?, *among.last()?);
    if x[first] == x[last] {
        return None;
    }
    let centre = among.iter().map(|i| x[*i]).sum::<f64>() / among.len() as f64;
    let spread: f64 = among.iter().map(|i| (x[*i] - centre).powi(2)).sum();
    let mut weights = vec![0.0; x.len()];
    for &i in among {
        weights[i] = (x[i] - centre) / spread;
    }
    Some(weights)
}

/// Which model exceeds which: D(a, b) for all pairs of different scale.
struct Comparisons {
    /// Certified difference y_b − y_a where b exceeds a, at [a][b].
    exceeds: Vec<Vec<Option<f64>>>,
    /// Models of the smallest scale end here.
    smallest_end: usize,
    /// Models of the largest scale begin here.
    largest_start: usize,
    x: Vec<f64>,
    /// Largest minus smallest score.
    spread: f64,
}

impl Comparisons {
    /// D(a, b): y_b − y_a ≥ δ, and larger at level α/(K(K − 1)) one-sided.
    fn new(evidence: &Evidence<'_>) -> Self {
        let Series { x, obs, .. } = evidence.series;
        let pairs = (x.len() * x.len().saturating_sub(1)).max(1) as f64;
        let level = evidence.config.alpha / pairs;
        let exceeds = (0..x.len())
            .map(|a| {
                (0..x.len())
                    .map(|b| {
                        let (p, difference) = if x[a] == x[b] {
                            return None;
                        } else {
                            p_larger(&obs[a], &obs[b])?
                        };
                        let large = difference >= evidence.delta - ROUNDING;
                        (large && p <= level).then_some(difference)
                    })
                    .collect()
            })
            .collect();
        let scores = || obs.iter().map(Obs::score).filter(|y| y.is_finite());
        Comparisons {
            exceeds,
            smallest_end: evidence.gates.first().map_or(0, |gate| gate.1),
            largest_start: evidence.gates.last().map_or(0, |gate| gate.0),
            x: x.clone(),
            spread: scores().fold(f64::NEG_INFINITY, f64::max)
                - scores().fold(f64::INFINITY, f64::min),
        }
    }

    /// Whether b exceeds a.
    fn d(&self, a: usize, b: usize) -> bool {
        self.exceeds[a][b].is_some()
    }

    /// Pairs of models a < b of different scale.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let count = self.x.len();
        (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
    }

    fn rise(&self) -> bool {
        self.pairs().any(|(a, b)| self.d(a, b))
    }

    fn fall(&self) -> bool {
        self.pairs().any(|(a, b)| self.d(b, a))
    }

    fn rise_within(&self, from: usize) -> bool {
        self.pairs().any(|(a, b)| a >= from && self.d(a, b))
    }

    /// D(1, K): every largest model exceeds every smallest one.
    fn rise_over_all(&self) -> bool {
        let count = self.x.len();
        self.largest_start >= self.smallest_end
            && self.smallest_end > 0
            && (0..self.smallest_end).all(|a| (self.largest_start..count).all(|b| self.d(a, b)))
    }

    /// Rule 5: a rise over all whose largest drop is small.
    fn is_local_dip(&self) -> bool {
        let largest_drop = self
            .pairs()
            .filter_map(|(a, b)| self.exceeds[b][a])
            .fold(0.0, f64::max);
        self.rise_over_all() && largest_drop <= LOCAL_DIP * self.spread + ROUNDING
    }

    /// Whether some smaller model exceeds model m.
    fn below_smaller(&self, m: usize) -> bool {
        (0..m).any(|a| self.d(m, a))
    }

    /// Whether some model at a scale above that of `first_above` is exceeded by a smaller one.
    fn dip_above(&self, first_above: usize) -> bool {
        (first_above..self.x.len())
            .any(|m| self.x[m] > self.x[first_above] && self.below_smaller(m))
    }

    /// Some model is exceeded by a smaller and by a larger one.
    fn valley(&self) -> bool {
        let count = self.x.len();
        (0..count).any(|m| self.below_smaller(m) && (m + 1..count).any(|b| self.d(m, b)))
    }

    /// Some model exceeds a smaller and a larger one.
    fn hill(&self) -> bool {
        let count = self.x.len();
        (0..count).any(|m| (0..m).any(|a| self.d(a, m)) && (m + 1..count).any(|b| self.d(b, m)))
    }
}

/// A series that cannot be tested against a floor: rule 0.
fn without_floor(series: &Series, reason: Reason) -> Judgement {
    let tests: Vec<PointTests> = series.obs.iter().map(PointTests::untestable).collect();
    Judgement {
        shape: Shape::InsufficientData,
        reason: Some(reason),
        candidate: None,
        attributes: Vec::new(),
        labels_holm: vec![Label::Untestable; tests.len()],
        tests,
        walk: None,
        abruptness: None,
        resolution: None,
        trend: trend(series, 0, 0.05),
        n_scales: gates(&series.x).len(),
        delta: None,
        delta_substantial: None,
        plateau_pooled_p: None,
    }
}

/// Trend helpers over all models, and over the first `n_below` (those below the threshold).
///
/// Tied models share one value of the isotonic fit. For means the z below the threshold is
/// that of the weighted least-squares slope. Scales at −∞ enter τ only.
fn trend(series: &Series, n_below: usize, alpha: f64) -> Trend {
    let kendall = kendall_tau_b(&series.x, &series.scores());
    let below = Series {
        x: series.x[..n_below].to_vec(),
        obs: series.obs[..n_below].to_vec(),
        ..*series
    }
    .finite();
    let subthreshold_z = (below.len() >= 3).then(|| slope_z(&below)).flatten();
    let comparable = below.len() >= 3
        && below.n_scales() >= 2
        && below.obs.iter().all(|obs| score_variance(obs).is_some());
    Trend {
        cochran_armitage_z: counts(&series.finite())
            .and_then(|(x, k, n)| cochran_armitage(&x, &k, &n)),
        kendall_tau: kendall.map(|(tau, _)| tau),
        kendall_p: kendall.map(|(_, p)| p),
        isotonic_deviance: counts(series).map(|(x, k, n)| {
            let (k, n): (Vec<u64>, Vec<u64>) = gates(&x)
                .into_iter()
                .map(|(from, to)| (total(&k[from..to]), total(&n[from..to])))
                .unzip();
            isotonic_deviance(&k, &n)
        }),
        subthreshold_z,
        // All successes or none: no z, and no trend.
        subthreshold_trend: comparable
            .then(|| subthreshold_z.is_some_and(|z| z >= norm_quantile(1.0 - alpha))),
    }
}

fn total(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
}

fn slope_z(series: &Series) -> Option<f64> {
    if let Some((x, k, n)) = counts(series) {
        return cochran_armitage(&x, &k, &n);
    }
    let variance: Option<Vec<f64>> = series.obs.iter().map(score_variance).collect();
    weighted_slope_z(&series.x, &series.scores(), &variance?)
}

/// Scales, successes and items of a series of counts.
fn counts(series: &Series) -> Option<(Vec<f64>, Vec<u64>, Vec<u64>)> {
    if series.is_empty() {
        return None;
    }
    let mut columns = (series.x.clone(), Vec::new(), Vec::new());
    for obs in &series.obs {
        match *obs {
            Obs::Binomial { k, n, .. } if n > 0 => {
                columns.1.push(k);
                columns.2.push(n);
            }
            _ => return None,
        }
    }
    Some(columns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const X: [f64; 6] = [20.0, 20.5, 21.0, 21.5, 22.0, 22.5];

    fn judged(k: &[u64], n: u64, c: f64) -> Judgement {
        judge(
            &Series::binomial(&X[..k.len()], k, n, c),
            &JudgeConfig::default(),
        )
    }

    fn shape(j: &Judgement) -> (Shape, Option<Reason>) {
        (j.shape, j.reason)
    }

    fn insufficient(reason: Reason) -> (Shape, Option<Reason>) {
        (Shape::InsufficientData, Some(reason))
    }

    #[test]
    fn what_is_not_known_is_said_first() {
        let mut series = Series::binomial(&X, &[500, 500, 500, 500, 900, 1500], 2000, 0.25);
        let config = JudgeConfig::default();
        assert_eq!(judge(&series, &config).shape, Shape::Emergent);
        series.ceiling = None;
        let judgement = judge(&series, &config);
        assert_eq!(shape(&judgement), insufficient(Reason::NoFloor));
        assert_eq!(judgement.walk, None);
        assert!(judgement.tests.iter().all(|t| t.interval.is_some()));
        series.chance = None;
        assert_eq!(
            shape(&judge(&series, &config)),
            insufficient(Reason::ChanceUnknown)
        );
        for obs in &mut series.obs {
            *obs = Obs::Mean {
                y: obs.score(),
                se: None,
                df: None,
            };
        }
        assert_eq!(
            shape(&judge(&series, &config)),
            insufficient(Reason::NUnknown)
        );
        let empty = Series::binomial(&[], &[], 10, 0.25);
        assert_eq!(
            shape(&judge(&empty, &config)),
            insufficient(Reason::TooFewScales)
        );
        assert_eq!(
            shape(&judge_trajectory(&empty, &config)),
            insufficient(Reason::TooFewScales)
        );
    }

    #[test]
    fn three_scales_only_make_a_candidate() {
        let of = |k: &[u64]| {
            let j = judged(k, 2000, 0.25);
            assert_eq!(shape(&j), insufficient(Reason::TooFewScales));
            j.candidate
        };
        assert_eq!(of(&[500, 500, 1500]), Some(Shape::Emergent));
        assert_eq!(of(&[800, 1000, 1500]), Some(Shape::Smooth));
        assert_eq!(of(&[800, 1000, 810]), None);
        assert_eq!(of(&[500, 500, 640]), None);
        assert_eq!(of(&[500, 1500]), None);
        // The threshold interval is there all the same.
        let walk = judged(&[500, 500, 1500], 2000, 0.25).walk.unwrap();
        assert_eq!((walk.n_near, walk.n_above), (2, 1));
    }

    #[test]
    fn less_than_the_best_guess_is_no_failure() {
        // A rearrangement of the letters is right in one of ten; small models write nothing.
        let k = [0, 0, 10, 190, 700, 1500];
        let series = Series::binomial(&X, &k, 2000, 0.1);
        let with = judge(&series, &JudgeConfig::default());
        assert_eq!(with.tests[0].label, Label::BelowChance);
        let config = JudgeConfig {
            below_chance: false,
            ..JudgeConfig::default()
        };
        let without = judge(&series, &config);
        assert_eq!(without.tests[0].label, Label::Near);
        assert_eq!(without.shape, Shape::Emergent);
        let nothing = Series::binomial(&X, &[0; 6], 2000, 0.1);
        assert_eq!(judge(&nothing, &config).shape, Shape::Flat);
    }

    #[test]
    fn a_short_span_is_not_judged() {
        let x = [20.0, 20.2, 20.4, 20.9];
        let series = Series::binomial(&x, &[500, 500, 900, 1500], 2000, 0.25);
        let judgement = judge(&series, &JudgeConfig::default());
        assert_eq!(shape(&judgement), insufficient(Reason::SpanTooShort));
        let config = JudgeConfig {
            min_span: 0.7,
            ..JudgeConfig::default()
        };
        assert_eq!(judge(&series, &config).shape, Shape::Emergent);
    }

    #[test]
    fn scores_below_chance_are_not_random() {
        assert_eq!(
            shape(&judged(&[0; 6], 2000, 0.5)),
            insufficient(Reason::BelowChance)
        );
        // From chance down to zero, then up: the plateau does not count.
        let j = judged(&[500, 500, 100, 100, 900, 1500], 2000, 0.25);
        assert_ne!(j.shape, Shape::Emergent);
        assert_eq!(j.tests[2].label, Label::BelowChance);
        // Near and below, no change that can be certified: not flat.
        let j = judged(&[455, 455, 455, 392, 455, 455], 2000, 0.25);
        assert_eq!(shape(&j), insufficient(Reason::Unresolved));
    }

    #[test]
    fn rises_without_the_whole_pattern() {
        // The largest at .150 and .110 of 1000: above .10 with confidence, and only above .05.
        let j = judged(&[2, 1, 3, 2, 2, 150], 1000, 0.0);
        assert_eq!(j.shape, Shape::Emergent);
        let weak = judged(&[2, 1, 3, 2, 2, 110], 1000, 0.0);
        assert_eq!(shape(&weak), (Shape::WeakOnset, None));
        // Near, then something, never certified above.
        let j = judged(&[2, 1, 3, 2, 2, 58], 1000, 0.0);
        assert_eq!(shape(&j), insufficient(Reason::OnsetNotSubstantial));
        let j = judged(&[2, 50, 55, 60, 300, 600], 1000, 0.0);
        assert_eq!(shape(&j), insufficient(Reason::PlateauTooShort));
        // One scale near the margin, and three certified that rise.
        let j = judged(&[50, 300, 600, 900], 1000, 0.0);
        assert_eq!(shape(&j), (Shape::Smooth, None));
        assert_eq!(j.attributes, [Attribute::FromFloor]);
        // The same, but with too few items to certify chance.
        let j = judged(&[15, 14, 16, 17, 30, 50], 60, 0.25);
        assert_eq!(shape(&j), insufficient(Reason::NTooSmall));
    }

    #[test]
    fn a_small_drop_in_a_rise_is_local() {
        let j = judged(&[800, 900, 1100, 1000, 1310, 1500], 2000, 0.25);
        assert_eq!(
            (j.shape, j.attributes),
            (Shape::Smooth, vec![Attribute::LocalDip])
        );
        let j = judged(&[800, 900, 1300, 1000, 1310, 1500], 2000, 0.25);
        assert_eq!(j.shape, Shape::NonMonotone);
    }

    #[test]
    fn constant_above_chance_is_flat() {
        let j = judged(&[1000, 1010, 990, 1005, 1000, 1002], 2000, 0.25);
        assert_eq!(shape(&j), (Shape::Flat, None));
        assert_eq!(j.attributes, [Attribute::ConstantAboveChance]);
    }

    #[test]
    fn a_slow_line_from_the_floor_is_not_emergent() {
        let k: Vec<u64> = vec![20, 80, 140, 200, 260, 320];
        let series = Series::binomial(&X, &k, 4000, 0.0);
        let config = JudgeConfig {
            substantial_margin: 0.06,
            ..JudgeConfig::default()
        };
        let j = judge(&series, &config);
        assert_eq!(
            (j.shape, j.attributes.as_slice()),
            (Shape::Smooth, [Attribute::GradualOnset].as_slice())
        );
        let t = j.abruptness.unwrap();
        assert!((t.slope_before.unwrap() - 0.03).abs() < 1e-9, "{t:?}");
    }

    #[test]
    fn the_pooled_plateau_is_only_an_attribute() {
        let j = judged(&[50, 52, 49, 51, 90, 150], 200, 0.25);
        assert_eq!(shape(&j), insufficient(Reason::NTooSmall));
        assert_eq!(j.attributes, [Attribute::PlateauPooled]);
        assert!(j.plateau_pooled_p.unwrap() < 0.05);
    }

    #[test]
    fn untestable_models_are_not_skipped_over() {
        let blank = Obs::Mean {
            y: 0.5,
            se: None,
            df: None,
        };
        let k = [500, 500, 500, 500, 900, 1500];
        let with = |blanks: &[usize]| {
            let mut series = Series::binomial(&X, &k, 2000, 0.25);
            for i in blanks {
                series.obs[*i] = blank;
            }
            judge(&series, &JudgeConfig::default())
        };
        // Between the runs it does not matter.
        let j = with(&[3]);
        assert_eq!((j.shape, j.walk.unwrap().n_near), (Shape::Emergent, 3));
        assert_eq!(shape(&with(&[5])), insufficient(Reason::NUnknown));
        assert_eq!(shape(&with(&[0])), insufficient(Reason::NUnknown));
        assert_eq!(shape(&with(&[1])), insufficient(Reason::NUnknown));
        assert_eq!(shape(&with(&[0, 1, 2])), insufficient(Reason::NUnknown));
    }

    #[test]
    fn means_are_judged_by_their_errors() {
        let obs = |y: f64| Obs::Mean {
            y,
            se: Some(0.01),
            df: None,
        };
        let mut series = Series::binomial(&X, &[0; 6], 1, 0.25);
        series.obs = [0.25, 0.25, 0.26, 0.25, 0.45, 0.75].map(obs).to_vec();
        let j = judge(&series, &JudgeConfig::default());
        assert_eq!(
            (j.shape, j.attributes),
            (Shape::Emergent, vec![Attribute::Abrupt])
        );
        assert_eq!((j.resolution, j.plateau_pooled_p), (None, None));
        assert_eq!(j.trend.subthreshold_trend, Some(false));
        series.obs = [0.75, 0.6, 0.5, 0.4, 0.3, 0.2].map(obs).to_vec();
        assert_eq!(
            judge(&series, &JudgeConfig::default()).shape,
            Shape::Inverse
        );
    }

    #[test]
    fn trajectories() {
        let config = JudgeConfig::default();
        let along =
            |x: &[f64], k: &[u64]| judge_trajectory(&Series::binomial(x, k, 2000, 0.25), &config);
        let x = [f64::NEG_INFINITY, 0.0, 1.0, 2.0];
        let learned = along(&x, &[500, 500, 900, 1500]);
        assert_eq!(shape(&learned), (Shape::AcquiredDuringTraining, None));
        assert_eq!(
            learned.walk.unwrap(),
            Walk {
                n_near: 2,
                n_above: 2
            }
        );
        assert_eq!(
            shape(&along(&x, &[500; 4])),
            (Shape::Flat, Some(Reason::RandomThroughout))
        );
        let constant = along(&x[1..], &[1000, 1000, 1010]);
        assert_eq!(
            (constant.shape, constant.attributes),
            (Shape::Flat, vec![Attribute::ConstantAboveChance])
        );
        // Above from the first checkpoint and rising: the start was not seen.
        assert_eq!(
            shape(&along(&x[1..], &[800, 1000, 1500])),
            insufficient(Reason::PlateauUnresolved)
        );
        assert_eq!(
            shape(&along(&x, &[500, 500, 500, 575])),
            insufficient(Reason::OnsetNotSubstantial)
        );
        assert_eq!(
            shape(&along(&x, &[0; 4])),
            insufficient(Reason::BelowChance)
        );
        assert_eq!(
            shape(&along(&x, &[575; 4])),
            insufficient(Reason::Unresolved)
        );
        assert_eq!(
            shape(&along(&x[..1], &[500])),
            insufficient(Reason::TooFewScales)
        );
    }

    /// Any valid series: counts, means with and without errors, ties, step 0.
    fn any_series() -> impl Strategy<Value = Series> {
        let point = (
            0u64..=1_000_000,
            0u64..4,
            prop::sample::select(vec![1u64, 2, 7, 60, 1000]),
            0.0..=1.0_f64,
            0u8..12,
        );
        let x = prop::collection::vec(point, 0..12);
        (
            x,
            any::<bool>(),
            prop::sample::select(vec![None, Some(0.0), Some(0.25), Some(0.999)]),
            prop::sample::select(vec![None, Some(1.0), Some(0.9)]),
        )
            .prop_map(|(points, zero, chance, ceiling)| {
                let mut at = 20.0;
                let mut x: Vec<f64> = points
                    .iter()
                    .map(|(_, step, ..)| {
                        at += *step as f64 * 0.4;
                        at
                    })
                    .collect();
                if zero && !x.is_empty() {
                    x[0] = f64::NEG_INFINITY;
                }
                let obs = points
                    .iter()
                    .map(|(seed, _, n, y, kind)| match kind {
                        0 => Obs::Mean {
                            y: *y,
                            se: None,
                            df: None,
                        },
                        1 => Obs::Mean {
                            y: *y,
                            se: Some(0.0),
                            df: Some(2),
                        },
                        2 => Obs::Mean {
                            y: *y,
                            se: Some(0.02),
                            df: Some((seed % 40) as u32),
                        },
                        3 => {
                            let k = (y * *n as f64) as u64;
                            Obs::Binomial {
                                k,
                                k_lo: k / 2,
                                k_hi: *n,
                                n: *n,
                            }
                        }
                        4 => Obs::count(0, *n),
                        5 => Obs::count(*n, *n),
                        _ => Obs::count((y * *n as f64) as u64, *n),
                    })
                    .collect();
                Series {
                    x,
                    obs,
                    chance,
                    ceiling,
                }
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_valid_series_panics(series in any_series(), min_span in 0.0..2.0_f64) {
            let config = JudgeConfig { min_span, ..JudgeConfig::default() };
            for j in [judge(&series, &config), judge_trajectory(&series, &config)] {
                prop_assert_eq!(j.tests.len(), series.len());
                prop_assert_eq!(j.labels_holm.len(), series.len());
                prop_assert_eq!(j.shape == Shape::InsufficientData, j.reason.is_some_and(|r| r != Reason::RandomThroughout));
                for (test, obs) in j.tests.iter().zip(&series.obs) {
                    if let Some((low, high)) = test.interval {
                        prop_assert!(low <= obs.score() && obs.score() <= high);
                    }
                }
                if let Some(walk) = j.walk {
                    prop_assert!(walk.n_near + walk.n_above <= series.len());
                }
                // Nothing certified, nothing emergent.
                if matches!(j.shape, Shape::Emergent | Shape::WeakOnset | Shape::AcquiredDuringTraining) {
                    let walk = j.walk.unwrap();
                    prop_assert!(walk.n_near >= 1 && walk.n_above >= 1);
                }
            }
        }

        #[test]
        fn the_order_of_tied_models_does_not_matter(series in any_series(), seed in any::<u64>()) {
            let mut order: Vec<usize> = (0..series.len()).collect();
            crate::resample::SplitMix64::new(seed).shuffle(&mut order);
            order.sort_by(|a, b| series.x[*a].total_cmp(&series.x[*b]));
            let shuffled = Series { obs: order.iter().map(|i| series.obs[*i]).collect(), ..series.clone() };
            let config = JudgeConfig::default();
            for rule in [judge, judge_trajectory] {
                let (a, b) = (rule(&series, &config), rule(&shuffled, &config));
                prop_assert_eq!((a.shape, a.reason, a.candidate, &a.attributes), (b.shape, b.reason, b.candidate, &b.attributes));
                prop_assert_eq!(a.walk, b.walk);
                let tests: Vec<PointTests> = order.iter().map(|i| a.tests[*i]).collect();
                prop_assert_eq!(tests, b.tests);
            }
        }
    }
}
