//! The trained reference models against what transformers computes for them, and as language
//! models of text in any company.
//!
//! The models are found through `UPTURN_SHARED`, or beside the repository.

#[path = "company/requests.rs"]
#[allow(dead_code, reason = "shared with the tests of company")]
mod requests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use upturn_engine::generate::Prompt;
use upturn_engine::score::Limits;
use upturn_engine::trie::Sequence;
use upturn_engine::{Model, ModelOptions};
use upturn_types::{
    Flow, GenerateOptions, GenerateRequest, Generation, LanguageModel, Loglikelihood,
    LoglikelihoodRequest, RollingRequest, Text, Work,
};

use requests::Random;

/// Largest difference of a log-probability, nats; the worst measured is 5e-6.
const TOLERANCE: f64 = 2e-5;

fn shared() -> PathBuf {
    std::env::var_os("UPTURN_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    )
}

fn main() {
    let arguments = Arguments::from_args();
    let models = shared().join("reference/models");
    let Ok(entries) = fs::read_dir(&models) else {
        let reason = format!("ignored: no reference models in {}", models.display());
        let trial = Trial::test(reason, || Ok(())).with_ignored_flag(true);
        libtest_mimic::run(&arguments, vec![trial]).exit();
    };
    let mut names: Vec<String> = entries
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    let mut trials: Vec<Trial> = names
        .iter()
        .map(|name| {
            let name = name.clone();
            Trial::test(format!("agrees_with_transformers::{name}"), move || {
                agrees(&name)
            })
        })
        .collect();
    trials.push(Trial::test("there_are_twelve_models", move || {
        if names.len() == 12 {
            return Ok(());
        }
        Err(format!("{names:?}").into())
    }));
    // One small model of two families; the fixtures cover the rest.
    for name in ["llama-24x1", "gpt_neox-48x2"] {
        trials.push(Trial::test(format!("texts_in_any_company::{name}"), || {
            texts_in_any_company(name)
        }));
    }
    trials.push(Trial::test(
        "decoder_in_any_company::qwen2-48x2",
        move || -> Result<(), Failed> {
            let decoder = requests::decoder(&models.join("qwen2-48x2"));
            requests::scores_keep_their_bits(&decoder, 150)?;
            Ok(requests::answers_keep_their_tokens(&decoder, 30)?)
        },
    ));
    trials.push(Trial::test("windows_add_up", windows_add_up));
    libtest_mimic::run(&arguments, trials).exit();
}

fn load(name: &str, options: ModelOptions) -> Result<Model, Failed> {
    Ok(Model::load(
        &shared().join("reference/models").join(name),
        options,
    )?)
}

fn numbers(value: &Value) -> Result<Vec<f64>, Failed> {
    let list = value.as_array().ok_or("expected a list of numbers")?;
    list.iter()
        .map(|x| Ok(x.as_f64().ok_or("expected a number")?))
        .collect()
}

fn ids(value: &Value) -> Result<Vec<u32>, Failed> {
    Ok(numbers(value)?.iter().map(|&x| x as u32).collect())
}

/// Token ids, next-token log-probabilities, the five most likely ends and greedy decoding.
fn agrees(name: &str) -> Result<(), Failed> {
    let model = load(name, ModelOptions::default())?;
    let path = shared()
        .join("reference/logits")
        .join(format!("{name}.json"));
    let expected: Value = serde_json::from_slice(&fs::read(&path)?)?;
    if Some(model.n_params()) != expected["params"].as_u64() {
        return Err(format!("{} parameters", model.n_params()).into());
    }
    let limits = Limits {
        max_rows: 64,
        kv_bytes: 1 << 26,
    };
    let mut worst = 0.0f64;
    let mut compared = 0;
    for text in expected["texts"].as_array().ok_or("no texts")? {
        let tokens = ids(&text["ids"])?;
        let words = text["text"].as_str().ok_or("no text")?;
        // The numbers were made with the tokenizer's file alone; loading a folder of type
        // qwen2, transformers puts that family's rules in place of the file's.
        if model.tokenize(words)? != tokens && !name.starts_with("qwen2") {
            return Err(format!("{words:?} is {:?}", model.tokenize(words)?).into());
        }
        // Every token after its forerunners, then the five ends.
        let next = numbers(&text["next_token_logprobs"])?;
        let ends = ids(&text["last_top5_ids"])?;
        let one = |tokens: Vec<u32>| Sequence {
            first_scored: tokens.len() - 1,
            tokens,
        };
        let asked: Vec<Sequence> = (1..tokens.len())
            .map(|end| one(tokens[..=end].to_vec()))
            .chain(ends.iter().map(|&t| one([&tokens[..], &[t]].concat())))
            .collect();
        let wanted = [next, numbers(&text["last_top5"])?].concat();
        if asked.len() != wanted.len() || ends.len() != 5 {
            return Err("tokens and log-probabilities are not as many".into());
        }
        let (found, _) = requests::run_scores(model.decoder(), &asked, limits)?;
        for ((logprob, _), wanted) in found.iter().zip(&wanted) {
            let found = f64::from(f32::from_bits(*logprob));
            worst = worst.max((found - wanted).abs());
            compared += 1;
        }
        // The most likely end is what greedy decoding would take, unless two are as likely.
        if found[tokens.len() - 1].1 != (ends[0] == ids(&text["greedy"])?[0]) {
            return Err(format!("{words:?}: the most likely end").into());
        }
        let greedy = ids(&text["greedy"])?;
        let prompt = Prompt {
            max_tokens: greedy.len(),
            tokens,
            options: Arc::new(GenerateOptions::default()),
            seed: 0,
        };
        let (answers, _) = requests::run_answers(model.decoder(), &[prompt], &[], limits)?;
        if answers[0].0 != greedy {
            return Err(format!("{words:?}: {answers:?}, transformers writes {greedy:?}").into());
        }
    }
    if compared < 40 || worst > TOLERANCE {
        return Err(format!("{compared} compared, the worst differs by {worst:e}").into());
    }
    Ok(())
}

const WORDS: &[&str] = &[
    "The",
    "red",
    "fox",
    "crossed",
    "a",
    "quiet",
    "river",
    "naïve",
    "42",
    "数学",
    "Question:",
    "A.",
    "café",
    "number",
    "before",
    "seven",
];

fn words(r: &mut Random, n: usize) -> String {
    let words: Vec<&str> = (0..n).map(|_| WORDS[r.below(WORDS.len())]).collect();
    words.join(" ")
}

type Scored = Vec<(u32, bool, u32, u32)>;

fn loglikelihoods(model: &Model, asked: &[LoglikelihoodRequest]) -> Result<(Scored, Work), Failed> {
    let mut found = vec![None; asked.len()];
    let work = model.loglikelihood(asked, &mut |i, l: Loglikelihood| {
        let bits = (l.logprob.to_bits(), l.is_greedy, l.n_tokens, l.n_truncated);
        assert!(found[i].replace(bits).is_none(), "answered twice");
        Flow::Continue(())
    })?;
    let found: Option<Vec<_>> = found.into_iter().collect();
    Ok((found.ok_or("a request was not answered")?, work))
}

fn generations(
    model: &Model,
    asked: &[GenerateRequest],
) -> Result<Vec<(Vec<u32>, String)>, Failed> {
    let mut found = vec![None; asked.len()];
    model.generate(asked, &mut |i, g: Generation| {
        assert!(found[i].replace((g.tokens, g.text)).is_none());
        Flow::Continue(())
    })?;
    let found: Option<Vec<_>> = found.into_iter().collect();
    Ok(found.ok_or("a request was not answered")?)
}

/// Log-likelihoods and answers of texts, through the tokenizer.
fn texts_in_any_company(name: &str) -> Result<(), Failed> {
    let mut r = Random(8);
    let mut contexts = vec![words(&mut r, 30)];
    for i in 1..40 {
        let old = &contexts[r.below(contexts.len())];
        let kept: Vec<&str> = old.split(' ').collect();
        let kept = kept[..r.within(1, kept.len())].join(" ");
        contexts.push(match i % 8 {
            0 => String::new(),
            _ => format!("{kept} {}", words(&mut r, 1 + i % 9)),
        });
    }
    let asked: Vec<LoglikelihoodRequest> = (0..200)
        .map(|i| LoglikelihoodRequest {
            context: Text::from(contexts[r.below(contexts.len())].as_str()),
            continuation: Text::from(format!(" {}", words(&mut r, 1 + i % 4)).as_str()),
        })
        .collect();
    let sampled = Arc::new(GenerateOptions {
        until: vec![" the".into(), "\n\n".into()],
        max_tokens: Some(16),
        do_sample: true,
        temperature: 0.8,
        top_k: 40,
        top_p: 0.95,
        repetition_penalty: 1.1,
        ..GenerateOptions::default()
    });
    let prompts: Vec<GenerateRequest> = (0..60)
        .map(|i| GenerateRequest {
            context: Text::from(contexts[i % 20].as_str()),
            options: Arc::clone(&sampled),
            seed: i as u64,
        })
        .collect();
    let plain = load(name, ModelOptions::default())?;
    let (expected, _) = loglikelihoods(&plain, &asked)?;
    let written = generations(&plain, &prompts)?;
    let distinct: std::collections::BTreeSet<_> = written.iter().collect();
    if distinct.len() < 30 {
        return Err(format!("{} distinct answers", distinct.len()).into());
    }
    for (threads, max_rows) in [(1, 1), (1, 7), (2, 64), (3, 100_000)] {
        let options = ModelOptions {
            max_rows: Some(max_rows),
            kv_bytes: Some(1 << 20),
            ..ModelOptions::default()
        };
        let model = load(name, options)?;
        let order = r.shuffled(asked.len());
        let shuffled: Vec<_> = order.iter().map(|&i| asked[i].clone()).collect();
        let wanted: Vec<_> = order.iter().map(|&i| expected[i]).collect();
        let company = format!("{threads} threads, {max_rows} rows");
        let (found, work) = requests::on_threads(threads, || {
            loglikelihoods(&model, &shuffled).map_err(|e| format!("{e:?}"))
        })?;
        requests::same(&found, &wanted, &company)?;
        if work.tokens_computed != work.tokens_distinct {
            return Err(format!("{company}: {work:?}").into());
        }
        let order = r.shuffled(prompts.len());
        let shuffled: Vec<_> = order.iter().map(|&i| prompts[i].clone()).collect();
        let wanted: Vec<_> = order.iter().map(|&i| written[i].clone()).collect();
        let found = requests::on_threads(threads, || {
            generations(&model, &shuffled).map_err(|e| format!("{e:?}"))
        })?;
        requests::same(&found, &wanted, &company)?;
    }
    for (one, wanted) in asked.iter().zip(&expected).step_by(5) {
        let (found, _) = loglikelihoods(&plain, std::slice::from_ref(one))?;
        requests::same(&found, &[*wanted], "alone")?;
    }
    Ok(())
}

/// A text longer than the model scores what its windows score as requests of their own.
fn windows_add_up() -> Result<(), Failed> {
    let options = ModelOptions {
        max_length: Some(24),
        ..ModelOptions::default()
    };
    let model = load("llama-48x2", options)?;
    let text = words(&mut Random(4), 90);
    let tokens = model.tokenize(&text)?;
    let bos = model.tokenizer().prefix_id().ok_or("no prefix token")?;
    // Windows as lm-evaluation-harness cuts them: the first after the prefix token; the others
    // as long, the last moved left so that it is as long as they are.
    let max = 24;
    let mut windows = Vec::new();
    let mut done = 0;
    while done < tokens.len() {
        let end = (done + max).min(tokens.len());
        let before = if done == 0 {
            vec![bos]
        } else {
            tokens[end - max - 1..done].to_vec()
        };
        windows.push(Sequence {
            first_scored: before.len(),
            tokens: [&before[..], &tokens[done..end]].concat(),
        });
        done = end;
    }
    if windows.len() < 4 || tokens.len() % max == 0 {
        return Err(format!("{} windows of {} tokens", windows.len(), tokens.len()).into());
    }
    let limits = Limits {
        max_rows: 64,
        kv_bytes: 1 << 24,
    };
    let (found, _) = requests::run_scores(model.decoder(), &windows, limits)?;
    let sum: f64 = found.iter().map(|f| f64::from(f32::from_bits(f.0))).sum();
    let mut rolled = Vec::new();
    let request = RollingRequest {
        text: Text::from(text.as_str()),
    };
    model.loglikelihood_rolling(&[request], &mut |_, l| {
        rolled.push(l);
        Flow::Continue(())
    })?;
    let [one] = rolled[..] else {
        return Err(format!("{rolled:?}").into());
    };
    if one.logprob.to_bits() != (sum as f32).to_bits()
        || one.n_tokens as usize != tokens.len()
        || one.n_truncated != 0
    {
        return Err(format!("{one:?}, windows add up to {sum}").into());
    }
    // Windows scored from other contexts would not.
    let whole = Sequence {
        first_scored: 1,
        tokens: [&[bos][..], &tokens].concat(),
    };
    let (whole, _) = requests::run_scores(model.decoder(), &[whole], limits)?;
    if whole[0].0 == one.logprob.to_bits() {
        return Err("windows change nothing".into());
    }
    Ok(())
}
