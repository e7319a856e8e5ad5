//! How fast a model scores a made-up few-shot trie: tokens and floating-point operations a second.
//!
//! ```text
//! cargo run --release -p upturn-engine --example score_throughput -- MODEL \
//!     [shots=450] [questions=60] [question=80] [options=4] [option=5] [rows=0] [threads=0] [bf16=0]
//! ```
//!
//! `shots` tokens are shared by all questions, `question` tokens by the options of one;
//! `rows=0` and `threads=0` are the defaults of a run; `bf16=1` multiplies in bfloat16.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints times"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use upturn_engine::gemm::Compute;
use upturn_engine::score::score;
use upturn_engine::trie::Sequence;
use upturn_engine::{Model, ModelOptions};
use upturn_types::Flow;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments
        .next()
        .ok_or("the first argument is a model's folder")?;
    let mut shape = BTreeMap::from([
        ("shots", 450),
        ("questions", 60),
        ("question", 80),
        ("options", 4),
        ("option", 5),
        ("rows", 0),
        ("threads", 0),
        ("bf16", 0),
    ]);
    for argument in arguments {
        let (name, value) = argument.split_once('=').ok_or("expected NAME=NUMBER")?;
        *shape.get_mut(name).ok_or("no such name")? = value.parse()?;
    }
    if shape["threads"] > 0 {
        rayon::ThreadPoolBuilder::new()
            .num_threads(shape["threads"])
            .build_global()?;
    }
    let started = Instant::now();
    let model = Model::load(
        Path::new(&dir),
        ModelOptions {
            compute: match shape["bf16"] {
                0 => Compute::F32,
                _ => Compute::Bf16,
            },
            ..ModelOptions::default()
        },
    )?;
    let loaded = started.elapsed();

    // Token ids that look random and are always the same.
    let vocab = model.plan().vocab_size as u64;
    let mut state = 1u64;
    let mut tokens = |n: usize| -> Vec<u32> {
        (0..n)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                ((state >> 33) % vocab) as u32
            })
            .collect()
    };
    let shots = tokens(shape["shots"]);
    let mut sequences = Vec::new();
    for _ in 0..shape["questions"] {
        let question = [&shots[..], &tokens(shape["question"])].concat();
        for _ in 0..shape["options"] {
            sequences.push(Sequence {
                first_scored: question.len(),
                tokens: [&question[..], &tokens(shape["option"])].concat(),
            });
        }
    }
    let mut limits = model.limits();
    if shape["rows"] > 0 {
        limits.max_rows = shape["rows"];
    }
    let started = Instant::now();
    let mut total = 0.0;
    let work = score(model.decoder(), &sequences, limits, &mut |_, s| {
        total += f64::from(s.logprob);
        Flow::Continue(())
    })?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "loaded in {:.2} s; {} requests, {} tokens asked, {} computed, {} projected; sum {total:.3}",
        loaded.as_secs_f64(),
        sequences.len(),
        work.tokens_requested,
        work.tokens_computed,
        work.positions_projected,
    );
    let rate = work.flops as f64 / seconds / 1e9;
    let product = product_gflops(model.plan().hidden);
    println!(
        "{seconds:.3} s, {:.0} tokens/s, {} rows, {} threads; {rate:.1} GFLOP/s, {:.0}% of the {product:.1} of one product",
        work.tokens_computed as f64 / seconds,
        limits.max_rows,
        rayon::current_num_threads(),
        100.0 * rate / product,
    );
    Ok(())
}

/// GFLOP/s of faer's product of 1,024 rows with a (width, 4 · width) matrix on all threads, the
/// best of nine.
fn product_gflops(width: usize) -> f64 {
    let (m, n) = (1024, 4 * width);
    let x = vec![0.5f32; m * width];
    let w = vec![0.25f32; n * width];
    let mut y = vec![0.0f32; m * n];
    let par = match rayon::current_num_threads() {
        1 => Par::Seq,
        threads => Par::rayon(threads),
    };
    (0..9)
        .map(|_| {
            let started = Instant::now();
            matmul(
                MatMut::from_row_major_slice_mut(&mut y, m, n),
                Accum::Replace,
                MatRef::from_row_major_slice(&x, m, width),
                MatRef::from_row_major_slice(&w, n, width).transpose(),
                1.0,
                par,
            );
            2.0 * (m * n * width) as f64 / started.elapsed().as_secs_f64() / 1e9
        })
        .fold(0.0, f64::max)
}
