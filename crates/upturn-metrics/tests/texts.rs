//! Metrics of texts and calibration equal their Python originals'.
//!
//! The fixture is made by `scripts/check_metrics.py`.

use std::path::Path;

use serde_json::{Map, Value};
use upturn_metrics::{
    CorpusMetric, FilterValue, GenerationResponse, ItemValue, MetricRequest, answer_number,
    calibration_error, corpus_score, pass_at_k, porter_stem, score_generation,
};

fn fixture() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/texts.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().unwrap().iter();
    all.map(|v| v.as_str().unwrap().to_owned()).collect()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

fn request(name: &str) -> MetricRequest {
    MetricRequest::new(name, &Map::new()).unwrap()
}

fn score(name: &str, result: &FilterValue, golds: &[String]) -> Result<f64, String> {
    let gold = FilterValue::List(golds.iter().map(|g| g.as_str().into()).collect());
    let response = GenerationResponse {
        result,
        gold: &gold,
        choices: None,
        multiple_targets: true,
        token_ids: None,
    };
    match &score_generation(&response, &[request(name)]).map_err(|e| e.to_string())?[..] {
        [(got, ItemValue::Number(x))] if *got == name => Ok(*x),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn rouge_and_squad_equal_the_originals() {
    let mut wrong = Vec::new();
    let mut n = 0;
    for case in fixture()["texts"].as_array().unwrap() {
        let prediction = case["prediction"].as_str().unwrap();
        let references = texts(&case["references"]);
        for (name, expected) in case["values"].as_object().unwrap() {
            let got = score(name, &prediction.into(), &references).unwrap();
            n += 1;
            if !near(got, expected.as_f64().unwrap()) {
                wrong.push(format!(
                    "{name} {prediction:?} {references:?}: {got} {expected}"
                ));
            }
        }
    }
    assert!(n > 1000, "{n}");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn chrf_plus_plus_equals_the_original() {
    for case in fixture()["chrf"].as_array().unwrap() {
        let predictions = texts(&case["predictions"]);
        let references: Vec<Vec<String>> = texts(&case["references"])
            .into_iter()
            .map(|r| vec![r])
            .collect();
        let segments: Vec<(&str, &[String])> = predictions
            .iter()
            .zip(&references)
            .map(|(p, r)| (p.as_str(), r.as_slice()))
            .collect();
        let got = corpus_score(CorpusMetric::ChrfPlusPlus, &segments).unwrap();
        assert!(near(got, case["chrf++"].as_f64().unwrap()), "{got} {case}");
    }
}

#[test]
fn stems_equal_nltks() {
    let fixture = &fixture()["porter"];
    for pair in fixture["stems"].as_array().unwrap() {
        let pair = texts(pair);
        assert_eq!(porter_stem(&pair[0]), pair[1], "{}", pair[0]);
    }
    let parts = |key: &str| texts(&fixture[key]);
    let (starts, middles, ends) = (parts("starts"), parts("middles"), parts("ends"));
    let others: Vec<String> = std::iter::once(String::new())
        .chain(middles.clone())
        .collect();
    let (mut hash, mut n) = (0u128, 0u64);
    for start in &starts {
        for middle in &middles {
            for other in &others {
                for end in &ends {
                    n += 1;
                    let stem = porter_stem(&format!("{start}{middle}{other}{end}"));
                    for byte in stem.bytes().chain(*b"\n") {
                        hash = (hash * 1_000_003 + u128::from(byte) + 1) % ((1 << 61) - 1);
                    }
                }
            }
        }
    }
    assert_eq!(n, fixture["n"].as_u64().unwrap());
    assert_eq!(hash.to_string(), fixture["digest"].as_str().unwrap());
}

#[test]
fn calibration_errors_equal_the_originals() {
    let mut items: Vec<(f64, bool)> = Vec::new();
    for case in fixture()["calibration"].as_array().unwrap() {
        if let Some(confidence) = case["confidence"].as_array() {
            let correct = case["correct"].as_array().unwrap();
            items = confidence
                .iter()
                .zip(correct)
                .map(|(p, c)| (p.as_f64().unwrap(), c.as_bool().unwrap()))
                .collect();
        }
        let n_bins = case["n_bins"].as_u64().unwrap() as usize;
        for (adaptive, key) in [(false, "ece"), (true, "ece_adaptive")] {
            let got = calibration_error(&items, n_bins, adaptive);
            assert!(
                near(got, case[key].as_f64().unwrap()),
                "{key} {got} {}",
                case[key]
            );
        }
    }
}

#[test]
fn calibration_does_not_depend_on_the_order_of_items() {
    let items: Vec<(f64, bool)> = (0..97)
        .map(|i| (f64::from(i % 7) / 6.0, i % 3 == 0))
        .collect();
    let mut turned = items.clone();
    turned.rotate_left(31);
    for adaptive in [false, true] {
        let (a, b) = (
            calibration_error(&items, 10, adaptive),
            calibration_error(&turned, 10, adaptive),
        );
        assert_eq!(a.to_bits(), b.to_bits());
    }
    // Always sure, right in one of two: off by half.
    let sure = [(1.0, true), (1.0, false)];
    assert!(near(calibration_error(&sure, 10, false), 0.5));
    assert!(near(calibration_error(&sure, 1, true), 0.5));
}

#[test]
fn pass_at_k_equals_the_original() {
    for case in fixture()["pass_at_k"].as_array().unwrap() {
        let n = |i: usize| case[i].as_u64().unwrap() as usize;
        let got = pass_at_k(n(0), n(1), n(2)).unwrap();
        assert!(
            (got - case[3].as_f64().unwrap()).abs() < 1e-12,
            "{case} {got}"
        );
    }
    for (n, right, k) in [(3, 1, 0), (3, 1, 4), (3, 4, 1)] {
        assert_eq!(pass_at_k(n, right, k), None);
    }
}

#[test]
fn pass_at_k_counts_answers_of_an_item() {
    let answers = FilterValue::List(["4", "5", "4", "6", "7"].map(FilterValue::from).to_vec());
    let golds = ["4".to_owned()];
    assert!(near(score("pass@1", &answers, &golds).unwrap(), 0.4));
    // 1 − C(3, 2) / C(5, 2).
    assert!(near(score("pass@2", &answers, &golds).unwrap(), 0.7));
    let error = score("pass@10", &answers, &golds).unwrap_err();
    assert!(
        error.contains("needs 10 answers per item, got 5"),
        "{error}"
    );
}

#[test]
fn numbers_of_answers() {
    let cases: &[(&str, Option<f64>)] = &[
        ("", None),
        ("no number", None),
        ("42", Some(42.0)),
        ("The answer is 42.", Some(42.0)),
        ("3 + 4 = 7", Some(7.0)),
        ("7-4", Some(4.0)),
        ("it is -4", Some(-4.0)),
        ("it is −4", Some(-4.0)),
        ("= -4.", Some(-4.0)),
        ("(-3)", Some(-3.0)),
        ("$1,234.50", Some(1234.5)),
        ("-$5", Some(-5.0)),
        ("$-5", Some(-5.0)),
        ("\\$1{,}234", Some(1234.0)),
        ("€ 1 234 567", Some(567.0)),
        ("€ 1\u{202f}234\u{202f}567", Some(1_234_567.0)),
        ("12,34", Some(34.0)),
        ("1,2345", Some(2345.0)),
        ("1,234,567", Some(1_234_567.0)),
        (".5", Some(0.5)),
        ("5.", Some(5.0)),
        ("1.5e3", Some(1500.0)),
        ("2 eggs", Some(2.0)),
        ("2 \\times 10^{6}", Some(2e6)),
        ("3 × 10^-2 m", Some(0.03)),
        ("3/4", Some(0.75)),
        ("-3/4", Some(-0.75)),
        ("1 3/4 cups", Some(1.75)),
        ("1¾", Some(1.75)),
        ("½", Some(0.5)),
        ("3/0", Some(0.0)),
        ("on 1/2/2024", Some(2024.0)),
        ("\\frac{3}{4}", Some(0.75)),
        ("-\\dfrac{ 1 }{ 8 }", Some(-0.125)),
        ("\\boxed{5} and 6 more", Some(5.0)),
        ("\\boxed{1}, then \\boxed{-\\frac{1}{2}} of 9", Some(-0.5)),
        ("\\boxed{x} so 9", Some(9.0)),
        ("\\boxed{5 never closes 6", Some(6.0)),
        ("50%", Some(50.0)),
        ("50 \\%", Some(50.0)),
        ("x2", None),
        ("答案是42。", Some(42.0)),
        ("١٢٣", Some(123.0)),
        ("４２", Some(42.0)),
        ("99999999999999999999999999", Some(1e26)),
        ("1e99999", Some(1.0)),
        ("🙂7🙂", Some(7.0)),
    ];
    for (text, expected) in cases {
        let got = answer_number(text).map(|n| n.value);
        match (got, expected) {
            (Some(a), Some(b)) => assert!((a - b).abs() <= 1e-12 * b.abs(), "{text}: {a} {b}"),
            _ => assert_eq!(got, *expected, "{text}"),
        }
    }
}

#[test]
fn numbers_are_compared_by_value() {
    let golds = |gold: &str| vec![gold.to_owned()];
    for (answer, gold, right) in [
        ("That makes $1,234.50", "1234.5", 1.0),
        ("so 50%", "0.5", 1.0),
        ("so 50%", "50", 1.0),
        ("so 50%", "50%", 1.0),
        ("so 50", "0.5", 0.0),
        ("\\boxed{\\frac{3}{4}}", "0.75", 1.0),
        ("0.333", "1/3", 0.0),
        ("#### 18", "19", 0.0),
        ("nothing", "19", 0.0),
        (" pi ", "pi", 1.0),
    ] {
        let got = score("numeric_match", &answer.into(), &golds(gold)).unwrap();
        assert!(near(got, right), "{answer} {gold}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,40}|[-+$0-9,./%\\\\{} e×^]{0,40}") {
        let _ = answer_number(&text);
        let golds = [text.clone()];
        for name in ["rouge1", "rougeLsum_stem", "squad_f1", "squad_em", "numeric_match"] {
            let x = score(name, &text.as_str().into(), &golds).unwrap();
            proptest::prop_assert!((0.0..=1.0 + 1e-12).contains(&x));
            if name.starts_with("squad") || name == "numeric_match" {
                proptest::prop_assert!(near(x, 1.0) , "{} {}", name, x);
            }
        }
    }
}
