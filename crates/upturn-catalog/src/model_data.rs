//! Building model entries: the built-in rows merged by a fixed precedence, and the user's files.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use upturn_types::{Known, Text, flag};

use crate::CatalogError;
use crate::key::{model_key, segments};
use crate::model::{ModelEntry, Reported, differs};
use crate::toml_text::TomlText;

/// Printed figures of models, one row each, with their sources.
const MODELS_CSV: &str = include_str!("../data/models.csv");
/// Aliases, flags and facts of built-in models.
const MODELS_EXTRA: &str = include_str!("../data/models_extra.toml");

/// How a user's entry is written, for messages.
const EXAMPLE: &str =
    "[[model]] name = \"my-1b\" family = \"My\" params = 1e9 tokens = 2e10 aliases = [\"my_1b\"]";

/// Two figures are the same if they differ by no more than this share: rounding.
const ROUNDING: f64 = 0.01;
/// Largest difference between C and 6ND at which tokens and FLOPs tell of the same training.
const CONSISTENT: f64 = 0.05;

/// A row of `models.csv`.
#[derive(Debug, Clone, Deserialize)]
struct Row {
    family: Text,
    model: Text,
    params: Option<f64>,
    tokens: Option<f64>,
    flops: Option<f64>,
    source: Text,
    confidence: Text,
    note: Option<Text>,
}

impl Row {
    /// Precedence of sources, best first: tables of the papers that trained (or first
    /// compared) the models; Ruan et al.; Epoch AI; others, such as the rounded
    /// figures on the axes of Wei et al. What Epoch AI itself calls speculative is last.
    fn rank(&self) -> u8 {
        if self.is_speculative() {
            4
        } else if self.is_epoch() {
            2
        } else if self.source.starts_with("Ruan") {
            1
        } else if self.source.starts_with("Wei") {
            3
        } else {
            0
        }
    }

    fn is_epoch(&self) -> bool {
        self.source.starts_with("Epoch AI")
    }

    fn is_speculative(&self) -> bool {
        self.note
            .as_ref()
            .is_some_and(|n| n.contains("epoch confidence=Speculative"))
    }

    fn reported(&self) -> Reported {
        Reported {
            name: self.model.clone(),
            params: self.params,
            tokens: self.tokens,
            flops: self.flops,
            source: self.source.clone(),
            note: self.note.clone(),
        }
    }

    /// Tokens seen in training. Epoch AI prints the size of the data set (unique, in
    /// older rows counted in words), so its figure is used only where 6ND then gives
    /// its own FLOPs.
    fn tokens_seen(&self, params: Option<f64>) -> Option<f64> {
        let tokens = self.tokens?;
        if !self.is_epoch() {
            return Some(tokens);
        }
        let six_nd = 6.0 * params? * tokens;
        (!differs(self.flops?, six_nd, CONSISTENT)).then_some(tokens)
    }

    /// FLOPs, unless they are 6ND with a number of parameters that is not the one used
    /// (a mixture of experts counted by its total, or a slip).
    fn flops_spent(&self, params: Option<f64>) -> Option<f64> {
        let flops = self.flops?;
        if let (Some(used), Some(printed), Some(tokens)) = (params, self.params, self.tokens)
            && differs(printed, used, CONSISTENT)
            && !differs(flops, 6.0 * printed * tokens, CONSISTENT)
        {
            return None;
        }
        Some(flops)
    }
}

/// An entry of `models_extra.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    /// Empty for rows that the file does not mention: then the best row's name.
    name: Text,
    family: Option<Text>,
    #[serde(default)]
    aliases: Vec<Text>,
    #[serde(default)]
    rows: Vec<Text>,
    #[serde(default)]
    exact: Vec<Text>,
    #[serde(default)]
    exact_only: bool,
    params: Option<f64>,
    params_total: Option<f64>,
    #[serde(default)]
    params_are_total: bool,
    tokens: Option<f64>,
    #[serde(default)]
    tokens_are_tuning: bool,
    flops: Option<f64>,
    tokens_per_step: Option<f64>,
    final_step: Option<u64>,
    #[serde(default)]
    flags: Vec<Text>,
    source: Option<Text>,
    note: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtraFile {
    model: Vec<Extra>,
}

