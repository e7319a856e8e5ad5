//! Which model a published row is about: family, name, tuning, and how sure that is.

use upturn_catalog::{Catalog, ModelMatch};
use upturn_types::{Measurement, Text, flag};

use super::row::Row;

/// A row's model.
pub(super) struct Identity<'c> {
    pub(super) family: String,
    pub(super) model: String,
    pub(super) tuning: Option<String>,
    pub(super) flags: Vec<&'static str>,
    /// The catalogue's entry.
    pub(super) known: Option<ModelMatch<'c>>,
    /// Parameters that the printed name states.
    pub(super) params_in_name: Option<f64>,
    /// Why the identity is not certain.
    pub(super) doubt: Option<String>,
}

/// Largest share by which two statements of one model's parameters differ
/// (LLaMA is 30B to some and 33B to others; embeddings are counted or not).
const PARAMS_TOLERANCE: f64 = 0.2;

/// Printed names that stand for one certain model under another name. The names are
/// those left after words on shots and brackets around them are gone.
const ALIASES: &[(&str, &str)] = &[
    // Papers after 2020 that compare themselves with "GPT-3" quote its largest model.
    ("GPT-3", "GPT-3 175B"),
    ("GPT3 175B", "GPT-3 175B"),
    ("GLaM", "GLaM (MoE) 64B/64E"),
    ("GLaM (MoE)", "GLaM (MoE) 64B/64E"),
    ("Gopher", "Gopher 280B"),
    ("PaLM-cont 62B", "PaLM 62B (1325B tokens)"),
    ("cont-PaLM 62B", "PaLM 62B (1325B tokens)"),
    ("code-cushman-001 (12B)", "Codex 12B"),
    // Nye et al. 2021 describe their decoders as of the LaMDA kind and name sizes only.
    ("137B", "LaMDA 137B"),
    ("8B", "LaMDA 8B"),
    ("~1B", "LaMDA 1B"),
];

/// Families by the first words of a model's name (case aside), for models that the
/// catalogue does not know. The first that fits counts.
const FAMILIES: &[(&str, &str)] = &[
    ("text-", "InstructGPT"),
    ("InstructGPT", "InstructGPT"),
    ("code-davinci", "Codex"),
    ("GPT-3 code-", "Codex"),
    ("Codex", "Codex"),
    ("GPT-3.5", "GPT-3.5"),
    ("GPT-4o", "GPT-4o"),
    ("GPT 4o", "GPT-4o"),
    ("GPT-4", "GPT-4"),
    ("GPT-3", "GPT-3"),
    ("GPT-NeoX", "GPT-Neo/J"),
    ("GPT-J", "GPT-Neo/J"),
    ("GPT-Neo", "GPT-Neo/J"),
    ("GPT-2", "GPT-2"),
    ("GPT2", "GPT-2"),
    ("PaLM 2", "PaLM 2"),
    ("PaLM-2", "PaLM 2"),
    ("PaLM", "PaLM"),
    ("Flan-cont-PaLM", "Flan-PaLM"),
    ("LLaMA 1", "Llama"),
    ("LLaMA 2", "Llama-2"),
    ("LLaMA-2", "Llama-2"),
    ("LLaMA2", "Llama-2"),
    ("Llama 3.1", "Llama-3.1"),
    ("Llama-3.1", "Llama-3.1"),
    ("Llama 3.2 Vision", "Llama-3.2-Vision"),
    ("Llama 3.3", "Llama-3.3"),
    ("Llama3.3", "Llama-3.3"),
    // No model of this size was released as Llama 3; the first was of 3.1.
    ("Llama 3 405B", "Llama-3.1"),
    ("Llama 3", "Llama-3"),
    ("Llama-3", "Llama-3"),
    ("LLaMA", "Llama"),
    ("Baichuan 2", "Baichuan-2"),
    ("Baichuan-2", "Baichuan-2"),
    ("Baichuan2", "Baichuan-2"),
    ("Baichuan", "Baichuan"),
    ("ChatGLM", "ChatGLM2"),
    ("CodeQwen1.5", "CodeQwen1.5"),
    ("Qwen2.5-Coder", "Qwen2.5-Coder"),
    ("Qwen2.5", "Qwen2.5"),
    ("Qwen2", "Qwen2"),
    ("Qwen1.5", "Qwen1.5"),
    ("Qwen", "Qwen"),
    ("DS-Coder-V2", "DeepSeek-Coder-V2"),
    ("DS-Coder", "DeepSeek-Coder"),
    ("DeepSeek LLM", "DeepSeek-LLM"),
    ("DeepSeek-V2", "DeepSeek-V2"),
    ("DeepSeek-V3", "DeepSeek-V3"),
    ("DeepSeek v3", "DeepSeek-V3"),
    ("Chinese-Alpaca", "Chinese-Alpaca"),
    ("Cohere", "Cohere Command"),
    ("Claude Instant", "Claude Instant"),
    ("Claude 3.5", "Claude 3.5"),
    ("Claude 3", "Claude 3"),
    ("Claude 2", "Claude 2"),
    ("Claude 1", "Claude 1"),
    ("Falcon2", "Falcon 2"),
    ("Falcon", "Falcon"),
    ("Gemini 1.5", "Gemini 1.5"),
    ("Gemini-1.5", "Gemini 1.5"),
    ("Gemini 1.0", "Gemini 1.0"),
    ("Gemini 2.0", "Gemini 2.0"),
    ("Gemma-2", "Gemma-2"),
    ("Gemma 2 Instruct", "Gemma-2"),
    ("Inflection", "Inflection"),
    ("InternLM", "InternLM"),
    ("J1-", "Jurassic-1"),
    ("Jurassic-2", "Jurassic-2"),
    ("Jamba 1.5", "Jamba 1.5"),
    ("Jamba", "Jamba"),
    ("Mistral", "Mistral"),
    ("Phi-3.5", "Phi-3.5"),
    ("Phi-3", "Phi-3"),
    ("phi-1.5", "Phi"),
    ("MPT", "MPT"),
    ("RedPajama-INCITE", "RedPajama-INCITE-Base"),
    ("Minerva", "Minerva"),
    ("TNLG", "MT-NLG"),
    ("Unicorn", "UNICORN"),
    ("XVerse", "XVERSE"),
    ("Yi-Chat", "Yi"),
    ("Amazon Nova", "Amazon Nova"),
    ("T5", "T5"),
    ("LaMDA", "LaMDA"),
];

