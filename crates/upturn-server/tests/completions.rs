//! The server over a real socket, on a model of arithmetic.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use upturn_server::model::{
    AnswerJob, Place, ScoreJob, Scored, ServeOptions, ServedModel, Written, serve,
};
use upturn_types::{
    ChatMessage, Done, FinishReason, Flow, GenerateRequest, Generation, LanguageModel, LmError,
    Loglikelihood, LoglikelihoodRequest, RollingRequest, Work,
};

/// Tokens are bytes; 256 stands before every text and 257 ends one. A token is likelier the
/// nearer it is to the one before; the likeliest is the one after that.
#[derive(Default)]
struct Bytes {
    batches: Mutex<Vec<usize>>,
    n_alone: AtomicUsize,
}

fn logprob(before: u32, token: u32) -> f32 {
    -0.5 - (f64::from(before + 1) - f64::from(token)).abs() as f32 / 64.0
}

fn likely(before: u32, n: usize) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = (0..256).map(|t| (t, logprob(before, t))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(n);
    all
}

impl LanguageModel for Bytes {
    fn name(&self) -> &str {
        "bytes"
    }
    fn fingerprint(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("weights".to_owned(), "abc".to_owned())])
    }
    fn max_length(&self) -> usize {
        32
    }
    fn vocab_size(&self) -> Option<u64> {
        Some(258)
    }
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, LmError> {
        Ok(text.bytes().map(u32::from).collect())
    }
    fn apply_chat_template(&self, all: &[ChatMessage], _: bool) -> Result<String, LmError> {
        match all.iter().find(|m| m.role == "system") {
            Some(_) => Err(LmError::Model("no system message here".into())),
            None => Ok(all.iter().map(|m| m.content.as_str()).collect()),
        }
    }
    fn loglikelihood(
        &self,
        _: &[LoglikelihoodRequest],
        _: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        Err(LmError::Stopped)
    }
    fn loglikelihood_rolling(
        &self,
        _: &[RollingRequest],
        _: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        Err(LmError::Stopped)
    }
    fn generate(&self, _: &[GenerateRequest], _: Done<'_, Generation>) -> Result<Work, LmError> {
        Err(LmError::Stopped)
    }
}

