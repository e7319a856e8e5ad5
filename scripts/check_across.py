#!/usr/bin/env python3
"""Compares the statistics of families and tasks with scipy, lifelines and others.

    python3 -m venv ~/.venvs/check && ~/.venvs/check/bin/pip install \\
        numpy scipy pandas lifelines scikit-learn scikit-posthocs
    ~/.venvs/check/bin/python scripts/check_across.py

Builds the example `across_probe` with cargo (or takes a built one with --probe PATH), asks it
every question below as JSON lines, and exits with 1 when an answer differs by more than the
tolerance of the question. Resampling is compared draw by draw: SplitMix64 is short enough to
be written again here.
"""

import argparse
import collections
import itertools
import json
import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import scikit_posthocs
from lifelines.fitters.npmle import npmle
from scipy import optimize, stats
from sklearn.mixture import GaussianMixture

ROOT = Path(__file__).resolve().parent.parent
RNG = np.random.default_rng(20250202)
QUESTIONS = []


def ask(fn, expected, rel=1e-9, abs_=1e-12, **args):
    """Queues one question with its expected answer (a number or a flat list)."""
    expected = [float(v) for v in np.atleast_1d(expected)]
    QUESTIONS.append(({"fn": fn, **args}, expected, rel, abs_))


class SplitMix64:
    """Steele, Lea and Flood 2014; uniform numbers from the top 53 bits."""

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        return (z >> 11) * 2.0**-53


def tables():
    for table in ([[8, 2], [1, 5]], [[0, 7], [4, 3]], [[120, 80], [95, 105]], [[3, 0], [0, 4]]):
        one = stats.fisher_exact(table, alternative="greater")[1]
        ask("fisher", [one, stats.fisher_exact(table)[1]], rel=1e-9, table=table)
    for _ in range(25):
        table = RNG.integers(0, 40, (2, 2)).tolist()
        one = stats.fisher_exact(table, alternative="greater")[1]
        ask("fisher", [one, stats.fisher_exact(table)[1]], rel=1e-8, table=table)
    for shape in [(2, 2), (2, 3), (3, 4), (5, 2)]:
        for _ in range(5):
            table = RNG.integers(1, 60, shape)
            chi = stats.chi2_contingency(table, correction=False)
            v = stats.contingency.association(table, method="cramer", correction=False)
            ask("chi2", [chi[0], chi[1], chi[2], v], table=table.tolist())
    # Monte-Carlo p against the exact one of a 2x3 table, all tables with its margins.
    table = np.array([[5, 1, 2], [1, 6, 3]])
    rows, columns = table.sum(1), table.sum(0)
    expected = np.outer(rows, columns) / table.sum()
    statistic = ((table - expected) ** 2 / expected).sum()
    total = extreme = 0
    for first in itertools.product(*(range(c + 1) for c in columns)):
        if sum(first) != rows[0]:
            continue
        both = np.array([first, columns - first])
        ways = math.prod(math.comb(int(c), int(f)) for c, f in zip(columns, first))
        total += ways
        extreme += ways * (((both - expected) ** 2 / expected).sum() >= statistic - 1e-9)
    ask("chi2_monte_carlo", extreme / total, rel=0, abs_=0.01, table=table.tolist(), draws=99_999, seed=5)


def ranks():
    for sizes in [(6, 7, 8), (3, 9), (5, 5, 5, 5)]:
        for ties in (False, True):
            groups = [RNG.normal(i * 0.6, 1, n) for i, n in enumerate(sizes)]
            if ties:
                groups = [np.round(g) for g in groups]
            lists = [g.tolist() for g in groups]
            ask("kruskal", list(stats.kruskal(*groups)), groups=lists)
            dunn = scikit_posthocs.posthoc_dunn(lists, p_adjust="holm").to_numpy()
            pairs = itertools.combinations(range(len(sizes)), 2)
            ask("dunn", [dunn[i, j] for i, j in pairs], rel=1e-7, groups=lists)
    for n in (5, 8, 40):
        for ties in (False, True):
            a, b = RNG.normal(size=n), RNG.normal(size=n)
            b += a
            if ties:
                a, b = np.round(a), np.round(b)
            rho = stats.spearmanr(a, b)[0]
            if not np.isfinite(rho):
                continue
            ask("spearman", rho, a=a.tolist(), b=b.tolist())
            if n <= 6:
                orders = [abs(stats.spearmanr(a, p)[0]) for p in itertools.permutations(b)]
                p = np.mean(np.array(orders) >= abs(rho) - 1e-9)
                ask("spearman_p", p, a=a.tolist(), b=b.tolist())


