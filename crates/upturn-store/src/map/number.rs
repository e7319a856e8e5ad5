//! Numbers in cells, converted without adding rounding where a unit is a power of ten.

/// The finite number that a cell spells, times `scale`; `None` if it spells none.
///
/// Where `scale` is a power of ten the cell's decimal exponent is moved instead, so
/// that `6.7` billions is the nearest number to 6.7e9 and 43.1 percent to 0.431.
pub(crate) fn parse(cell: &str, scale: f64) -> Option<f64> {
    let plain = cell.parse::<f64>().ok()?;
    if !plain.is_finite() {
        return None;
    }
    let scaled = match power_of_ten(scale) {
        Some(0) => plain,
        Some(k) => moved(cell, k).unwrap_or(plain * scale),
        None => plain * scale,
    };
    scaled.is_finite().then_some(scaled)
}

/// The whole number that a cell spells (`8`, `8.0`, `2e3`), if it is not negative.
pub(crate) fn parse_count(cell: &str) -> Option<u64> {
    // Above 2^53 not every whole number is an f64.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if let Ok(n) = cell.parse::<u64>() {
        return Some(n);
    }
    let value = cell.parse::<f64>().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number in range"
    )]
    ((0.0..=EXACT_MAX).contains(&value) && value.fract() == 0.0).then_some(value as u64)
}

fn power_of_ten(scale: f64) -> Option<i32> {
    (-30..=30).find(|&k| format!("1e{k}").parse() == Ok(scale))
}

/// The cell with its exponent moved by `k`.
fn moved(cell: &str, k: i32) -> Option<f64> {
    let (mantissa, exponent) = match cell.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (cell, 0),
    };
    format!("{mantissa}e{}", exponent.checked_add(k)?)
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_do_not_add_rounding() {
        assert_eq!(parse("6.7", 1e9), Some(6.7e9));
        assert_eq!(parse("43.1", 0.01), Some(0.431));
        assert_eq!(parse("29.3", 0.01), Some(0.293));
        assert_eq!(parse("1.5E2", 1e9), Some(1.5e11));
        assert_eq!(parse("-1", 0.01), Some(-0.01));
        assert_eq!(parse("3", 0.5), Some(1.5));
        assert_eq!(parse("0", 1e9), Some(0.0));
    }

    #[test]
    fn what_is_no_finite_number() {
        for cell in [
            "", "x", "1,5", "50%", "NaN", "inf", "-inf", "1e400", "1 000", "0x1",
        ] {
            assert_eq!(parse(cell, 1.0), None, "{cell}");
        }
        assert_eq!(parse("1e300", 1e21), None);
    }

    #[test]
    fn counts() {
        assert_eq!(parse_count("8"), Some(8));
        assert_eq!(parse_count("8.0"), Some(8));
        assert_eq!(parse_count("2e3"), Some(2000));
        assert_eq!(parse_count("18446744073709551615"), Some(u64::MAX));
        for cell in ["-1", "1.5", "1e30", "NaN", "", "x"] {
            assert_eq!(parse_count(cell), None, "{cell}");
        }
    }
}
