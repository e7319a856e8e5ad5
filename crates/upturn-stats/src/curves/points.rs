//! The part of a series that a curve can be fitted to, in the form the fits need.

use crate::{Obs, Series};

/// The observations of a fit, sorted by x, with the range of the metric.
#[derive(Debug, Clone)]
pub(crate) struct Points {
    /// Scale coordinate.
    pub x: Vec<f64>,
    /// Distinct scales, increasing.
    pub scales: Vec<f64>,
    /// Successes (binomial).
    pub k: Vec<f64>,
    /// Items (binomial).
    pub n: Vec<f64>,
    /// Scores.
    pub y: Vec<f64>,
    /// Squared standard error of each score (Gaussian likelihood).
    pub var: Vec<f64>,
    /// Whether every observation is a count.
    pub all_counts: bool,
    /// Chance floor c.
    pub chance: f64,
    /// Ceiling u.
    pub ceiling: f64,
    /// x̄: weighted by n for counts, plain otherwise.
    pub x_mean: f64,
}

impl Points {
    /// Takes the points with finite x and known precision; `None` without a
    /// range inside [0, 1]
    /// range, with fewer than three points, or with a single scale.
    pub fn new(series: &Series) -> Option<Points> {
        let (chance, ceiling) = (series.chance?, series.ceiling?);
        if !(chance.is_finite()
            && ceiling.is_finite()
            && chance >= 0.0
            && chance < ceiling
            && ceiling <= 1.0)
        {
            return None;
        }
        let mut points = Points {
            x: Vec::new(),
            scales: Vec::new(),
            k: Vec::new(),
            n: Vec::new(),
            y: Vec::new(),
            var: Vec::new(),
            all_counts: true,
            chance,
            ceiling,
            x_mean: 0.0,
        };
        for i in Points::usable(series) {
            points.push(series.x[i], &series.obs[i]);
        }
        points.finish()
    }

    /// Indices of the points of a series that a fit can use.
    pub fn usable(series: &Series) -> Vec<usize> {
        let known = |obs: &Obs| match *obs {
            Obs::Binomial { n, .. } => n > 0,
            Obs::Mean { y, se, .. } => {
                y.is_finite() && se.is_some_and(|se| se > 0.0 && se.is_finite())
            }
        };
        (0..series.len())
            .filter(|&i| series.x[i].is_finite() && known(&series.obs[i]))
            .collect()
    }

    fn push(&mut self, x: f64, obs: &Obs) {
        match *obs {
            Obs::Binomial { k, n, .. } => {
                let (k, n) = (k as f64, n as f64);
                let smoothed = (k + 0.5) / (n + 1.0);
                self.k.push(k);
                self.n.push(n);
                self.y.push(k / n);
                self.var.push(smoothed * (1.0 - smoothed) / n);
            }
            Obs::Mean { y, se, .. } => {
                let se = se.unwrap_or(f64::NAN);
                self.all_counts = false;
                self.k.push(f64::NAN);
                self.n.push(1.0);
                self.y.push(y);
                self.var.push(se * se);
            }
        }
        self.x.push(x);
    }

    fn finish(mut self) -> Option<Points> {
        if self.x.len() < 3 {
            return None;
        }
        let weight = |i: usize| if self.all_counts { self.n[i] } else { 1.0 };
        let total: f64 = (0..self.x.len()).map(weight).sum();
        self.x_mean = (0..self.x.len())
            .map(|i| weight(i) * self.x[i])
            .sum::<f64>()
            / total;
        self.scales.clone_from(&self.x);
        self.scales.dedup();
        (self.scales.len() >= 2).then_some(self)
    }

    /// K, the number of models.
    pub fn len(&self) -> usize {
        self.x.len()
    }

    /// The same points without those that `drop` names; x stays centred where it was.
    pub fn without(&self, drop: impl Fn(usize) -> bool) -> Points {
        let keep = |values: &[f64]| -> Vec<f64> {
            values
                .iter()
                .enumerate()
                .filter(|(i, _)| !drop(*i))
                .map(|(_, v)| *v)
                .collect()
        };
        let x = keep(&self.x);
        let mut scales = x.clone();
        scales.dedup();
        Points {
            scales,
            k: keep(&self.k),
            n: keep(&self.n),
            y: keep(&self.y),
            var: keep(&self.var),
            x,
            ..*self
        }
    }

    /// The points at these indices (in increasing order, repeats allowed); x stays centred
    /// where it was.
    pub fn chosen(&self, indices: &[usize]) -> Points {
        let take = |values: &[f64]| indices.iter().map(|&i| values[i]).collect();
        let x: Vec<f64> = take(&self.x);
        let mut scales = x.clone();
        scales.dedup();
        Points {
            scales,
            k: take(&self.k),
            n: take(&self.n),
            y: take(&self.y),
            var: take(&self.var),
            x,
            ..*self
        }
    }

    /// u − c.
    pub fn range(&self) -> f64 {
        self.ceiling - self.chance
    }

    /// Whether all scores are the same.
    pub fn all_equal(&self) -> bool {
        self.y.iter().all(|y| *y == self.y[0])
    }
}
