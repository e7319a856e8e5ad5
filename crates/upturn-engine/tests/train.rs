//! Training against finite differences, and what a run promises: bits, files, refusals.

#[path = "train/reference.rs"]
mod reference;

use std::path::Path;
use std::sync::Arc;

use reference::Reference;
use serde_json::Value;
use upturn_engine::checkpoint::Checkpoint;
use upturn_engine::forward::Decoder;
use upturn_engine::gemm::tensor_f32;
use upturn_engine::score::{Limits, score};
use upturn_engine::train::{
    AdamW, Batch, Block, IGNORE, Init, LearningRates, Shape, TrainError, Trainer,
};
use upturn_engine::trie::Sequence;
use upturn_types::Flow;

const INIT: Init = Init {
    seed: 3,
    embedding_std: 0.8,
    matrix_std: 0.4,
    residual_std: 0.3,
    head_std: 0.3,
};

const SETTINGS: AdamW = AdamW {
    lr: 3e-3,
    beta1: 0.9,
    beta2: 0.95,
    eps: 1e-8,
    weight_decay: 0.1,
    clip_norm: 1.0,
};

fn shape(block: Block, hidden: usize, heads: (usize, usize), intermediate: usize) -> Shape {
    Shape {
        block,
        vocab_size: 23,
        hidden,
        n_layers: 2,
        n_heads: heads.0,
        n_kv_heads: heads.1,
        intermediate,
        tied: false,
        max_positions: 300,
        rope_theta: 10_000.0,
        norm_eps: 1e-5,
    }
}

/// Token ids that look random; about one position in `sparse` has a target.
fn batch(lengths: &[usize], vocab: usize, seed: u64, sparse: u64) -> Batch {
    let mut state = seed;
    let mut next = |n: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let n = lengths.iter().sum();
    let mut batch = Batch {
        lengths: lengths.to_vec(),
        ..Batch::default()
    };
    for i in 0..n {
        batch.tokens.push(next(vocab as u64) as u32);
        let target = next(vocab as u64) as u32;
        let counted = i == 0 || next(sparse) == 0;
        batch.targets.push(if counted { target } else { IGNORE });
    }
    batch
}

fn pool(n: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(n)
        .build()
        .unwrap()
}

/// Shapes with odd widths, tiny heads, shared keys, tied tables.
fn odd_shapes() -> Vec<Shape> {
    use Block::{Gated, Gelu};
    vec![
        shape(Gelu, 4, (2, 2), 8),
        shape(Gated, 4, (2, 1), 10),
        Shape {
            tied: true,
            n_layers: 1,
            ..shape(Gated, 24, (3, 1), 20)
        },
        Shape {
            tied: true,
            n_layers: 1,
            ..shape(Gelu, 20, (5, 5), 36)
        },
        Shape {
            n_layers: 1,
            ..shape(Gelu, 12, (2, 2), 17)
        },
        Shape {
            n_layers: 1,
            ..shape(Gated, 36, (6, 2), 24)
        },
        Shape {
            n_layers: 1,
            ..shape(Gated, 18, (1, 1), 7)
        },
    ]
}

/// Every number of every tensor's gradient, at random parameters (gains and offsets too).
#[test]
fn gradients_are_finite_differences_element_by_element() {
    for (i, shape) in odd_shapes().into_iter().enumerate() {
        let mut trainer = Trainer::new(shape, &INIT, LearningRates::default()).unwrap();
        // A few large steps move gains and offsets away from 1 and 0.
        let settings = AdamW {
            lr: 0.05,
            ..SETTINGS
        };
        for seed in 0..3 {
            let warm = batch(&[9, 30], 23, seed, 1);
            trainer.accumulate(&warm).unwrap();
            trainer.apply(&settings).unwrap();
        }
        // Sequences shorter and longer than a register and a panel; every other case sparse.
        let batch = batch(&[1, 5, 34, 2], 23, 11, 1 + 3 * (i as u64 % 2));
        let loss = trainer.accumulate(&batch).unwrap();
        let mut reference = Reference::new(shape, &trainer.parameters());
        let want = reference.loss(&batch);
        assert!(
            (loss - want).abs() < 1e-5 * want,
            "{shape:?}: {loss}, {want}"
        );
        let mut checked = 0;
        for tensor in trainer.gradients() {
            let slopes: Vec<f64> = (0..tensor.values.len())
                .map(|at| reference.slope(&batch, &tensor.name, at))
                .collect();
            let norm = slopes.iter().map(|s| s * s).sum::<f64>().sqrt();
            let typical = norm / (slopes.len() as f64).sqrt();
            for (at, (slope, got)) in slopes.iter().zip(&tensor.values).enumerate() {
                let error = (f64::from(*got) - slope).abs();
                assert!(
                    error < 2e-4 * typical.max(1e-3),
                    "{shape:?}: {} [{at}] is {got}, finite difference {slope}",
                    tensor.name
                );
                checked += 1;
            }
        }
        assert_eq!(checked, shape.n_params());
    }
}

