//! Metrics of our own, the table of metrics, and what is refused.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use upturn_metrics::{
    Aggregation, Chance, ChoicesResponse, Filter, FilterPipeline, FilterValue, GenerationResponse,
    Gold, ItemValue, MetricError, MetricRequest, OutputKind, TokenIds, aggregate, find,
    levenshtein, metrics, score_choices, score_generation, score_loglikelihood, score_rolling,
    stderr, token_edit_distance,
};
use upturn_types::{ChoiceScore, TargetScore};

fn option(text: &str, logprob: f32, n_tokens: u32) -> ChoiceScore {
    ChoiceScore {
        text: text.into(),
        logprob,
        is_greedy: false,
        n_tokens,
        n_chars: text.chars().count() as u32,
        n_bytes: text.len() as u32,
        unconditional_logprob: Some(-1.0),
        unconditional_is_greedy: Some(false),
    }
}

fn no_options() -> Map<String, Value> {
    Map::new()
}

fn request(name: &str) -> MetricRequest {
    MetricRequest::new(name, &no_options()).unwrap()
}

/// The number that a multiple-choice metric gives, if it gives one.
fn choice_number(name: &str, choices: &[ChoiceScore], gold: &Gold) -> Option<f64> {
    let response = ChoicesResponse { choices, gold };
    let scores = score_choices(&response, &[request(name)]).unwrap();
    scores.first().and_then(|(_, value)| value.as_number())
}

#[test]
fn graded_choices_by_hand() {
    // Probabilities 0.5, 0.25, 0.25.
    let ln = |p: f64| p.ln() as f32;
    let choices = [
        option("aa", ln(0.5), 2),
        option("b", ln(0.25), 1),
        option("cccc", ln(0.25), 5),
    ];
    let near = |name: &str, gold: &Gold, expected: f64| {
        let got = choice_number(name, &choices, gold).unwrap();
        assert!((got - expected).abs() < 1e-6, "{name}: {got} {expected}");
    };
    let ln2 = std::f64::consts::LN_2;
    let first = Gold::Index(0);
    near("choice_prob", &first, 0.5);
    near("choice_prob", &Gold::Text("b".into()), 0.25);
    near("choice_prob", &Gold::Many(vec![0, 2]), 0.75);
    near("margin", &first, ln2);
    near("margin", &Gold::Index(2), -ln2);
    near("margin", &Gold::Many(vec![1, 2]), -ln2);
    near("brier_multiclass", &first, 0.25 + 2.0 * 0.0625);
    near("brier_multiclass", &Gold::Index(1), 0.25 + 0.5625 + 0.0625);
    near("entropy", &first, 1.5 * ln2);
    near("target_logprob_per_token", &first, -ln2 / 2.0);
    near(
        "target_logprob_per_token",
        &Gold::Many(vec![1, 2]),
        -0.4 * ln2,
    );
    // Per character: ln 0.5 / 2, ln 0.25, ln 0.25 / 4, of which the first and last are equal.
    let (a, b) = (0.5f64.sqrt(), 0.25);
    near("choice_prob_norm", &first, a / (2.0 * a + b));
}

#[test]
fn no_right_option_is_left_out_where_it_has_no_value() {
    let choices = [option("a", -1.0, 1), option("b", -2.0, 1)];
    for gold in [Gold::Index(5), Gold::Text("z".into())] {
        assert_eq!(choice_number("acc", &choices, &gold), Some(0.0));
        assert_eq!(choice_number("exact_match", &choices, &gold), Some(0.0));
        assert_eq!(choice_number("choice_prob", &choices, &gold), Some(0.0));
        assert_eq!(choice_number("margin", &choices, &gold), None);
        assert_eq!(choice_number("brier_multiclass", &choices, &gold), None);
        assert_eq!(
            choice_number("target_logprob_per_token", &choices, &gold),
            None
        );
    }
}

