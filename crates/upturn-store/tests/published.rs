//! Published figures: every decision on their rows, as a check on the embedded tables.

use std::collections::{BTreeMap, BTreeSet};

use upturn_catalog::Catalog;
use upturn_store::published;
use upturn_types::{Known, Measurement, flag};

fn load(name: &str) -> Vec<Measurement> {
    let parsed = published::load(name, &Catalog::builtin()).expect(name);
    assert_eq!(
        parsed.n_rows,
        parsed.measurements.len(),
        "no row is refused"
    );
    parsed.measurements
}

fn find<'m>(rows: &'m [Measurement], origin: &str) -> &'m Measurement {
    rows.iter()
        .find(|m| m.origin.as_deref() == Some(origin))
        .unwrap_or_else(|| panic!("no row {origin}"))
}

fn with<'m>(rows: &'m [Measurement], model: &str, task: &str, words: &str) -> Vec<&'m Measurement> {
    rows.iter()
        .filter(|m| &*m.model == model && &*m.task == task && m.setting.as_deref() == Some(words))
        .collect()
}

#[test]
fn every_row_of_every_table_is_there() {
    let rows = [
        ("gpt3", 1526),
        ("cot", 719),
        ("palm", 346),
        ("mmlu", 2147),
        ("bigbench", 355),
        ("flan", 243),
        ("all", 5336),
    ];
    assert_eq!(published::names(), rows.map(|(name, _)| name));
    for (name, n) in rows {
        let described = published::describe(name).expect(name);
        assert_eq!(described.rows, n, "{name}");
        assert!(!described.sources.is_empty() && !described.what.is_empty());
        assert_eq!(load(name).len(), n, "{name}");
    }
    assert!(published::describe("gpt4").is_none());
    let error = published::load("gpt4", &Catalog::builtin()).expect_err("no such table");
    assert!(error.expected.expect("names").contains("gpt3, cot"));
}

#[test]
fn rows_are_valid_and_their_words_understood() {
    let parsed = published::load("all", &Catalog::builtin()).expect("all");
    assert_eq!(parsed.diagnostics, []);
    for m in &parsed.measurements {
        assert_eq!(
            upturn_store::validate::validate(m).map_err(|d| d.to_string()),
            Ok(()),
            "{:?}",
            m.origin
        );
        assert_eq!(m.flops.is_some(), m.flops_kind.is_some(), "{:?}", m.origin);
        assert_eq!(m.n.is_some(), m.n_kind.is_some(), "{:?}", m.origin);
        assert_eq!(
            m.chance.is_some(),
            m.chance_kind.is_some(),
            "{:?}",
            m.origin
        );
        assert!(m.flags.is_sorted());
    }
    let unstated = parsed
        .measurements
        .iter()
        .filter(|m| &*m.method == "unstated")
        .count();
    // 414 rows of mmlu have no setting; ten of them have it in the model's name.
    let named = parsed
        .measurements
        .iter()
        .filter(|m| {
            m.setting
                .as_deref()
                .is_some_and(|s| s.to_lowercase().ends_with("-shot"))
        })
        .filter(|m| {
            !matches!(
                m.setting.as_deref(),
                Some("zero-shot" | "one-shot" | "few-shot")
            )
        })
        .count();
    assert_eq!(unstated + named, 414);
    assert!(named > 0);
}

#[test]
fn splits_and_items() {
    let rows = load("gpt3");
    let wic = with(&rows, "GPT-3 175B", "WiC", "few-shot(32)");
    let splits: BTreeSet<_> = wic.iter().map(|m| m.split.as_deref()).collect();
    assert_eq!(splits, [Some("dev"), Some("test-server")].into());
    for m in &wic {
        let expected = match m.split.as_deref() {
            Some("dev") => (0.553, Some(638), Some(Known::Reported)),
            // The size of the server's split is not in the table, nor public in its labels.
            _ => (0.494, m.n, m.n_kind),
        };
        assert_eq!((m.value, m.n, m.n_kind), expected);
        // The table gives chance for the first of the two only.
        let kind = match m.split.as_deref() {
            Some("dev") => Known::Reported,
            _ => Known::Assumed,
        };
        assert_eq!((m.chance, m.chance_kind), (Some(0.5), Some(kind)));
    }
    assert!(
        rows.iter()
            .filter(|m| m.split.as_deref() == Some("test-server"))
            .all(|m| m.n_kind != Some(Known::Reported))
    );
    assert!(
        rows.iter()
            .filter(|m| &*m.task == "3D+")
            .all(|m| m.split.is_none())
    );

    // PaLM's WiC: 638 items of the catalogue.
    let palm = load("palm");
    let wic = with(&palm, "PaLM 540B", "WiC", "few-shot(5 at 540B)");
    assert_eq!((wic[0].n, wic[0].n_kind), (Some(638), Some(Known::Assumed)));

    // n from Wei et al. is reported in their tables, borrowed in Wang et al.'s.
    let cot = load("cot");
    let own = with(&cot, "PaLM 540B", "GSM8K", "cot(few-shot)");
    assert_eq!(own[0].n_kind, Some(Known::Reported));
    let borrowed = with(&cot, "PaLM 540B", "GSM8K", "cot(few-shot,greedy)");
    assert_eq!(
        (borrowed[0].n, borrowed[0].n_kind),
        (Some(1319), Some(Known::Assumed))
    );
}

