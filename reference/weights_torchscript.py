"""Reference files for package weights: TorchScript archives, and what assay writes.

Writes, into weights/testdata:
  script_NEW.pt, script_OLD.pt   a scripted module: modules in modules, lists and
                        dictionaries of modules, a module under two names, buffers,
                        halves, strided and shared values, attributes of every kind
  trace_NEW.pt, trace_OLD.pt     the same parts, traced
  attributes_NEW.pt     a module with tensors that are attributes and no buffers
  clip_NEW.pt           a tiny CLIP by OpenAI's own class (package clip), traced and
                        cut to float16 where OpenAI's files are; the three sizes are
                        buffers, as there
  torchscript.json      for each file what state_dict() says: dtype, shape, SHA-256
                        and sum of the values of each tensor, and the digest that
                        Checkpoint.Digest documents; for attributes_NEW.pt also the
                        names of the tensors that state_dict() lacks
  written.json          the same for written.st, a file by WriteSafetensors, as the
                        safetensors package reads it

NEW is torch 2.15.0, Python 3.11 (with safetensors 0.8.0, numpy 2.4.6 and
clip-anytorch 2.6.0), OLD is torch 1.13.1, Python 3.11:

  python reference/weights_torchscript.py weights/testdata new
  python reference/weights_torchscript.py weights/testdata old
  python reference/weights_torchscript.py weights/testdata read   # after go test -run TestWriteSafetensors -args -update
"""

import hashlib
import importlib.util
import json
import os
import struct
import sys
import warnings
from typing import Dict, List, Optional, Tuple

import torch
from torch import nn

warnings.filterwarnings("ignore")


def values(t):
    """Contiguous little-endian bytes of a tensor."""
    t = t.detach().contiguous().flatten()
    if t.dtype == torch.bfloat16:
        t = t.view(torch.int16)
    return t.numpy().tobytes()


def describe(tensors):
    h = hashlib.sha256(b"assay tensors 1\n")
    text = lambda s: h.update(struct.pack("<Q", len(s)) + s)
    out = {}
    for name in sorted(tensors, key=lambda n: n.encode()):
        t = tensors[name].detach()
        dtype = str(t.dtype)[len("torch."):]
        text(name.encode())
        text(dtype.encode())
        h.update(struct.pack("<Q", t.dim()))
        for s in t.shape:
            h.update(struct.pack("<Q", s))
        h.update(values(t))
        out[name] = {"dtype": dtype, "shape": list(t.shape), "sha256": hashlib.sha256(values(t)).hexdigest()}
        if not t.is_complex():
            out[name]["sum"] = float(t.double().sum())
    return {"digest": h.hexdigest(), "tensors": out}


