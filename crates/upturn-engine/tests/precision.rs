//! Weights in half precision: the same bits as the same numbers in f32, and in any company.

#[path = "company/models.rs"]
mod models;
#[path = "company/requests.rs"]
#[allow(dead_code, reason = "shared with the tests of company")]
mod requests;

use std::fs;
use std::path::{Path, PathBuf};

use models::{Kind, Tensor, odd_llama, read_weights, write_weights};
use tempfile::TempDir;
use upturn_engine::score::Limits;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/architectures")
        .join(name)
}

/// A fixture's numbers rounded to `kind`: written as `kind`, written as f32, and not rounded.
fn written(name: &str, kind: Kind) -> [TempDir; 3] {
    let mut tensors = read_weights(&fixture(name));
    // The fixture's own numbers are multiples of a power of two that every type can hold.
    let numbers = |tensors: &mut Vec<Tensor>, f: &dyn Fn(f32) -> f32| {
        let all = tensors.iter_mut().flat_map(|t| &mut t.2);
        all.for_each(|x| *x = f(*x));
    };
    numbers(&mut tensors, &|x| x * 1.017_f32);
    let write = |tensors: &[Tensor], kind| {
        let dir = TempDir::new().unwrap();
        fs::copy(
            fixture(name).join("config.json"),
            dir.path().join("config.json"),
        )
        .unwrap();
        write_weights(dir.path(), tensors, kind);
        dir
    };
    let whole = write(&tensors, Kind::F32);
    numbers(&mut tensors, &|x| kind.round(x));
    [write(&tensors, kind), write(&tensors, Kind::F32), whole]
}

fn compare(name: &str, kind: Kind) {
    let [half, full, whole] = written(name, kind).map(|dir| requests::decoder(dir.path()));
    let plan = full.plan();
    let asked = requests::requests(7, 200, plan.vocab_size, plan.max_positions.min(90));
    let limits = Limits {
        max_rows: 64,
        kv_bytes: 1 << 24,
    };
    let run = |decoder| requests::run_scores(decoder, &asked, limits).unwrap().0;
    let expected = run(&full);
    if let Err(difference) = requests::same(&run(&half), &expected, &format!("{name} {kind:?}")) {
        panic!("{difference}");
    }
    // Rounding must have changed something, or the test has compared a model with itself.
    assert!(run(&whole) != expected, "{name} {kind:?}");
}

#[test]
fn bfloat16_is_widened_exactly() {
    // (n_out, n_in) weights; (n_in, n_out) weights; several projections in one tensor.
    for name in ["llama", "gpt2", "gpt_neox"] {
        compare(name, Kind::Bf16);
    }
}

#[test]
fn float16_is_widened_exactly() {
    for name in ["llama", "gpt2", "gpt_neox"] {
        compare(name, Kind::F16);
    }
}

#[test]
fn sizes_that_are_multiples_of_nothing_keep_their_bits() {
    for kind in [Kind::F32, Kind::Bf16, Kind::F16] {
        let dir = TempDir::new().unwrap();
        odd_llama(dir.path(), kind);
        let decoder = requests::decoder(dir.path());
        if let Err(difference) = requests::scores_keep_their_bits(&decoder, 100) {
            panic!("{kind:?}: {difference}");
        }
    }
}

#[test]
fn answers_of_half_precision_weights_keep_their_tokens() {
    let dir = TempDir::new().unwrap();
    odd_llama(dir.path(), Kind::Bf16);
    let decoder = requests::decoder(dir.path());
    if let Err(difference) = requests::answers_keep_their_tokens(&decoder, 30) {
        panic!("{difference}");
    }
}
