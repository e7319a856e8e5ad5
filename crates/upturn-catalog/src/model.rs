//! Model entries: what is known of a model's scale, how, and by whom.

use std::fmt::Write as _;

use serde::Serialize;
use upturn_types::{Known, Scale, Text, flag};

/// Tokens per parameter above which a scale cannot be right as printed.
pub(crate) const TOKENS_PER_PARAM_MAX: f64 = 1e5;

/// One model with its scale.
///
/// `None` is unknown. Figures come from [`ModelEntry::source`]; figures of other
/// sources that disagree are in [`ModelEntry::alternatives`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelEntry {
    /// Family of models trained alike.
    pub family: Text,
    /// Name.
    pub name: Text,
    /// Other names people write.
    pub aliases: Vec<Text>,
    /// Parameters N (count): the active ones for mixtures of experts.
    pub params: Option<f64>,
    /// All parameters of a mixture of experts.
    pub params_total: Option<f64>,
    /// Training tokens D of the finished model (count).
    pub tokens: Option<f64>,
    /// Training compute C of the finished model (FLOPs).
    pub flops: Option<f64>,
    /// How `flops` is known: printed by a source, or derived as 6ND.
    pub flops_kind: Option<Known>,
    /// Tokens that one training step sees, where checkpoints are named by step and
    /// every step of the run has the same size.
    pub tokens_per_step: Option<f64>,
    /// Step of the finished model.
    pub final_step: Option<u64>,
    /// Facts about the model: words of [`upturn_types::flag`], sorted.
    pub flags: Vec<Text>,
    /// Where the figures come from; where a figure has a source of its own, it says so.
    pub source: Text,
    /// Doubts and remarks.
    pub note: Option<Text>,
    /// What other sources print for the same model, where it differs by more than 1%
    /// from the figures used.
    pub alternatives: Vec<Reported>,
    /// Whether it was added by the user rather than built in.
    pub user: bool,
    /// Names matched letter by letter apart from case (`gpt2`).
    #[serde(skip)]
    pub(crate) exact: Vec<Text>,
    /// Whether `name` is matched letter by letter only.
    #[serde(skip)]
    pub(crate) exact_only: bool,
}

/// Figures that a source prints for a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reported {
    /// The model as this source names it.
    pub name: Text,
    /// Parameters N as printed: may be total or active for mixtures of experts.
    pub params: Option<f64>,
    /// Tokens as printed: may be unique data, or those of a tuning stage.
    pub tokens: Option<f64>,
    /// FLOPs as printed.
    pub flops: Option<f64>,
    /// The source.
    pub source: Text,
    /// Its remarks.
    pub note: Option<Text>,
}

/// A family of models trained alike at different scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Family<'a> {
    /// Name.
    pub name: &'a str,
    /// Members by parameters, then tokens, then name; unknown scale last.
    pub members: Vec<&'a ModelEntry>,
}

/// A model or checkpoint found by name.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelMatch<'a> {
    /// The model.
    pub entry: &'a ModelEntry,
    /// Training step, when a checkpoint was asked for.
    pub step: Option<u64>,
    /// Scale of the model, or of the checkpoint at `step`.
    pub scale: Scale,
    /// How `scale.flops` is known.
    pub flops_kind: Option<Known>,
    /// How `scale.tokens` is known: reported, or derived from a step.
    pub tokens_kind: Option<Known>,
}

impl ModelMatch<'_> {
    /// Whether a size printed beside the name can be this model's: within 15% of its
    /// active or total parameters, or unknown on either side.
    ///
    /// Names repeat across papers (T5-Small has 60M parameters in one and 80M in
    /// another), so check a row's own size before filling its other columns.
    #[must_use]
    pub fn fits_params(&self, printed: Option<f64>) -> bool {
        const SAME_MODEL: f64 = 0.15;
        let known = [self.entry.params, self.entry.params_total];
        let mut known = known.into_iter().flatten().peekable();
        match printed {
            Some(printed) if known.peek().is_some() => {
                known.any(|n| !differs(printed, n, SAME_MODEL))
            }
            _ => true,
        }
    }
}

