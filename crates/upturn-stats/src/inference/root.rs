//! A root of a function of one variable, by Brent's method.

/// A root of `f` between `a` and `b`, where it has opposite signs (or is zero).
///
/// Brent's combination of bisection, secant and inverse quadratic interpolation
/// (Brent 1973, chapter 4): it never leaves the bracket and needs no derivative. Stops
/// when the bracket is below `tolerance` plus a few units in the last place of the root.
/// An infinite value counts by its sign.
///
/// `None` when the ends have the same sign or `f` is NaN there.
pub fn brent(f: impl Fn(f64) -> f64, a: f64, b: f64, tolerance: f64) -> Option<f64> {
    let clip = |v: f64| v.clamp(-f64::MAX / 4.0, f64::MAX / 4.0);
    let f = |x: f64| clip(f(x));
    let (mut a, mut b) = (a, b);
    let (mut fa, mut fb) = (f(a), f(b));
    if fa.is_nan() || fb.is_nan() || (fa > 0.0 && fb > 0.0) || (fa < 0.0 && fb < 0.0) {
        return None;
    }
    // b is the best estimate, [b, c] the bracket, a the estimate before b.
    let (mut c, mut fc) = (a, fa);
    let mut step = b - a;
    let mut before = step;
    for _ in 0..200 {
        if (fb > 0.0) == (fc > 0.0) {
            (c, fc) = (a, fa);
            step = b - a;
            before = step;
        }
        if fc.abs() < fb.abs() {
            (a, b, c) = (b, c, b);
            (fa, fb, fc) = (fb, fc, fb);
        }
        let smallest = 2.0 * f64::EPSILON * b.abs() + 0.5 * tolerance;
        let half = 0.5 * (c - b);
        if half.abs() <= smallest || fb == 0.0 {
            return Some(b);
        }
        let proposal = (before.abs() >= smallest && fa.abs() > fb.abs())
            .then(|| interpolate((a, fa), (b, fb), (c, fc)))
            .filter(|p| {
                let inside = p * half > 0.0 && p.abs() < 1.5 * half.abs() - 0.5 * smallest;
                inside && p.abs() < 0.5 * before.abs()
            });
        match proposal {
            Some(p) => (before, step) = (step, p),
            None => (before, step) = (half, half),
        }
        (a, fa) = (b, fb);
        b += if step.abs() > smallest {
            step
        } else {
            smallest.copysign(half)
        };
        fb = f(b);
        if fb.is_nan() {
            return None;
        }
    }
    Some(b)
}

/// The step from b that interpolation proposes.
fn interpolate((a, fa): (f64, f64), (b, fb): (f64, f64), (c, fc): (f64, f64)) -> f64 {
    let s = fb / fa;
    if a == c {
        // Secant; s < 0, since b and c have opposite signs.
        return -(c - b) * s / (1.0 - s);
    }
    let (q, r) = (fa / fc, fb / fc);
    let numerator = s * ((c - b) * q * (q - r) - (b - a) * (r - 1.0));
    -numerator / ((q - 1.0) * (r - 1.0) * (s - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_roots() {
        let near = |found: Option<f64>, root: f64| {
            let found = found.expect("a root");
            assert!((found - root).abs() < 1e-13, "{found} {root}");
        };
        near(brent(|x| x * x - 2.0, 0.0, 2.0, 0.0), 2f64.sqrt());
        near(brent(|x| x * x - 2.0, 2.0, 0.0, 0.0), 2f64.sqrt());
        near(brent(f64::cos, 1.0, 2.0, 0.0), std::f64::consts::FRAC_PI_2);
        near(brent(|x| (x - 0.3).powi(3), 0.0, 1.0, 1e-14), 0.3);
        near(brent(|x| x.ln() + 5.0, 0.0, 1.0, 0.0), (-5f64).exp());
        near(brent(|x| x, 0.0, 1.0, 0.0), 0.0);
    }

    #[test]
    fn few_evaluations_are_enough() {
        let n = std::cell::Cell::new(0);
        let f = |x: f64| {
            n.set(n.get() + 1);
            x.exp() - 1.7
        };
        brent(f, -3.0, 4.0, 0.0).expect("a root");
        assert!(n.get() <= 15, "{} evaluations", n.get());
    }

    #[test]
    fn no_bracket_no_root() {
        assert_eq!(brent(|x| x * x + 1.0, -1.0, 1.0, 0.0), None);
        assert_eq!(brent(|_| f64::NAN, -1.0, 1.0, 0.0), None);
    }
}