#[test]
fn zero_of_an_answer_format_is_no_chance() {
    let rows = load("gpt3");
    let zero: Vec<_> = rows
        .iter()
        .filter(|m| &*m.task == "WiC" && m.shots == Some(0))
        .collect();
    assert_eq!(zero.len(), 8);
    for m in zero {
        assert_eq!((m.value, m.chance), (0.0, Some(0.5)));
        assert!(m.has(flag::PARSE_FAILURE));
    }
    assert_eq!(
        rows.iter().filter(|m| m.has(flag::PARSE_FAILURE)).count(),
        8
    );
}

#[test]
fn metrics_have_one_name_and_fractions() {
    let rows = load("gpt3");
    let metrics: BTreeSet<&str> = rows.iter().map(|m| &*m.metric).collect();
    assert_eq!(
        metrics,
        [
            "acc",
            "average",
            "bleu_multibleu",
            "bleu_sacre",
            "exact_match",
            "f1",
            "f1a",
            "perplexity"
        ]
        .into()
    );
    for m in &rows {
        match &*m.metric {
            "perplexity" => {
                assert_eq!(m.higher_is_better, Some(false));
                assert!(m.value > 1.0 && m.chance.is_none());
            }
            "bleu_multibleu" | "bleu_sacre" => {
                assert!(m.value > 0.0 && m.value < 0.5, "{}", m.value);
                assert!(!m.has(flag::COMPOSITE));
            }
            "average" => assert!(m.has(flag::COMPOSITE)),
            _ => assert!((0.0..=1.0).contains(&m.value) && !m.has(flag::COMPOSITE)),
        }
    }
    let all = load("all");
    let composite: BTreeSet<&str> = all
        .iter()
        .filter(|m| m.has(flag::COMPOSITE) && m.setting.as_deref() != Some("mixed"))
        .map(|m| &*m.metric)
        .collect();
    assert_eq!(
        composite,
        ["acc/em", "acc/em/f1", "average", "preferred_metric"].into()
    );
    assert!(
        all.iter()
            .filter(|m| m.setting.as_deref() == Some("mixed"))
            .all(|m| m.has(flag::COMPOSITE) && &*m.method == "mixed")
    );
    assert!(all.iter().any(|m| &*m.metric == "normalized"));
}

#[test]
fn reference_rows_are_no_models() {
    let all = load("all");
    let references: Vec<_> = all.iter().filter(|m| m.has(flag::REFERENCE)).collect();
    let of = |family: &str| references.iter().filter(|m| &*m.family == family).count();
    assert_eq!((of("Random"), of("Human"), references.len()), (5, 70, 75));
    assert!(
        references
            .iter()
            .all(|m| m.params.is_none() && m.flops.is_none())
    );
}

#[test]
fn chains_of_thought_in_notes_are_a_method() {
    let rows = load("mmlu");
    let cot: Vec<_> = rows.iter().filter(|m| &*m.method == "cot").collect();
    assert_eq!(cot.len(), 16);
    assert!(cot.iter().all(|m| m.shots.is_some()));
    assert!(cot.iter().all(|m| {
        m.setting
            .as_deref()
            .is_some_and(|s| s.starts_with("few-shot("))
    }));
}

