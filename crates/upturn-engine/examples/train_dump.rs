//! Trains a small model and writes down all that another program needs to do the same:
//! scripts/check_training.py does, with PyTorch.
//!
//! ```text
//! cargo run --release -p upturn-engine --example train_dump -- OUT \
//!     [block=gelu] [hidden=32] [layers=2] [heads=4] [kv=4] [inner=128] [vocab=64] [tied=0] \
//!     [rows=512] [steps=200] [seed=1]
//! ```
//!
//! OUT gets `initial/` and `final/` (Hugging Face folders), `batches.json`, `run.json` (settings,
//! mean loss and gradient norm of each step, log-probabilities of the final model by the decoder)
//! and `gradients.bin`: those of the first batch's summed loss, f32, in the order of `run.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use upturn_engine::checkpoint::Checkpoint;
use upturn_engine::forward::Decoder;
use upturn_engine::score::{Limits, score};
use upturn_engine::train::{AdamW, Batch, Block, IGNORE, Init, LearningRates, Shape, Trainer};
use upturn_engine::trie::Sequence;
use upturn_types::Flow;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments
        .next()
        .ok_or("the first argument is a new folder")?;
    let out = Path::new(&out);
    let mut block = Block::Gelu;
    let mut given = BTreeMap::from([
        ("hidden", 32),
        ("layers", 2),
        ("heads", 4),
        ("kv", 4),
        ("inner", 128),
        ("vocab", 64),
        ("tied", 0),
        ("rows", 512),
        ("steps", 200),
        ("seed", 1),
    ]);
    for argument in arguments {
        let (name, value) = argument.split_once('=').ok_or("expected NAME=VALUE")?;
        if name == "block" {
            block = serde_json::from_value(json!(value))?;
            continue;
        }
        *given.get_mut(name).ok_or("no such name")? = value.parse()?;
    }
    let shape = Shape {
        block,
        vocab_size: given["vocab"],
        hidden: given["hidden"],
        n_layers: given["layers"],
        n_heads: given["heads"],
        n_kv_heads: given["kv"],
        intermediate: given["inner"],
        tied: given["tied"] != 0,
        max_positions: 128,
        rope_theta: 10_000.0,
        norm_eps: 1e-5,
    };
    let width = (shape.hidden as f32).sqrt();
    let init = Init {
        seed: given["seed"] as u64,
        embedding_std: 0.5,
        matrix_std: 1.0 / width,
        residual_std: 0.5 / width,
        head_std: 1.0 / width,
    };
    let settings = AdamW {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        weight_decay: 0.1,
        clip_norm: 1.0,
    };
    let mut numbers = Numbers(given["seed"] as u64);
    let batches: Vec<Batch> = (0..given["steps"])
        .map(|_| batch(&mut numbers, given["rows"], shape.vocab_size as u64))
        .collect();

    fs::create_dir_all(out)?;
    let mut trainer = Trainer::new(shape, &init, LearningRates::default())?;
    trainer.write_folder(&out.join("initial"), Some(0), Some(1))?;
    trainer.accumulate(&batches[0])?;
    let gradients = trainer.gradients();
    let bytes: Vec<u8> = gradients
        .iter()
        .flat_map(|t| t.values.iter().flat_map(|v| v.to_le_bytes()))
        .collect();
    fs::write(out.join("gradients.bin"), bytes)?;
    trainer.discard();

    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for batch in &batches {
        losses.push(trainer.accumulate(batch)? / batch.n_targets() as f64);
        norms.push(trainer.apply(&settings)?.grad_norm);
    }
    let last = out.join("final");
    trainer.write_folder(&last, Some(0), Some(1))?;
    let tests: Vec<Value> = (0..4)
        .map(|_| {
            let tokens = sequence(&mut numbers, 100, shape.vocab_size as u64);
            let logprobs = logprobs(&last, &tokens)?;
            Ok(json!({ "tokens": tokens, "logprobs": logprobs }))
        })
        .collect::<Result<_, Box<dyn std::error::Error>>>()?;

    let all: Vec<Value> = batches
        .iter()
        .map(|b| json!({ "tokens": b.tokens, "targets": b.targets, "lengths": b.lengths }))
        .collect();
    fs::write(out.join("batches.json"), json!(all).to_string())?;
    let tensors: Vec<Value> = gradients
        .iter()
        .map(|t| json!({ "name": t.name, "shape": t.shape }))
        .collect();
    let run = json!({
        "shape": shape, "settings": settings, "losses": losses, "grad_norms": norms,
        "tensors": tensors, "tests": tests, "ignore": IGNORE,
    });
    fs::write(out.join("run.json"), run.to_string())?;
    Ok(())
}

/// Log-probability of each token after the first, by the decoder that evaluates.
fn logprobs(dir: &Path, tokens: &[u32]) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    let checkpoint = Arc::new(Checkpoint::open(dir)?);
    let plan = checkpoint.plan()?;
    checkpoint.validate(&plan)?;
    let decoder = Decoder::bind(&checkpoint, plan)?;
    let sequences: Vec<Sequence> = (1..tokens.len())
        .map(|i| Sequence {
            tokens: tokens[..=i].to_vec(),
            first_scored: i,
        })
        .collect();
    let limits = Limits {
        max_rows: 256,
        kv_bytes: 1 << 26,
    };
    let mut found = vec![0.0; sequences.len()];
    score(&decoder, &sequences, limits, &mut |i, s| {
        found[i] = s.logprob;
        Flow::Continue(())
    })?;
    Ok(found)
}

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// A sequence that mostly goes on as it did some tokens before, so that there is much to learn.
fn sequence(numbers: &mut Numbers, length: usize, vocab: u64) -> Vec<u32> {
    let period = 1 + numbers.below(5) as usize;
    let step = 1 + numbers.below(3);
    let mut tokens: Vec<u32> = Vec::with_capacity(length);
    for i in 0..length {
        let noise = numbers.below(10) == 0;
        let token = match i.checked_sub(period) {
            Some(before) if !noise => (u64::from(tokens[before]) + step) % vocab,
            _ => numbers.below(vocab),
        };
        tokens.push(token as u32);
    }
    tokens
}

/// Sequences of 20 to 128 tokens; one position in ten has no target.
fn batch(numbers: &mut Numbers, rows: usize, vocab: u64) -> Batch {
    let mut batch = Batch::default();
    while batch.tokens.len() < rows {
        let length = 20 + numbers.below(109) as usize;
        let tokens = sequence(numbers, length, vocab);
        for i in 0..length {
            let left_out = numbers.below(10) == 0;
            batch.targets.push(match tokens.get(i + 1) {
                Some(&next) if !left_out => next,
                _ => IGNORE,
            });
        }
        batch.tokens.extend(tokens);
        batch.lengths.push(length);
    }
    batch
}
