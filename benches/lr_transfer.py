#!/usr/bin/env python3
"""Does the best learning rate stay in place as the width grows? The sweep behind docs/ladders.md.

    python3 benches/lr_transfer.py --out out/lr_transfer [--upturn target/release/upturn]

Trains widths x learning rates x transfer rules x seeds on the tasks of examples/arithmetic, all
for the same number of tokens, and prints the held-out losses as tables and the best learning
rate of each width. What is trained already is kept; --report only prints. Python alone.
"""

import argparse
import json
import math
import pathlib
import subprocess
import tomllib

TASKS = [
    "copying:length=5",
    "reversal:length=5",
    "sorting:length=5",
    "addition:digits=2,operands=upto",
    "addition:digits=3",
    "subtraction:digits=2,operands=upto",
    "subtraction:digits=3",
    "multiplication:a=3,b=1",
    "multiplication:a=2,b=2",
    "modular:modulus=97",
    "three_term:digits=1",
    "coin_flip:k=4",
    "last_letters:of=letters",
    "word_in_context",
]
BASE = 32
LAYERS = 2


def ladder(transfer, lr, widths, seeds, tokens):
    """The text of a ladder.toml."""
    tasks = "\n".join(f"    {{ generator = {json.dumps(t)} }}," for t in TASKS)
    return f"""family = "sweep"
sizes.widths = {widths}
sizes.layers = {LAYERS}
sizes.seeds = {seeds}
tokens.total = {tokens:.0f}
[train]
batch_tokens = 2048
lr = {lr}
base_width = {BASE}
transfer = "{transfer}"
checkpoints = 1
[data]
context = 64
runs = [1, 2]
task = [
{tasks}
]
"""


def train(args, transfer, lr):
    """Trains one ladder; at the base width both rules are the same, so `none` leaves it out."""
    widths = [w for w in args.widths if transfer == "mup" or w != BASE]
    folder = args.out / f"{transfer}-{lr}"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "ladder.toml"
    file.write_text(ladder(transfer, lr, widths, args.seeds, args.tokens))
    command = [args.upturn, "train", file, "--out", folder / "models"]
    if args.threads:
        command += ["--threads", str(args.threads)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def losses(args):
    """{(transfer, width, lr): [held-out loss of each seed]}"""
    found = {}
    for transfer in ("mup", "none"):
        for lr in args.lrs:
            for width in args.widths:
                rule = "mup" if width == BASE else transfer
                members = args.out / f"{rule}-{lr}" / "models"
                for seed in range(args.seeds):
                    end = f"-seed{seed}" if args.seeds > 1 else ""
                    side = members / f"sweep-w{width}-l{LAYERS}{end}" / "upturn.toml"
                    if side.exists():
                        facts = tomllib.loads(side.read_text())
                        loss = float(facts["train_loss_nats"])
                        found.setdefault((transfer, width, lr), []).append(loss)
    return found


def valley(lrs, means):
    """Learning rate at the lowest point of the parabola in log lr through the best and its
    neighbours; None where the best lies at an end."""
    best = min(range(len(lrs)), key=lambda i: means[i])
    if best in (0, len(lrs) - 1):
        return None
    x = [math.log(lrs[i]) for i in (best - 1, best, best + 1)]
    y = [means[i] for i in (best - 1, best, best + 1)]
    left = (y[1] - y[0]) / (x[1] - x[0])
    right = (y[2] - y[1]) / (x[2] - x[1])
    bend = 2 * (right - left) / (x[2] - x[0])
    return math.exp((x[0] + x[1]) / 2 - left / bend)


def report(args):
    """Prints both tables."""
    found = losses(args)
    for transfer in ("mup", "none"):
        print(f"\ntransfer = \"{transfer}\": held-out loss, nats per target, {args.seeds} seeds\n")
        print("| width | " + " | ".join(f"lr {lr}" for lr in args.lrs) + " | best of these | valley |")
        print("|---" * (len(args.lrs) + 3) + "|")
        for width in args.widths:
            rows = [found.get((transfer, width, lr), []) for lr in args.lrs]
            if not all(rows):
                print(f"| {width} | not all trained yet |")
                continue
            means = [sum(r) / len(r) for r in rows]
            best = min(range(len(means)), key=lambda i: means[i])
            cells = []
            for i, row in enumerate(rows):
                spread = f" ({min(row):.3f} to {max(row):.3f})" if len(row) > 1 else ""
                mark = "**" if i == best else ""
                cells.append(f"{mark}{means[i]:.3f}{mark}{spread}")
            low = valley(args.lrs, means)
            low = f"{low:.4f}" if low else "at an end"
            print(f"| {width} | " + " | ".join(cells) + f" | {args.lrs[best]} | {low} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--upturn", default="target/release/upturn")
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument(
        "--lrs", type=float, nargs="+", default=[0.0025, 0.005, 0.01, 0.02, 0.04]
    )
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tokens", type=float, default=1.5e6)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--report", action="store_true", help="train nothing")
    args = parser.parse_args()
    if not args.report:
        for transfer in ("mup", "none"):
            for lr in args.lrs:
                train(args, transfer, lr)
    report(args)


if __name__ == "__main__":
    main()
