//! Fitted curve models evaluated for drawing: expected score at a coordinate of the axis.

use upturn_types::{CurveComparison, CurveModel, Fit, Threshold, Verdict};

fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + (-z).exp())
    } else {
        let e = z.exp();
        e / (1.0 + e)
    }
}

/// The share g of the range between chance and ceiling at `x`; `None` where `theta`
/// has not the parameters of its model.
///
/// Smooth models are centred at `x_mean`; breakpoints are plain coordinates.
#[must_use]
pub fn share(model: CurveModel, theta: &[f64], x: f64, x_mean: f64) -> Option<f64> {
    let value = match (model, theta) {
        (CurveModel::Const, &[a, ..]) => sigmoid(a),
        (CurveModel::Logistic, &[a, b, ..]) => sigmoid(a + b * (x - x_mean)),
        (CurveModel::Gompertz, &[a, b, ..]) => (-(-(a + b * (x - x_mean))).exp()).exp(),
        (CurveModel::Power, &[a, b, ..]) => (a + b * (x - x_mean)).exp().min(1.0),
        (CurveModel::Hinge, &[a, b, tau, ..]) => sigmoid(a + b * (x - tau).max(0.0)),
        (CurveModel::Yhinge, &[g0, s, tau, ..]) => (g0 + s * (x - tau).max(0.0)).min(1.0 - 1e-9),
        (CurveModel::Step, &[a, s, tau, ..]) => sigmoid(if x < tau { a } else { a + s }),
        _ => return None,
    };
    value.is_finite().then_some(value)
}

/// The expected score of `fit` at `x`.
#[must_use]
pub fn score(comparison: &CurveComparison, fit: &Fit, x: f64) -> Option<f64> {
    let g = share(fit.model, &fit.theta, x, comparison.x_mean)?;
    Some(comparison.chance + (comparison.ceiling - comparison.chance) * g)
}

/// The coordinate at which `fit` breaks, if its model has such a place.
#[must_use]
pub fn breakpoint(fit: &Fit) -> Option<f64> {
    match fit.model {
        CurveModel::Hinge | CurveModel::Yhinge | CurveModel::Step => {
            fit.theta.get(2).copied().filter(|t| t.is_finite())
        }
        _ => None,
    }
}

/// The fit to draw: the best by AICc, else the logistic, else the likeliest.
#[must_use]
pub fn drawn_fit(comparison: &CurveComparison) -> Option<&Fit> {
    comparison
        .best
        .and_then(|model| comparison.fit(model))
        .or_else(|| comparison.fit(CurveModel::Logistic))
        .or_else(|| {
            comparison
                .fits
                .iter()
                .filter(|f| !f.log_likelihood.is_nan())
                .max_by(|a, b| a.log_likelihood.total_cmp(&b.log_likelihood))
        })
}

/// Whether the fit of `verdict` is a constant although a rise is certified.
///
/// With a handful of scales AICc cannot pay for a second parameter; the line would deny
/// what exact tests have shown, so it is not drawn.
#[must_use]
pub fn contradicts(verdict: &Verdict) -> bool {
    let rises = verdict
        .threshold
        .as_ref()
        .is_some_and(Threshold::is_bounded);
    let fit = verdict.fits.as_ref().and_then(drawn_fit);
    rises && fit.is_some_and(|f| f.model == CurveModel::Const)
}

