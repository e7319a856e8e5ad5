//! Contingency tables: Fisher's exact test, χ², Cramér's V.

use crate::dist::{chi2_sf, ln_beta};
use crate::resample::{SplitMix64, monte_carlo_p};

/// Fisher's exact test of a 2×2 table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fisher {
    /// Sample odds ratio ad/(bc); infinite where bc = 0 < ad, NaN where both are 0.
    pub odds_ratio: f64,
    /// p that the first cell is not larger than independence makes it.
    pub p_greater: f64,
    /// Two-sided p: all tables that are at most as probable as this one, up to a factor 1 + 1e-7.
    pub p_two_sided: f64,
}

/// ln of the binomial coefficient, accurate also where n is large.
fn ln_choose(n: u64, k: u64) -> f64 {
    if k == 0 || k == n {
        return 0.0;
    }
    let (n, k) = (n as f64, k as f64);
    -(n + 1.0).ln() - ln_beta(k + 1.0, n - k + 1.0)
}

/// Fisher's exact test of [[a, b], [c, d]], given its margins.
///
/// Probabilities are summed from logarithms: no count overflows. Takes time in proportion to
/// the smallest margin. An empty row or column gives p = 1.
#[must_use]
pub fn fisher_exact(table: [[u64; 2]; 2]) -> Fisher {
    let [[a, b], [c, d]] = table;
    let (row, other_row, column) = (a + b, c + d, a + c);
    let total = row + other_row;
    let (low, high) = (column.saturating_sub(other_row), row.min(column));
    let all = ln_choose(total, column);
    let ln_p = |k: u64| ln_choose(row, k) + ln_choose(other_row, column - k) - all;
    let observed = ln_p(a);
    let limit = observed + 1e-7_f64.ln_1p();
    let (mut greater, mut two_sided) = (0.0, 0.0);
    for k in low..=high {
        let ln = ln_p(k);
        if k >= a {
            greater += ln.exp();
        }
        if ln <= limit {
            two_sided += ln.exp();
        }
    }
    Fisher {
        odds_ratio: (a as f64 * d as f64) / (b as f64 * c as f64),
        p_greater: f64::min(greater, 1.0),
        p_two_sided: f64::min(two_sided, 1.0),
    }
}

/// Pearson's χ² of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquared {
    /// The statistic, without continuity correction.
    pub statistic: f64,
    /// Its p by the χ² distribution.
    pub p: f64,
    /// Degrees of freedom (r − 1)(c − 1).
    pub df: f64,
    /// Smallest expected count; the χ² distribution holds from 5 on.
    pub smallest_expected: f64,
}

/// χ² of independence of rows and columns. Empty rows and columns are dropped.
///
/// `None` for rows of unequal length, or with fewer than two rows or columns left.
#[must_use]
pub fn chi_squared(table: &[Vec<u64>]) -> Option<ChiSquared> {
    let (table, rows, columns) = trimmed(table)?;
    let total: f64 = rows.iter().sum();
    let (mut statistic, mut smallest) = (0.0, f64::INFINITY);
    for (cells, row) in table.iter().zip(&rows) {
        for (count, column) in cells.iter().zip(&columns) {
            let expected = row * column / total;
            statistic += (*count as f64 - expected).powi(2) / expected;
            smallest = expected.min(smallest);
        }
    }
    let df = ((rows.len() - 1) * (columns.len() - 1)) as f64;
    Some(ChiSquared {
        statistic,
        p: chi2_sf(statistic, df),
        df,
        smallest_expected: smallest,
    })
}

/// Cells, row sums and column sums of a table.
type Sums = (Vec<Vec<u64>>, Vec<f64>, Vec<f64>);

/// The table without empty rows and columns, with its margins.
fn trimmed(table: &[Vec<u64>]) -> Option<Sums> {
    let width = table.first()?.len();
    if table.iter().any(|row| row.len() != width) {
        return None;
    }
    let used: Vec<usize> = (0..width)
        .filter(|&j| table.iter().any(|row| row[j] > 0))
        .collect();
    let table: Vec<Vec<u64>> = table
        .iter()
        .filter(|row| row.iter().any(|c| *c > 0))
        .map(|row| used.iter().map(|&j| row[j]).collect())
        .collect();
    if table.len() < 2 || used.len() < 2 {
        return None;
    }
    let sum = |cells: &mut dyn Iterator<Item = u64>| cells.map(|c| c as f64).sum::<f64>();
    let rows = table
        .iter()
        .map(|row| sum(&mut row.iter().copied()))
        .collect();
    let columns = (0..used.len())
        .map(|j| sum(&mut table.iter().map(|row| row[j])))
        .collect();
    Some((table, rows, columns))
}

