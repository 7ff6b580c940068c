"""Reference values and proofs of loading for synthetic checkpoints.

Computes the values that docs/synthetic.md describes with NumPy, loads files that
assay wrote with the packages they are written for, compares the two bit by bit,
and writes the sums of what was found right, which a test of package weights holds
assay to:

  ASSAY_SYNTHETIC_DIR=DIR go test -run TestSyntheticContainers ./weights
  python reference/synthetic.py DIR weights/testdata/synthetic.json

Without the second argument it only checks; that is for older versions of PyTorch.

Made with torch 2.15.0, numpy 2.4.6, safetensors 0.8.0, clip-anytorch 2.6.0,
Python 3.11; checked also with torch 1.13.0 (without safetensors and clip).
"""

import hashlib
import io
import json
import os
import sys
import zipfile

import numpy as np
import torch

GOLDEN, MIX1, MIX2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def normal(seed, name, n, mean, scale):
    """n values in float64, not yet rounded to the tensor's type."""
    key = int.from_bytes(hashlib.sha256(f"assay synthetic 1\n{seed}\n{name}".encode()).digest()[:8], "little")
    x = np.uint64(key) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GOLDEN)
    x = (x ^ x >> np.uint64(30)) * np.uint64(MIX1)
    x = (x ^ x >> np.uint64(27)) * np.uint64(MIX2)
    x = x ^ x >> np.uint64(31)
    t = sum((x >> np.uint64(s) & np.uint64(0xFFFF)).astype(np.int64) for s in (0, 16, 32, 48)) - 131070
    return mean + (scale / np.sqrt(1431655765.0)) * t.astype(np.float64)


def bfloat16(v):
    """The bits of float64 values rounded once to bfloat16, which NumPy has not."""
    exponent = np.maximum(np.frexp(v)[1] - 1, -126)
    steps = np.rint(np.ldexp(np.abs(v), 7 - exponent)).astype(np.int64)
    return (((exponent + 126).astype(np.int64) << 7) + steps | np.signbit(v).astype(np.int64) << 15).astype(np.uint16)


def values(s, seed):
    """Little-endian bytes of the tensor that the spec describes."""
    n = int(np.prod(s["shape"], dtype=np.int64))
    if s["kind"] == "normal":
        v = normal(seed, s["name"], n, s["mean"], s["scale"])
    elif s["kind"] == "const":
        v = np.full(n, s["mean"], dtype=np.float64)
    else:
        v = np.arange(n, dtype=np.float64)
    return (bfloat16(v) if s["dtype"] == "bfloat16" else v.astype(s["dtype"])).tobytes()


def tensors(state):
    """A flat dictionary of tensors out of nested ones."""
    out = {}
    for key, v in state.items():
        if isinstance(v, dict):
            out.update({key + "." + k: t for k, t in tensors(v).items()})
        elif isinstance(v, torch.Tensor):
            out[key] = v
    return out


def scalars(state):
    return {k: v for k, v in state.items() if not isinstance(v, (dict, torch.Tensor))}


def compare(label, state, specs, seed):
    got = tensors(state)
    assert list(sorted(got)) == sorted(s["name"] for s in specs), label
    sums = {}
    for s in specs:
        t = got[s["name"]]
        assert str(t.dtype) == "torch." + s["dtype"] and list(t.shape) == s["shape"], (label, s, t.dtype, t.shape)
        raw = t.detach().contiguous().reshape(-1)
        raw = raw.view(torch.int16).numpy().tobytes() if t.dtype == torch.bfloat16 else raw.numpy().tobytes()
        assert raw == values(s, seed), (label, s["name"])
        sums[s["name"]] = hashlib.sha256(raw).hexdigest()
    return sums


def load(path, kind):
    """The dictionary of tensors, by the package the file is written for."""
    if kind == "torchscript":
        return torch.jit.load(path, map_location="cpu").eval().state_dict()
    if kind == "torch zip":
        return torch.load(path, map_location="cpu", weights_only=True)
    if kind == "torch legacy":
        assert not zipfile.is_zipfile(path)
        plain, safe = (torch.load(path, map_location="cpu", weights_only=w) for w in (False, True))
        assert list(tensors(plain)) == list(tensors(safe)) and scalars(plain) == scalars(safe)
        return safe
    from safetensors.torch import load_file
    from safetensors import safe_open
    with safe_open(path, "pt") as f:
        assert f.metadata()["format"] == "pt"
    return load_file(path)


