#!/usr/bin/env python3
"""Compares the statistics of upturn-stats with scipy and statsmodels on generated inputs.

    python3 -m venv ~/.venvs/check-stats && ~/.venvs/check-stats/bin/pip install numpy scipy statsmodels
    ~/.venvs/check-stats/bin/python scripts/check_stats.py

Builds the example `stats_probe` with cargo (or takes a built one with --probe PATH), asks it
every question below as JSON lines, and exits with 1 when an answer differs by more than the
tolerance printed beside the function. Resampling is compared draw by draw: SplitMix64 is
short enough to be written again here.

statsmodels and scipy are the reference; where they define a thing slightly differently, the
comment says what is converted.
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import statsmodels.api as sm
from scipy import integrate, optimize, special, stats
from statsmodels.stats import contingency_tables, multitest, proportion

ROOT = Path(__file__).resolve().parent.parent
RNG = np.random.default_rng(20250101)
QUESTIONS = []


def ask(fn, expected, rel=1e-9, abs_=1e-12, **args):
    """Queues one question with its expected answer (a number or a flat list)."""
    QUESTIONS.append(({"fn": fn, **args}, expected, rel, abs_))


class SplitMix64:
    """Steele, Lea and Flood 2014; indices as floor(u·n) with u from the top 53 bits."""

    def __init__(self, seed):
        self.state = seed

    def index(self, n):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        return int((z >> 11) * 2.0**-53 * n)


def distributions():
    for n in (1, 7, 100, 651, 5153, 100_000):
        for p in (0.003, 0.25, 0.5, 0.97):
            for k in {0, 1, n // 4, int(n * p), min(n, int(n * p) + 3), n}:
                ask("binom_sf", stats.binom.sf(k - 1, n, p), abs_=1e-290, k=k, n=n, p=p)
                ask("binom_cdf", stats.binom.cdf(k, n, p), abs_=1e-290, k=k, n=n, p=p)
    for k, n in [(0, 20), (20, 20), (1, 8), (300, 1000), (5152, 5153), (61, 651)]:
        for alpha in (0.05, 0.1):
            expected = list(proportion.proportion_confint(k, n, alpha, "beta"))
            ask("clopper_pearson", expected, k=k, n=n, alpha=alpha)
            # statsmodels leaves a limit of 0 or 1 a few 1e-17 off.
            expected = list(proportion.proportion_confint(k, n, alpha, "wilson"))
            ask("wilson", expected, k=k, n=n, alpha=alpha)
    for a, b in [(0.5, 0.5), (1, 9), (40, 61), (2000, 3154), (30_000, 70_000)]:
        ask("ln_beta", float(special.betaln(a, b)), a=a, b=b)
        for q in (1e-6, 0.025, 0.5, 0.999):
            x = float(special.betaincinv(a, b, q))
            ask("beta_inc_inv", x, a=a, b=b, p=q)
            ask("beta_inc", float(special.betainc(a, b, x)), rel=1e-8, a=a, b=b, x=x)
    for z in (-30.0, -8.3, -1.0, 0.0, 0.7, 5.0):
        ask("norm_cdf", stats.norm.cdf(z), abs_=1e-290, z=z)
    for p in (1e-12, 0.001, 0.3, 0.5, 0.975, 1 - 1e-9):
        ask("norm_quantile", stats.norm.ppf(p), p=p)
    for df in (1, 2, 7.5, 30):
        for t in (-3.0, 0.0, 0.4, 2.2, 40.0):
            ask("t_sf", stats.t.sf(t, df), abs_=1e-200, t=t, df=df)
            ask("chi2_sf", stats.chi2.sf(abs(t), df), abs_=1e-200, x=abs(t), df=df)
        for p in (0.001, 0.025, 0.5, 0.8):
            ask("t_isf", stats.t.isf(p, df), p=p, df=df)


def multiplicity():
    for m in (1, 2, 13, 200):
        p = np.concatenate([RNG.random(m - m // 3), RNG.random(m // 3) * 1e-3])
        if m > 5:
            p[3] = p[4]
        for fn, method in [
            ("holm", "holm"),
            ("benjamini_hochberg", "fdr_bh"),
            ("benjamini_yekutieli", "fdr_by"),
        ]:
            ask(fn, multitest.multipletests(p, method=method)[1].tolist(), p=p.tolist())


def trend():
    for n in (4, 8, 25):
        x = np.arange(n, dtype=float)
        y = RNG.normal(size=n)
        ask("kendall_tau_b:tau", stats.kendalltau(x, y).statistic, x=x.tolist(), y=y.tolist())
        tied = np.round(RNG.random(n) * 3)
        tied[0], tied[1] = 0, 3
        ask("kendall_tau_b:tau", stats.kendalltau(x, tied).statistic, x=x.tolist(), y=tied.tolist())
        exact = stats.kendalltau(x, y, method="exact").pvalue
        ask("kendall_tau_b:p", exact, x=x.tolist(), y=y.tolist())
    for _ in range(5):
        n = RNG.integers(20, 400, size=6)
        k = RNG.binomial(n, np.linspace(0.2, 0.5, 6))
        x = np.sort(RNG.normal(size=6))
        # statsmodels' linear-by-linear table has the same z with the divisor N − 1: its
        # null variance is hypergeometric, the test's binomial.
        table = contingency_tables.Table(np.column_stack([n - k, k]), shift_zeros=False)
        z = table.test_ordinal_association(row_scores=x, col_scores=np.array([0.0, 1.0])).zscore
        total = n.sum()
        ask("cochran_armitage", z * math.sqrt(total / (total - 1)), x=x.tolist(), k=k.tolist(), n=n.tolist())
        y, w = RNG.normal(size=20).cumsum(), RNG.random(20) + 0.1
        ask("pava", optimize.isotonic_regression(y, weights=w).x.tolist(), y=y.tolist(), w=w.tolist())


def clustered_variance(scores, clusters):
    """statsmodels' cluster-robust variance of a mean has Σd² over n²; ours over n(n − 1)."""
    n = len(scores)
    fit = sm.OLS(scores, np.ones(n)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    squares = ((scores - scores.mean()) ** 2).sum()
    return fit.cov_params()[0, 0] + squares * (1 / (n * (n - 1)) - 1 / n**2)


def clusters():
    for n, g in [(30, 5), (200, 40), (500, 19), (60, 60)]:
        clusters = RNG.permutation(np.concatenate([np.arange(g), RNG.integers(0, g, n - g)]))
        scores = (RNG.random(n) < 0.2 + 0.6 * RNG.random(g)[clusters]).astype(float)
        se = stats.sem(scores)
        ask("mean_independent", [scores.mean(), se], scores=scores.tolist())
        se = math.sqrt(max(0.0, clustered_variance(scores, clusters)))
        q = stats.t.ppf(0.975, g - 1) if g < 20 else stats.norm.ppf(0.975)
        expected = [scores.mean(), se, scores.mean() - q * se, scores.mean() + q * se]
        ask("mean_clustered", expected, scores=scores.tolist(), clusters=clusters.tolist())
        if g == n:
            continue
        groups = [scores[clusters == c] for c in range(g)]
        f = stats.f_oneway(*[v for v in groups]).statistic
        m0 = (n - sum(len(v) ** 2 for v in groups) / n) / (g - 1)
        icc = (f - 1) / (f - 1 + m0)
        ask("intraclass_correlation", icc, scores=scores.tolist(), clusters=clusters.tolist())


def pairs():
    for n in (10, 300):
        a = RNG.random(n)
        b = 0.5 * a + 0.5 * RNG.random(n)
        expected = [(a - b).mean(), stats.sem(a - b), stats.pearsonr(a, b).statistic]
        ask("paired_difference", expected, a=a.tolist(), b=b.tolist())
    for b10, b01 in [(15, 5), (5, 15), (7, 7), (0, 6), (1, 0), (240, 201)]:
        m = b10 + b01
        one = stats.binomtest(b10, m, 0.5, "greater").pvalue
        two = contingency_tables.mcnemar([[50, b10], [b01, 40]], exact=True).pvalue
        # statsmodels doubles the tail, which passes 1 when the counts are equal.
        expected = [one, min(1.0, two), one - 0.5 * stats.binom.pmf(b10, m, 0.5)]
        ask("mcnemar", expected, b10=b10, b01=b01, n=m + 90)
    for k1, n1, k2, n2 in [(56, 70, 48, 80), (9, 10, 3, 10), (0, 20, 5, 19), (400, 1000, 380, 900)]:
        z, two = proportion.proportions_ztest([k1, k2], [n1, n2])
        one = proportion.proportions_ztest([k1, k2], [n1, n2], alternative="larger")[1]
        ask("two_proportion_z", [z, one, two], k1=k1, n1=n1, k2=k2, n2=n2)
        expected = proportion.confint_proportions_2indep(
            k1, n1, k2, n2, method="newcomb", compare="diff", alpha=0.1
        )
        ask("newcombe", list(expected), k1=k1, n1=n1, k2=k2, n2=n2, alpha=0.1)


def sequential():
    for k, n, p0 in [(0, 5, 0.3), (18, 392, 0.885), (9, 1000, 0.5), (40, 100, 0.25), (25, 100, 0.25), (10, 100, 0.25), (300, 900, 0.2875)]:
        def ln_ratio(q):
            null = special.xlogy(k, p0) + special.xlog1py(n - k, -p0)
            return special.xlogy(k, q) + special.xlog1py(n - k, -q) - null

        def ln_integral(low, high):
            """Scaled by the largest value, and cut there and around it for the quadrature."""
            best = min(max(k / n, low), high)
            spread = math.sqrt(best * (1 - best) / n) + 1 / n
            cuts = sorted({min(max(best + z * spread, low), high) for z in (-40, -8, -2, 0, 2, 8, 40)} | {low, high})
            part = lambda lo, hi: integrate.quad(
                lambda q: math.exp(ln_ratio(q) - ln_ratio(best)), lo, hi, epsabs=0, epsrel=1e-11
            )[0]
            return ln_ratio(best) + math.log(sum(map(part, cuts, cuts[1:])))

        ask("ln_e_above", ln_integral(p0, 1) - math.log(1 - p0), k=k, n=n, p=p0)
        ask("ln_e_below", ln_integral(0, p0) - math.log(p0), k=k, n=n, p=p0)
    for k, n in [(40, 100), (1, 3), (700, 5000), (999, 1000)]:
        excess = lambda p: special.betaln(k + 1, n - k + 1) - k * math.log(p) - (n - k) * math.log1p(-p) - math.log(20)
        ends = [
            optimize.brentq(excess, 1e-12, k / n, xtol=1e-15),
            optimize.brentq(excess, k / n, 1 - 1e-15, xtol=1e-15),
        ]
        ask("confidence_sequence", ends, k=k, n=n, alpha=0.05)


def bootstraps():
    """scipy's percentile and BCa on the very resamples that SplitMix64 gives."""
    for n, g, skewed in [(30, None, False), (40, None, True), (60, 12, True)]:
        scores = RNG.random(n) ** (4 if skewed else 1)
        labels = np.sort(np.concatenate([np.arange(g), RNG.integers(0, g, n - g)])) if g else np.arange(n)
        units = [np.flatnonzero(labels == c) for c in range(g or n)]
        rng, draws = SplitMix64(42), []
        for _ in range(1999):
            picked = [units[rng.index(len(units))] for _ in units]
            draws.append(scores[np.concatenate(picked)].mean())
        draws = np.array(draws)
        statistic = lambda u, axis=-1: np.apply_along_axis(
            lambda v: scores[np.concatenate([units[int(i)] for i in v])].mean(), axis, u
        )
        ends = []
        for method in ("percentile", "BCa"):
            previous = stats._resampling.BootstrapResult(None, draws, draws.std(ddof=1))
            found = stats.bootstrap(
                (np.arange(len(units)).astype(float),),
                statistic,
                n_resamples=0,
                bootstrap_result=previous,
                method=method,
                vectorized=True,
            )
            ends += list(found.confidence_interval)
        args = {"scores": scores.tolist(), "n_draws": 1999, "seed": 42}
        if g:
            args["clusters"] = labels.tolist()
        ask("bootstrap_mean", [draws.std(ddof=1), *ends], **args)
    # Six items: every one of the 6⁶ resamples.
    scores = RNG.random(6)
    # Each in sorted order, so that means which tie with the
    # estimate (half of which the bias correction counts) tie in the last bit too.
    every = np.sort(np.array(np.meshgrid(*[range(6)] * 6)).reshape(6, -1), axis=0)
    draws = scores[every].mean(axis=0)
    previous = stats._resampling.BootstrapResult(None, draws, draws.std())
    ends = [
        end
        for method in ("percentile", "BCa")
        for end in stats.bootstrap(
            (scores,), np.mean, n_resamples=0, bootstrap_result=previous, method=method
        ).confidence_interval
    ]
    ask("bootstrap_mean", [draws.std(), *ends], scores=scores.tolist(), n_draws=1, seed=0)


def crossed():
    items, prompts, seeds = 20, 5, 4
    y = (
        RNG.normal(size=(items, 1, 1))
        + 0.5 * RNG.normal(size=(1, prompts, 1))
        + 0.3 * RNG.normal(size=(1, 1, seeds))
        + 0.4 * RNG.normal(size=(items, prompts, seeds))
    )
    import pandas as pd
    from statsmodels.formula.api import ols

    i, p, s = np.indices(y.shape)
    table = pd.DataFrame({"y": y.ravel(), "i": i.ravel(), "p": p.ravel(), "s": s.ravel()})
    anova = sm.stats.anova_lm(ols("y ~ C(i) + C(p) + C(s)", table).fit())
    ms = anova["sum_sq"] / anova["df"]
    residual = ms["Residual"]
    component = lambda term, behind: max(0.0, (ms[term] - residual) / behind)
    expected = [
        component("C(i)", prompts * seeds),
        component("C(p)", items * seeds),
        component("C(s)", items * prompts),
        residual,
        stats.sem(y.mean(axis=(1, 2))),
        stats.sem(y.mean(axis=(0, 2))),
    ]
    ask("crossed", expected, items=items, prompts=prompts, seeds=seeds, scores=y.ravel().tolist())


def differs(found, expected, rel, abs_):
    if isinstance(found, dict) or found is None:
        return True
    pairs = zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True)
    return not all(math.isclose(f, e, rel_tol=rel, abs_tol=abs_) for f, e in pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--probe", help="a built stats_probe; built with cargo when left out")
    probe = parser.parse_args().probe
    for generate in (
        distributions, multiplicity, trend, clusters, pairs, sequential, bootstraps, crossed
    ):
        generate()
    command = [probe] if probe else [
        "cargo", "run", "--quiet", "--locked", "-p", "upturn-stats", "--example", "stats_probe"
    ]
    to_number = lambda v: v.item() if isinstance(v, np.generic) else v
    lines = []
    for question, *_ in QUESTIONS:
        question = {**question, "fn": question["fn"].split(":")[0]}
        lines.append(json.dumps(question, default=to_number))
    run = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, cwd=ROOT
    )
    if run.returncode != 0:
        sys.exit(f"stats_probe failed:\n{run.stderr}")
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    if len(answers) != len(QUESTIONS):
        sys.exit(f"{len(QUESTIONS)} questions, {len(answers)} answers")
    counts, wrong = {}, 0
    for (question, expected, rel, abs_), found in zip(QUESTIONS, answers):
        name, _, part = question["fn"].partition(":")
        if part and isinstance(found, list):
            found = found[("tau", "p").index(part)]
        n_asked, n_bad, rel_max = counts.get(question["fn"], (0, 0, 0.0))
        bad = differs(found, expected, rel, abs_)
        counts[question["fn"]] = (n_asked + 1, n_bad + bad, max(rel_max, rel))
        if bad:
            wrong += 1
            shown = json.dumps(question, default=to_number)
            print(f"DIFFERS {shown[:160]}\n  found    {found}\n  expected {expected}")
    for name, (n_asked, n_bad, rel) in counts.items():
        print(f"{name:24} {n_asked:4} compared, {n_bad} differ (relative tolerance {rel:g})")
    print(f"{len(QUESTIONS)} comparisons, {wrong} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