class Block(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.ln_1 = nn.LayerNorm(w)
        self.mlp = nn.Sequential(nn.Linear(w, 2 * w), nn.GELU(), nn.Linear(2 * w, w))
        self.heads = w // 2

    def forward(self, x):
        return x + self.mlp(self.ln_1(x)) * self.heads


class Part(nn.Module):
    """Everything a module can hold that is not a tensor."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2))
        self.register_buffer("none", None)
        self.register_parameter("nothing", None)
        self.sizes: List[int] = [1, 2, 3]
        self.scales: List[float] = [1.0, 2.0]
        self.flags: List[bool] = [True, False]
        self.names: List[str] = ["a", "b"]
        self.lists: List[List[int]] = [[1], [2]]
        self.table: Dict[str, int] = {"a": 1}
        self.pair: List[Tuple[int, str]] = [(1, "a")]
        self.maybe: Optional[int] = None
        self.triple = (1, 2.0, "x")
        self.device = torch.device("cpu")
        self.resolution = 224
        self.far = 2**62
        self.minus = -3
        self.ratio = 0.5
        self.label = "part"
        self.on = True
        self.inf = float("inf")

    def forward(self, x):
        x = x * self.weight.sum() + self.sizes[0] + self.scales[0] + self.lists[0][0] + self.table["a"]
        if self.flags[0] and self.on and self.names[0] == "a" and self.maybe is None:
            x = x + self.resolution + self.far + self.minus + self.ratio + self.inf + self.triple[0] + self.pair[0][0]
        return x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, bias=False)
        self.blocks = nn.Sequential(Block(4), Block(4))
        self.bn = nn.BatchNorm2d(4)
        self.list = nn.ModuleList([nn.Linear(4, 4)])
        self.dict = nn.ModuleDict({"a": nn.Linear(4, 1)})
        self.tied = self.blocks[0].mlp[0]
        self.part = Part()
        self.logit_scale = nn.Parameter(torch.ones([]) * 2.5)
        self.register_buffer("input_resolution", torch.tensor(224))
        self.register_buffer("hidden", torch.arange(3.0), persistent=False)
        self.register_buffer("flag", torch.tensor([True, False]))
        base = torch.arange(24.0)
        self.register_buffer("turned", base.view(4, 6).t())
        self.register_buffer("middle", base[5:9])
        self.depth = 2

    def forward(self, x):
        x = self.bn(self.conv(x)).mean((2, 3)) + self.hidden.sum() + self.turned.sum() + self.middle[0]
        for m in self.list:
            x = m(x)
        x = self.blocks(x) * self.logit_scale + self.tied(x).sum() + self.input_resolution + self.dict["a"](x)
        return self.part(x) + self.depth


class Attributes(nn.Module):
    """TorchScript keeps no trace, outside its program, of what is a buffer."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2))
        self.plain = torch.randn(2, 3)
        self.maybe: Optional[torch.Tensor] = torch.randn(2)
        self.inside: List[torch.Tensor] = [torch.randn(2)]
        self.table: Dict[str, torch.Tensor] = {"a": torch.randn(2)}

    def forward(self, x):
        return x + self.weight.sum() + self.plain.sum() + self.inside[0].sum() + self.table["a"].sum()


def net():
    torch.manual_seed(20240611)
    n = Net().eval()
    n.bn.running_mean.normal_()
    n.blocks[1].half()
    n.blocks[1].ln_1.float()
    n.list[0].to(torch.bfloat16)
    n.dict["a"].double()
    return n


def traceable():
    torch.manual_seed(20240612)
    return Net().eval()


def clip():
    # clip/__init__.py needs pkg_resources, clip/model.py nothing.
    spec = importlib.util.spec_from_file_location(
        "clip_model", os.path.join(os.path.dirname(importlib.util.find_spec("clip").origin), "model.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(20240613)
    model = module.CLIP(embed_dim=8, image_resolution=8, vision_layers=1, vision_width=64, vision_patch_size=4,
                        context_length=7, vocab_size=11, transformer_width=8, transformer_heads=2,
                        transformer_layers=1).eval()
    model.visual = module.VisionTransformer(8, 4, 8, 1, 2, 8).eval()  # CLIP itself makes none of a width below 64
    for name, value in ("input_resolution", 8), ("context_length", 7), ("vocab_size", 11):
        if hasattr(model, name):
            delattr(model, name)
        model.register_buffer(name, torch.tensor(value))
    traced = torch.jit.trace_module(model, {"encode_image": torch.rand(1, 3, 8, 8)}, check_trace=False)
    for name, p in traced.named_parameters():
        if not any(wide in name for wide in ("ln_", "embedding", "logit_scale")):
            p.data = p.data.half()
    return traced


def save(out, name, module, expect, extra=()):
    path = os.path.join(out, name)
    torch.jit.save(module, path)
    if os.path.getsize(path) > 50_000:
        raise SystemExit(f"{name} has {os.path.getsize(path)} bytes")
    state = dict(torch.jit.load(path).state_dict())
    assert all(torch.equal(state[n], t) for n, t in module.state_dict().items())
    expect[name] = describe(state)
    if extra:
        expect[name]["extra"] = list(extra)


def update(out, name, rows):
    path = os.path.join(out, name)
    have = json.load(open(path)) if os.path.exists(path) else {}
    have.update(rows)
    with open(path, "w") as f:
        json.dump(have, f, indent=1, sort_keys=True)
        f.write("\n")


def scripts(out, age):
    rows = {}
    save(out, f"script_{age}.pt", torch.jit.script(net()), rows)
    save(out, f"trace_{age}.pt", torch.jit.trace(traceable(), torch.rand(1, 3, 2, 2), check_trace=False), rows)
    if age == "new":
        torch.manual_seed(20240614)
        save(out, "attributes_new.pt", torch.jit.script(Attributes()), rows, ["maybe", "plain"])
        save(out, "clip_new.pt", clip(), rows)
    update(out, "torchscript.json", rows)


def read(out):
    import safetensors
    import safetensors.torch

    path = os.path.join(out, "written.st")
    row = describe(safetensors.torch.load_file(path))
    with safetensors.safe_open(path, "pt") as f:
        row["metadata"] = f.metadata()
    update(out, "written.json", {"written.st": row})


if __name__ == "__main__":
    if sys.argv[2] == "read":
        read(sys.argv[1])
    else:
        scripts(sys.argv[1], sys.argv[2])