/// Families that are no families: words that a table's first column took from a name.
const ODD_FAMILIES: [&str; 10] = [
    "8", "5", "Chinese", "text", "code", "MT", "DS", "GPT", "gpt", "Megatron",
];

/// Words in a name that say the model was tuned to chat or to follow instructions.
const CHAT_WORDS: [&str; 3] = ["chat", "chatglm", "rlhf"];
const INSTRUCT_WORDS: [&str; 6] = [
    "instruct",
    "it",
    "in",
    "instructgpt",
    "instructpalmyra",
    "tuned",
];

/// Families all of whose members are tuned.
const TUNED_FAMILIES: [&str; 31] = [
    "Amazon Nova",
    "AquilaChat2",
    "Command",
    "Solar",
    "Phi-3",
    "Phi-3.5",
    "Phi-4",
    "InstructGPT",
    "GPT-3.5",
    "GPT-4",
    "GPT-4o",
    "Claude 1",
    "Claude 2",
    "Claude 3",
    "Claude 3.5",
    "Claude Instant",
    "Gemini 1.0",
    "Gemini 1.5",
    "Gemini 2.0",
    "Flan-PaLM",
    "Flan-T5",
    "Flan-U-PaLM",
    "FLAN",
    "T0",
    "T0pp",
    "Vicuna",
    "Alpaca",
    "Chinese-Alpaca",
    "Dolly",
    "StableBeluga2",
    "InstructPalmyra",
];

