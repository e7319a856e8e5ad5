//! Sizes in bytes as people write them, and how much memory is free.

/// Memory for keys and values where the machine does not say what is free.
const DEFAULT_BYTES: u64 = 1 << 30;
/// 2^63 bytes: sizes are below it.
const BYTES_END: f64 = 9_223_372_036_854_775_808.0;

/// Bytes of `2GiB`, `512 MiB`, `1.5GB`, `1000000`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    const EXPECTED: &str = "expected a number of bytes from 1, such as 2GiB or 500MB";
    let wrong = || format!("is no size; {EXPECTED}");
    let text = text.trim();
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(wrong()),
    };
    let bytes = (number * factor).floor();
    match bytes {
        b if b >= BYTES_END => Err(format!("is more than any machine has (8 EiB); {EXPECTED}")),
        b if b >= 1.0 => Ok(b as u64),
        _ => Err(wrong()),
    }
}

/// A quarter of the memory that is available; a GiB where the system does not say.
pub fn default_kv_bytes() -> u64 {
    std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| available(&text))
        .map_or(DEFAULT_BYTES, |bytes| bytes / 4)
}

/// `MemAvailable` of /proc/meminfo, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024).filter(|&bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_written() {
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("1.5 MB"), Ok(1_500_000));
        assert_eq!(parse_size("4096"), Ok(4096));
        for wrong in ["", "GiB", "-1", "0", "2 XB", "1e3", "1.5.2GiB"] {
            let line = parse_size(wrong).expect_err(wrong);
            assert!(line.starts_with("is no size; expected"), "{line}");
        }
        for large in ["99999999TiB", "9223372036854775808"] {
            let line = parse_size(large).expect_err(large);
            assert!(line.starts_with("is more than any machine has"), "{line}");
            assert!(line.contains("such as 2GiB"), "{line}");
        }
    }

    #[test]
    fn free_memory_is_the_available_line() {
        let text = "MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   50 kB\n";
        assert_eq!(available(text), Some(50 * 1024));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }
}
