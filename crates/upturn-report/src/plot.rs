//! What a panel shows, in data coordinates: points, fitted curve, band, threshold, and the ticks of its axes.

use std::collections::BTreeMap;

use upturn_types::{Analysis, Axis, Curve, CurveId, CurvePoint, Verdict};

use crate::{curve, facts, numbers};

/// Curves by id.
pub struct Index<'a>(BTreeMap<&'a CurveId, &'a Curve>);

impl<'a> Index<'a> {
    /// The index of `analysis`.
    #[must_use]
    pub fn new(analysis: &'a Analysis) -> Self {
        Index(analysis.curves.iter().map(|c| (&c.id, c)).collect())
    }

    /// The curve that `verdict` is about.
    #[must_use]
    pub fn curve(&self, verdict: &Verdict) -> Option<&'a Curve> {
        self.0.get(&verdict.curve).copied()
    }
}

/// One measured point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Coordinate; −∞ at step 0.
    pub x: f64,
    /// Score.
    pub score: f64,
    /// Lower end of its interval.
    pub lower: Option<f64>,
    /// Upper end of its interval.
    pub upper: Option<f64>,
}

/// One verdict, ready to draw.
#[derive(Debug, Clone)]
pub struct Series<'a> {
    /// The verdict.
    pub verdict: &'a Verdict,
    /// The axis drawn.
    pub axis: Axis,
    /// Points with a place on the axis, in order of x; step 0 first.
    pub marks: Vec<Mark>,
    /// The fitted curve.
    pub fit: Vec<(f64, f64)>,
    /// Pointwise band of the fit: (x, lower, upper).
    pub band: Vec<(f64, f64, f64)>,
    /// Ends of the certified threshold as coordinates; an open end is `None`.
    pub threshold: Option<(Option<f64>, Option<f64>)>,
}

fn point_of(curve: Option<&Curve>, index: usize) -> Option<&CurvePoint> {
    curve.and_then(|c| c.points.get(index))
}

/// Coordinate of evidence `i` on `axis`: the verdict's own where that is its axis, else from the scale.
///
/// On its own axis a missing coordinate stands for −∞, but only where the scale says 0
/// or the checkpoint is step 0; anything else is unknown.
fn coordinate(verdict: &Verdict, curve: Option<&Curve>, i: usize, axis: Axis) -> Option<f64> {
    let evidence = verdict.points.get(i)?;
    let point = point_of(curve, evidence.point);
    let scale = point.and_then(|p| p.scale.on(axis));
    if axis == verdict.axis
        && let Some(x) = evidence.x
    {
        return Some(x).filter(|x| !x.is_nan());
    }
    if let Some(raw) = scale {
        return axis.coordinate(raw);
    }
    let is_start = point.is_some_and(|p| p.checkpoint_step == Some(0));
    (is_start && matches!(axis, Axis::Flops | Axis::Tokens)).then_some(f64::NEG_INFINITY)
}

impl<'a> Series<'a> {
    /// What to draw of `verdict` over `axis`, or over its own axis where it has no scale on that one.
    #[must_use]
    pub fn new(verdict: &'a Verdict, curve: Option<&Curve>, axis: Axis) -> Series<'a> {
        let has = |axis| {
            (0..verdict.points.len())
                .any(|i| coordinate(verdict, curve, i, axis).is_some_and(f64::is_finite))
        };
        let axis = if has(axis) { axis } else { verdict.axis };
        let mut marks = Vec::with_capacity(verdict.points.len());
        for (i, evidence) in verdict.points.iter().enumerate() {
            if let Some(x) = coordinate(verdict, curve, i, axis)
                && evidence.score.is_finite()
                && x < f64::INFINITY
            {
                marks.push(Mark {
                    x,
                    score: evidence.score,
                    lower: evidence
                        .interval
                        .and_then(|v| v.lower)
                        .filter(|v| v.is_finite()),
                    upper: evidence
                        .interval
                        .and_then(|v| v.upper)
                        .filter(|v| v.is_finite()),
                });
            }
        }
        marks.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.score.total_cmp(&b.score)));
        let ends = |f: fn(f64, f64) -> f64| {
            marks
                .iter()
                .map(|m| m.x)
                .filter(|x| x.is_finite())
                .reduce(f)
        };
        let own = axis == verdict.axis;
        let curve_shown = own && !curve::contradicts(verdict);
        let fit = match (&verdict.fits, ends(f64::min), ends(f64::max)) {
            (Some(comparison), Some(from), Some(to)) if curve_shown => curve::drawn_fit(comparison)
                .map(|fit| curve::sample(comparison, fit, from, to, 48))
                .unwrap_or_default(),
            _ => Vec::new(),
        };
        let band = if curve_shown {
            verdict
                .band
                .iter()
                .copied()
                .filter(|(x, a, b)| x.is_finite() && a.is_finite() && b.is_finite())
                .collect()
        } else {
            Vec::new()
        };
        let threshold = verdict.threshold.as_ref().and_then(|t| {
            let at = |raw: Option<f64>| raw.and_then(|r| axis.coordinate(r));
            let (lower, upper) = if own {
                let certified = |n: usize, x: Option<f64>| x.filter(|_| n > 0);
                (certified(t.n_near, t.lower), certified(t.n_above, t.upper))
            } else {
                let (a, b) = numbers::threshold_ends(t, axis);
                (at(a), at(b))
            };
            let finite = |x: Option<f64>| x.filter(|x| x.is_finite());
            let (lower, upper) = (finite(lower), finite(upper));
            (lower.is_some() || upper.is_some()).then_some((lower, upper))
        });
        Series {
            verdict,
            axis,
            marks,
            fit,
            band,
            threshold,
        }
    }

    /// The points without step 0.
    pub fn placed(&self) -> impl Iterator<Item = &Mark> {
        self.marks.iter().filter(|m| m.x.is_finite())
    }

    /// Who is measured: the family, or the model of a trajectory.
    #[must_use]
    pub fn who(&self) -> String {
        facts::who(self.verdict)
    }
}

