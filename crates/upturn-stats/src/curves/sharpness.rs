//! How wide the rise is, from the logistic fit.

use upturn_types::{CurveComparison, CurveModel, Interval, Sharpness, SharpnessClass};

use super::compare::{family_of, restore};
use super::glm::solve_spd;
use super::likelihood::Family;
use super::points::Points;
use super::search::Profile;
use crate::Series;

/// 97.5% quantile of the standard normal distribution.
pub(crate) const Z_975: f64 = 1.959_963_984_540_054;

/// Width of the rise, in decades: the logistic passes from 10% to 90% of the range over
/// w = 2 ln 9 / b. The interval is Wald's for the slope b (standard error from the
/// information matrix, times √φ̂ when the likelihood is binomial), turned over; where it
/// holds a slope of 0 the width has no upper end. Sharp when the whole interval lies
/// below one decade, gradual when above.
///
/// `None` without a logistic fit, or when it does not rise.
#[must_use]
pub fn sharpness(series: &Series, comparison: &CurveComparison) -> Option<Sharpness> {
    let points = Points::new(series)?;
    let family = family_of(comparison)?;
    let fit = comparison.fit(CurveModel::Logistic)?;
    let curve = restore(&points, family, fit);
    let [a, b] = curve.coefficients;
    if b.is_nan() || b <= 0.0 {
        return None;
    }
    let mut profile = Profile::new(&points, family, CurveModel::Logistic);
    let info = profile.glm(f64::NAN).information(&curve.start());
    let phi = match family {
        Family::Binomial => comparison.overdispersion.unwrap_or(1.0),
        Family::BetaBinomial | Family::Gaussian => 1.0,
    };
    let active = [true, true, family.has_dispersion()];
    let variance = solve_spd(&info, &[0.0, 1.0, 0.0], active)
        .or_else(|| solve_spd(&info, &[0.0, 1.0, 0.0], [true, true, false]))
        .map_or(f64::INFINITY, |column| column[1] * phi);
    let reach = Z_975 * variance.sqrt();
    let width_at = |slope: f64| 2.0 * 9.0_f64.ln() / slope;
    let lower = if reach.is_finite() {
        width_at(b + reach)
    } else {
        0.0
    };
    let upper = (b - reach > 0.0).then(|| width_at(b - reach));
    let class = if upper.is_some_and(|w| w < 1.0) {
        SharpnessClass::Sharp
    } else if lower > 1.0 {
        SharpnessClass::Gradual
    } else {
        SharpnessClass::Undetermined
    };
    Some(Sharpness {
        width: width_at(b),
        width_interval: Interval {
            lower: Some(lower),
            upper,
            confidence_level: 0.95,
        },
        midpoint: comparison.x_mean - a / b,
        class,
    })
}