/// More chunks than one, and sequences longer than a chunk.
#[test]
fn gradients_of_a_large_batch_are_those_of_its_sequences() {
    let shape = shape(Block::Gated, 16, (2, 1), 24);
    let lengths = [300, 20, 7, 130, 64, 64, 1, 90, 31, 33, 260, 40, 12];
    let batch = batch(&lengths, 23, 5, 2);
    let mut whole = Trainer::new(shape, &INIT, LearningRates::default()).unwrap();
    let mut parts = Trainer::new(shape, &INIT, LearningRates::default()).unwrap();
    let loss = whole.accumulate(&batch).unwrap();
    let mut at = 0;
    let mut sum = 0.0;
    for length in lengths {
        let one = Batch {
            tokens: batch.tokens[at..at + length].to_vec(),
            targets: batch.targets[at..at + length].to_vec(),
            lengths: vec![length],
        };
        if one.n_targets() > 0 {
            sum += parts.accumulate(&one).unwrap();
        }
        at += length;
    }
    assert!((loss - sum).abs() < 1e-6 * loss);
    assert_eq!(whole.n_targets(), parts.n_targets());
    assert!((whole.loss(&batch).unwrap() - loss).abs() < 1e-9 * loss);
    let reference = Reference::new(shape, &whole.parameters()).loss(&batch);
    assert!((loss - reference).abs() < 1e-5 * loss);
    for (a, b) in whole.gradients().iter().zip(&parts.gradients()) {
        let norm: f32 = a.values.iter().map(|x| x * x).sum::<f32>().sqrt();
        for (x, y) in a.values.iter().zip(&b.values) {
            assert!((x - y).abs() < 2e-5 * norm, "{}: {x}, {y}", a.name);
        }
    }
}

fn bits(trainer: &Trainer) -> Vec<u32> {
    let all = trainer.parameters();
    all.iter()
        .flat_map(|t| t.values.iter().map(|v| v.to_bits()))
        .collect()
}

fn train(trainer: &mut Trainer, steps: std::ops::Range<u64>) -> Vec<u64> {
    steps
        .map(|seed| {
            let mut loss = 0.0;
            for part in 0..2 {
                let lengths = [40, 9, 64, 100, 3, 77, 50, 120, 31, 8];
                let batch = batch(&lengths, 23, 10 * seed + part, 1 + part);
                loss += trainer.accumulate(&batch).unwrap();
            }
            trainer.apply(&SETTINGS).unwrap();
            loss.to_bits()
        })
        .collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for block in [Block::Gated, Block::Gelu] {
        let shape = shape(block, 32, (4, 4), 48);
        let run = |n: usize| {
            pool(n).install(|| {
                let mut t = Trainer::new(shape, &INIT, LearningRates::default()).unwrap();
                let losses = train(&mut t, 0..4);
                (losses, bits(&t))
            })
        };
        let one = run(1);
        for n in [2, 3, 5] {
            assert_eq!(one, run(n), "{n} threads");
        }
    }
}

/// So large that idle threads share out the work within a chunk.
#[test]
fn threads_within_a_chunk_give_the_same_bits() {
    for block in [Block::Gated, Block::Gelu] {
        let shape = Shape {
            vocab_size: 900,
            ..shape(block, 176, (4, 4), 700)
        };
        assert!(shape.n_params() > 1 << 20);
        // Two chunks, then one of one panel.
        let batches = [batch(&[90, 200], 900, 4, 1), batch(&[20], 900, 5, 3)];
        let run = |n: usize| {
            pool(n).install(|| {
                let mut t = Trainer::new(shape, &INIT, LearningRates::default()).unwrap();
                let losses: Vec<u64> = batches
                    .iter()
                    .map(|b| {
                        let loss = t.accumulate(b).unwrap();
                        t.apply(&SETTINGS).unwrap();
                        loss.to_bits()
                    })
                    .collect();
                (losses, bits(&t))
            })
        };
        let one = run(1);
        for n in [3, 4] {
            assert_eq!(one, run(n), "{n} threads");
        }
    }
}

