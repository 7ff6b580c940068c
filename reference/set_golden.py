"""Golden values of the set metrics on features, from the packages that people use.

Pinned: clean-fid 0.1.35, pytorch-fid 0.3.0, torch-fidelity 0.4.0, prdc 0.2,
vendi-score 0.0.3, scikit-learn 1.9.1, mpmath 1.3.0, numpy 2.4.6, scipy 1.17.1,
torch 2.15.0, Python 3.11; sayakpaul/cmmd-pytorch at
f7673a9f46320ac958878c19f7686e203376ad9d (its distance.py).
Features are made by a formula in whole numbers, so the file holds values only.
All packages are given float64. Run from the repository root:
    python reference/set_golden.py CHECKOUT_OF_CMMD_PYTORCH > stat/testdata/sets.json
"""
import contextlib
import io
import json
import sys

import mpmath
import numpy as np
import scipy.sparse
import torch

sys.path.insert(0, sys.argv[1])
import distance as cmmd  # noqa: E402
from cleanfid import fid as clean  # noqa: E402
from prdc import compute_prdc  # noqa: E402
from pytorch_fid.fid_score import calculate_frechet_distance  # noqa: E402
from torch_fidelity import metric_fid, metric_kid, metric_prc  # noqa: E402
from vendi_score import vendi  # noqa: E402


def noise(seed, i, j):
    """12 bits of splitmix64 of a row and a column."""
    with np.errstate(over="ignore"):
        z = (np.uint64(seed) << np.uint64(40)) + (i.astype(np.uint64) << np.uint64(20)) + j.astype(np.uint64)
        z = (z + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(52)).astype(np.float64)


def features(n, d, seed, shift):
    """Rectified, correlated rows, exact in float64 and then rounded to float32."""
    i, j = np.arange(n)[:, None], np.arange(d)[None, :]
    own = noise(seed, i, j) / 4096
    common = noise(seed, i, np.array([[1 << 19]])) / 4096
    along = noise(99, np.array([[0]]), j) / 4096
    return np.maximum(0, own + (common + shift) * along - 0.5).astype(np.float32).astype(np.float64)


def stats(x):
    return x.mean(axis=0), np.cov(x, rowvar=False)