impl ServedModel for Bytes {
    fn encode(&self, text: &str, specials: Option<bool>) -> Result<Vec<u32>, LmError> {
        let bos = (specials != Some(false)).then_some(256);
        Ok(bos.into_iter().chain(text.bytes().map(u32::from)).collect())
    }
    fn decode(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::new();
        for id in ids {
            match *id {
                256 => bytes.extend_from_slice(b"<s>"),
                257 => bytes.extend_from_slice(b"</s>"),
                id => bytes.push(id as u8),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
    fn token_text(&self, id: u32) -> String {
        self.decode(&[id])
    }
    fn is_end(&self, id: u32) -> bool {
        id == 257
    }
    fn ends(&self) -> (Option<String>, Option<String>) {
        (Some("<s>".into()), Some("</s>".into()))
    }
    fn score(
        &self,
        jobs: &[ScoreJob],
        done: &mut dyn FnMut(usize, Scored) -> Flow,
    ) -> Result<(), LmError> {
        self.batches.lock().unwrap().push(jobs.len());
        if jobs.len() == 1 {
            self.n_alone.fetch_add(1, Ordering::SeqCst);
        }
        for (at, job) in jobs.iter().enumerate() {
            if job.tokens.ends_with(b"bad".map(u32::from).as_slice()) {
                return Err(LmError::Model("a number is NaN".into()));
            }
            let places = job
                .tokens
                .windows(2)
                .map(|w| Place {
                    logprob: logprob(w[0], w[1]),
                    likely: likely(w[0], job.n_likely),
                })
                .collect();
            let last = job.tokens[job.tokens.len() - 1];
            let next = if job.next {
                likely(last, job.n_likely)
            } else {
                Vec::new()
            };
            let _flow = done(at, Scored { places, next });
        }
        Ok(())
    }
    fn write(
        &self,
        jobs: &[AnswerJob],
        done: &mut dyn FnMut(usize, Written) -> Flow,
    ) -> Result<(), LmError> {
        for (at, job) in jobs.iter().enumerate() {
            let mut tokens = Vec::new();
            let mut last = job.tokens[job.tokens.len() - 1];
            let mut finish = FinishReason::Length;
            let mut text = String::new();
            while tokens.len() < job.max_tokens {
                last = (last + 1 + (job.seed as u32 & 1)).min(255);
                tokens.push(last);
                text = self.decode(&tokens);
                if let Some(cut) = job
                    .options
                    .until
                    .iter()
                    .filter_map(|s| text.find(s.as_str()))
                    .min()
                {
                    text.truncate(cut);
                    finish = FinishReason::Stop;
                    break;
                }
            }
            let _flow = done(
                at,
                Written {
                    text,
                    tokens,
                    finish,
                },
            );
        }
        Ok(())
    }
}

struct Running {
    url: String,
    model: Arc<Bytes>,
    stop: Arc<AtomicBool>,
    ended: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(options: ServeOptions) -> Running {
        let model = Arc::new(Bytes::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, hear) = mpsc::channel::<SocketAddr>();
        let (served, asked) = (Arc::clone(&model), Arc::clone(&stop));
        let ended = std::thread::spawn(move || {
            serve(
                served,
                ServeOptions { port: 0, ..options },
                |address| tell.send(address).unwrap(),
                move || asked.load(Ordering::Relaxed),
            )
            .unwrap();
        });
        Running {
            url: format!("http://{}", hear.recv().unwrap()),
            model,
            stop,
            ended: Some(ended),
        }
    }

    fn send(&self, path: &str, kind: &str, body: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let url = format!("{}{path}", self.url);
        let sent = match body {
            "" => agent.get(&url).call(),
            body => agent.post(&url).header("content-type", kind).send(body),
        };
        let mut response = sent.unwrap();
        let status = response.status().as_u16();
        (status, response.body_mut().read_to_string().unwrap())
    }

    fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.send(path, "application/json", &body.to_string());
        (status, serde_json::from_str(&text).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ended.take().unwrap().join().unwrap();
    }
}

fn running() -> Running {
    Running::start(ServeOptions::default())
}

fn numbers(value: &Value) -> Vec<Option<f64>> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(Value::as_f64)
        .collect()
}

#[test]
fn an_echo_has_every_token_with_its_log_probability_and_place() {
    let server = running();
    for prompt in [json!("aé!"), json!([256, 97, 0xc3, 0xa9, 33])] {
        let (status, answer) = server.ask(
            "/v1/completions",
            &json!({"model": "bytes", "prompt": prompt, "echo": true, "logprobs": 2, "max_tokens": 1, "temperature": 0}),
        );
        assert_eq!(status, 200, "{answer}");
        let choice = &answer["choices"][0];
        let l = &choice["logprobs"];
        assert_eq!(
            l["tokens"],
            json!(["<s>", "a", "\u{FFFD}", "\u{FFFD}", "!", "\""])
        );
        let want = [(256, 97), (97, 0xc3), (0xc3, 0xa9), (0xa9, 33), (33, 34)];
        let want: Vec<Option<f64>> = std::iter::once(None)
            .chain(want.iter().map(|w| Some(f64::from(logprob(w.0, w.1)))))
            .collect();
        assert_eq!(numbers(&l["token_logprobs"]), want);
        // The token itself is among the likeliest, whatever its place.
        assert_eq!(l["top_logprobs"][0], Value::Null);
        assert_eq!(l["top_logprobs"][5]["\""], json!(-0.5));
        assert_eq!(l["top_logprobs"][1]["a"], json!(want[1]));
        assert_eq!(choice["finish_reason"], "length");
        assert_eq!(
            answer["usage"],
            json!({"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6})
        );
        match prompt.is_string() {
            // Places are characters of the text; what stands before it counts for nothing.
            true => {
                assert_eq!(choice["text"], "aé!\"");
                assert_eq!(l["text_offset"], json!([0, 0, 1, 1, 2, 3]));
            }
            false => {
                assert_eq!(choice["text"], "<s>aé!\"");
                assert_eq!(l["text_offset"], json!([0, 3, 4, 4, 5, 6]));
            }
        }
    }
    // Without a new token a prompt may be one longer than the model.
    let ids: Vec<u32> = (0..33).collect();
    let ask = |ids: &[u32], n: u64| {
        server.ask(
            "/v1/completions",
            &json!({"prompt": ids, "echo": true, "logprobs": 1, "max_tokens": n, "temperature": 0}),
        )
    };
    let (status, answer) = ask(&ids, 0);
    assert_eq!(status, 200);
    assert_eq!(
        numbers(&answer["choices"][0]["logprobs"]["token_logprobs"]).len(),
        33
    );
    let (status, answer) = ask(&ids, 1);
    assert_eq!(status, 400);
    assert_eq!(answer["error"]["code"], "context_length_exceeded");
    assert_eq!(ask(&ids[..31], 1).0, 200);
}

#[test]
fn prompts_in_all_forms_and_choices_in_order() {
    let server = running();
    let (_, one) = server.ask(
        "/v1/completions",
        &json!({"prompt": ["a", "b"], "n": 2, "max_tokens": 3, "seed": 4}),
    );
    let texts: Vec<&str> = one["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["bcd", "ceg", "cde", "dfh"]);
    let indices: Vec<u64> = one["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    let (_, ids) = server.ask(
        "/v1/completions",
        &json!({"prompt": [[97], [98]], "max_tokens": 3, "stop": ["d"], "temperature": 0}),
    );
    assert_eq!(ids["choices"][0]["text"], "bc");
    assert_eq!(ids["choices"][0]["finish_reason"], "stop");
    assert_eq!(ids["choices"][0]["stop_reason"], "d");
    assert_eq!(ids["choices"][1]["text"], "c");
    assert_eq!(ids["usage"]["completion_tokens"], 5);
    // Log-probabilities of new tokens alone.
    let (_, new) = server.ask(
        "/v1/completions",
        &json!({"prompt": "a", "max_tokens": 2, "logprobs": 1, "temperature": 0}),
    );
    let l = &new["choices"][0]["logprobs"];
    assert_eq!(
        (&l["tokens"], &l["text_offset"]),
        (&json!(["b", "c"]), &json!([1, 2]))
    );
    assert_eq!(numbers(&l["token_logprobs"]), [Some(-0.5), Some(-0.5)]);
}

#[test]
fn what_cannot_be_done_is_said_in_openai_form() {
    let server = running();
    for (body, field, word) in [
        (json!({}), "prompt", "expected a text"),
        (json!({"prompt": []}), "prompt", "expected"),
        (json!({"prompt": ["a", 1]}), "prompt", "expected"),
        (json!({"prompt": [999]}), "prompt", "token 999"),
        (json!({"prompt": "a", "model": "gpt"}), "model", "'bytes'"),
        (
            json!({"prompt": "a", "temperature": -1}),
            "temperature",
            "from 0",
        ),
        (
            json!({"prompt": "a", "max_tokens": "many"}),
            "max_tokens",
            "whole number",
        ),
        (json!({"prompt": "a", "top_p": 0}), "top_p", "more than 0"),
        (json!({"prompt": "a", "n": 0}), "n", "from 1"),
        (
            json!({"prompt": "a", "suffix": "b"}),
            "suffix",
            "not supported",
        ),
        (json!({"prompt": "a", "stop": 5}), "stop", "list of texts"),
        (
            json!({"prompt": "a", "best_of": 3}),
            "best_of",
            "not supported",
        ),
        (json!({"prompt": "x".repeat(40)}), "prompt", "room for 32"),
    ] {
        let (status, answer) = server.ask("/v1/completions", &body);
        let error = &answer["error"];
        assert!(matches!(status, 400 | 404), "{body}: {status}");
        assert_eq!(error["param"], field, "{body}: {answer}");
        assert!(
            error["message"].as_str().unwrap().contains(word),
            "{answer}"
        );
        assert_eq!(error["type"], "invalid_request_error");
    }
    let raw = |kind: &str, body: &str| server.send("/v1/completions", kind, body);
    assert_eq!(raw("application/json", "{\"prompt\": ").0, 400);
    assert_eq!(raw("application/json", "[1]").0, 400);
    // A form of another site's page.
    assert_eq!(raw("text/plain", "{\"prompt\": \"a\"}").0, 415);
    assert_eq!(server.send("/nothing", "", "").0, 404);
    // A page whose name was made to point to this machine.
    let address = server.url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = "GET /v1/models HTTP/1.1\r\nhost: evil.example:80\r\nconnection: close\r\n\r\n";
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stream, &mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 403"), "{said}");
    assert_eq!(server.send("/v1/completions", "", "").0, 405);
    let small = Running::start(ServeOptions {
        body_max: 1000,
        prompts_max: 2,
        ..ServeOptions::default()
    });
    let (status, answer) = small.ask("/v1/completions", &json!({"prompt": "y".repeat(2000)}));
    assert_eq!(
        (status, answer["error"]["type"].as_str()),
        (413, Some("invalid_request_error"))
    );
    let (status, answer) = small.ask("/v1/completions", &json!({"prompt": ["a", "b", "c"]}));
    assert!(
        status == 400 && answer.to_string().contains("at most 2"),
        "{answer}"
    );
    let full = Running::start(ServeOptions {
        waiting_max: 0,
        ..ServeOptions::default()
    });
    let (status, answer) = full.ask("/v1/completions", &json!({"prompt": "a"}));
    assert_eq!(
        (status, answer["error"]["code"].as_str()),
        (429, Some("rate_limit_exceeded"))
    );
}

#[test]
fn requests_that_come_together_go_together_and_one_that_fails_fails_alone() {
    let server = Running::start(ServeOptions {
        gather: Duration::from_millis(400),
        ..ServeOptions::default()
    });
    let ask = |prompt: &str| {
        server.ask(
            "/v1/completions",
            &json!({"prompt": prompt, "echo": true, "logprobs": 1, "max_tokens": 0}),
        )
    };
    let answers: Vec<(u16, Value)> = std::thread::scope(|s| {
        let threads: Vec<_> = ["a", "ab", "bad", "abc"]
            .map(|p| s.spawn(move || ask(p)))
            .into();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let status: Vec<u16> = answers.iter().map(|a| a.0).collect();
    assert_eq!(status, [200, 200, 500, 200]);
    assert!(
        answers[2].1["error"]["message"]
            .as_str()
            .unwrap()
            .contains("NaN")
    );
    assert_eq!(answers[3].1["choices"][0]["text"], "abc");
    let batches = server.model.batches.lock().unwrap().clone();
    assert!(batches[0] > 1, "{batches:?}");
}

#[test]
fn who_is_there_and_its_tokens() {
    let server = running();
    let get = |path: &str| -> Value { serde_json::from_str(&server.send(path, "", "").1).unwrap() };
    assert_eq!(get("/health")["status"], "ok");
    let models = get("/v1/models");
    assert_eq!(models["data"][0]["id"], "bytes");
    assert_eq!(models["data"][0]["max_model_len"], 32);
    assert_eq!(get("/v1/models/bytes")["fingerprint"]["weights"], "abc");
    assert_eq!(
        get("/v1/models/other/name")["error"]["code"],
        "model_not_found"
    );
    assert_eq!(get("/tokenizer_info")["eos_token"], "</s>");
    let (_, with) = server.ask("/tokenize", &json!({"prompt": "ab"}));
    let (_, without) = server.ask(
        "/tokenize",
        &json!({"prompt": "ab", "add_special_tokens": false}),
    );
    assert_eq!(
        (&with["tokens"], &without["tokens"]),
        (&json!([256, 97, 98]), &json!([97, 98]))
    );
    let (_, back) = server.ask("/detokenize", &json!({"tokens": [97, 98]}));
    assert_eq!(back["prompt"], "ab");
}

#[test]
fn conversations_and_streams() {
    let server = running();
    let (_, answer) = server.ask(
        "/v1/chat/completions",
        &json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}], "max_tokens": 2, "temperature": 0}),
    );
    assert_eq!(
        answer["choices"][0]["message"],
        json!({"role": "assistant", "content": "bc"})
    );
    let (status, answer) = server.ask(
        "/v1/chat/completions",
        &json!({"messages": [{"role": "system", "content": "x"}]}),
    );
    assert_eq!(
        (status, answer["error"]["param"].as_str()),
        (400, Some("messages"))
    );
    let body = json!({"prompt": "a", "max_tokens": 2, "temperature": 0, "stream": true, "stream_options": {"include_usage": true}});
    let (_, text) = server.send("/v1/completions", "application/json", &body.to_string());
    let events: Vec<&str> = text
        .split("\n\n")
        .filter_map(|e| e.strip_prefix("data: "))
        .collect();
    assert_eq!(events.len(), 3);
    let first: Value = serde_json::from_str(events[0]).unwrap();
    assert_eq!(first["choices"][0]["text"], "bc");
    let last: Value = serde_json::from_str(events[1]).unwrap();
    assert_eq!(last["usage"]["completion_tokens"], 2);
    assert_eq!(events[2], "[DONE]");
}