#[test]
fn lengths_are_characters_or_bytes() {
    // Per character the first is better (-4/4 > -3/2), per byte the second (-3/6 > -4/4).
    let choices = [option("abcd", -4.0, 1), option("日本", -3.0, 1)];
    let score = |name| choice_number(name, &choices, &Gold::Index(0));
    assert_eq!(score("acc"), Some(0.0));
    assert_eq!(score("acc_norm"), Some(1.0));
    assert_eq!(score("acc_bytes"), Some(0.0));
    // An empty option has -inf per character, and loses.
    let choices = [option("", -1.0, 1), option("abc", -9.0, 1)];
    assert_eq!(
        choice_number("acc_norm", &choices, &Gold::Index(1)),
        Some(1.0)
    );
}

#[test]
fn loglikelihoods() {
    let target = TargetScore {
        logprob: -3.0,
        is_greedy: true,
        n_tokens: 4,
        n_chars: 9,
        n_bytes: 9,
    };
    let names = ["perplexity", "acc", "target_logprob_per_token", "acc_norm"];
    let scores = score_loglikelihood(&target, &names.map(request));
    assert_eq!(
        scores,
        [
            ("perplexity", ItemValue::Number(-3.0)),
            ("acc", ItemValue::Number(1.0)),
            ("target_logprob_per_token", ItemValue::Number(-0.75)),
        ]
    );
}

/// Scores of a generated text.
fn generated(
    name: &str,
    result: &str,
    gold: Value,
    ids: Option<TokenIds<'_>>,
) -> Result<ItemValue, MetricError> {
    let response = GenerationResponse {
        result: &result.into(),
        gold: &FilterValue::from_json(&gold),
        choices: None,
        multiple_targets: gold.is_array(),
        token_ids: ids,
    };
    score_generation(&response, &[request(name)]).map(|mut scores| scores.remove(0).1)
}

#[test]
fn token_edit_distance_takes_the_nearest_target() {
    let targets = [vec![9, 9, 9, 9], vec![1, 2, 4]];
    let ids = TokenIds {
        prediction: &[1, 2, 3],
        targets: &targets,
    };
    let score = generated("token_edit_distance", "x", json!(["y", "z"]), Some(ids));
    assert_eq!(score, Ok(ItemValue::Number(1.0 / 3.0)));
    assert!(generated("token_edit_distance", "x", json!("y"), None).is_err());
    assert_eq!(token_edit_distance(&[], &[]), 0.0);
    assert_eq!(token_edit_distance(&[], &[1]), 1.0);
}

#[test]
fn several_targets_are_references() {
    assert_eq!(
        generated("bleu", "a", json!(["b", "c"]), None),
        Ok(ItemValue::TextPair {
            references: vec!["b".into(), "c".into()],
            prediction: "a".into(),
        })
    );
    assert_eq!(
        generated("bypass", "a", json!("b"), None),
        Ok(ItemValue::Nothing)
    );
    assert_eq!(
        aggregate(Aggregation::Bypass, &[ItemValue::Nothing]),
        Ok(999.0)
    );
}

