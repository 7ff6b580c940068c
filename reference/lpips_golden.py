#!/usr/bin/env python3
"""Golden values of LPIPS on AlexNet and VGG16, by the authors' own package.

lpips 0.1.4 is called as its users call it, lpips.LPIPS(net=..., version="0.1",
spatial=...), with the heads that it carries. The networks are torchvision's with
synthetic checkpoints in the place of the official ones: see parity.py.

    python reference/lpips_golden.py FOLDER [alex] [vgg]

Of each pair: the distance, and of the spatial map the sum, the largest value and
64 samples; of the smallest map everything. Versions are in requirements.txt.
"""
import pathlib
import sys

import lpips
import numpy as np
import torch

import pairs
import parity

NETS = {"alex": "alexnet", "vgg": "vgg16"}


@torch.inference_mode()
def golden(folder, net):
    scalar, spatial = (lpips.LPIPS(net=net, version="0.1", spatial=s, verbose=False).eval() for s in (False, True))
    heads = pathlib.Path(lpips.__file__).parent / "weights/v0.1" / (net + ".pth")
    rows = []
    for a, b, rule in pairs.PAIRS:
        if net == "alex" and b == "small.bmp":
            continue  # one is enough
        x, y = pairs.pair(a, b, rule)
        x, y = (lpips.im2tensor(np.asarray(i)) for i in (x, y))
        m = spatial(x, y)[0, 0].numpy()
        v = np.ascontiguousarray(m).ravel()
        at = np.linspace(0, v.size - 1, 64).astype(int)
        row = {"first": a, "second": b, "rule": rule, "distance": scalar(x, y).item(), "width": m.shape[1], "height": m.shape[0],
               "map_sum": float(v.astype(np.float64).sum()), "map_max": float(v.max()),
               "map_at": at.tolist(), "map_samples": [float(s) for s in v[at]]}
        if v.size < 4000:
            row["map"] = parity.floats(v)
        rows.append(row)
        print(net, a, b, rule, x.shape, row["distance"], flush=True)
    parity.write("lpips-" + net, [parity.checkpoint(folder, NETS[net], ".pth")],
                 {"model": "lpips-" + net, "small": {f"lpips-{net}-heads": parity.sha256(heads)}, "compared": rows}, "lpips", "torchvision")


def main():
    pairs.from_folder(sys.argv[1])
    for net in sys.argv[2:] or NETS:
        golden(sys.argv[1], net)


if __name__ == "__main__":
    main()
