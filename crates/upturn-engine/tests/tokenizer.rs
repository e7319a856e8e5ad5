//! Tokenizers, encoded requests and chat templates against the Python stack.
//!
//! Fixtures are made by `fixtures/tokenizer/make_fixtures.py`; the ones of
//! `shared.json` need the folder beside the repository (or `UPTURN_SHARED`).

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use upturn_engine::chat::{ChatOptions, ChatTemplates, Date};
use upturn_engine::encode::{EncodeError, EncodeOptions, Encoder, Pair};
use upturn_engine::tokenizer::Tokenizer;
use upturn_types::{ChatMessage, LmError, LoglikelihoodRequest, Text};

/// Fixture folders, and whether each is expected to be cut and looked up.
const FIXTURES: [(&str, bool); 7] = [
    ("byte_level", true),
    ("neox_like", true),
    ("split_bos", true),
    ("around", true),
    ("vocab_and_merges", true),
    ("spaces_as_marks", false),
    ("no_unknown", false),
];
/// A `tokenizer.json` under the name of a class that transformers builds otherwise.
const CLASSES: [&str; 5] = [
    "llama_class",
    "llama_class_legacy",
    "llama_class_bytes",
    "neox_class",
    "qwen2_class",
];
const SHARED: [&str; 3] = [
    "reference/models/gpt2-24x1",
    "reference/models/qwen2-24x1",
    "data/tokenizers/gpt-neox-20b.json",
];

fn main() {
    let arguments = Arguments::from_args();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizer");
    let mut trials = Vec::new();
    for (name, fast) in FIXTURES {
        let dir = fixtures.join(name);
        add(&mut trials, name, move || {
            let tokenizer = Tokenizer::open(&dir)?;
            if tokenizer.is_fast() != fast {
                return Err(format!("is_fast: {}", tokenizer.is_fast()).into());
            }
            Ok((tokenizer, json(&dir.join("expected.json"))?))
        });
    }
    let classes = fixtures.join("classes.json");
    for name in CLASSES {
        let (fixtures, classes) = (fixtures.clone(), classes.clone());
        add(&mut trials, name, move || {
            let expected = json(&classes)?[name].clone();
            let source = fixtures.join(text(&expected["source"]));
            let dir = tempfile::tempdir()?;
            std::fs::copy(
                source.join("tokenizer.json"),
                dir.path().join("tokenizer.json"),
            )?;
            let config = expected["config"].to_string();
            std::fs::write(dir.path().join("tokenizer_config.json"), config)?;
            let tokenizer = Tokenizer::open(dir.path())?;
            // The file of `llama_class_bytes` is followed, the others' are not.
            same(
                &tokenizer.note().is_some(),
                &(name != "llama_class_bytes"),
                "note",
            )?;
            Ok((tokenizer, expected))
        });
    }
    let shared = shared();
    for name in SHARED {
        let expected = fixtures.join("shared.json");
        match &shared {
            Some(shared) => {
                let path = shared.join(name);
                add(&mut trials, name, move || {
                    let tokenizer = open_shared(&path)?;
                    if !tokenizer.is_fast() {
                        return Err("not fast".into());
                    }
                    Ok((tokenizer, json(&expected)?[name].clone()))
                });
            }
            None => trials.push(
                Trial::test(format!("{name} (no ../shared, set UPTURN_SHARED)"), || {
                    Ok(())
                })
                .with_ignored_flag(true),
            ),
        }
    }
    let chat = fixtures.join("chat.json");
    trials.push(Trial::test(
        "chat_templates_as_transformers_renders_them",
        move || chat_templates(&json(&chat)?),
    ));
    let byte_level = fixtures.join("byte_level");
    trials.push(Trial::test(
        "chat_templates_refuse_in_one_line",
        move || chat_refusals(&Tokenizer::open(&byte_level)?),
    ));
    trials.push(Trial::test("a_date_only_where_it_is_given", dates));
    trials.push(Trial::test("files_of_a_folder", files_of_a_folder));
    let root = fixtures.clone();
    trials.push(Trial::test(
        "malformed_folders_are_one_line_errors",
        move || malformed(&root),
    ));
    let root = fixtures;
    trials.push(Trial::test(
        "requests_that_cannot_be_encoded_are_named",
        move || refused_requests(&Tokenizer::open(&root.join("byte_level"))?),
    ));
    libtest_mimic::run(&arguments, trials).exit();
}