/// The smooth curve, other than the logistic, whose AICc is lower than that of every kinked curve.
#[must_use]
pub fn better_without_kink(comparison: &CurveComparison) -> Option<CurveModel> {
    let lowest = |models: &[CurveModel]| {
        comparison
            .fits
            .iter()
            .filter(|f| models.contains(&f.model))
            .filter_map(|f| f.aicc.map(|aicc| (f.model, aicc)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
    };
    let (model, smooth) = lowest(&[CurveModel::Gompertz, CurveModel::Power])?;
    let (_, kinked) = lowest(&[CurveModel::Hinge, CurveModel::Yhinge, CurveModel::Step])?;
    (smooth < kinked).then_some(model)
}

/// `n_steps` + 1 samples of `fit` over \[`from`, `to`\], with both sides of its breakpoint.
#[must_use]
pub fn sample(
    comparison: &CurveComparison,
    fit: &Fit,
    from: f64,
    to: f64,
    n_steps: usize,
) -> Vec<(f64, f64)> {
    if !(from.is_finite() && to.is_finite()) || to <= from || n_steps == 0 {
        return Vec::new();
    }
    let width = to - from;
    let mut xs: Vec<f64> = (0..=n_steps)
        .map(|i| from + width * i as f64 / n_steps as f64)
        .collect();
    if let Some(tau) = breakpoint(fit).filter(|t| (from..to).contains(t)) {
        xs.extend([tau - width * 1e-9, tau]);
    }
    xs.sort_by(f64::total_cmp);
    xs.into_iter()
        .filter_map(|x| Some((x, score(comparison, fit, x)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_follows_its_formula() {
        let close = |a: Option<f64>, b: f64| {
            let a = a.expect("parameters fit the model");
            assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        };
        let at = |m, theta: &[f64], x| share(m, theta, x, 22.0);
        close(at(CurveModel::Const, &[0.0], 5.0), 0.5);
        close(at(CurveModel::Logistic, &[0.0, 2.0], 22.0), 0.5);
        close(
            at(CurveModel::Logistic, &[-1.0, 2.0], 23.0),
            1.0 / (1.0 + (-1f64).exp()),
        );
        close(at(CurveModel::Gompertz, &[0.0, 1.0], 22.0), (-1f64).exp());
        close(at(CurveModel::Power, &[-1.0, 0.5], 23.0), (-0.5f64).exp());
        close(at(CurveModel::Power, &[-1.0, 0.5], 30.0), 1.0);
        close(at(CurveModel::Hinge, &[0.0, 3.0, 22.5], 22.4), 0.5);
        close(
            at(CurveModel::Hinge, &[0.0, 3.0, 22.5], 23.5),
            1.0 / (1.0 + (-3f64).exp()),
        );
        close(at(CurveModel::Yhinge, &[0.1, 0.2, 22.0], 21.0), 0.1);
        close(at(CurveModel::Yhinge, &[0.1, 0.2, 22.0], 23.0), 0.3);
        close(at(CurveModel::Yhinge, &[0.1, 0.2, 22.0], 40.0), 1.0 - 1e-9);
        close(at(CurveModel::Step, &[0.0, 3.0, 22.0], 21.9), 0.5);
        close(
            at(CurveModel::Step, &[0.0, 3.0, 22.0], 22.0),
            1.0 / (1.0 + (-3f64).exp()),
        );
    }

    #[test]
    fn missing_or_wild_parameters_draw_nothing() {
        assert_eq!(share(CurveModel::Hinge, &[0.0, 1.0], 22.0, 22.0), None);
        assert_eq!(
            share(CurveModel::Logistic, &[f64::NAN, 1.0], 22.0, 22.0),
            None
        );
        // Far out on either side a smooth curve meets its floor or ceiling, not NaN.
        assert_eq!(
            share(CurveModel::Gompertz, &[0.0, 400.0], 0.0, 22.0),
            Some(0.0)
        );
        assert_eq!(
            share(CurveModel::Logistic, &[0.0, 400.0], 40.0, 22.0),
            Some(1.0)
        );
    }

    #[test]
    fn samples_hold_both_sides_of_a_step() {
        let fit = Fit {
            model: CurveModel::Step,
            theta: vec![-20.0, 40.0, 22.3],
            rho: None,
            log_likelihood: 0.0,
            n_params: 3,
            aicc: None,
            bic: 0.0,
            qaicc: None,
            weight: 1.0,
        };
        let comparison = CurveComparison {
            likelihood: "binomial".to_owned(),
            k: 8,
            x_mean: 22.0,
            chance: 0.25,
            ceiling: 1.0,
            overdispersion: None,
            fits: vec![fit.clone()],
            best: Some(CurveModel::Step),
            delta_aicc_hinge: None,
            leave_one_scale_out: Vec::new(),
        };
        let points = sample(&comparison, &fit, 20.0, 24.0, 4);
        assert_eq!(points.len(), 7);
        let jump = points
            .windows(2)
            .find(|w| w[1].1 - w[0].1 > 0.7)
            .expect("the jump is drawn");
        assert!(jump[1].0 - jump[0].0 < 1e-6);
        assert!(sample(&comparison, &fit, 24.0, 20.0, 4).is_empty());
    }
}
