//! One reading of a curve, judged: the statistics called, the evidence gathered.

use upturn_stats::breakthrough::{BreakthroughConfig, breakthrough};
use upturn_stats::curves::{
    FitConfig, KinkConfig, band, breakpoint_interval, compare, kink_test, predict, sharpness,
};
use upturn_stats::recover::{count, decimals};
use upturn_stats::threshold::Walk;
use upturn_stats::verdict::{JudgeConfig, Judgement, judge as judge_series, judge_trajectory};
use upturn_stats::{Obs, Series};
use upturn_types::{
    AnalysisConfig, Caveat, Curve, CurveComparison, CurveModel, CurvePoint, Interval, Known,
    PointEvidence, Reason, Scale, ScoreAt, Shape, Text, Threshold, Trend, Verdict, View, flag,
};

use crate::needs::{Situation, WIDE, needs};
use crate::views::Reading;

/// Draws of the permutation and noise nulls of breakthroughness, where K! is too many.
const NULL_DRAWS: u32 = 100_000;
/// Draws of the parametric nulls of breakthroughness.
const NOISE_DRAWS: u32 = 999;
/// Points of the band that is drawn around the best fit.
const BAND_POINTS: usize = 41;
/// A band wider than this share of the range says nothing and is not drawn.
const BAND_WIDTH_MAX: f64 = 0.5;

/// The verdict on `curve` as read by `reading`.
#[must_use]
pub fn judge(curve: &Curve, reading: &Reading, config: &AnalysisConfig) -> Verdict {
    let series = series(curve, reading.points.iter().copied());
    let along = matches!(reading.view, View::Training(_));
    let rules = rules(curve, reading, config);
    let judgement = shape(curve, &series, along, &rules);
    let threshold = threshold(curve, reading, &judgement, config.alpha);
    let seed = seed_of(curve, reading, config.seed);
    let shown = Fits::of(curve, &series, &judgement, along, seed, config);
    let threshold = threshold.map(|t| with_point(t, shown.hinge_tau));
    let points = evidence(curve, reading, &series, &judgement);
    let (before, after) = ends(curve, &judgement, &points);
    let largest = points.last().map(|p| score_at(curve, p));
    let items = || points.iter().filter_map(|p| p.n);
    let n_items = items().min().zip(items().max());
    let raw_ends = raw_ends(curve, reading);
    let needs = needs(&Situation {
        shape: judgement.shape,
        reason: judgement.reason,
        axis: reading.axis,
        n_scales: judgement.n_scales,
        ends: raw_ends,
        resolution: judgement.resolution.as_ref(),
        n: n_items.map(|(low, _)| low),
        chance: curve.chance.zip(judgement.delta),
        threshold: threshold.as_ref(),
        model_inside: model_inside(curve, reading, threshold.as_ref()),
        alpha: config.alpha,
    });
    let caveats = caveats(
        curve,
        reading,
        &judgement,
        threshold.as_ref(),
        &rules,
        along,
    );
    let p = points.last().and_then(|p| p.p_above);

    Verdict {
        curve: curve.id.clone(),
        key: curve.key.clone(),
        view: reading.view.clone(),
        axis: reading.axis,
        shape: judgement.shape,
        reason: judgement.reason,
        candidate: judgement.candidate,
        attributes: judgement.attributes,
        n_models: points.len(),
        n_scales: judgement.n_scales,
        n_items,
        chance: curve.chance,
        ceiling: curve.ceiling,
        near_margin: judgement.delta,
        substantial_margin: judgement.delta_substantial,
        alpha: config.alpha,
        threshold,
        before,
        after,
        largest,
        points,
        p,
        p_bh: None,
        p_by: None,
        resolution: judgement.resolution,
        trend: judgement.trend,
        abruptness: judgement.abruptness,
        fits: shown.fits,
        band: shown.band,
        kink: shown.kink,
        sharpness: shown.sharpness,
        breakthrough: shown.breakthrough,
        caveats,
        needs,
    }
}