/// The tests of one tokenizer.
fn add<F>(trials: &mut Vec<Trial>, name: &str, open: F)
where
    F: Fn() -> Result<(Tokenizer, Value), Failed> + Clone + Send + 'static,
{
    type Check = fn(&Tokenizer, &Value) -> Result<(), Failed>;
    let checks: [(&str, Check); 6] = [
        ("encodes_and_decodes_as_transformers", encodes),
        ("random_texts_as_the_plain_tokenizer", random_texts),
        ("streams_what_it_decodes", streams),
        ("pairs_as_lm_eval", pairs),
        ("random_pairs_in_batches_as_alone", random_pairs),
        ("windows_and_prompts_as_lm_eval", windows),
    ];
    for (check, run) in checks {
        let open = open.clone();
        trials.push(Trial::test(format!("{name}::{check}"), move || {
            let (tokenizer, expected) = open()?;
            run(&tokenizer, &expected)
        }));
    }
}

fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("UPTURN_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    path.is_dir().then_some(path)
}

/// A folder, or a lone `tokenizer.json` of a GPT-NeoX.
fn open_shared(path: &Path) -> Result<Tokenizer, Failed> {
    if path.is_dir() {
        return Ok(Tokenizer::open(path)?);
    }
    let dir = tempfile::tempdir()?;
    std::fs::copy(path, dir.path().join("tokenizer.json"))?;
    let config = r#"{"tokenizer_class": "GPTNeoXTokenizerFast"}"#;
    std::fs::write(dir.path().join("tokenizer_config.json"), config)?;
    Ok(Tokenizer::open(dir.path())?)
}

