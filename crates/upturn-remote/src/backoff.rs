//! Waits between attempts: exponential, with full jitter.
//!
//! The wait before attempt k + 1 is uniform on [0, min(cap, base · 2^k)], so that clients
//! that failed together do not come back together (Brooker, "Exponential Backoff And
//! Jitter", AWS Architecture Blog, 2015). It comes from a seed, a question and an attempt.

use std::time::Duration;

/// The wait after failed attempt `attempt`, counted from 0.
pub(crate) fn wait(
    seed: u64,
    question: u64,
    attempt: u32,
    base: Duration,
    cap: Duration,
) -> Duration {
    let ceiling = base.saturating_mul(1u32 << attempt.min(20)).min(cap);
    let mixed = mix(mix(seed ^ mix(question)).wrapping_add(u64::from(attempt)));
    // 53 bits: a fraction of [0, 1).
    ceiling.mul_f64((mixed >> 11) as f64 / (1u64 << 53) as f64)
}

/// The output function of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_fill_their_range_and_follow_from_the_seed() {
        let (base, cap) = (Duration::from_millis(500), Duration::from_secs(60));
        for attempt in 0..12 {
            let ceiling = base.mul_f64(f64::from(1u32 << attempt)).min(cap);
            let all: Vec<Duration> = (0..2000).map(|q| wait(7, q, attempt, base, cap)).collect();
            assert!(all.iter().all(|w| *w <= ceiling));
            let mean = all.iter().sum::<Duration>().as_secs_f64() / 2000.0;
            // The standard error of the mean is 0.65% of the ceiling: eight of them.
            assert!(
                (mean / ceiling.as_secs_f64() - 0.5).abs() < 0.052,
                "{attempt}: {mean}"
            );
            assert_eq!(all[3], wait(7, 3, attempt, base, cap));
        }
        assert_ne!(wait(7, 3, 4, base, cap), wait(8, 3, 4, base, cap));
    }
}
