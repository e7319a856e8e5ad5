//! How numbers are written: one place decides units and digits for text, page and figures.

use upturn_types::{Axis, Interval, Scale, Threshold};

/// Signs that differ between Unicode and plain ASCII output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// Between the ends of a range.
    pub dash: &'static str,
    /// From one score to the next.
    pub arrow: &'static str,
    /// At most.
    pub at_most: &'static str,
    /// At least.
    pub at_least: &'static str,
    /// Between items of one line.
    pub dot: &'static str,
    /// Left out.
    pub ellipsis: &'static str,
    /// Minus.
    pub minus: &'static str,
    /// Infinity.
    pub infinity: &'static str,
    /// Near-random margin.
    pub delta: &'static str,
    /// Substantial margin.
    pub big_delta: &'static str,
    /// Nothing to show.
    pub none: &'static str,
}

impl Signs {
    /// Signs of a terminal or page that shows Unicode.
    pub const UNICODE: Signs = Signs {
        dash: "–",
        arrow: "→",
        at_most: "≤",
        at_least: "≥",
        dot: "·",
        ellipsis: "…",
        minus: "−",
        infinity: "∞",
        delta: "δ",
        big_delta: "Δ",
        none: "–",
    };

    /// Signs of plain ASCII.
    pub const ASCII: Signs = Signs {
        dash: "-",
        arrow: "->",
        at_most: "<=",
        at_least: ">=",
        dot: "|",
        ellipsis: "...",
        minus: "-",
        infinity: "inf",
        delta: "delta",
        big_delta: "Delta",
        none: "-",
    };

    /// The set for a terminal.
    #[must_use]
    pub fn new(unicode: bool) -> Signs {
        if unicode {
            Signs::UNICODE
        } else {
            Signs::ASCII
        }
    }
}

/// Mantissa in \[1, 10) to one decimal and exponent of a positive number, after rounding.
fn e_parts(value: f64) -> (f64, i32) {
    // Rust's own conversion rounds the decimal digits correctly, also where log10 would not.
    let text = format!("{value:.1e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (
        mantissa.parse().unwrap_or(f64::NAN),
        exponent.parse().unwrap_or(0),
    )
}

/// Training compute, FLOPs, in two digits: `2.3e22`; `0` at step 0.
#[must_use]
pub fn flops(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let (mantissa, exponent) = e_parts(value);
    format!("{mantissa:.1}e{exponent}")
}

/// A count in two or three digits with a unit of thousands: `70M`, `1.4B`, `540B`, `2T`.
///
/// Below 1,000 the whole number; from 10¹⁵ on in e-notation.
#[must_use]
pub fn count(value: f64) -> String {
    const UNITS: [&str; 5] = ["", "K", "M", "B", "T"];
    if !value.is_finite() || value < 0.0 {
        return format!("{value}");
    }
    let mut scaled = value;
    for unit in UNITS {
        if scaled < 999.5 {
            let text = if unit.is_empty() || scaled >= 9.95 {
                format!("{scaled:.0}")
            } else {
                format!("{scaled:.1}")
            };
            return format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text));
        }
        scaled /= 1000.0;
    }
    flops(value)
}

/// A whole number with its thousands apart: `12,345`.
#[must_use]
pub fn integer(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A score: three decimals, fewer for large unbounded values (perplexities).
#[must_use]
pub fn score(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        value.to_string()
    } else if magnitude < 99.95 {
        // Never a minus before a zero.
        let text = format!("{value:.3}");
        if text == "-0.000" {
            "0.000".to_owned()
        } else {
            text
        }
    } else if magnitude < 1e6 {
        format!("{value:.1}")
    } else {
        format!("{value:.2e}")
    }
}