fn json(path: &Path) -> Result<Value, Failed> {
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

fn ids(value: &Value) -> Vec<u32> {
    let list = value.as_array().expect("a list of ids");
    list.iter()
        .map(|v| v.as_u64().expect("an id") as u32)
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn rows<'a>(expected: &'a Value, name: &str) -> Result<&'a Vec<Value>, Failed> {
    match expected[name].as_array() {
        Some(rows) if !rows.is_empty() => Ok(rows),
        _ => Err(format!("no rows of {name}: make the fixtures again").into()),
    }
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(
    got: &T,
    want: &T,
    what: impl std::fmt::Debug,
) -> Result<(), Failed> {
    if got == want {
        return Ok(());
    }
    Err(format!("{what:?}\n got: {got:?}\nwant: {want:?}").into())
}

fn encodes(tokenizer: &Tokenizer, expected: &Value) -> Result<(), Failed> {
    let roles = &expected["roles"];
    let role = |name: &str| roles[name].as_u64().map(|id| id as u32);
    same(&tokenizer.bos_id(), &role("bos_token"), "bos")?;
    same(&tokenizer.eos_id(), &role("eos_token"), "eos")?;
    same(&tokenizer.unk_id(), &role("unk_token"), "unk")?;
    same(&tokenizer.pad_id(), &role("pad_token"), "pad")?;
    let special = serde_json::to_value(tokenizer.special_tokens())?;
    same(&special, &expected["special_tokens"], "special tokens")?;
    for row in rows(expected, "encode")? {
        let input = text(&row["text"]);
        // Twice: the second time what was seen is looked up.
        for _ in 0..2 {
            same(&tokenizer.encode(input, false)?, &ids(&row["plain"]), input)?;
            same(&tokenizer.encode(input, true)?, &ids(&row["full"]), input)?;
        }
        same(
            &tokenizer.encode_plain(input, true)?,
            &ids(&row["full"]),
            input,
        )?;
    }
    for row in rows(expected, "decode")? {
        let input = ids(&row["ids"]);
        same(
            &tokenizer.decode(&input, false).as_str(),
            &text(&row["text"]),
            &input,
        )?;
        same(
            &tokenizer.decode(&input, true).as_str(),
            &text(&row["skipped"]),
            &input,
        )?;
    }
    Ok(())
}

/// Texts in which everything meets everything: words, digits, runs of whitespace, special tokens.
fn mixtures(specials: Vec<String>) -> impl Strategy<Value = String> {
    let words = [
        "a",
        "the",
        "The",
        "don't",
        "'s",
        "'LL",
        "I'm",
        "x=y",
        "...",
        "!?",
        "(",
        ")]",
        "\"q\"",
        "-",
        "--",
        "_",
        "0",
        "12",
        "345678",
        "3.14",
        "é",
        "e\u{301}",
        "\u{301}",
        "ﬁ",
        "Å",
        "\u{212b}",
        "ß",
        "İ",
        "東京",
        "한국",
        "🙂",
        "👩🏽‍🚀",
        "Ω",
        "й",
        "\u{200b}",
        "<",
        "|",
        ">",
        "<|",
        "|>",
        "red river",
        "captain",
        "bridge",
        "\u{338}",
        "≠",
        "=",
        "a\u{338}",
        "\0",
        "\u{7f}",
    ];
    let gaps = [
        "", "", " ", " ", " ", "  ", "   ", "    ", "\n", "\n\n", " \n", "\n ", "\t", "\r\n",
        "\u{a0}", "\u{3000}", "\u{85}", "\u{1f}",
    ];
    let word = prop_oneof![
        8 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        2 => "[a-zA-Z]{1,9}",
        2 => proptest::sample::select(specials),
        1 => any::<char>().prop_map(String::from),
    ];
    let gap = proptest::sample::select(gaps.to_vec());
    prop::collection::vec((word, gap), 0..24)
        .prop_map(|parts| parts.into_iter().map(|(w, g)| w + g).collect())
}

fn specials_of(tokenizer: &Tokenizer) -> Vec<String> {
    let mut specials: Vec<String> = tokenizer.special_tokens().into_values().collect();
    specials.extend(["<|strip|>", "<|user|>", "  <|strip|>", "<|end|>  "].map(str::to_owned));
    specials
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

fn random_texts(tokenizer: &Tokenizer, _: &Value) -> Result<(), Failed> {
    runner(1500)
        .run(&mixtures(specials_of(tokenizer)), |input| {
            for specials in [false, true] {
                let plain = tokenizer.encode_plain(&input, specials);
                prop_assert_eq!(tokenizer.encode(&input, specials), plain);
            }
            Ok(())
        })
        .map_err(|e| e.to_string().into())
}

fn streams(tokenizer: &Tokenizer, expected: &Value) -> Result<(), Failed> {
    let check = |tokens: &[u32]| -> Result<(), Failed> {
        for skip in [false, true] {
            let mut stream = tokenizer.stream(skip);
            let mut out = String::new();
            for (i, token) in tokens.iter().enumerate() {
                out += &stream.push(*token);
                let so_far = tokenizer.decode(&tokens[..=i], skip);
                same(&(out.clone() + &stream.pending()), &so_far, &tokens[..=i])?;
            }
            out += &stream.finish();
            same(&out, &tokenizer.decode(tokens, skip), tokens)?;
        }
        Ok(())
    };
    for row in rows(expected, "decode")? {
        check(&ids(&row["ids"]))?;
    }
    for row in rows(expected, "encode")? {
        check(&ids(&row["full"]))?;
    }
    let n = tokenizer.vocab_size() as u32;
    runner(300)
        .run(&prop::collection::vec(0..n + 3, 0..30), |tokens| {
            check(&tokens).map_err(|e| TestCaseError::fail(format!("{e:?}")))
        })
        .map_err(|e| e.to_string().into())
}

fn options(row: &Value, max_length: usize) -> EncodeOptions {
    EncodeOptions {
        max_length,
        add_bos_token: row["add_bos"].as_bool(),
        prefix_token_id: None,
    }
}

fn pairs(tokenizer: &Tokenizer, expected: &Value) -> Result<(), Failed> {
    let mut n_compared = 0;
    for row in rows(expected, "pairs")? {
        let max_length = row["max_length"].as_u64().expect("a length") as usize;
        let encoder = Encoder::new(tokenizer, options(row, max_length));
        let (context, continuation) = (text(&row["context"]), text(&row["continuation"]));
        let got = encoder.encode_pair(context, continuation);
        if row["pair"].is_null() {
            // lm-eval stops. So do we, unless the context merely has no tokens.
            let stripped = context.trim_end();
            let no_tokens = !context.is_empty() && encoder.encode(stripped)?.is_empty();
            match got {
                Ok(pair) if no_tokens => {
                    let before = pair.tokens.len() - pair.n_cont;
                    same(
                        &pair.tokens[..before],
                        &[encoder.prefix_id().expect("a prefix")][..],
                        row,
                    )?;
                }
                Ok(pair) => return Err(format!("{row}\n got: {pair:?}").into()),
                Err(_) => {}
            }
            continue;
        }
        let want = Pair {
            tokens: ids(&row["pair"]["tokens"]),
            n_cont: row["pair"]["n_cont"].as_u64().expect("a count") as usize,
            n_truncated: row["pair"]["n_truncated"].as_u64().expect("a count") as usize,
        };
        same(&got, &Ok(want), row)?;
        n_compared += 1;
    }
    if n_compared < 50 {
        return Err(format!("only {n_compared} pairs compared").into());
    }
    Ok(())
}

/// Requests with shared contexts and shared beginnings, as few-shot prompts have them.
fn requests(specials: Vec<String>) -> impl Strategy<Value = Vec<LoglikelihoodRequest>> {
    let shots = prop::collection::vec(mixtures(specials.clone()), 1..4);
    let docs = prop::collection::vec(
        (
            any::<prop::sample::Index>(),
            mixtures(specials.clone()),
            prop::collection::vec(mixtures(specials), 1..4),
        ),
        1..6,
    );
    (shots, docs).prop_map(|(shots, docs)| {
        let mut requests = Vec::new();
        for (shot, question, continuations) in docs {
            let context: Text = Text::from(format!("{}{question}", shots[shot.index(shots.len())]));
            for continuation in continuations {
                requests.push(LoglikelihoodRequest {
                    context: Text::clone(&context),
                    continuation: Text::from(format!("{continuation} x")),
                });
            }
        }
        requests
    })
}

fn random_pairs(tokenizer: &Tokenizer, _: &Value) -> Result<(), Failed> {
    let strategy = (
        requests(specials_of(tokenizer)),
        proptest::option::of(any::<bool>()),
        1..300_usize,
    );
    runner(200)
        .run(&strategy, |(requests, add_bos_token, max_length)| {
            let encoder = Encoder::new(
                tokenizer,
                EncodeOptions {
                    max_length,
                    add_bos_token,
                    prefix_token_id: None,
                },
            );
            let alone: Result<Vec<Pair>, LmError> = requests
                .iter()
                .enumerate()
                .map(|(index, r)| {
                    let pair = encoder.encode_pair(&r.context, &r.continuation);
                    let defined = by_definition(tokenizer, &encoder, add_bos_token, max_length, r);
                    assert_eq!(pair, defined, "{r:?}");
                    pair.map_err(|e| LmError::Request {
                        index,
                        reason: e.to_string(),
                    })
                })
                .collect();
            prop_assert_eq!(encoder.encode_pairs(&requests), alone);
            Ok(())
        })
        .map_err(|e| e.to_string().into())
}

/// The pair as lm-evaluation-harness defines it, with whole texts and no reuse.
fn by_definition(
    tokenizer: &Tokenizer,
    encoder: &Encoder<'_>,
    add_bos: Option<bool>,
    max_length: usize,
    request: &LoglikelihoodRequest,
) -> Result<Pair, EncodeError> {
    let prefix = encoder.prefix_id().expect("a prefix");
    let encode = |text: &str| {
        if text.starts_with(&tokenizer.decode(&[prefix], false)) {
            return tokenizer.encode_plain(text, false);
        }
        match add_bos {
            None => tokenizer.encode_plain(text, true),
            Some(add) => {
                let mut ids: Vec<u32> = tokenizer.bos_id().filter(|_| add).into_iter().collect();
                ids.extend(tokenizer.encode_plain(text, false)?);
                Ok(ids)
            }
        }
    };
    let (context, cont) = if request.context.is_empty() {
        (
            Vec::new(),
            tokenizer.encode_plain(&request.continuation, false)?,
        )
    } else {
        let python_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
        let context = encode(request.context.trim_end_matches(python_space))?;
        let whole = encode(&format!("{}{}", request.context, request.continuation))?;
        let cont = whole.get(context.len()..).unwrap_or_default().to_vec();
        (context, cont)
    };
    let (mut tokens, cont) = match (context.is_empty(), cont.first()) {
        (true, Some(first)) if *first == prefix => (vec![prefix], cont[1..].to_vec()),
        (true, _) => (vec![prefix], cont),
        (false, _) => (context, cont),
    };
    if cont.is_empty() {
        return Err(EncodeError::NoTokens(request.continuation.to_string()));
    }
    let n_cont = cont.len();
    if n_cont > max_length {
        return Err(EncodeError::TooLong {
            n: n_cont,
            max_length,
        });
    }
    tokens.extend(cont);
    let n_truncated = tokens.len().saturating_sub(max_length + 1);
    Ok(Pair {
        tokens: tokens.split_off(n_truncated),
        n_cont,
        n_truncated,
    })
}

fn windows(tokenizer: &Tokenizer, expected: &Value) -> Result<(), Failed> {
    for row in rows(expected, "windows")? {
        let max_length = row["max_length"].as_u64().expect("a length") as usize;
        let encoder = Encoder::new(tokenizer, options(row, max_length));
        let got: Vec<(Vec<u32>, Vec<u32>)> = encoder
            .encode_rolling(text(&row["text"]))?
            .into_iter()
            .map(|w| (w.context, w.scored))
            .collect();
        let want = row["windows"].as_array().expect("a list of windows");
        let want: Vec<_> = want.iter().map(|w| (ids(&w[0]), ids(&w[1]))).collect();
        same(&got, &want, row)?;
    }
    for row in rows(expected, "prompts")? {
        let max_context = row["max_context"].as_u64().expect("a length") as usize;
        let encoder = Encoder::new(tokenizer, options(row, 1000));
        let got = encoder.encode_prompt(text(&row["text"]), max_context)?;
        let mut want = ids(&row["tokens"]);
        if want.is_empty() {
            want.push(encoder.prefix_id().expect("a prefix"));
        }
        same(&got.tokens, &want, row)?;
        let all = encoder.encode_prompt(text(&row["text"]), usize::MAX)?;
        same(&all.n_truncated, &0, row)?;
        same(
            &(got.tokens.len() + got.n_truncated),
            &all.tokens.len(),
            row,
        )?;
    }
    Ok(())
}

fn messages(rows: &Value) -> Vec<ChatMessage> {
    let rows = rows.as_array().expect("a list of messages");
    rows.iter()
        .map(|m| ChatMessage {
            role: text(&m["role"]).to_owned(),
            content: text(&m["content"]).to_owned(),
        })
        .collect()
}

fn chat_templates(fixture: &Value) -> Result<(), Failed> {
    let sources = serde_json::from_value(fixture["templates"].clone())?;
    let special = ["bos_token", "eos_token"].map(|k| (k.to_owned(), text(&fixture[k]).to_owned()));
    let templates = ChatTemplates::new(&sources, special.into())?;
    let mut n_refused = 0;
    for case in rows(fixture, "cases")? {
        let options = ChatOptions {
            add_generation_prompt: case["add_generation_prompt"].as_bool() == Some(true),
            continue_final_message: case["continue_final_message"].as_bool() == Some(true),
            template: case["template"].as_str().map(str::to_owned),
            date: None,
            variables: case["variables"].as_object().cloned().unwrap_or_default(),
        };
        let got = templates.render(&messages(&case["messages"]), &options);
        match case["text"].as_str() {
            Some(want) => same(&got, &Ok(want.to_owned()), case)?,
            None => {
                n_refused += 1;
                let error = got.err().ok_or_else(|| format!("not refused: {case}"))?;
                same(&error.to_string().lines().count(), &1, error.to_string())?;
            }
        }
    }
    if n_refused == 0 {
        return Err("no conversation was refused".into());
    }
    Ok(())
}

fn chat_with(template: &str) -> Result<ChatTemplates, Failed> {
    let sources = [("default".to_owned(), template.to_owned())].into();
    Ok(ChatTemplates::new(&sources, [].into())?)
}

fn one(role: &str, content: &str) -> ChatMessage {
    ChatMessage {
        role: role.to_owned(),
        content: content.to_owned(),
    }
}

fn chat_refusals(tokenizer: &Tokenizer) -> Result<(), Failed> {
    let none = ChatTemplates::new(tokenizer.chat_templates(), tokenizer.special_tokens())?;
    let options = ChatOptions::default();
    let hello = [one("user", "Hello")];
    let error = |templates: &ChatTemplates, messages: &[ChatMessage], options: &ChatOptions| {
        templates
            .render(messages, options)
            .map_or_else(|e| e.to_string(), |t| format!("rendered {t}"))
    };
    same(
        &error(&none, &hello, &options).as_str(),
        &"chat template: the tokenizer has none: use a chat model, or leave the chat template out",
        "none",
    )?;
    let other = ChatOptions {
        template: Some("rag".to_owned()),
        ..ChatOptions::default()
    };
    let plain = chat_with("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")?;
    same(
        &error(&plain, &hello, &other).as_str(),
        &"chat template: no template \"rag\"; there are: default",
        "unknown name",
    )?;
    let endless = chat_with(
        "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
    )?;
    let fuel = error(&endless, &hello, &options);
    if !fuel.contains("fuel") && !fuel.contains("range") {
        return Err(fuel.into());
    }
    let syntax = chat_with("{% for m in %}");
    if syntax.is_ok() {
        return Err("a template with an error in it was compiled".into());
    }
    let no_system = chat_with(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}{{ m.content }}{% endfor %}",
    )?;
    let both = [one("system", "S"), one("user", "U")];
    let refused = error(&no_system, &both, &options);
    if !refused.starts_with("chat template: no system role") {
        return Err(refused.into());
    }
    same(
        &no_system
            .render_without_refused_system(&both, &options)?
            .as_str(),
        &"U",
        "system dropped",
    )?;
    same(
        &plain
            .render_without_refused_system(&both, &options)?
            .as_str(),
        &"system: S\nuser: U\n",
        "system kept",
    )?;
    Ok(())
}

fn dates() -> Result<(), Failed> {
    let templates = chat_with(
        "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}no date{% endif %}",
    )?;
    let mut options = ChatOptions::default();
    same(
        &templates.render(&[], &options)?.as_str(),
        &"no date",
        "undated",
    )?;
    options.date = Some(Date {
        year: 2024,
        month: 7,
        day: 26,
    });
    same(
        &templates.render(&[], &options)?.as_str(),
        &"26 Jul 2024",
        "dated",
    )
}

/// Special tokens as objects, templates in files and in lists.
fn files_of_a_folder() -> Result<(), Failed> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizer/byte_level");
    let dir = tempfile::tempdir()?;
    let path = dir.path();
    std::fs::copy(fixture.join("tokenizer.json"), path.join("tokenizer.json"))?;
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text);
    write(
        "tokenizer_config.json",
        r#"{"bos_token": {"content": "<|start|>", "lstrip": false}, "eos_token": null, "add_bos_token": true,
            "model_max_length": 2048, "chat_template": [
              {"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}]}"#,
    )?;
    write(
        "special_tokens_map.json",
        r#"{"eos_token": {"content": "<|stop|>", "normalized": false}, "additional_special_tokens": ["<|extra|>"]}"#,
    )?;
    let base = Tokenizer::open(&fixture)?.vocab_size();
    let tokenizer = Tokenizer::open(path)?;
    let new: Vec<Option<u32>> = (0..3).map(|i| Some((base + i) as u32)).collect();
    same(&tokenizer.bos_id(), &new[0], "bos")?;
    same(&tokenizer.eos_id(), &new[1], "eos")?;
    same(&tokenizer.token_id("<|extra|>"), &new[2], "extra")?;
    same(&tokenizer.prefix_id(), &new[0], "prefix")?;
    same(
        &tokenizer.model_max_length(),
        &Some(2048),
        "model_max_length",
    )?;
    same(
        &tokenizer.encode("<|stop|>", true)?,
        &vec![(base + 1) as u32],
        "a special token in the text",
    )?;
    same(
        &tokenizer.decode(&[(base + 1) as u32], true).as_str(),
        &"",
        "skipped",
    )?;
    same(&tokenizer.files().len(), &3, tokenizer.files())?;

    let render = |variables: Value| -> Result<String, Failed> {
        let tokenizer = Tokenizer::open(path)?;
        let templates = ChatTemplates::new(tokenizer.chat_templates(), tokenizer.special_tokens())?;
        let options = ChatOptions {
            variables: variables.as_object().cloned().unwrap_or_default(),
            ..ChatOptions::default()
        };
        Ok(templates.render(&[], &options)?)
    };
    same(&render(serde_json::json!({}))?.as_str(), &"D", "default")?;
    same(
        &render(serde_json::json!({"tools": [{"name": "f"}]}))?.as_str(),
        &"T",
        "tool_use",
    )?;
    write("chat_template.jinja", "{{ bos_token }}F\n")?;
    same(
        &render(serde_json::json!({}))?.as_str(),
        &"<|start|>F",
        "a file comes first",
    )
}

fn malformed(fixtures: &Path) -> Result<(), Failed> {
    let good = std::fs::read_to_string(fixtures.join("byte_level/tokenizer.json"))?;
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[], "no tokenizer.json"),
        (&[("tokenizer.model", "x")], "convert it once in Python"),
        (&[("tokenizer.json", "{")], "not a tokenizer"),
        (&[("tokenizer.json", "{\"model\": 1}")], "not a tokenizer"),
        (
            &[("tokenizer.json", &good), ("tokenizer_config.json", "[1]")],
            "expected a JSON object",
        ),
        (
            &[
                ("tokenizer.json", &good),
                ("tokenizer_config.json", "{\"bos_token\": 3}"),
            ],
            "bos_token: expected",
        ),
        (
            &[
                ("tokenizer.json", &good),
                (
                    "tokenizer_config.json",
                    "{\"added_tokens_decoder\": {\"x\": {\"content\": \"a\"}}}",
                ),
            ],
            "added_tokens_decoder.x",
        ),
        (
            &[
                ("tokenizer.json", &good),
                ("tokenizer_config.json", "{\"chat_template\": [1]}"),
            ],
            "chat_template: expected",
        ),
        (
            &[("vocab.json", "{\"a\": 0}"), ("merges.txt", "a b")],
            "vocab.json",
        ),
    ];
    for (files, want) in cases {
        let dir = tempfile::tempdir()?;
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text)?;
        }
        let error = match Tokenizer::open(dir.path()) {
            Ok(_) => return Err(format!("opened: {want}").into()),
            Err(e) => e.to_string(),
        };
        if !error.contains(want) || error.lines().count() != 1 {
            return Err(format!("got: {error}\nwant: {want}").into());
        }
    }
    // A vocabulary of whole words and no token for the unknown.
    let words = r#"{"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "[UNK]"},
        "pre_tokenizer": {"type": "WhitespaceSplit"}}"#;
    let tokenizer = Tokenizer::from_json(words)?;
    same(&tokenizer.encode("b a", false)?, &vec![1, 0], "known words")?;
    let error = tokenizer
        .encode("b c\nd", false)
        .err()
        .ok_or("an unknown word was encoded")?
        .to_string();
    if !error.starts_with("tokenizer: cannot encode \"b c\\nd\"") || error.lines().count() != 1 {
        return Err(error.into());
    }
    Ok(())
}

