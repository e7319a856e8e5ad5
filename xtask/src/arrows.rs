//! The allowed arrows between crates, held against `cargo metadata`.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// What each crate may depend on. A crate that is not here may not exist.
pub const ALLOWED: &[(&str, &[&str])] = &[
    ("upturn-types", &[]),
    ("upturn-stats", &["upturn-types"]),
    ("upturn-catalog", &["upturn-types"]),
    ("upturn-store", &["upturn-catalog", "upturn-types"]),
    (
        "upturn-analysis",
        &["upturn-catalog", "upturn-stats", "upturn-types"],
    ),
    ("upturn-report", &["upturn-types"]),
    ("upturn-metrics", &["upturn-types"]),
    (
        "upturn-tasks",
        &["upturn-metrics", "upturn-synth", "upturn-types"],
    ),
    ("upturn-engine", &["upturn-types"]),
    ("upturn-synth", &[]),
    ("upturn-study", &[]),
    (
        "upturn-ladder",
        &["upturn-engine", "upturn-synth", "upturn-types"],
    ),
    ("upturn-hub", &[]),
    ("upturn-remote", &["upturn-types"]),
    ("upturn-server", &["upturn-types"]),
    (
        "upturn-eval",
        &[
            "upturn-metrics",
            "upturn-stats",
            "upturn-tasks",
            "upturn-types",
        ],
    ),
    (
        "upturn",
        &[
            "upturn-analysis",
            "upturn-catalog",
            "upturn-engine",
            "upturn-eval",
            "upturn-hub",
            "upturn-ladder",
            "upturn-metrics",
            "upturn-remote",
            "upturn-report",
            "upturn-server",
            "upturn-stats",
            "upturn-store",
            "upturn-study",
            "upturn-synth",
            "upturn-tasks",
            "upturn-types",
        ],
    ),
    ("xtask", &[]),
];

/// Crates of the workspace with the workspace crates they depend on (dev-dependencies too:
/// an arrow in a test is an arrow).
pub type Edges = BTreeMap<String, Vec<String>>;

/// Reads the arrows of this workspace.
///
/// # Errors
/// When `cargo metadata` cannot be run or read.
pub fn workspace() -> Result<Edges, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(crate::root())
        .output()
        .map_err(|e| format!("cannot run cargo metadata: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("cannot read cargo metadata: {e}"))?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata without packages")?;
    let names: Vec<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut edges = Edges::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let mut targets: Vec<String> = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|d| d["name"].as_str())
            .filter(|d| names.contains(d))
            .map(str::to_owned)
            .collect();
        targets.sort();
        targets.dedup();
        edges.insert(name.to_owned(), targets);
    }
    Ok(edges)
}

/// Arrows that are not allowed, and crates that the list does not know or that are gone.
#[must_use]
pub fn violations(edges: &Edges) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, targets) in edges {
        let Some((_, allowed)) = ALLOWED.iter().find(|(n, _)| n == name) else {
            findings.push(format!("crate {name} is not in the list of allowed arrows"));
            continue;
        };
        for target in targets {
            if !allowed.contains(&target.as_str()) {
                findings.push(format!("{name} must not depend on {target}"));
            }
        }
    }
    for (name, _) in ALLOWED {
        if !edges.contains_key(*name) {
            findings.push(format!("allowed arrows name {name}, which does not exist"));
        }
    }
    findings
}

/// Checks this workspace.
#[must_use]
pub fn check() -> Vec<String> {
    match workspace() {
        Ok(edges) => violations(&edges),
        Err(error) => vec![error],
    }
}

/// The crate diagram of ARCHITECTURE.md: one line per crate, arrows down.
#[must_use]
pub fn diagram(edges: &Edges) -> String {
    let lines: Vec<String> = ALLOWED
        .iter()
        .rev()
        .filter_map(|(name, _)| edges.get_key_value(*name))
        .filter(|(name, _)| *name != "xtask")
        .map(|(name, targets)| {
            if targets.is_empty() {
                name.clone()
            } else {
                format!("{name:<16} → {}", targets.join(", "))
            }
        })
        .collect();
    lines.join("\n")
}
