//! Sums over pairs of models, kept per pair of families, so that a resample of families is
//! a weighted sum and not a new pass over all pairs.

use super::pairs::Standing;

/// Sums over pairs of models on one axis, by family.
///
/// Counts are whole numbers below 2⁵³: sums are exact in any order.
pub(super) struct Blocks {
    /// Families.
    n: usize,
    /// Models per family.
    size: Vec<f64>,
    /// Σ sign(Δx)·sign(Δy) over pairs of one model of each family (i < j within one).
    concordance: Vec<f64>,
    /// Pairs with equal x.
    tied_x: Vec<f64>,
    /// Pairs with equal score.
    tied_y: Vec<f64>,
    /// (above, near) pairs between families.
    comparable: Vec<f64>,
    /// Of those, counterexamples.
    discordant: Vec<f64>,
    /// Per model: its family, and which of the distinct x it has, counted from the smallest.
    groups_x: Vec<(usize, usize)>,
    /// The same for its score.
    groups_y: Vec<(usize, usize)>,
}

impl Blocks {
    /// Over the models whose `x` is known.
    pub fn new(
        family: &[usize],
        n_families: usize,
        standing: &[Standing],
        score: &[f64],
        x: &[f64],
    ) -> Blocks {
        let known: Vec<usize> = (0..x.len()).filter(|&i| !x[i].is_nan()).collect();
        let cells = || vec![0.0; n_families * n_families];
        let mut blocks = Blocks {
            n: n_families,
            size: vec![0.0; n_families],
            concordance: cells(),
            tied_x: cells(),
            tied_y: cells(),
            comparable: cells(),
            discordant: cells(),
            groups_x: Vec::new(),
            groups_y: Vec::new(),
        };
        for (place, &i) in known.iter().enumerate() {
            blocks.size[family[i]] += 1.0;
            for &j in &known[place + 1..] {
                let (f, g) = (family[i].min(family[j]), family[i].max(family[j]));
                let at = f * n_families + g;
                blocks.concordance[at] += sign(x[i], x[j]) * sign(score[i], score[j]);
                blocks.tied_x[at] += f64::from(u8::from(x[i] == x[j]));
                blocks.tied_y[at] += f64::from(u8::from(score[i] == score[j]));
                let (above, near) = match (standing[i], standing[j]) {
                    (Standing::Above, Standing::Near) => (i, j),
                    (Standing::Near, Standing::Above) => (j, i),
                    _ => continue,
                };
                if f != g {
                    blocks.comparable[at] += 1.0;
                    blocks.discordant[at] += f64::from(u8::from(x[above] < x[near]));
                }
            }
        }
        blocks.groups_x = tie_groups(&known, family, x);
        blocks.groups_y = tie_groups(&known, family, score);
        blocks
    }

    /// Models in the pooled sample where family f occurs `times[f]` times.
    pub fn n_models(&self, times: &[f64]) -> f64 {
        self.size.iter().zip(times).map(|(s, t)| s * t).sum()
    }

    /// Families with a model.
    pub fn n_families(&self) -> usize {
        self.size.iter().filter(|s| **s > 0.0).count()
    }

    /// Kendall's τ-b of score with x over the pooled sample.
    pub fn tau_b(&self, times: &[f64]) -> Option<f64> {
        let mut concordance = 0.0;
        let (mut tied_x, mut tied_y) = (0.0, 0.0);
        for f in 0..self.n {
            if times[f] == 0.0 {
                continue;
            }
            let own = f * self.n + f;
            // Copies of a family meet each other: a model is tied with its own copy.
            let copies = times[f] * (times[f] - 1.0) / 2.0;
            concordance += times[f] * times[f] * self.concordance[own];
            tied_x +=
                times[f] * self.tied_x[own] + copies * (2.0 * self.tied_x[own] + self.size[f]);
            tied_y +=
                times[f] * self.tied_y[own] + copies * (2.0 * self.tied_y[own] + self.size[f]);
            for g in f + 1..self.n {
                let weight = times[f] * times[g];
                if weight > 0.0 {
                    let at = f * self.n + g;
                    concordance += weight * self.concordance[at];
                    tied_x += weight * self.tied_x[at];
                    tied_y += weight * self.tied_y[at];
                }
            }
        }
        let models = self.n_models(times);
        let pairs = models * (models - 1.0) / 2.0;
        let scale = ((pairs - tied_x) * (pairs - tied_y)).sqrt();
        (scale > 0.0).then(|| (concordance / scale).clamp(-1.0, 1.0))
    }

    /// Somers' D of score given x over pairs within families.
    pub fn somers_d(&self, times: &[f64]) -> Option<f64> {
        let untied = self.n_within(times);
        let sum: f64 = (0..self.n)
            .map(|f| times[f] * self.concordance[f * self.n + f])
            .sum();
        (untied > 0.0).then(|| sum / untied)
    }

