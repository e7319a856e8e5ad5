//! Verdicts against published claims of emergence, row by row, with the reason.

use upturn_catalog::Claim;
use upturn_types::{Agreement, AgreementRow, Axis, Scale, Shape, Verdict, View};

/// Which curves speak to a claim: family, tasks, methods, and whether examples are in the prompt.
struct Selector {
    /// How the claim's ability begins.
    ability: &'static str,
    /// The model named by the claim.
    model: &'static str,
    /// Families whose curves count.
    families: &'static [&'static str],
    /// Tasks, as this catalogue and the published tables call them.
    tasks: &'static [&'static str],
    /// Methods.
    methods: &'static [&'static str],
    /// Fewest examples in the prompt (unstated counts as few-shot).
    shots_min: u32,
}

/// The claims of Wei et al. 2022, Table 1, whose scores by size are published anywhere.
/// A claim without an entry here has none: the table says so.
const SELECTORS: &[Selector] = &[
    Selector {
        ability: "Addition/subtraction (3 digit)",
        model: "GPT-3",
        families: &["GPT-3"],
        tasks: &["3D+", "3D-"],
        methods: &["direct"],
        shots_min: 2,
    },
    Selector {
        ability: "Addition/subtraction (4-5 digit)",
        model: "GPT-3",
        families: &["GPT-3"],
        tasks: &["4D+", "4D-", "5D+", "5D-"],
        methods: &["direct"],
        shots_min: 2,
    },
    Selector {
        ability: "MMLU Benchmark (57 topic avg.)",
        model: "GPT-3",
        families: &["GPT-3"],
        tasks: &["MMLU (avg)"],
        methods: &["direct"],
        shots_min: 2,
    },
    Selector {
        ability: "Truthfulness (TruthfulQA)",
        model: "Gopher",
        families: &["Gopher"],
        tasks: &["TruthfulQA (MC)"],
        methods: &["direct"],
        shots_min: 2,
    },
    Selector {
        ability: "Word in Context (WiC)",
        model: "PaLM",
        families: &["PaLM"],
        tasks: &["WiC"],
        methods: &["direct"],
        shots_min: 2,
    },
    Selector {
        ability: "Chain-of-thought: Math word problems",
        model: "LaMDA",
        families: &["LaMDA"],
        tasks: &["GSM8K"],
        methods: &["cot"],
        shots_min: 0,
    },
    Selector {
        ability: "Chain-of-thought: StrategyQA",
        model: "PaLM",
        families: &["PaLM"],
        tasks: &["StrategyQA"],
        methods: &["cot"],
        shots_min: 0,
    },
    Selector {
        ability: "Self-consistency decoding",
        model: "LaMDA",
        families: &["LaMDA"],
        tasks: &["GSM8K"],
        methods: &["self_consistency"],
        shots_min: 0,
    },
    Selector {
        ability: "Zero-shot chain-of-thought reasoning",
        model: "GPT-3",
        families: &["GPT-3", "InstructGPT"],
        tasks: &["GSM8K", "MultiArith"],
        methods: &["cot_zero_shot"],
        shots_min: 0,
    },
    Selector {
        ability: "Multilingual chain-of-thought reasoning",
        model: "PaLM",
        families: &["PaLM"],
        tasks: &["MGSM", "MGSM (10 langs)"],
        methods: &["cot"],
        shots_min: 0,
    },
    Selector {
        ability: "Scratchpad: 8-digit addition",
        model: "LaMDA",
        families: &["LaMDA"],
        tasks: &["Addition OOD 9-digit", "Addition OOD 10-digit"],
        methods: &["finetune_scratchpad"],
        shots_min: 0,
    },
    Selector {
        ability: "Instruction following",
        model: "FLAN",
        families: &["FLAN", "LaMDA"],
        tasks: &["Held-out avg (NLI, closed-book QA, commonsense)"],
        methods: &["direct"],
        shots_min: 0,
    },
];

/// Published scales are printed with two digits, and conventions for N and C differ by a few
/// per cent between papers: closer than this is the same scale.
const SAME_SCALE: f64 = 1.1;

/// Compares every claim with the verdicts across models that speak to it: a row per curve, or
/// one row saying that the scores by size were never published.
#[must_use]
pub fn compare(verdicts: &[Verdict], claims: &[Claim]) -> Vec<AgreementRow> {
    claims
        .iter()
        .flat_map(|claim| rows(verdicts, claim))
        .collect()
}

