#!/usr/bin/env python3
"""Trains a tiny ladder and holds it against transformers and lm-evaluation-harness.

    python scripts/check_ladder.py [--program target/debug/examples/train_ladder]

Needs torch, transformers and lm_eval. For a member of each layout (llama, gpt_neox) and each
kind of vocabulary it checks that transformers and the engine agree on

- tokens of prompts and their decoding,
- log-likelihoods of continuations (1e-4), and whether they are greedy,
- the accuracy that lm_eval reports on a task of two choices (exactly).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

LADDER = """
family = "check"
block = "{block}"
[sizes]
widths = [16]
[tokens]
total = 400_000
[train]
batch_tokens = 2048
checkpoints = 2
[data]
context = 64
tokenizer = "{tokenizer}"
[[data.task]]
generator = "addition:digits=2"
form = "both"
[[data.task]]
generator = "coin_flip"
"""

TASK = """
task: coin
dataset_path: json
dataset_kwargs:
  data_files: {data}
test_split: train
output_type: multiple_choice
doc_to_text: "{{{{prompt}}}}"
doc_to_choice: ["yes", "no"]
doc_to_target: "{{{{gold}}}}"
target_delimiter: ""
metric_list:
  - metric: acc
"""


def coin_items(n):
    """Prompts in the short form of the task: a coin, flipped (+) or not (-) by people."""
    items = []
    for i in range(n):
        flips = [(i >> k) & 1 for k in range(3)]
        people = "adcfxk"[i // 8 :][:3]
        text = "coin " + "".join(f"{c}{'-+'[f]}" for c, f in zip(people, flips)) + "="
        items.append({"prompt": text, "gold": sum(flips) % 2})
    return items


def likelihoods(folder, pairs):
    """Log-likelihood and greediness of continuations, token by token, by transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    scores = []
    for context, continuation in pairs:
        whole = tokenizer.encode(context + continuation, add_special_tokens=False)
        n = len(tokenizer.encode(context, add_special_tokens=False))
        assert tokenizer.decode(whole) == context + continuation, (context, continuation)
        assert tokenizer.encode(context, add_special_tokens=False) == whole[:n], context
        with torch.no_grad():
            logits = model(torch.tensor([whole])).logits[0].log_softmax(-1)
        rows = logits[n - 1 : len(whole) - 1]
        targets = torch.tensor(whole[n:])
        scores.append(
            (
                rows.gather(1, targets[:, None]).sum().item(),
                bool((rows.argmax(-1) == targets).all()),
            )
        )
    return scores


def check(program, block, tokenizer, work):
    work.mkdir()
    ladder = work / "ladder.toml"
    ladder.write_text(LADDER.format(block=block, tokenizer=tokenizer))
    subprocess.run([program, ladder, work / "out"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    folder = next(work.glob("out/check-*"))
    folders = [folder, *sorted(folder.glob("checkpoints/*"))]

    items = coin_items(16)
    pairs = [(i["prompt"], c) for i in items for c in ("yes", "no")]
    pairs += [("3+4=", "7\n"), ("8+8?", "8+8=16=16\n"), ("2+2=4\n5+4=", "9\n")]
    asked = work / "pairs.json"
    asked.write_text(json.dumps(pairs))
    worst = 0.0
    for each in folders:
        ours = subprocess.run([program, "--score", each, asked], check=True,
                              capture_output=True, text=True)
        ours = json.loads(ours.stdout)
        theirs = likelihoods(each, pairs)
        for pair, a, b in zip(pairs, ours, theirs):
            worst = max(worst, abs(a[0] - b[0]))
            assert abs(a[0] - b[0]) < 1e-4, (each, pair, a, b)
            assert a[1] == b[1], (each, pair, a, b)
        if each == folder:
            final = ours

    import lm_eval
    from lm_eval.tasks import TaskManager

    data = work / "coin.jsonl"
    data.write_text("".join(json.dumps(i) + "\n" for i in items))
    tasks = work / "tasks"
    tasks.mkdir()
    (tasks / "coin.yaml").write_text(TASK.format(data=data))
    found = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(folder), "dtype": "float32"},
        tasks=["coin"],
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        device="cpu",
        batch_size=4,
        bootstrap_iters=0,
    )
    theirs = found["results"]["coin"]["acc,none"]
    choices = [[score[0] for score in final[2 * i : 2 * i + 2]] for i in range(len(items))]
    right = [c.index(max(c)) == item["gold"] for c, item in zip(choices, items)]
    ours = sum(right) / len(right)
    assert ours == theirs, (ours, theirs)
    print(f"{block:6} {tokenizer:10}  {len(folders)} folders, {len(pairs)} continuations: "
          f"largest difference {worst:.1e}; accuracy {ours:.4f} = lm_eval's")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("--program", type=Path,
                        default=root / "target/debug/examples/train_ladder",
                        help="built by: cargo build -p upturn-ladder --example train_ladder")
    args = parser.parse_args()
    if not args.program.exists():
        sys.exit(f"{args.program} is not there; run: "
                 "cargo build -p upturn-ladder --example train_ladder")
    with tempfile.TemporaryDirectory() as work:
        for block in ("gated", "gelu"):
            for tokenizer in ("characters", "bpe:270"):
                name = f"{block}-{tokenizer}".replace(":", "-")
                check(args.program.resolve(), block, tokenizer, Path(work) / name)


if __name__ == "__main__":
    main()
