//! Requests that cannot be answered, and models that cannot answer: one line each, no panic.

#[path = "company/models.rs"]
#[allow(dead_code, reason = "shared with the tests of precision")]
mod models;
#[path = "company/requests.rs"]
#[allow(dead_code, reason = "shared with the tests of company")]
mod requests;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use models::{Kind, Tensor, read_weights, write_weights};
use serde_json::{Map, json};
use tempfile::TempDir;
use upturn_engine::score::Limits;
use upturn_engine::trie::Sequence;
use upturn_engine::{Model, ModelOptions};
use upturn_types::{
    FinishReason, Flow, GenerateOptions, GenerateRequest, Generation, LanguageModel, LmError,
    Loglikelihood, LoglikelihoodRequest, RollingRequest, Text,
};

/// Words `w0` to `w89` are tokens 2 to 91; `<s>` begins texts that are empty and `</s>` ends
/// them; `far` has an id that the model has no embedding for.
fn write_tokenizer(dir: &Path) {
    let mut vocab = Map::from_iter([
        ("<s>".to_owned(), json!(0)),
        ("</s>".to_owned(), json!(1)),
        ("far".to_owned(), json!(5000)),
    ]);
    for i in 0..90 {
        vocab.insert(format!("w{i}"), json!(i + 2));
    }
    let special = |id: usize, content: &str| {
        json!({
            "id": id, "content": content, "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false,
        })
    };
    let tokenizer = json!({
        "version": "1.0",
        "added_tokens": [special(0, "<s>"), special(1, "</s>")],
        "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null,
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "</s>"},
    });
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "</s>",
    });
    for (name, value) in [
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", config),
    ] {
        fs::write(dir.join(name), value.to_string()).unwrap();
    }
}

/// The llama fixture with a tokenizer, and its weights changed.
fn folder(change: impl Fn(&mut Tensor)) -> TempDir {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/architectures/llama");
    let dir = TempDir::new().unwrap();
    fs::copy(fixture.join("config.json"), dir.path().join("config.json")).unwrap();
    let mut tensors = read_weights(&fixture);
    tensors.iter_mut().for_each(change);
    write_weights(dir.path(), &tensors, Kind::F32);
    write_tokenizer(dir.path());
    dir
}

fn model(options: ModelOptions) -> Model {
    let dir = folder(|_| {});
    Model::load(dir.path(), options).unwrap()
}

fn short(max_length: usize) -> Model {
    model(ModelOptions {
        max_length: Some(max_length),
        ..ModelOptions::default()
    })
}

/// `n` words, never the same twice in a row.
fn words(first: usize, n: usize) -> String {
    let words: Vec<String> = (0..n)
        .map(|i| format!("w{}", (first + 7 * i) % 90))
        .collect();
    words.join(" ")
}

fn pair(context: &str, continuation: &str) -> LoglikelihoodRequest {
    LoglikelihoodRequest {
        context: Text::from(context),
        continuation: Text::from(continuation),
    }
}

fn prompt(context: &str, max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        context: Text::from(context),
        options: Arc::new(GenerateOptions {
            max_tokens: Some(max_tokens),
            ..GenerateOptions::default()
        }),
        seed: 0,
    }
}

fn rolling(text: &str) -> RollingRequest {
    RollingRequest {
        text: Text::from(text),
    }
}

/// One call of a model with a closure that goes on, and what it was given.
fn scored(
    model: &Model,
    asked: &[LoglikelihoodRequest],
) -> Result<Vec<(usize, Loglikelihood)>, LmError> {
    let mut found = Vec::new();
    model.loglikelihood(asked, &mut |i, l| {
        found.push((i, l));
        Flow::Continue(())
    })?;
    found.sort_by_key(|f| f.0);
    Ok(found)
}

fn rolled(model: &Model, asked: &[RollingRequest]) -> Result<Vec<(usize, Loglikelihood)>, LmError> {
    let mut found = Vec::new();
    model.loglikelihood_rolling(asked, &mut |i, l| {
        found.push((i, l));
        Flow::Continue(())
    })?;
    Ok(found)
}

