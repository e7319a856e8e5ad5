//! The law of an answer whose tokens must all be right: p^L, and what it makes of a power law.

/// Loss per token, nats, under a power law of parameters: `scale`·(N/`reference`)^(−`exponent`).
#[must_use]
pub fn power_law_loss(params: f64, scale: f64, reference: f64, exponent: f64) -> f64 {
    scale * (params / reference).powf(-exponent)
}

/// Probability that `length` tokens are all right when each costs `loss` nats and they are
/// independent: exp(−`length`·`loss`) = p^L.
#[must_use]
pub fn exact_match(loss: f64, length: f64) -> f64 {
    (-length * loss).exp()
}

/// Expected number of wrong tokens among `length` under the same law: L·(1 − p).
#[must_use]
pub fn edit_distance(loss: f64, length: f64) -> f64 {
    length * -(-loss).exp_m1()
}

/// Expected exact match of sampled answers from each item's log-probability of its target
/// (nats, summed over tokens), with its standard error over items.
///
/// The mean of exp is taken, not exp of the mean, which is smaller (Jensen). Greedy answers
/// match more or less often than sampled ones. `None` for fewer than two items, or a
/// log-probability that is NaN or above 0.
#[must_use]
pub fn expected_exact_match(log_probabilities: &[f64]) -> Option<(f64, f64)> {
    let n = log_probabilities.len();
    // A sum in single precision may end a hair above 0.
    let valid = |ll: &f64| *ll <= 1e-4;
    if n < 2 || !log_probabilities.iter().all(valid) {
        return None;
    }
    let p: Vec<f64> = log_probabilities
        .iter()
        .map(|ll| ll.exp().min(1.0))
        .collect();
    let mean = p.iter().sum::<f64>() / n as f64;
    let squares: f64 = p.iter().map(|p| (p - mean).powi(2)).sum();
    Some((mean, (squares / (n as f64 * (n as f64 - 1.0))).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-9 * want.abs(), "{got} {want}");
    }

    /// Check values of METHODS, «4.acc=p^L» and «4.schaeffer».
    #[test]
    fn the_law_of_token_products() {
        let loss = -(0.9_f64.ln());
        for (length, want) in [(1.0, 0.9), (5.0, 0.59049), (10.0, 0.348_678_440_1)] {
            close(exact_match(loss, length), want);
        }
        let sizes = [1e8, 1e9, 1e10, 1e11];
        let want = [
            (0.889_139_705, 0.011_728_910_23, 2.944_954_051),
            (0.5, 0.082_084_998_62, 1.967_346_701),
            (0.281_170_662_6, 0.245_157_770_9, 1.225_502_543),
            (0.158_113_883, 0.453_586_442_8, 0.731_237_257_4),
        ];
        for (n, (loss, match_, distance)) in sizes.into_iter().zip(want) {
            let got = power_law_loss(n, 0.5, 1e9, 0.25);
            close(got, loss);
            close(exact_match(got, 5.0), match_);
            close(edit_distance(got, 5.0), distance);
        }
    }

    #[test]
    fn the_mean_of_products_is_above_the_product_of_means() {
        let ll: Vec<f64> = [0.9_f64, 0.2, 0.5].iter().map(|p| p.ln()).collect();
        let (mean, se) = expected_exact_match(&ll).expect("three items");
        close(mean, 1.6 / 3.0);
        assert!(mean > (ll.iter().sum::<f64>() / 3.0).exp());
        close(se, (0.246_666_666_666_7_f64 / 6.0).sqrt());
        assert_eq!(expected_exact_match(&[-1.0]), None);
        assert_eq!(expected_exact_match(&[-1.0, f64::NAN]), None);
    }
}