/// Gradients and losses that PyTorch found: made by scripts/check_training.py --fixture.
#[test]
fn pytorch_finds_the_same_gradients_and_losses() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/training");
    for name in ["gelu", "gated"] {
        let dir = fixtures.join(name);
        let run = std::fs::read(dir.join("run.json")).unwrap();
        let run: Value = serde_json::from_slice(&run).unwrap();
        let numbers = |v: &Value| -> Vec<u32> {
            let all = v.as_array().unwrap().iter();
            all.map(|n| n.as_u64().unwrap() as u32).collect()
        };
        let batches: Vec<Batch> = run["batches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|b| Batch {
                tokens: numbers(&b["tokens"]),
                targets: numbers(&b["targets"]),
                lengths: numbers(&b["lengths"]).iter().map(|n| *n as usize).collect(),
            })
            .collect();
        let settings: AdamW = serde_json::from_value(run["settings"].clone()).unwrap();

        let initial = dir.join("initial");
        let mut trainer = Trainer::from_folder(&initial, LearningRates::default()).unwrap();
        trainer.accumulate(&batches[0]).unwrap();
        let expected = Checkpoint::open(&dir.join("gradients")).unwrap();
        let gradients = trainer.gradients();
        assert_eq!(gradients.len(), expected.names().count());
        for t in &gradients {
            let want = tensor_f32(&expected, &t.name).unwrap();
            let pairs = t.values.iter().zip(&want);
            let off: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
            let norm: f64 = want.iter().map(|b| f64::from(*b).powi(2)).sum();
            assert!(off.sqrt() <= 1e-5 * norm.sqrt(), "{name}: {}", t.name);
        }
        trainer.discard();

        let losses = run["losses"].as_array().unwrap();
        assert!(losses.len() > 10);
        for (step, (batch, want)) in batches.iter().zip(losses).enumerate() {
            let loss = trainer.accumulate(batch).unwrap() / batch.n_targets() as f64;
            trainer.apply(&settings).unwrap();
            let want = want.as_f64().unwrap();
            assert!(
                (loss - want).abs() < 1e-4 * want,
                "{name}, step {step}: {loss}, {want}"
            );
        }
    }
}

#[test]
fn a_resumed_run_has_the_same_bits() {
    let shape = shape(Block::Gelu, 24, (3, 3), 40);
    let rates = LearningRates {
        embedding: 2.0,
        head: 0.5,
        ..LearningRates::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.safetensors");
    let mut through = Trainer::new(shape, &INIT, rates).unwrap();
    train(&mut through, 0..3);
    through.save_state(&path).unwrap();
    let losses = train(&mut through, 3..6);

    let other = Init { seed: 99, ..INIT };
    let mut resumed = Trainer::new(shape, &other, rates).unwrap();
    // What was accumulated before is forgotten.
    resumed.accumulate(&batch(&[10], 23, 1, 1)).unwrap();
    resumed.load_state(&path).unwrap();
    assert_eq!(resumed.step(), 3);
    assert_eq!(train(&mut resumed, 3..6), losses);
    assert_eq!(bits(&resumed), bits(&through));
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "nothing unfinished is left behind");
}

#[test]
fn states_of_other_models_and_damaged_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.safetensors");
    let new = |hidden| {
        let shape = shape(Block::Gelu, hidden, (2, 2), 40);
        Trainer::new(shape, &INIT, LearningRates::default()).unwrap()
    };
    let mut trainer = new(16);
    trainer.accumulate(&batch(&[10], 23, 1, 1)).unwrap();
    let refusal = trainer.save_state(&path).unwrap_err().to_string();
    assert!(refusal.contains("gradients wait"), "{refusal}");
    trainer.discard();
    trainer.save_state(&path).unwrap();
    let mut other = new(8);
    let before = bits(&other);
    let refusal = other.load_state(&path).unwrap_err().to_string();
    assert!(
        refusal.contains("expected") && refusal.contains("\"hidden\":8"),
        "{refusal}"
    );
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let refusal = new(16).load_state(&path).unwrap_err().to_string();
        assert!(refusal.contains("state.safetensors"), "{refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }
    assert_eq!(bits(&other), before);
}

