//! Drawing series from a fitted logistic and refitting every kinked model to each.

use upturn_types::CurveModel;

use super::dispersed::{self, Aim};
use super::likelihood::Family;
use super::models::fitted;
use super::points::Points;
use super::search::Curve;
use super::segments::{Counts, Search};
use crate::resample::SplitMix64;

/// D* counts as at least D when it misses by no more than this (optimiser tolerance).
pub(crate) const TIE: f64 = 1e-7;

/// Accuracy of ℓ in the fits to draws.
const GAIN: f64 = 1e-8;

/// |a| + |b| of a logistic beyond which it is fitted from a second start too.
const FLAT: f64 = 8.0;

/// Entries of sampling tables beyond which a bootstrap is refused, for memory.
const MAX_TABLE: f64 = 2e7;

/// Inverse-transform sampling of a count: cumulative probabilities of `first`, `first`+1, ….
#[derive(Debug, Clone)]
struct CountTable {
    first: f64,
    cumulative: Vec<f64>,
}

impl CountTable {
    /// From the ratios pmf(k+1)/pmf(k), starting near the bulk at `near`. Tails below
    /// 1e-18 of the largest probability are cut where the distribution has one mode.
    fn new(n: f64, near: f64, unimodal: bool, ratio: impl Fn(f64) -> f64) -> CountTable {
        let cut = if unimodal { 1e-18 } else { 0.0 };
        let walk = |forward: bool| {
            let (mut weights, mut k, mut weight, mut most) = (Vec::new(), near, 1.0_f64, 1.0_f64);
            while if forward { k < n } else { k > 0.0 } {
                weight *= if forward {
                    ratio(k)
                } else {
                    1.0 / ratio(k - 1.0)
                };
                k += if forward { 1.0 } else { -1.0 };
                most = most.max(weight);
                if weight.is_nan() || weight <= cut * most {
                    break;
                }
                weights.push(weight);
            }
            weights
        };
        let down = walk(false);
        let up = walk(true);
        let mut cumulative: Vec<f64> = down.iter().rev().copied().chain([1.0]).chain(up).collect();
        let mut sum = 0.0;
        for weight in &mut cumulative {
            sum += *weight;
            *weight = sum;
        }
        for weight in &mut cumulative {
            *weight /= sum;
        }
        CountTable {
            first: near - down.len() as f64,
            cumulative,
        }
    }

    fn binomial(n: f64, p: f64, q: f64) -> CountTable {
        let odds = p / q;
        CountTable::new(n, (n * p).floor(), true, |k| (n - k) / (k + 1.0) * odds)
    }

    fn beta_binomial(n: f64, p: f64, q: f64, theta: f64) -> CountTable {
        let unimodal = p >= theta && q >= theta;
        CountTable::new(n, (n * p).floor(), unimodal, |k| {
            (n - k) / (k + 1.0) * (p + k * theta) / (q + (n - k - 1.0) * theta)
        })
    }

    #[inline]
    fn draw(&self, u: f64) -> f64 {
        let at = self.cumulative.partition_point(|c| *c <= u);
        self.first + at.min(self.cumulative.len() - 1) as f64
    }
}

/// The bootstrap of the kink statistic under the fitted logistic.
pub(crate) enum Bootstrap {
    /// Counts: the exact search of [`super::segments`].
    Counts(Box<CountDraws>),
    /// Families with a dispersion: the search of [`super::dispersed`].
    Dispersed(Box<DispersedDraws>),
}

/// Draws of binomial counts, pooled by scale.
pub(crate) struct CountDraws {
    search: Search,
    tables: Vec<CountTable>,
    n: Vec<f64>,
    k: Vec<f64>,
}

/// Draws of beta-binomial counts or Gaussian scores.
pub(crate) struct DispersedDraws {
    points: Points,
    logistic: Curve,
    search: dispersed::Search,
    /// For counts: the search without a dispersion, whose peak may lie apart.
    binomial: Option<(Search, Counts)>,
    tables: Vec<CountTable>,
    /// Mean and standard deviation of each score (Gaussian).
    normal: Vec<(f64, f64)>,
}

impl Bootstrap {
    /// Prepares draws from `logistic`; `Err` says why that cannot be done.
    pub fn new(points: &Points, family: Family, logistic: &Curve) -> Result<Bootstrap, String> {
        match family {
            Family::Binomial => Ok(Bootstrap::Counts(Box::new(CountDraws::new(
                points, logistic,
            )))),
            Family::BetaBinomial | Family::Gaussian => {
                DispersedDraws::new(points, family, logistic)
                    .map(|draws| Bootstrap::Dispersed(Box::new(draws)))
            }
        }
    }

