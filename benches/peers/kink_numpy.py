"""The kink test in numpy and scipy, as a peer for `cargo bench -p upturn-stats --bench kink`.

Same series, same models, same breakpoints: hinge and yhinge are profiled on 200 values of
tau between the second and the last but one scale and every scale, all at once (scoring
steps on arrays of breakpoints x models), then golden section in the best bracket by
scipy's bounded scalar minimiser; the step is closed form over all splits at once.

With `beta` the likelihood is beta-binomial, by differences of gammaln: the logistic and the
best cells of each grid are fitted by scipy's L-BFGS-B with digamma gradients, and the grids
are ranked beforehand by the binomial scoring steps above, valued with the dispersion of
the logistic. (That ranking is coarser than a fit of every cell, and cheaper.)

    python kink_numpy.py [curves] [draws] [binomial|beta|auto]   # defaults: 6, 20, binomial

Prints the CPU time of a draw and of 5,000 curves with 999 draws each, on one core.
Needs numpy and scipy.
"""

import sys
import time

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import digamma, expit, gammaln, logit

P_MIN, CAP, A_MIN, CLIP = 1e-12, 1 - 1e-9, -12.0, 1e-9
X = 19.5 + 0.5 * np.arange(8)


def log_likelihood(k, n, p):
    p = np.clip(p, P_MIN, 1 - P_MIN)
    return (k * np.log(p) + (n - k) * np.log1p(-p)).sum(axis=-1)


def irls(features, k, n, chance, start, link, steps=25):
    """Scoring steps for g = link(a + b f), a row of `features` for each breakpoint."""
    a = np.full(features.shape[0], start[0])
    b = np.full(features.shape[0], start[1])
    span = 1 - chance
    old = np.full(features.shape[0], -np.inf)
    for _ in range(steps):
        eta = a[:, None] + b[:, None] * features
        if link == "logit":
            g = expit(eta)
            d = span * g * (1 - g)
        else:
            g = np.minimum(eta, CAP)
            d = np.where(eta < CAP, span, 0.0)
        p = np.clip(chance + span * g, P_MIN, 1 - P_MIN)
        weight = d / (p * (1 - p))
        score, info = (k - n * p) * weight, n * d * weight
        s0, s1 = score.sum(1), (score * features).sum(1)
        i00 = info.sum(1) * (1 + 1e-9) + 1e-12
        i01 = (info * features).sum(1)
        i11 = (info * features**2).sum(1) * (1 + 1e-9) + 1e-12
        det = i00 * i11 - i01**2
        a = a + np.clip((i11 * s0 - i01 * s1) / det, -5, 5)
        b = b + np.clip((i00 * s1 - i01 * s0) / det, -5, 5)
        if link == "logit":
            a = np.maximum(a, A_MIN)
        else:
            a, b = np.maximum(a, 0.0), np.maximum(b, 0.0)
        value = log_likelihood(k, n, curve(features, a, b, chance, link))
        if np.all(np.abs(value - old) < 1e-9):
            break
        old = value
    return a, b, value


def curve(features, a, b, chance, link):
    eta = a[:, None] + b[:, None] * features
    g = expit(eta) if link == "logit" else np.clip(eta, 0.0, CAP)
    return chance + (1 - chance) * g


def logistic(k, n, chance, start):
    a, b, value = irls((X - X.mean())[None, :], k, n, chance, start, "logit")
    return a[0], b[0], value[0]


GRID = np.unique(np.concatenate([np.linspace(X[1], X[-2], 200), X[:-1]]))


