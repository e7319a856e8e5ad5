//! Counterexamples: pairs in which the smaller model has what the larger one lacks.

/// What is certified of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Has the ability: above chance + δ.
    Above,
    /// Lacks it: near chance.
    Near,
    /// Neither is certified.
    Open,
}

/// A counterexample on one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The smaller model, certified above.
    pub smaller: usize,
    /// The larger model of another family, certified near chance.
    pub larger: usize,
    /// x of the larger minus x of the smaller, > 0.
    pub gap: f64,
}

/// All counterexamples on the axis `x` (NaN: place unknown), widest gap first, then in order
/// of the models.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn counterexamples(family: &[usize], standing: &[Standing], x: &[f64]) -> Vec<Pair> {
    assert!(family.len() == standing.len() && family.len() == x.len());
    let of = |wanted: Standing| {
        (0..x.len())
            .filter(move |&i| standing[i] == wanted && !x[i].is_nan())
            .collect::<Vec<_>>()
    };
    let near = of(Standing::Near);
    let mut pairs: Vec<Pair> = of(Standing::Above)
        .into_iter()
        .flat_map(|smaller| near.iter().map(move |&larger| (smaller, larger)))
        .filter(|&(i, j)| family[i] != family[j] && x[i] < x[j])
        .map(|(smaller, larger)| Pair {
            smaller,
            larger,
            gap: x[larger] - x[smaller],
        })
        .collect();
    pairs.sort_by(|a, b| {
        b.gap
            .total_cmp(&a.gap)
            .then_with(|| (a.smaller, a.larger).cmp(&(b.smaller, b.larger)))
    });
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_smaller_models_of_other_families_count() {
        use Standing::{Above, Near, Open};
        let family = [0, 0, 1, 1, 2];
        let standing = [Above, Near, Near, Above, Open];
        let x = [20.0, 21.0, 22.0, 23.0, 24.0];
        let pairs = counterexamples(&family, &standing, &x);
        assert_eq!(
            pairs,
            [Pair {
                smaller: 0,
                larger: 2,
                gap: 2.0
            }]
        );
        // An unknown place and a tie are no counterexamples.
        assert!(counterexamples(&family, &standing, &[22.0, 21.0, 22.0, 23.0, 24.0]).is_empty());
        let unknown = [f64::NAN, 21.0, 22.0, 23.0, 24.0];
        assert!(counterexamples(&family, &standing, &unknown).is_empty());
    }
}
