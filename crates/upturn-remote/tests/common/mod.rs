//! A server of our own that speaks every interface and fails on purpose.
//!
//! Its model is arithmetic: a text is cut before every space and after every line break, a
//! token's log-probability is a hash of all the text up to its end, and an answer is a word
//! for a hash of the prompt. Faults are a function of a request's body and of how often it
//! came, so a run can be replayed.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// What is done to a request instead of answering it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    TooMany,
    Broken,
    Overloaded,
    Reset,
    Half,
    HalfChunked,
    Stall,
    Truncated,
}

/// How the server behaves.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// Faults drawn for a request; none where empty.
    pub faults: Vec<Fault>,
    /// Times that a request fails at most before it is answered.
    pub fails_max: u64,
    /// Most milliseconds that an answer is held back: answers change places.
    pub delay_ms: u64,
    /// The key that must come with every request.
    pub key: Option<String>,
    /// The header that it comes in.
    pub key_header: &'static str,
    /// Requests at once above which the server says 429.
    pub concurrency: Option<usize>,
    /// Echo is ignored: log-probabilities of new tokens only.
    pub no_echo: bool,
    /// No text offsets in echoes, and a token before the text.
    pub bos: bool,
    /// Borders lie within tokens: a token is four characters.
    pub fours: bool,
    /// Every request is refused with its headers in the message.
    pub tells: bool,
    /// There is a tokenizer.
    pub tokenizer: bool,
}

pub struct Server {
    pub url: String,
    pub seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
}

/// What went on.
#[derive(Debug, Default)]
pub struct Seen {
    /// Times that each body was answered whole.
    pub answered: Mutex<BTreeMap<String, usize>>,
    /// Times that each body came.
    pub came: Mutex<BTreeMap<String, u64>>,
    /// Faults done.
    pub faults: Mutex<BTreeMap<Fault, usize>>,
    pub in_flight: AtomicUsize,
    pub in_flight_max: AtomicUsize,
}

pub fn hash(bytes: &[u8]) -> u64 {
    let mut h = 0xcbf2_9ce4_8422_2325u64;
    for b in bytes {
        h = (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
    }
    h ^= h >> 29;
    h.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (h >> 31)
}

/// Tokens of a text.
pub fn tokens(text: &str, fours: bool) -> Vec<String> {
    if fours {
        let chars: Vec<char> = text.chars().collect();
        return chars.chunks(4).map(|c| c.iter().collect()).collect();
    }
    let mut all: Vec<String> = Vec::new();
    let mut last = '\n';
    for c in text.chars() {
        if c == ' ' || last == '\n' || all.is_empty() {
            all.push(String::new());
        }
        all.last_mut().unwrap().push(c);
        last = c;
    }
    all
}

/// The log-probability of what ends `text`, and of the most likely token there.
pub fn logprob(text: &str) -> (f64, f64) {
    let h = hash(text.as_bytes());
    let own = -((h % 4000) as f64) / 1024.0 - 0.25;
    match h % 3 {
        0 => (own, own),
        _ => (own, own / 2.0),
    }
}

/// A continuation of `text`: two words and a line.
pub fn continuation(text: &str) -> String {
    let h = hash(text.as_bytes());
    format!(" w{} w{}\nrest", h % 97, h % 89)
}

impl Server {
    pub fn start(behaviour: Behaviour) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (told, ended) = (Arc::clone(&seen), Arc::clone(&stop));
        let behaviour = Arc::new(behaviour);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let (behaviour, seen) = (Arc::clone(&behaviour), Arc::clone(&told));
                std::thread::spawn(move || {
                    let Ok(stream) = stream else { return };
                    let _gone = serve(stream, &behaviour, &seen);
                });
            }
        });
        Server { url, seen, stop }
    }

    pub fn n_answered(&self) -> usize {
        self.seen.answered.lock().unwrap().values().sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let address = self.url.trim_start_matches("http://").to_owned();
        let _woken = TcpStream::connect(address);
    }
}

