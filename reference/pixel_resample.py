"""Golden values for pixel's resamplers and edits, from Pillow, numpy and scipy.

Pinned: Pillow 12.3.0 for resample.csv, whose values Pillow 9.4.0 repeats in
all modes it has (all but I;16). Pillow 13.0.0 filters along y first where the
height shrinks by more than twice as many pixels as the width, and then differs
(56 of these rows); the published numbers of the models were made with the
order before. Pillow 9.4 also gives the hashes of the specification. numpy 2.x;
scipy 1.x for edits.csv. No seed: the pictures are made by the formula in
picture(), which pixel/resample_test.go repeats.

    python reference/pixel_resample.py > pixel/testdata/resample.csv
    python reference/pixel_resample.py edits > pixel/testdata/edits.csv

resample.csv: kind,mode,filter,w,h,outw,outh,sha256 of the raw result.
  kind "8": Image.resize in that mode; "F": planar float32, mode F per channel;
  "tf1": numpy float32 transcription of TensorFlow 1's resize_bilinear formula.
edits.csv: sigma,w,h,base64 of scipy.ndimage.gaussian_filter(nearest,
  truncate 4) in float64, rounded half to even.
"""

import base64
import hashlib
import sys

import numpy as np
import PIL
from PIL import Image

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
CHANNELS = {"1": 1, "L": 1, "LA": 2, "P": 1, "RGB": 3, "RGBA": 4, "CMYK": 4, "I;16": 1}
SIZES = [
    (37, 23, 11, 7),  # down
    (37, 23, 64, 50),  # up
    (37, 23, 64, 7),  # up across, down along
    (37, 23, 37, 9),  # one axis only
    (37, 23, 20, 23),  # the other
    (37, 23, 37, 23),  # identity
    (37, 23, 1, 1),
    (1, 1, 4, 3),
    (512, 3, 224, 2),  # where the accumulated nearest differs
    (5, 200, 61, 37),
]


def picture(w, h, channels, top):
    """Blocks of noise, of nothing, of everything and of a ramp; samples 0..top."""
    out = np.zeros((h, w, channels), np.uint32)
    s = 1
    for y in range(h):
        for x in range(w):
            for c in range(channels):
                s = (s * 1664525 + 1013904223) % 2**32
                block = (x // 5 + y // 3 + c // 3) % 4
                v = [s >> 16, 0, 65535, (x * 2900 + y * 1700 + c * 12800) % 65536][block]
                out[y, x, c] = v if top == 65535 else v >> 8
    return out


def image(mode, w, h):
    px = picture(w, h, CHANNELS[mode], 65535 if mode == "I;16" else 255)
    if mode == "I;16":
        return Image.frombytes("I;16", (w, h), px.astype("<u2").tobytes())
    px = px.astype(np.uint8)
    if mode == "1":
        return Image.frombytes("L", (w, h), ((px >= 128) * 255).astype(np.uint8).tobytes()).convert("1", dither=0)
    im = Image.frombytes(mode, (w, h), px.tobytes())
    if mode == "P":
        im.putpalette(bytes(range(256)) * 3)
    return im


def raw(im):
    if im.mode == "1":
        return (np.asarray(im).astype(np.uint8) * 255).tobytes()
    return im.tobytes()


def tf1(a, out):
    """a [h, w] float32; every operation rounded to float32."""
    f = np.float32

    def axis(n, m):
        p = np.arange(m, dtype=f) * (f(n) / f(m))
        lo = np.floor(p).astype(int)
        return lo, np.minimum(lo + 1, n - 1), (p - lo.astype(f)).astype(f)

    (w, h) = out
    xl, xh, xp = axis(a.shape[1], w)
    yl, yh, yp = axis(a.shape[0], h)
    yp = yp[:, None]

    def row(r):
        left, right = a[r][:, xl], a[r][:, xh]
        return left + (right - left) * xp

    top, bottom = row(yl), row(yh)
    return top + (bottom - top) * yp


def resample():
    assert PIL.__version__ == "12.3.0", PIL.__version__
    print("kind,mode,filter,w,h,outw,outh,sha256")
    digest = lambda b: hashlib.sha256(b).hexdigest()
    for mode in CHANNELS:
        for name, f in FILTERS.items():
            for w, h, ow, oh in SIZES:
                r = image(mode, w, h).resize((ow, oh), f)
                assert r.mode == mode
                print("8", mode, name, w, h, ow, oh, digest(raw(r)), sep=",")
    for w, h, ow, oh in SIZES:
        px = picture(w, h, 3, 255).astype(np.float32)
        planes = [px[:, :, c] for c in range(3)]
        for name, f in FILTERS.items():
            done = [np.asarray(Image.fromarray(p).resize((ow, oh), f)) for p in planes]
            print("F", "F", name, w, h, ow, oh, digest(np.stack(done).astype("<f4").tobytes()), sep=",")
        done = np.stack([tf1(p, (ow, oh)) for p in planes])
        assert done.dtype == np.float32
        print("tf1", "F", "bilinear", w, h, ow, oh, digest(done.astype("<f4").tobytes()), sep=",")


def edits():
    from scipy.ndimage import gaussian_filter

    print("sigma,w,h,base64")
    for sigma, w, h in [(0.5, 37, 23), (1.0, 37, 23), (2.5, 37, 23), (8.0, 37, 23), (3.0, 5, 40)]:
        px = picture(w, h, 3, 255).astype(np.float64)
        done = gaussian_filter(px, (sigma, sigma, 0), mode="nearest", truncate=4.0)
        print(sigma, w, h, base64.b64encode(np.rint(done).astype(np.uint8).tobytes()).decode(), sep=",")


edits() if sys.argv[1:] == ["edits"] else resample()
