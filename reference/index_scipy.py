"""Golden nearest neighbours for package index.

Pinned: Python 3.11, numpy 2.4, scipy 1.17 (any release gives the same digits).
Seed: 20240521. Run from the repository root:

    python reference/index_scipy.py > index/testdata/scipy.json

Vectors are float32; scipy computes in float64. Rows 10 and 40 are equal, so the
golden order of equal distances is the order of insertion (a stable sort).
"""

import json

import numpy as np
from scipy.spatial.distance import cdist

rng = np.random.default_rng(20240521)
rows = rng.normal(size=(60, 37)).astype(np.float32)
rows[40] = rows[10]
queries = rng.normal(size=(4, 37)).astype(np.float32)
queries[0] = rows[10]
k = 9

out = {"rows": rows.tolist(), "queries": queries.tolist(), "k": k, "answers": {}}
for name, scipy_name in [("l2", "euclidean"), ("l1", "cityblock"), ("cosine", "cosine")]:
    d = cdist(queries.astype(np.float64), rows.astype(np.float64), scipy_name)
    order = np.argsort(d, axis=1, kind="stable")[:, :k]
    out["answers"][name] = [
        {"rows": o.tolist(), "distances": d[i, o].tolist()} for i, o in enumerate(order)
    ]
print(json.dumps(out))