def kinked(k, n, chance, link):
    rate = np.clip((k / n - chance) / (1 - chance), 0.01, 0.99)
    if link == "logit":
        z = logit(rate)
        start = (z[:2].mean(), (z[-1] - z[0]) / (X[-1] - X[0]))
    else:
        start = (rate[:2].mean(), max((rate[-1] - rate[0]) / (X[-1] - X[0]), 0.01))
    _, _, value = irls(np.maximum(0, X - GRID[:, None]), k, n, chance, start, link)
    best = int(np.argmax(value))
    low, high = GRID[max(best - 1, 0)], GRID[min(best + 1, len(GRID) - 1)]

    def profile(tau):
        return -irls(np.maximum(0, X - tau)[None, :], k, n, chance, start, link)[2][0]

    refined = minimize_scalar(profile, bounds=(low, high), method="bounded", options={"xatol": 1e-5})
    return max(value[best], -refined.fun)


def step(k, n, chance):
    k1, n1 = np.cumsum(k)[:-1], np.cumsum(n)[:-1]
    k2, n2 = k.sum() - k1, n.sum() - n1

    def pooled(k, n):
        g = np.clip((k / n - chance) / (1 - chance), CLIP, 1 - CLIP)
        p = chance + (1 - chance) * g
        return k * np.log(p) + (n - k) * np.log1p(-p)

    return (pooled(k1, n1) + pooled(k2, n2)).max()


def statistic(k, n, chance, start):
    a, b, null = logistic(k, n, chance, start)
    best = max(kinked(k, n, chance, "logit"), kinked(k, n, chance, "identity"), step(k, n, chance))
    return 2 * max(best - null, 0.0), a, b


def beta_log_likelihood(k, n, p, v):
    """The kernel by gammaln; theta = exp(v). Loses digits below theta = 1e-6, hence the bound."""
    s = np.exp(-v)
    a, b = p * s, (1 - p) * s
    return (
        gammaln(a + k) - gammaln(a) + gammaln(b + n - k) - gammaln(b) - gammaln(s + n) + gammaln(s)
    ).sum(axis=-1)


def beta_fit(design, k, n, chance, start, link, free_tau=None):
    """Maximum over (a, b, v), or (a, b, tau, v) inside the gap free_tau = (low, high)."""
    span, floor = 1 - chance, A_MIN if link == "logit" else 0.0

    def loss(theta):
        a, b, v = theta[0], theta[1], theta[-1]
        f = design if free_tau is None else np.maximum(0, X - theta[2])
        eta = a + b * f
        if link == "logit":
            g = expit(eta)
            d = span * g * (1 - g)
        else:
            g = np.clip(eta, 0.0, CAP)
            d = np.where((eta > 0) & (eta < CAP), span, 0.0)
        p = np.clip(chance + span * g, P_MIN, 1 - P_MIN)
        s = np.exp(-v)
        pa, pb = p * s, (1 - p) * s
        ga, gb = digamma(pa + k) - digamma(pa), digamma(pb + n - k) - digamma(pb)
        score = s * (ga - gb) * d
        ds = (p * ga + (1 - p) * gb - digamma(s + n) + digamma(s)).sum()
        gradient = [score.sum(), (score * f).sum()]
        if free_tau is not None:
            gradient.append(-(score * b * (X > theta[2])).sum())
        gradient.append(-s * ds)
        return -beta_log_likelihood(k, n, p, v), -np.array(gradient)

    slope = (None, None) if link == "logit" else (0.0, None)
    bounds = [(floor, None), slope] + ([] if free_tau is None else [free_tau]) + [(-13.0, 5.0)]
    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-11})