def check_clip(path, specs, seed):
    """OpenAI's package builds its own module of the archive and fills it, strictly."""
    import clip
    model, _ = clip.load(path, device="cpu", jit=False)
    model.float()
    for s in specs:
        if s["dtype"] == "int64":
            continue
        want = np.frombuffer(values(s, seed), s["dtype"]).astype(np.float32).reshape(s["shape"])
        # The package keeps some tensors as float16 that the archive has as float32 and the other way round.
        got = model.state_dict()[s["name"]].numpy()
        assert got.shape == want.shape and (np.array_equal(got, want) or np.array_equal(got, want.astype(np.float16).astype(np.float32))), s["name"]
    with torch.no_grad():
        size = model.visual.input_resolution
        image = model.encode_image(torch.zeros(1, 3, size, size))
        text = model.encode_text(torch.zeros(1, model.context_length, dtype=torch.long))
    assert torch.isfinite(image).all() and torch.isfinite(text).all()


EDGES = [  # name, shape, dtype, kind, mean, scale
    ("plain", [7, 3], "float32", "normal", 0.0, 0.02),
    ("blocks", [200001], "float32", "normal", -0.5, 3.0),
    ("half.blocks", [70000], "float16", "normal", 0.0, 0.02),
    ("half.subnormal", [5000], "float16", "normal", 0.0, 1e-6),
    ("half.large", [5000], "float16", "normal", 0.0, 18000.0),
    ("brain", [70000], "bfloat16", "normal", 1.0, 0.3),
    ("brain.subnormal", [300], "bfloat16", "normal", 0.0, 1e-39),
    ("unïcode", [5], "float32", "normal", 0.0, 1.0),
    ("const", [3], "float16", "const", 0.1, 0.0),
    ("const.brain", [3], "bfloat16", "const", 0.1, 0.0),
    ("count", [77], "int64", "arange", 0.0, 0.0),
    ("count.half", [2048], "float16", "arange", 0.0, 0.0),
    ("scalar", [], "int64", "const", 224.0, 0.0),
    ("negative", [2], "int64", "const", -3.0, 0.0),
    ("empty", [0, 4], "float32", "normal", 0.0, 1.0),
]
SEEDS = [0, 7, 2**64 - 1]


def main():
    folder = sys.argv[1]
    out = {"values": [], "files": {}}
    for seed in SEEDS:
        for e in EDGES:
            s = dict(zip(("name", "shape", "dtype", "kind", "mean", "scale"), e))
            out["values"].append({**s, "seed": str(seed), "sha256": hashlib.sha256(values(s, seed)).hexdigest()})
    with open(os.path.join(folder, "specs.json"), encoding="utf-8") as f:
        files = json.load(f)
    old = torch.__version__.startswith("1.")
    for name, file in sorted(files.items()):
        path, seed = os.path.join(folder, name), int(file["seed"])
        with open(path, "rb") as f:
            data = f.read()
        if file["container"] == "zip of files":
            z = zipfile.ZipFile(io.BytesIO(data))
            assert z.testzip() is None and z.namelist() == file["members"], name
            assert all(i.compress_type == zipfile.ZIP_STORED for i in z.infolist())
            for inner, i in file["inner"].items():
                assert hashlib.sha256(z.read(inner)).hexdigest() == hashlib.sha256(open(os.path.join(folder, i), "rb").read()).hexdigest()
        elif old and file["container"] == "safetensors":
            print("passed over:", name)
            continue
        else:
            sums = compare(name, load(path, file["container"]), file["tensors"], seed)
            if name == "clip.pt" and not old:
                check_clip(path, file["tensors"], seed)
            out["files"].setdefault(name, {})["tensors"] = sums
        out["files"].setdefault(name, {})["sha256"] = hashlib.sha256(data).hexdigest()
        print("right:", name)
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w", encoding="utf-8") as f:
            json.dump(out, f, indent=1, ensure_ascii=False)
            f.write("\n")
    print("torch", torch.__version__, "numpy", np.__version__)


main()