    /// Pairs within families that are not tied on x.
    pub fn n_within(&self, times: &[f64]) -> f64 {
        (0..self.n)
            .map(|f| {
                let pairs = self.size[f] * (self.size[f] - 1.0) / 2.0;
                times[f] * (pairs - self.tied_x[f * self.n + f])
            })
            .sum()
    }

    /// Counterexamples per comparable pair, and the number of those pairs.
    pub fn discordance(&self, times: &[f64]) -> Option<f64> {
        let (pairs, discordant) = self.n_pairs(times);
        (pairs > 0.0).then(|| discordant / pairs)
    }

    /// (comparable pairs, counterexamples).
    pub fn n_pairs(&self, times: &[f64]) -> (f64, f64) {
        let (mut pairs, mut discordant) = (0.0, 0.0);
        for f in 0..self.n {
            for g in f + 1..self.n {
                let weight = times[f] * times[g];
                pairs += weight * self.comparable[f * self.n + g];
                discordant += weight * self.discordant[f * self.n + g];
            }
        }
        (pairs, discordant)
    }

    /// Spearman's rank correlation of score with x over the pooled sample.
    pub fn spearman(&self, times: &[f64]) -> Option<f64> {
        let ranks_x = weighted_midranks(&self.groups_x, times);
        let ranks_y = weighted_midranks(&self.groups_y, times);
        let total = self.n_models(times);
        if total < 2.0 {
            return None;
        }
        let mean = f64::midpoint(total, 1.0);
        let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
        for (place, &(family, _)) in self.groups_x.iter().enumerate() {
            let (a, b) = (ranks_x[place] - mean, ranks_y[place] - mean);
            xy += times[family] * a * b;
            xx += times[family] * a * a;
            yy += times[family] * b * b;
        }
        let scale = (xx * yy).sqrt();
        (scale > 0.0).then(|| (xy / scale).clamp(-1.0, 1.0))
    }
}

fn sign(a: f64, b: f64) -> f64 {
    f64::from(i8::from(b > a) - i8::from(b < a))
}

/// Per known model: its family, and the number of its value among the distinct ones.
fn tie_groups(known: &[usize], family: &[usize], value: &[f64]) -> Vec<(usize, usize)> {
    let mut distinct: Vec<f64> = known.iter().map(|&i| value[i]).collect();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    known
        .iter()
        .map(|&i| (family[i], distinct.partition_point(|v| *v < value[i])))
        .collect()
}

/// Mid-rank of each model in a sample in which family f occurs `times[f]` times.
fn weighted_midranks(groups: &[(usize, usize)], times: &[f64]) -> Vec<f64> {
    let n_groups = groups.iter().map(|g| g.1 + 1).max().unwrap_or(0);
    let mut weight = vec![0.0; n_groups];
    for &(family, group) in groups {
        weight[group] += times[family];
    }
    let mut before = 0.0;
    let mid: Vec<f64> = weight
        .iter()
        .map(|w| {
            let rank = before + f64::midpoint(*w, 1.0);
            before += w;
            rank
        })
        .collect();
    groups.iter().map(|&(_, group)| mid[group]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trend::kendall_tau_b;

    /// A resample by weights is the same as one written out.
    #[test]
    fn weights_stand_for_copies() {
        let family = [0, 0, 1, 1, 1, 2, 2];
        let x = [1.0, 2.0, 1.0, 3.0, 3.0, 2.0, 5.0];
        let y = [0.1, 0.4, 0.1, 0.2, 0.5, 0.3, 0.3];
        let standing = [Standing::Open; 7];
        let blocks = Blocks::new(&family, 3, &standing, &y, &x);
        let times = [2.0, 0.0, 3.0];
        let mut written = (Vec::new(), Vec::new());
        for (f, t) in times.iter().enumerate() {
            for _ in 0..*t as usize {
                for i in (0..7).filter(|&i| family[i] == f) {
                    written.0.push(x[i]);
                    written.1.push(y[i]);
                }
            }
        }
        let (tau, _) = kendall_tau_b(&written.0, &written.1).unwrap();
        assert!((blocks.tau_b(&times).unwrap() - tau).abs() < 1e-14);
        let rho = crate::across::spearman(&written.0, &written.1).unwrap();
        assert!((blocks.spearman(&times).unwrap() - rho).abs() < 1e-14);
    }

    #[test]
    fn nothing_to_order() {
        let blocks = Blocks::new(&[0, 1], 2, &[Standing::Open; 2], &[0.1, 0.1], &[1.0, 2.0]);
        let once = [1.0, 1.0];
        assert_eq!(blocks.tau_b(&once), None);
        assert_eq!(blocks.spearman(&once), None);
        assert_eq!(blocks.somers_d(&once), None);
        assert_eq!(blocks.discordance(&once), None);
    }
}
