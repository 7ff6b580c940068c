"""Golden values for package rank, from choix, evalica and SciPy.

Pinned: choix 0.4.1, evalica 0.4.2, numpy 2.4.6, scipy 1.17.1, Python 3.11.
Seed 19520101 (PCG64). Run from the repository root:
    python reference/rank_choix_evalica.py > rank/testdata/tournaments.json

Three independent references:
  choix    posterior mode of Bradley-Terry under a normal prior, no ties;
  evalica  Newman's iteration, whose tie model is Davidson's, no prior;
  scipy    Davidson with a side effect, weights and a normal prior, written
           here from the formula, maximised by L-BFGS and then polished by
           Newton on central differences; errors from the inverse of the
           numerical Hessian, cluster-robust ones from numerical scores.
"""
import json
import sys

import choix
import evalica
import numpy as np
from scipy import optimize

rng = np.random.Generator(np.random.PCG64(19520101))


def tournament(n, m, nu, delta=0.0, spread=1.0):
    theta = rng.normal(scale=spread, size=n)
    votes = []
    for _ in range(m):
        a, b = rng.choice(n, size=2, replace=False)
        d = theta[a] - theta[b] + delta
        p = np.array([np.exp(d / 2), nu, np.exp(-d / 2)])
        o = rng.choice(3, p=p / p.sum())
        votes.append([int(a), int(b), "LTR"[o]])
    return votes


def loglik_terms(x, n, votes, tie, side):
    """Log-likelihood of each vote; x is strengths, log nu, side."""
    a = np.array([v[0] for v in votes])
    b = np.array([v[1] for v in votes])
    o = np.array(["LTR".index(v[2]) for v in votes])
    d = x[a] - x[b]
    at = n
    lognu = -np.inf
    if tie:
        lognu = x[at]
        at += 1
    if side:
        d = d + x[at]
    logits = np.stack([d / 2, np.full_like(d, lognu), -d / 2])
    top = logits.max(axis=0)
    logz = top + np.log(np.exp(logits - top).sum(axis=0))
    return logits[o, np.arange(len(o))] - logz


def numeric_gradient(f, x, h=1e-5):
    """Five-point central differences."""
    g = []
    for i in range(len(x)):
        e = np.zeros_like(x)
        e[i] = h
        g.append((8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * h))
    return np.array(g)


def davidson(n, votes, weights, clusters, alpha, tie, side):
    weights = np.array(weights)
    size = n + tie + side

    def terms(x):
        return weights * loglik_terms(x, n, votes, tie, side)

    def value(x):
        return terms(x).sum() - alpha / 2 * (x[:n] ** 2).sum()

    def gradient(x):
        return numeric_gradient(value, x, 1e-4)

    def hessian(x):
        h = numeric_gradient(gradient, x, 1e-3)
        return (h + h.T) / 2

    x = optimize.minimize(lambda x: -value(x), np.zeros(size), method="BFGS", options={"gtol": 1e-5}).x
    for _ in range(4):
        x = x - np.linalg.solve(hessian(x), gradient(x))
    cov = np.linalg.inv(-hessian(x))
    scores = numeric_gradient(terms, x, 1e-4).T
    groups = sorted(set(clusters))
    summed = np.array([scores[[i for i, c in enumerate(clusters) if c == g]].sum(axis=0) for g in groups])
    c = len(groups)
    meat = summed.T @ summed * c / (c - 1)
    meat[:n, :n] += alpha * np.eye(n)
    robust = cov @ meat @ cov
    centre = np.eye(size)
    centre[:n, :n] -= 1 / n
    se = np.sqrt(np.diag(centre @ cov @ centre.T))
    sandwich = np.sqrt(np.diag(centre @ robust @ centre.T))
    x[:n] -= x[:n].mean()
    out = {"strength": x[:n].tolist(), "se": se[:n].tolist(), "sandwich": sandwich[:n].tolist()}
    out["loglik"] = float(terms(x).sum())
    if tie:
        out["tie"] = [float(x[n]), float(se[n])]
    if side:
        out["side"] = [float(x[-1]), float(se[-1])]
    return out


out = {"choix": [], "evalica": [], "scipy": []}

for n, m, alpha in ((4, 6, 1.0), (10, 40, 0.3), (25, 120, 2.0), (40, 400, 1e-3)):
    votes = tournament(n, m, 0.0)
    data = [(v[0], v[1]) if v[2] == "L" else (v[1], v[0]) for v in votes]
    # choix.opt_pairwise penalises alpha * |x|^2, half of which is the inverse
    # variance's alpha * |x|^2 / 2.
    x = choix.opt_pairwise(n, data, alpha=alpha / 2, method="Newton-CG", tol=1e-14, max_iter=1000)
    x = x - x.mean()
    out["choix"].append({"n": n, "votes": votes, "alpha": alpha, "strength": x.tolist()})

for n, m, nu in ((5, 60, 0.4), (12, 300, 0.8), (30, 1200, 0.2)):
    votes = tournament(n, m, nu, spread=0.7)
    word = {"L": evalica.Winner.X, "R": evalica.Winner.Y, "T": evalica.Winner.Draw}
    r = evalica.newman(
        [str(v[0]) for v in votes], [str(v[1]) for v in votes], [word[v[2]] for v in votes], tolerance=1e-14, limit=100000
    )
    s = np.array([r.scores[str(i)] for i in range(n)])
    x = np.log(s)
    x = x - x.mean()
    out["evalica"].append({"n": n, "votes": votes, "strength": x.tolist(), "nu": float(2 * r.v)})

for n, m, alpha, tie, side in ((4, 15, 1.0, 1, 1), (6, 40, 0.5, 1, 0), (8, 60, 2.0, 0, 1), (10, 150, 0.1, 1, 1)):
    votes = tournament(n, m, 0.5 if tie else 0.0, delta=0.6 if side else 0.0)
    weights = rng.choice([0.5, 1.0, 2.0], size=m).tolist()
    clusters = (1 + rng.integers(0, 8, size=m)).tolist()
    case = {"n": n, "votes": votes, "weights": weights, "clusters": clusters, "alpha": alpha, "want_tie": bool(tie), "want_side": bool(side)}
    case.update(davidson(n, votes, weights, clusters, alpha, tie, side))
    out["scipy"].append(case)

json.dump(out, sys.stdout, separators=(",", ":"))
sys.stdout.write("\n")
