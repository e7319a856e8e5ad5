//! A server that fails in every way: each request is answered once, the scores are those of
//! a server that never fails, and the key is nowhere.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::{Behaviour, Fault, Server, continuation, logprob, tokens};
use upturn_remote::{Api, Limits, Needs, Options, Patience, Prices, RemoteModel, Sent};
use upturn_types::{
    Flow, GenerateOptions, GenerateRequest, LanguageModel, LmError, Loglikelihood,
    LoglikelihoodRequest, RollingRequest,
};

/// All but a stall, which costs a whole timeout.
const FAULTS: [Fault; 7] = [
    Fault::TooMany,
    Fault::Broken,
    Fault::Overloaded,
    Fault::Reset,
    Fault::Half,
    Fault::HalfChunked,
    Fault::Truncated,
];

fn options(api: Api, server: &Server) -> Options {
    let mut options = Options::new(api, "toy");
    options.base_url = Some(server.url.clone());
    options.patience = Patience {
        answer: Duration::from_secs(20),
        base: Duration::from_millis(4),
        cap: Duration::from_millis(40),
        ..Patience::default()
    };
    options
}

fn requests(n: usize) -> Vec<LoglikelihoodRequest> {
    (0..n)
        .map(|i| LoglikelihoodRequest {
            context: format!("Question {} is asked\nAnswer:", i / 3).into(),
            continuation: format!(" option {} of three", i % 3).into(),
        })
        .collect()
}

/// What the toy model says.
fn truth(request: &LoglikelihoodRequest) -> Loglikelihood {
    let text = format!("{}{}", request.context, request.continuation);
    let n_context = tokens(&request.context, false).len();
    let all = tokens(&text, false);
    let mut so_far = String::new();
    let (mut sum, mut greedy) = (0.0, true);
    for (i, token) in all.iter().enumerate() {
        so_far.push_str(token);
        if i >= n_context {
            let (own, best) = logprob(&so_far);
            sum += own;
            greedy &= own >= best;
        }
    }
    Loglikelihood {
        logprob: sum as f32,
        is_greedy: greedy,
        n_tokens: (all.len() - n_context) as u32,
        n_truncated: 0,
    }
}

fn score(
    model: &RemoteModel,
    requests: &[LoglikelihoodRequest],
) -> Result<Vec<Loglikelihood>, LmError> {
    let mut all: Vec<Option<Loglikelihood>> = vec![None; requests.len()];
    model.loglikelihood(requests, &mut |i, l| {
        assert!(all[i].replace(l).is_none(), "request {i} is answered twice");
        Flow::Continue(())
    })?;
    Ok(all.into_iter().map(|l| l.expect("an answer")).collect())
}

fn answers(model: &RemoteModel, prompts: &[&str]) -> Vec<String> {
    let options = Arc::new(GenerateOptions {
        until: vec!["\n".into()],
        max_tokens: Some(8),
        ..GenerateOptions::default()
    });
    let requests: Vec<GenerateRequest> = prompts
        .iter()
        .map(|p| GenerateRequest {
            context: (*p).into(),
            options: Arc::clone(&options),
            seed: 0,
        })
        .collect();
    let mut all = vec![None; requests.len()];
    model
        .generate(&requests, &mut |i, g| {
            assert!(all[i].replace(g.text).is_none(), "answered twice");
            Flow::Continue(())
        })
        .unwrap();
    all.into_iter().map(Option::unwrap).collect()
}