/// Finds out which model `row` is about.
pub(super) fn identify<'c>(row: &Row, version: Option<&str>, catalog: &'c Catalog) -> Identity<'c> {
    if row.family == "Human" || row.family == "Random" {
        return Identity {
            family: row.family.clone(),
            model: row.model.clone(),
            tuning: None,
            flags: vec![flag::REFERENCE],
            known: None,
            params_in_name: None,
            doubt: None,
        };
    }
    let name = without_shots(&row.model);
    let name = name
        .strip_suffix(" finetuned on 0 tasks")
        .unwrap_or(&name)
        .to_owned();
    let alias = ALIASES
        .iter()
        .find(|(printed, _)| *printed == name)
        .map(|&(_, model)| model);
    let looked_up = alias.unwrap_or(&name);
    let params_in_name = alias.map_or_else(|| params_in(&name), params_in);
    let stated = row.params.or(params_in_name);
    let agrees =
        |found: &ModelMatch<'_>| match (stated, found.entry.params_total, found.scale.params) {
            (Some(stated), total, active) => {
                [total, active]
                    .into_iter()
                    .flatten()
                    .any(|p| close(stated, p))
                    || (total.is_none() && active.is_none())
            }
            (None, ..) => true,
        };
    // Chung et al. 2022 start from T5 1.1 adapted to language modelling: other models
    // than the T5 of the catalogue, at sizes that look alike.
    let other_t5 = row.family == "T5" && row.source.starts_with("Chung et al. 2022");
    let lookup = |name: &str| {
        catalog
            .find_model(name, None)
            .filter(|found| !other_t5 && agrees(found))
    };
    let by_name = lookup(looked_up);
    let by_version = version.and_then(lookup);

    let mut doubt = None;
    let known = match (by_name, by_version) {
        (Some(by_name), _) => Some(by_name),
        (None, Some(by_version)) if tuned(&name) == tuned(version.unwrap_or_default()) => {
            Some(by_version)
        }
        (None, _) => None,
    };
    if let Some(version) = version
        && let Some(why) = disagreement(&name, version, known.as_ref(), catalog)
    {
        doubt = Some(format!("transcribed as {version}, {why}"));
    }

    let starts_with = |start: &str| {
        looked_up
            .get(..start.len())
            .is_some_and(|s| s.eq_ignore_ascii_case(start))
    };
    // A model tuned on some number of tasks belongs where its table puts it.
    let by_words = FAMILIES
        .iter()
        .find(|(start, _)| starts_with(start) && !looked_up.contains(" finetuned on "))
        .map(|&(_, family)| family.to_owned());
    let family = match &known {
        Some(known) => known.entry.family.to_string(),
        None => by_words.unwrap_or_else(|| {
            if ODD_FAMILIES.contains(&row.family.as_str()) {
                doubt = Some(format!("'{}' is no family of models", row.family));
            }
            row.family.clone()
        }),
    };
    // One spelling per model: the catalogue's, else the transcriber's, else as printed.
    let model = match (&known, version) {
        (Some(known), _) => known.entry.name.to_string(),
        (None, Some(version)) if doubt.is_none() && alias.is_none() => version.to_owned(),
        (None, _) => looked_up.to_owned(),
    };

    let mut flags = Vec::new();
    if let Some(known) = &known {
        flags.extend(
            [
                flag::CODE,
                flag::DISTILLED,
                flag::IMPLAUSIBLE_SCALE,
                flag::INSTRUCT,
                flag::MOE,
                flag::OFF_LADDER,
            ]
            .into_iter()
            .filter(|f| known.entry.has(f)),
        );
    }
    if family == "Codex" || looked_up.contains("Coder") || looked_up.contains("CodeQwen") {
        flags.push(flag::CODE);
    }
    if known.is_none() && looked_up.contains("-token checkpoint") {
        flags.push(flag::OFF_LADDER);
    }
    let is_tuned = tuned(&name) || TUNED_FAMILIES.contains(&&*family);
    if is_tuned {
        flags.push(flag::INSTRUCT);
    }
    let tuning = if has_word(&name, &CHAT_WORDS) {
        Some("chat".to_owned())
    } else if flags.contains(&flag::INSTRUCT) {
        Some("instruction-tuned".to_owned())
    } else {
        None
    };
    Identity {
        family,
        model,
        tuning,
        flags,
        known,
        params_in_name,
        doubt,
    }
}

impl Identity<'_> {
    /// Gives the measurement what the catalogue or the name says of its scale, where
    /// the row says nothing.
    pub(super) fn fill_scale(&self, m: &mut Measurement, sizes_undisclosed: bool) {
        if sizes_undisclosed {
            return;
        }
        if let Some(known) = &self.known {
            m.params = m.params.or(known.scale.params);
            m.tokens = m.tokens.or(known.scale.tokens);
            if m.flops.is_none() && known.scale.flops.is_some() {
                (m.flops, m.flops_kind) = (known.scale.flops, known.flops_kind);
            }
        } else {
            m.params = m.params.or(self.params_in_name);
        }
        m.derive_flops();
    }

    /// The flags, as texts.
    pub(super) fn flags(&self) -> impl Iterator<Item = Text> + '_ {
        self.flags.iter().map(|f| Text::from(*f))
    }
}

/// Why the model that the transcriber names in `version` is not the one printed.
fn disagreement(
    name: &str,
    version: &str,
    known: Option<&ModelMatch<'_>>,
    catalog: &Catalog,
) -> Option<&'static str> {
    // The transcriber's stand-in for GPT-3 is its tuned successor; the papers mean GPT-3.
    if version == "text-davinci-001" {
        return None;
    }
    if let (Some(a), Some(b)) = (params_in(name), params_in(version))
        && !close(a, b)
    {
        return Some("which has another size");
    }
    if let (Some(known), Some(other)) = (known, catalog.find_model(version, None))
        && known.entry.name != other.entry.name
    {
        return Some("which is another model");
    }
    let (a, b) = (words(name), words(version));
    let both_palm_2 = [&a, &b]
        .iter()
        .all(|w| w.starts_with(&["palm".into(), "2".into()]));
    if both_palm_2 && a != b {
        return Some("which is another model");
    }
    let named_family_is_tuned = known.is_some_and(|k| k.entry.has(flag::INSTRUCT));
    if tuned(name) != tuned(version) && !named_family_is_tuned && !always_tuned(name) {
        return Some("which is tuned otherwise");
    }
    None
}