fn serve(stream: TcpStream, behaviour: &Behaviour, seen: &Seen) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let is_post = line.starts_with("POST");
        let mut length = 0;
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim_end();
            let Some((name, value)) = header.split_once(':') else {
                break;
            };
            let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
            if name == "content-length" {
                length = value.parse().unwrap_or(0);
            }
            headers.insert(name, value);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        if let Some(key) = &behaviour.key
            && headers.get(behaviour.key_header) != Some(key)
        {
            reply(
                &mut stream,
                401,
                "",
                &json!({"error": {"message": "no key"}}).to_string(),
            )?;
            continue;
        }
        if behaviour.tells && is_post {
            let all = format!("you sent {headers:?}");
            reply(
                &mut stream,
                400,
                "",
                &json!({"error": {"message": all}}).to_string(),
            )?;
            continue;
        }
        let value = serde_json::from_str(&body).unwrap_or_default();
        let answer = answer(&path, &value, behaviour);
        let Some(answer) = answer else {
            reply(
                &mut stream,
                404,
                "",
                "{\"error\":{\"message\":\"not found\"}}",
            )?;
            continue;
        };
        let answer = answer.to_string();
        if !is_post {
            reply(&mut stream, 200, "", &answer)?;
            continue;
        }
        let n = seen.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        seen.in_flight_max.fetch_max(n, Ordering::SeqCst);
        let came = {
            let mut all = seen.came.lock().unwrap();
            let came = all.entry(body.clone()).or_default();
            *came += 1;
            *came - 1
        };
        let h = hash(format!("{came} {body}").as_bytes());
        let fails = match behaviour.fails_max {
            0 => 0,
            max => hash(body.as_bytes()) % (max + 1),
        };
        let fault = match behaviour.concurrency {
            Some(max) if n > max => Some(Fault::TooMany),
            _ if came < fails && !behaviour.faults.is_empty() => {
                Some(behaviour.faults[(h % behaviour.faults.len() as u64) as usize])
            }
            _ => None,
        };
        if behaviour.delay_ms > 0 {
            std::thread::sleep(Duration::from_millis(h % (behaviour.delay_ms + 1)));
        }
        // Counted first: who has the answer may look at once.
        match fault {
            Some(fault) => *seen.faults.lock().unwrap().entry(fault).or_default() += 1,
            None => *seen.answered.lock().unwrap().entry(body).or_default() += 1,
        }
        seen.in_flight.fetch_sub(1, Ordering::SeqCst);
        let done = act(&mut stream, fault, &answer);
        if done? {
            return Ok(());
        }
    }
}

/// Does it; `true` when the connection ends with it.
fn act(stream: &mut TcpStream, fault: Option<Fault>, answer: &str) -> std::io::Result<bool> {
    let error = |message: &str| json!({"error": {"message": message}}).to_string();
    match fault {
        None => reply(stream, 200, "", answer)?,
        Some(Fault::TooMany) => reply(stream, 429, "retry-after-ms: 5\r\n", &error("slow down"))?,
        Some(Fault::Broken) => reply(stream, 500, "", &error("broken"))?,
        Some(Fault::Overloaded) => reply(stream, 503, "", "<html>overloaded</html>")?,
        Some(Fault::Truncated) => reply(stream, 200, "", &answer[..answer.len() / 2])?,
        Some(Fault::Reset) => return Ok(true),
        Some(Fault::Half) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(&answer.as_bytes()[..answer.len() / 2])?;
            return Ok(true);
        }
        Some(Fault::HalfChunked) => {
            let half = &answer[..answer.len() / 2];
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            write!(stream, "{head}{:x}\r\n{half}\r\n", half.len())?;
            return Ok(true);
        }
        Some(Fault::Stall) => {
            std::thread::sleep(Duration::from_millis(900));
            return Ok(true);
        }
    }
    Ok(false)
}

fn reply(stream: &mut TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let all = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(all.as_bytes())?;
    stream.flush()
}

