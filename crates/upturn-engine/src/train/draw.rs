//! Draws initial parameters: normal numbers that are the same bits on every machine.

use super::init::Init;
use super::layout::{Kind, Tensor};

/// Random bits by SplitMix64 (Steele, Lea & Flood 2014).
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Even between -1 and 1.
    fn even(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Natural logarithm of 0 < x < 1, from the four operations alone (libraries differ).
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // 2 · artanh(t), |t| ≤ 0.172.
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let mut sum = 0.0;
    for n in (0..12).rev() {
        sum = sum * square + 1.0 / f64::from(2 * n + 1);
    }
    2.0 * t * sum + exponent as f64 * std::f64::consts::LN_2
}

/// Fills a slice with normal numbers (Marsaglia's polar method).
fn normal(bits: &mut Bits, std: f32, out: &mut [f32]) {
    let mut spare = None;
    for o in out {
        let z = spare.take().unwrap_or_else(|| {
            loop {
                let (x, y) = (bits.even(), bits.even());
                let square = x * x + y * y;
                if square > 0.0 && square < 1.0 {
                    let factor = (-2.0 * ln(square) / square).sqrt();
                    spare = Some(y * factor);
                    return x * factor;
                }
            }
        });
        *o = (z * f64::from(std)) as f32;
    }
}

/// Initial parameters: each tensor of the checkpoint has random numbers of its own, drawn row by
/// row, so that they do not depend on how parameters lie in memory.
pub(crate) fn draw(init: &Init, tensors: &[Tensor], params: &mut [f32]) {
    for (i, tensor) in tensors.iter().enumerate() {
        let mut numbers = vec![0.0; tensor.shape.iter().product()];
        let std = match tensor.kind() {
            Kind::Gain => {
                numbers.fill(1.0);
                0.0
            }
            Kind::Offset => 0.0,
            Kind::Embedding => init.embedding_std,
            Kind::Reads => init.matrix_std,
            Kind::Writes => init.residual_std,
            Kind::Head => init.head_std,
        };
        if std != 0.0 {
            let mut seed = Bits(init.seed);
            let stream = seed.next() ^ Bits(i as u64).next();
            normal(&mut Bits(stream), std, &mut numbers);
        }
        tensor.scatter(&numbers, params);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_is_that_of_the_library() {
        for i in 1..1000 {
            let x = f64::from(i) / 1000.0;
            assert!((ln(x) - x.ln()).abs() < 2e-15 * (1.0 + x.ln().abs()), "{x}");
        }
        assert!((ln(1e-300) - 1e-300f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn numbers_are_normal_and_pinned() {
        let mut x = vec![0.0; 100_000];
        normal(&mut Bits(7), 0.5, &mut x);
        let n = x.len() as f64;
        let moment = |k: i32| x.iter().map(|v| f64::from(*v).powi(k)).sum::<f64>() / n;
        // Six standard errors each.
        assert!(moment(1).abs() < 6.0 * 0.5 / n.sqrt());
        assert!((moment(2) - 0.25).abs() < 6.0 * 0.25 * (2.0 / n).sqrt());
        assert!((moment(4) - 3.0 * 0.0625).abs() < 6.0 * 0.0625 * (96.0 / n).sqrt());
        let bits: Vec<u32> = x[..4].iter().map(|v| v.to_bits()).collect();
        assert_eq!(bits, PINNED);
    }

    const PINNED: [u32; 4] = [0xbcaa_f929, 0xbdbb_7961, 0x3ee0_6117, 0x3db9_b9a5];
}