def exact_fid(x, y, unbiased):
    """By singular values in float64: no square root of a rounded product."""
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    n, m = (len(x) - 1, len(y) - 1) if unbiased else (len(x), len(y))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum() / np.sqrt(float(n) * m)
    return float(((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + (a * a).sum() / n + (b * b).sum() / m - 2 * root)


def precise_fid(x, y):
    """As exact_fid, N-1, with 50 digits."""
    mpmath.mp.dps = 50
    a, b = mpmath.matrix(x.tolist()), mpmath.matrix(y.tolist())

    def centred(v):
        mean = [sum(v[i, j] for i in range(v.rows)) / v.rows for j in range(v.cols)]
        return mpmath.matrix([[v[i, j] - mean[j] for j in range(v.cols)] for i in range(v.rows)]), mean

    a, am = centred(a)
    b, bm = centred(b)
    trace = sum(v * v for v in a) / (a.rows - 1) + sum(v * v for v in b) / (b.rows - 1)
    root = sum(mpmath.svd_r(a * b.T, compute_uv=False)) / mpmath.sqrt((a.rows - 1) * (b.rows - 1))
    return float(sum((p - q) ** 2 for p, q in zip(am, bm)) + trace - 2 * root)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def case(name, n, m, d, shift, kid=None, whole=False, manifold=False, spectrum=False, frechet=False, precise=False):
    x, y = features(n, d, 1, 0), features(m, d, 2, shift)
    c = {"name": name, "n": n, "m": m, "dim": d, "shift": shift}
    c["sums"] = [float(x.sum()), float(y.sum())]
    c["fid_svd"], c["fid_svd_biased"] = exact_fid(x, y, True), exact_fid(x, y, False)
    if precise:
        c["fid_mpmath"] = precise_fid(x, y)
    if frechet:
        (m1, s1), (m2, s2) = stats(x), stats(y)
        c["fid_pytorch"] = float(calculate_frechet_distance(m1, s1, m2, s2))
        c["fid_clean"] = float(clean.frechet_distance(m1, s1, m2, s2))
        c["fid_fidelity"] = metric_fid.fid_statistics_to_metric(
            metric_fid.fid_features_to_statistics(torch.from_numpy(x)),
            metric_fid.fid_features_to_statistics(torch.from_numpy(y)), False)["frechet_inception_distance"]
    c["kid"] = []
    for subsets, size in kid or []:
        out = metric_kid.kid_features_to_metric(
            torch.from_numpy(x), torch.from_numpy(y), kid_subsets=subsets, kid_subset_size=size, rng_seed=2020, verbose=False)
        c["kid"].append({"subsets": subsets, "size": size, "mean": out["kernel_inception_distance_mean"],
                         "std": out["kernel_inception_distance_std"]})
    if whole:  # one subset that is everything, in another order
        c["mmd_clean"] = clean.kernel_distance(x, y, num_subsets=1, max_subset_size=max(n, m))
    c["cmmd"] = float(cmmd.mmd(unit(x), unit(y)))
    if manifold:
        c["prdc"] = []
        for k in (1, 3, 5, 10):
            with contextlib.redirect_stdout(io.StringIO()):
                r = {key: float(v) for key, v in compute_prdc(x, y, k).items()}
            p = metric_prc.prc_features_to_metric(torch.from_numpy(y), torch.from_numpy(x), prc_neighborhood=k,
                                                  prc_batch_size=10000, save_cpu_ram=False, verbose=False)
            r.update(k=k, fidelity_precision=p["precision"], fidelity_recall=p["recall"])
            c["prdc"].append(r)
    if spectrum:
        k = unit(x) @ unit(x).T
        c["vendi"] = [{"q": str(q), "value": float(vendi.score_K(k, q=q))} for q in (0.5, 1, 2, 3.5, "inf")]
        c["vendi_dual"] = float(vendi.score_dual(x))
        upper = np.triu_indices(n, 1)
        c["mean_cosine"] = float((1 - k)[upper].mean())
        sq = (x * x).sum(axis=1)
        c["mean_euclidean"] = float(np.sqrt(np.maximum(0, sq[:, None] + sq[None, :] - 2 * x @ x.T))[upper].mean())
    return c


if not hasattr(scipy.sparse, "csr"):
    sys.exit("vendi-score 0.0.3 needs a scipy that still has scipy.sparse.csr")
cases = [
    case("tall", 1200, 1500, 64, 0.25, kid=[(100, 1000), (50, 100)], manifold=True, spectrum=True, frechet=True),
    case("equal", 700, 700, 96, 0.1, kid=[(20, 700), (10, 2)], whole=True, manifold=True, spectrum=True, frechet=True),
    case("close", 3000, 2500, 130, 0, kid=[(3, 400)], frechet=True),
    case("wide", 40, 30, 300, 0.3, whole=False, manifold=True, spectrum=True),
    case("one wide", 2000, 90, 257, 0.3),
    case("inception", 260, 310, 2048, 0.2, spectrum=True),
    case("tiny", 6, 5, 8, 0.5, precise=True),
    case("wider", 9, 14, 33, 0.1, precise=True),
    case("two", 2, 2, 3, 0.1, precise=True),
]
toys = {
    "steps": float(vendi.score([0, 0, 10, 10, 20, 20], lambda a, b: np.exp(-abs(a - b)))),
    "three": float(vendi.score_K(np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]))),
}
rng = np.random.RandomState(2020)
draws = {"first": [int(v) for v in rng.choice(5000, 1000, replace=False)[:20]], "second": [int(v) for v in rng.choice(70000, 5, replace=False)]}
json.dump({"cases": cases, "toys": toys, "draws": draws}, sys.stdout, indent=1)
print()
