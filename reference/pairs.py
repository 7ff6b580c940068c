"""Pairs of pictures that lpips_golden.py and dists_golden.py compare.

A pair is two of the pictures that parity.py draws and a rule that brings them to
one size, or "" where they have one. The rules are those of assay distance
--resize, made here with Pillow alone.
"""
from PIL import Image

import parity

PAIRS = [  # picture, picture, rule
    ("palette.png", "bilevel.png", ""),
    ("flat.bmp", "flat.bmp", ""),
    ("flat.bmp", "natural.png", "second-to-first"),
    ("small.bmp", "near.png", "second-to-first"),
    ("near.png", "small.bmp", "second-to-first"),
    ("tall.png", "portrait.png", "second-to-first"),
    ("wide.png", "rgba.png", "second-to-first"),
    ("natural.png", "grey.png", "second-to-first"),
    ("greyalpha.png", "rgba.png", "square-256"),
    ("big.png", "exact.png", "short-side-256"),
    ("big.png@37,90,637,511", "natural.png", "second-to-first"),  # left, top, right, bottom of a part
]


def picture(name):
    """The picture in RGB, or the part of it that follows an @."""
    file, _, box = name.partition("@")
    img = parity.open_image(file).convert("RGB")
    return img.crop(tuple(int(n) for n in box.split(","))) if box else img


def short_side(img, n, filter):
    """As torchvision's Resize(n): the long side is cut off to an integer."""
    w, h = img.size
    if min(w, h) == n:
        return img
    return img.resize((n, int(n * h / w)) if w <= h else (int(n * w / h), n), filter)


def pair(a, b, rule):
    """Two RGB pictures of one size."""
    a, b = picture(a), picture(b)
    if rule == "second-to-first":
        b = b.resize(a.size, Image.Resampling.BICUBIC)
    elif rule == "square-256":
        a, b = (x.resize((256, 256), Image.Resampling.BILINEAR) for x in (a, b))
    elif rule == "short-side-256":
        a, b = (short_side(x, 256, Image.Resampling.BILINEAR) for x in (a, b))
    if a.size != b.size:
        raise SystemExit(f"{rule}: {a.size} and {b.size}")
    return a, b


def from_folder(folder):
    """torchvision without a network: its checkpoints are read from the folder."""
    import torch
    import torchvision.models._api as api
    names = {"alexnet-owt-7be5be79.pth": "alexnet", "vgg16-397923af.pth": "vgg16"}

    def load(url, *args, **kw):
        return torch.load(parity.checkpoint(folder, names[url.rsplit("/", 1)[1]], ".pth"), map_location="cpu", weights_only=True)

    api.load_state_dict_from_url = load