/// The shape of `curve` as read by `reading`, without its evidence.
#[must_use]
pub fn shape_only(curve: &Curve, reading: &Reading, config: &AnalysisConfig) -> Shape {
    let series = series(curve, reading.points.iter().copied());
    let along = matches!(reading.view, View::Training(_));
    shape(curve, &series, along, &rules(curve, reading, config)).shape
}

fn rules(curve: &Curve, reading: &Reading, config: &AnalysisConfig) -> JudgeConfig {
    let has_flag = |p: &CurvePoint| p.flags.iter().any(|f| &**f == flag::BEST_GUESS);
    let is_best_guess = curve.points.iter().any(has_flag);
    JudgeConfig {
        near_margin: config.near_margin,
        substantial_margin: config.substantial_margin,
        alpha: config.alpha,
        min_span: reading.axis.min_span(),
        // A log-probability may be worse than that of an even guess.
        below_chance: within_unit(curve) && !is_best_guess,
    }
}

/// Applies the verdict rules, or says why none may be applied.
fn shape(curve: &Curve, series: &Series, along: bool, rules: &JudgeConfig) -> Judgement {
    let judge = |series: &Series| {
        if along {
            judge_trajectory(series, rules)
        } else {
            judge_series(series, rules)
        }
    };
    let withheld = |reason: Reason| Judgement {
        shape: Shape::InsufficientData,
        reason: Some(reason),
        candidate: None,
        attributes: Vec::new(),
        tests: Vec::new(),
        labels_holm: Vec::new(),
        walk: None,
        abruptness: None,
        resolution: None,
        trend: Trend::default(),
        n_scales: series.n_scales(),
        delta: None,
        delta_substantial: None,
        plateau_pooled_p: None,
    };
    if curve.not_judged.is_some() {
        withheld(Reason::Composite)
    } else if series.is_empty() {
        withheld(Reason::ScaleUnknown)
    } else {
        judge(series)
    }
}

/// The series of chosen points. Counts where outcomes are 0/1 and n is known, unless
/// three or more seeds give the error of their mean.
pub(crate) fn series(curve: &Curve, points: impl Iterator<Item = (usize, f64)>) -> Series {
    // Trailing zeros are lost in a number: a column is printed as its longest entry. Where
    // all are 0 or 1 that says nothing, and they are taken as exact.
    let longest = curve.points.iter().map(|p| decimals(p.value)).max();
    let printed = longest.filter(|d| *d > 0);
    let (x, obs) = points
        .map(|(i, x)| (x, observation(curve, &curve.points[i], printed)))
        .unzip();
    let series = Series {
        x,
        obs,
        chance: curve.chance,
        ceiling: curve.ceiling,
    };
    series.assert_sorted();
    series
}

fn observation(curve: &Curve, point: &CurvePoint, printed: Option<u32>) -> Obs {
    // Runs that all score the same, or items that do, say nothing of the noise between them.
    let is_even = point.stderr == Some(0.0);
    match point.n {
        Some(n) if curve.binomial && (point.n_seeds < 3 || is_even) => {
            count(point.score, n, printed)
        }
        Some(n) if is_even && within_unit(curve) => Obs::Mean {
            y: point.score,
            se: Some(even_error(n)),
            df: None,
        },
        _ => Obs::Mean {
            y: point.score,
            se: point.stderr,
            df: (point.n_seeds >= 3).then(|| point.n_seeds - 1),
        },
    }
}

/// Whether items score from 0 to 1.
fn within_unit(curve: &Curve) -> bool {
    curve.ceiling == Some(1.0) && curve.chance.is_some_and(|c| (0.0..1.0).contains(&c))
}

/// The standard error with which a normal test at 5% rejects where Hoeffding's bound does:
/// n items between 0 and 1 whose scores are all the same.
fn even_error(n: u64) -> f64 {
    const ALPHA: f64 = 0.05;
    let bound = (-ALPHA.ln() / (2.0 * n.max(1) as f64)).sqrt();
    bound / upturn_stats::dist::norm_quantile(1.0 - ALPHA)
}

