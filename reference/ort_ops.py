#!/usr/bin/env python3
"""Golden values for the graph operators, computed by PyTorch.

Writes ort/testdata/ops.json: for each case the inputs and what PyTorch makes of
them. The Go tests build the same expression as a graph and run it.

Pinned: torch 1.13 (any 1.13 or later agrees within the tolerance of the tests),
numpy 1.24, Python 3.11. Inputs: numpy.random.default_rng(1), one stream per case.

Run from the repository root:  python3 reference/ort_ops.py
"""
import json
import zlib

import numpy as np
import torch
import torch.nn.functional as F


def values(name, *shapes):
    """Uniform values in [-2, 2), the same on every run, for each shape."""
    rng = np.random.default_rng([1, zlib.crc32(name.encode())])
    return [torch.from_numpy((rng.random(s) * 4 - 2).astype(np.float32)) for s in shapes]


# name: (input shapes, the expression)
CASES = {
    "conv": ([(2, 3, 9, 11), (4, 3, 3, 3), (4,)], lambda x, w, b: F.conv2d(x, w, b)),
    "conv stride 2 pad 1": ([(1, 3, 10, 9), (5, 3, 3, 3), (5,)], lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1)),
    "conv 1x3 asymmetric pads": ([(1, 2, 6, 7), (3, 2, 1, 3), (3,)], lambda x, w, b: F.conv2d(F.pad(x, (2, 1, 0, 1)), w, b)),
    "conv groups dilation, no bias": ([(1, 4, 9, 9), (6, 2, 3, 3)], lambda x, w: F.conv2d(x, w, groups=2, dilation=2)),
    "max pool": ([(1, 2, 7, 8)], lambda x: F.max_pool2d(x, 3, 2)),
    "max pool ceil": ([(1, 2, 8, 10)], lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)),
    "max pool ceil, less than a window": ([(1, 2, 2, 3)], lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)),
    "max pool pad": ([(1, 2, 8, 7)], lambda x: F.max_pool2d(x, 3, 2, padding=1)),
    "average pool": ([(1, 2, 7, 7)], lambda x: F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False)),
    "average pool count pad": ([(1, 2, 7, 7)], lambda x: F.avg_pool2d(x, 3, 1, padding=1)),
    "resize up": ([(1, 2, 5, 4)], lambda x: F.interpolate(x, (11, 9), mode="bilinear", align_corners=False)),
    "resize down": ([(1, 2, 9, 8)], lambda x: F.interpolate(x, (4, 3), mode="bilinear", align_corners=False)),
    "add broadcast": ([(2, 3, 4), (3, 1)], lambda x, y: x + y),
    "sub": ([(2, 3), (2, 3)], lambda x, y: x - y),
    "mul": ([(2, 1, 4), (3, 1)], lambda x, y: x * y),
    "div": ([(2, 3), (1, 3)], lambda x, y: x / y),
    "relu": ([(3, 5)], F.relu),
    "sigmoid": ([(3, 5)], torch.sigmoid),
    "sqrt of square": ([(3, 5)], lambda x: torch.sqrt(x * x)),
    "erf": ([(3, 5)], torch.erf),
    "gelu": ([(4, 8)], F.gelu),
    "softmax last": ([(2, 3, 5)], lambda x: torch.softmax(x, -1)),
    "softmax 1": ([(2, 3, 5)], lambda x: torch.softmax(x, 1)),
    "mean keep": ([(2, 3, 4, 5)], lambda x: x.mean((2, 3), keepdim=True)),
    "mean": ([(2, 3, 4, 5)], lambda x: x.mean((-1, 0))),
    "sum keep": ([(2, 3, 4)], lambda x: x.sum(1, keepdim=True)),
    "cast": ([(3, 5)], lambda x: x.long().float()),
    "concat": ([(2, 3, 4), (2, 1, 4), (2, 2, 4)], lambda x, y, z: torch.cat([x, y, z], 1)),
    "reshape transpose": ([(2, 3, 4)], lambda x: x.permute(2, 0, 1).reshape(4, -1)),
    "matmul": ([(2, 3, 4), (4, 5)], torch.matmul),
    "matmul batch": ([(2, 1, 3, 4), (5, 4, 2)], torch.matmul),
    "gemm": ([(3, 4), (4, 5), (5,)], lambda x, w, b: x @ w + b),
    "gemm transposed, no bias": ([(3, 4), (5, 4)], lambda x, w: x @ w.T),
    "layer norm": ([(2, 3, 8), (8,), (8,)], lambda x, w, b: F.layer_norm(x, (8,), w, b, 1e-5)),
}


def tensor(t):
    return {"shape": list(t.shape), "data": [float("%.9g" % v) for v in t.contiguous().numpy().ravel()]}


def main():
    out = {"torch": torch.__version__, "numpy": np.__version__, "cases": {}}
    for name, (shapes, fn) in CASES.items():
        ins = values(name, *shapes)
        out["cases"][name] = {"in": [tensor(x) for x in ins], "want": tensor(fn(*ins))}
    with open("ort/testdata/ops.json", "w") as f:
        json.dump(out, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