/// Whether all models of that name are tuned, whether or not the name says so.
fn always_tuned(name: &str) -> bool {
    [
        "Phi-3",
        "ChatGLM",
        "Vicuna",
        "GPT-",
        "gpt-",
        "text-",
        "Claude",
        "StarCoder",
    ]
    .iter()
    .any(|start| name.starts_with(start))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= PARAMS_TOLERANCE * a.abs().max(b.abs())
}

/// The words on shots in a printed name, where there are any: `One-shot`, `50-shot`.
pub(super) fn shots_in(name: &str) -> Option<String> {
    name.split(' ')
        .map(|w| w.trim_matches(['(', ')']))
        .find(|w| is_shots(w))
        .map(str::to_owned)
}

fn is_shots(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.strip_suffix("-shot").is_some_and(|n| {
        matches!(n, "zero" | "one" | "few" | "k") || n.bytes().all(|b| b.is_ascii_digit())
    })
}

/// The name without remarks on shots: `GPT-3 Few-Shot`, `GLaM (64B/64E) (One-shot)`,
/// `8-shot PaLM`, `Gopher (k-Shot)`.
fn without_shots(name: &str) -> String {
    let kept: Vec<&str> = name
        .split(' ')
        .filter(|w| !is_shots(w.trim_matches(['(', ')'])) && *w != "(ours)")
        .collect();
    kept.join(" ").trim_end_matches('*').to_owned()
}

/// Lower-case words, split at punctuation and between digits and letters that follow.
fn words(name: &str) -> Vec<String> {
    name.to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '.')
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

fn has_word(name: &str, list: &[&str]) -> bool {
    words(name).iter().any(|w| {
        list.iter().any(|l| w == l)
            || list.contains(&w.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
    })
}

/// Whether the name says that the model was tuned to chat or to follow instructions.
fn tuned(name: &str) -> bool {
    has_word(name, &CHAT_WORDS) || has_word(name, &INSTRUCT_WORDS)
}

/// Parameters that a name states (`7B`, `350M`, `1_8B`), if it states one number only.
/// Mixtures of experts (`8x7B`, `64B/64E`) state something else.
fn params_in(name: &str) -> Option<f64> {
    if name.contains("MoE") || name.contains("64E") {
        return None;
    }
    let name = name.replace("1_8B", "1.8B");
    let mut found = None;
    for word in words(&name) {
        let (number, unit) = match word.strip_suffix('b') {
            Some(number) => (number, 1e9),
            None => match word.strip_suffix('m') {
                Some(number) => (number, 1e6),
                None => continue,
            },
        };
        let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let Some(number) = plain.then(|| number.parse::<f64>().ok()).flatten() else {
            continue;
        };
        if found.replace(number * unit).is_some() {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_names() {
        for (name, params) in [
            ("LLaMA (13B)", Some(1.3e10)),
            ("falcon-7b", Some(7e9)),
            ("Qwen-1_8B", Some(1.8e9)),
            ("phi-1.5 (1.3B)", Some(1.3e9)),
            ("ada (350M)", Some(3.5e8)),
            ("Mixtral 8x7B", None),
            ("GLaM (MoE) 8B/64E", None),
            ("GPT-4", None),
            ("PaLM 62B (1325B tokens)", None),
        ] {
            assert_eq!(params_in(name), params, "{name}");
        }
    }

    #[test]
    fn remarks_on_shots_are_no_part_of_a_name() {
        for (printed, name) in [
            ("GPT-3 Few-Shot", "GPT-3"),
            ("GLaM (64B/64E) (One-shot)", "GLaM (64B/64E)"),
            ("8-shot PaLM", "PaLM"),
            ("Gopher (k-Shot)", "Gopher"),
            ("Baichuan2-Chat 13B (8-shot)", "Baichuan2-Chat 13B"),
            ("ChatGLM 2-6B (base)*", "ChatGLM 2-6B (base)"),
            ("MT-NLG (ours)", "MT-NLG"),
        ] {
            assert_eq!(without_shots(printed), name);
        }
    }

    #[test]
    fn tuned_names() {
        for name in [
            "Llama-2-13b-chat",
            "Falcon-Instruct (7B)",
            "gemma-2-9b-it",
            "Llama-3-In 8b",
        ] {
            assert!(tuned(name), "{name}");
        }
        for name in ["LLaMA 7B", "InternLM 7B", "Baichuan-7B", "Inflection 1"] {
            assert!(!tuned(name), "{name}");
        }
    }
}