/// Ids of tokens: their place in a list that grows.
static VOCABULARY: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub fn id_of(token: &str) -> u64 {
    let mut all = VOCABULARY.lock().unwrap();
    match all.iter().position(|t| t == token) {
        Some(at) => at as u64,
        None => {
            all.push(token.to_owned());
            all.len() as u64 - 1
        }
    }
}

fn text_of(prompt: &Value) -> (String, Option<Vec<String>>) {
    match prompt {
        Value::Array(ids) => {
            let all = VOCABULARY.lock().unwrap();
            let tokens: Vec<String> = ids
                .iter()
                .map(|id| all[id.as_u64().unwrap() as usize].clone())
                .collect();
            (tokens.concat(), Some(tokens))
        }
        prompt => (prompt.as_str().unwrap_or_default().to_owned(), None),
    }
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

fn answer(path: &str, body: &Value, behaviour: &Behaviour) -> Option<Value> {
    let usage = |input: usize, output: usize| json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    match path {
        "/v1/models" => Some(json!({"object": "list", "data": [
            {"id": "toy", "object": "model", "owned_by": "us", "max_model_len": 64, "meta": {"n_vocab": 5000}},
            {"id": "other", "object": "model"},
        ]})),
        "/props" => Some(json!({"default_generation_settings": {"n_ctx": 64}, "bos_token": "<s>"})),
        "/tokenizer_info" if behaviour.tokenizer => Some(json!({"bos_token": "<s>"})),
        "/tokenize" if behaviour.tokenizer => {
            let text = body["prompt"].as_str().or(body["content"].as_str())?;
            let all = match text {
                "<s>" => vec!["<s>".to_owned()],
                text => tokens(text, behaviour.fours),
            };
            let ids: Vec<u64> = all.iter().map(|t| id_of(t)).collect();
            Some(json!({"tokens": ids}))
        }
        "/v1/completions" => {
            let (text, ids) = text_of(&body["prompt"]);
            let mut all = ids.unwrap_or_else(|| tokens(&text, behaviour.fours));
            let n_prompt = all.len() + usize::from(behaviour.bos);
            if body["prompt_logprobs"].is_u64() {
                let mut so_far = String::new();
                let entries: Vec<Value> = all
                    .iter()
                    .enumerate()
                    .map(|(i, token)| {
                        so_far.push_str(token);
                        let (own, best) = logprob(&so_far);
                        let mut map =
                            json!({"4999": {"logprob": best, "rank": 1, "decoded_token": "?"}});
                        map[id_of(token).to_string()] =
                            json!({"logprob": own, "rank": 2, "decoded_token": token});
                        if i == 0 { Value::Null } else { map }
                    })
                    .collect();
                let ids: Vec<u64> = all.iter().map(|t| id_of(t)).collect();
                return Some(
                    json!({"choices": [{"index": 0, "text": " x", "finish_reason": "length",
                    "prompt_logprobs": entries, "prompt_token_ids": ids}], "usage": usage(n_prompt, 1)}),
                );
            }
            if body["echo"] != true {
                let text = continuation(&text);
                return Some(json!({"choices": [
                    {"index": 1, "text": "wrong", "finish_reason": "stop"},
                    {"index": 0, "text": text, "finish_reason": "length"},
                ], "usage": usage(n_prompt, 4)}));
            }
            let n_new = body["max_tokens"].as_u64()? as usize;
            if n_new > 0 {
                all.push(" new".into());
            }
            if behaviour.no_echo {
                return Some(
                    json!({"choices": [{"index": 0, "text": " new", "finish_reason": "length", "logprobs": {
                    "tokens": [" new"], "token_logprobs": [-0.5], "top_logprobs": [{" new": -0.5}], "text_offset": [0]
                }}], "usage": usage(n_prompt, 1)}),
                );
            }
            let mut so_far = String::new();
            let (mut names, mut own, mut top, mut offsets) = (vec![], vec![], vec![], vec![]);
            if behaviour.bos {
                names.push("<s>".to_owned());
                own.push(Value::Null);
                top.push(Value::Null);
                offsets.push(0);
            }
            for token in all {
                offsets.push(so_far.chars().count() + if behaviour.bos { 3 } else { 0 });
                so_far.push_str(&token);
                let (logprob, best) = logprob(&so_far);
                if names.is_empty() {
                    own.push(Value::Null);
                    top.push(Value::Null);
                } else {
                    own.push(json!(logprob));
                    let mut map = json!({"?": best});
                    map[&token] = json!(logprob);
                    top.push(map);
                }
                names.push(token);
            }
            let mut logprobs = json!({"tokens": names, "token_logprobs": own, "top_logprobs": top});
            if !behaviour.bos {
                logprobs["text_offset"] = json!(offsets);
            }
            Some(
                json!({"choices": [{"index": 0, "text": so_far, "finish_reason": "length", "logprobs": logprobs}],
                "usage": usage(n_prompt, n_new)}),
            )
        }
        "/v1/chat/completions" => {
            let text = body["messages"].to_string();
            Some(
                json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": continuation(&text)},
                "finish_reason": "stop"}], "usage": usage(10, 4)}),
            )
        }
        "/v1/messages" => {
            let text = body["messages"].to_string();
            Some(
                json!({"content": [{"type": "text", "text": continuation(&text)}], "stop_reason": "end_turn",
                "usage": {"input_tokens": 10, "output_tokens": 4}}),
            )
        }
        "/generate" => {
            let (text, ids) = match &body["input_ids"] {
                Value::Null => text_of(&body["text"]),
                ids => text_of(ids),
            };
            let all = ids.unwrap_or_else(|| tokens(&text, behaviour.fours));
            if body["return_logprob"] != true {
                return Some(json!({"text": first_line(&continuation(&text)),
                    "meta_info": {"prompt_tokens": all.len(), "completion_tokens": 3, "finish_reason": {"type": "stop", "matched": "\n"}}}));
            }
            let mut so_far = String::new();
            let (mut own, mut top) = (vec![], vec![]);
            for (i, token) in all.iter().enumerate() {
                so_far.push_str(token);
                let (logprob, best) = logprob(&so_far);
                match i {
                    0 => {
                        own.push(json!([null, id_of(token), token]));
                        top.push(Value::Null);
                    }
                    _ => {
                        own.push(json!([logprob, id_of(token), token]));
                        top.push(json!([[best, 4999, "?"]]));
                    }
                }
            }
            Some(
                json!({"text": " x", "meta_info": {"prompt_tokens": all.len(), "completion_tokens": 1,
                "input_token_logprobs": own, "input_top_logprobs": top}}),
            )
        }
        "/completion" => {
            let (text, _) = text_of(&body["prompt"]);
            let Some(n) = body["n_probs"].as_u64() else {
                return Some(
                    json!({"content": first_line(&continuation(&text)), "stop_type": "word",
                    "tokens_evaluated": 5, "tokens_predicted": 3}),
                );
            };
            // The most likely token is one that nobody asks for; then all that are known.
            let known = VOCABULARY.lock().unwrap().clone();
            let mut all: Vec<(u64, f64, bool)> = Vec::new();
            for (id, token) in known.iter().enumerate() {
                let (own, best) = logprob(&format!("{text}{token}"));
                all.push((id as u64, own, own == best));
            }
            // A token that is not the best of its place stands behind one that is.
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            let top: Vec<Value> = all
                .iter()
                .take(n as usize)
                .map(|(id, own, _)| json!({"id": id, "logprob": own, "token": known[*id as usize]}))
                .collect();
            Some(
                json!({"content": " x", "stop_type": "limit", "tokens_evaluated": 5, "tokens_predicted": 1,
                "completion_probabilities": [{"id": 1, "logprob": -0.1, "top_logprobs": top}]}),
            )
        }
        _ => None,
    }
}