/// A fixed level such as chance, a margin or a ceiling: at most three decimals, no idle zeros.
#[must_use]
pub fn level(value: f64) -> String {
    let text = score(value);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A statistic or width: two decimals, two digits below 0.1, e-notation at the extremes.
#[must_use]
pub fn statistic(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() || value == 0.0 {
        value.to_string()
    } else if !(1e-4..1e5).contains(&magnitude) {
        format!("{value:.1e}")
    } else if magnitude < 0.000_995 {
        format!("{value:.5}")
    } else if magnitude < 0.009_95 {
        format!("{value:.4}")
    } else if magnitude < 0.099_5 {
        format!("{value:.3}")
    } else {
        format!("{value:.2}")
    }
}

/// A p-value with its relation: `p = 0.012`, `p = 3.1e-8`, `p < 1e-300`.
#[must_use]
pub fn p_value(p: f64) -> String {
    if p < 1e-300 {
        "p < 1e-300".to_owned()
    } else {
        format!("p = {}", p_bare(p))
    }
}

/// A p-value alone: three decimals, or e-notation below 0.001.
#[must_use]
pub fn p_bare(p: f64) -> String {
    if p < 1e-300 {
        "<1e-300".to_owned()
    } else if p < 0.001 {
        let (mantissa, exponent) = e_parts(p);
        format!("{mantissa:.1}e{exponent}")
    } else if p > 0.9995 && p < 1.0 {
        "0.999".to_owned()
    } else {
        format!("{p:.3}")
    }
}

/// A share as a percentage: `95%`, `97.5%`.
#[must_use]
pub fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// A score interval: `[0.013, 0.024]`; an unbounded end is infinite.
#[must_use]
pub fn interval(value: &Interval, signs: Signs) -> String {
    let end =
        |v: Option<f64>, sign: &str| v.map_or_else(|| format!("{sign}{}", signs.infinity), score);
    format!(
        "[{}, {}]",
        end(value.lower, signs.minus),
        end(value.upper, "")
    )
}

/// An interval of a width, which cannot be negative: `[1.40, 1.90]`.
#[must_use]
pub fn width_interval(value: &Interval, signs: Signs) -> String {
    let end = |v: Option<f64>, open: &str| v.map_or_else(|| open.to_owned(), statistic);
    format!(
        "[{}, {}]",
        end(value.lower, "0"),
        end(value.upper, signs.infinity)
    )
}

/// A raw scale on `axis`, without its unit: `2.3e22`, `13B`, `300B`, `2.31`.
#[must_use]
pub fn raw(axis: Axis, value: f64) -> String {
    match axis {
        Axis::Flops => flops(value),
        Axis::Params | Axis::Tokens => count(value),
        Axis::Loss => format!("{value:.2}"),
    }
}

/// The unit of `axis` after a number.
#[must_use]
pub fn unit(axis: Axis) -> &'static str {
    match axis {
        Axis::Flops => "FLOPs",
        Axis::Params => "params",
        Axis::Tokens => "tokens",
        Axis::Loss => "nats/token",
    }
}

/// What one unit of the coordinate of `axis` is called in a width: decades, or nats.
#[must_use]
pub fn coordinate_unit(axis: Axis) -> &'static str {
    match axis {
        Axis::Flops | Axis::Params | Axis::Tokens => "decades",
        Axis::Loss => "nats",
    }
}

/// A one- or two-sided range of scales on `axis`, without its unit: `1.2e22–2.3e22`, `> 3.1e23`, `≤ 2.3e22`.
///
/// On the loss axis scale grows as loss falls, so the relations turn: `< 2.10`.
#[must_use]
pub fn range(axis: Axis, lower: Option<f64>, upper: Option<f64>, signs: Signs) -> Option<String> {
    let falls = axis == Axis::Loss;
    match (lower, upper) {
        (Some(a), Some(b)) => Some(format!("{}{}{}", raw(axis, a), signs.dash, raw(axis, b))),
        (Some(a), None) => Some(format!(
            "{} {}",
            if falls { "<" } else { ">" },
            raw(axis, a)
        )),
        (None, Some(b)) => {
            let relation = if falls { signs.at_least } else { signs.at_most };
            Some(format!("{relation} {}", raw(axis, b)))
        }
        (None, None) => None,
    }
}

/// The ends of a threshold on `axis`, raw: the ends of the verdict's own axis are the
/// authority on which sides are certified; the scales give the numbers on the others.
#[must_use]
pub fn threshold_ends(threshold: &Threshold, axis: Axis) -> (Option<f64>, Option<f64>) {
    let end = |n: usize, scale: &Scale| if n > 0 { scale.on(axis) } else { None };
    (
        end(threshold.n_near, &threshold.lower_scale),
        end(threshold.n_above, &threshold.upper_scale),
    )
}

/// The certified onset on `axis` without its unit, where that scale is known.
///
/// `None` also where both ends are certified but only one is known on this axis: a
/// one-sided text would then claim something else.
#[must_use]
pub fn threshold(threshold: &Threshold, axis: Axis, signs: Signs) -> Option<String> {
    let (lower, upper) = threshold_ends(threshold, axis);
    if (threshold.n_near > 0) != lower.is_some() || (threshold.n_above > 0) != upper.is_some() {
        return None;
    }
    range(axis, lower, upper, signs)
}

