//! Floats as Python prints them: files of other tools, prompts and filters depend on its digits.

/// A float as Python's `repr` prints it: the shortest digits that lead back to it, with an
/// exponent below 1e-4 and from 1e16 on.
#[must_use]
pub fn python_float(f: f64) -> String {
    if f.is_nan() {
        return "nan".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = shortest(f);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if f != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    plain(digits, exponent)
}

/// The shortest digits that lead back to a float, as `d.ddde-x`.
///
/// Where two of the same length are equally near (floats that came from an `f32` are halves of
/// the last digit now and then), Python takes the even one and Rust the upper one.
fn shortest(f: f64) -> String {
    let rust = format!("{f:e}");
    let n_digits = rust
        .split('e')
        .next()
        .unwrap_or_default()
        .bytes()
        .filter(u8::is_ascii_digit)
        .count();
    let rounded = format!("{f:.*e}", n_digits.saturating_sub(1));
    if rounded.parse() == Ok(f) {
        rounded
    } else {
        rust
    }
}

/// Digits with their exponent written out, with at least one after the point.
fn plain(digits: &str, exponent: i32) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    let digits = digits.replace('.', "");
    match usize::try_from(exponent) {
        Err(_) => {
            let n_zeros = exponent.unsigned_abs() as usize - 1;
            format!("{sign}0.{}{digits}", "0".repeat(n_zeros))
        }
        Ok(exponent) => {
            let n_before = exponent + 1;
            let padded = format!("{digits:0<n_before$}");
            let (before, after) = padded.split_at(n_before);
            let after = if after.is_empty() { "0" } else { after };
            format!("{sign}{before}.{after}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 3.11 prints for `repr(float(x))`.
    #[test]
    fn floats_as_python_prints_them() {
        for (float, printed) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (123_456_789.0, "123456789.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.234_567_890_123_456_7e17, "1.2345678901234566e+17"),
            (1e22, "1e+22"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-12.996_276_855_468_75, "-12.99627685546875"),
            // Halfway between ...12 and ...13.
            (-13.226_394_653_320_312, "-13.226394653320312"),
            (0.001_234, "0.001234"),
            (100.0, "100.0"),
            (0.183_333_333_333_333_32, "0.18333333333333332"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(python_float(float), printed);
        }
    }
}
