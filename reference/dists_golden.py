#!/usr/bin/env python3
"""Golden values of DISTS, by the authors' own package.

DISTS-pytorch 0.1 is called as its users call it, DISTS(), with the weights that it
carries (it reads weights.pt from the interpreter's prefix, where pip puts it). VGG16
is torchvision's with a synthetic checkpoint in the place of the official one: see
parity.py.

    python reference/dists_golden.py FOLDER

Of each pair, at native size and after the package's prepare_image(resize=True):
the distance as the package computes it, in float32, and by the same code with
model.double(). The two differ where a channel hardly varies: its covariance is
E[xy] - E[x]E[y], of which float32 keeps no more than rounding, and 1e-6 is added. A
flat picture is -0.0147 from itself in float32, and 0 in float64. Versions are in
requirements.txt.
"""
import os
import sys

import DISTS_pytorch.DISTS_pt as authors
import torch

import pairs
import parity


@torch.inference_mode()
def main():
    folder = sys.argv[1]
    pairs.from_folder(folder)
    model, exact = authors.DISTS().eval(), authors.DISTS().eval().double()
    rows = []
    for a, b, rule in pairs.PAIRS:
        images = pairs.pair(a, b, rule)
        row = {"first": a, "second": b, "rule": rule, "width": images[0].size[0], "height": images[0].size[1]}
        for key, resize in (("", False), ("resized_", True)):
            x, y = (authors.prepare_image(i, resize=resize) for i in images)
            row[key + "float32"] = model(x, y).item()
            # From the bytes, in double precision: prepare_image gives float32.
            x, y = ((i * 255).round().double() / 255 for i in (x, y))
            row[key + "float64"] = exact(x, y).item()
        rows.append(row)
        print(row, flush=True)
    weights = os.path.join(sys.prefix, "weights.pt")
    parity.write("dists", [parity.checkpoint(folder, "vgg16", ".pth")],
                 {"model": "dists", "small": {"dists-weights": parity.sha256(weights)}, "compared": rows}, "DISTS-pytorch", "torchvision")


if __name__ == "__main__":
    main()