/// The certified onset of a trajectory in steps: `256–3,000`.
#[must_use]
pub fn threshold_steps(threshold: &Threshold, signs: Signs) -> Option<String> {
    let lower = threshold.lower_step.filter(|_| threshold.n_near > 0);
    let upper = threshold.upper_step.filter(|_| threshold.n_above > 0);
    match (lower, upper) {
        (Some(a), Some(b)) => Some(format!("{}{}{}", integer(a), signs.dash, integer(b))),
        (Some(a), None) if threshold.n_above == 0 => Some(format!("> {}", integer(a))),
        (None, Some(b)) if threshold.n_near == 0 => {
            Some(format!("{} {}", signs.at_most, integer(b)))
        }
        _ => None,
    }
}

/// `1 model`, `2 models`.
#[must_use]
pub fn plural(n: usize, one: &str, many: &str) -> String {
    let word = if n == 1 { one } else { many };
    format!("{} {word}", integer(n as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_round_before_they_choose_a_unit() {
        for (value, text) in [
            (70e6, "70M"),
            (1.25e8, "125M"),
            (1.32e9, "1.3B"),
            (6.66e9, "6.7B"),
            (1.285e10, "13B"),
            (1.746e11, "175B"),
            (5.4e11, "540B"),
            (999.6e6, "1B"),
            (9.96e9, "10B"),
            (9.94e9, "9.9B"),
            (2e12, "2T"),
            (0.0, "0"),
            (3000.0, "3K"),
            (512.0, "512"),
            (3e15, "3.0e15"),
        ] {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn compute_has_two_digits_whatever_the_exponent() {
        assert_eq!(flops(3.14e23), "3.1e23");
        assert_eq!(flops(9.96e22), "1.0e23");
        assert_eq!(flops(0.0), "0");
        assert_eq!(flops(1e22), "1.0e22");
    }

    #[test]
    fn p_values_never_round_to_zero_or_one() {
        assert_eq!(p_value(0.0), "p < 1e-300");
        assert_eq!(p_value(3.14e-8), "p = 3.1e-8");
        assert_eq!(p_value(0.0123), "p = 0.012");
        assert_eq!(p_bare(0.9999), "0.999");
        assert_eq!(p_bare(1.0), "1.000");
    }

    #[test]
    fn scores_and_whole_numbers() {
        assert_eq!(score(0.0005), "0.001");
        assert_eq!(score(-0.0001), "0.000");
        assert_eq!(score(1234.56), "1234.6");
        assert_eq!(
            [0.0, 0.25, 1.0, 0.05, 10.0].map(level),
            ["0", "0.25", "1", "0.05", "10"]
        );
        assert_eq!(
            [0.0043, -0.133, 0.0, 2.0e-9, 0.028, 1.32].map(statistic),
            ["0.0043", "-0.13", "0", "2.0e-9", "0.028", "1.32"]
        );
        assert_eq!(integer(1_234_567), "1,234,567");
        assert_eq!(integer(12), "12");
        assert_eq!(percent(0.9), "90%");
        assert_eq!(percent(0.975), "97.5%");
        assert_eq!(plural(1, "model", "models"), "1 model");
        assert_eq!(plural(1008, "model", "models"), "1,008 models");
    }

    #[test]
    fn one_sided_ranges_turn_on_the_loss_axis() {
        let s = Signs::UNICODE;
        assert_eq!(
            range(Axis::Flops, Some(3.14e23), None, s).as_deref(),
            Some("> 3.1e23")
        );
        assert_eq!(
            range(Axis::Flops, None, Some(2.31e22), s).as_deref(),
            Some("≤ 2.3e22")
        );
        assert_eq!(
            range(Axis::Loss, Some(2.1), None, s).as_deref(),
            Some("< 2.10")
        );
        assert_eq!(range(Axis::Params, None, None, s), None);
    }

    #[test]
    fn an_end_unknown_on_another_axis_never_reads_as_one_sided() {
        let scale = |flops, params| Scale {
            flops,
            params,
            ..Scale::default()
        };
        let t = Threshold {
            n_near: 3,
            n_above: 2,
            lower: Some(22.0),
            upper: Some(23.0),
            point: None,
            lower_model: None,
            upper_model: None,
            lower_step: None,
            upper_step: None,
            lower_scale: scale(Some(1e22), Some(7e9)),
            upper_scale: scale(Some(1e23), None),
            confidence_level: 0.9,
        };
        assert_eq!(
            threshold(&t, Axis::Flops, Signs::ASCII).as_deref(),
            Some("1.0e22-1.0e23")
        );
        assert_eq!(threshold(&t, Axis::Params, Signs::ASCII), None);
    }
}