#[test]
fn names_that_deceive() {
    let mmlu = load("mmlu");
    // Hendrycks et al.'s Small, Medium, Large are not those of Table H.1.
    let hendrycks: BTreeMap<&str, f64> = mmlu
        .iter()
        .filter(|m| m.source.starts_with("Hendrycks et al. 2021") && &*m.family == "GPT-3")
        .filter_map(|m| Some((&*m.model, m.params?)))
        .collect();
    assert_eq!(
        hendrycks,
        BTreeMap::from([
            ("GPT-3 2.7B", 2.65e9),
            ("GPT-3 6.7B", 6.66e9),
            ("GPT-3 13B", 1.285e10),
            ("GPT-3 175B", 1.746e11),
        ])
    );
    // One LLaMA, however spelt; Llama 2 is another family.
    let spelt = mmlu.iter().map(|m| &*m.family);
    let llamas: BTreeSet<&str> = spelt
        .filter(|f| f.to_lowercase().starts_with("llama"))
        .collect();
    assert!(llamas.iter().all(|f| f.starts_with("Llama")), "{llamas:?}");
    assert!(llamas.contains("Llama") && llamas.contains("Llama-2"));
    for odd in [
        "8", "5", "Chinese", "text", "code", "MT", "DS", "GPT", "gpt",
    ] {
        let left: Vec<_> = mmlu.iter().filter(|m| &*m.family == odd).collect();
        assert!(left.iter().all(|m| m.has(flag::DOUBT)), "{odd}");
    }
    let line = find(&mmlu, "published:mmlu: line 2");
    assert!(line.has(flag::REFERENCE));

    let cot = load("cot");
    let tuned: Vec<_> = cot
        .iter()
        .filter(|m| m.model.starts_with("text-"))
        .collect();
    assert!(!tuned.is_empty());
    assert!(
        tuned
            .iter()
            .all(|m| &*m.family == "InstructGPT" && m.tuning.is_some())
    );
    let base: BTreeSet<&str> = cot
        .iter()
        .filter(|m| &*m.family == "GPT-3")
        .map(|m| &*m.model)
        .collect();
    assert_eq!(
        base,
        ["GPT-3 Medium", "GPT-3 XL", "GPT-3 6.7B", "GPT-3 175B"].into()
    );
    let nye: BTreeSet<(&str, &str)> = cot
        .iter()
        .filter(|m| m.source.starts_with("Nye et al."))
        .map(|m| (&*m.family, &*m.model))
        .collect();
    assert_eq!(
        nye,
        [
            ("LaMDA", "LaMDA 137B"),
            ("LaMDA", "LaMDA 8B"),
            ("LaMDA", "LaMDA 1B")
        ]
        .into()
    );
    assert!(
        cot.iter()
            .filter(|m| m
                .note
                .as_deref()
                .is_some_and(|n| n.contains("sizes not disclosed")))
            .all(|m| m.params.is_none() && m.flops.is_none())
    );
}

#[test]
fn scale_is_the_rows_own_else_the_catalogues() {
    let cot = load("cot");
    let of = |model: &str| {
        let m = cot.iter().find(|m| &*m.model == model).expect(model);
        (m.flops, m.flops_kind)
    };
    assert_eq!(of("LaMDA 68B"), (Some(1.3e23), Some(Known::Reported)));
    assert_eq!(of("PaLM 540B"), (Some(2.56e24), Some(Known::Reported)));
    assert_eq!(of("LaMDA 420M").0, None);

    let mmlu = load("mmlu");
    let flops: BTreeSet<String> = mmlu
        .iter()
        .filter(|m| &*m.model == "PaLM 62B")
        .filter_map(|m| m.flops.map(|f| f.to_string()))
        .collect();
    assert_eq!(flops.len(), 2, "3.08e23 and 2.957e23 both stay: {flops:?}");
    let known = mmlu.iter().filter(|m| m.flops.is_some()).count();
    assert!(
        known > 1200,
        "{known} of 2147 rows have FLOPs, 292 of their own"
    );

    let flan = load("flan");
    let t5: Vec<_> = flan.iter().filter(|m| &*m.family == "T5").collect();
    assert!(
        t5.iter().all(|m| m.flops.is_none()),
        "T5 1.1 is not the T5 of the catalogue"
    );
    let t5_11b = mmlu.iter().find(|m| &*m.model == "T5-11B").expect("T5-11B");
    assert_eq!(t5_11b.flops, Some(3.3e22), "3ND, as its source counts");
}