def thresholds():
    for n in (4, 12, 30):
        lower = RNG.uniform(20, 23, n)
        upper = lower + RNG.uniform(0.2, 1.5, n)
        kind = RNG.integers(0, 4, n)
        lower[kind == 0] = -np.inf
        upper[kind == 1] = np.inf
        # The estimate is concave in the masses: any good optimiser finds its height.
        ends = sorted([(v, 0) for v in lower] + [(v, 1) for v in upper])
        inner = [(a[0], b[0]) for a, b in zip(ends, ends[1:]) if a[1] == 0 and b[1] == 1]
        covers = np.array([[l <= a and b <= u for a, b in inner] for l, u in zip(lower, upper)], float)

        def minus(z):
            w = np.exp(z - z.max())
            return -np.log(covers @ (w / w.sum())).sum()

        best = min(
            optimize.minimize(minus, RNG.normal(size=len(inner)), method="BFGS", options={"gtol": 1e-9}).fun
            for _ in range(5)
        )
        intervals = [[str(l) if np.isinf(l) else l, str(u) if np.isinf(u) else u] for l, u in zip(lower, upper)]
        ask("turnbull:ll", -best, rel=0, abs_=1e-6, intervals=intervals)
        # lifelines wants a finite start; thresholds below 1 are as good as open to the left.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mass, _ = npmle(np.where(np.isinf(lower), 1.0, lower), upper, tol=1e-12, max_iter=200_000)
        held = [m for m in mass if m > 1e-4]
        ask("turnbull:mass", held, rel=0, abs_=2e-3, intervals=intervals)
    for v in (RNG.normal(22, 0.7, 9), np.array([21.9, 22.0, 22.0, 22.1, 24.0])):
        ask("dispersion", [np.std(v, ddof=1), stats.median_abs_deviation(v)], v=v.tolist())
    grids = [np.sort(RNG.uniform(20, 24, n)) for n in (5, 8, 8, 6, 4, 8)]
    rows = [(i // 2, g.tolist(), len(g) // 2 - 1, len(g) // 2 + i % 2) for i, g in enumerate(grids)]
    rng = SplitMix64(11)
    middle = lambda g, a, b: (g[a] + g[b]) / 2
    observed = np.std([middle(g, a, b) for _, g, a, b in rows], ddof=1)
    draws = []
    for _ in range(2000):
        place = [rng.uniform() for _ in range(3)]
        values = []
        for task, g, a, b in rows:
            at = int(place[task] * (len(g) - (b - a)))
            values.append(middle(g, at, at + b - a))
        draws.append(np.std(values, ddof=1))
    p = (1 + sum(d <= observed + 1e-12 for d in draws)) / 2001
    ask("concentration", [p, np.mean(draws)], thresholds=rows, draws=2000, seed=11)
    for parts in ([(22, 0.3, 20)], [(20.5, 0.2, 9), (23, 0.3, 11)], [(20, 0.1, 8), (22, 0.1, 8), (24, 0.1, 8)]):
        v = np.concatenate([RNG.normal(m, s, n) for m, s, n in parts])
        bic = []
        for k in (1, 2, 3):
            # Shared variance; a collapse is impossible. n_init for the best of many starts.
            mixture = GaussianMixture(k, covariance_type="tied", n_init=50, tol=1e-10, max_iter=5000,
                                      reg_covar=0, random_state=1)
            bic.append(mixture.fit(v[:, None]).bic(v[:, None]))
        keep = len(parts)  # more clusters than there are have many equal local optima
        ask(f"cluster_bic:{keep}", bic[:keep], rel=0, abs_=1e-3, v=v.tolist())


def curves():
    for chance, target in ((0.0, 0.06), (0.25, 0.33)):
        x = np.arange(20, 23.1, 0.5)
        share = (target - chance) / (1 - chance)
        offset = math.log(share / (1 - share))
        n = np.full(len(x), 4000)
        k = RNG.binomial(n, chance + (1 - chance) / (1 + np.exp(-(1.4 * (x - 23.7) + offset))))

        def minus(at, ln_b):
            p = chance + (1 - chance) / (1 + np.exp(-(np.exp(ln_b) * (x - at) + offset)))
            return -(k * np.log(p) + (n - k) * np.log1p(-p)).sum()

        profile = lambda at: optimize.minimize_scalar(
            lambda b: minus(at, b), bounds=(math.log(1e-3), math.log(100)), method="bounded",
            options={"xatol": 1e-12}).fun
        best = optimize.minimize_scalar(profile, bounds=(22, 27), method="bounded", options={"xatol": 1e-9})
        b = optimize.minimize_scalar(lambda b: minus(best.x, b), bounds=(-5, 4), method="bounded").x
        p = chance + (1 - chance) / (1 + np.exp(-(np.exp(b) * (x - best.x) + offset)))
        phi = max(1, ((k - n * p) ** 2 / (n * p * (1 - p))).sum() / (len(x) - 2))
        lost = stats.chi2.ppf(0.9, 1) / 2 * phi
        cut = lambda at: profile(at) - best.fun - lost
        low = optimize.brentq(cut, best.x - 3, best.x)
        high = optimize.brentq(cut, best.x, best.x + 6) if cut(best.x + 6) > 0 else None
        expected = [best.x, low] + ([high] if high else [])
        ask("extrapolate", expected, rel=0, abs_=2e-4, x=x.tolist(), k=k.tolist(), n=n.tolist(),
            chance=chance, target=target)


def families():
    for n in (2, 9, 30):
        nodes, weights = np.polynomial.hermite.hermgauss(n)
        ask("hermite", np.concatenate([nodes, weights]), rel=1e-10, abs_=1e-13, n=n)
    t, w = np.polynomial.hermite.hermgauss(30)
    family = np.repeat(np.arange(8), 5)
    for noise in (0.5, 3.0):
        x = RNG.normal(size=40)
        above = (2 * x + RNG.normal(0, 1, 8)[family] + noise * RNG.logistic(size=40)) > 0
        sign = np.where(above, 1.0, -1.0)

        def minus(v):
            total = 0.0
            for f in range(8):
                z = ((v[0] + v[1] * x[family == f])[:, None] + math.sqrt(2) * v[2] * t) * sign[family == f][:, None]
                total += np.log((w / math.sqrt(math.pi) * np.exp(-np.logaddexp(0, -z).sum(0))).sum())
            return -total + 0.5 * ((v[0] / 10) ** 2 + (v[1] / 5) ** 2 + (v[2] / 2) ** 2)

        fits = [optimize.minimize(minus, [0, 1, s], method="BFGS", options={"gtol": 1e-8}) for s in (0.1, 1, 3)]
        best = min(fits, key=lambda r: r.fun)
        a, b = x[above], x[~above]
        area = np.mean(a[:, None] > b[None, :])
        ask("mixed_logit", [-best.fun, best.x[0], best.x[1], area], rel=0, abs_=1e-4,
            x=[x.tolist()], above=above.tolist(), family=family.tolist())
    y = np.round(x + RNG.normal(size=40), 1)
    rng = SplitMix64(3)
    tau, rho = [], []
    for _ in range(200):
        chosen = np.concatenate([np.flatnonzero(family == int(rng.uniform() * 8)) for _ in range(8)])
        tau.append(stats.kendalltau(x[chosen], y[chosen])[0])
        rho.append(stats.spearmanr(x[chosen], y[chosen])[0])
    ends = [np.quantile(tau, q) for q in (0.025, 0.975)] + [np.quantile(rho, q) for q in (0.025, 0.975)]
    ask("family_bootstrap", ends, x=x.tolist(), y=y.tolist(), family=family.tolist(), draws=200, seed=3)


def picked(name, part, found):
    """The part of an answer that a question asks for."""
    if name == "turnbull":
        return [found["ll"]] if part == "ll" else [m for m in found["mass"] if m > 1e-4]
    if name == "cluster_bic":
        return found[: int(part)]
    values = found if isinstance(found, list) else [found]
    return [v for v in values if v is not None]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--probe", help="a built across_probe; built with cargo when left out")
    probe = parser.parse_args().probe
    for generate in (tables, ranks, thresholds, curves, families):
        generate()
    command = [probe] if probe else [
        "cargo", "run", "--quiet", "--locked", "-p", "upturn-stats", "--example", "across_probe"
    ]
    lines = [json.dumps({**q, "fn": q["fn"].split(":")[0]}) for q, *_ in QUESTIONS]
    run = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, cwd=ROOT)
    if run.returncode != 0:
        sys.exit(f"across_probe failed:\n{run.stderr}")
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    if len(answers) != len(QUESTIONS):
        sys.exit(f"{len(QUESTIONS)} questions, {len(answers)} answers")
    counts, wrong = collections.Counter(), collections.Counter()
    for (question, expected, rel, abs_), found in zip(QUESTIONS, answers):
        name, _, part = question["fn"].partition(":")
        counts[name] += 1
        failed = isinstance(found, dict) and "error" in found
        values = [] if failed else picked(name, part, found)
        bad = len(values) != len(expected) or any(
            abs(v - e) > abs_ + rel * abs(e) for v, e in zip(values, expected)
        )
        if bad:
            wrong[name] += 1
            print(f"DIFFERS {json.dumps(question)[:160]}\n  found    {found if failed else values}\n  expected {expected}")
    for name, n in counts.items():
        print(f"{name:20} {n:4} compared, {wrong[name]} differ")
    print(f"{sum(counts.values())} comparisons, {sum(wrong.values())} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