/// The ranges of a panel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Domain {
    /// Smallest and largest coordinate, padded; `None` where nothing has a place.
    pub x: Option<(f64, f64)>,
    /// Smallest and largest score shown.
    pub y: (f64, f64),
    /// Whether some point is at step 0.
    pub has_zero: bool,
}

impl Domain {
    /// The ranges that hold all of `series`.
    #[must_use]
    pub fn of<'s, 'a: 's>(series: impl IntoIterator<Item = &'s Series<'a>>) -> Domain {
        let mut x: Option<(f64, f64)> = None;
        let (mut low, mut high) = (0f64, 0f64);
        let mut bounded = true;
        let mut has_zero = false;
        for s in series {
            bounded &= s.verdict.ceiling.is_some() || s.marks.iter().all(|m| m.score <= 1.0);
            for m in &s.marks {
                if m.x.is_finite() {
                    x = Some(x.map_or((m.x, m.x), |(a, b)| (a.min(m.x), b.max(m.x))));
                } else {
                    has_zero = true;
                }
                for v in [Some(m.score), m.lower, m.upper].into_iter().flatten() {
                    if v.is_finite() {
                        low = low.min(v);
                        high = high.max(v);
                    }
                }
            }
            for &(_, v) in &s.fit {
                high = high.max(v);
            }
            if let Some(c) = s.verdict.chance {
                high = high.max(c * 1.1);
            }
        }
        let pad = |(a, b): (f64, f64)| {
            let margin = ((b - a) * 0.05).max(0.1);
            (a - margin, b + margin)
        };
        let high = if bounded {
            (high * 1.06).clamp(0.1, 1.02)
        } else {
            (high * 1.06).max(low + 1e-6)
        };
        // Room below zero only where something is there.
        let low = if low < 0.0 { low * 1.06 } else { 0.0 };
        Domain {
            x: x.map(pad),
            y: (low, high),
            has_zero,
        }
    }
}

/// A labelled place on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Coordinate.
    pub at: f64,
    /// Label; empty for a minor tick.
    pub label: String,
}

/// A whole number in superscript digits: `²²`.
#[must_use]
pub fn superscript(value: i64) -> String {
    value
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '0' | '4'..='9' => {
                char::from_u32(0x2070 + (c as u32 - '0' as u32)).unwrap_or('\u{fffd}')
            }
            other => other,
        })
        .collect()
}

/// Ticks over coordinates of `axis`, at most `n_max` labels.
///
/// Count axes are labelled at whole decades (`10²²`, `1B`), in a span of less than two
/// decades also at 2 and 5; the loss axis at round losses.
#[must_use]
pub fn x_ticks(axis: Axis, (from, to): (f64, f64), n_max: usize) -> Vec<Tick> {
    let n_max = n_max.max(1);
    if !(from.is_finite() && to.is_finite()) || to <= from || to - from > 400.0 {
        return Vec::new();
    }
    if axis == Axis::Loss {
        return linear(-to, -from, n_max)
            .into_iter()
            .rev()
            .map(|(loss, digits)| Tick {
                at: -loss,
                label: format!("{loss:.digits$}"),
            })
            .collect();
    }
    let (first, last) = (from.ceil() as i64, to.floor() as i64);
    let n_decades = usize::try_from(last - first + 1).unwrap_or(0);
    if n_decades >= 2 {
        let step = i64::try_from(n_decades.div_ceil(n_max)).unwrap_or(1);
        return (first..=last)
            .map(|k| Tick {
                at: k as f64,
                // Counted from the top, so that the largest decade keeps its label.
                label: if (last - k) % step == 0 {
                    decade_label(axis, k)
                } else {
                    String::new()
                },
            })
            .collect();
    }
    let mut ticks: Vec<Tick> = ((from.floor() as i64)..=last)
        .flat_map(|k| [1u8, 2, 5].map(|m| (m, k)))
        .filter_map(|(m, k)| {
            let at = k as f64 + f64::from(m).log10();
            (from..=to).contains(&at).then(|| Tick {
                at,
                label: match (axis, m) {
                    (Axis::Flops, 1) => decade_label(axis, k),
                    (Axis::Flops, _) => format!("{m}×10{}", superscript(k)),
                    _ => numbers::count(f64::from(m) * 10f64.powi(k as i32)),
                },
            })
        })
        .collect();
    while ticks.iter().filter(|t| !t.label.is_empty()).count() > n_max {
        let Some(last) = ticks.iter().rposition(|t| !t.label.is_empty()) else {
            break;
        };
        ticks[last].label.clear();
    }
    ticks
}