#[test]
fn every_request_is_answered_once_whatever_fails() {
    let server = Server::start(Behaviour {
        faults: FAULTS.to_vec(),
        fails_max: 3,
        delay_ms: 8,
        ..Behaviour::default()
    });
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(Api::Completions, &server);
    options.cache = Some(dir.path().join("answers.sqlite"));
    let requests = requests(120);
    let want: Vec<Loglikelihood> = requests.iter().map(truth).collect();
    let model = RemoteModel::connect(options.clone()).unwrap();
    assert_eq!(score(&model, &requests).unwrap(), want);
    // Every kind of fault was done, and every request answered whole once, not more.
    let faults = server.seen.faults.lock().unwrap().clone();
    assert_eq!(faults.len(), FAULTS.len(), "{faults:?}");
    let answered = server.seen.answered.lock().unwrap().clone();
    assert_eq!(answered.len(), 120);
    assert!(answered.values().all(|n| *n == 1), "{answered:?}");
    let spent = model.spent();
    assert_eq!((spent.n_answered, spent.n_cached), (120, 0));
    assert_eq!(spent.n_retried as usize, faults.values().sum::<usize>());
    // Once more: all from the cache, here and in another process.
    for model in [&model, &RemoteModel::connect(options.clone()).unwrap()] {
        assert_eq!(score(model, &requests).unwrap(), want);
    }
    assert_eq!(server.n_answered(), 120);
    // Another model of the same server shares nothing.
    options.model = "other".into();
    let other = RemoteModel::connect(options).unwrap();
    score(&other, &requests).unwrap();
    assert_eq!((server.n_answered(), other.spent().n_cached), (240, 0));
}

#[test]
fn a_stalled_request_is_put_again() {
    let server = Server::start(Behaviour {
        faults: vec![Fault::Stall],
        fails_max: 1,
        ..Behaviour::default()
    });
    let mut options = options(Api::Completions, &server);
    options.patience.answer = Duration::from_millis(600);
    let model = RemoteModel::connect(options).unwrap();
    let requests = requests(12);
    let want: Vec<Loglikelihood> = requests.iter().map(truth).collect();
    assert_eq!(score(&model, &requests).unwrap(), want);
    assert!(model.spent().n_retried > 0);
}

#[test]
fn equal_requests_are_put_once() {
    let server = Server::start(Behaviour::default());
    let model = RemoteModel::connect(options(Api::Completions, &server)).unwrap();
    let same: Vec<LoglikelihoodRequest> = requests(6).iter().cycle().take(60).cloned().collect();
    let scores = score(&model, &same).unwrap();
    assert_eq!(scores[..6], scores[54..]);
    assert_eq!(server.n_answered(), 6);
}

#[test]
fn every_interface_gives_the_same_scores() {
    let server = Server::start(Behaviour {
        tokenizer: true,
        faults: vec![Fault::TooMany, Fault::Reset],
        fails_max: 1,
        ..Behaviour::default()
    });
    let requests = requests(30);
    let want: Vec<Loglikelihood> = requests.iter().map(truth).collect();
    let needs = Needs {
        likelihoods: true,
        rolling: true,
        answers: true,
    };
    for (api, sent) in [
        (Api::Completions, Sent::Text),
        (Api::Completions, Sent::Ids),
        (Api::Vllm, Sent::Auto),
        (Api::Sglang, Sent::Text),
        (Api::Sglang, Sent::Auto),
    ] {
        let mut options = options(api, &server);
        options.sent = sent;
        let model = RemoteModel::connect(options).unwrap();
        model.probe(needs).unwrap();
        assert_eq!(score(&model, &requests).unwrap(), want, "{api:?} {sent:?}");
        let said = answers(&model, &["one two", "three"]);
        let want =
            ["one two", "three"].map(|p| continuation(p).split('\n').next().unwrap().to_owned());
        assert_eq!(said, want, "{api:?}");
    }
    // llama.cpp lists next tokens: its most likely is that of the whole list.
    let model = RemoteModel::connect(options(Api::LlamaCpp, &server)).unwrap();
    model.probe(needs).unwrap();
    let scores = score(&model, &requests).unwrap();
    for (got, want) in scores.iter().zip(&want) {
        assert_eq!((got.logprob, got.n_tokens), (want.logprob, want.n_tokens));
    }
    assert_eq!(
        answers(&model, &["one two"])[0],
        continuation("one two").split('\n').next().unwrap()
    );
}

