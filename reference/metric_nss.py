"""Golden natural-scene statistics of NIQE and BRISQUE, as their papers and
MATLAB releases define them, in numpy and scipy.

Pinned: numpy 2.4.6, scipy 1.17.1, Pillow 13.0.0. The images are
those of metric_formulas.py.

    python reference/metric_nss.py [DATA] > metric/testdata/nss.json

MATLAB's imresize(·, 0.5) is written out as a matrix; imfilter's 'replicate' is
scipy's mode 'nearest', filter2's border is mode 'constant'. With DATA, NIQE
values with the release's pristine model are added for generated images.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import convolve
from scipy.special import gamma

CASES = [(200, 150, 3, 61), (97, 61, 2, 21), (256, 192, 6, 31), (288, 193, 7, 120)]
SHAPES = np.arange(0.2, 10.001, 0.001)
RATIOS = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))


def scene(w, h, seed, amp):
    out = np.zeros((h, w, 3), np.uint8)
    s, r = seed, min(w, h) // 4
    for y in range(h):
        for x in range(w):
            inside = (x - w // 3) ** 2 + (y - h // 2) ** 2 < r * r
            for c in range(3):
                v = (x * 255 // w, y * 255 // h, (x + y) * 255 // (w + h))[c]
                if inside:
                    v = 255 - v
                if (x // 9) % 3 == 0 and y > h // 2:
                    v = v // 2 + 60
                s = (s * 1664525 + 1013904223) % 2**32
                out[y, x, c] = min(max(v + (s >> 24) % amp - amp // 2, 0), 255)
    return out


def window():
    x = np.arange(-3, 4)
    g = np.exp(-(x[:, None] ** 2 + x**2) / (2 * (7 / 6) ** 2))
    return g / g.sum()


def cubic(x):
    x = np.abs(x)
    return np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))


def shrink(n):
    """The matrix of MATLAB's imresize by 0.5 along an axis of n samples."""
    m = (n + 1) // 2
    out = np.zeros((m, n))
    for i in range(m):
        centre = 2 * i + 0.5
        taps = np.arange(int(np.floor(centre - 4)), int(np.ceil(centre + 4)) + 1)
        weights = cubic((taps - centre) / 2)
        for t, w in zip(taps, weights / weights.sum()):
            t %= 2 * n
            out[i, t if t < n else 2 * n - 1 - t] += w
    return out


def half(x):
    return shrink(x.shape[0]) @ x @ shrink(x.shape[1]).T


def mscn(x, mode):
    mu = convolve(x, window(), mode=mode)
    sigma = np.sqrt(np.abs(convolve(x * x, window(), mode=mode) - mu * mu))
    return (x - mu) / (sigma + 1)


def aggd(v):
    left, right = np.sqrt(np.mean(v[v < 0] ** 2)), np.sqrt(np.mean(v[v > 0] ** 2))
    g = left / right
    r = np.mean(np.abs(v)) ** 2 / np.mean(v**2)
    r *= (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    return SHAPES[np.argmin((RATIOS - r) ** 2)], left, right


def pairs(x):
    return [x * np.roll(x, s, (0, 1)) for s in [(0, 1), (1, 0), (1, 1), (1, -1)]]


def niqe_block(x):
    out = []
    for i, v in enumerate([x, *pairs(x)]):
        a, left, right = aggd(v)
        left, right = (s * np.sqrt(gamma(1 / a) / gamma(3 / a)) for s in (left, right))
        out += [a, (left + right) / 2] if i == 0 else [a, (right - left) * gamma(2 / a) / gamma(1 / a), left, right]
    return out


def niqe_features(g):
    rows, cols = g.shape[0] // 96, g.shape[1] // 96
    g = g[: rows * 96, : cols * 96]
    both = []
    for side in (96, 48):
        x = mscn(g, "nearest")
        both.append([niqe_block(x[i * side:(i + 1) * side, j * side:(j + 1) * side]) for i in range(rows) for j in range(cols)])
        g = half(g)
    return np.concatenate(both, axis=1)


def niqe(features, mean, cov):
    d = mean - features.mean(0)
    return float(np.sqrt(d @ np.linalg.pinv((cov + np.cov(features, rowvar=False)) / 2) @ d))


def brisque_features(g):
    out = []
    for _ in range(2):
        x = mscn(g, "constant")
        variance = np.mean(x * x)
        out += [SHAPES[np.argmin(np.abs(variance / np.mean(np.abs(x)) ** 2 - 1 / RATIOS))], variance]
        for v in pairs(x):
            a, left, right = aggd(v)
            mean = (right - left) * gamma(2 / a) / gamma(1 / a) * np.sqrt(gamma(1 / a) / gamma(3 / a))
            out += [a, mean, left**2, right**2]
        g = half(g)
    return out


def main():
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/data")
    model = np.load(data / "weights/niqe_pris/niqe_pris_params.npz")
    mean, cov = model["mu_pris_param"][0], model["cov_pris_param"]
    out = []
    for w, h, seed, amp in CASES:
        g = np.asarray(Image.fromarray(scene(w, h, seed, amp)).convert("L")).astype(np.float64)
        row = {"width": w, "height": h, "seed": seed, "amplitude": amp, "brisque": brisque_features(g)}
        if (h // 96) * (w // 96) >= 2:
            f = niqe_features(g)
            row |= {"blocks": f.tolist(), "niqe": niqe(f, mean, cov)}
        out.append(row)
    json.dump({"images": out}, sys.stdout, default=float, separators=(",", ":"))
    print()


main()