#[test]
fn a_step_that_is_not_finite_changes_nothing() {
    let shape = shape(Block::Gated, 16, (2, 2), 24);
    let mut trainer = Trainer::new(shape, &INIT, LearningRates::default()).unwrap();
    let batch = batch(&[30, 12], 23, 1, 1);
    // A learning rate that overflows: the step after it has no finite loss.
    trainer.accumulate(&batch).unwrap();
    let huge = AdamW {
        lr: f32::MAX,
        weight_decay: 0.0,
        ..SETTINGS
    };
    trainer.apply(&huge).unwrap();
    let before = bits(&trainer);
    let refusal = trainer.accumulate(&batch).unwrap_err();
    assert_eq!(
        refusal,
        TrainError::NotFinite {
            step: 1,
            what: "loss"
        }
    );
    assert_eq!(bits(&trainer), before);
    assert_eq!(trainer.n_targets(), 0);
    let refusal = trainer.apply(&SETTINGS).unwrap_err();
    assert_eq!(refusal, TrainError::NothingAccumulated { step: 1 });
    assert_eq!(bits(&trainer), before);
}

/// Embeddings so small that their norm divides by √ε alone: losses are finite, and the squares
/// of gradients overflow.
#[test]
fn an_infinite_gradient_is_refused() {
    let shape = Shape {
        n_layers: 1,
        norm_eps: 1e-38,
        ..shape(Block::Gated, 8, (2, 2), 8)
    };
    let init = Init {
        embedding_std: 1e-25,
        residual_std: 1e-25,
        ..INIT
    };
    let mut trainer = Trainer::new(shape, &init, LearningRates::default()).unwrap();
    let batch = batch(&[30], 23, 1, 1);
    assert!(trainer.accumulate(&batch).unwrap().is_finite());
    let before = bits(&trainer);
    let refusal = trainer.apply(&SETTINGS).unwrap_err();
    let what = "gradient norm";
    assert_eq!(refusal, TrainError::NotFinite { step: 0, what });
    assert_eq!(bits(&trainer), before);
    assert_eq!(trainer.n_targets(), 0);
}

#[test]
fn batches_that_do_not_fit_are_refused_by_name() {
    let shape = shape(Block::Gelu, 8, (2, 2), 8);
    let mut trainer = Trainer::new(shape, &INIT, LearningRates::default()).unwrap();
    let good = batch(&[5, 6], 23, 1, 1);
    let change = |f: &dyn Fn(&mut Batch)| {
        let mut b = good.clone();
        f(&mut b);
        b
    };
    let cases = [
        (change(&|b| b.tokens[3] = 23), "token 23 at 3"),
        (change(&|b| b.targets[4] = 99), "target 99 at 4"),
        (change(&|b| b.lengths[0] = 4), "add up to 10"),
        (
            change(&|b| b.lengths = vec![5, 0, 6]),
            "sequence 1 is empty",
        ),
        (
            change(&|b| b.targets.fill(IGNORE)),
            "no position has a target",
        ),
        (
            change(&|b| b.targets.truncate(3)),
            "11 tokens and 3 targets",
        ),
        (batch(&[301], 23, 1, 1), "max_positions 300"),
        (Batch::default(), "no position has a target"),
    ];
    for (batch, message) in cases {
        let refusal = trainer.accumulate(&batch).unwrap_err();
        assert!(matches!(refusal, TrainError::Batch(_)));
        assert!(refusal.to_string().contains(message), "{refusal}");
        assert_eq!(trainer.loss(&batch).unwrap_err(), refusal);
    }
    let bad = Shape { hidden: 9, ..shape };
    let refusal = Trainer::new(bad, &INIT, LearningRates::default()).unwrap_err();
    assert!(matches!(refusal, TrainError::Shape(_)));
}