#[test]
fn chat_takes_answers_and_refuses_likelihoods_by_name() {
    let server = Server::start(Behaviour::default());
    for (api, word) in [
        (Api::Chat, "chat interface"),
        (Api::Anthropic, "messages interface"),
    ] {
        let model = RemoteModel::connect(options(api, &server)).unwrap();
        let user = |text: &str| serde_json::json!([{"role": "user", "content": text}]).to_string();
        let want = continuation(&user("Hello"))
            .split('\n')
            .next()
            .unwrap()
            .to_owned();
        assert_eq!(answers(&model, &["Hello"])[0], want);
        // A conversation that was rendered here goes out as it was.
        let turns = vec![upturn_types::ChatMessage {
            role: "user".into(),
            content: "Hello".into(),
        }];
        let rendered = model.apply_chat_template(&turns, true).unwrap();
        assert_eq!(answers(&model, &[&rendered])[0], want);
        model
            .probe(Needs {
                answers: true,
                ..Needs::default()
            })
            .unwrap();
        let before = server.n_answered();
        let needs = Needs {
            likelihoods: true,
            ..Needs::default()
        };
        let line = model.probe(needs).unwrap_err().to_string();
        assert!(
            line.contains(word) && line.contains("vLLM") && !line.contains('\n'),
            "{line}"
        );
        assert_eq!(server.n_answered(), before, "nothing was asked for that");
    }
}

#[test]
fn a_server_without_echo_is_refused_before_the_run() {
    let server = Server::start(Behaviour {
        no_echo: true,
        ..Behaviour::default()
    });
    let model = RemoteModel::connect(options(Api::Completions, &server)).unwrap();
    let needs = Needs {
        likelihoods: true,
        ..Needs::default()
    };
    let line = model.probe(needs).unwrap_err().to_string();
    assert!(
        line.contains("new tokens only") && line.contains("--api llama-cpp"),
        "{line}"
    );
    assert_eq!(server.n_answered(), 1);
}

#[test]
fn borders_within_tokens_and_a_token_before_the_text() {
    // A token is four characters: nearly every border lies within one.
    let server = Server::start(Behaviour {
        fours: true,
        tokenizer: true,
        ..Behaviour::default()
    });
    let requests = requests(30);
    let all: Vec<Vec<Loglikelihood>> = [Sent::Text, Sent::Ids]
        .iter()
        .map(|sent| {
            let mut options = options(Api::Completions, &server);
            options.sent = *sent;
            score(&RemoteModel::connect(options).unwrap(), &requests).unwrap()
        })
        .collect();
    // A text is scored in its own tokens; ids are those of the context alone and then the rest
    // of the whole's, as lm-evaluation-harness has it. As many are scored.
    let counts = |scores: &[Loglikelihood]| scores.iter().map(|l| l.n_tokens).collect::<Vec<_>>();
    assert_eq!(counts(&all[0]), counts(&all[1]));
    // "Question 0 is asked\nAnswer:" has 27 characters: seven tokens, the last with one of the
    // continuation's characters if it were encoded alone.
    let want: usize = (27 + " option 0 of three".len()).div_ceil(4) - 7;
    assert_eq!(all[0][0].n_tokens as usize, want);

    let server = Server::start(Behaviour {
        bos: true,
        ..Behaviour::default()
    });
    let model = RemoteModel::connect(options(Api::Completions, &server)).unwrap();
    let want: Vec<Loglikelihood> = requests.iter().map(truth).collect();
    assert_eq!(score(&model, &requests).unwrap(), want);
    // Such a server scores a text from its first token.
    let mut got = None;
    let rolling = [RollingRequest {
        text: "Once upon a time".into(),
    }];
    model
        .loglikelihood_rolling(&rolling, &mut |_, l| {
            got = Some(l);
            Flow::Continue(())
        })
        .unwrap();
    assert_eq!(got.unwrap().n_tokens, 4);
}