fn decade_label(axis: Axis, exponent: i64) -> String {
    match axis {
        Axis::Params | Axis::Tokens if (0..15).contains(&exponent) => {
            numbers::count(10f64.powi(exponent as i32))
        }
        _ => format!("10{}", superscript(exponent)),
    }
}

/// Round values in \[`from`, `to`\], at most `n_max`, each with the decimals that it needs.
fn linear(from: f64, to: f64, n_max: usize) -> Vec<(f64, usize)> {
    let span = to - from;
    if !span.is_finite() || span <= 0.0 {
        return Vec::new();
    }
    let rough = span / n_max.max(1) as f64;
    let power = rough.log10().floor();
    for (power, m) in [power, power + 1.0]
        .into_iter()
        .flat_map(|p| [1.0, 2.0, 5.0].map(|m| (p, m)))
    {
        let step = m * 10f64.powf(power);
        let (first, last) = ((from / step - 1e-9).ceil(), (to / step + 1e-9).floor());
        if last - first < n_max as f64 {
            let digits = (-power).clamp(0.0, 12.0) as usize;
            let n = (last - first).max(-1.0) as i64;
            return (0..=n)
                .map(|i| (((first + i as f64) * step) + 0.0, digits))
                .collect();
        }
    }
    Vec::new()
}

/// Ticks over scores, at most `n_max`.
#[must_use]
pub fn y_ticks((from, to): (f64, f64), n_max: usize) -> Vec<Tick> {
    linear(from, to, n_max)
        .into_iter()
        .map(|(at, digits)| Tick {
            at,
            label: if at.abs() >= 1e5 {
                numbers::count(at)
            } else {
                format!("{at:.digits$}")
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks
            .iter()
            .map(|t| t.label.as_str())
            .filter(|l| !l.is_empty())
            .collect()
    }

    #[test]
    fn decades_are_labelled_in_the_unit_of_the_axis() {
        assert_eq!(
            labels(&x_ticks(Axis::Flops, (20.3, 23.6), 5)),
            ["10²¹", "10²²", "10²³"]
        );
        assert_eq!(
            labels(&x_ticks(Axis::Params, (7.9, 11.3), 5)),
            ["100M", "1B", "10B", "100B"]
        );
        // Too many to label: every second one, the largest among them; none is dropped as a tick.
        let many = x_ticks(Axis::Flops, (17.5, 25.5), 4);
        assert_eq!(labels(&many), ["10¹⁹", "10²¹", "10²³", "10²⁵"]);
        assert_eq!(many.len(), 8);
    }

    #[test]
    fn short_spans_get_ticks_inside_the_decade() {
        assert_eq!(
            labels(&x_ticks(Axis::Flops, (22.1, 22.9), 4)),
            ["2×10²²", "5×10²²"]
        );
        assert_eq!(
            labels(&x_ticks(Axis::Params, (9.2, 10.1), 4)),
            ["2B", "5B", "10B"]
        );
    }

    #[test]
    fn losses_fall_to_the_right() {
        let ticks = x_ticks(Axis::Loss, (-3.2, -2.1), 4);
        assert_eq!(labels(&ticks), ["3.0", "2.5"]);
        assert!(ticks[0].at < ticks[1].at);
    }

    #[test]
    fn score_ticks_are_round_and_few() {
        assert_eq!(
            labels(&y_ticks((0.0, 0.85), 5)),
            ["0.0", "0.2", "0.4", "0.6", "0.8"]
        );
        assert_eq!(labels(&y_ticks((0.0, 1.02), 3)), ["0.0", "0.5", "1.0"]);
        assert_eq!(labels(&y_ticks((0.0, 0.1), 3)), ["0.00", "0.05", "0.10"]);
        assert!(y_ticks((1.0, 1.0), 3).is_empty());
        for n in 1..9 {
            assert!(y_ticks((0.0, 0.73), n).len() <= n);
        }
    }
}