/// The update against its formulas, number by number, in f64.
#[test]
fn updates_are_adamw() {
    let shape = Shape {
        tied: false,
        ..shape(Block::Gelu, 12, (2, 2), 20)
    };
    let rates = LearningRates {
        embedding: 3.0,
        matrix: 0.5,
        head: 0.25,
        vector: 2.0,
    };
    for clip_norm in [f32::INFINITY, 0.01] {
        let settings = AdamW {
            clip_norm,
            ..SETTINGS
        };
        let mut trainer = Trainer::new(shape, &INIT, rates).unwrap();
        let start = trainer.parameters();
        let mut want: Vec<Vec<[f64; 3]>> = start
            .iter()
            .map(|t| t.values.iter().map(|v| [f64::from(*v), 0.0, 0.0]).collect())
            .collect();
        for step in 1..4 {
            let batch = batch(&[20, 31], 23, step, 2);
            trainer.accumulate(&batch).unwrap();
            let gradients = trainer.gradients();
            let n = batch.n_targets() as f64;
            let squares = gradients.iter().flat_map(|t| &t.values);
            let norm = squares
                .map(|g| (f64::from(*g) / n).powi(2))
                .sum::<f64>()
                .sqrt();
            let stats = trainer.apply(&settings).unwrap();
            assert!((stats.grad_norm - norm).abs() < 1e-5 * norm);
            assert_eq!(stats.clipped, norm > f64::from(clip_norm));
            let scale = (f64::from(clip_norm) / norm).min(1.0) / n;
            for (t, numbers) in gradients.iter().zip(&mut want) {
                let vector = t.shape.len() == 1;
                let (rate, decay) = match t.name.as_str() {
                    "gpt_neox.embed_in.weight" => (3.0, 0.0),
                    "embed_out.weight" => (0.25, 0.0),
                    _ if vector => (2.0, 0.0),
                    _ => (0.5, 0.1),
                };
                for (g, [p, m, v]) in t.values.iter().zip(numbers) {
                    let g = f64::from(*g) * scale;
                    let (b1, b2, lr) = (0.9f64, 0.95f64, 3e-3);
                    *m = b1 * *m + (1.0 - b1) * g;
                    *v = b2 * *v + (1.0 - b2) * g * g;
                    let first = *m / (1.0 - b1.powi(step as i32));
                    let second = *v / (1.0 - b2.powi(step as i32));
                    *p -= lr * decay * *p + lr * rate * first / (second.sqrt() + 1e-8);
                }
            }
        }
        for (got, want) in trainer.parameters().iter().zip(&want) {
            for (got, [want, ..]) in got.values.iter().zip(want) {
                let error = (f64::from(*got) - want).abs();
                assert!(error < 2e-6 * (1.0 + want.abs()), "{got}, {want}");
            }
        }
    }
}

#[test]
fn a_model_learns_what_can_be_learned() {
    for block in [Block::Gated, Block::Gelu] {
        let shape = Shape {
            vocab_size: 12,
            ..shape(block, 16, (2, 2), 32)
        };
        let init = Init {
            matrix_std: 0.25,
            residual_std: 0.1,
            ..INIT
        };
        let mut trainer = Trainer::new(shape, &init, LearningRates::default()).unwrap();
        // The token before the last one comes again.
        let copy = |seed| {
            let mut b = batch(&[16; 24], 12, seed, 1);
            for i in 0..b.tokens.len() {
                b.targets[i] = if i % 16 == 0 { IGNORE } else { b.tokens[i - 1] };
            }
            b
        };
        let settings = AdamW {
            lr: 1e-2,
            ..SETTINGS
        };
        for seed in 0..300 {
            trainer.accumulate(&copy(seed)).unwrap();
            trainer.apply(&settings).unwrap();
        }
        let test = copy(10_000);
        let loss = trainer.loss(&test).unwrap() / test.n_targets() as f64;
        assert!(loss < 0.1, "{block:?}: {loss} nats per token");
    }
}

