//! How fast a model is trained: tokens a second, floating-point operations a second, memory.
//!
//! ```text
//! cargo run --release -p upturn-engine --example train_throughput -- \
//!     [block=gelu] [hidden=128] [layers=4] [heads=4] [inner=0] [vocab=64] \
//!     [length=64] [rows=4096] [threads=1] [seconds=3] [rounds=3]
//! ```
//!
//! `inner=0` is 4 · hidden, or 8/3 of it where gated. Prints one line of JSON; `gflops_product` is
//! what a large matrix product reached in the same run, and `of_product` the step's part of it.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints times"
)]

use std::collections::BTreeMap;
use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use upturn_engine::train::{AdamW, Batch, Block, Init, LearningRates, Shape, TrainError, Trainer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut block = Block::Gelu;
    let mut given = BTreeMap::from([
        ("hidden", 128),
        ("layers", 4),
        ("heads", 4),
        ("inner", 0),
        ("vocab", 64),
        ("length", 64),
        ("rows", 4096),
        ("threads", 1),
        ("seconds", 3),
        ("rounds", 3),
    ]);
    for argument in std::env::args().skip(1) {
        let (name, value) = argument.split_once('=').ok_or("expected NAME=VALUE")?;
        if name == "block" {
            block = match value {
                "gated" => Block::Gated,
                "gelu" => Block::Gelu,
                _ => return Err("block is gated or gelu".into()),
            };
            continue;
        }
        *given.get_mut(name).ok_or("no such name")? = value.parse()?;
    }
    let hidden = given["hidden"];
    let shape = Shape {
        block,
        vocab_size: given["vocab"],
        hidden,
        n_layers: given["layers"],
        n_heads: given["heads"],
        n_kv_heads: given["heads"],
        intermediate: match (given["inner"], block) {
            (0, Block::Gelu) => 4 * hidden,
            (0, Block::Gated) => 8 * hidden / 3,
            (n, _) => n,
        },
        tied: false,
        max_positions: given["length"],
        rope_theta: 10_000.0,
        norm_eps: 1e-5,
    };
    let init = Init {
        seed: 1,
        embedding_std: 0.02,
        matrix_std: 0.02,
        residual_std: 0.02,
        head_std: 0.02,
    };
    let settings = AdamW {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.01,
        clip_norm: 1.0,
    };
    let batch = batch(given["rows"], given["length"], given["vocab"] as u64);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(given["threads"])
        .build()?;
    let (secs, cpu_secs, loss, bytes, peak) = pool.install(|| -> Result<_, TrainError> {
        let mut trainer = Trainer::new(shape, &init, LearningRates::default())?;
        let mut loss = 0.0;
        let mut step = |trainer: &mut Trainer| {
            loss = trainer.accumulate(&batch)? / batch.n_targets() as f64;
            trainer.apply(&settings)
        };
        for _ in 0..3 {
            step(&mut trainer)?;
        }
        let mut steps = 0.0;
        let mut cpu_secs = 0.0;
        let (mut best, mut peak) = (f64::INFINITY, 0.0f64);
        for _ in 0..given["rounds"] {
            let (started, cpu) = (Instant::now(), process_secs());
            let mut n = 0;
            while started.elapsed().as_secs_f64() < given["seconds"] as f64 {
                step(&mut trainer)?;
                n += 1;
            }
            best = best.min(started.elapsed().as_secs_f64() / f64::from(n));
            steps += f64::from(n);
            cpu_secs += process_secs() - cpu;
            peak = peak.max(product_flops_per_sec(given["threads"]));
        }
        Ok((best, cpu_secs / steps, loss, trainer.memory_bytes(), peak))
    })?;
    let tokens = batch.tokens.len() as f64;
    let exact: u64 = batch.lengths.iter().map(|l| shape.flops_train(*l)).sum();
    println!(
        "{{\"n_params\": {}, \"tokens_per_sec\": {:.0}, \
         \"tokens_per_cpu_sec\": {:.0}, \"gflops_6nd\": {:.1}, \
         \"gflops_exact\": {:.1}, \"gflops_product\": {:.1}, \"of_product\": {:.3}, \
         \"step_secs\": {secs:.5}, \"memory_bytes\": {bytes}, \"loss\": {loss:.4}}}",
        shape.n_params(),
        tokens / secs,
        tokens / cpu_secs,
        6.0 * shape.n_params() as f64 * tokens / secs / 1e9,
        exact as f64 / secs / 1e9,
        peak / 1e9,
        exact as f64 / secs / peak,
    );
    Ok(())
}

/// Seconds of processors that this process has had, to 10 ms; NaN where the system does not say.
fn process_secs() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let mut ticks = after_name.split_whitespace().skip(11);
    let mut next = || ticks.next().and_then(|t| t.parse::<f64>().ok());
    match (next(), next()) {
        (Some(user), Some(system)) => (user + system) / 100.0,
        _ => f64::NAN,
    }
}

/// What a large f32 matrix product of a library reaches: the roof over every training step.
fn product_flops_per_sec(threads: usize) -> f64 {
    const N: usize = 1024;
    let a = Mat::from_fn(N, N, |i, j| (i + j) as f32 / N as f32);
    let mut c = Mat::zeros(N, N);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let started = Instant::now();
        matmul(
            &mut c,
            Accum::Replace,
            &a,
            &a,
            1.0f32,
            match threads {
                1 => Par::Seq,
                n => Par::rayon(n),
            },
        );
        best = best.min(started.elapsed().as_secs_f64());
    }
    2.0 * (N * N * N) as f64 / best
}

/// Token ids that look random and are always the same.
fn batch(rows: usize, length: usize, vocab: u64) -> Batch {
    let mut state = 1u64;
    let mut token = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % vocab) as u32
    };
    let n = rows / length;
    Batch {
        tokens: (0..n * length).map(|_| token()).collect(),
        targets: (0..n * length).map(|_| token()).collect(),
        lengths: vec![length; n],
    }
}