/// The built-in entries, sorted by family, scale and name.
///
/// # Panics
///
/// When the embedded files cannot be read, which a test rules out.
pub(crate) fn builtin_models() -> Vec<ModelEntry> {
    let rows: Vec<Row> = csv::Reader::from_reader(MODELS_CSV.as_bytes())
        .deserialize()
        .collect::<Result<_, _>>()
        .expect("the embedded models.csv is well formed");
    let extras: ExtraFile =
        toml::from_str(MODELS_EXTRA).expect("the embedded models_extra.toml is well formed");

    let mut groups: Vec<(Extra, Vec<Row>)> = Vec::new();
    let mut group_of: BTreeMap<String, usize> = BTreeMap::new();
    for extra in extras.model {
        for name in std::iter::once(&extra.name)
            .chain(&extra.aliases)
            .chain(&extra.rows)
        {
            group_of.insert(row_key(name), groups.len());
        }
        groups.push((extra, Vec::new()));
    }
    for row in rows {
        let at = *group_of.entry(row_key(&row.model)).or_insert_with(|| {
            groups.push((Extra::default(), Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(row);
    }
    let mut entries: Vec<ModelEntry> = groups
        .into_iter()
        .map(|(mut extra, mut rows)| {
            rows.sort_by_key(Row::rank);
            if let (true, Some(best)) = (extra.name.is_empty(), rows.first()) {
                extra.name = best.model.clone();
            }
            merge(extra, rows)
        })
        .collect();
    sort(&mut entries);
    entries
}

/// The key under which rows meet: of the name without its organisation.
fn row_key(name: &str) -> String {
    model_key(without_org(name).unwrap_or(name))
}

/// `pythia-70m` of `EleutherAI/pythia-70m`; `None` where the slash is not an organisation's.
pub(crate) fn without_org(name: &str) -> Option<&str> {
    match segments(name)[..] {
        [org, model] if !org.contains(char::is_whitespace) => Some(model),
        _ => None,
    }
}

/// Orders entries by family, parameters, tokens and name; unknown numbers last.
pub(crate) fn sort(entries: &mut [ModelEntry]) {
    let number = |v: Option<f64>| v.unwrap_or(f64::INFINITY);
    entries.sort_by(|a, b| {
        a.family
            .cmp(&b.family)
            .then(number(a.params).total_cmp(&number(b.params)))
            .then(number(a.tokens).total_cmp(&number(b.tokens)))
            .then_with(|| a.name.cmp(&b.name))
    });
}

/// One entry from its rows, best source first, and what the extra file adds.
///
/// Each figure is the extra file's, else that of the best source that has it.
fn merge(extra: Extra, rows: Vec<Row>) -> ModelEntry {
    // A guess does not fill what better sources leave open.
    let n_used = rows
        .iter()
        .filter(|r| !r.is_speculative() || rows[0].is_speculative())
        .count();
    let used = &rows[..n_used];
    let printed_params = first(used, |r| r.params);
    let (params, params_total) = if extra.params_are_total {
        (
            extra.params,
            extra.params_total.or(printed_params.map(|p| p.0)),
        )
    } else {
        (
            extra.params.or(printed_params.map(|p| p.0)),
            extra.params_total,
        )
    };
    let printed_tokens = if extra.tokens_are_tuning {
        None
    } else {
        first(used, |r| r.tokens_seen(params))
    };
    let tokens = extra.tokens.or(printed_tokens.map(|t| t.0));
    let printed_flops = first(used, |r| r.flops_spent(params));
    let flops = extra.flops.or(printed_flops.map(|f| f.0));

    let mut entry = ModelEntry {
        family: extra
            .family
            .clone()
            .or_else(|| rows.first().map(|r| r.family.clone()))
            .unwrap_or_else(|| extra.name.clone()),
        name: extra.name.clone(),
        aliases: Vec::new(),
        params,
        params_total,
        tokens,
        flops,
        flops_kind: flops.map(|_| Known::Reported),
        tokens_per_step: extra.tokens_per_step,
        final_step: extra.final_step,
        flags: extra.flags.clone(),
        source: "unknown".into(),
        note: None,
        alternatives: Vec::new(),
        user: false,
        exact: extra.exact.clone(),
        exact_only: extra.exact_only,
    };
    if used.first().is_some_and(Row::is_speculative) {
        entry.flags.push(flag::DOUBT.into());
    }

    // Sources: the best row's, then each figure that has another.
    let mut sources: Vec<String> = rows
        .first()
        .map(|r| r.source.to_string())
        .into_iter()
        .collect();
    for (label, printed) in [
        ("params", printed_params.filter(|_| extra.params.is_none())),
        ("tokens", printed_tokens.filter(|_| extra.tokens.is_none())),
        ("FLOPs", printed_flops.filter(|_| extra.flops.is_none())),
    ] {
        if let Some((_, row)) = printed
            && used[row].source != rows[0].source
        {
            sources.push(format!("{label}: {}", used[row].source));
        }
    }
    if let Some(source) = &extra.source {
        let given: Vec<&str> = [
            ("params", extra.params.is_some()),
            ("total params", extra.params_total.is_some()),
            ("tokens", extra.tokens.is_some()),
            ("FLOPs", extra.flops.is_some()),
        ]
        .iter()
        .filter(|g| g.1)
        .map(|g| g.0)
        .collect();
        if sources.is_empty() || given.is_empty() {
            sources.push(source.to_string());
        } else {
            sources.push(format!("{}: {source}", given.join(", ")));
        }
    }
    if !sources.is_empty() {
        entry.source = sources.join("; ").into();
    }
    let notes: Vec<&str> = [
        extra.note.as_deref(),
        rows.first().and_then(|r| r.note.as_deref()),
    ]
    .into_iter()
    .flatten()
    .map(str::trim)
    .collect();
    if !notes.is_empty() {
        entry.note = Some(notes.join("; ").into());
    }

    // Other names: the extra file's, then those of the rows; each key once.
    let vague: Vec<String> = extra.rows.iter().map(|r| row_key(r)).collect();
    let mut seen = vec![row_key(&entry.name)];
    for alias in extra.aliases.iter().chain(rows.iter().map(|r| &r.model)) {
        let key = row_key(alias);
        if !seen.contains(&key) && !vague.contains(&key) {
            seen.push(key);
            entry.aliases.push(alias.clone());
        }
    }
    entry.complete();
    let disagrees = |printed: Option<f64>, used: &[Option<f64>]| {
        printed.is_some_and(|p| !used.iter().flatten().any(|&u| !differs(p, u, ROUNDING)))
    };
    entry.alternatives = rows
        .iter()
        .filter(|r| {
            disagrees(r.params, &[entry.params, entry.params_total])
                || disagrees(r.tokens, &[entry.tokens])
                || disagrees(r.flops, &[entry.flops])
        })
        .map(Row::reported)
        .collect();
    if rows.iter().any(|r| &*r.confidence == "memory") {
        entry.flags.push(flag::DOUBT.into());
    }
    entry
}

/// The first figure among `rows`, with the index of its row.
fn first(rows: &[Row], figure: impl Fn(&Row) -> Option<f64>) -> Option<(f64, usize)> {
    rows.iter()
        .enumerate()
        .find_map(|(i, row)| figure(row).map(|value| (value, i)))
}

/// An entry of a user's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserModel {
    name: Spanned<String>,
    family: Option<Spanned<String>>,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    params: Option<Spanned<f64>>,
    params_total: Option<Spanned<f64>>,
    tokens: Option<Spanned<f64>>,
    flops: Option<Spanned<f64>>,
    tokens_per_step: Option<Spanned<f64>>,
    final_step: Option<Spanned<i64>>,
    #[serde(default)]
    flags: Vec<Spanned<String>>,
    source: Option<Spanned<String>>,
    note: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserFile {
    #[serde(default)]
    model: Vec<UserModel>,
}

/// Reads a user's models; all of them or none.
pub(crate) fn user_models(text: &str, file: &str) -> Result<Vec<ModelEntry>, CatalogError> {
    let toml = TomlText { text, file };
    let parsed: UserFile = toml.read(EXAMPLE)?;
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut entries = Vec::with_capacity(parsed.model.len());
    for model in &parsed.model {
        let name = toml.name("name", &model.name)?;
        let mut own: Vec<String> = Vec::new();
        for text in std::iter::once(&model.name).chain(&model.aliases) {
            let key = row_key(text.get_ref());
            if own.contains(&key) {
                continue;
            }
            let line = toml.line(&text.span());
            if let Some(earlier) = seen.insert(key.clone(), line) {
                return Err(toml.refuse(
                    &text.span(),
                    "name",
                    format_args!("{:?} names the same model as {earlier}", text.get_ref()),
                    "each name once",
                    "merge the two entries, or tell their names apart",
                ));
            }
            own.push(key);
        }
        let text = |field: &str, value: Option<&Spanned<String>>| {
            value.map(|v| toml.name(field, v)).transpose()
        };
        let flops = toml.positive("flops", model.flops.as_ref())?;
        let mut entry = ModelEntry {
            family: text("family", model.family.as_ref())?.unwrap_or_else(|| name.clone()),
            aliases: toml.names("aliases", &model.aliases)?,
            name,
            params: toml.positive("params", model.params.as_ref())?,
            params_total: toml.positive("params_total", model.params_total.as_ref())?,
            tokens: toml.positive("tokens", model.tokens.as_ref())?,
            flops,
            flops_kind: flops.map(|_| Known::Reported),
            tokens_per_step: toml.positive("tokens_per_step", model.tokens_per_step.as_ref())?,
            final_step: toml.positive_int("final_step", model.final_step.as_ref())?,
            flags: toml.names("flags", &model.flags)?,
            source: text("source", model.source.as_ref())?.unwrap_or_else(|| file.into()),
            note: text("note", model.note.as_ref())?,
            alternatives: Vec::new(),
            user: true,
            exact: Vec::new(),
            exact_only: false,
        };
        if let (Some(active), Some(total), Some(span)) =
            (entry.params, entry.params_total, &model.params_total)
            && total < active
        {
            return Err(toml.refuse(
                &span.span(),
                "params_total",
                format_args!("params_total {total:e} is below params {active:e}"),
                "params to be the active parameters, params_total all of them",
                "swap the two",
            ));
        }
        entry.complete();
        entries.push(entry);
    }
    Ok(entries)
}
