"""Golden values for pixel.TorchBicubic and pixel.Image.LetterboxUnit.

Pinned: torch 2.15.0 and torchvision 0.29.2 on a CPU, numpy 2.x. No seed: the
pictures are made by the formula of pixel_resample.py's picture(), repeated
below and in pixel/resample_test.go.

    python reference/pixel_torch.py > pixel/testdata/torch.csv

Columns: kind,antialias,w,h,outw,outh,step,base64. The values are every
step-th float32 (little-endian) of the planar result.
  kind "resize": torchvision.transforms.functional.resize of the float tensor
    v/255, bicubic, to outh×outw.
  kind "letterbox": the preprocessing of HPS v2 to outw×outw: the longest side
    resized with round() of Python, padded with 0 around the middle. It is
    written out here because the authors' own skips the padding when the
    longest side fits already.
"""

import base64

import numpy as np
import torch
import torchvision
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

RESIZES = [
    (37, 23, 11, 7),
    (37, 23, 64, 50),
    (37, 23, 64, 7),
    (37, 23, 37, 9),
    (37, 23, 20, 23),
    (37, 23, 1, 1),
    (1, 1, 4, 3),
    (1, 9, 5, 3),
    (2, 2, 7, 9),
    (3, 3, 1, 2),
    (512, 3, 224, 2),
    (5, 200, 61, 37),
    (1, 300, 1, 224),
    (300, 1, 224, 1),
    (333, 250, 224, 168),
    (1000, 70, 224, 16),
]
BOXES = [
    (1, 1), (1, 300), (300, 1), (224, 100), (100, 224), (224, 224), (225, 224), (448, 333), (448, 335),
    (333, 448), (97, 61), (512, 512), (640, 360), (3, 2),
]


def picture(w, h, channels=3):
    out = np.zeros((h, w, channels), np.uint32)
    s = 1
    for y in range(h):
        for x in range(w):
            for c in range(channels):
                s = (s * 1664525 + 1013904223) % 2**32
                block = (x // 5 + y // 3 + c // 3) % 4
                v = [s >> 16, 0, 65535, (x * 2900 + y * 1700 + c * 12800) % 65536][block]
                out[y, x, c] = v >> 8
    return torch.from_numpy(out.astype(np.uint8)).permute(2, 0, 1).contiguous().float().div(255)


def resize(x, size, antialias):
    """torchvision's resize. Where the result is one pixel wide, PyTorch 2.15's
    antialiased pass along y gives every row the first row's value (it takes the
    columns for rows); the transposed image is resized right, so that is used."""
    if antialias and size[1] == 1:
        flipped = F.resize(x.transpose(1, 2).contiguous(), size[::-1], InterpolationMode.BICUBIC, antialias=True)
        return flipped.transpose(1, 2)
    return F.resize(x, size, InterpolationMode.BICUBIC, antialias=antialias)


def letterbox(x, side, antialias):
    h, w = x.shape[1:]
    scale = side / float(max(h, w))
    size = [round(h * scale), round(w * scale)]
    x = resize(x, size, antialias)
    ph, pw = side - size[0], side - size[1]
    return F.pad(x, [pw // 2, ph // 2, pw - pw // 2, ph - ph // 2], 0)


def row(kind, antialias, w, h, ow, oh, y):
    flat = y.contiguous().numpy().astype("<f4").ravel()
    step = max(1, len(flat) // 300)
    if step % 2 == 0 and step > 1:
        step += 1
    text = base64.b64encode(flat[::step].tobytes()).decode()
    print(kind, "true" if antialias else "false", w, h, ow, oh, step, text, sep=",")


assert torch.__version__.startswith("2.15.") and torchvision.__version__.startswith("0.29."), (torch.__version__, torchvision.__version__)
torch.set_num_threads(1)
print("kind,antialias,w,h,outw,outh,step,base64")
for antialias in (True, False):
    for w, h, ow, oh in RESIZES:
        y = resize(picture(w, h), [oh, ow], antialias)
        row("resize", antialias, w, h, ow, oh, y)
    for w, h in BOXES:
        row("letterbox", antialias, w, h, 224, 224, letterbox(picture(w, h), 224, antialias))
