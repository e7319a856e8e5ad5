"""Holds `upturn serve-model` and `upturn eval` over HTTP against what is known.

    python scripts/check_server.py REFERENCE --upturn target/release/upturn [--model gpt2-96x3]

REFERENCE is the folder with tiny models, tasks and the scores that lm-evaluation-harness's own
`hf` backend gave them. The model is served; then

1. curl and the `openai` package talk to it;
2. lm-evaluation-harness evaluates it as `local-completions`, and its scores must be those of
   REFERENCE/results;
3. `upturn eval` evaluates it over HTTP, prompts as token ids and as text, and its scores must be
   those of `upturn eval` on the folder.

Needs lm-eval with its API extra (aiohttp, requests, tenacity); the openai package is left out
where it is not installed. Exit code 1 when anything differs.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Scores of lm-evaluation-harness and of Upturn may differ by this: float32 in another order.
TOLERANCE = 2e-4


def serve(upturn, model, name, log):
    """The server's process and its URL."""
    command = [upturn, "serve-model", model, "--port", "0", "--served-model-name", name]
    server = subprocess.Popen(command, stderr=open(log, "w"))
    for _ in range(600):
        found = re.search(r"(http://\S+)/v1", Path(log).read_text())
        if found:
            return server, found[1]
        if server.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f"the server did not start: {Path(log).read_text()}")


def shown(what, worst, n, tolerance):
    fine = worst <= tolerance
    print(f"{'ok  ' if fine else 'FAIL'} {what}: {n} numbers, largest difference {worst:.2g}", flush=True)
    return fine


def difference(a, b):
    """Largest difference between two tables of scores, and how many are in both."""
    common = sorted(set(a) & set(b))
    gaps = [abs(a[k] - b[k]) / max(1.0, abs(b[k])) for k in common]
    return max(gaps, default=float("inf")), len(common)


def lm_eval_scores(results):
    out = {}
    for task, values in results.items():
        for metric, value in values.items():
            if "," in metric and "stderr" not in metric and isinstance(value, (int, float)):
                out[task, metric.split(",")[0]] = value
    return out


def run_lm_eval(reference, url, name, tokenizer, tasks, out):
    args = ",".join([
        f"model={name}", f"base_url={url}/v1/completions", f"tokenizer={tokenizer}",
        "tokenizer_backend=huggingface", "num_concurrent=8", "max_length=512", "tokenized_requests=True",
    ])
    subprocess.run(
        [sys.executable, "-m", "lm_eval", "run", "--model", "local-completions", "--model_args", args,
         "--include_path", "tasks", "--tasks", ",".join(tasks), "--output_path", out],
        cwd=reference, check=True, env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
        stdout=subprocess.DEVNULL, stderr=open(Path(out).with_suffix(".log"), "w"))
    file = max(Path(out).rglob("results*.json"))
    return lm_eval_scores(json.loads(file.read_text())["results"])


def run_upturn(upturn, reference, words, tasks, out):
    done = subprocess.run(
        [upturn, "eval", *words, "--tasks", ",".join(tasks), "--include-path", "tasks", "--out", out,
         "--parity", "lm-eval", "--bootstrap-iters", "0", "--json"],
        cwd=reference, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"upturn eval failed: {done.stderr}")
    for line in done.stderr.splitlines():
        if "answers from the server" in line:
            print(f"     {line}")
    scores = {}
    for model in json.loads(done.stdout)["models"]:
        for cell in model["cells"]:
            for score in cell["scores"]:
                scores[cell["task"], score["metric"], score.get("filter")] = score["value"]
    return scores


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("reference", type=Path)
    p.add_argument("--upturn", default="target/release/upturn")
    p.add_argument("--model", default="gpt2-96x3")
    p.add_argument("--tasks", default="up_arith_mc,up_cloze,up_ending,up_mmlu_capitals,up_pages,up_rewrite,up_unscramble")
    p.add_argument("--skip-lm-eval", action="store_true")
    a = p.parse_args()
    reference, upturn = a.reference.resolve(), str(Path(a.upturn).resolve())
    folder, tasks = reference / "models" / a.model, a.tasks.split(",")
    work = Path(tempfile.mkdtemp(prefix="upturn-server-"))
    server, url = serve(upturn, folder, a.model, work / "server.log")
    fine = True
    try:
        body = json.dumps({"model": a.model, "prompt": "The answer is", "max_tokens": 4, "temperature": 0})
        said = subprocess.run(
            ["curl", "-s", f"{url}/v1/completions", "-H", "content-type: application/json", "-d", body],
            capture_output=True, text=True, check=True)
        text = json.loads(said.stdout)["choices"][0]["text"]
        print(f"ok   curl: {text!r}")
        try:
            import openai
        except ImportError:
            print("     the openai package is not installed; left out")
        else:
            client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
            assert [m.id for m in client.models.list()] == [a.model]
            own = client.completions.create(
                model=a.model, prompt="The answer is", max_tokens=4, temperature=0, logprobs=3, echo=True)
            choice = own.choices[0]
            assert choice.text == "The answer is" + text, choice.text
            assert choice.logprobs.token_logprobs[0] is None
            assert all(x < 0 for x in choice.logprobs.token_logprobs[1:])
            parts = client.completions.create(
                model=a.model, prompt="The answer is", max_tokens=4, temperature=0, stream=True)
            assert "".join(c.choices[0].text for c in parts) == text
            try:
                client.completions.create(model=a.model, prompt="x" * 9000, max_tokens=4)
                fine = False
                print("FAIL openai: a prompt that is too long was answered")
            except openai.BadRequestError as e:
                assert "room for" in str(e)
            print(f"ok   openai {openai.__version__}: models, echo, log-probabilities, stream, an error")

        if not a.skip_lm_eval:
            theirs = json.loads((reference / "results" / a.model / "results.json").read_text())["results"]
            got = run_lm_eval(reference, url, a.model, folder, tasks, work / "lm_eval")
            wanted = {k: v for k, v in lm_eval_scores(theirs).items() if k[0] in tasks}
            worst, n = difference(got, wanted)
            fine &= shown("lm-eval local-completions against its hf backend", worst, n, TOLERANCE)
            fine &= n == len(wanted)

        local = run_upturn(upturn, reference, ["--model", folder], tasks, work / "local")
        remote = ["--model", f"openai:{a.model}", "--base-url", url]
        ids = run_upturn(upturn, reference, [*remote, "--send", "ids"], tasks, work / "ids")
        fine &= shown("upturn eval over HTTP, token ids", *difference(ids, local), 0.0) & (set(ids) == set(local))
        prefix = json.loads(subprocess.run(
            ["curl", "-s", f"{url}/tokenizer_info"], capture_output=True, check=True).stdout)
        prefix = prefix["bos_token"] or prefix["eos_token"]
        text = run_upturn(
            upturn, reference, [*remote, "--send", "text", "--prefix", prefix], tasks, work / "text")
        fine &= shown("upturn eval over HTTP, text", *difference(text, local), 0.0) & (set(text) == set(local))
    finally:
        server.terminate()
        server.wait(timeout=60)
        shutil.rmtree(work, ignore_errors=fine)
        if not fine:
            print(f"     logs are in {work}")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