    /// Draws series number `draw` under `seed` and returns D* (alternatives that cannot
    /// lift it to `least` may be left unfitted, and it may then be too small; with
    /// `least` = −∞ it is D* itself). The same arguments give the same bits.
    pub fn statistic(&mut self, seed: u64, draw: u64, least: f64) -> f64 {
        let mut rng = SplitMix64::stream(seed, draw);
        match self {
            Bootstrap::Counts(draws) => draws.statistic(&mut rng, least),
            Bootstrap::Dispersed(draws) => draws.statistic(&mut rng, least),
        }
    }

    /// Whether D* of this draw is at least `d`, up to the optimiser's tolerance.
    pub fn reaches(&mut self, seed: u64, draw: u64, d: f64) -> bool {
        self.statistic(seed, draw, d - TIE) >= d - TIE
    }
}

impl CountDraws {
    fn new(points: &Points, logistic: &Curve) -> CountDraws {
        let counts = Counts::new(points);
        let at_scales = Points {
            x: counts.x.clone(),
            ..points.clone()
        };
        let probabilities = fitted(&at_scales, CurveModel::Logistic, &logistic.theta());
        let tables: Vec<CountTable> = probabilities
            .iter()
            .zip(&counts.n)
            .map(|(&(p, q), &n)| CountTable::binomial(n, p, q))
            .collect();
        let expected: Vec<f64> = probabilities
            .iter()
            .zip(&counts.n)
            .map(|((p, _), n)| n * p)
            .collect();
        let mut search = Search::new(&counts);
        search.learn(&expected, &counts.n);
        CountDraws {
            search,
            tables,
            k: vec![0.0; counts.n.len()],
            n: counts.n,
        }
    }

    fn statistic(&mut self, rng: &mut SplitMix64, least: f64) -> f64 {
        for (k, table) in self.k.iter_mut().zip(&self.tables) {
            *k = table.draw(rng.uniform());
        }
        let (k, n) = (&self.k, &self.n);
        self.search.load(k, n);
        let null = self.search.logistic(k, n).value;
        if 2.0 * (self.search.saturated() - null) < least {
            return 0.0;
        }
        // D* ≥ 0: the hinge with τ at the smallest scale is the logistic, unless that
        // starts below the bound of a.
        let mut best = null.max(null + 0.5 * least - 1e-12);
        let floor = best;
        best = self.search.step(best).value;
        let decided = |best: f64| least.is_finite() && best > floor;
        if !decided(best) {
            best = self.search.yhinge(k, n, best).value;
        }
        if !decided(best) {
            best = self.search.hinge(k, n, best).value;
        }
        if least > 0.0 && best <= floor {
            0.0
        } else {
            2.0 * (best - null)
        }
    }
}

impl DispersedDraws {
    fn new(points: &Points, family: Family, logistic: &Curve) -> Result<DispersedDraws, String> {
        let probabilities = fitted(points, CurveModel::Logistic, &logistic.theta());
        let spread = logistic.dispersion.exp();
        let mut tables = Vec::new();
        let mut normal = Vec::new();
        if family == Family::BetaBinomial {
            if points.n.iter().sum::<f64>() > MAX_TABLE {
                return Err("too many items for a beta-binomial bootstrap".to_owned());
            }
            for (&(p, q), &n) in probabilities.iter().zip(&points.n) {
                tables.push(CountTable::beta_binomial(n, p, q, spread));
            }
        } else {
            for (&(p, _), &var) in probabilities.iter().zip(&points.var) {
                normal.push((p, (var + spread).sqrt()));
            }
        }
        let binomial = (family == Family::BetaBinomial).then(|| {
            let counts = Counts::new(points);
            (Search::new(&counts), counts)
        });
        Ok(DispersedDraws {
            binomial,
            search: dispersed::Search::new(points, family, GAIN),
            points: points.clone(),
            logistic: *logistic,
            tables,
            normal,
        })
    }