impl ModelEntry {
    /// Whether the model carries `flag`.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| &**f == flag)
    }

    /// The finished model's scale.
    #[must_use]
    pub fn scale(&self) -> Scale {
        Scale {
            params: self.params,
            tokens: self.tokens,
            flops: self.flops,
            train_loss_nats: None,
        }
    }

    /// Sets C = 6ND where FLOPs are unknown, flags what cannot be right, and sorts flags.
    pub(crate) fn complete(&mut self) {
        if self.flops.is_none() {
            self.flops = self.scale().six_nd();
            self.flops_kind = self.flops.map(|_| Known::Derived);
        }
        if let (Some(n), Some(d)) = (self.params, self.tokens)
            && d / n > TOKENS_PER_PARAM_MAX
        {
            self.flags.push(flag::IMPLAUSIBLE_SCALE.into());
        }
        self.flags.sort();
        self.flags.dedup();
    }

    /// Every name under which the entry is known.
    pub fn names(&self) -> impl Iterator<Item = &Text> {
        std::iter::once(&self.name)
            .chain(&self.aliases)
            .chain(&self.exact)
    }
}

/// All that is known of a model, as plain lines of text.
#[must_use]
pub fn explain(entry: &ModelEntry) -> String {
    let mut lines = vec![format!("{} (family {})", entry.name, entry.family)];
    let mut figure = |label: &str, value: Option<f64>, unit: &str, how: &str| {
        lines.push(match value {
            Some(value) => format!("  {label} {} {unit}{how}", count(value)),
            None => format!("  {label} unknown"),
        });
    };
    let active = if entry.params_total.is_some() {
        ", active per token"
    } else {
        ""
    };
    figure("N =", entry.params, "parameters", active);
    if entry.params_total.is_some() {
        figure("N (total) =", entry.params_total, "parameters", "");
    }
    figure("D =", entry.tokens, "tokens", "");
    let how = match entry.flops_kind {
        Some(Known::Derived) => ", derived as 6ND",
        Some(Known::Reported) => ", as reported",
        Some(_) | None => "",
    };
    figure("C =", entry.flops, "FLOPs", how);
    if let (Some(c), Some(six_nd), Some(Known::Reported)) =
        (entry.flops, entry.scale().six_nd(), entry.flops_kind)
        && differs(c, six_nd, 0.05)
    {
        lines.push(format!("  6ND would be {} FLOPs", count(six_nd)));
    }
    match (entry.tokens_per_step, entry.final_step) {
        (Some(t), Some(s)) => lines.push(format!("  {t} tokens per step, finished at step {s}")),
        (Some(t), None) => lines.push(format!("  {t} tokens per step")),
        (None, Some(s)) => lines.push(format!("  finished at step {s}")),
        (None, None) => {}
    }
    if !entry.flags.is_empty() {
        lines.push(format!("  flags: {}", entry.flags.join(", ")));
    }
    lines.push(format!("  source: {}", entry.source));
    if let Some(note) = &entry.note {
        lines.push(format!("  note: {note}"));
    }
    if !entry.aliases.is_empty() || !entry.exact.is_empty() {
        let names: Vec<&str> = entry.names().skip(1).map(|n| &**n).collect();
        lines.push(format!("  also: {}", names.join(", ")));
    }
    for other in &entry.alternatives {
        let mut line = format!("  {} gives", other.source);
        let mut sep = " ";
        for (label, value) in [("N", other.params), ("D", other.tokens), ("C", other.flops)] {
            if let Some(value) = value {
                let _ = write!(line, "{sep}{label} = {}", count(value));
                sep = ", ";
            }
        }
        if let Some(note) = &other.note {
            let _ = write!(line, " ({note})");
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// A count as `7e7`, `1.4e9`, `299892736000` → `2.99893e11`: six significant digits.
fn count(value: f64) -> String {
    let text = format!("{value:.5e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
            format!("{mantissa}e{exponent}")
        }
        None => text,
    }
}

/// Whether `a` differs from `b` by more than the share `tolerance` of `b`.
pub(crate) fn differs(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() > tolerance * b.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short_and_exact_enough() {
        assert_eq!(count(7e7), "7e7");
        assert_eq!(count(1.4e9), "1.4e9");
        assert_eq!(count(299_892_736_000.0), "2.99893e11");
        assert_eq!(count(0.0), "0e0");
    }
}