fn rows(verdicts: &[Verdict], claim: &Claim) -> Vec<AgreementRow> {
    let row = |agreement: Agreement, reason: String, verdict: Option<&Verdict>| AgreementRow {
        ability: claim.ability.clone(),
        model: claim.model.clone().unwrap_or_else(|| "several".into()),
        published: claim.scale(),
        agreement,
        reason,
        curves: verdict.map(|v| v.key.clone()).into_iter().collect(),
    };
    let chosen: Vec<&Verdict> = SELECTORS
        .iter()
        .filter(|s| claim.ability.starts_with(s.ability) && claim.model.as_deref() == Some(s.model))
        .flat_map(|s| verdicts.iter().filter(move |v| s.selects(v)))
        .filter(|v| v.n_models > 1)
        .collect();
    if chosen.is_empty() {
        let reason = "scores of this family by size are not among the published figures here";
        return vec![row(Agreement::DataNotPublished, reason.to_owned(), None)];
    }
    chosen
        .into_iter()
        .map(|verdict| {
            let (agreement, reason) = judge(verdict, claim);
            let curve = format!(
                "{}, {}",
                verdict.key.task_name(),
                verdict.key.setting_name()
            );
            row(agreement, format!("{curve}: {reason}"), Some(verdict))
        })
        .collect()
}

impl Selector {
    fn selects(&self, verdict: &Verdict) -> bool {
        let key = &verdict.key;
        verdict.view == View::Across
            && self.families.contains(&&*key.family)
            && self.tasks.contains(&&*key.task)
            && self.methods.contains(&&*key.method)
            && key.shots.is_none_or(|shots| shots >= self.shots_min)
    }
}

/// The outcome for one curve, and why, in a sentence.
fn judge(verdict: &Verdict, claim: &Claim) -> (Agreement, String) {
    let published = match verdict.axis {
        Axis::Params => claim.params,
        _ => claim.flops,
    };
    let unit = if verdict.axis == Axis::Params {
        "parameters"
    } else {
        "FLOPs"
    };
    let interval = verdict.threshold.as_ref().map(|t| {
        let end = |scale: &Scale| scale.on(verdict.axis);
        (
            (t.n_near > 0).then(|| end(&t.lower_scale)).flatten(),
            (t.n_above > 0).then(|| end(&t.upper_scale)).flatten(),
        )
    });
    let shown = |x: Option<f64>| x.map_or("?".to_owned(), |x| format!("{x:.1e}"));
    let place = match interval {
        Some((Some(lower), Some(upper))) => {
            format!("onset certified in ({lower:.1e}, {upper:.1e}] {unit}")
        }
        Some((Some(lower), None)) => format!("certified near-random up to {lower:.1e} {unit}"),
        Some((None, Some(upper))) => format!("certified above from {upper:.1e} {unit} on"),
        _ => "no onset certified".to_owned(),
    };
    // The claim names the first model that has the ability: the upper end of the interval.
    let same = match (interval, published) {
        (Some((_, Some(upper))), Some(published)) => {
            (1.0 / SAME_SCALE..=SAME_SCALE).contains(&(upper / published))
        }
        _ => false,
    };
    let shape = verdict.shape_name();
    match verdict.shape {
        Shape::Emergent if same => (
            Agreement::Agrees,
            format!("{shape}; {place}, as published ({})", shown(published)),
        ),
        Shape::Emergent => (
            Agreement::Disagrees,
            format!("{shape}, but {place}, published {}", shown(published)),
        ),
        Shape::WeakOnset => {
            let score = verdict.largest.as_ref().map_or(f64::NAN, |s| s.score);
            (
                Agreement::Disagrees,
                format!(
                    "{shape}: {place}, but {score:.3} at the largest does not clear chance + {:.3}",
                    verdict.substantial_margin.unwrap_or(f64::NAN)
                ),
            )
        }
        Shape::InsufficientData => {
            let candidate = verdict
                .candidate
                .map_or_else(String::new, |c| format!(" (points to {c})"));
            let n = match verdict.n_items {
                Some((low, _)) => format!("n = {low}"),
                None => "n not published".to_owned(),
            };
            (
                Agreement::Undecided,
                format!(
                    "{shape}{candidate}: {} sizes, {n}; {place}",
                    verdict.n_scales
                ),
            )
        }
        _ => (Agreement::Disagrees, format!("{shape}: {place}")),
    }
}
