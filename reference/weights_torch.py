"""Reference files and digests for package weights.

Writes, into weights/testdata:
  torch_zip.torch, torch_legacy.torch   the same tensors by torch.save, both formats
  flat.st, flat.npz      flat, contiguous tensors by safetensors and NumPy
  flat_zip.torch, flat_legacy.torch     likewise by torch.save
  numpy_stored.npz, numpy_deflated.npz   row-major and column-major arrays
  containers.json                 dtype, shape, SHA-256 of values, and the digest
                                  (as Checkpoint.Digest documents it) of each file
  real.json                       the same digest and some sums for real checkpoints,
                                  if a folder with them is given

All values come from numpy.random.default_rng(20240611). Made with torch 2.15.0,
numpy 2.4.6, safetensors 0.8.0, Python 3.11:

  python reference/weights_torch.py weights/testdata [../shared/data/weights]
"""

import collections
import hashlib
import json
import os
import struct
import sys

import numpy as np
import safetensors.torch
import torch


def values(t):
    """Contiguous little-endian bytes of a tensor."""
    t = t.detach().contiguous()
    return t.flatten().view(torch.uint8).numpy().tobytes() if t.numel() else b""


def dtype(t):
    return str(t.dtype).removeprefix("torch.")


def digest(tensors):
    h = hashlib.sha256(b"assay tensors 1\n")
    text = lambda s: h.update(struct.pack("<Q", len(s)) + s)
    for name in sorted(tensors, key=lambda n: n.encode()):
        t = tensors[name]
        text(name.encode())
        text(dtype(t).encode())
        h.update(struct.pack("<Q", t.dim()))
        for s in t.shape:
            h.update(struct.pack("<Q", s))
        h.update(values(t))
    return h.hexdigest()


def flatten(obj, path=()):
    if isinstance(obj, torch.Tensor):
        yield ".".join(path), obj
    elif isinstance(obj, dict):
        for k, v in obj.items():
            yield from flatten(v, path + (str(k),))
    elif isinstance(obj, (list, tuple)):
        for i, v in enumerate(obj):
            yield from flatten(v, path + (str(i),))


def describe(tensors):
    rows = {n: {"dtype": dtype(t), "shape": list(t.shape), "sha256": hashlib.sha256(values(t)).hexdigest()}
            for n, t in tensors.items()}
    return {"digest": digest(tensors), "tensors": rows}


def flat(rng):
    f = lambda *s: torch.from_numpy(rng.standard_normal(s).astype(np.float32))
    i = lambda d, *s: torch.from_numpy(rng.integers(0, 100, s)).to(d)
    return collections.OrderedDict([
        ("conv.weight", f(4, 3, 3, 3)), ("conv.bias", f(4)), ("half", f(5, 2).half()),
        ("brain", f(7).bfloat16()), ("double", f(2, 2).double()), ("long", i(torch.int64, 3)),
        ("int", i(torch.int32, 3)), ("short", i(torch.int16, 3)), ("char", i(torch.int8, 3)),
        ("byte", i(torch.uint8, 3)), ("bool", i(torch.int64, 5) > 50), ("scalar", f(1)[0].clone()),
        ("empty", f(0, 4)),
    ])


def nested(rng):
    base = torch.from_numpy(rng.standard_normal((6, 5)).astype(np.float32))
    tied = base[1]
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    for p in net.parameters():
        p.data = torch.from_numpy(rng.standard_normal(tuple(p.shape)).astype(np.float32))
    return {
        "epoch": 12, "arch": "tiny", "lr": 0.125, "best": True, "history": [1, 2, 3], "nothing": None,
        "big": 1 << 40, "negative": -5,
        "state_dict": net.state_dict(),
        "parameters": [torch.nn.Parameter(base[:, 1:4])],
        "views": {"transposed": base.t(), "slice": base[1:4, ::2], "tied": tied, "tied_again": tied,
                  "expanded": base[:1, :1].expand(3, 4), "whole": base},
        "size": base.shape, 7: (torch.arange(4), {"deep": torch.zeros(2, 0, 3)}),
    }


def containers(out):
    rng = np.random.default_rng(20240611)
    expect = {}
    save = lambda obj, name, **kw: torch.save(obj, os.path.join(out, name), **kw)
    tensors, tree = flat(rng), nested(rng)
    save(tensors, "flat_zip.torch")
    save(tensors, "flat_legacy.torch", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(tensors, os.path.join(out, "flat.st"), metadata={"format": "pt"})
    np.savez_compressed(os.path.join(out, "flat.npz"), **{n: t.numpy() for n, t in tensors.items() if n != "brain"})
    for name in "flat_zip.torch", "flat_legacy.torch", "flat.st":
        expect[name] = describe(tensors)
    expect["flat.npz"] = describe({n: t for n, t in tensors.items() if n != "brain"})
    save(tree, "torch_zip.torch")
    save(tree, "torch_legacy.torch", _use_new_zipfile_serialization=False)
    for name in "torch_zip.torch", "torch_legacy.torch":
        expect[name] = describe(dict(flatten(tree)))
    arrays = {"row": rng.standard_normal((3, 4)), "column": np.asfortranarray(rng.standard_normal((3, 4, 2))),
              "one": rng.standard_normal(5).astype(np.float32), "none": np.zeros((0, 3), np.float16)}
    np.savez(os.path.join(out, "numpy_stored.npz"), **arrays)
    np.savez_compressed(os.path.join(out, "numpy_deflated.npz"), **arrays)
    for name in "numpy_stored.npz", "numpy_deflated.npz":
        expect[name] = describe({n: torch.from_numpy(np.ascontiguousarray(a)) for n, a in arrays.items()})
    with open(os.path.join(out, "containers.json"), "w") as f:
        json.dump(expect, f, indent=1)
        f.write("\n")


REAL = ["lpips_squeeze/lpips_squeeze.pt", "cnniqa_live/CNNIQA-LIVE", "niqe_pris/niqe_pris_params.npz"] + [
    f"clip_heads_and_vectors/{d}_vit_{v}_linear.pth"
    for d in ("laion/sa_0_4", "sac/sac_public_2022_06_29") for v in ("b_16", "b_32", "l_14")]


def real(out, data):
    rows = {}
    for name in REAL:
        path = os.path.join(data, name)
        if name.endswith(".npz"):
            with np.load(path) as z:
                tensors = {n: torch.from_numpy(np.ascontiguousarray(z[n])) for n in z.files}
        else:
            tensors = dict(flatten(torch.load(path, map_location="cpu", weights_only=True)))
        rows[name] = {"digest": digest(tensors),
                      "sums": {n: float(t.double().sum()) for n, t in tensors.items()}}
    with open(os.path.join(out, "real.json"), "w") as f:
        json.dump(rows, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    containers(sys.argv[1])
    if len(sys.argv) > 2:
        real(sys.argv[1], sys.argv[2])
