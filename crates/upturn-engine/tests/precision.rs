//! Weights in half precision: the same bits as the same numbers in f32, and in any company.

#[path = "company/models.rs"]
mod models;
#[path = "company/requests.rs"]
#[allow(dead_code, reason = "shared with the tests of company")]
mod requests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use models::{Kind, Tensor, odd_llama, read_weights, write_weights};
use tempfile::TempDir;
use upturn_engine::gemm::Compute;
use upturn_engine::gemm_bf16;
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

/// Products in bfloat16: every layout and stored type, the same bits in any company, and
/// log-probabilities that rounding has moved a little.
#[test]
fn bfloat16_products_keep_their_bits_and_stay_close() {
    if !gemm_bf16::available() {
        let checkpoint = upturn_engine::checkpoint::Checkpoint::open(&fixture("llama")).unwrap();
        let plan = checkpoint.plan().unwrap();
        let refused =
            upturn_engine::forward::Decoder::bind_for(&Arc::new(checkpoint), plan, Compute::Bf16);
        assert!(refused.unwrap_err().to_string().contains("AVX-512 BF16"));
        return;
    }
    let mut odd: Vec<(String, TempDir)> = Vec::new();
    for kind in [Kind::F32, Kind::Bf16, Kind::F16] {
        let dir = TempDir::new().unwrap();
        odd_llama(dir.path(), kind);
        odd.push((format!("odd {kind:?}"), dir));
    }
    let fixtures = ["llama", "gpt2", "gpt_neox", "gemma2", "falcon-alibi"];
    let dirs = odd
        .iter()
        .map(|(name, dir)| (name.as_str(), dir.path().to_path_buf()))
        .chain(fixtures.map(|name| (name, fixture(name))));
    let limits = Limits {
        max_rows: 64,
        kv_bytes: 1 << 24,
    };
    for (name, dir) in dirs {
        let (exact, rounded) = (
            requests::decoder(&dir),
            requests::decoder_for(&dir, Compute::Bf16),
        );
        if let Err(difference) = requests::scores_keep_their_bits(&rounded, 60) {
            panic!("{name}: {difference}");
        }
        let plan = exact.plan();
        let asked = requests::requests(7, 100, plan.vocab_size, plan.max_positions.min(90));
        let scores = |decoder| requests::run_scores(decoder, &asked, limits).unwrap().0;
        let pairs = scores(&exact).into_iter().zip(scores(&rounded));
        let differences: Vec<f32> = pairs
            .zip(&asked)
            .map(|((a, b), s)| {
                let n = (s.tokens.len() - s.first_scored).max(1) as f32;
                (f32::from_bits(a.0) - f32::from_bits(b.0)).abs() / n
            })
            .collect();
        let worst = differences.iter().copied().fold(0.0, f32::max);
        // A product of rounded numbers is off by some 2⁻⁹ of its terms.
        assert!(worst > 0.0 && worst < 0.1, "{name}: {worst} nats a token");
    }
}
