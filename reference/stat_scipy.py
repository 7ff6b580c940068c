"""Golden values for package stat, from SciPy and NumPy.

Pinned: numpy 2.4.6, scipy 1.17.1, Python 3.11. Seed 20240611 (PCG64).
Run from the repository root:
    python reference/stat_scipy.py > stat/testdata/scipy.json
"""
import json
import sys

import numpy as np
from scipy import stats

rng = np.random.Generator(np.random.PCG64(20240611))
out = {"proportion": [], "rank": [], "quantile": [], "entropy": []}

for n in (1, 2, 7, 20, 59, 148, 1000):
    for k in sorted({0, 1, n // 3, n // 2, n - 1, n}):
        for conf in (0.8, 0.95, 0.999):
            b = stats.binomtest(k, n)
            w = b.proportion_ci(conf, "wilson")
            e = b.proportion_ci(conf, "exact")
            up = stats.binomtest(k, n, alternative="less").proportion_ci(conf, "exact").high
            lo = stats.binomtest(k, n, alternative="greater").proportion_ci(conf, "exact").low
            out["proportion"].append(
                {"k": k, "n": n, "conf": conf, "wilson": [w.low, w.high], "exact": [e.low, e.high], "upper": up, "lower": lo}
            )


def rank_case(x, y):
    n = len(x)
    tied = len(set(x)) < n or len(set(y)) < n
    method = "asymptotic" if tied or n > 60 else "exact"
    k = stats.kendalltau(x, y, method=method)
    s = stats.spearmanr(x, y)
    out["rank"].append(
        {"x": list(x), "y": list(y), "tau": k.statistic, "tau_p": k.pvalue, "rho": s.statistic, "rho_p": s.pvalue}
    )


rank_case([12.0, 2, 1, 12, 2], [1.0, 4, 7, 1, 0])
for n in (3, 5, 10, 30, 60, 61, 200):
    x = rng.normal(size=n).round(6)
    rank_case(x.tolist(), (x + rng.normal(size=n)).round(6).tolist())
    a = rng.integers(0, 1 + n // 2, size=n).astype(float)
    b = (a + rng.integers(0, 1 + n // 3, size=n)).astype(float)
    if len(set(a)) > 1 and len(set(b)) > 1:
        rank_case(a.tolist(), b.tolist())

for n in (1, 2, 5, 11, 100):
    x = rng.normal(size=n).round(6)
    for p in (0.0, 0.01, 0.25, 0.5, 0.9, 1.0):
        row = {"x": x.tolist(), "p": p, "value": float(np.quantile(x, p))}
        if 0 < p < 1:
            ci = stats.quantile_test(x, p=p).confidence_interval(0.9)
            row["lo"] = None if np.isnan(ci.low) else float(ci.low)
            row["hi"] = None if np.isnan(ci.high) else float(ci.high)
        out["quantile"].append(row)

for counts in ([1, 1, 1, 1], [5, 0, 0], [3, 1, 0, 7, 2], rng.integers(0, 50, 40).tolist()):
    out["entropy"].append({"counts": counts, "nats": float(stats.entropy(counts))})

json.dump(out, sys.stdout, separators=(",", ":"))
sys.stdout.write("\n")
