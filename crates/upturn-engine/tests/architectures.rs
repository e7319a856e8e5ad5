//! Every supported architecture against what transformers computes for a tiny model of it, and
//! damaged checkpoints against the one line that each should get.
//!
//! The models are made by `scripts/make_architecture_fixtures.py`.

#[path = "architectures/naive.rs"]
mod naive;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use upturn_engine::arch;
use upturn_engine::checkpoint::Checkpoint;
use upturn_engine::forward::Decoder;
use upturn_engine::plan::DecoderPlan;
use upturn_engine::score::{Limits, score};
use upturn_engine::trie::Sequence;
use upturn_types::Flow;

use naive::Naive;

/// Largest difference of a log-probability, in nats, between the reference's 32 bits and ours.
const TOLERANCE: f64 = 1e-4;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/architectures")
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(fixtures()).expect("the fixtures are committed");
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 40, "only {} fixtures", names.len());
    names
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn opened(dir: &Path) -> (Checkpoint, DecoderPlan) {
    let checkpoint = Checkpoint::open(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let plan = checkpoint
        .plan()
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    checkpoint
        .validate(&plan)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    (checkpoint, plan)
}

/// Runs a check on every fixture, in parallel, and reports all that fail.
fn each(check: impl Fn(&Path) -> Result<(), String> + Sync) {
    let names = names();
    let failed: Vec<String> = std::thread::scope(|scope| {
        let check = &check;
        let n_threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let share = names.len().div_ceil(n_threads);
        let tasks: Vec<_> = names
            .chunks(share)
            .map(|names| {
                scope.spawn(move || {
                    let results = names.iter().map(|name| {
                        check(&fixtures().join(name)).map_err(|e| format!("{name}: {e}"))
                    });
                    results.filter_map(Result::err).collect::<Vec<_>>()
                })
            })
            .collect();
        tasks.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

struct Expected {
    ids: Vec<usize>,
    next: Vec<f64>,
    last: Vec<f64>,
}

fn sequences(dir: &Path) -> Vec<Expected> {
    let expected = read_json(&dir.join("expected.json"));
    let numbers = |value: &Value| -> Vec<f64> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap())
            .collect()
    };
    expected["sequences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| Expected {
            ids: numbers(&s["ids"]).iter().map(|x| *x as usize).collect(),
            next: numbers(&s["next_token_logprobs"]),
            last: numbers(&s["last_logprobs"]),
        })
        .collect()
}

/// Compares (n_tokens, vocab_size) log-probabilities with a sequence's expected ones.
fn compare(sequence: &Expected, logprobs: &[Vec<f64>]) -> Result<(), String> {
    let n = sequence.ids.len();
    let near = |found: f64, expected: f64, what: &dyn Fn() -> String| {
        if (found - expected).abs() <= TOLERANCE {
            return Ok(());
        }
        Err(format!(
            "{} is {found:.6}, transformers has {expected:.6}",
            what()
        ))
    };
    for (position, expected) in sequence.next.iter().enumerate() {
        let found = logprobs[position][sequence.ids[position + 1]];
        near(found, *expected, &|| {
            format!("token {} of {n}", position + 1)
        })?;
    }
    for (token, expected) in sequence.last.iter().enumerate() {
        let found = logprobs[n - 1][token];
        near(found, *expected, &|| format!("token {token} after {n}"))?;
    }
    Ok(())
}

#[test]
fn every_model_type_has_a_fixture() {
    let tested: Vec<String> = names()
        .iter()
        .map(|name| {
            let config = read_json(&fixtures().join(name).join("config.json"));
            config["model_type"].as_str().unwrap().to_owned()
        })
        .collect();
    for name in arch::supported() {
        assert!(tested.iter().any(|t| t == name), "{name} has no fixture");
    }
    assert!(arch::supported().is_sorted());
}

#[test]
fn opens_plans_validates_and_counts() {
    each(|dir| {
        let (checkpoint, plan) = opened(dir);
        let expected = read_json(&dir.join("expected.json"));
        let n_params = checkpoint.n_params(&plan).map_err(|e| e.to_string())?;
        if Some(n_params) != expected["n_params"].as_u64() {
            return Err(format!(
                "{n_params} parameters, not {}",
                expected["n_params"]
            ));
        }
        let unread = checkpoint.unread(&plan);
        let vision =
            |n: &&&str| !n.contains("vision_tower") && !n.contains("multi_modal_projector");
        if let Some(name) = unread.iter().find(vision) {
            return Err(format!("{name} is left unread"));
        }
        match checkpoint.find_nan(&plan) {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn naive_decoder_agrees_with_transformers() {
    each(|dir| {
        let (checkpoint, plan) = opened(dir);
        let naive = Naive {
            checkpoint: &checkpoint,
            plan: &plan,
        };
        for sequence in sequences(dir) {
            compare(&sequence, &naive.logprobs(&sequence.ids))?;
        }
        Ok(())
    });
}

#[test]
fn engine_agrees_with_transformers() {
    each(|dir| {
        let (checkpoint, plan) = opened(dir);
        let vocab = plan.vocab_size;
        let decoder = Decoder::bind(&Arc::new(checkpoint), plan).map_err(|e| e.to_string())?;
        for sequence in sequences(dir) {
            let n = sequence.ids.len();
            let ids: Vec<u32> = sequence.ids.iter().map(|id| *id as u32).collect();
            // One request for each number expected: (tokens, position in the table, token).
            let next = (1..n).map(|end| (ids[..=end].to_vec(), end - 1, sequence.ids[end]));
            let last = (0..vocab).map(|t| ([&ids[..], &[t as u32]].concat(), n - 1, t));
            let asked: Vec<_> = next.chain(last).collect();
            let requests: Vec<Sequence> = asked
                .iter()
                .map(|(tokens, ..)| Sequence {
                    tokens: tokens.clone(),
                    first_scored: tokens.len() - 1,
                })
                .collect();
            let mut logprobs = vec![vec![f64::NAN; vocab]; n];
            let limits = Limits {
                max_rows: 48,
                kv_bytes: 1 << 24,
            };
            score(&decoder, &requests, limits, &mut |i, found| {
                let (_, position, token) = asked[i];
                logprobs[position][token] = f64::from(found.logprob);
                Flow::Continue(())
            })
            .map_err(|e| e.to_string())?;
            compare(&sequence, &logprobs)?;
        }
        Ok(())
    });
}

/// A change to a plan that its fixture must notice, so that agreement means something.
type Change = fn(&mut DecoderPlan);

#[test]
fn fixtures_notice_what_a_plan_leaves_out() {
    let no_windows: Change = |p| p.layers.iter_mut().for_each(|l| l.attn.window = None);
    let wider: Change = |p| {
        let windows = p.layers.iter_mut().filter_map(|l| l.attn.window.as_mut());
        windows.for_each(|w| *w += 1);
    };
    let unscaled: Change = |p| {
        let rope = &mut p.ropes[0];
        let exponent = |i: usize| (2 * i) as f32 / rope.dim as f32;
        rope.inv_freq = (0..rope.dim / 2)
            .map(|i| 10_000_f32.powf(-exponent(i)))
            .collect();
    };
    let cold: Change = |p| p.ropes[0].attention_scaling = 1.0;
    let one_rope: Change = |p| p.layers.iter_mut().for_each(|l| l.attn.rope = Some(0));
    let pairs: Change = |p| p.ropes[0].interleaved ^= true;
    let erf: Change = |p| {
        let layers = p.layers.iter_mut();
        layers.for_each(|l| l.mlp.activation = upturn_engine::plan::Activation::GeluErf);
    };
    let cases: &[(&str, Change)] = &[
        ("bloom", erf),
        ("cohere", pairs),
        ("cohere2", one_rope),
        ("exaone4", one_rope),
        ("falcon-alibi", |p| {
            p.alibi_rounding = p.alibi_rounding.map(|s| s * 0.99)
        }),
        ("falcon-alibi", |p| {
            // Exact biases instead of rounded ones.
            let scale = p.alibi_rounding.take().unwrap();
            if let upturn_engine::plan::Positions::Alibi { slopes } = &mut p.positions {
                slopes.iter_mut().for_each(|s| *s *= scale);
            }
        }),
        ("gemma", erf),
        ("gemma", |p| p.embed_scale = 1.0),
        ("gemma2", |p| p.logit_soft_cap = None),
        ("gemma2", |p| {
            p.layers.iter_mut().for_each(|l| l.attn.soft_cap = None)
        }),
        ("gemma2", wider),
        ("gemma3_text", one_rope),
        ("gpt_neo", no_windows),
        ("gpt_neo", wider),
        ("gptj", pairs),
        ("granite", |p| p.layers[0].residual_scale = 1.0),
        ("helium", pairs),
        ("llama-linear", unscaled),
        ("llama-llama3", unscaled),
        ("mistral", no_windows),
        ("mistral", wider),
        ("olmo", |p| {
            p.layers.iter_mut().for_each(|l| l.attn.clip_qkv = None)
        }),
        ("olmo3", one_rope),
        ("olmo3", cold),
        ("opt", |p| p.final_norm = None),
        ("phi3-longrope", unscaled),
        ("phi3-longrope", cold),
        ("qwen2-sliding", no_windows),
        ("qwen2-yarn", unscaled),
        ("qwen2-yarn", cold),
        ("smollm3", one_rope),
        ("stablelm-qk_norm", |p| p.layers[0].attn.k_norm = None),
        ("stablelm-qk_norm", |p| {
            p.layers[0]
                .attn
                .q_norm
                .as_mut()
                .unwrap()
                .per_head
                .swap(0, 1);
        }),
        ("starcoder2", wider),
    ];
    for (index, (name, change)) in cases.iter().enumerate() {
        let dir = fixtures().join(name);
        let (checkpoint, mut plan) = opened(&dir);
        let before = plan.clone();
        change(&mut plan);
        assert_ne!(before, plan, "change {index} of {name} changes nothing");
        let naive = Naive {
            checkpoint: &checkpoint,
            plan: &plan,
        };
        let agrees = sequences(&dir)
            .iter()
            .all(|s| compare(s, &naive.logprobs(&s.ids)).is_ok());
        assert!(!agrees, "change {index} of {name} goes unnoticed");
    }
}

/// A copy of a fixture that a test may damage.
fn copy(name: &str) -> TempDir {
    let to = TempDir::new().unwrap();
    for entry in fs::read_dir(fixtures().join(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

fn edit_config(dir: &Path, edit: impl FnOnce(&mut Value)) {
    let path = dir.join("config.json");
    let mut config = read_json(&path);
    edit(&mut config);
    fs::write(path, config.to_string()).unwrap();
}

/// Rewrites the header of `model.safetensors`; offsets stay as they are.
fn edit_header(dir: &Path, edit: impl FnOnce(&mut Value)) {
    let path = dir.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + len]).unwrap();
    edit(&mut header);
    let header = header.to_string().into_bytes();
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(&header);
    out.extend(&bytes[8 + len..]);
    fs::write(path, out).unwrap();
}

/// Opens, plans and validates; the message of what fails first, without the folder's path.
fn failure(dir: &Path) -> String {
    let run = || {
        let checkpoint = Checkpoint::open(dir)?;
        let plan = checkpoint.plan()?;
        checkpoint.validate(&plan)
    };
    let message = run().expect_err("a damaged checkpoint").to_string();
    assert!(!message.contains('\n'), "more than one line: {message}");
    message.replace(&format!("{}/", dir.display()), "")
}

#[track_caller]
fn fails(dir: &Path, parts: &[&str]) {
    let message = failure(dir);
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn damaged_files_get_one_line() {
    let weights = "model.safetensors";
    let dir = copy("llama");
    let bytes = fs::read(dir.path().join(weights)).unwrap();
    let write = |bytes: &[u8]| fs::write(dir.path().join(weights), bytes).unwrap();

    write(&bytes[..bytes.len() - 10]);
    fails(
        dir.path(),
        &["model.safetensors: truncated", &bytes.len().to_string()],
    );
    write(&bytes[..100]);
    fails(
        dir.path(),
        &["model.safetensors: truncated", "the file has 100"],
    );
    write(&bytes[..5]);
    fails(dir.path(), &["not a safetensors file", "found 5"]);
    write(&[]);
    fails(dir.path(), &["model.safetensors: the file is empty"]);
    write(&[bytes.as_slice(), b"more"].concat());
    fails(dir.path(), &["too long"]);
    write(b"<!DOCTYPE html><html>Not found</html>");
    fails(dir.path(), &["not a safetensors file"]);
    let mut garbage = bytes;
    garbage[8..40].fill(b'#');
    write(&garbage);
    fails(
        dir.path(),
        &["not a safetensors file", "header is not JSON"],
    );

    fs::remove_file(dir.path().join(weights)).unwrap();
    fails(dir.path(), &["no weights", "model.safetensors.index.json"]);
    fs::write(dir.path().join("pytorch_model.bin"), b"PK").unwrap();
    fails(
        dir.path(),
        &["pytorch_model.bin", "pickled", "save_pretrained"],
    );
    fs::write(dir.path().join("config.json"), b"{\"model_type\": ").unwrap();
    fails(dir.path(), &["config.json: not JSON"]);
    fs::remove_file(dir.path().join("config.json")).unwrap();
    fails(dir.path(), &["config.json: missing"]);
    let absent = Checkpoint::open(&dir.path().join("absent")).unwrap_err();
    assert!(absent.to_string().contains("no such folder"), "{absent}");
}

#[test]
fn every_truncation_is_refused() {
    let dir = copy("starcoder2");
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    for len in (0..bytes.len()).step_by(97) {
        fs::write(&path, &bytes[..len]).unwrap();
        failure(dir.path());
    }
}

#[test]
fn damaged_tensors_get_one_line() {
    let name = "model.layers.1.mlp.up_proj.weight";
    let dir = copy("llama");
    edit_header(dir.path(), |h| h[name]["shape"] = json!([24, 40]));
    fails(
        dir.path(),
        &[name, "[24, 40]", "config.json makes it [40, 24]"],
    );

    let dir = copy("llama");
    edit_header(dir.path(), |h| {
        h.as_object_mut().unwrap().remove(name);
    });
    fails(dir.path(), &[name, "missing"]);

    // Half as many elements of twice the size: F64 in place of F32.
    let dir = copy("llama");
    edit_header(dir.path(), |h| {
        h[name]["dtype"] = json!("F64");
        h[name]["shape"] = json!([20, 24]);
    });
    fails(dir.path(), &[name, "F64", "expected F32, BF16 or F16"]);

    for (dtype, shape) in [("I8", [80, 24]), ("F8_E4M3", [80, 24])] {
        let dir = copy("llama-bias");
        edit_header(dir.path(), |h| {
            h[name]["dtype"] = json!(dtype);
            h[name]["shape"] = json!(shape);
        });
        fails(dir.path(), &[name, dtype, "expected F32, BF16 or F16"]);
    }

    for (key, value) in [
        ("dtype", json!("Q4")),
        ("dtype", json!(null)),
        ("shape", json!([-1, 24])),
        ("shape", json!([u64::MAX, u64::MAX])),
        ("data_offsets", json!([0])),
        ("data_offsets", json!([8, 4])),
        ("data_offsets", json!([0, u64::MAX])),
    ] {
        let dir = copy("llama");
        edit_header(dir.path(), |h| h[name][key] = value);
        fails(
            dir.path(),
            &["model.safetensors: not a safetensors file", name],
        );
    }
}

#[test]
fn damaged_shards_get_one_line() {
    let second = "model-00002-of-00002.safetensors";
    let dir = copy("qwen2");
    fs::remove_file(dir.path().join(second)).unwrap();
    fails(dir.path(), &[second, "missing", "2 shards of which 1"]);

    let dir = copy("qwen2");
    let first = dir.path().join("model-00001-of-00002.safetensors");
    fs::copy(&first, dir.path().join(second)).unwrap();
    fails(dir.path(), &[second, "lacks tensor"]);

    for shard in [
        json!("../model.safetensors"),
        json!("/etc/passwd"),
        json!(3),
        json!(""),
    ] {
        let dir = copy("qwen2");
        let path = dir.path().join("model.safetensors.index.json");
        let mut index = read_json(&path);
        index["weight_map"]["model.norm.weight"] = shard;
        fs::write(&path, index.to_string()).unwrap();
        fails(
            dir.path(),
            &["index.json", "model.norm.weight", "expected a file name"],
        );
    }
}

#[test]
fn unsupported_configurations_get_one_line() {
    let cases: &[(&str, &str, Value, &[&str])] = &[
        (
            "llama",
            "model_type",
            json!("mamba"),
            &["\"mamba\" is not supported", "gpt_neox", "qwen3"],
        ),
        (
            "llama",
            "model_type",
            json!(null),
            &["model_type: missing", "llama"],
        ),
        ("llama", "model_type", json!(7), &["model_type: 7"]),
        (
            "llama",
            "hidden_act",
            json!("mish"),
            &["hidden_act", "mish", "silu"],
        ),
        (
            "llama",
            "quantization_config",
            json!({"quant_method": "gptq"}),
            &["quantization_config", "gptq"],
        ),
        (
            "llama",
            "num_local_experts",
            json!(8),
            &["num_local_experts", "experts"],
        ),
        (
            "llama",
            "num_attention_heads",
            json!(0),
            &["num_attention_heads", "from 1"],
        ),
        (
            "llama",
            "num_attention_heads",
            json!("four"),
            &["num_attention_heads", "\"four\""],
        ),
        (
            "llama",
            "num_key_value_heads",
            json!(3),
            &["num_key_value_heads", "3 does not divide"],
        ),
        (
            "llama",
            "num_hidden_layers",
            json!(1_000_000),
            &["num_hidden_layers", "1000000"],
        ),
        (
            "llama",
            "hidden_size",
            json!(32),
            &["lm_head.weight", "[96, 24]", "[96, 32]"],
        ),
        ("llama", "rms_norm_eps", json!(-1), &["rms_norm_eps"]),
        (
            "llama",
            "rope_scaling",
            json!({"type": "ntk"}),
            &["rope_type \"ntk\"", "yarn"],
        ),
        (
            "llama",
            "rope_scaling",
            json!({"type": "linear"}),
            &["linear scaling lacks factor"],
        ),
        ("llama", "rope_theta", json!(0), &["rope_theta", "above 0"]),
        (
            "llama",
            "rope_theta",
            json!("big"),
            &["rope_theta", "\"big\""],
        ),
        (
            "gpt2",
            "add_cross_attention",
            json!(true),
            &["add_cross_attention"],
        ),
        (
            "gpt_neo",
            "attention_types",
            json!([[["global"], 1]]),
            &["attention_types", "num_layers"],
        ),
        (
            "gpt_neo",
            "attention_types",
            json!([[["both"], 3]]),
            &["attention_types", "both"],
        ),
        (
            "qwen3",
            "layer_types",
            json!(["full_attention"]),
            &["layer_types", "2 layers, found 1"],
        ),
        (
            "qwen3",
            "layer_types",
            json!(["full_attention", "chunked_attention"]),
            &["chunked_attention"],
        ),
        ("gptj", "rotary_dim", json!(7), &["rotary_dim", "even"]),
        ("cohere", "use_qk_norm", json!(true), &["use_qk_norm"]),
        (
            "bloom",
            "apply_residual_connection_post_layernorm",
            json!(true),
            &["post_layernorm"],
        ),
        ("mpt", "no_bias", json!(false), &["no_bias"]),
        (
            "falcon-grouped",
            "parallel_attn",
            json!(false),
            &["parallel_attn"],
        ),
        (
            "phi3-longrope",
            "rope_scaling",
            json!({"type": "longrope", "short_factor": [1.0]}),
            &["short_factor", "expected 6"],
        ),
    ];
    for (name, key, value, parts) in cases {
        let dir = copy(name);
        edit_config(dir.path(), |config| config[*key] = value.clone());
        fails(dir.path(), parts);
    }
    let dir = copy("llama");
    fs::write(dir.path().join("config.json"), "[]").unwrap();
    fails(dir.path(), &["config.json: expected a JSON object"]);
}

/// Any value under any key is a plan, or one line; never a panic, nor memory without end.
#[test]
fn no_value_of_a_key_panics() {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(7),
        json!(1e300),
        json!(u64::MAX),
        json!(0.5),
        json!(""),
        json!("x"),
        json!([]),
        json!([0]),
        json!({}),
        json!({"rope_type": "yarn", "factor": 0}),
        json!({"full_attention": {"factor": "x"}}),
    ];
    each(|dir| {
        let config = read_json(&dir.join("config.json"));
        for key in config.as_object().unwrap().keys() {
            for value in &values {
                let mut config = config.clone();
                config[key] = value.clone();
                if let Err(error) = arch::plan(&config, &|_| true) {
                    let text = error.to_string();
                    if text.contains('\n') || text.len() > 700 {
                        return Err(format!("{key} = {value}: {text}"));
                    }
                }
            }
        }
        Ok(())
    });
}

#[test]
fn finds_the_first_nan() {
    let name = "model.layers.1.mlp.up_proj.weight";
    for (fixture, nan) in [
        ("llama", &f32::NAN.to_le_bytes()[..]),
        ("llama-bias", &[0xc1, 0xff]),
    ] {
        let dir = copy(fixture);
        let (checkpoint, plan) = opened(dir.path());
        let path = dir.path().join("model.safetensors");
        let view = checkpoint.tensor(name).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let start = bytes
            .windows(view.bytes.len())
            .position(|w| w == view.bytes)
            .unwrap();
        drop(checkpoint);
        for index in [900, 17] {
            let at = start + index * nan.len();
            bytes[at..at + nan.len()].copy_from_slice(nan);
        }
        // A new file, since the old one may still be mapped.
        fs::remove_file(&path).unwrap();
        fs::write(&path, &bytes).unwrap();
        let (checkpoint, _) = opened(dir.path());
        let found = checkpoint.find_nan(&plan).unwrap().expect("a NaN");
        assert_eq!((found.tensor.as_str(), found.index), (name, 17));
        assert!(found.into_error().to_string().contains("element 17 is NaN"));
    }
}

#[test]
fn fingerprint_follows_weights_and_configuration() {
    let of = |dir: &Path| Checkpoint::open(dir).unwrap().fingerprint().unwrap();
    let first = of(&fixtures().join("llama"));
    assert_eq!(first.len(), 64);
    let dir = copy("llama");
    assert_eq!(of(dir.path()), first, "a copy elsewhere is the same model");
    edit_config(dir.path(), |c| c["rope_theta"] = json!(10_000.0));
    assert_ne!(of(dir.path()), first);
    let dir = copy("llama");
    let path = dir.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_ne!(of(dir.path()), first);
}

#[test]
fn a_stored_head_is_tied_only_if_equal() {
    // llama stores both tables; make the configuration claim that they are one.
    let dir = copy("llama");
    edit_config(dir.path(), |c| c["tie_word_embeddings"] = json!(true));
    let (_, plan) = opened(dir.path());
    assert_eq!(
        plan.head.weight, "lm_head.weight",
        "different tables stay two"
    );

    let dir = copy("llama");
    edit_config(dir.path(), |c| c["tie_word_embeddings"] = json!(true));
    edit_header(dir.path(), |h| {
        h["lm_head.weight"] = h["model.embed_tokens.weight"].clone();
    });
    let (checkpoint, plan) = opened(dir.path());
    assert_eq!(plan.head.weight, plan.embed, "equal tables are one");
    assert_eq!(checkpoint.n_params(&plan).unwrap(), 15_096 - 96 * 24);

    // Without the embedding, a tied head stands for it.
    let dir = copy("llama");
    edit_config(dir.path(), |c| c["tie_word_embeddings"] = json!(true));
    edit_header(dir.path(), |h| {
        h.as_object_mut()
            .unwrap()
            .remove("model.embed_tokens.weight");
    });
    let (_, plan) = opened(dir.path());
    assert_eq!(
        (plan.embed.as_str(), plan.head.weight.as_str()),
        ("lm_head.weight", "lm_head.weight")
    );

    // Without a head, and nothing that ties it, there is none.
    let dir = copy("llama");
    edit_header(dir.path(), |h| {
        h.as_object_mut().unwrap().remove("lm_head.weight");
    });
    fails(dir.path(), &["lm_head.weight", "missing"]);
}

#[test]
fn generation_settings_are_read() {
    let dir = copy("llama");
    let generation = |text: &str| {
        fs::write(dir.path().join("generation_config.json"), text).unwrap();
        Checkpoint::open(dir.path()).map(|c| c.generation().clone())
    };
    let found = generation(r#"{"eos_token_id": [5, 6], "pad_token_id": -1}"#).unwrap();
    assert_eq!(found.eos_token_ids, [5, 6]);
    assert_eq!((found.bos_token_id, found.pad_token_id), (Some(0), None));
    let found = generation("{}").unwrap();
    assert_eq!(found.eos_token_ids, [1], "falls back to config.json");
    let error = generation(r#"{"eos_token_id": "x"}"#)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("eos_token_id: expected a token's number"),
        "{error}"
    );
}

#[test]
fn scalings_by_length_end_at_the_trained_length() {
    let longest = |name: &str| opened(&fixtures().join(name)).1.max_positions;
    assert_eq!(longest("phi3-longrope"), 96, "of 192");
    assert_eq!(longest("llama-dynamic"), 96);
    assert_eq!(longest("qwen2-yarn"), 128);
    assert_eq!(longest("bloom"), 2048, "no end of its own");
}
