"""Golden grid cells for package archive, from pyribs' GridArchive.

Pinned: Python 3.11, ribs 0.12.0, numpy 2.4.6. Seed: 20240521.
Run from the repository root:

    python reference/archive_pyribs.py > archive/testdata/pyribs.json

Four kinds of points per grid: "inside" and "outside" the bounds at random,
"edges" at the boundaries that pyribs itself publishes, and "under": one tenth
of pyribs' epsilon below an inner boundary of the first axis, where its rule
(add epsilon, then round down) gives the upper cell. assay adds no epsilon and
must give the lower cell there. A script of adds with strictly falling
objectives records pyribs' statuses and coverage where nothing is replaced.
"""

import json
import warnings

import numpy as np
from ribs.archives import GridArchive

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20240521)

GRIDS = [
    {"dims": [20, 20], "ranges": [[-1.0, 1.0], [0.0, 1.0]]},
    {"dims": [7, 13], "ranges": [[3.5, 9.25], [-120.0, 80.0]]},
    {"dims": [1, 10], "ranges": [[0.0, 1.0], [0.0, 3.0]]},
    {"dims": [5, 4, 3], "ranges": [[-2.0, 2.0], [0.0, 100.0], [0.25, 0.75]]},
    {"dims": [3, 6, 2, 9], "ranges": [[0, 1], [-5, 5], [10, 20], [0, 255]]},
]


def make(g):
    return GridArchive(solution_dim=1, dims=g["dims"], ranges=g["ranges"], dtype=np.float64)


def points(a, g):
    lo, hi = (np.array(x, dtype=float) for x in zip(*g["ranges"]))
    d = len(lo)
    yield "inside", rng.uniform(lo, hi, size=(80, d))
    yield "outside", rng.uniform(lo - 2 * (hi - lo), hi + 2 * (hi - lo), size=(80, d))
    edges = np.stack([rng.choice(b, size=60) for b in a.boundaries], axis=1)
    yield "edges", edges
    if g["dims"][0] > 1:
        under = rng.uniform(lo, hi, size=(30, d))
        # pyribs adds 1e-6 to dims * (m - lo): a tenth of that, in units of m.
        under[:, 0] = rng.choice(a.boundaries[0][1:-1], size=30) - 1e-7 / g["dims"][0]
        yield "under", under


out = []
for g in GRIDS:
    a = make(g)
    entry = dict(g, cases={})
    for name, pts in points(a, g):
        idx = a.index_of(pts)
        entry["cases"][name] = {
            "points": pts.tolist(),
            "cells": idx.tolist(),
            "coords": a.int_to_grid_index(idx).tolist(),
        }
    # One at a time, so that pyribs' status is against the state before the item.
    adds = rng.uniform([r[0] for r in g["ranges"]], [r[1] for r in g["ranges"]], size=(60, len(g["dims"])))
    statuses = []
    for i, m in enumerate(adds):
        info = a.add_single(np.zeros(1), -float(i), m)
        statuses.append(int(info["status"]))
    entry["adds"] = {
        "points": adds.tolist(),
        "statuses": statuses,
        "coverage": float(a.stats.coverage),
        "num_elites": int(a.stats.num_elites),
    }
    out.append(entry)
print(json.dumps(out))