fn written(model: &Model, asked: &[GenerateRequest]) -> Result<Vec<(usize, Generation)>, LmError> {
    let mut found = Vec::new();
    model.generate(asked, &mut |i, g| {
        found.push((i, g));
        Flow::Continue(())
    })?;
    found.sort_by_key(|f| f.0);
    Ok(found)
}

/// The request that an error names, and that its reason holds all of `parts`.
fn refused<T: std::fmt::Debug>(outcome: Result<T, LmError>, index: usize, parts: &[&str]) {
    match outcome {
        Err(LmError::Request { index: at, reason }) => {
            assert_eq!(at, index, "{reason}");
            says(&reason, parts);
        }
        other => panic!("expected request {index} to be refused, got {other:?}"),
    }
}

fn fails<T: std::fmt::Debug>(outcome: Result<T, LmError>, parts: &[&str]) {
    match outcome {
        Err(LmError::Model(message)) => says(&message, parts),
        other => panic!("expected the model to fail, got {other:?}"),
    }
}

fn says(message: &str, parts: &[&str]) {
    assert!(!message.contains('\n'), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn nothing_asked_is_nothing_done() {
    let model = model(ModelOptions::default());
    let work = model.loglikelihood(&[], &mut |_, _| panic!("nothing was asked"));
    assert_eq!(work, Ok(upturn_types::Work::default()));
    assert_eq!(rolled(&model, &[]), Ok(Vec::new()));
    assert_eq!(written(&model, &[]), Ok(Vec::new()));
}

#[test]
fn empty_continuations_are_refused() {
    let model = model(ModelOptions::default());
    let asked = [pair("w1", " w2"), pair("w1 w2", "")];
    refused(scored(&model, &asked), 1, &["continuation is empty"]);
    let asked = [pair("w1", " w2"), pair("w1", " w3"), pair("w1 w2", "  ")];
    refused(scored(&model, &asked), 2, &["nothing to score"]);
}

#[test]
fn long_contexts_are_cut_on_the_left() {
    let model = short(16);
    let (context, continuation) = (words(3, 40), " w80 w81 w82");
    let found = scored(&model, &[pair(&context, continuation), pair("w1", " w2")]).unwrap();
    // Of 43 tokens the model sees 16 and scores the one after them.
    let tokens = model.tokenize(&format!("{context}{continuation}")).unwrap();
    assert_eq!(tokens.len(), 43);
    let kept = Sequence {
        tokens: tokens[43 - 17..].to_vec(),
        first_scored: 17 - 3,
    };
    let limits = Limits {
        max_rows: 64,
        kv_bytes: 1 << 24,
    };
    let (wanted, _) = requests::run_scores(model.decoder(), &[kept], limits).unwrap();
    let one = found[0].1;
    assert_eq!((one.logprob.to_bits(), one.is_greedy), wanted[0]);
    assert_eq!((one.n_tokens, one.n_truncated), (3, 43 - 17));
    assert_eq!((found[1].1.n_tokens, found[1].1.n_truncated), (1, 0));
    // 17 tokens are all that fit; 18 of continuation are too many.
    assert_eq!(
        scored(&model, &[pair("w5", &format!(" {}", words(0, 16)))]).unwrap()[0]
            .1
            .n_truncated,
        0
    );
    let asked = [pair("w5", &format!(" {}", words(0, 17)))];
    refused(scored(&model, &asked), 0, &["17 tokens", "16"]);
}

#[test]
fn long_prompts_are_cut_on_the_left() {
    let model = short(16);
    let found = written(&model, &[prompt(&words(3, 40), 5), prompt("w1 w2", 5)]).unwrap();
    assert_eq!(found[0].1.n_truncated, 40 - (16 - 5));
    assert_eq!(found[1].1.n_truncated, 0);
    let kept = words(3 + 7 * 29, 11);
    let alone = written(&model, &[prompt(&kept, 5)]).unwrap();
    assert_eq!(alone[0].1.tokens, found[0].1.tokens);
    assert_eq!(alone[0].1.n_truncated, 0);
}

#[test]
fn answers_longer_than_the_model_are_refused() {
    let model = short(16);
    for (max_tokens, parts) in [(16, ["16", "1 to 15"]), (0, ["is 0", "1 to 15"])] {
        let asked = [prompt("w1", 3), prompt("w1", max_tokens)];
        refused(written(&model, &asked), 1, &parts);
    }
    let found = written(&model, &[prompt("w1 w2 w3", 15)]).unwrap();
    assert_eq!(found[0].1.n_truncated, 2);
    assert!(found[0].1.finish != FinishReason::Length || found[0].1.tokens.len() == 15);
}

#[test]
fn tokens_without_an_embedding_are_refused() {
    let model = model(ModelOptions::default());
    let parts = ["token 5000", "96 embeddings"];
    refused(
        scored(&model, &[pair("w1", " w2"), pair("far", " w2")]),
        1,
        &parts,
    );
    refused(scored(&model, &[pair("w1", " far")]), 0, &parts);
    refused(
        rolled(&model, &[rolling(""), rolling("w1 w2 far")]),
        1,
        &parts,
    );
    refused(
        written(&model, &[prompt("w1", 3), prompt("far w1", 3)]),
        1,
        &parts,
    );
}

#[test]
fn tensors_of_nan_are_named() {
    let name = "model.layers.1.mlp.up_proj.weight";
    let dir = folder(|(n, _, numbers)| {
        if n == name {
            numbers[33] = f32::NAN;
        }
    });
    let model = Model::load(dir.path(), ModelOptions::default()).unwrap();
    fails(scored(&model, &[pair("w1", " w2")]), &[name, "NaN"]);
    fails(rolled(&model, &[rolling("w1 w2")]), &[name, "NaN"]);
    fails(written(&model, &[prompt("w1", 3)]), &[name, "NaN"]);
}

#[test]
fn numbers_that_overflow_are_reported() {
    let dir = folder(|(name, _, numbers)| {
        if name == "lm_head.weight" {
            numbers.iter_mut().for_each(|x| *x *= 1e38);
        }
    });
    let model = Model::load(dir.path(), ModelOptions::default()).unwrap();
    fails(scored(&model, &[pair("w1", " w2")]), &["overflow"]);
    fails(written(&model, &[prompt("w1", 3)]), &["overflow"]);
}

#[test]
fn caches_that_are_too_small_name_the_option() {
    let block = 2 * 2 * 16 * (8 + 16) * 4;
    let with = |kv_bytes| {
        model(ModelOptions {
            kv_bytes: Some(kv_bytes),
            ..ModelOptions::default()
        })
    };
    let parts = ["--kv-memory", "16 tokens", "39"];
    let one = with(1);
    assert_eq!(one.decoder().kv_shape().block_bytes(), block);
    fails(scored(&one, &[pair(&words(0, 37), " w1 w2 w3")]), &parts);
    // A short input does with the one block that there always is.
    assert_eq!(scored(&one, &[pair("w1", " w2")]).unwrap().len(), 1);
    let parts = ["--kv-memory", "32 tokens", "37"];
    fails(
        written(&with(2 * block as u64), &[prompt(&words(0, 37), 20)]),
        &parts,
    );
    // 37 tokens are three blocks; of an answer of 18, 17 are inputs: two.
    fails(
        written(&with(4 * block as u64), &[prompt(&words(0, 37), 18)]),
        &["--kv-memory"],
    );
    let enough = written(&with(5 * block as u64), &[prompt(&words(0, 37), 18)]).unwrap();
    assert_eq!(enough.len(), 1);
}

#[test]
fn a_caller_can_stop() {
    let model = model(ModelOptions::default());
    let asked: Vec<_> = (0..9).map(|i| pair("w1", &format!(" w{i}"))).collect();
    let mut calls = 0;
    let outcome = model.loglikelihood(&asked, &mut |_, _| {
        calls += 1;
        if calls == 3 {
            Flow::Break(())
        } else {
            Flow::Continue(())
        }
    });
    assert_eq!((outcome, calls), (Err(LmError::Stopped), 3));
    for texts in [["", "w1"], ["w1 w2", "w3"]] {
        let mut calls = 0;
        let outcome = model.loglikelihood_rolling(&texts.map(rolling), &mut |_, _| {
            calls += 1;
            Flow::Break(())
        });
        assert_eq!((outcome, calls), (Err(LmError::Stopped), 1));
    }
    let asked: Vec<_> = (0..9).map(|i| prompt(&format!("w{i}"), 1 + i)).collect();
    let mut calls = 0;
    let outcome = model.generate(&asked, &mut |_, _| {
        calls += 1;
        if calls == 4 {
            Flow::Break(())
        } else {
            Flow::Continue(())
        }
    });
    assert_eq!((outcome, calls), (Err(LmError::Stopped), 4));
}

#[test]
fn empty_texts_are_certain() {
    let model = model(ModelOptions::default());
    let found = rolled(&model, &[rolling("w1 w2 w3"), rolling("")]).unwrap();
    assert_eq!(found.len(), 2);
    let (_, empty) = found.iter().find(|f| f.0 == 1).unwrap();
    assert_eq!(
        (empty.logprob, empty.is_greedy, empty.n_tokens),
        (0.0, true, 0)
    );
    let (_, text) = found.iter().find(|f| f.0 == 0).unwrap();
    // Every word is scored, the first after the prefix token.
    assert_eq!(text.n_tokens, 3);
    let pairs = scored(&model, &[pair("", "w1 w2 w3")]).unwrap();
    assert_eq!(text.logprob.to_bits(), pairs[0].1.logprob.to_bits());
    // An empty prompt is the prefix token.
    let found = written(&model, &[prompt("", 4), prompt("<s>", 4)]).unwrap();
    assert_eq!(found[0].1.tokens, found[1].1.tokens);
}

#[test]
fn odd_options_choose_a_token_all_the_same() {
    let model = model(ModelOptions::default());
    let sampled = GenerateOptions {
        do_sample: true,
        max_tokens: Some(4),
        ..GenerateOptions::default()
    };
    let greedy = GenerateOptions {
        max_tokens: Some(4),
        until: vec![String::new()],
        ..GenerateOptions::default()
    };
    let with = |change: &dyn Fn(&mut GenerateOptions)| {
        let mut options = sampled.clone();
        change(&mut options);
        options
    };
    let ways = [
        greedy,
        with(&|o| o.temperature = 0.0),
        with(&|o| o.temperature = 1e-30),
        with(&|o| o.top_p = 1e-6),
        with(&|o| o.top_k = 1),
        with(&|o| o.min_p = 1.0),
        with(&|o| o.top_k = u32::MAX),
        with(&|o| o.temperature = 1e30),
    ];
    let asked: Vec<GenerateRequest> = ways
        .into_iter()
        .map(|options| GenerateRequest {
            context: Text::from("w1 w2 w3"),
            options: Arc::new(options),
            seed: 3,
        })
        .collect();
    let found = written(&model, &asked).unwrap();
    assert_eq!(found.len(), asked.len());
    for (i, answer) in &found {
        assert!(!answer.tokens.is_empty());
        // All but the last two leave one token to choose from.
        if *i < asked.len() - 2 {
            assert_eq!(answer.tokens, found[0].1.tokens, "way {i}");
        }
    }
}

#[test]
fn options_that_say_nothing_are_refused_by_name() {
    let model = model(ModelOptions::default());
    type Change = fn(&mut GenerateOptions);
    let ways: [(&str, Change); 7] = [
        ("temperature", |o| o.temperature = f32::NAN),
        ("temperature", |o| o.temperature = f32::INFINITY),
        ("temperature", |o| o.temperature = -1.0),
        ("top_p", |o| o.top_p = 0.0),
        ("top_p", |o| o.top_p = 5.0),
        ("min_p", |o| o.min_p = 2.0),
        ("repetition_penalty", |o| o.repetition_penalty = 0.0),
    ];
    for (name, change) in ways {
        let mut options = GenerateOptions {
            max_tokens: Some(4),
            ..GenerateOptions::default()
        };
        change(&mut options);
        let asked = [GenerateRequest {
            context: Text::from("w1 w2 w3"),
            options: Arc::new(options),
            seed: 3,
        }];
        let refused = written(&model, &asked).unwrap_err().to_string();
        assert!(
            refused.contains(name) && refused.contains("expected"),
            "{refused}"
        );
    }
}