#[test]
fn longer_trained_members_are_off_the_ladder() {
    for (table, n) in [("palm", 37), ("flan", 6 + 12)] {
        let rows = load(table);
        let off: Vec<_> = rows.iter().filter(|m| m.has(flag::OFF_LADDER)).collect();
        assert_eq!(off.len(), n, "{table}");
        assert!(off.iter().all(|m| m.family.ends_with("PaLM")));
    }
    let mmlu = load("mmlu");
    let early = mmlu.iter().filter(|m| m.model.starts_with("PaLM 540B @"));
    assert!(early.clone().count() == 50 && early.clone().all(|m| m.has(flag::OFF_LADDER)));
}

#[test]
fn averages_beside_their_parts() {
    let all = load("all");
    for task in [
        "MMLU (avg)",
        "MMLU (avg 57)",
        "BBH (avg)",
        "BBH (avg 27)",
        "SuperGLUE",
        "superglue",
        "Avg NLG",
        "Avg NLU",
        "Avg NLU (21 tasks)",
        "BIG-bench: average of 62 tasks",
        "MAWPS",
    ] {
        let rows: Vec<_> = all.iter().filter(|m| &*m.task == task).collect();
        assert!(!rows.is_empty(), "{task}");
        let flagged = rows.iter().filter(|m| m.has(flag::AGGREGATE)).count();
        // Codex and others have the average of MAWPS only in some tables.
        assert!(
            flagged > 0 && (task == "MAWPS" || flagged == rows.len()),
            "{task}"
        );
    }
    for task in ["WiC", "MMLU: anatomy", "GSM8K", "3D+"] {
        assert!(
            all.iter()
                .filter(|m| &*m.task == task)
                .all(|m| !m.has(flag::AGGREGATE))
        );
    }
    // A field of MMLU is judged where its topics are not there.
    let humanities = |family: &str| {
        all.iter()
            .find(|m| &*m.task == "MMLU Humanities" && &*m.family == family)
            .map(|m| m.has(flag::AGGREGATE))
    };
    assert_eq!(humanities("GPT-3"), Some(false));
}

#[test]
fn tuning_is_an_axis_of_its_own() {
    let flan = load("flan");
    let clusters: Vec<_> = flan.iter().filter(|m| &*m.family == "FLAN").collect();
    let tunings: BTreeSet<_> = clusters.iter().map(|m| m.tuning.clone()).collect();
    let models: BTreeSet<_> = clusters.iter().map(|m| &m.model).collect();
    assert_eq!((clusters.len(), tunings.len(), models.len()), (7, 7, 1));
    assert!(
        clusters
            .iter()
            .all(|m| m.shots == Some(0) && m.has(flag::INSTRUCT))
    );

    let by_tasks = |n: &str| {
        let words = format!("instruction-tuned on {n} tasks");
        flan.iter()
            .filter(|m| m.tuning.as_deref() == Some(&*words) && &*m.family == "Flan-PaLM")
            .count()
    };
    assert_eq!(["9", "89", "282", "1836"].map(by_tasks), [18; 4]);
    assert!(
        flan.iter()
            .filter(|m| m.setting.as_deref().is_some_and(|s| s.ends_with("; base")))
            .all(|m| m.tuning.is_none())
    );
    assert!(
        flan.iter()
            .filter(|m| m
                .setting
                .as_deref()
                .is_some_and(|s| s.ends_with("; instruction-tuned")))
            .all(|m| m.tuning.as_deref() == Some("instruction-tuned"))
    );
}

#[test]
fn doubts_stay_visible() {
    let palm = load("palm");
    let swapped: Vec<_> = palm.iter().filter(|m| m.has(flag::DOUBT)).collect();
    assert_eq!(swapped.len(), 2);
    assert!(
        swapped
            .iter()
            .all(|m| &*m.task == "Winograd" && m.shots == Some(1))
    );
    assert!(
        swapped
            .iter()
            .all(|m| m.note.as_deref().is_some_and(|n| n.contains("CAUTION")))
    );

    let gpt3 = load("gpt3");
    let misaligned: Vec<_> = gpt3.iter().filter(|m| m.has(flag::DOUBT)).collect();
    assert_eq!(misaligned.len(), 8);
    assert!(
        misaligned
            .iter()
            .all(|m| &*m.task == "4D-" && m.shots == Some(1))
    );

    let all = load("all");
    assert!(all.iter().all(|m| !m.has(flag::DOUBT) || m.note.is_some()));
}

