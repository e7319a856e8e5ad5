//! Principal components of small tables: symmetric eigenvectors by Jacobi's rotations.

/// Eigenvalues in decreasing order with their eigenvectors (as rows) of a symmetric matrix.
pub(crate) fn eigen(matrix: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let p = matrix.len();
    let mut a = matrix.to_vec();
    let mut v: Vec<Vec<f64>> = (0..p)
        .map(|i| (0..p).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    for _ in 0..100 {
        let off: f64 = (0..p)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i][j] * a[i][j])
            .sum();
        let size: f64 = (0..p).map(|i| a[i][i] * a[i][i]).sum();
        if off <= 1e-30 * size || off == 0.0 {
            break;
        }
        for i in 0..p {
            for j in 0..i {
                rotate(&mut a, &mut v, j, i);
            }
        }
    }
    let mut order: Vec<usize> = (0..p).collect();
    order.sort_by(|&i, &j| a[j][j].total_cmp(&a[i][i]).then(i.cmp(&j)));
    (
        order.iter().map(|&i| a[i][i]).collect(),
        order
            .iter()
            .map(|&i| (0..p).map(|r| v[r][i]).collect())
            .collect(),
    )
}

/// Rotates rows and columns i and j so that their off-diagonal entry is 0.
fn rotate(a: &mut [Vec<f64>], v: &mut [Vec<f64>], i: usize, j: usize) {
    if a[i][j] == 0.0 {
        return;
    }
    let theta = (a[j][j] - a[i][i]) / (2.0 * a[i][j]);
    let t = 1.0f64.copysign(theta) / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for row in a.iter_mut() {
        let (x, y) = (row[i], row[j]);
        row[i] = c * x - s * y;
        row[j] = s * x + c * y;
    }
    if let Ok([upper, lower]) = a.get_disjoint_mut([i, j]) {
        for (x, y) in upper.iter_mut().zip(lower) {
            (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
        }
    }
    for row in v.iter_mut() {
        let (x, y) = (row[i], row[j]);
        row[i] = c * x - s * y;
        row[j] = s * x + c * y;
    }
}

/// Principal components of the columns of a complete table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pca {
    /// Mean of each column.
    pub mean: Vec<f64>,
    /// Loadings, one row per component; the largest in size is positive.
    pub loadings: Vec<Vec<f64>>,
    /// Share of the variance that each component explains.
    pub explained: Vec<f64>,
}

impl Pca {
    /// Of rows of equal length; `None` of fewer than two rows or without columns.
    pub fn fit(rows: &[Vec<f64>]) -> Option<Pca> {
        let p = rows.first().map(Vec::len).filter(|p| *p > 0)?;
        if rows.len() < 2 {
            return None;
        }
        let n = rows.len() as f64;
        let mean: Vec<f64> = (0..p)
            .map(|j| rows.iter().map(|r| r[j]).sum::<f64>() / n)
            .collect();
        let covariance: Vec<Vec<f64>> = (0..p)
            .map(|i| {
                (0..p)
                    .map(|j| {
                        let product = |r: &Vec<f64>| (r[i] - mean[i]) * (r[j] - mean[j]);
                        rows.iter().map(product).sum::<f64>() / (n - 1.0)
                    })
                    .collect()
            })
            .collect();
        let (values, mut loadings) = eigen(&covariance);
        let total: f64 = values.iter().map(|v| v.max(0.0)).sum();
        for row in &mut loadings {
            let largest = row
                .iter()
                .copied()
                .fold(0.0, |m: f64, v| if v.abs() > m.abs() { v } else { m });
            if largest < 0.0 {
                row.iter_mut().for_each(|v| *v = -*v);
            }
        }
        Some(Pca {
            mean,
            loadings,
            explained: values
                .iter()
                .map(|v| if total > 0.0 { v.max(0.0) / total } else { 0.0 })
                .collect(),
        })
    }

    /// The first `n` components of a row.
    pub fn project(&self, row: &[f64], n: usize) -> Vec<f64> {
        self.loadings
            .iter()
            .take(n)
            .map(|loading| {
                loading
                    .iter()
                    .zip(row)
                    .zip(&self.mean)
                    .map(|((w, v), m)| w * (v - m))
                    .sum()
            })
            .collect()
    }

    /// A row from its first `components`.
    pub fn restore(&self, components: &[f64]) -> Vec<f64> {
        let mut row = self.mean.clone();
        for (loading, c) in self.loadings.iter().zip(components) {
            for (value, w) in row.iter_mut().zip(loading) {
                *value += c * w;
            }
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_are_eigenvectors() {
        let m = vec![
            vec![4.0, 1.0, 0.5, 0.0],
            vec![1.0, 3.0, -0.7, 0.2],
            vec![0.5, -0.7, 2.0, 0.1],
            vec![0.0, 0.2, 0.1, 1.0],
        ];
        let (values, vectors) = eigen(&m);
        assert!(values.windows(2).all(|w| w[0] >= w[1]));
        for (value, vector) in values.iter().zip(&vectors) {
            for i in 0..4 {
                let product: f64 = (0..4).map(|j| m[i][j] * vector[j]).sum();
                assert!((product - value * vector[i]).abs() < 1e-12);
            }
        }
        assert!((values.iter().sum::<f64>() - 10.0).abs() < 1e-12);
    }

    #[test]
    fn a_line_has_one_component() {
        let rows: Vec<Vec<f64>> = (0..5)
            .map(|i| vec![f64::from(i), 2.0 * f64::from(i) + 1.0])
            .collect();
        let pca = Pca::fit(&rows).unwrap();
        assert!((pca.explained[0] - 1.0).abs() < 1e-12);
        let back = pca.restore(&pca.project(&rows[3], 1));
        assert!((back[0] - 3.0).abs() < 1e-12 && (back[1] - 7.0).abs() < 1e-12);
    }
}
