#!/usr/bin/env python3
"""Golden features of SqueezeNet 1.1, computed by torchvision.

Writes backbone/testdata/squeezenet.json: for images of several sizes, the shape,
sum, sum of squares and some elements of the features after each layer that is a
tap. Weights and images are made by the formulas below, which the Go test repeats,
so that nothing is downloaded.

Pinned: torch 1.13, torchvision 0.14, numpy 1.24, Python 3.11.

Run from the repository root:  python3 reference/backbone_squeezenet.py
"""
import json
import math
import pathlib

import numpy as np
import torch
import torchvision

TAPS = (1, 3, 4, 6, 7, 9, 10, 11, 12)
SIZES = ((17, 17), (40, 33), (64, 100))  # height, width


def synthetic(count, number, scale):
    """count values in [-scale, scale], a sequence of its own for each number."""
    k = np.arange(count, dtype=np.int64)
    return ((k * 7919 + number * 104729) % 2003 / 1001 - 1) * scale


def main():
    net = torchvision.models.squeezenet1_1(weights=None).features.eval()
    state = net.state_dict()
    for number, name in enumerate(sorted(state)):
        shape = state[name].shape
        # He's scale keeps the features of one size through the layers.
        scale = 0.1 if name.endswith("bias") else math.sqrt(6 / (shape[1] * shape[2] * shape[3]))
        values = synthetic(math.prod(shape), number, scale).astype(np.float32)
        state[name] = torch.from_numpy(values.reshape(shape))
    net.load_state_dict(state)
    out = {"torch": torch.__version__, "torchvision": torchvision.__version__, "cases": []}
    with torch.no_grad():
        for h, w in SIZES:
            x = torch.from_numpy(synthetic(3 * h * w, 500, 2.0).astype(np.float32).reshape(1, 3, h, w))
            taps = []
            for index, layer in enumerate(net):
                x = layer(x)
                if index in TAPS:
                    flat = x.double().flatten()
                    at = [i * (len(flat) - 1) // 15 for i in range(16)]
                    taps.append({
                        "index": index, "shape": list(x.shape), "sum": flat.sum().item(),
                        "squares": flat.square().sum().item(), "at": at, "values": flat[at].tolist(),
                    })
            out["cases"].append({"height": h, "width": w, "taps": taps})
    path = pathlib.Path("backbone/testdata/squeezenet.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