/// What is written loads in the decoder, with the same log-probabilities; and in a trainer,
/// with the same bits.
#[test]
fn folders_load_in_the_decoder_and_the_trainer() {
    for (i, shape) in odd_shapes().into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("model");
        let mut trainer = Trainer::new(shape, &INIT, LearningRates::default()).unwrap();
        train(&mut trainer, 0..2);
        trainer.write_folder(&dir, Some(1), Some(2)).unwrap();
        let refusal = trainer.write_folder(&dir, None, None).unwrap_err();
        assert!(refusal.to_string().contains("not empty"), "{refusal}");

        let checkpoint = Arc::new(Checkpoint::open(&dir).unwrap());
        let plan = checkpoint.plan().unwrap();
        checkpoint.validate(&plan).unwrap();
        assert_eq!(checkpoint.unread(&plan), Vec::<&str>::new());
        assert_eq!(checkpoint.n_params(&plan).unwrap(), shape.n_params() as u64);
        assert_eq!(checkpoint.generation().bos_token_id, Some(1));
        assert_eq!(checkpoint.generation().eos_token_ids, [2]);
        let decoder = Decoder::bind(&checkpoint, plan).unwrap();
        let tokens = batch(&[60], 23, i as u64, 1).tokens;
        let sequence = Sequence {
            tokens: tokens.clone(),
            first_scored: 1,
        };
        let limits = Limits {
            max_rows: 64,
            kv_bytes: 1 << 24,
        };
        let mut got = 0.0;
        let mut take = |_: usize, s: upturn_engine::score::Score| {
            got = f64::from(s.logprob);
            Flow::Continue(())
        };
        score(&decoder, &[sequence], limits, &mut take).unwrap();
        let mut targets = tokens[1..].to_vec();
        targets.push(IGNORE);
        let one = Batch {
            lengths: vec![tokens.len()],
            tokens,
            targets,
        };
        let loss = trainer.loss(&one).unwrap();
        assert!((loss + got).abs() < 1e-5 * loss, "{shape:?}: {loss}, {got}");

        let again = Trainer::from_folder(&dir, LearningRates::default()).unwrap();
        assert_eq!(again.shape(), trainer.shape());
        assert_eq!(bits(&again), bits(&trainer));
    }
}

#[test]
fn memory_is_predicted() {
    for block in [Block::Gated, Block::Gelu] {
        for (hidden, n_rows, length) in [(16, 1000, 50), (64, 3000, 100), (32, 200, 200)] {
            let shape = shape(block, hidden, (2, 2), 4 * hidden);
            for threads in [1, 2] {
                let bytes = pool(threads).install(|| {
                    let mut t = Trainer::new(shape, &INIT, LearningRates::default()).unwrap();
                    let batch = batch(&vec![length; n_rows / length], 23, 1, 1);
                    t.accumulate(&batch).unwrap();
                    t.memory_bytes() as f64
                });
                let predicted = shape.memory_bytes(n_rows, length, threads) as f64;
                let ratio = predicted / bytes;
                assert!((0.999..1.2).contains(&ratio), "{shape:?}: {ratio}");
            }
        }
    }
}

/// Of the folders that the engine evaluates, those without further options can be trained, and
/// give the log-probabilities that transformers gives; the others are refused by name.
#[test]
fn folders_of_others_load_or_are_refused_by_name() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/architectures");
    let (mut loaded, mut refused) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(&fixtures).unwrap() {
        let dir = entry.unwrap().path();
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let mut trainer = match Trainer::from_folder(&dir, LearningRates::default()) {
            Ok(trainer) => trainer,
            Err(e) => {
                refused.push(format!("{name}: {e}"));
                continue;
            }
        };
        let expected = std::fs::read(dir.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        for sequence in expected["sequences"].as_array().unwrap() {
            let ids = sequence["ids"].as_array().unwrap();
            let tokens: Vec<u32> = ids.iter().map(|t| t.as_u64().unwrap() as u32).collect();
            let next = sequence["next_token_logprobs"].as_array().unwrap();
            let want: f64 = next.iter().map(|p| p.as_f64().unwrap()).sum();
            if tokens.len() < 2 {
                continue;
            }
            let mut targets = tokens[1..].to_vec();
            targets.push(IGNORE);
            let batch = Batch {
                lengths: vec![tokens.len()],
                tokens,
                targets,
            };
            let loss = trainer.loss(&batch).unwrap();
            assert!((loss + want).abs() < 1e-5 * loss, "{name}: {loss}, {want}");
        }
        loaded.push(name);
    }
    // Its scaling only begins beyond its positions.
    assert_eq!(loaded, ["llama-dynamic"]);
    assert!(refused.len() > 40);
    for message in &refused {
        assert!(!message.contains('\n'), "{message}");
        let known = ["cannot be trained", "without further options"];
        assert!(known.iter().any(|k| message.contains(k)), "{message}");
    }
    let heads = refused.iter().find(|m| m.starts_with("llama: ")).unwrap();
    assert!(heads.contains("heads of 8 features"), "{heads}");
}