/// The seed of one reading: the same whatever else is analysed with it.
pub(crate) fn seed_of(curve: &Curve, reading: &Reading, seed: u64) -> u64 {
    seed_of_name(&format!("{}/{}", curve.id, reading.view), seed)
}

/// A seed that hangs on a name alone.
pub(crate) fn seed_of_name(name: &str, seed: u64) -> u64 {
    name.bytes()
        .fold(seed ^ 0x9e37_79b9_7f4a_7c15, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// Fits and what is read off them.
#[derive(Default)]
struct Fits {
    fits: Option<CurveComparison>,
    band: Vec<(f64, f64, f64)>,
    kink: Option<upturn_types::KinkTest>,
    sharpness: Option<upturn_types::Sharpness>,
    breakthrough: Option<upturn_types::Breakthrough>,
    hinge_tau: Option<f64>,
}

impl Fits {
    fn of(
        curve: &Curve,
        series: &Series,
        judgement: &Judgement,
        along: bool,
        seed: u64,
        config: &AnalysisConfig,
    ) -> Fits {
        let judged = !judgement.tests.is_empty() && curve.not_judged.is_none();
        if !judged {
            return Fits::default();
        }
        if along {
            // Along one run the order statistics alone are given: neighbouring
            // checkpoints share their weights, so fits would count them as models.
            let breakthrough = breakthrough(series, None, nulls(seed, config.full));
            return Fits {
                breakthrough,
                ..Fits::default()
            };
        }
        let Some(fits) = compare(series, &FitConfig::default()) else {
            let breakthrough = breakthrough(series, None, nulls(seed, true));
            return Fits {
                breakthrough,
                ..Fits::default()
            };
        };
        let rise = judgement.walk.is_some_and(|walk| walk.n_above > 0)
            && !matches!(
                judgement.shape,
                Shape::Flat | Shape::Saturated | Shape::Inverse
            );
        let kink = kink_test(
            series,
            &fits,
            rise,
            &KinkConfig {
                n_draws_max: config.n_draws_max,
                seed,
                alpha: config.alpha,
                early_stopping: !config.full,
                full: config.full,
            },
        );
        let sharpness = sharpness(series, &fits);
        let hinge_tau = breakpoint_interval(series, &fits)
            .filter(|b| !b.degenerate)
            .map(|b| b.tau);
        let (c, u) = (fits.chance, fits.ceiling);
        let smooth = fits
            .fit(CurveModel::Logistic)
            .map(|fit| (fit.theta.clone(), fits.x_mean));
        let smooth_at = smooth.map(|(theta, mean)| {
            move |x: f64| predict(CurveModel::Logistic, &theta, mean, c, u, x)
        });
        let breakthrough = breakthrough(
            series,
            smooth_at.as_ref().map(|f| f as &dyn Fn(f64) -> f64),
            nulls(seed, true),
        );
        let band = fits
            .best
            .map_or_else(Vec::new, |best| drawn_band(series, &fits, best));
        Fits {
            fits: Some(fits),
            band,
            kink,
            sharpness,
            breakthrough,
            hinge_tau,
        }
    }
}

/// The nulls of breakthroughness; without `all`, the statistics alone.
fn nulls(seed: u64, all: bool) -> BreakthroughConfig {
    BreakthroughConfig {
        n_draws: if all { NULL_DRAWS } else { 0 },
        n_noise_draws: if all { NOISE_DRAWS } else { 0 },
        seed,
    }
}

fn drawn_band(series: &Series, fits: &CurveComparison, best: CurveModel) -> Vec<(f64, f64, f64)> {
    let finite: Vec<f64> = series.x.iter().copied().filter(|x| x.is_finite()).collect();
    let (Some(&first), Some(&last)) = (finite.first(), finite.last()) else {
        return Vec::new();
    };
    let xs: Vec<f64> = (0..BAND_POINTS)
        .map(|i| first + (last - first) * i as f64 / (BAND_POINTS - 1) as f64)
        .collect();
    let band: Vec<_> = band(series, fits, best, &xs, 0.95)
        .into_iter()
        .zip(xs)
        .map(|((lower, upper), x)| (x, lower, upper))
        .collect();
    // Where the information is all but singular (scores at the floor throughout), the
    // normal approximation gives a band as wide as the range: no band says more.
    let range = fits.ceiling - fits.chance;
    let said = |&(_, lower, upper): &(f64, f64, f64)| upper - lower <= BAND_WIDTH_MAX * range;
    if band.iter().all(said) {
        band
    } else {
        Vec::new()
    }
}

fn evidence(
    curve: &Curve,
    reading: &Reading,
    series: &Series,
    judgement: &Judgement,
) -> Vec<PointEvidence> {
    reading
        .points
        .iter()
        .enumerate()
        .map(|(i, &(point, _))| {
            let tests = judgement.tests.get(i);
            let (k, n) = match series.obs[i] {
                Obs::Binomial { k, n, .. } => (Some(k), Some(n)),
                Obs::Mean { .. } => (None, curve.points[point].n),
            };
            let untested = upturn_types::Label::Untestable;
            PointEvidence {
                point,
                x: axis_coordinate(curve, reading, point),
                score: series.obs[i].score(),
                k,
                n,
                interval: tests
                    .and_then(|t| t.interval)
                    .map(|ends| attainable(curve, series.obs[i].score(), ends)),
                label: tests.map_or(untested, |t| t.label),
                label_holm: judgement.labels_holm.get(i).copied().unwrap_or(untested),
                p_chance: tests.and_then(|t| t.p_chance),
                p_above: tests.and_then(|t| t.p_above),
                p_near: tests.and_then(|t| t.p_near),
                p_below: tests.and_then(|t| t.p_below),
            }
        })
        .collect()
}

/// An interval cut to what the metric can be: a t interval of few seeds reaches further.
fn attainable(curve: &Curve, score: f64, (lower, upper): (f64, f64)) -> Interval {
    let floor = if within_unit(curve) {
        0.0
    } else {
        f64::NEG_INFINITY
    };
    let ceiling = curve.ceiling.unwrap_or(f64::INFINITY);
    Interval {
        lower: Some(lower.max(floor.min(score))),
        upper: Some(upper.min(ceiling.max(score))),
        confidence_level: 0.95,
    }
}

/// The finite coordinate of a point on the reading's axis.
fn axis_coordinate(curve: &Curve, reading: &Reading, point: usize) -> Option<f64> {
    reading
        .axis
        .coordinate(curve.points[point].scale.on(reading.axis)?)
        .filter(|x| x.is_finite())
}

fn threshold(
    curve: &Curve,
    reading: &Reading,
    judgement: &Judgement,
    alpha: f64,
) -> Option<Threshold> {
    let Walk {
        n_near, n_above, ..
    } = judgement.walk?;
    let count = reading.points.len();
    let at = |i: usize| reading.points.get(i).map(|&(point, _)| point);
    let lower = n_near.checked_sub(1).and_then(at);
    let upper = if n_above > 0 {
        at(count - n_above)
    } else {
        None
    };
    let scale = |i: Option<usize>| i.map_or_else(Scale::default, |i| curve.points[i].scale);
    let model = |i: Option<usize>| i.map(|i| curve.points[i].model.clone());
    let step = |i: Option<usize>| i.and_then(|i| curve.points[i].checkpoint_step);
    (n_near > 0 || n_above > 0).then(|| Threshold {
        n_near,
        n_above,
        lower: lower.and_then(|i| axis_coordinate(curve, reading, i)),
        upper: upper.and_then(|i| axis_coordinate(curve, reading, i)),
        point: None,
        lower_model: model(lower),
        upper_model: model(upper),
        lower_step: step(lower),
        upper_step: step(upper),
        lower_scale: scale(lower),
        upper_scale: scale(upper),
        confidence_level: 1.0 - 2.0 * alpha,
    })
}

/// Sets the point estimate: the hinge's breakpoint if it lies inside, else the midpoint.
fn with_point(mut threshold: Threshold, hinge_tau: Option<f64>) -> Threshold {
    threshold.point = threshold.lower.zip(threshold.upper).map(|(lower, upper)| {
        hinge_tau
            .filter(|tau| lower < *tau && *tau <= upper)
            .unwrap_or(f64::midpoint(lower, upper))
    });
    threshold
}

/// The scores on both sides of the onset; without one, of the smallest and largest model.
fn ends(
    curve: &Curve,
    judgement: &Judgement,
    points: &[PointEvidence],
) -> (Option<ScoreAt>, Option<ScoreAt>) {
    let onset = judgement.walk.filter(|w| w.n_near > 0 && w.n_above > 0);
    let (before, after) = match onset {
        Some(walk) => (walk.n_near - 1, points.len() - walk.n_above),
        None => (0, points.len().saturating_sub(1)),
    };
    let at = |i: usize| points.get(i).map(|p| score_at(curve, p));
    (at(before), at(after))
}

fn score_at(curve: &Curve, evidence: &PointEvidence) -> ScoreAt {
    let point = &curve.points[evidence.point];
    ScoreAt {
        model: point.model.clone(),
        checkpoint_step: point.checkpoint_step,
        score: evidence.score,
        n: evidence.n,
        interval: evidence.interval,
    }
}

/// Raw scale of the smallest and largest model read.
fn raw_ends(curve: &Curve, reading: &Reading) -> Option<(f64, f64)> {
    let raw = |&(i, _): &(usize, f64)| curve.points[i].scale.on(reading.axis);
    Some((raw(reading.points.first()?)?, raw(reading.points.last()?)?))
}

fn caveats(
    curve: &Curve,
    reading: &Reading,
    judgement: &Judgement,
    threshold: Option<&Threshold>,
    rules: &JudgeConfig,
    along: bool,
) -> Vec<Caveat> {
    let read: Vec<&CurvePoint> = reading
        .points
        .iter()
        .map(|&(i, _)| &curve.points[i])
        .collect();
    let mut caveats = Vec::new();
    if reading.fallback {
        caveats.push(Caveat::AxisFallback { axis: reading.axis });
    }
    if let Some((lower, upper)) = threshold.and_then(|t| t.lower.zip(t.upper))
        && upper - lower > WIDE
        && !model_inside(curve, reading, threshold)
    {
        caveats.push(Caveat::NoModelNearThreshold {
            decades: upper - lower,
        });
    }
    let weakest_n = read
        .iter()
        .filter_map(|p| Some((p.n_kind?, p.n?)))
        .filter(|(kind, _)| *kind != Known::Reported)
        .max();
    if let Some((known, n)) = weakest_n {
        caveats.push(Caveat::NAssumed { known, n });
    }
    if let (Some(chance), Some(Known::Assumed)) = (curve.chance, curve.chance_kind) {
        caveats.push(Caveat::ChanceAssumed { chance });
    }
    if let Some(resolution) = judgement.resolution.filter(|r| r.near_power < 0.5) {
        caveats.push(Caveat::NTooSmallForChance {
            n: resolution.n,
            needed: resolution.n_to_certify_chance,
        });
    }
    let below = judgement
        .tests
        .iter()
        .filter(|t| t.label == upturn_types::Label::BelowChance)
        .count();
    if below > 0 {
        caveats.push(Caveat::BelowChanceScores { models: below });
    }
    if read.iter().any(|p| p.flops_kind == Some(Known::Derived)) {
        caveats.push(Caveat::FlopsDerived);
    }
    if !along && read.iter().all(|p| p.n_seeds < 3) {
        caveats.push(Caveat::SingleRunPerScale);
    }
    if let Some(steps) = reading.unequal_steps {
        caveats.push(Caveat::UnequalTraining { steps });
    }
    if curve.aggregate {
        caveats.push(Caveat::Aggregate);
    }
    if read
        .iter()
        .any(|p| p.flags.iter().any(|f| &**f == flag::SHOTS_AT_LARGEST))
    {
        caveats.push(Caveat::ShotsAtLargest);
    }
    let mut doubts: Vec<&Text> = read
        .iter()
        .filter(|p| p.flags.iter().any(|f| &**f == flag::DOUBT))
        .filter_map(|p| p.note.as_ref())
        .collect();
    doubts.sort();
    doubts.dedup();
    caveats.extend(
        doubts
            .into_iter()
            .map(|note| Caveat::Doubt { note: note.clone() }),
    );
    caveats.extend(left_out(curve, reading));
    if !along && !judgement.tests.is_empty() {
        caveats.extend(sensitivity(curve, reading, judgement.shape, rules));
    }
    caveats
}

/// Whether some model was measured strictly inside the threshold interval.
fn model_inside(curve: &Curve, reading: &Reading, threshold: Option<&Threshold>) -> bool {
    let Some((lower, upper)) = threshold.and_then(|t| t.lower.zip(t.upper)) else {
        return false;
    };
    reading
        .points
        .iter()
        .filter_map(|&(i, _)| axis_coordinate(curve, reading, i))
        .any(|x| lower < x && x < upper)
}

/// One caveat per reason for which members are left out.
fn left_out(curve: &Curve, reading: &Reading) -> Vec<Caveat> {
    let mut reasons: Vec<&Text> = reading.left_out.iter().map(|(_, why)| why).collect();
    reasons.sort();
    reasons.dedup();
    reasons
        .into_iter()
        .map(|why| Caveat::MembersLeftOut {
            models: reading
                .left_out
                .iter()
                .filter(|(_, w)| w == why)
                .map(|&(i, _)| curve.points[i].model.clone())
                .collect(),
            why: why.clone(),
        })
        .collect()
}

/// The shape with off-ladder members put back, and without members of another kind
/// (mixtures of experts, code or instruction-tuned models), where it differs.
fn sensitivity(curve: &Curve, reading: &Reading, shape: Shape, rules: &JudgeConfig) -> Vec<Caveat> {
    let shape_of = |mut points: Vec<(usize, f64)>| {
        points.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        judge_series(&series(curve, points.into_iter()), rules).shape
    };
    let has = |i: usize, kind: &str| curve.points[i].flags.iter().any(|f| &**f == kind);
    let mut caveats = Vec::new();
    let put_back: Vec<(usize, f64)> = reading
        .left_out
        .iter()
        .filter(|&&(i, _)| has(i, flag::OFF_LADDER) && !has(i, flag::PARSE_FAILURE))
        .filter_map(|&(i, _)| Some((i, axis_coordinate(curve, reading, i)?)))
        .collect();
    if !put_back.is_empty() {
        let all = shape_of(reading.points.iter().copied().chain(put_back).collect());
        if all != shape {
            caveats.push(Caveat::ShapeWithAll { shape: all });
        }
    }
    for kind in [
        flag::MOE,
        flag::CODE,
        flag::INSTRUCT,
        flag::DISTILLED,
        flag::IMPLAUSIBLE_SCALE,
    ] {
        let (unlike, rest): (Vec<_>, Vec<_>) =
            reading.points.iter().copied().partition(|p| has(p.0, kind));
        if unlike.is_empty() || unlike.len() >= rest.len() {
            continue;
        }
        let without = shape_of(rest);
        if without != shape {
            caveats.push(Caveat::ShapeWithout {
                models: unlike
                    .iter()
                    .map(|&(i, _)| curve.points[i].model.clone())
                    .collect(),
                why: kind.into(),
                shape: without,
            });
        }
    }
    caveats
}