#[test]
fn every_metric_is_computed_for_the_kinds_it_claims_and_no_other() {
    let choices = [option("a", -1.0, 1), option("b", -2.0, 1)];
    let target = TargetScore {
        logprob: -3.0,
        is_greedy: true,
        n_tokens: 4,
        n_chars: 9,
        n_bytes: 9,
    };
    let ids = vec![vec![1]];
    let answers = FilterValue::List(vec!["a".into(); 100]);
    for metric in metrics() {
        let result = match metric.pass_k() {
            Some(_) => answers.clone(),
            None => "a".into(),
        };
        let one = [MetricRequest::plain(metric)];
        for kind in OutputKind::ALL {
            let scores = match kind {
                OutputKind::MultipleChoice => score_choices(
                    &ChoicesResponse {
                        choices: &choices,
                        gold: &Gold::Index(1),
                    },
                    &one,
                )
                .unwrap(),
                OutputKind::Loglikelihood => score_loglikelihood(&target, &one),
                OutputKind::Rolling => score_rolling("a b", &target, &one),
                OutputKind::Generate => score_generation(
                    &GenerationResponse {
                        result: &result,
                        gold: &"b".into(),
                        choices: None,
                        multiple_targets: false,
                        token_ids: Some(TokenIds {
                            prediction: &[1],
                            targets: &ids,
                        }),
                    },
                    &one,
                )
                .unwrap(),
            };
            assert_eq!(
                scores.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
                // Of a generated answer it needs the target's own likelihood, which is asked apart.
                if metric.applies_to(kind)
                    && (kind, metric.name) != (OutputKind::Generate, "target_logprob_per_token")
                {
                    vec![metric.name]
                } else {
                    vec![]
                },
                "{} {kind:?}",
                metric.name
            );
            // All but `likelihood`, which nothing aggregates.
            if let Some((_, value)) = scores.into_iter().next() {
                let score = aggregate(metric.aggregation, &[value.clone(), value]);
                assert_eq!(score.is_ok(), metric.name != "likelihood", "{score:?}");
                if let (Ok(score), true) = (score, metric.name != "bypass") {
                    assert!(
                        metric.range.0.is_none_or(|low| score >= low),
                        "{}",
                        metric.name
                    );
                    assert!(
                        metric.range.1.is_none_or(|high| score <= high),
                        "{}",
                        metric.name
                    );
                }
            }
        }
        assert_eq!(find(metric.name), Some(metric));
        assert_eq!(
            Aggregation::parse(metric.aggregation.name()),
            Ok(metric.aggregation)
        );
    }
    for kind in OutputKind::ALL {
        assert_eq!(OutputKind::parse(kind.name()), Some(kind));
        for name in kind.default_metrics() {
            assert!(find(name).unwrap().applies_to(kind));
        }
    }
}

#[test]
fn chance_is_the_score_of_equal_probabilities() {
    let choices = ["a", "b", "c", "d"].map(|text| option(text, -2.0, 1));
    for name in ["choice_prob", "brier_multiclass", "entropy"] {
        let score = choice_number(name, &choices, &Gold::Index(2)).unwrap();
        let chance = find(name).unwrap().chance.value(Some(4.0), None).unwrap();
        assert!((score - chance).abs() < 1e-12, "{name}: {score} {chance}");
    }
    let acc = find("acc").unwrap();
    assert_eq!(
        acc.chance_for(OutputKind::MultipleChoice),
        Chance::OneOverOptions
    );
    assert_eq!(acc.chance_for(OutputKind::Loglikelihood), Chance::Zero);
    assert_eq!(Chance::OneOverOptions.value(None, None), None);
}

