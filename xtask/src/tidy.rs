//! What a tidy tree holds: no large files, no stray words, a diagram that is true.

use std::fs;
use std::process::Command;

/// Files larger than this do not belong in the repository.
const BYTES_MAX: u64 = 1_000_000;
/// Extensions of text that people read.
const TEXT: &[&str] = &["rs", "md", "toml", "py", "html", "css", "js", "yml"];

/// Files under version control, or to be: relative paths with forward slashes.
fn files() -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(crate::root())
        .output()
        .map_err(|e| format!("cannot run git ls-files: {e}"))?;
    if !output.status.success() {
        return Err("git ls-files failed: tidy needs a git checkout".to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect())
}

/// Checks the tree.
#[must_use]
pub fn check() -> Vec<String> {
    let files = match files() {
        Ok(files) => files,
        Err(error) => return vec![error],
    };
    let mut findings = Vec::new();
    for file in &files {
        let path = crate::root().join(file);
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        if metadata.len() > BYTES_MAX {
            findings.push(format!(
                "{file}: {} bytes; keep files under {BYTES_MAX}",
                metadata.len()
            ));
        }
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        if !TEXT.contains(&extension) {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else {
            findings.push(format!("{file}: not UTF-8"));
            continue;
        };
        findings.extend(purpose(file, &text));
        if text.contains("\r\n") {
            findings.push(format!("{file}: lines end with CRLF; use LF"));
        }
    }
    findings.extend(architecture());
    findings
}

/// Every Rust file of a crate opens with a sentence of purpose.
fn purpose(file: &str, text: &str) -> Option<String> {
    let in_crate =
        file.ends_with(".rs") && (file.starts_with("crates/") || file.starts_with("xtask/"));
    (in_crate && !text.starts_with("//!"))
        .then(|| format!("{file}: opens without a //! line of purpose"))
}

/// ARCHITECTURE.md shows the arrows that there are.
fn architecture() -> Option<String> {
    let text = fs::read_to_string(crate::root().join("ARCHITECTURE.md")).unwrap_or_default();
    let edges = crate::arrows::workspace().ok()?;
    (!text.contains(&crate::arrows::diagram(&edges))).then(|| {
        "ARCHITECTURE.md: the crate diagram is not what `cargo xtask arrows` prints".to_owned()
    })
}
