"""Golden values of agreement between raters and of corrected shares, for package stat.

Pinned: krippendorff 0.9.0, irrCAC 0.4.4, ppi-python 0.2.3, statsmodels 0.15.0,
numpy 1.26.4, scipy 1.12.0, pandas 2.3.3, Python 3.11 (in a venv of their own:
irrCAC wants these old ones; where numba then misses a newer coverage package,
`pip install -U coverage` helps). Seed 20240612 (PCG64).

  gwet, krippendorff   the packages of those names
  difference           statsmodels' confint_proportions_2indep(method="newcomb")
  powered              ppi_mean_ci without power tuning. It divides squares by n;
                       "judged" and "labelled" are NumPy's variances of the two
                       means by n-1, from which the test makes both
  correlation          numpy.corrcoef, pair by pair
  prevalence           no package: the formulas of Lang and Reiczigel (2014, Prev Vet
                       Med 113:13-22), written out again in 50 digits (mpmath 1.3.0)

Run from the repository root:
    python reference/agreement_golden.py > stat/testdata/agreement.json
"""
import itertools
import json
import sys

import krippendorff
import mpmath
import numpy as np
import pandas as pd
from irrCAC.raw import CAC
from ppi_py import ppi_mean_ci
from statsmodels.stats.proportion import confint_proportions_2indep

rng = np.random.Generator(np.random.PCG64(20240612))
out = {"nominal": [], "difference": [], "powered": [], "correlation": [], "prevalence": []}


def nominal(ratings, q):
    r = np.array(ratings, dtype=float)
    r[r < 0] = np.nan
    cac = CAC(pd.DataFrame(r), categories=[float(c) for c in range(q)], digits=15)
    alpha = krippendorff.alpha(r.T, level_of_measurement="nominal", value_domain=np.arange(q, dtype=float))
    out["nominal"].append({
        "ratings": [[int(c) for c in row] for row in ratings], "categories": q,
        "gwet": float(cac.gwet()["est"]["coefficient_value"]), "krippendorff": float(alpha),
    })


for n, raters, q, keep, miss in (
    (4, 2, 2, 0.9, 0.0), (12, 2, 2, 0.8, 0.0), (30, 3, 2, 0.7, 0.1), (50, 5, 2, 0.9, 0.3),
    (40, 4, 3, 0.6, 0.2), (25, 6, 5, 0.5, 0.25), (200, 3, 2, 0.98, 0.05), (15, 2, 4, 0.0, 0.0),
):
    truth = rng.integers(0, q, n) if keep < 0.95 else (rng.random(n) < 0.03).astype(int)
    rows = np.where(rng.random((n, raters)) < keep, truth[:, None], rng.integers(0, q, (n, raters)))
    rows = np.where(rng.random((n, raters)) < miss, -1, rows)
    rows = [r for r in rows.tolist() if any(c >= 0 for c in r)]  # irrCAC divides by zero there
    nominal(rows, q)

for a, b in (((56, 70), (48, 80)), ((9, 10), (3, 10)), ((10, 10), (0, 20)), ((0, 7), (0, 9)), ((5, 56), (0, 29)), ((500, 1000), (499, 1000))):
    for conf in (0.8, 0.95, 0.999):
        lo, hi = confint_proportions_2indep(a[0], a[1], b[0], b[1], method="newcomb", compare="diff", alpha=1 - conf)
        out["difference"].append({"a": a, "b": b, "conf": conf, "lo": float(lo), "hi": float(hi)})

for n, many, noise in ((5, 20, 0.3), (40, 400, 0.2), (100, 700, 0.05), (60, 90, 1.0)):
    y = (rng.random(n) < 0.6).astype(float)
    said = np.clip(y * 0.6 + 0.25 + noise * rng.normal(size=n), 0, 1)
    rest = np.clip((rng.random(many) < 0.6) * 0.6 + 0.25 + noise * rng.normal(size=many), 0, 1)
    y, said, rest = (v.round(6) for v in (y, said, rest))
    for conf in (0.8, 0.95):
        lo, hi = ppi_mean_ci(y, said, rest, alpha=1 - conf, lam=1)
        out["powered"].append({
            "unlabelled": rest.tolist(), "said": said.tolist(), "labels": y.tolist(), "conf": conf,
            "lo": float(lo[0]), "hi": float(hi[0]),
            "judged": float(rest.var(ddof=1) / many), "labelled": float((y - said).var(ddof=1) / n),
        })

for n, raters, miss in ((30, 3, 0.0), (60, 6, 0.2), (20, 2, 0.4)):
    truth = rng.random(n) < 0.5
    votes = np.where(rng.random((n, raters)) < 0.7, truth[:, None], rng.random((n, raters)) < 0.5).astype(int)
    votes[rng.random((n, raters)) < miss] = -1
    phis = []
    for i, j in itertools.combinations(range(raters), 2):
        both = (votes[:, i] >= 0) & (votes[:, j] >= 0)
        phis.append(np.corrcoef(votes[both, i], votes[both, j])[0, 1])
    out["correlation"].append({"votes": votes.tolist(), "mean": float(np.mean(phis)), "pairs": len(phis)})

mpmath.mp.dps = 50
for pos, found, cleared in (
    ((23, 150), (48, 50), (98, 100)), ((0, 60), (20, 20), (30, 30)), ((60, 60), (18, 20), (27, 30)),
    ((300, 1000), (70, 100), (55, 100)), ((2, 200), (45, 50), (90, 100)),
):
    for conf in (0.8, 0.95):
        z = mpmath.sqrt(2) * mpmath.erfinv(mpmath.mpf(conf))
        n, a, b = pos[1] + z**2, found[1] + 2, cleared[1] + 2
        p = (pos[0] + z**2 / 2) / n
        se, sp = mpmath.mpf(found[0] + 1) / a, mpmath.mpf(cleared[0] + 1) / b
        pi = (p + sp - 1) / (se + sp - 1)
        d = 2 * z**2 * (pi * se * (1 - se) / a - (1 - pi) * sp * (1 - sp) / b)
        h = z / (se + sp - 1) * mpmath.sqrt(p * (1 - p) / n + pi**2 * se * (1 - se) / a + (1 - pi) ** 2 * sp * (1 - sp) / b)
        raw = (mpmath.mpf(pos[0]) / pos[1] + mpmath.mpf(cleared[0]) / cleared[1] - 1) / (
            mpmath.mpf(found[0]) / found[1] + mpmath.mpf(cleared[0]) / cleared[1] - 1)
        clip = lambda x: float(min(mpmath.mpf(1), max(mpmath.mpf(0), x)))
        out["prevalence"].append({
            "positive": pos, "found": found, "cleared": cleared, "conf": conf,
            "value": clip(raw), "lo": clip(pi + d - h), "hi": clip(pi + d + h),
        })

json.dump(out, sys.stdout, separators=(",", ":"))
sys.stdout.write("\n")