#[test]
fn an_empty_context_needs_a_prefix() {
    let server = Server::start(Behaviour::default());
    let request = [LoglikelihoodRequest {
        context: "".into(),
        continuation: "Once upon".into(),
    }];
    let model = RemoteModel::connect(options(Api::Completions, &server)).unwrap();
    let error = score(&model, &request).unwrap_err().to_string();
    assert!(error.contains("--prefix"), "{error}");
    let mut with = options(Api::Completions, &server);
    with.prefix = Some("<s>\n".into());
    let model = RemoteModel::connect(with).unwrap();
    let whole = LoglikelihoodRequest {
        context: "<s>\n".into(),
        continuation: "Once upon".into(),
    };
    let got = score(&model, &request).unwrap()[0];
    // The toy model counts a line break as the end of a token, and as no whitespace of ours.
    assert_eq!(got, truth(&whole));
}

#[test]
fn the_pace_follows_what_the_server_bears() {
    let server = Server::start(Behaviour {
        concurrency: Some(3),
        delay_ms: 6,
        ..Behaviour::default()
    });
    let mut options = options(Api::Completions, &server);
    options.concurrency = 32;
    let model = RemoteModel::connect(options).unwrap();
    let requests = requests(150);
    let want: Vec<Loglikelihood> = requests.iter().map(truth).collect();
    assert_eq!(score(&model, &requests).unwrap(), want);
    let refused: usize = server.seen.faults.lock().unwrap().values().sum();
    // Without a pace, 32 threads would be refused far more often than they are answered.
    assert!(refused < 150, "{refused} refusals for 150 answers");
    assert!(server.seen.in_flight_max.load(Ordering::SeqCst) <= 32);
}

#[test]
fn limits_end_a_run_and_keep_what_was_paid_for() {
    let server = Server::start(Behaviour::default());
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(Api::Completions, &server);
    options.cache = Some(dir.path().join("answers.sqlite"));
    options.limits = Limits {
        max_cost: Some(0.0005),
        max_tokens: None,
        prices: Some(Prices {
            input: 1.0,
            output: 1.0,
        }),
    };
    let requests = requests(90);
    let model = RemoteModel::connect(options.clone()).unwrap();
    let line = score(&model, &requests).unwrap_err().to_string();
    assert!(
        line.contains("$0.0005") && line.contains("--max-cost"),
        "{line}"
    );
    let spent = model.spent();
    assert!(
        spent.cost.unwrap() <= 0.0005 && spent.n_answered > 10,
        "{spent:?}"
    );
    std::thread::sleep(Duration::from_millis(100));
    let before = server.n_answered();
    // A higher limit pays for the rest alone.
    options.limits.max_cost = Some(1.0);
    let model = RemoteModel::connect(options.clone()).unwrap();
    score(&model, &requests).unwrap();
    assert_eq!(server.n_answered(), 90);
    assert_eq!(model.spent().n_answered as usize, 90 - before);
    options.limits = Limits {
        max_tokens: Some(3),
        ..Limits::default()
    };
    options.cache = None;
    let model = RemoteModel::connect(options).unwrap();
    let line = score(&model, &requests).unwrap_err().to_string();
    assert!(line.contains("--token-limit"), "{line}");
    assert_eq!(server.n_answered(), 90);
}

