#!/usr/bin/env python3
"""Golden values of lpips-squeeze, computed by the authors' own package.

Writes metric/testdata/lpips_squeeze.json: for each pair the distance that
lpips.LPIPS(net="squeeze", version="0.1") gives in float32 on the CPU, for the
images as they are and, where there are files, for both resized to 64 × 64 by
Pillow (bilinear).

Pinned: lpips 0.1.4, torch 1.13, torchvision 0.14, Pillow 9.4, numpy 1.24,
Python 3.11. The pictures and the checkpoint (torchvision's SqueezeNet 1.1 with
the LPIPS heads in one file) are not in the repository; the first argument is
the folder that holds them.

Run from the repository root:  python3 reference/lpips_squeeze.py ../shared/data
"""
import json
import pathlib
import sys

import lpips
import numpy as np
import PIL
import torch
import torchvision
from PIL import Image

PAIRS = {
    "lpips ref p0": ("reference/published_pairs/lpips/ex_ref.png", "reference/published_pairs/lpips/ex_p0.png"),
    "lpips ref p1": ("reference/published_pairs/lpips/ex_ref.png", "reference/published_pairs/lpips/ex_p1.png"),
    "dists r0 r1": ("reference/published_pairs/dists/r0.png", "reference/published_pairs/dists/r1.png"),
    "piq I01": ("reference/published_pairs/piq/I01.BMP", "reference/published_pairs/piq/i01_01_5.bmp"),
    **{
        f"iqa {n}": (f"reference/iqa_calibra/ref_dir/{n}.bmp", f"reference/iqa_calibra/dist_dir/{n}.bmp")
        for n in ("I03", "I04", "I06", "I08", "I19")
    },
}


def signed(img):
    """[1, 3, h, w] in [-1, 1], as lpips.im2tensor does."""
    return lpips.im2tensor(np.asarray(img.convert("RGB")))


def raw(path, interleaved):
    """A file of 64 × 64 × 3 float32 in [0, 1], mapped to [-1, 1]."""
    x = np.fromfile(path, "<f4")
    x = x.reshape(64, 64, 3).transpose(2, 0, 1).copy() if interleaved else x.reshape(3, 64, 64)
    return torch.from_numpy(x)[None] * 2 - 1


def main():
    data = pathlib.Path(sys.argv[1])
    net = lpips.LPIPS(net="squeeze", version="0.1", pnet_rand=True, verbose=False).eval()
    state = torch.load(data / "weights/lpips_squeeze/lpips_squeeze.pt", map_location="cpu")
    print(net.load_state_dict(state, strict=True))
    out = {
        "lpips": "0.1.4", "torch": torch.__version__, "torchvision": torchvision.__version__,
        "pillow": PIL.__version__, "numpy": np.__version__,
        "files": {}, "raw": {}, "torch_rand_42": [],
    }
    with torch.no_grad():
        for name, (a, b) in PAIRS.items():
            pair = [Image.open(data / p).convert("RGB") for p in (a, b)]
            small = [i.resize((64, 64), Image.BILINEAR) for i in pair]
            out["files"][name] = {
                "a": a, "b": b,
                "native": net(*map(signed, pair)).item(),
                "side64": net(*map(signed, small)).item(),
            }
        folder = data / "weights/lpips_squeeze"
        for a, b in (("horizontal", "vertical"), ("horizontal", "diagonal"), ("vertical", "diagonal")):
            # Read both ways: the planar one is the picture meant, the other is as good a test.
            out["raw"][f"{a} {b}"] = {
                "planar": net(*(raw(folder / f"test_img_{n}.raw", False) for n in (a, b))).item(),
                "interleaved": net(*(raw(folder / f"test_img_{n}.raw", True) for n in (a, b))).item(),
            }
        zeros = torch.zeros(1, 3, 64, 64)
        out["zeros_ones"] = net(zeros - 1, zeros + 1).item()

        gen = torch.Generator().manual_seed(42)
        x, y = (torch.rand(2, 3, 100, 100, generator=gen) * 2 - 1 for _ in range(2))
        out["torch_rand_42"] = net(x, y).flatten().tolist()
    path = pathlib.Path("metric/testdata/lpips_squeeze.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
