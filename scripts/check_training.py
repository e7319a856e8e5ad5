#!/usr/bin/env python3
"""Trains the same models in PyTorch and in Upturn, and compares gradients, losses and exports.

For three sizes and both kinds of block, `train_dump` (an example of upturn-engine) trains a model
and writes its initial folder, its batches and its losses. Here transformers loads that folder,
PyTorch trains it on the same batches in the same order, and this is compared:

    gradients of the first batch   norm of the difference of each tensor, against that tensor's
                                   norm: at most 1e-5
    losses of 200 steps            each within 1%
    the exported final model       log-probabilities by transformers and by Upturn's decoder: at
                                   most 2e-4 nats apart

With --fixture, the small cases are written to crates/upturn-engine/tests/fixtures/training, so
that `cargo test` checks gradients and losses without Python.

Usage, in a virtual environment (versions as last used):

    pip install torch==2.12 transformers==5.24 safetensors
    cargo build --release -p upturn-engine --example train_dump
    python scripts/check_training.py [--steps 200] [--dump target/release/examples/train_dump] \\
        [--fixture] [CASE...]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "crates/upturn-engine/tests/fixtures/training"

CASES = {
    "gelu_27k": "block=gelu hidden=32 layers=2 heads=4 kv=4 inner=128",
    "gated_27k": "block=gated hidden=32 layers=2 heads=4 kv=2 inner=88 tied=1",
    "gelu_800k": "block=gelu hidden=128 layers=4 heads=4 kv=4 inner=512 tied=1",
    "gated_800k": "block=gated hidden=128 layers=4 heads=8 kv=2 inner=344",
    "gelu_5m": "block=gelu hidden=256 layers=6 heads=8 kv=8 inner=1024",
    "gated_5m": "block=gated hidden=256 layers=6 heads=8 kv=4 inner=680",
}
# Small enough to be committed.
SMALL = {
    "gelu": "block=gelu hidden=12 layers=2 heads=2 kv=2 inner=28 vocab=24 rows=150",
    "gated": "block=gated hidden=16 layers=2 heads=4 kv=2 inner=24 vocab=24 tied=1 rows=150",
}


def padded(batch, ignore):
    """Input ids, mask and targets as (sequences, longest) tensors."""
    longest = max(batch["lengths"])
    n = len(batch["lengths"])
    ids = torch.zeros(n, longest, dtype=torch.long)
    mask = torch.zeros(n, longest, dtype=torch.long)
    targets = torch.full((n, longest), -100, dtype=torch.long)
    at = 0
    for i, length in enumerate(batch["lengths"]):
        ids[i, :length] = torch.tensor(batch["tokens"][at : at + length])
        mask[i, :length] = 1
        wanted = torch.tensor(batch["targets"][at : at + length])
        targets[i, :length] = torch.where(wanted == ignore, -100, wanted)
        at += length
    return ids, mask, targets


def summed_loss(model, batch, ignore):
    ids, mask, targets = padded(batch, ignore)
    logits = model(input_ids=ids, attention_mask=mask).logits
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum"
    ), int((targets != -100).sum())


def load(folder):
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    return model.train()


def optimizer(model, settings):
    """Decay on matrices of layers alone."""
    decayed, rest = [], []
    for name, p in model.named_parameters():
        (decayed if p.dim() == 2 and "layers." in name else rest).append(p)
    groups = [
        {"params": decayed, "weight_decay": settings["weight_decay"]},
        {"params": rest, "weight_decay": 0.0},
    ]
    betas = (settings["beta1"], settings["beta2"])
    return torch.optim.AdamW(groups, lr=settings["lr"], betas=betas, eps=settings["eps"])


def own_gradients(out, run):
    flat = np.fromfile(out / "gradients.bin", dtype="<f4")
    found, at = {}, 0
    for tensor in run["tensors"]:
        n = int(np.prod(tensor["shape"]))
        found[tensor["name"]] = torch.from_numpy(flat[at : at + n]).view(*tensor["shape"])
        at += n
    assert at == len(flat)
    return found


def check(name, options, dump, steps, fixture=None):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        subprocess.run([dump, out, f"steps={steps}", *options.split()], check=True)
        run = json.loads((out / "run.json").read_text())
        batches = json.loads((out / "batches.json").read_text())
        model = load(out / "initial")
        n_params = sum(p.numel() for p in model.parameters())

        loss, _ = summed_loss(model, batches[0], run["ignore"])
        loss.backward()
        own = own_gradients(out, run)
        # Since version 5 transformers calls GPT-NeoX's output table lm_head, and still saves and
        # loads it as embed_out.
        saved = {"lm_head.weight": "embed_out.weight"} if "embed_out.weight" in own else {}
        theirs = {saved.get(n, n): p.grad.clone() for n, p in model.named_parameters()}
        if set(own) != set(theirs):
            sys.exit(f"{name}: tensors differ: {sorted(set(own) ^ set(theirs))}")
        worst = max(
            (float((own[n] - theirs[n]).norm() / theirs[n].norm().clamp_min(1e-12)), n) for n in own
        )

        settings = run["settings"]
        opt = optimizer(model, settings)
        losses = []
        for batch in batches:
            opt.zero_grad()
            loss, n_targets = summed_loss(model, batch, run["ignore"])
            (loss / n_targets).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings["clip_norm"])
            opt.step()
            losses.append(loss.item() / n_targets)
        off = max((abs(a - b) / b, i) for i, (a, b) in enumerate(zip(run["losses"], losses)))

        final = load(out / "final").eval()
        apart = 0.0
        for test in run["tests"]:
            tokens = torch.tensor(test["tokens"])
            with torch.no_grad():
                logits = final(input_ids=tokens[None]).logits[0, :-1].double()
            wanted = logits.log_softmax(-1).gather(1, tokens[1:, None])[:, 0]
            apart = max(apart, float((wanted - torch.tensor(test["logprobs"]).double()).abs().max()))

        good = worst[0] <= 1e-5 and off[0] <= 0.01 and apart <= 2e-4
        print(
            f"{name}: {n_params:,} parameters, {steps} steps, loss {losses[0]:.3f} to {losses[-1]:.3f}; "
            f"gradients differ by {worst[0]:.1e} ({worst[1]}), losses by {100 * off[0]:.3f}% at most "
            f"(step {off[1]}), exported log-probabilities by {apart:.1e}: {'ok' if good else 'BAD'}",
            flush=True,
        )
        if fixture:
            shutil.rmtree(fixture, ignore_errors=True)
            shutil.copytree(out / "initial", fixture / "initial")
            (fixture / "initial/generation_config.json").unlink()
            (fixture / "gradients").mkdir()
            shutil.copy(out / "initial/config.json", fixture / "gradients/config.json")
            save_file(
                {n: t.contiguous() for n, t in theirs.items()},
                fixture / "gradients/model.safetensors",
                metadata={"format": "pt"},
            )
            record = {"settings": settings, "ignore": run["ignore"], "batches": batches, "losses": losses}
            (fixture / "run.json").write_text(json.dumps(record, separators=(",", ":")) + "\n")
        return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help=", ".join(CASES))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--dump", default=ROOT / "target/release/examples/train_dump")
    parser.add_argument("--fixture", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    if args.fixture:
        results = [
            check(n, o, args.dump, 12, FIXTURES / n) for n, o in SMALL.items()
        ]
    else:
        results = [check(n, CASES[n], args.dump, args.steps) for n in args.cases or CASES]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