def beta_statistic(k, n, chance, start):
    fit = beta_fit(X - X.mean(), k, n, chance, start, "logit")
    (a, b, v), null = fit.x, -fit.fun
    best = null
    rate = np.clip((k / n - chance) / (1 - chance), 0.01, 0.99)
    for link in ("logit", "identity"):
        z = logit(rate) if link == "logit" else rate
        guess = (z[:2].mean(), (z[-1] - z[0]) / (X[-1] - X[0]))
        if link == "identity":
            guess = (rate[:2].mean(), max(guess[1], 0.01))
        features = np.maximum(0, X - GRID[:, None])
        ga, gb, _ = irls(features, k, n, chance, guess, link)
        p = np.clip(curve(features, ga, gb, chance, link), P_MIN, 1 - P_MIN)
        value = beta_log_likelihood(k, n, p, v)
        peaks = np.flatnonzero(
            (value >= np.append(-np.inf, value[:-1])) & (value >= np.append(value[1:], -np.inf))
        )
        for i in peaks[np.argsort(-value[peaks])][:3]:
            cell = np.searchsorted(X, GRID[i], side="right") - 1
            gap = (X[cell], X[min(cell + 1, len(X) - 1)])
            trial = beta_fit(None, k, n, chance, (ga[i], gb[i], GRID[i], v), link, gap)
            best = max(best, -trial.fun)
    for split in range(1, len(X)):
        sides = [
            np.clip((part.sum() / m.sum() - chance) / (1 - chance), 1e-4, 1 - 1e-4)
            for part, m in ((k[:split], n[:split]), (k[split:], n[split:]))
        ]
        low, high = logit(sides[0]), logit(sides[1])
        design = (np.arange(len(X)) >= split).astype(float)
        trial = beta_fit(design, k, n, chance, (low, high - low, v), "logit")
        best = max(best, -trial.fun)
    return 2 * max(best - null, 0.0), fit.x


def beta_kink_test(k, n, chance, draws, rng):
    d, (a, b, v) = beta_statistic(k, n, chance, (-1.0, 1.0, -4.0))
    p = chance + (1 - chance) * expit(a + b * (X - X.mean()))
    s, reached = np.exp(-v), 0
    for _ in range(draws):
        drawn = rng.binomial(n.astype(int), rng.beta(p * s, (1 - p) * s)).astype(float)
        reached += beta_statistic(drawn, n, chance, (a, b, v))[0] >= d - 1e-7
    return d, (1 + reached) / (1 + draws)


def overdispersed(k, n, chance):
    a, b, _ = logistic(k, n, chance, (-1.0, 1.0))
    p = np.clip(chance + (1 - chance) * expit(a + b * (X - X.mean())), P_MIN, 1 - P_MIN)
    return ((k - n * p) ** 2 / (n * p * (1 - p))).sum() / (len(X) - 2) > 1.5


def kink_test(k, n, chance, draws, rng):
    d, a, b = statistic(k, n, chance, (-1.0, 1.0))
    p = chance + (1 - chance) * expit(a + b * (X - X.mean()))
    reached = 0
    for _ in range(draws):
        star, _, _ = statistic(rng.binomial(n.astype(int), p).astype(float), n, chance, (a, b))
        reached += star >= d - 1e-7
    return d, (1 + reached) / (1 + draws)


def series(index, rng):
    shape = [
        np.full(8, 0.2),
        expit(1.75 * (X - 21.6)),
        expit(-3 + 2 * np.maximum(0, X - 21.2)),
        np.where(X < 21.6, 0.02, 0.5),
    ][index % 4]
    chance = [0.0, 0.25][index // 4 % 2]
    n = np.full(8, [250, 1000, 2000][index // 8 % 3])
    return rng.binomial(n, chance + (1 - chance) * shape).astype(float), n.astype(float), chance


def main():
    curves = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    draws = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    likelihood = sys.argv[3] if len(sys.argv) > 3 else "binomial"
    rng = np.random.default_rng(7)
    all_series = [series(i, rng) for i in range(curves)]
    began = time.process_time()
    for k, n, chance in all_series:
        beta = likelihood == "beta" or (likelihood == "auto" and overdispersed(k, n, chance))
        d, p = (beta_kink_test if beta else kink_test)(k, n, chance, draws, rng)
        print(f"D = {d:9.4f}  p = {p:.4f}")
    seconds = time.process_time() - began
    each = seconds / (curves * (draws + 1))
    print(f"{1e3 * each:.3f} ms a draw; 5,000 curves of 999 draws: {each * 5e6 / 3600:.1f} h")


if __name__ == "__main__":
    main()
