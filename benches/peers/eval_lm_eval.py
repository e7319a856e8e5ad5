#!/usr/bin/env python3
"""Scores the benchmark model with lm-evaluation-harness and with Upturn, in turn.

    python ../shared/bench/make_bench.py BENCH
    cargo build --release -p upturn
    python benches/peers/eval_lm_eval.py BENCH [--tasks bench_letters,bench_text,bench_endings] [--repeats 1]

Needs `lm-eval[hf]`, `torch` and `transformers` in the Python that runs it (PyPI;
measured with lm-eval 0.4.13). Both run in 32-bit floats on 2 threads, lm-eval with
batch size 8. For each tag it checks that every log-likelihood agrees to 1e-3 and
prints wall and CPU seconds, peak memory, tokens computed, and the ratios.
"""
import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def measured(command, cwd, env):
    """Runs a command; wall seconds, CPU seconds and peak memory in bytes of it and its children."""
    log = tempfile.TemporaryFile("w+")
    start = time.perf_counter()
    child = subprocess.Popen(command, cwd=cwd, env=env, stdout=log, stderr=subprocess.STDOUT)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    log.seek(0)
    text = log.read()
    if status:
        sys.exit(f"failed ({status}): {' '.join(map(str, command))}\n{text[-3000:]}")
    return dict(wall=wall, cpu=usage.ru_utime + usage.ru_stime, peak=usage.ru_maxrss * 1024, text=text)


def log_likelihoods(folder):
    """(task, doc, request) to log-likelihood, from samples in lm-eval's own format."""
    found = {}
    for path in sorted(Path(folder).rglob("samples_*.jsonl")):
        for line in path.open():
            row = json.loads(line)
            task = path.name.removeprefix("samples_").rsplit("_20", 1)[0]
            for index, response in enumerate(row["resps"]):
                found[task, row["doc_id"], index] = float(response[0][0])
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("bench", type=Path)
    p.add_argument("--tasks", default="bench_letters,bench_text,bench_endings")
    p.add_argument("--repeats", type=int, default=1, help="runs of Upturn; the fastest counts")
    p.add_argument("--upturn", type=Path, default=ROOT / "target" / "release" / "upturn")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--only-upturn", action="store_true")
    a = p.parse_args()
    bench = a.bench.resolve()
    env = dict(os.environ, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false",
               OMP_NUM_THREADS=str(a.threads), MKL_NUM_THREADS=str(a.threads), RAYON_NUM_THREADS=str(a.threads))
    print(f"{'task':14} {'':8} {'wall s':>8} {'CPU s':>8} {'peak MB':>8}")
    for task in a.tasks.split(","):
        with tempfile.TemporaryDirectory() as out:
            ours = None
            for repeat in range(a.repeats):
                folder = Path(out) / f"upturn{repeat}"
                got = measured([a.upturn, "eval", "--model", "model", "--include-path", "tasks", "--tasks", task,
                                "--parity", "lm-eval", "--no-graded", "--lm-eval-output", "--out", folder], bench, env)
                if ours is None or got["wall"] < ours["wall"]:
                    ours = got
            lines = [line for line in ours["text"].splitlines() if "tokens computed" in line]
            print(f"{task:14} {'upturn':8} {ours['wall']:8.2f} {ours['cpu']:8.2f} {ours['peak'] / 1e6:8.0f}")
            for line in lines:
                print(f"{'':14} {line.strip()}")
            if a.only_upturn:
                continue
            theirs = measured([sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args",
                               "pretrained=model,dtype=float32", "--include_path", "tasks", "--tasks", task, "--device", "cpu",
                               "--batch_size", "8", "--log_samples", "--output_path", Path(out) / "lm_eval"], bench, env)
            print(f"{task:14} {'lm-eval':8} {theirs['wall']:8.2f} {theirs['cpu']:8.2f} {theirs['peak'] / 1e6:8.0f}")
            mine = log_likelihoods(Path(out) / "upturn0")
            peer = log_likelihoods(Path(out) / "lm_eval")
            if mine.keys() != peer.keys() or not mine:
                sys.exit(f"{task}: {len(mine)} log-likelihoods here, {len(peer)} there, or of other requests")
            worst = max(abs(mine[k] - peer[k]) for k in mine)
            print(f"{task:14} {'ratio':8} {theirs['wall'] / ours['wall']:8.1f} {theirs['cpu'] / ours['cpu']:8.1f} "
                  f"{theirs['peak'] / ours['peak']:8.1f}   {len(mine)} log-likelihoods, largest difference {worst:.1e}", flush=True)
            if worst > 1e-3:
                sys.exit(f"{task}: log-likelihoods differ by more than 1e-3")
            shutil.rmtree(Path(out) / "lm_eval", ignore_errors=True)


if __name__ == "__main__":
    main()