    fn statistic(&mut self, rng: &mut SplitMix64, least: f64) -> f64 {
        for i in 0..self.points.len() {
            if let Some(table) = self.tables.get(i) {
                self.points.k[i] = table.draw(rng.uniform());
                self.points.y[i] = self.points.k[i] / self.points.n[i];
            } else {
                let (mean, sd) = self.normal[i];
                self.points.y[i] = mean + sd * standard_normal(rng);
            }
        }
        let (points, search) = (&self.points, &mut self.search);
        let [a, b, v] = self.logistic.start();
        let guess = search.guess_line(points);
        let mut null = search.logistic(points, &[[guess[0], guess[1], v]]);
        if null.coefficients[0].abs() + null.coefficients[1].abs() > FLAT {
            // Where scores are at a bound ℓ may have two peaks.
            let again = [null.coefficients[0], null.coefficients[1], null.dispersion];
            null = search.logistic(points, &[[a, b, v], again]);
        }
        let mut base = null.value;
        if let Some((binomial, counts)) = &mut self.binomial {
            counts.pool(points);
            binomial.load(&counts.k, &counts.n);
            base = base.max(binomial.logistic(&counts.k, &counts.n).value);
        }
        // D* ≥ 0: the hinge with τ at the smallest scale is the logistic, unless that
        // starts below the bound of a.
        let floor = base + (0.5 * least).max(0.0);
        let mut best = floor;
        let decided = |best: f64| least.is_finite() && best > floor;
        if let Some((binomial, Counts { k, n, .. })) = &mut self.binomial
            && binomial.saturated() > best
        {
            best = binomial.step(best).value;
            if !decided(best) {
                best = binomial.yhinge(k, n, best).value;
            }
            if !decided(best) {
                best = binomial.hinge(k, n, best).value;
            }
        }
        for model in [CurveModel::Hinge, CurveModel::Step, CurveModel::Yhinge] {
            if decided(best) {
                break;
            }
            let aim = Aim {
                floor: best,
                first: least.is_finite(),
                thorough: false,
            };
            best = match model {
                CurveModel::Step => search.step_curve(points, null.dispersion, &aim).value,
                _ => search.kinked(points, model, null.dispersion, &aim).value,
            };
        }
        if best > floor {
            2.0 * (best - base)
        } else {
            0.0
        }
    }
}

