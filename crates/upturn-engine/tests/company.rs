//! The same bits in any company: batch size, threads, order, shards and cache size change no
//! score and no generated token.

#[path = "company/requests.rs"]
mod requests;

use std::path::{Path, PathBuf};

use upturn_engine::forward::Decoder;

fn fixture(name: &str) -> Decoder {
    let dir: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/architectures")
        .join(name);
    requests::decoder(&dir)
}

fn check(outcome: Result<(), String>) {
    if let Err(difference) = outcome {
        panic!("{difference}");
    }
}

/// Query heads that share key heads, a window of 16 positions.
#[test]
fn scores_with_a_sliding_window() {
    let decoder = fixture("mistral");
    assert!(decoder.plan().layers[0].attn.window.is_some());
    check(requests::scores_keep_their_bits(&decoder, 500));
}

/// Soft caps, windows in every other layer, norms after each block.
#[test]
fn scores_with_soft_caps() {
    let decoder = fixture("gemma2");
    assert!(decoder.plan().logit_soft_cap.is_some());
    check(requests::scores_keep_their_bits(&decoder, 500));
}

#[test]
fn scores_with_alibi() {
    let decoder = fixture("bloom");
    assert!(decoder.plan().ropes.is_empty());
    check(requests::scores_keep_their_bits(&decoder, 500));
}

#[test]
fn scores_with_shared_key_heads() {
    let decoder = fixture("llama");
    assert!(decoder.plan().n_kv_heads < decoder.plan().n_heads);
    check(requests::scores_keep_their_bits(&decoder, 500));
}

/// Learned positions, weights stored input by output.
#[test]
fn scores_with_learned_positions() {
    check(requests::scores_keep_their_bits(&fixture("gpt2"), 500));
}

#[test]
fn answers_with_a_sliding_window() {
    check(requests::answers_keep_their_tokens(&fixture("mistral"), 80));
}

#[test]
fn answers_with_alibi() {
    check(requests::answers_keep_their_tokens(
        &fixture("falcon-alibi"),
        80,
    ));
}

#[test]
fn answers_with_shared_key_heads() {
    check(requests::answers_keep_their_tokens(&fixture("llama"), 80));
}
