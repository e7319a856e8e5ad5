#!/usr/bin/env python3
"""Make the tiny models that check Upturn's architecture mappings against transformers.

Each case builds a model of random weights from a configuration class of transformers, saves it
as a Hugging Face folder, loads that folder again, and writes what the reference computes:

    crates/upturn-engine/tests/fixtures/architectures/NAME/config.json
                                                          /model.safetensors (or two shards)
                                                          /expected.json

expected.json holds the number of parameters and, for sequences of 1, 37 and 83 tokens (fewer
where positions end sooner), the log-probability of each next token and of every token after the
last one: 32-bit logits, log-softmax in 64 bits, rounded to 7 digits.

Weights are exactly representable in bfloat16, so that a folder in bfloat16 and one in float32
describe the same numbers; every bias and gain is random, so that leaving one out shows. Some
folders are rewritten as older versions of transformers saved them (rope_theta, rope_scaling, no
layer_types, no prefix, buffers among the weights); the reference reads them so rewritten.

Attention is eager, except for Falcon with ALiBi: there transformers 5.24's eager path adds the
biases twice (once in the mask, once to the scores), and its default, sdpa, once.

Usage, in a virtual environment (versions as last used):

    pip install torch==2.12 transformers==5.24 safetensors
    python scripts/make_architecture_fixtures.py            # all cases
    python scripts/make_architecture_fixtures.py llama phi3 # some
"""

import json
import math
import os
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

OUT = Path(__file__).resolve().parent.parent / "crates/upturn-engine/tests/fixtures/architectures"
VOCAB = 96
LENGTHS = (1, 37, 83)

# Sizes under the names most configuration classes use.
COMMON = dict(
    vocab_size=VOCAB,
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=3,
    max_position_embeddings=96,
    bos_token_id=0,
    eos_token_id=1,
    pad_token_id=None,
)
# GPT-2's names.
N_NAMES = dict(
    vocab_size=VOCAB, n_embd=24, n_layer=2, n_head=3, n_positions=96, bos_token_id=0, eos_token_id=1
)
GROUPED = dict(num_attention_heads=4, num_key_value_heads=2, head_dim=8)


def rope(theta=10000.0, rope_type="default", **more):
    return {"rope_parameters": {"rope_type": rope_type, "rope_theta": theta, **more}}


def case(model_type, common=COMMON, dtype="bf16", edit=None, tensors=None, attn="eager", shards=1, **settings):
    return dict(
        model_type=model_type,
        settings={**common, **settings},
        dtype=dtype,
        edit=edit,
        tensors=tensors,
        attn=attn,
        shards=shards,
    )


# Rewrites of config.json to what transformers 4 saved.


def old(config):
    """rope_theta and rope_scaling instead of rope_parameters; torch_dtype; no layer_types."""
    rope = config.pop("rope_parameters", None)
    config["torch_dtype"] = config.pop("dtype", "float32")
    config.pop("layer_types", None)
    if rope is not None:
        config["rope_theta"] = rope.pop("rope_theta")
        share = rope.pop("partial_rotary_factor", None)
        if share is not None:
            config["partial_rotary_factor"] = share
        if rope["rope_type"] != "default":
            rope["type"] = rope.pop("rope_type")
            config["rope_scaling"] = rope
        else:
            config["rope_scaling"] = None
    return config


def old_neox(config):
    rope = config.pop("rope_parameters")
    config["rotary_emb_base"] = int(rope["rope_theta"])
    config["rotary_pct"] = rope["partial_rotary_factor"]
    config["torch_dtype"] = config.pop("dtype")
    return config


def old_gemma3(config):
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope["full_attention"].pop("rope_theta")
    config["rope_local_base_freq"] = rope["sliding_attention"].pop("rope_theta")
    config["rope_scaling"] = rope["full_attention"]
    config["sliding_window_pattern"] = 3
    config["torch_dtype"] = config.pop("dtype")
    config.pop("layer_types")
    return config


def old_olmo3(config):
    rope = config.pop("rope_parameters")["full_attention"]
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype")
    return config


def old_gemma(config):
    config = old(config)
    config["hidden_act"] = "gelu"
    config["hidden_activation"] = None
    return config


def old_falcon(config):
    config = old(config)
    for key in ("num_ln_in_parallel_attn", "ffn_hidden_size", "rope_scaling"):
        config.pop(key, None)
    return config