/// A standard normal draw (Box and Muller).
fn standard_normal(rng: &mut SplitMix64) -> f64 {
    let radius = (-2.0 * (1.0 - rng.uniform()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.uniform()).cos()
}

#[cfg(test)]
mod tests {
    use super::super::search::{self, Effort};
    use super::*;

    #[test]
    fn tables_have_the_moments_of_their_distribution() {
        let moments = |table: &CountTable| {
            let (mut mean, mut square, mut last) = (0.0, 0.0, 0.0);
            for (i, c) in table.cumulative.iter().enumerate() {
                let k = table.first + i as f64;
                mean += (c - last) * k;
                square += (c - last) * k * k;
                last = *c;
            }
            (mean, square - mean * mean)
        };
        for (n, p) in [(2000.0, 0.3), (50.0, 1e-9), (7.0, 0.999), (100_000.0, 0.5)] {
            let (mean, var) = moments(&CountTable::binomial(n, p, 1.0 - p));
            assert!(
                (mean - n * p).abs() < 1e-6 * (1.0 + n * p),
                "{n} {p}: {mean}"
            );
            assert!(
                (var / (n * p * (1.0 - p)) - 1.0).abs() < 1e-4,
                "{n} {p}: {var}"
            );
        }
        for rho in [0.01_f64, 0.2, 0.8] {
            let (n, p) = (200.0, 0.3);
            let table = CountTable::beta_binomial(n, p, 0.7, rho / (1.0 - rho));
            let (mean, var) = moments(&table);
            assert!((mean - 60.0).abs() < 1e-8);
            assert!((var / (n * p * 0.7 * (1.0 + (n - 1.0) * rho)) - 1.0).abs() < 1e-8);
        }
    }

    /// Series of many shapes: smooth, stepped, saturating, at a floor.
    fn points(seed: u64) -> Points {
        let mut rng = SplitMix64::new(seed);
        let n_models = 4 + rng.index(7);
        let chance = [0.0, 0.25, 0.5][rng.index(3)];
        let n = [40.0, 250.0, 2000.0][rng.index(3)];
        let (middle, slope) = (20.0 + 3.0 * rng.uniform(), 0.5 + 6.0 * rng.uniform());
        let mut x: Vec<f64> = (0..n_models).map(|_| 19.0 + 5.0 * rng.uniform()).collect();
        x.sort_by(f64::total_cmp);
        let k: Vec<u64> = x
            .iter()
            .map(|x| {
                let g = 1.0 / (1.0 + (-slope * (x - middle)).exp());
                let p: f64 = chance + (1.0 - chance) * g;
                CountTable::binomial(n, p.min(1.0 - 1e-9), 1.0 - p.min(1.0 - 1e-9))
                    .draw(rng.uniform()) as u64
            })
            .collect();
        Points::new(&crate::Series::binomial(&x, &k, n as u64, chance)).unwrap()
    }

    #[test]
    fn exact_search_is_the_grid_search() {
        let mut compared = 0;
        for seed in 0..300 {
            let points = points(seed);
            if points.all_equal() {
                continue;
            }
            let counts = Counts::new(&points);
            let mut search = Search::new(&counts);
            search.load(&counts.k, &counts.n);
            for model in [CurveModel::Hinge, CurveModel::Yhinge] {
                let grid = search::profile_search(&points, Family::Binomial, model, Effort::Full);
                let exact = match model {
                    CurveModel::Hinge => search.hinge(&counts.k, &counts.n, f64::NEG_INFINITY),
                    _ => search.yhinge(&counts.k, &counts.n, f64::NEG_INFINITY),
                };
                assert!(
                    exact.value > grid.value - 5e-4,
                    "{seed} {model:?}: {exact:?} against {grid:?} on {points:?}"
                );
                compared += 1;
            }
        }
        assert!(compared > 500);
    }

    #[test]
    fn statistics_of_draws_agree_with_full_fits() {
        for seed in 0..40 {
            let points = points(seed);
            if points.all_equal() {
                continue;
            }
            let family = Family::Binomial;
            let fit = |points: &Points, model| {
                search::fit(points, family, model, Effort::Full).map_or(f64::NAN, |f| f.value)
            };
            let logistic =
                search::fit(&points, family, CurveModel::Logistic, Effort::Full).unwrap();
            let mut draws = CountDraws::new(&points, &logistic);
            for draw in 0..4 {
                let fast = draws.statistic(&mut SplitMix64::stream(seed, draw), f64::NEG_INFINITY);
                let mut drawn = points.clone();
                drawn.k.clone_from(&draws.k);
                drawn.y = drawn.k.iter().zip(&drawn.n).map(|(k, n)| k / n).collect();
                let null = fit(&drawn, CurveModel::Logistic);
                let best = [CurveModel::Hinge, CurveModel::Yhinge, CurveModel::Step]
                    .map(|model| fit(&drawn, model))
                    .into_iter()
                    .fold(null, f64::max);
                assert!(
                    (fast - 2.0 * (best - null)).abs() < 1e-3,
                    "{seed} {draw}: {fast} against {} on {drawn:?}",
                    2.0 * (best - null)
                );
                let indicator =
                    draws.statistic(&mut SplitMix64::stream(seed, draw), fast - TIE) >= fast - TIE;
                assert!(
                    indicator,
                    "{seed} {draw}: the bounded search missed D* = {fast}"
                );
                let beyond = draws.statistic(&mut SplitMix64::stream(seed, draw), fast + 1e-3);
                assert!(beyond < fast + 1e-3);
            }
        }
    }

    #[test]
    fn dispersed_draws_agree_with_full_fits() {
        let family = Family::BetaBinomial;
        let n_series = 60;
        let (mut compared, mut missed) = (0, Vec::new());
        for seed in 0..n_series {
            let points = points(seed);
            if points.all_equal() {
                continue;
            }
            let fit = |points: &Points, model| {
                search::fit(points, family, model, Effort::Full).map_or(f64::NAN, |f| f.value)
            };
            let mut logistic =
                search::fit(&points, family, CurveModel::Logistic, Effort::Full).unwrap();
            logistic.dispersion = -7.0 + 0.15 * (seed % 40) as f64;
            let mut draws = DispersedDraws::new(&points, family, &logistic).unwrap();
            for draw in 0..4 {
                let fast = draws.statistic(&mut SplitMix64::stream(seed, draw), f64::NEG_INFINITY);
                let drawn = draws.points.clone();
                let null = fit(&drawn, CurveModel::Logistic);
                let best = [CurveModel::Hinge, CurveModel::Yhinge, CurveModel::Step]
                    .map(|model| fit(&drawn, model))
                    .into_iter()
                    .fold(null, f64::max);
                let slow = 2.0 * (best - null);
                if (fast - slow).abs() > 1e-4 {
                    missed.push((seed, draw, fast, slow));
                }
                compared += 1;
                for (least, reached) in [(fast - TIE, true), (fast + 1e-3, false)] {
                    let bounded = draws.statistic(&mut SplitMix64::stream(seed, draw), least);
                    if (bounded >= least) != reached {
                        missed.push((seed, draw, bounded, least));
                    }
                }
            }
        }
        // A likelihood with a dispersion may have several peaks, which neither search is
        // sure to find.
        assert!(compared > 100);
        assert!(missed.len() * 50 < compared, "{compared}: {missed:#.4?}");
    }

    #[test]
    fn draws_of_the_table_stay_in_range() {
        let table = CountTable::binomial(10.0, 0.5, 0.5);
        assert_eq!(table.draw(0.0), 0.0);
        assert_eq!(table.draw(1.0 - f64::EPSILON), 10.0);
    }
}