fn refused_requests(tokenizer: &Tokenizer) -> Result<(), Failed> {
    let encoder = Encoder::new(
        tokenizer,
        EncodeOptions {
            max_length: 8,
            ..EncodeOptions::default()
        },
    );
    let request = |context: &str, continuation: &str| LoglikelihoodRequest {
        context: Text::from(context),
        continuation: Text::from(continuation),
    };
    let refused = |continuation: &str| -> Result<String, Failed> {
        // The first of two bad ones is named, wherever the chunks end.
        let mut requests: Vec<_> = (0..1300)
            .map(|i| request(&format!("c {i}"), " x"))
            .collect();
        requests[700] = request("c", continuation);
        requests[1200] = request("c", "");
        match encoder.encode_pairs(&requests) {
            Err(LmError::Request { index: 700, reason }) => Ok(reason),
            other => Err(format!("{other:?}").into()),
        }
    };
    for (continuation, want) in [
        ("", "the continuation is empty"),
        (
            "abcdefghijklmnopqrstuvwxyz 0123456789",
            "more than the model's 8",
        ),
    ] {
        let reason = refused(continuation)?;
        if !reason.contains(want) {
            return Err(format!("got: {reason}\nwant: {want}").into());
        }
    }
    same(
        &encoder.encode_pair("", "<|endoftext|>"),
        &Err(EncodeError::NoTokens("<|endoftext|>".to_owned())),
        "the prefix alone",
    )?;
    let bare = Tokenizer::from_json(
        r#"{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}"#,
    )?;
    let encoder = Encoder::new(
        &bare,
        EncodeOptions {
            max_length: 8,
            ..EncodeOptions::default()
        },
    );
    same(
        &encoder.encode_pair("", "a"),
        &Err(EncodeError::NoPrefix),
        "no prefix",
    )
}
