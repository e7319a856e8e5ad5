//! Forecasts on disk, with the hashes of their inputs and their own.
//!
//! The file's own hash is over its text with the hash left empty, so that it can be checked
//! without reading numbers and writing them again.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use upturn_types::{CurveForecast, HashedInput, SavedForecast};

use super::args::Args;
use crate::exit::{Exit, Failure};
use crate::inputs::PUBLISHED;
use crate::output;

/// How the text ends when the hash is not filled in.
const EMPTY: &str = "\"sha256\":\"\"}";

/// Largest file that is read: a forecast of all curves of a large study is some MB.
const SIZE_MAX: u64 = 1 << 30;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Writes forecasts; the file appears whole or not at all.
pub fn write(path: &Path, args: &Args, forecasts: &[CurveForecast]) -> Result<(), Failure> {
    let mut inputs = Vec::new();
    for input in &args.inputs.inputs {
        inputs.extend(hashed(input)?);
    }
    if let Some(map) = &args.inputs.map {
        inputs.extend(hashed(&map.display().to_string())?);
    }
    let saved = SavedForecast {
        format_version: SavedForecast::FORMAT_VERSION,
        version: upturn::VERSION.to_owned(),
        date: args.date.clone().unwrap_or_else(today),
        inputs,
        seed: args.choices.seed,
        n_draws: args.choices.draws,
        forecasts: forecasts.to_vec(),
        sha256: String::new(),
    };
    let text = serde_json::to_string(&saved)
        .map_err(|e| Failure::new(Exit::Failed, format!("cannot write JSON: {e}")))?;
    let Some(body) = text.strip_suffix(EMPTY) else {
        return Err(Failure::new(
            Exit::Failed,
            "the hash is not the last field of a forecast",
        ));
    };
    let hash = hex(&Sha256::digest(text.as_bytes()));
    let whole = format!("{body}\"sha256\":\"{hash}\"}}\n");
    upturn_store::write_bytes(path, whole.as_bytes())?;
    output::note(&format!(
        "{} forecasts of {} saved to {} (sha256 {hash})",
        saved.forecasts.len(),
        saved.date,
        path.display()
    ));
    Ok(())
}

/// Reads forecasts and checks that nobody changed them.
pub fn read(path: &Path) -> Result<SavedForecast, Failure> {
    let refuse = |why: String| Failure::new(Exit::NoInput, format!("{}: {why}", path.display()));
    let size = std::fs::metadata(path)
        .map_err(|e| refuse(format!("cannot be read: {e}")))?
        .len();
    if size > SIZE_MAX {
        return Err(refuse(format!("{size} bytes; expected a saved forecast")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| refuse(format!("cannot be read: {e}")))?;
    let saved: SavedForecast = serde_json::from_str(&text).map_err(|e| {
        refuse(format!(
            "is no saved forecast: {e}; expected a file of --save"
        ))
    })?;
    if saved.format_version > SavedForecast::FORMAT_VERSION {
        return Err(refuse(format!(
            "was written by a newer release (format {}); this one reads format {}",
            saved.format_version,
            SavedForecast::FORMAT_VERSION
        )));
    }
    let end = format!("\"sha256\":\"{}\"}}", saved.sha256);
    let unchanged = text.trim_end().strip_suffix(&end).is_some_and(|body| {
        let original = format!("{body}{EMPTY}");
        hex(&Sha256::digest(original.as_bytes())) == saved.sha256
    });
    if !unchanged {
        return Err(refuse(
            "its content is not the one that was saved (its sha256 differs); a forecast is scored \
             only as it was made"
                .to_owned(),
        ));
    }
    Ok(saved)
}

/// An input's name and hash; every file of a folder.
fn hashed(input: &str) -> Result<Vec<HashedInput>, Failure> {
    if input.starts_with(PUBLISHED) {
        let text = format!("{input}@{}", upturn::VERSION);
        return Ok(vec![HashedInput {
            name: input.to_owned(),
            sha256: hex(&Sha256::digest(text.as_bytes())),
        }]);
    }
    let path = Path::new(input);
    let failed = |path: &Path, e: std::io::Error| {
        Failure::new(
            Exit::NoInput,
            format!("cannot read {}: {e}", path.display()),
        )
    };
    let mut files = Vec::new();
    collect(path, &mut files).map_err(|e| failed(path, e))?;
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let mut hasher = Sha256::new();
            let mut reader = std::fs::File::open(&file).map_err(|e| failed(&file, e))?;
            let mut buffer = vec![0; 1 << 16];
            loop {
                match reader.read(&mut buffer).map_err(|e| failed(&file, e))? {
                    0 => break,
                    n => hasher.update(&buffer[..n]),
                }
            }
            let name = file
                .strip_prefix(path)
                .ok()
                .filter(|p| !p.as_os_str().is_empty())
                .or_else(|| file.file_name().map(Path::new))
                .unwrap_or(&file);
            Ok(HashedInput {
                name: name.to_string_lossy().into_owned(),
                sha256: hex(&hasher.finalize()),
            })
        })
        .collect()
}

/// Files under a path; links to folders are not followed.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if entry.path().is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Today in UTC.
#[expect(
    clippy::disallowed_methods,
    reason = "a forecast says when it was made; no result depends on it"
)]
fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    date_of(seconds / 86_400)
}

/// The date of a number of days since 1970-01-01, year by year and month by month.
fn date_of(days: u64) -> String {
    let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let (mut year, mut rest) = (1970, days);
    while rest >= 365 + u64::from(leap(year)) {
        rest -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, date) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (19_722, "2023-12-31"),
            (19_782, "2024-02-29"),
        ] {
            assert_eq!(date_of(days), date);
        }
    }
}