#[test]
fn errors_are_one_line_and_name_the_place() {
    let map = |value: Value| value.as_object().unwrap().clone();
    let filter = |name: &str, options: Value| Filter::new(name, &map(options)).unwrap_err();
    let metric = |name: &str, options: Value| MetricRequest::new(name, &map(options)).unwrap_err();
    let labels = |pairs: &[(i64, i64)]| -> Vec<ItemValue> {
        let label = |&(gold, predicted)| ItemValue::Labels { gold, predicted };
        pairs.iter().map(label).collect()
    };
    let several = score_choices(
        &ChoicesResponse {
            choices: &[option("a", -1.0, 1)],
            gold: &Gold::Many(vec![0]),
        },
        &[request("brier_score")],
    );
    let errors = [
        (filter("custom", json!({})), "custom"),
        (filter("!function utils.F", json!({})), "!function"),
        (filter("regexp", json!({})), "regexp"),
        (
            filter("regex", json!({"regex_patern": "a"})),
            "regex_patern",
        ),
        (filter("regex", json!({"regex_pattern": "("})), "("),
        (
            filter("regex", json!({"group_select": "x"})),
            "group_select",
        ),
        (filter("take_first", json!({"k": 1})), "`k`"),
        (filter("take_first_k", json!({})), "`k`"),
        (metric("bleurt", json!({})), "bleurt"),
        (
            metric("exact_match", json!({"ignore_cases": true})),
            "ignore_cases",
        ),
        (
            metric("exact_match", json!({"regexes_to_ignore": ["["]})),
            "[",
        ),
        (Aggregation::parse("max").unwrap_err(), "max"),
        (several.unwrap_err(), "brier_score"),
        (aggregate(Aggregation::Mean, &[]).unwrap_err(), "mean"),
        (
            aggregate(Aggregation::Mean, &[ItemValue::Nothing]).unwrap_err(),
            "item 0",
        ),
        (
            aggregate(Aggregation::F1, &labels(&[(0, 2)])).unwrap_err(),
            "f1",
        ),
        (
            aggregate(Aggregation::F1, &labels(&[(0, 1), (2, 1)])).unwrap_err(),
            "f1",
        ),
    ];
    for (error, expected) in errors {
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

#[test]
fn a_missing_list_of_choices_names_the_document() {
    let pipeline = FilterPipeline::new("f", [("multi_choice_regex", &no_options())]).unwrap();
    assert!(pipeline.needs_choices());
    let error = pipeline.apply(&[vec!["a".into()]], &[]).unwrap_err();
    assert!(error.to_string().contains("document 0"), "{error}");
}

#[test]
fn bootstraps_do_not_depend_on_threads() {
    let items: Vec<ItemValue> = (0..40)
        .map(|i| ItemValue::Number(-f64::from(i).sqrt()))
        .collect();
    let on = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build()
            .unwrap();
        pool.install(|| {
            stderr(Aggregation::Perplexity, &items, 4000)
                .unwrap()
                .unwrap()
        })
    };
    let one = on(1);
    assert!(one > 0.0);
    assert_eq!(one.to_bits(), on(2).to_bits());
    assert_eq!(one.to_bits(), on(7).to_bits());
}

#[test]
fn undefined_standard_errors_are_none() {
    let numbers = |n: usize| vec![ItemValue::Number(1.0); n];
    assert_eq!(stderr(Aggregation::Mean, &numbers(1), 10), Ok(None));
    assert_eq!(stderr(Aggregation::Mean, &numbers(3), 0), Ok(None));
    assert_eq!(stderr(Aggregation::Mean, &numbers(3), 1), Ok(Some(0.0)));
    assert_eq!(stderr(Aggregation::Perplexity, &numbers(3), 1), Ok(None));
    assert_eq!(stderr(Aggregation::BrierScore, &numbers(3), 10), Ok(None));
}

proptest! {
    /// Against the definition by recursion.
    #[test]
    fn levenshtein_is_the_fewest_edits(
        a in prop::collection::vec(0u8..3, 0..6),
        b in prop::collection::vec(0u8..3, 0..6),
    ) {
        fn fewest(a: &[u8], b: &[u8]) -> usize {
            match (a, b) {
                ([], rest) | (rest, []) => rest.len(),
                ([x, a_rest @ ..], [y, b_rest @ ..]) => {
                    (fewest(a_rest, b_rest) + usize::from(x != y))
                        .min(fewest(a_rest, b) + 1)
                        .min(fewest(a, b_rest) + 1)
                }
            }
        }
        prop_assert_eq!(levenshtein(&a, &b), fewest(&a, &b));
    }

    /// No text and no pattern makes a filter panic.
    #[test]
    fn filters_do_not_panic(pattern in "[a-c()|*+?\\[\\]{},0-9\\\\^$]{0,8}", text in ".{0,20}") {
        let options = json!({"regex_pattern": pattern});
        if let Ok(filter) = Filter::new("regex", options.as_object().unwrap()) {
            let pipeline = FilterPipeline { name: "f".into(), filters: vec![filter] };
            let _ = pipeline.apply(&[vec![text.as_str().into()]], &[]);
        }
        for name in ["format_span", "regex_pos", "lowercase", "remove_whitespace"] {
            let pipeline = FilterPipeline::new("f", [(name, &Map::new())]).unwrap();
            prop_assert!(pipeline.apply(&[vec![text.as_str().into()]], &[]).is_ok());
        }
    }
}
