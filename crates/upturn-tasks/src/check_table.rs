//! A check of a folder of tasks as a table: families of tasks, what runs, and why the rest does not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::check::{Check, FileReport, Help, Verdict};

/// Reasons shown for a family.
const N_REASONS: usize = 3;

/// The counts of a family, or of all.
#[derive(Debug, Default)]
struct Row {
    tasks: usize,
    plain: usize,
    read: usize,
    ported: usize,
    scripts: usize,
    refused: usize,
    reasons: BTreeMap<String, usize>,
}

impl Row {
    fn add(&mut self, file: &FileReport) {
        match &file.verdict {
            Verdict::Group | Verdict::Part => return,
            Verdict::Runnable => match file.help {
                Help::None => self.plain += 1,
                Help::Read => self.read += 1,
                Help::Ported => self.ported += 1,
            },
            Verdict::NeedsDatasetScript => self.scripts += 1,
            Verdict::NeedsPort { functions } => {
                self.refused += 1;
                let why = functions.first().map_or_else(String::new, |f| reason(f));
                *self.reasons.entry(why).or_default() += 1;
            }
            Verdict::Refused(why) => {
                self.refused += 1;
                let why = why.split_once(": ").map_or(why.as_str(), |(_, why)| why);
                *self.reasons.entry(short(why)).or_default() += 1;
            }
        }
        self.tasks += 1;
    }

    fn write(&self, out: &mut String, name: &str) {
        let mut reasons: Vec<(&String, &usize)> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        let mut shown: Vec<String> = reasons
            .iter()
            .take(N_REASONS)
            .map(|(why, n)| format!("{why} ({n})"))
            .collect();
        if reasons.len() > N_REASONS {
            shown.push(format!("{} more", reasons.len() - N_REASONS));
        }
        let count = |n: usize| match n {
            0 => String::new(),
            n => n.to_string(),
        };
        let _infallible = writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} | {} | {} |",
            self.tasks,
            count(self.plain),
            count(self.read),
            count(self.ported),
            count(self.scripts),
            count(self.refused),
            shown.join("; ")
        );
    }
}

/// Why a function is not read, without its place: `key: function (file:line: why)`.
fn reason(function: &str) -> String {
    let inner = function
        .split_once(" (")
        .map_or(function, |(_, why)| why.strip_suffix(')').unwrap_or(why));
    let mut parts = inner.splitn(3, ':');
    let is_place = |line: Option<&str>| line.is_some_and(|l| l.parse::<u32>().is_ok());
    let why = match (parts.next(), parts.next(), parts.next()) {
        (Some(_), line, Some(why)) if is_place(line) => why.trim(),
        _ => inner,
    };
    short(why)
}

/// A reason that fits a table.
fn short(why: &str) -> String {
    let why = why
        .trim_end_matches(", which is not here")
        .replace('|', "/");
    if why.ends_with("is not there") {
        return "a helper's file is not there".into();
    }
    let cut: String = why.chars().take(70).collect();
    if cut.len() < why.len() {
        cut + "…"
    } else {
        cut
    }
}

/// The families of a folder of tasks, one a line, in Markdown; a family is a folder right
/// under `root`.
#[must_use]
pub fn markdown(check: &Check, root: &Path) -> String {
    let mut families: BTreeMap<String, Row> = BTreeMap::new();
    let mut all = Row::default();
    for file in &check.files {
        let family = file
            .path
            .strip_prefix(root)
            .ok()
            .and_then(|p| p.components().next())
            .map_or_else(String::new, |c| {
                c.as_os_str().to_string_lossy().into_owned()
            });
        families.entry(family).or_default().add(file);
        all.add(file);
    }
    let mut out = String::from(
        "| family | tasks | run as they are | with helpers read | with a port | data made by a script | refused | why |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (name, row) in families.iter().filter(|(_, row)| row.tasks > 0) {
        row.write(&mut out, name);
    }
    all.reasons.clear();
    all.write(&mut out, "**all**");
    out
}
