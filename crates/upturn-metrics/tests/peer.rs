//! Results equal the peers' own (lm-evaluation-harness 0.4.13, CPython 3.11, sacreBLEU 2.6).
//!
//! The fixtures are made by `make_fixtures.py` beside this file.

use std::path::Path;

use serde_json::{Map, Value};
use upturn_metrics::{
    Aggregation, ChoicesResponse, CorpusMetric, FilterPipeline, FilterValue, FoundText,
    GenerationResponse, Gold, ItemValue, MetricRequest, PyRandom, PyRegex, aggregate,
    bootstrap_iterations, corpus_score, group_mean, pooled_stderr, score_choices, score_generation,
    score_rolling, stderr, tokenize_13a, tokenize_ter, unweighted_stderr,
};
use upturn_types::{ChoiceScore, TargetScore};

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("nan") => f64::NAN,
        _ => value.as_f64().unwrap(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn indices(value: &Value) -> Vec<usize> {
    list(value)
        .iter()
        .map(|v| v.as_u64().unwrap() as usize)
        .collect()
}

/// Equal but for the last digits.
fn close(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3)
}

fn requests(names: &[&str]) -> Vec<MetricRequest> {
    names
        .iter()
        .map(|name| MetricRequest::new(name, &Map::new()).unwrap())
        .collect()
}

/// Folds whole numbers into one, as the script does.
fn digest(numbers: impl IntoIterator<Item = usize>) -> u64 {
    let modulus = (1u128 << 61) - 1;
    numbers
        .into_iter()
        .fold(0u128, |h, n| (h * 1_000_003 + n as u128 + 1) % modulus) as u64
}

#[test]
fn random_draws() {
    let all = fixture("random");
    for case in list(&all["detailed"]) {
        let mut r = PyRandom::new(text(&case["seed"]).parse().unwrap());
        let strings = |key: &str| -> Vec<u64> {
            let values = list(&case[key]).iter();
            values.map(|v| text(v).parse().unwrap()).collect()
        };
        for expected in strings("random") {
            assert_eq!((r.random() * 9_007_199_254_740_992.0) as u64, expected);
        }
        let sizes = [1, 5, 31, 32, 33, 53, 63, 64];
        assert_eq!(sizes.map(|k| r.getrandbits(k)).to_vec(), strings("bits"));
        let sizes = [1, 2, 3, 10, 1 << 32, (1 << 32) + 1, 1 << 40];
        assert_eq!(sizes.map(|n| r.randbelow(n)).to_vec(), strings("below"));
        assert_eq!(r.sample(100, 7), indices(&case["sample"]));
        assert_eq!(r.choices(37, 9), indices(&case["choices"]));
        let mut items: Vec<usize> = (0..12).collect();
        r.shuffle(&mut items);
        assert_eq!(items, indices(&case["shuffle"]));
    }
    for case in list(&all["digests"]) {
        let n = case[0].as_u64().unwrap() as usize;
        let k = case[1].as_u64().unwrap() as usize;
        let mut total = 0u64;
        for seed in 0..100 {
            let mut r = PyRandom::new(seed);
            let mut items: Vec<usize> = (0..n).collect();
            r.shuffle(&mut items);
            let drawn = [r.sample(n, k), r.choices(n, k), items].concat();
            total = (total + digest(drawn)) % (1 << 61);
        }
        assert_eq!(total.to_string(), text(&case[2]), "{n} {k}");
    }
}

