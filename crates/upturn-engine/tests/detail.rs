//! Responses token by token say what responses as a whole say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use upturn_engine::{Detail, Model, ModelOptions};
use upturn_types::{
    Flow, GenerateOptions, GenerateRequest, Generation, LanguageModel, Loglikelihood,
    LoglikelihoodRequest,
};

const MODELS: [&str; 2] = ["gpt2-24x1", "llama-24x1"];
const PROMPTS: [&str; 3] = ["The ancient bridge", "", "Q: What is 44 plus 28?\nA:"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../upturn/tests/fixtures/pack/models")
        .join(name)
}

fn model(name: &str) -> Model {
    Model::load(&folder(name), ModelOptions::default()).expect("a model")
}

fn pairs() -> Vec<LoglikelihoodRequest> {
    let endings = [" lifted the heavy harbor.", " 72", "\n"];
    PROMPTS
        .iter()
        .flat_map(|context| endings.map(|ending| (*context, ending)))
        .map(|(context, continuation)| LoglikelihoodRequest {
            context: context.into(),
            continuation: continuation.into(),
        })
        .collect()
}

fn detailed(model: &Model, requests: &[LoglikelihoodRequest]) -> Vec<(Loglikelihood, Detail)> {
    let mut all = vec![None; requests.len()];
    model
        .loglikelihood_detail(requests, 3, &mut |i, whole, detail| {
            all[i] = Some((whole, detail));
            Flow::Continue(())
        })
        .expect("answered");
    all.into_iter().map(|r| r.expect("every request")).collect()
}

fn answers(model: &Model, options: &GenerateOptions) -> Vec<(Generation, Detail)> {
    let options = Arc::new(options.clone());
    let requests: Vec<GenerateRequest> = (0..6)
        .map(|i| GenerateRequest {
            context: PROMPTS[i % PROMPTS.len()].into(),
            options: Arc::clone(&options),
            seed: i as u64,
        })
        .collect();
    let mut plain = vec![None; requests.len()];
    model
        .generate(&requests, &mut |i, answer| {
            plain[i] = Some(answer);
            Flow::Continue(())
        })
        .expect("answered");
    let mut all = vec![None; requests.len()];
    model
        .generate_detail(&requests, 4, &mut |i, answer, detail| {
            assert_eq!(Some(&answer), plain[i].as_ref());
            all[i] = Some((answer, detail));
            Flow::Continue(())
        })
        .expect("answered");
    all.into_iter().map(|r| r.expect("every request")).collect()
}

fn sum(detail: &Detail) -> f32 {
    let parts = detail.tokens.iter().map(|t| f64::from(t.logprob));
    parts.sum::<f64>() as f32
}

#[test]
fn tokens_add_up_to_the_likelihood_bit_for_bit() {
    for name in MODELS {
        let model = model(name);
        let requests = pairs();
        let mut whole = vec![None; requests.len()];
        model
            .loglikelihood(&requests, &mut |i, l| {
                whole[i] = Some(l);
                Flow::Continue(())
            })
            .expect("answered");
        for ((own, detail), (whole, request)) in detailed(&model, &requests)
            .into_iter()
            .zip(whole.into_iter().zip(&requests))
        {
            assert_eq!(Some(own), whole, "{request:?}");
            assert_eq!(sum(&detail).to_bits(), own.logprob.to_bits());
            assert_eq!(detail.logprob.to_bits(), own.logprob.to_bits());
            assert_eq!(detail.tokens.len(), own.n_tokens as usize);
            let text: String = detail.tokens.iter().map(|t| t.text.as_str()).collect();
            assert_eq!(text, &*request.continuation);
            let is_first_best = detail.likely[0].id == detail.tokens[0].id;
            assert!(is_first_best || !own.is_greedy);
        }
    }
}

#[test]
fn what_is_likely_has_the_logprob_that_it_is_scored_with() {
    let mut n_scored = 0;
    for name in MODELS {
        let model = model(name);
        let options = GenerateOptions {
            max_tokens: Some(1),
            ..GenerateOptions::default()
        };
        // "The ancient bridge": nothing moves between context and continuation.
        let (answer, detail) = answers(&model, &options).swap_remove(0);
        assert_eq!(answer.tokens, [detail.likely[0].id]);
        assert_eq!(detail.tokens[0], detail.likely[0]);
        assert!(
            detail
                .likely
                .windows(2)
                .all(|w| w[0].logprob >= w[1].logprob)
        );
        for token in &detail.likely {
            let request = LoglikelihoodRequest {
                context: PROMPTS[0].into(),
                continuation: token.text.as_str().into(),
            };
            let (_, scored) = detailed(&model, &[request]).swap_remove(0);
            if scored.tokens.len() == 1 && scored.tokens[0].id == token.id {
                n_scored += 1;
                assert_eq!(scored.tokens[0], *token);
            }
        }
    }
    assert!(n_scored >= 6, "{n_scored}");
}

#[test]
fn answers_are_those_of_generation_with_the_models_own_probabilities() {
    for name in MODELS {
        let model = model(name);
        let greedy = GenerateOptions {
            until: vec!["\n".to_owned()],
            max_tokens: Some(12),
            ..GenerateOptions::default()
        };
        let drawn = GenerateOptions {
            do_sample: true,
            temperature: 0.5,
            ..greedy.clone()
        };
        for options in [&greedy, &drawn] {
            for (answer, detail) in answers(&model, options) {
                let ids: Vec<u32> = detail.tokens.iter().map(|t| t.id).collect();
                assert_eq!(ids, answer.tokens);
                assert_eq!(sum(&detail).to_bits(), detail.logprob.to_bits());
                let text: String = detail.tokens.iter().map(|t| t.text.as_str()).collect();
                assert!(text.starts_with(&answer.text), "{text:?} {answer:?}");
                if !options.do_sample {
                    assert_eq!(detail.likely[0], detail.tokens[0]);
                }
            }
        }
    }
}

#[test]
fn the_length_of_a_prompt_is_what_is_cut_and_what_stays() {
    for name in MODELS {
        let model = model(name);
        assert_eq!(model.prompt_len("").ok(), Some(1));
        let long = "The ancient bridge. ".repeat(200);
        let request = GenerateRequest {
            context: long.as_str().into(),
            options: Arc::new(GenerateOptions {
                max_tokens: Some(5),
                ..GenerateOptions::default()
            }),
            seed: 0,
        };
        let mut n_truncated = 0;
        model
            .generate(&[request], &mut |_, answer| {
                n_truncated = answer.n_truncated as usize;
                Flow::Continue(())
            })
            .expect("answered");
        let length = model.prompt_len(&long).expect("encoded");
        assert_eq!(length - n_truncated, model.max_length() - 5);
    }
}
