#!/usr/bin/env python3
"""Trains decoders of three sizes in PyTorch and in Upturn, in turn, and prints tokens a second.

    cargo build --release -p upturn-engine --example train_throughput
    python benches/peers/train_pytorch.py [--block gelu] [--threads 1,2] [--sizes 27k,800k,5m]
        [--kinds eager,fused,compile,transformers] [--repeats 3] [--seconds 2] [--length 64] [--rows 4096]

Needs `torch` (measured with 2.12) in the Python that runs it, `transformers` for the kind of that
name, and a C++ compiler for `compile`. All train the same decoder (pre-norm, rotary, causal) in
32-bit floats on full batches of equally long sequences, so that PyTorch pads nothing; a step is
forward, backward, clipping at norm 1 and AdamW.

    eager         modules, scaled_dot_product_attention, one qkv product, AdamW
    fused         the same with fused AdamW
    compile       the same, through torch.compile
    transformers  LlamaForCausalLM or GPTNeoXForCausalLM (sdpa) with fused AdamW
    upturn        examples/train_throughput

Every kind runs in a process of its own, one after another, `repeats` times round; the best time of
each counts. Where other work shares the machine, compare tokens per CPU second at one thread.
`of roof` is the step's exact FLOPs a second (products and visible attention pairs) against a
1024 x 1024 f32 product of faer in Upturn's run.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VOCAB = 64
# hidden, layers, heads
SIZES = {"27k": (32, 2, 4), "800k": (128, 4, 4), "5m": (256, 6, 8)}


def inner_of(block, hidden):
    return 4 * hidden if block == "gelu" else 8 * hidden // 3


def lean_model(block, hidden, layers, heads):
    import torch
    import torch.nn.functional as F
    from torch import nn

    gelu = block == "gelu"
    inner, dim = inner_of(block, hidden), hidden // heads

    def norm():
        return nn.LayerNorm(hidden) if gelu else nn.RMSNorm(hidden, eps=1e-5)

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = norm(), norm()
            self.qkv = nn.Linear(hidden, 3 * hidden, bias=gelu)
            self.out = nn.Linear(hidden, hidden, bias=gelu)
            self.up = nn.Linear(hidden, inner if gelu else 2 * inner, bias=gelu)
            self.down = nn.Linear(inner, hidden, bias=gelu)

        def forward(self, x, cos, sin):
            b, t, _ = x.shape
            q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, heads, dim).permute(2, 0, 3, 1, 4)

            def turned(z):
                first, second = z.chunk(2, -1)
                return z * cos + torch.cat((-second, first), -1) * sin

            a = F.scaled_dot_product_attention(turned(q), turned(k), v, is_causal=True)
            x = x + self.out(a.transpose(1, 2).reshape(b, t, hidden))
            u = self.up(self.norm2(x))
            if gelu:
                a = F.gelu(u)
            else:
                gate, up = u.chunk(2, -1)
                a = F.silu(gate) * up
            return x + self.down(a)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(VOCAB, hidden)
            self.layers = nn.ModuleList([Layer() for _ in range(layers)])
            self.norm = norm()
            self.head = nn.Linear(hidden, VOCAB, bias=False)

        def forward(self, ids, targets):
            t = ids.shape[1]
            inv_freq = 1 / 10_000 ** (torch.arange(0, dim, 2) / dim)
            angles = torch.outer(torch.arange(t).float(), inv_freq).repeat(1, 2)
            cos, sin = angles.cos(), angles.sin()
            x = self.embed(ids)
            for layer in self.layers:
                x = layer(x, cos, sin)
            return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())

    return Model()


def transformers_model(block, hidden, layers, heads, length):
    import transformers

    common = dict(
        vocab_size=VOCAB,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner_of(block, hidden),
        max_position_embeddings=length,
        attn_implementation="sdpa",
    )
    if block == "gelu":
        config = transformers.GPTNeoXConfig(**common, use_parallel_residual=False, rotary_pct=1.0)
        model = transformers.GPTNeoXForCausalLM(config)
    else:
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**common))

    def loss(ids, targets):
        logits = model(input_ids=ids, use_cache=False).logits
        import torch.nn.functional as F

        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    return model, loss


def work(kind, args):
    """One measurement of PyTorch, as a line of JSON."""
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    shape = SIZES[args.size]
    if kind == "transformers":
        model, loss = transformers_model(args.block, *shape, args.length)
    else:
        model = lean_model(args.block, *shape)
        loss = torch.compile(model) if kind == "compile" else model
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=kind != "eager")
    n = args.rows // args.length
    ids = torch.randint(0, VOCAB, (n, args.length))
    targets = torch.randint(0, VOCAB, (n, args.length))

    def step():
        opt.zero_grad()
        value = loss(ids, targets)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        return value.item()

    for _ in range(3):
        step()
    best, steps, cpu = float("inf"), 0, 0.0
    for _ in range(2):
        start, cpu_start, done = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - start < args.seconds:
            step()
            done += 1
        best = min(best, (time.perf_counter() - start) / done)
        cpu += time.process_time() - cpu_start
        steps += done
    tokens = n * args.length
    print(
        json.dumps(
            dict(
                n_params=sum(p.numel() for p in model.parameters()),
                tokens_per_sec=tokens / best,
                tokens_per_cpu_sec=tokens * steps / cpu,
                memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            )
        )
    )


def measure(kind, size, threads, args):
    if kind == "upturn":
        hidden, layers, heads = SIZES[size]
        command = [
            args.upturn,
            f"block={args.block}",
            f"hidden={hidden}",
            f"layers={layers}",
            f"heads={heads}",
            f"vocab={VOCAB}",
            f"length={args.length}",
            f"rows={args.rows}",
            f"threads={threads}",
            f"seconds={args.seconds}",
            "rounds=2",
        ]
    else:
        command = [sys.executable, __file__, "--worker", kind, "--size", size]
        for name in ("block", "length", "rows", "seconds"):
            command += [f"--{name}", str(getattr(args, name))]
        command += ["--threads", str(threads)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{err[-2000:]}")
    found = json.loads(out.strip().splitlines()[-1])
    found["memory"] = usage.ru_maxrss * 1024
    return found


def exact_flops(block, size, length):
    """Products of a training step per token; position p sees p + 1 keys."""
    hidden, layers, _ = SIZES[size]
    feed = (2 if block == "gelu" else 3) * hidden * inner_of(block, hidden)
    per_token = 2 * layers * (4 * hidden * hidden + feed) + 2 * hidden * VOCAB
    return 3 * (per_token + layers * 2 * hidden * (length + 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--block", default="gelu", choices=["gelu", "gated"])
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--sizes", default="27k,800k,5m")
    parser.add_argument("--kinds", default="eager,fused,compile,transformers")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--upturn", default=ROOT / "target/release/examples/train_throughput")
    parser.add_argument("--worker")
    parser.add_argument("--size")
    args = parser.parse_args()
    if args.worker:
        args.threads = int(args.threads)
        return work(args.worker, args)
    kinds = [*args.kinds.split(","), "upturn"]
    for size in args.sizes.split(","):
        for threads in map(int, args.threads.split(",")):
            best = {}
            for _ in range(args.repeats):
                for kind in kinds:
                    found = measure(kind, size, threads, args)
                    if kind in best:
                        for key in ("tokens_per_sec", "tokens_per_cpu_sec", "gflops_product"):
                            if key in found:
                                found[key] = max(found[key], best[kind][key])
                    best[kind] = found
            roof = best["upturn"]["gflops_product"]
            n_params = best["upturn"]["n_params"]
            exact = exact_flops(args.block, size, args.length)
            print(
                f"\n{args.block} {size}: {n_params:,} parameters, {args.rows} tokens a step in sequences of "
                f"{args.length}, {threads} thread(s); a 1024 x 1024 product: {roof:.0f} GFLOP/s"
            )
            print(
                f"{'':14}{'tokens/s':>10}{'per CPU s':>11}{'6ND GFLOP/s':>13}{'exact':>8}{'of roof':>9}"
                f"{'memory MB':>11}{'upturn is':>11}{'per CPU s':>11}"
            )
            own = best["upturn"]
            for kind in kinds:
                b = best[kind]
                rate = b["tokens_per_sec"]
                ratio = own["tokens_per_sec"] / rate
                per_cpu = own["tokens_per_cpu_sec"] / b["tokens_per_cpu_sec"]
                print(
                    f"{kind:14}{rate:10.0f}{b['tokens_per_cpu_sec']:11.0f}{6 * n_params * rate / 1e9:13.1f}"
                    f"{exact * rate / 1e9:8.1f}{exact * rate / 1e9 / roof:9.2f}{b['memory'] / 1e6:11.0f}"
                    f"{ratio:10.2f}x{per_cpu:10.2f}x",
                    flush=True,
                )


if __name__ == "__main__":
    main()
