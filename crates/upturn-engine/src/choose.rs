//! Choosing the next token from logits: greedy or sampled, from a seed and the answer so far.

use upturn_types::GenerateOptions;

/// A stream of pseudo-random numbers of one answer (SplitMix64).
#[derive(Debug, Clone)]
pub struct Stream(u64);

impl Stream {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Stream(seed)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The next token. `seen` are the prompt's and the answer's tokens, for the
/// repetition penalty; `logits` may be changed.
///
/// The steps are those of Hugging Face's `generate`, in its order: repetition
/// penalty, temperature, top-k, top-p, min-p; then one uniform number against the
/// cumulative probabilities in order of token id. NaN logits are never chosen.
#[must_use]
pub fn choose(
    logits: &mut [f32],
    options: &GenerateOptions,
    seen: &[&[u32]],
    stream: &mut Stream,
) -> u32 {
    if options.repetition_penalty != 1.0 {
        let mut ids: Vec<u32> = seen.iter().flat_map(|s| s.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            if let Some(l) = logits.get_mut(id as usize) {
                *l = if *l < 0.0 {
                    *l * options.repetition_penalty
                } else {
                    *l / options.repetition_penalty
                };
            }
        }
    }
    if !options.do_sample || options.temperature <= 0.0 || options.temperature.is_nan() {
        return argmax(logits);
    }
    // Most likely first; ties by id, so that the order is total.
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    let by_logit = |a: &u32, b: &u32| {
        logits[*b as usize]
            .total_cmp(&logits[*a as usize])
            .then(a.cmp(b))
    };
    let k = match options.top_k as usize {
        0 => ids.len(),
        k => k.min(ids.len()),
    };
    if k < ids.len() {
        ids.select_nth_unstable_by(k, by_logit);
        // Ties with the k-th stay, as `generate` keeps them.
        let least = ids[..k]
            .iter()
            .map(|&i| logits[i as usize])
            .fold(f32::INFINITY, f32::min);
        ids = (0..logits.len() as u32)
            .filter(|&i| logits[i as usize] >= least)
            .collect();
    }
    ids.retain(|&i| !logits[i as usize].is_nan());
    if ids.is_empty() {
        return argmax(logits);
    }
    let max = ids
        .iter()
        .map(|&i| logits[i as usize])
        .fold(f32::NEG_INFINITY, f32::max);
    let weight = |i: u32| f64::from((logits[i as usize] - max) / options.temperature).exp();
    if options.top_p < 1.0 {
        ids.sort_unstable_by(by_logit);
        let total: f64 = ids.iter().map(|&i| weight(i)).sum();
        let mut mass = 0.0;
        let kept = ids
            .iter()
            .take_while(|&&i| {
                let inside = mass < f64::from(options.top_p) * total;
                mass += weight(i);
                inside
            })
            .count();
        ids.truncate(kept.max(1));
    }
    if options.min_p > 0.0 {
        // The most likely one always stays.
        ids.retain(|&i| weight(i) >= f64::from(options.min_p.min(1.0)));
    }
    ids.sort_unstable();
    let total: f64 = ids.iter().map(|&i| weight(i)).sum();
    let mut left = stream.uniform() * total;
    for &i in &ids {
        left -= weight(i);
        if left < 0.0 {
            return i;
        }
    }
    ids[ids.len() - 1]
}

/// The largest logit's index, the first of a tie.
fn argmax(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (i, l) in logits.iter().enumerate() {
        if *l > logits[best] || logits[best].is_nan() {
            best = i;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled() -> GenerateOptions {
        GenerateOptions {
            do_sample: true,
            ..GenerateOptions::default()
        }
    }

    fn counts(logits: &[f32], options: &GenerateOptions) -> Vec<usize> {
        let mut counts = vec![0; logits.len()];
        let mut stream = Stream::new(7);
        for _ in 0..20_000 {
            counts[choose(&mut logits.to_vec(), options, &[], &mut stream) as usize] += 1;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_first_of_a_tie() {
        let mut stream = Stream::new(0);
        let options = GenerateOptions::default();
        assert_eq!(choose(&mut [0.0, 2.0, 2.0], &options, &[], &mut stream), 1);
        assert_eq!(
            choose(&mut [f32::NAN, 2.0, 1.0], &options, &[], &mut stream),
            1
        );
    }

    #[test]
    fn samples_follow_the_softmax() {
        // P = 1/2, 1/4, 1/4; 20,000 draws: three standard errors are 0.0106.
        let c = counts(&[2f32.ln(), 0.0, 0.0], &sampled());
        assert!((c[0] as f64 / 20_000.0 - 0.5).abs() < 0.0106, "{c:?}");
    }

    #[test]
    fn cuts_keep_what_they_promise() {
        let logits = [4f32.ln(), 3f32.ln(), 2f32.ln(), 0.0]; // P = .4 .3 .2 .1
        let top_k = counts(
            &logits,
            &GenerateOptions {
                top_k: 2,
                ..sampled()
            },
        );
        assert!(top_k[2] == 0 && top_k[3] == 0 && top_k[1] > 0);
        // .4 + .3 < .75: the third is needed to reach it, the fourth is not.
        let top_p = counts(
            &logits,
            &GenerateOptions {
                top_p: 0.75,
                ..sampled()
            },
        );
        assert!(top_p[2] > 0 && top_p[3] == 0);
        let min_p = counts(
            &logits,
            &GenerateOptions {
                min_p: 0.6,
                ..sampled()
            },
        );
        assert!(min_p[1] > 0 && min_p[2] == 0);
        let cold = counts(
            &logits,
            &GenerateOptions {
                temperature: 0.01,
                ..sampled()
            },
        );
        assert_eq!(cold[0], 20_000);
    }

    #[test]
    fn a_penalty_lowers_what_was_seen() {
        let options = GenerateOptions {
            repetition_penalty: 2.0,
            ..GenerateOptions::default()
        };
        let mut stream = Stream::new(0);
        assert_eq!(
            choose(&mut [3.0, 2.0, -1.0], &options, &[&[0], &[0]], &mut stream),
            1
        );
        assert_eq!(choose(&mut [-1.0, -1.5], &options, &[&[0]], &mut stream), 1);
    }
}