/// p of χ² over random tables with the same margins (column labels shuffled over the
/// observations): for tables with expected counts below 5.
///
/// `None` as for [`chi_squared`]. Takes `n_draws` × observations steps.
#[must_use]
pub fn chi_squared_monte_carlo_p(table: &[Vec<u64>], n_draws: u64, seed: u64) -> Option<f64> {
    let (table, rows, columns) = trimmed(table)?;
    let total: f64 = rows.iter().sum();
    let observed = chi_squared(&table)?.statistic;
    let mut labels: Vec<usize> = Vec::new();
    for (j, column) in columns.iter().enumerate() {
        labels.extend(std::iter::repeat_n(j, *column as usize));
    }
    let width = columns.len();
    let mut rng = SplitMix64::new(seed);
    let mut cells = vec![0.0_f64; rows.len() * width];
    let mut at_least = 0;
    for _ in 0..n_draws {
        rng.shuffle(&mut labels);
        cells.fill(0.0);
        let mut start = 0;
        for (i, row) in rows.iter().enumerate() {
            let end = start + *row as usize;
            for &j in &labels[start..end] {
                cells[i * width + j] += 1.0;
            }
            start = end;
        }
        let mut statistic = 0.0;
        for (i, row) in rows.iter().enumerate() {
            for (j, column) in columns.iter().enumerate() {
                let expected = row * column / total;
                statistic += (cells[i * width + j] - expected).powi(2) / expected;
            }
        }
        // Equal tables may differ in the last bits of their statistic.
        at_least += u64::from(statistic >= observed - 1e-9 * observed.max(1.0));
    }
    Some(monte_carlo_p(at_least, n_draws))
}

/// Cramér's V = √(χ²/(n·min(r − 1, c − 1))), from 0 (independent) to 1.
#[must_use]
pub fn cramers_v(table: &[Vec<u64>]) -> Option<f64> {
    let (table, rows, columns) = trimmed(table)?;
    let total: f64 = rows.iter().sum();
    let smaller = (rows.len() - 1).min(columns.len() - 1) as f64;
    let chi = chi_squared(&table)?;
    Some((chi.statistic / (total * smaller)).sqrt().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-9 * want.abs(), "{got} {want}");
    }

    /// Check values «8.Fisher», «8.chi2», «8.CramerV» of the specification.
    #[test]
    fn check_values() {
        let fisher = fisher_exact([[8, 2], [1, 5]]);
        close(fisher.odds_ratio, 20.0);
        close(fisher.p_greater, 0.024_475_524_48);
        close(fisher.p_two_sided, 0.034_965_034_97);
        let table = [vec![10, 20, 30], vec![6, 9, 17]];
        let chi = chi_squared(&table).unwrap();
        close(chi.statistic, 0.271_574_651_5);
        close(chi.p, 0.873_028_283_4);
        assert_eq!(chi.df, 2.0);
        close(cramers_v(&table).unwrap(), 0.054_331_375_7);
        let simulated = chi_squared_monte_carlo_p(&table, 9999, 1).unwrap();
        assert!((simulated - chi.p).abs() < 0.03, "{simulated}");
    }

    /// A million observations neither overflow nor lose the tail.
    #[test]
    fn large_and_empty_tables() {
        let fisher = fisher_exact([[300_000, 200_000], [199_000, 301_000]]);
        assert!(fisher.p_two_sided < 1e-300 && fisher.p_two_sided >= 0.0);
        let even = fisher_exact([[250_000, 250_000], [250_000, 250_000]]);
        close(even.p_two_sided, 1.0);
        let empty = fisher_exact([[0, 0], [3, 4]]);
        assert_eq!((empty.p_greater, empty.p_two_sided), (1.0, 1.0));
        assert_eq!(chi_squared(&[vec![1, 2], vec![0, 0]]), None);
        assert_eq!(chi_squared(&[vec![1, 0], vec![2, 0]]), None);
        assert_eq!(chi_squared(&[vec![1, 2], vec![3]]), None);
        assert_eq!(cramers_v(&[]), None);
        // An empty column is no category.
        assert_eq!(
            chi_squared(&[vec![1, 0, 5], vec![4, 0, 2]]),
            chi_squared(&[vec![1, 5], vec![4, 2]])
        );
    }
}