#[test]
fn a_server_that_stays_broken_ends_the_run_by_name() {
    let server = Server::start(Behaviour {
        faults: vec![Fault::Broken],
        fails_max: u64::MAX - 1,
        ..Behaviour::default()
    });
    let mut options = options(Api::Completions, &server);
    options.patience.attempts = 3;
    let line = score(
        &RemoteModel::connect(options.clone()).unwrap(),
        &requests(3),
    )
    .unwrap_err();
    let line = line.to_string();
    assert!(
        line.contains("3 attempts") && line.contains("HTTP 500: broken"),
        "{line}"
    );
    options.model = "toi".into();
    let line = RemoteModel::connect(options.clone())
        .unwrap_err()
        .to_string();
    assert!(line.contains("no model 'toi'; it has toy, other"), "{line}");
    drop(server);
    options.base_url = Some("http://127.0.0.1:9".into());
    let line = RemoteModel::connect(options).unwrap_err().to_string();
    assert!(
        line.contains("nothing answers at http://127.0.0.1:9/v1"),
        "{line}"
    );
}

#[test]
fn a_stop_is_heard_while_the_server_stalls() {
    let server = Server::start(Behaviour {
        faults: vec![Fault::Stall],
        fails_max: u64::MAX - 1,
        ..Behaviour::default()
    });
    let mut options = options(Api::Completions, &server);
    options.patience.answer = Duration::from_secs(60);
    #[expect(clippy::disallowed_methods, reason = "the test measures a wait")]
    let start = Instant::now();
    options.stop = Some(Arc::new(move || {
        start.elapsed() > Duration::from_millis(150)
    }));
    let model = RemoteModel::connect(options).unwrap();
    assert_eq!(score(&model, &requests(20)), Err(LmError::Stopped));
    assert!(
        start.elapsed() < Duration::from_millis(800),
        "{:?}",
        start.elapsed()
    );
}

/// The environment is the process's: this test alone sets the variable.
#[test]
#[expect(
    unsafe_code,
    reason = "the environment is set before any thread reads it"
)]
fn the_key_is_nowhere() {
    const KEY: &str = "sk-this-is-the-secret-0123456789";
    // SAFETY: no other test reads or writes this variable.
    unsafe { std::env::set_var("UPTURN_TEST_KEY", KEY) };
    let dir = tempfile::tempdir().unwrap();
    for (api, header, value) in [
        (Api::Completions, "authorization", format!("Bearer {KEY}")),
        (Api::Anthropic, "x-api-key", KEY.to_owned()),
    ] {
        let server = Server::start(Behaviour {
            key: Some(value.clone()),
            key_header: header,
            faults: FAULTS.to_vec(),
            fails_max: 2,
            ..Behaviour::default()
        });
        let mut with = options(api, &server);
        with.key_variable = Some("UPTURN_TEST_KEY".into());
        with.cache = Some(dir.path().join("answers.sqlite"));
        let model = RemoteModel::connect(with.clone()).unwrap();
        let said = answers(&model, &["one", "two"]);
        assert_eq!(said.len(), 2);
        let shown = format!("{model:?} {:?} {:?}", model.fingerprint(), model.spent());
        assert!(!shown.contains(KEY), "{shown}");
        // Without it: a line that says how to give it.
        let mut without = with.clone();
        without.key_variable = None;
        let line = RemoteModel::connect(without.clone())
            .unwrap_err()
            .to_string();
        assert!(
            line.contains("--api-key-env") && !line.contains(KEY),
            "{line}"
        );
        without.key_variable = Some("UPTURN_TEST_NO_KEY".into());
        let line = RemoteModel::connect(without).unwrap_err().to_string();
        assert!(line.contains("UPTURN_TEST_NO_KEY"), "{line}");
        // A server that sends it back in a message.
        let telling = Server::start(Behaviour {
            key: Some(value.clone()),
            key_header: header,
            tells: true,
            ..Behaviour::default()
        });
        with.base_url = Some(telling.url.clone());
        let model = RemoteModel::connect(with).unwrap();
        let needs = Needs {
            answers: true,
            ..Needs::default()
        };
        let line = model.probe(needs).unwrap_err().to_string();
        assert!(line.contains("[key]") && !line.contains(KEY), "{line}");
    }
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(KEY.len()).any(|w| w == KEY.as_bytes());
        assert!(!found, "the key is in {}", path.display());
    }
}