#[test]
fn shots_stated_for_the_largest_model_only() {
    let palm = load("palm");
    let stated: Vec<_> = palm
        .iter()
        .filter(|m| m.has(flag::SHOTS_AT_LARGEST))
        .collect();
    assert_eq!(stated.len(), 90);
    assert!(stated.iter().filter(|m| m.shots.is_none()).count() == 9);
    // Where the largest had one example, the smaller did not: other scores than one-shot.
    let few = with(&palm, "PaLM 62B", "TriviaQA", "few-shot(1 at 540B)");
    let one = with(&palm, "PaLM 62B", "TriviaQA", "one-shot");
    assert_eq!((few[0].value, one[0].value), (0.701, 0.727));
    assert_ne!(few[0].shots, one[0].shots);
}

/// Groups of rows under a key: how many have more than one row, and in how many of
/// those the values differ.
fn duplicates<K: Ord>(rows: &[Measurement], key: impl Fn(&Measurement) -> K) -> (usize, usize) {
    let mut groups: BTreeMap<K, Vec<f64>> = BTreeMap::new();
    for m in rows {
        groups.entry(key(m)).or_default().push(m.value);
    }
    let repeated: Vec<_> = groups.into_values().filter(|g| g.len() > 1).collect();
    let differ = repeated
        .iter()
        .filter(|g| g.iter().any(|v| *v != g[0]))
        .count();
    (repeated.len(), differ)
}

fn printed(m: &Measurement) -> [String; 4] {
    [
        m.model.to_string(),
        m.task.to_string(),
        format!("{:?}", m.setting),
        m.metric.to_string(),
    ]
}

fn key(m: &Measurement) -> String {
    format!(
        "{} {:?} {} {} {:?} {:?} {} {:?} {:?} {} {}",
        m.family,
        m.tuning,
        m.model,
        m.task,
        m.subset,
        m.split,
        m.method,
        m.shots,
        m.filter,
        m.metric,
        m.source
    )
}

#[test]
fn duplicates_of_gpt3_are_the_test_server() {
    let rows = load("gpt3");
    assert_eq!(duplicates(&rows, printed), (14, 12));
    assert_eq!(duplicates(&rows, key), (0, 0));
    let by_split = |m: &Measurement| (printed(m), m.split.clone());
    assert_eq!(duplicates(&rows, by_split), (0, 0));
}

#[test]
fn hyperbaton_has_two_scores() {
    let rows = load("bigbench");
    let values: BTreeSet<String> = rows
        .iter()
        .filter(|m| &*m.task == "BIG-bench: hyperbaton" && &*m.model == "Chinchilla 70B")
        .chain(
            rows.iter()
                .filter(|m| &*m.task == "BIG-bench: hyperbaton" && &*m.model == "PaLM 540B"),
        )
        .map(|m| m.value.to_string())
        .collect();
    assert!(
        values.contains("0.51") && values.contains("0.542"),
        "{values:?}"
    );
    assert_eq!(duplicates(&rows, printed), (11, 1));
    assert_eq!(duplicates(&rows, key), (0, 0));
}

#[test]
fn collections_disagree_across_sources_not_within_one() {
    for table in ["cot", "palm", "flan"] {
        assert_eq!(duplicates(&load(table), key).1, 0, "{table}");
    }
    let (repeated, differ) = duplicates(&load("mmlu"), key);
    // One report prints ChatGLM2-6B twice, 8-shot, as a base and as a chat model.
    assert_eq!((repeated, differ), (37, 1));
}

#[test]
fn the_same_score_recurs_across_tables() {
    let mut tables: BTreeMap<(String, String), BTreeSet<&str>> = BTreeMap::new();
    for &table in published::names().iter().filter(|n| **n != "all") {
        for m in load(table) {
            let pair = (m.model.to_string(), m.task.to_string());
            tables.entry(pair).or_default().insert(table);
        }
    }
    let recur = tables.values().filter(|t| t.len() > 1).count();
    // 46 pairs as printed; more once a model has one name.
    assert_eq!(recur, 64);
    // One of them under two settings: PaLM's WiC, few-shot(5) and few-shot(5 at 540B),
    // which are one curve key, so that the analysis sees a repeat and no second curve.
    let all = load("all");
    let wic: BTreeSet<_> = all
        .iter()
        .filter(|m| &*m.model == "PaLM 540B" && &*m.task == "WiC" && m.shots == Some(5))
        .map(key)
        .collect();
    assert_eq!(wic.len(), 1);
}