#[test]
fn regular_expressions() {
    let mut wrong = Vec::new();
    for case in list(&fixture("regex")) {
        let (pattern, input) = (text(&case[0]), text(&case[1]));
        let regex = match PyRegex::new(pattern) {
            Ok(regex) => regex,
            Err(e) => {
                wrong.push(format!("{pattern}: {e}"));
                continue;
            }
        };
        let found: Vec<Value> = regex
            .find_all(input)
            .unwrap()
            .into_iter()
            .map(|found| match found {
                FoundText::One(text) => Value::from(text),
                FoundText::Groups(groups) => Value::from(groups),
            })
            .collect();
        let found = Value::from(found);
        let removed = regex.remove_all(input).unwrap();
        if found != case[2] || removed != text(&case[3]) {
            wrong.push(format!(
                "{pattern:?} on {input:?}: {found} (expected {}), {removed:?}",
                case[2]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn filters() {
    for case in list(&fixture("filters")) {
        let steps: Vec<(&str, &Map<String, Value>)> = list(&case["steps"])
            .iter()
            .map(|step| (text(&step[0]), step[1].as_object().unwrap()))
            .collect();
        let pipeline = FilterPipeline::new("f", steps).unwrap();
        let responses: Vec<Vec<FilterValue>> = list(&case["responses"])
            .iter()
            .map(|doc| list(doc).iter().map(FilterValue::from_json).collect())
            .collect();
        let choices: Vec<Option<Vec<String>>> = match case["choices"].as_array() {
            None => Vec::new(),
            Some(docs) => docs
                .iter()
                .map(|doc| Some(list(doc).iter().map(|c| text(c).to_owned()).collect()))
                .collect(),
        };
        match pipeline.apply(&responses, &choices) {
            Ok(out) => {
                let out = Value::Array(out.iter().map(FilterValue::to_json).collect());
                assert_eq!(out, case["out"], "{case}");
            }
            Err(e) => assert!(case["out"].get("error").is_some(), "{e}: {case}"),
        }
    }
}

#[test]
fn choices_of_an_item() {
    let names = [
        "acc",
        "acc_norm",
        "acc_bytes",
        "exact_match",
        "f1",
        "mcc",
        "brier_score",
        "acc_mutual_info",
    ];
    let requests = requests(&names);
    for case in list(&fixture("items")["choices"]) {
        let part = |key: &str, i: usize| case[key][i].clone();
        let choices: Vec<ChoiceScore> = (0..list(&case["choices"]).len())
            .map(|i| {
                let option = part("choices", i);
                let option = text(&option);
                ChoiceScore {
                    text: option.into(),
                    logprob: number(&part("lls", i)) as f32,
                    is_greedy: part("greedy", i).as_bool().unwrap(),
                    n_tokens: 1,
                    n_chars: option.chars().count() as u32,
                    n_bytes: option.len() as u32,
                    unconditional_logprob: Some(number(&part("uncond", i)) as f32),
                    unconditional_is_greedy: Some(false),
                }
            })
            .collect();
        let gold = match &case["gold"] {
            Value::String(text) => Gold::Text(text.clone()),
            Value::Array(all) => Gold::Many(all.iter().map(|i| i.as_i64().unwrap()).collect()),
            index => Gold::Index(index.as_i64().unwrap()),
        };
        let response = ChoicesResponse {
            choices: &choices,
            gold: &gold,
        };
        for request in &requests {
            let expected = &case["out"][request.name()];
            let scored = score_choices(&response, std::slice::from_ref(request));
            if expected.is_null() {
                let several = matches!(gold, Gold::Many(_));
                assert!(several, "{case}");
                continue;
            }
            match &scored.unwrap()[0].1 {
                ItemValue::Number(x) => assert_eq!(*x, number(expected), "{request:?} {case}"),
                ItemValue::Labels { gold, predicted } => {
                    assert_eq!(serde_json::json!([gold, predicted]), *expected, "{case}");
                }
                ItemValue::Probabilities {
                    gold,
                    probabilities,
                } => {
                    assert_eq!(Some(*gold), expected[0].as_i64(), "{case}");
                    let peer = list(&expected[1]);
                    assert_eq!(peer.len(), probabilities.len());
                    for (a, b) in probabilities.iter().zip(peer) {
                        assert!((a - number(b)).abs() < 1e-15, "{case}");
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn generated_texts() {
    for case in list(&fixture("items")["texts"]) {
        let request =
            MetricRequest::new("exact_match", case["options"].as_object().unwrap()).unwrap();
        let choices: Option<Vec<String>> = case["choices"]
            .as_array()
            .map(|all| all.iter().map(|c| text(c).to_owned()).collect());
        let response = GenerationResponse {
            result: &FilterValue::from_json(&case["result"]),
            gold: &FilterValue::from_json(&case["gold"]),
            choices: choices.as_deref(),
            multiple_targets: case["multiple"] != 0,
            token_ids: None,
        };
        match score_generation(&response, std::slice::from_ref(&request)) {
            Ok(scores) => {
                // An answer of None stops the peer; it is a wrong answer here.
                let expected = if case["result"].is_null() {
                    0.0
                } else {
                    number(&case["out"])
                };
                assert_eq!(scores[0].1, ItemValue::Number(expected), "{case}");
            }
            Err(e) => assert!(case["out"].get("error").is_some(), "{e}: {case}"),
        }
    }
}

#[test]
fn rolling_texts() {
    for case in list(&fixture("items")["rolling"]) {
        let target = TargetScore {
            logprob: -3.5,
            is_greedy: false,
            n_tokens: 2,
            n_chars: 0,
            n_bytes: 0,
        };
        let scores = score_rolling(
            text(&case[0]),
            &target,
            &requests(&["word_perplexity", "byte_perplexity"]),
        );
        for (i, (_, value)) in scores.iter().enumerate() {
            let expected = ItemValue::Weighted {
                numerator: -3.5,
                denominator: number(&case[i + 1]),
            };
            assert_eq!(*value, expected, "{case}");
        }
    }
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().map(|r| text(r).to_owned()).collect(),
        one => vec![text(one).to_owned()],
    }
}

#[test]
fn corpora() {
    let all = fixture("corpora");
    for case in list(&all["corpora"]) {
        let segments: Vec<(&str, Vec<String>)> = list(&case["items"])
            .iter()
            .map(|item| (text(&item[1]), references(&item[0])))
            .collect();
        let segments: Vec<(&str, &[String])> =
            segments.iter().map(|(t, r)| (*t, r.as_slice())).collect();
        for (name, metric) in [
            ("bleu", CorpusMetric::Bleu),
            ("chrf", CorpusMetric::Chrf),
            ("chrf++", CorpusMetric::ChrfPlusPlus),
            ("ter", CorpusMetric::Ter),
        ] {
            let ours = corpus_score(metric, &segments).unwrap();
            let peers = number(&case["out"][name]);
            assert!(close(ours, peers), "{name}: {ours} {peers} {segments:?}");
        }
    }
    for case in list(&all["ter_long"]).iter().chain(list(&all["ter_short"])) {
        let ours = corpus_score(
            CorpusMetric::Ter,
            &[(text(&case[1]), &references(&case[0]))],
        );
        let peers = number(&case[2]);
        assert!(close(ours.unwrap(), peers), "{ours:?} {peers} {case}");
    }
    for case in list(&all["tokens"]) {
        assert_eq!(tokenize_13a(text(&case[0])), text(&case[1]));
        assert_eq!(tokenize_ter(text(&case[0])), text(&case[2]));
    }
}

/// The item that the script's value stands for.
fn item(aggregation: Aggregation, value: &Value) -> ItemValue {
    match aggregation {
        Aggregation::F1 | Aggregation::MatthewsCorrcoef => ItemValue::Labels {
            gold: value[0].as_i64().unwrap(),
            predicted: value[1].as_i64().unwrap(),
        },
        Aggregation::WeightedPerplexity | Aggregation::BitsPerByte => ItemValue::Weighted {
            numerator: number(&value[0]),
            denominator: number(&value[1]),
        },
        Aggregation::BrierScore => ItemValue::Probabilities {
            gold: value[0].as_i64().unwrap(),
            probabilities: list(&value[1]).iter().map(number).collect(),
        },
        Aggregation::Bleu | Aggregation::Chrf | Aggregation::ChrfPlusPlus | Aggregation::Ter => {
            ItemValue::TextPair {
                references: references(&value[0]),
                prediction: text(&value[1]).to_owned(),
            }
        }
        _ => ItemValue::Number(number(value)),
    }
}

#[test]
fn scores_and_standard_errors() {
    let all = fixture("stderr");
    for case in list(&all["cases"]) {
        let aggregation = Aggregation::parse(text(&case["aggregation"])).unwrap();
        let items: Vec<ItemValue> = list(&case["items"])
            .iter()
            .map(|value| item(aggregation, value))
            .collect();
        let what = format!(
            "{} {} {}",
            case["metric"],
            aggregation.name(),
            case["iterations"]
        );
        let value = aggregate(aggregation, &items).unwrap();
        assert!(
            close(value, number(&case["value"])),
            "{what}: {value} {}",
            case["value"]
        );
        let iterations = case["iterations"].as_u64().unwrap() as u32;
        let iterations = bootstrap_iterations(text(&case["metric"]), iterations);
        let error = stderr(aggregation, &items, iterations).unwrap();
        match (error, &case["stderr"]) {
            (None, Value::Null) => {}
            (Some(ours), peers) if !peers.is_null() => {
                assert!(close(ours, number(peers)), "{what}: {ours} {peers}");
            }
            (ours, peers) => panic!("{what}: {ours:?} {peers}"),
        }
    }
    let questions = &all["acc_all"];
    let items: Vec<ItemValue> = list(&questions["answers"])
        .iter()
        .map(|answer| ItemValue::Answer {
            paragraph: answer[0].as_i64().unwrap(),
            question: answer[1].as_i64().unwrap(),
            correct: answer[2].as_bool().unwrap(),
        })
        .collect();
    let value = aggregate(Aggregation::AccAll, &items).unwrap();
    assert!(close(value, number(&questions["value"])));
    let error = stderr(Aggregation::AccAll, &items, 1).unwrap().unwrap();
    assert!(close(error, number(&questions["stderr"])));
}

#[test]
fn groups() {
    for case in list(&fixture("stderr")["groups"]) {
        let numbers = |key: &str| -> Vec<f64> { list(&case[key]).iter().map(number).collect() };
        let (values, errors) = (numbers("values"), numbers("errors"));
        let sizes: Vec<u64> = list(&case["sizes"])
            .iter()
            .map(|n| n.as_u64().unwrap())
            .collect();
        for (ours, peers) in [
            (group_mean(&values, &sizes, true), "weighted"),
            (group_mean(&values, &sizes, false), "unweighted"),
            (pooled_stderr(&errors, &sizes), "pooled"),
            (unweighted_stderr(&errors), "plain"),
        ] {
            assert!(close(ours.unwrap(), number(&case[peers])), "{peers} {case}");
        }
    }
}
