#!/usr/bin/env python3
"""Golden values of DreamSim, all eight variants, by the authors' own package.

dreamsim 0.2.1 is called as its users call it: dreamsim(pretrained=True,
device="cpu", cache_dir=..., dreamsim_type=..., use_patch_model=...). Its model
code is not touched. Two functions of torch.hub are, because there is no
network: hub.load takes facebookresearch/dino (7c446df) and
facebookresearch/dinov2 (b8931f7) from checkouts, and
hub.load_state_dict_from_url reads the checkpoint of Meta's that the URL names
from the folder. The checkpoints are synthetic: see parity.py.

    python reference/dreamsim_golden.py FOLDER DINO_CHECKOUT DINOV2_CHECKOUT [NAME ...]

Of each picture: SHA-256 of the 224 x 224 crop, the raw features of the towers
one after the other, and the embedding the distance is of, which for the patch
variants is the 1536 numbers that forward() makes of embed(). And the distances
of all pairs. Versions are in requirements.txt.
"""
import itertools
import json
import os
import pathlib
import sys
import tempfile
import zipfile

import safetensors.torch
import torch
from PIL import Image

import parity

# name: (dreamsim_type, use_patch_model, backbones of Meta's, pictures)
VARIANTS = {
    "dreamsim-ensemble": ("ensemble", False, ["dino-vitb16"], 6),
    "dreamsim-dino": ("dino_vitb16", False, ["dino-vitb16"], 17),
    "dreamsim-clip": ("clip_vitb32", False, [], 6),
    "dreamsim-openclip": ("open_clip_vitb32", False, [], 6),
    "dreamsim-dinov2": ("dinov2_vitb14", False, ["dinov2-vitb14"], 6),
    "dreamsim-synclr": ("synclr_vitb16", False, [], 6),
    "dreamsim-dino-patch": ("dino_vitb16", True, ["dino-vitb16"], 6),
    "dreamsim-dinov2-patch": ("dinov2_vitb14", True, ["dinov2-vitb14"], 6),
}


def offline(folder, dino, dinov2):
    """torch.hub without a network. See the comment at the top."""
    load = torch.hub.load
    checkouts = {"facebookresearch/dino:main": dino, "facebookresearch/dinov2": dinov2}
    torch.hub.load = lambda repo, model, **kw: load(checkouts[repo], model, source="local", **kw)
    files = {"dino_vitbase16_pretrain.pth": "dino-vitb16", "dinov2_vitb14_pretrain.pth": "dinov2-vitb14"}

    def from_url(url, map_location=None, **_):
        path = parity.checkpoint(folder, files[url.rsplit("/", 1)[1]], ".pth")
        return torch.load(path, map_location=map_location, weights_only=True)

    torch.hub.load_state_dict_from_url = from_url


def fill_up(cache):
    """The files that the package wants to see and no released variant computes with.

    The dino_vitb16_pretrain.pth in the archives holds a projection head that is read
    and never run; of dinov2_vitb14_pretrain.pth only the existence is asked.
    """
    path = cache / "dino_vitb16_pretrain.pth"
    if not path.exists():
        shapes = {"mlp.0.weight": (2048, 768), "mlp.0.bias": (2048,), "mlp.2.weight": (2048, 2048), "mlp.2.bias": (2048,),
                  "mlp.4.weight": (256, 2048), "mlp.4.bias": (256,), "last_layer.weight": (2048, 256)}
        torch.save({"student": {"module.head." + k: torch.zeros(s) for k, s in shapes.items()}}, path)
    (cache / "dinov2_vitb14_pretrain.pth").touch()


def check_adapter(model, cache, name):
    """The adapter's tensors must be where they are applied: peft only warns."""
    lora = [p for p in cache.iterdir() if p.is_dir() and p.name.endswith("_lora")]
    if len(lora) != 1:
        raise SystemExit(f"{name}: {len(lora)} adapters in the archive")
    config = json.loads((lora[0] / "adapter_config.json").read_text())
    want = safetensors.torch.load_file(str(lora[0] / "adapter_model.safetensors"))
    have = {k.replace(".default.", "."): v for k, v in model.state_dict().items() if ".lora_" in k}
    if sorted(have) != sorted(want):
        raise SystemExit(f"{name}: adapter names differ: {sorted(set(have) ^ set(want))[:4]}")
    for k, v in want.items():
        if not torch.equal(have[k], v.float()):
            raise SystemExit(f"{name}: {k} was not loaded")
    return {"r": config["r"], "lora_alpha": config["lora_alpha"], "tensors": len(want)}


def towers(model, x):
    """The raw features of each tower, one after the other: embed() before the mean is taken off."""
    net = model.base_model.model
    return torch.cat([f(x, extractor_index=i).squeeze() for i, f in enumerate(net.extract_feats_list)], dim=-1)


def pooled(embed):
    """What forward() compares: its lines, for one embedding of a patch variant."""
    cls, patch = embed[:, 0], embed[:, 1:]
    n, s = patch.shape[0], int(patch.shape[1] ** 0.5)
    mean = torch.nn.functional.adaptive_avg_pool2d(patch.reshape(n, s, s, -1).permute(0, 3, 1, 2), (1, 1)).squeeze()
    return torch.cat((cls, mean[None] if mean.ndim == 1 else mean), dim=-1)


@torch.inference_mode()
def golden(folder, name):
    from dreamsim import dreamsim
    kind, patch, backbones, n_images = VARIANTS[name]
    archive = parity.checkpoint(folder, name, ".zip")
    with tempfile.TemporaryDirectory() as tmp:
        cache = pathlib.Path(tmp)
        with zipfile.ZipFile(archive) as z:
            z.extractall(cache)
        fill_up(cache)
        model, transform = dreamsim(pretrained=True, device="cpu", cache_dir=str(cache), dreamsim_type=kind, use_patch_model=patch)
        adapter = check_adapter(model, cache, name)
    images, tensors = [], []
    for file in parity.NAMES[:n_images]:
        img = parity.open_image(file)
        x = transform(img)
        tensors.append(x)
        # ToTensor is v/255 in float32, so the bytes come back exactly.
        crop = (x[0] * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        images.append({"file": file, "crop_sha256": parity.crop_sha(Image.fromarray(crop)), **parity.tensor_facts(x)})
        raw, embed = towers(model, x), model.embed(x)
        if patch:
            images[-1]["first_tokens"] = parity.floats(raw[:2])
            images[-1]["embedding"] = parity.floats(pooled(embed)[0])
        else:
            images[-1]["raw"] = parity.floats(raw)
            images[-1]["embedding"] = parity.floats(embed[0])
    pairs = [{"a": i, "b": j, "distance": model(tensors[i], tensors[j]).item()}
             for i, j in itertools.combinations_with_replacement(range(min(4, n_images)), 2)]
    files = [archive] + [parity.checkpoint(folder, b, ".pth") for b in backbones]
    parity.write(name, files, {"model": name, "adapter": adapter, "images": images, "pairs": pairs},
                 "dreamsim", "peft", "timm", "torchvision", "open_clip_torch")


def main():
    folder, dino, dinov2 = sys.argv[1:4]
    os.environ["XFORMERS_DISABLED"] = "1"
    offline(folder, dino, dinov2)
    for name in sys.argv[4:] or VARIANTS:
        golden(folder, name)


if __name__ == "__main__":
    main()