# Rewrites of the tensors.


def without_prefix(prefix):
    return lambda tensors: {k.removeprefix(prefix): v for k, v in tensors.items()}


def gpt2_hub(tensors):
    """As on the hub: no prefix, and the causal masks among the weights."""
    tensors = without_prefix("transformer.")(tensors)
    mask = torch.tril(torch.ones(96, 96)).view(1, 1, 96, 96)
    tensors["h.0.attn.bias"] = mask.to(torch.uint8)
    return tensors


FULL, SLIDING = "full_attention", "sliding_attention"
CASES = {
    # GPT-2 and relatives.
    "gpt2": case("gpt2", N_NAMES, "f32", tensors=gpt2_hub),
    "gpt2-variant": case(
        "gpt2", N_NAMES, "f16", n_inner=40, scale_attn_by_inverse_layer_idx=True, activation_function="relu"
    ),
    "gpt_bigcode": case("gpt_bigcode", N_NAMES, n_inner=40),
    "gpt_bigcode-multi_head": case("gpt_bigcode", N_NAMES, n_inner=40, multi_query=False),
    "gpt_neo": case(
        "gpt_neo",
        dict(vocab_size=VOCAB, hidden_size=24, num_layers=3, num_heads=3, max_position_embeddings=96),
        "f32",
        intermediate_size=40,
        attention_types=[[["global", "local"], 1], [["local"], 1]],
        window_size=16,
    ),
    "gptj": case("gptj", dict(N_NAMES, n_embd=32, n_head=2, n_inner=40), rotary_dim=8),
    "gpt_neox": case("gpt_neox", dict(COMMON, num_attention_heads=2), edit=old_neox, **rope(partial_rotary_factor=0.5)),
    "gpt_neox-serial": case(
        "gpt_neox", dict(COMMON, num_attention_heads=1), use_parallel_residual=False, attention_bias=False
    ),
    # OPT.
    "opt": case("opt", COMMON, ffn_dim=40),
    "opt-post_norm": case("opt", COMMON, "f32", ffn_dim=40, word_embed_proj_dim=16, do_layer_norm_before=False),
    # Linear position biases.
    "bloom": case("bloom", COMMON, "f32", n_layer=2, n_head=3),
    "mpt": case("mpt", dict(vocab_size=VOCAB, d_model=24, n_heads=3, n_layers=2, max_seq_len=96)),
    "falcon": case("falcon", dict(COMMON, num_attention_heads=3), edit=old_falcon),
    "falcon-grouped": case(
        "falcon", dict(COMMON, num_attention_heads=4, hidden_size=32), new_decoder_architecture=True, num_kv_heads=2
    ),
    "falcon-grouped-one_norm": case(
        "falcon",
        dict(COMMON, num_attention_heads=4, hidden_size=32),
        new_decoder_architecture=True,
        num_kv_heads=2,
        num_ln_in_parallel_attn=1,
        ffn_hidden_size=48,
    ),
    "falcon-alibi": case(
        "falcon",
        dict(COMMON, num_attention_heads=12),
        "f32",
        attn="sdpa",
        alibi=True,
        multi_query=False,
        parallel_attn=False,
        bias=True,
        ffn_hidden_size=48,
    ),
    # Llama and relatives.
    "llama": case("llama", dict(COMMON, **GROUPED), "f32", edit=old, **rope(500000.0)),
    "llama-bias": case("llama", COMMON, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    "llama-llama3": case(
        "llama",
        dict(COMMON, **GROUPED),
        edit=old,
        **rope(
            100.0, "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32
        ),
    ),
    "llama-linear": case("llama", COMMON, **rope(10000.0, "linear", factor=4.0)),
    "llama-dynamic": case("llama", COMMON, edit=old, **rope(10000.0, "dynamic", factor=2.0)),
    "llama-base_save": case("llama", COMMON, tensors=without_prefix("model."), tie_word_embeddings=True),
    "mistral": case("mistral", dict(COMMON, **GROUPED), edit=old, sliding_window=16),
    "ministral": case(
        "ministral", dict(COMMON, **GROUPED), "f16", sliding_window=16, layer_types=[SLIDING, FULL]
    ),
    "qwen2": case("qwen2", dict(COMMON, num_attention_heads=2, num_key_value_heads=1), shards=2),
    "qwen2-sliding": case(
        "qwen2",
        dict(COMMON, num_attention_heads=2, num_key_value_heads=1),
        edit=old,
        use_sliding_window=True,
        sliding_window=16,
        max_window_layers=1,
        tie_word_embeddings=True,
    ),
    "qwen2-yarn": case(
        "qwen2",
        dict(COMMON, num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=128),
        **rope(1000.0, "yarn", factor=4.0, original_max_position_embeddings=32),
    ),
    "qwen3": case("qwen3", dict(COMMON, **GROUPED), use_sliding_window=False),
    "granite": case(
        "granite",
        COMMON,
        embedding_multiplier=3.0,
        logits_scaling=2.0,
        residual_multiplier=0.4,
        attention_multiplier=0.2,
    ),
    "seed_oss": case("seed_oss", dict(COMMON, **GROUPED)),
    "helium": case("helium", dict(COMMON, num_attention_heads=3, num_key_value_heads=3, head_dim=8)),
    "olmo": case("olmo", COMMON, "f32", clip_qkv=1.5),
    "olmo2": case("olmo2", dict(COMMON, num_attention_heads=4, num_key_value_heads=2, hidden_size=32)),
    "olmo3": case(
        "olmo3",
        dict(COMMON, num_hidden_layers=3, max_position_embeddings=128),
        edit=old_olmo3,
        layer_types=[SLIDING, FULL, SLIDING],
        sliding_window=16,
        rope_parameters={
            SLIDING: {"rope_type": "default", "rope_theta": 500000.0},
            FULL: {
                "rope_type": "yarn",
                "rope_theta": 500000.0,
                "factor": 4.0,
                "original_max_position_embeddings": 32,
                "attention_factor": 1.3,
                "beta_fast": 4.0,
                "beta_slow": 0.5,
            },
        },
    ),
    "smollm3": case(
        "smollm3",
        dict(COMMON, **{k: v for k, v in GROUPED.items() if k != "head_dim"}),
        no_rope_layer_interval=2,
        use_sliding_window=True,
        sliding_window=16,
    ),
    "exaone4": case(
        "exaone4", dict(COMMON, num_key_value_heads=1), sliding_window=16, sliding_window_pattern=2
    ),
    "cohere": case("cohere", COMMON, edit=old, logit_scale=0.5),
    "cohere2": case("cohere2", COMMON, sliding_window=16, layer_types=[SLIDING, FULL], logit_scale=0.5),
    # Other layouts.
    "phi": case("phi", dict(COMMON, num_attention_heads=2, hidden_size=32), "f32", edit=old),
    "phi-qk_norm": case("phi", dict(COMMON, num_attention_heads=2, hidden_size=32), qk_layernorm=True),
    "phi3": case("phi3", dict(COMMON, num_key_value_heads=1), sliding_window=16),
    "phi3-longrope": case(
        "phi3",
        dict(COMMON, num_attention_heads=2, hidden_size=32, max_position_embeddings=192),
        edit=old,
        original_max_position_embeddings=96,
        **rope(
            10000.0,
            "longrope",
            partial_rotary_factor=0.75,
            short_factor=[1.0, 1.1, 1.25, 1.5, 2.0, 2.5],
            long_factor=[1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
        ),
    ),
    "stablelm": case(
        "stablelm", dict(COMMON, num_attention_heads=2, num_key_value_heads=1, hidden_size=32), use_qkv_bias=True
    ),
    "stablelm-qk_norm": case(
        "stablelm",
        dict(COMMON, num_attention_heads=4, num_key_value_heads=2, hidden_size=32),
        edit=old,
        qk_layernorm=True,
        use_parallel_residual=True,
    ),
    "starcoder2": case("starcoder2", dict(COMMON, num_key_value_heads=1), sliding_window=16),
    # Gemma.
    "gemma": case("gemma", dict(COMMON, **GROUPED), "f32", edit=old_gemma),
    "gemma2": case(
        "gemma2",
        dict(COMMON, **GROUPED),
        edit=old,
        sliding_window=16,
        query_pre_attn_scalar=12,
        attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0,
    ),
    "gemma3_text": case(
        "gemma3_text",
        dict(COMMON, **GROUPED, num_hidden_layers=3),
        edit=old_gemma3,
        sliding_window=16,
        query_pre_attn_scalar=12,
        layer_types=[SLIDING, SLIDING, FULL],
        rope_parameters={
            SLIDING: {"rope_type": "default", "rope_theta": 100.0},
            FULL: {"rope_type": "linear", "rope_theta": 10000.0, "factor": 8.0},
        },
    ),
    "gemma3": case(
        "gemma3",
        {},
        text_config=dict(
            COMMON,
            **GROUPED,
            model_type="gemma3_text",
            sliding_window=16,
            query_pre_attn_scalar=8,
            layer_types=[SLIDING, FULL],
        ),
        vision_config=dict(
            model_type="siglip_vision_model",
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            image_size=8,
            patch_size=8,
        ),
        mm_tokens_per_image=1,
        boi_token_index=93,
        eoi_token_index=94,
        image_token_index=95,
    ),
}


def randomise(model, model_type, dtype, generator):
    """Random weights, gains and biases, all representable in bfloat16 (and in float16)."""
    offset_gains = model_type.startswith("gemma")
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            gain = p.dim() == 1 and name.endswith("weight")
            if gain:
                value = 0.3 * noise + (0.0 if offset_gains else 1.0)
            elif name.endswith("bias"):
                value = 0.3 * noise
            elif "embed" in name or "wte" in name or "wpe" in name:
                value = 0.5 * noise
            else:
                value = 0.3 * noise
            value = value.to(torch.bfloat16)
            if dtype == "f16":
                value = value.to(torch.float16)
            p.copy_(value.to(torch.float32))


def save_tensors(folder, tensors, shards):
    """One file, or several and their index, as save_pretrained names them."""
    names = list(tensors)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    per_shard = math.ceil(len(names) / shards)
    weight_map = {}
    for i in range(shards):
        part = names[i * per_shard : (i + 1) * per_shard]
        file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        save_file({n: tensors[n] for n in part}, folder / file, metadata={"format": "pt"})
        weight_map.update({n: file for n in part})
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def save(name, spec, folder):
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    config = AutoConfig.for_model(spec["model_type"], **spec["settings"])
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    randomise(model, spec["model_type"], spec["dtype"], generator)
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        tensors = load_file(f"{scratch}/model.safetensors")
        config = json.loads(Path(scratch, "config.json").read_text())
    dtype = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}[spec["dtype"]]
    saved = {k: v.to(dtype) for k, v in tensors.items()}
    assert all(torch.equal(saved[k].float(), v) for k, v in tensors.items()), "rounding changed a weight"
    if spec["tensors"]:
        saved = spec["tensors"](saved)
    config["dtype"] = str(dtype).removeprefix("torch.")
    if spec["edit"]:
        config = spec["edit"](config)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save_tensors(folder, saved, spec["shards"])
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    return generator


def expect(spec, folder, generator):
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=spec["attn"], output_loading_info=True
    )
    assert not report["missing_keys"], report
    model.eval()
    sequences = []
    for length in LENGTHS:
        ids = torch.randint(0, VOCAB - 4, (1, length), generator=generator)
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False).logits[0]
        assert logits.dtype == torch.float32 and torch.isfinite(logits).all()
        logprobs = torch.log_softmax(logits.double(), -1)
        following = logprobs[:-1].gather(1, ids[0, 1:, None])[:, 0]
        sequences.append(
            {
                "ids": ids[0].tolist(),
                "next_token_logprobs": [round(x, 7) for x in following.tolist()],
                "last_logprobs": [round(x, 7) for x in logprobs[-1].tolist()],
            }
        )
    text = getattr(model.config, "text_config", None)
    n_params = model.num_parameters()
    if text is not None and text is not model.config:
        # The text decoder alone.
        n_params = model.model.language_model.num_parameters()
    expected = {
        "transformers": transformers.__version__,
        "attn_implementation": spec["attn"],
        "n_params": n_params,
        "sequences": sequences,
    }
    (folder / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")
    spread = logprobs.exp().max(-1).values.median().item()
    return f"{n_params} parameters, median largest probability {spread:.2f}"


def main():
    torch.set_num_threads(1)
    names = sys.argv[1:] or list(CASES)
    unknown = [n for n in names if n not in CASES]
    if unknown:
        sys.exit(f"unknown cases: {', '.join(unknown)}; known are {', '.join(CASES)}")
    for name in names:
        generator = save(name, CASES[name], OUT / name)
        print(f"{name}: {expect(CASES[name], OUT / name, generator)}")


if __name__ == "__main__":
    main()
