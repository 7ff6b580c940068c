#!/usr/bin/env python3
"""Golden features of tiny vision and text transformers, by their authors' code.

Writes into backbone/testdata small checkpoints under the names the authors use,
and vit.json with what their networks make of the inputs: OpenAI's clip.model,
open_clip, transformers' CLIPModel, the DINO vision transformer that DreamSim
ships, timm's with LayerScale, and peft's LoRA. Inputs are made by the formula of
backbone_squeezenet.py, which the Go test repeats.

Pinned: torch 2.15, clip-anytorch 2.6.0, open_clip_torch 3.3.0, timm 1.0.31,
transformers 5.24, peft 0.21.2, dreamsim 0.2.1, Python 3.11. Values are drawn with
torch.manual_seed(1); another torch may draw others, then all files change.

Run from the repository root:  python3 reference/backbone_vit.py
"""
import functools
import importlib.util
import json
import pathlib
import sys
import types

import packaging
import packaging.version
import torch
from safetensors.torch import save_file

# clip imports it for one comparison of versions; setuptools dropped it.
sys.modules.setdefault("pkg_resources", types.SimpleNamespace(packaging=packaging))
import clip.model  # noqa: E402
import open_clip  # noqa: E402
import open_clip.model  # noqa: E402
import peft  # noqa: E402
import timm.models.vision_transformer as timm_vit  # noqa: E402
import transformers  # noqa: E402

OUT = pathlib.Path("backbone/testdata")


def load(package, file):
    """A module of an installed package, without the package's own imports."""
    root = pathlib.Path(importlib.util.find_spec(package).origin).parent
    spec = importlib.util.spec_from_file_location(file, root / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


dino = load("dreamsim", "feature_extraction/vision_transformer.py")


class QuickGELU(torch.nn.Module):
    """As DreamSim puts it into its CLIP towers."""

    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


def synthetic(number, scale, *shape):
    k = torch.arange(torch.Size(shape).numel(), dtype=torch.int64)
    return (((k * 7919 + number * 104729) % 2003).double() / 1001 - 1).mul(scale).float().reshape(shape)


@torch.no_grad()
def fill(model, half=True):
    """Random parameters of a trained network's size, exact in float16."""
    for name, p in model.named_parameters():
        if name.endswith("logit_scale"):
            continue
        r = torch.randn_like(p, dtype=torch.float32)
        if "norm" in name or "ln_" in name or "pos_drop" in name:
            r = r * 0.2 + (1 if name.endswith("weight") else 0)
        elif name.endswith("gamma"):
            r = r * 0.2 + 0.6
        elif p.dim() > 1 and "pos" not in name and "cls" not in name and "embedding" not in name:
            r = r * p[0].numel() ** -0.5 * 1.5
        else:
            r = r * 0.3
        p.copy_(r.half().float() if half else r)
    return model.eval()


def case(name, file, layout, row, out, **more):
    return {"Name": name, "File": file, "Layout": layout, "Row": row, "Want": out.flatten().tolist(),
            "Shape": list(out.shape)} | more


# --- CLIP: one set of weights, three containers, two activations

VISION = dict(Size=32, Patch=8, Width=32, Layers=2, Heads=4, MLP=128, Eps=1e-5, PreNorm=True, Pool="normed", Projection=24, Grid=4)
TEXT = dict(Context=12, Vocabulary=64, Width=32, Layers=2, Heads=2, MLP=128, Eps=1e-5, Projection=24)
IDS = [[62, 5, 17, 9, 63], [62, 63], [62, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 63]]


def openai():
    torch.manual_seed(1)
    m = clip.model.CLIP(24, 32, 1, 64, 8, 12, 64, 32, 2, 2)
    m.visual = clip.model.VisionTransformer(32, 8, 32, 2, 4, 24)  # with more than one head
    return fill(m)


def padded(ids):
    return torch.tensor([ids + [0] * (12 - len(ids))])


def outputs(name, file, layout, activation, image, text):
    """The cases of a model whose halves are the functions image and text."""
    yield case(name, file, layout, VISION | {"Activation": activation}, image(synthetic(500, 2, 1, 3, 32, 32)), Input=500)
    for ids in IDS:
        yield case(f"{name}, {len(ids)} tokens", file, layout, TEXT | {"Activation": activation}, text(padded(ids)), IDs=ids)


def clips():
    m = openai()
    state = {k: v.clone() for k, v in m.state_dict().items()}
    yield from outputs("openai", "clip.pt", "openai", "quick-gelu", m.encode_image, m.encode_text)
    clip.model.convert_weights(m)
    mixed = m.state_dict() | {"input_resolution": torch.tensor(32), "context_length": torch.tensor(12), "vocab_size": torch.tensor(64)}
    torch.save(mixed, OUT / "clip.pt")

    for activation in ("gelu", "quick-gelu"):
        o = open_clip.model.CLIP(
            24, open_clip.model.CLIPVisionCfg(layers=2, width=32, head_width=8, patch_size=8, image_size=32),
            open_clip.model.CLIPTextCfg(context_length=12, vocab_size=64, width=32, heads=2, layers=2),
            quick_gelu=activation == "quick-gelu")
        o.load_state_dict(state)
        o.eval()
        if activation == "gelu":
            save_file(o.state_dict(), OUT / "open_clip.safetensors")
        yield from outputs(f"open_clip {activation}", "open_clip.safetensors", "openai", activation, o.encode_image, o.encode_text)

    for activation in ("quick_gelu", "gelu"):
        h = hugging(state, activation)
        if activation == "gelu":
            ids = {"vision_model.embeddings.position_ids": torch.arange(17)[None], "text_model.embeddings.position_ids": torch.arange(12)[None]}
            save_file(h.state_dict() | ids, OUT / "clip_hf.safetensors")
        yield from outputs(f"transformers {activation}", "clip_hf.safetensors", "huggingface", activation.replace("_", "-"),
                           lambda x: feature(h.get_image_features(pixel_values=x)), lambda t: feature(h.get_text_features(input_ids=t)))


def feature(out):
    return out if torch.is_tensor(out) else out.pooler_output


def hugging(state, activation):
    """transformers' model with OpenAI's weights, moved name by name."""
    common = dict(hidden_size=32, intermediate_size=128, num_hidden_layers=2, projection_dim=24, hidden_act=activation)
    h = transformers.CLIPModel(transformers.CLIPConfig(
        vision_config=dict(num_attention_heads=4, image_size=32, patch_size=8, **common),
        text_config=dict(num_attention_heads=2, vocab_size=64, max_position_embeddings=12, eos_token_id=63, bos_token_id=62,
                         pad_token_id=0, **common), projection_dim=24)).eval()
    new = {"logit_scale": state["logit_scale"], "visual_projection.weight": state["visual.proj"].T,
           "text_projection.weight": state["text_projection"].T}
    block = {"ln_1.": "layer_norm1.", "ln_2.": "layer_norm2.", "attn.out_proj.": "self_attn.out_proj.", "mlp.c_fc.": "mlp.fc1.", "mlp.c_proj.": "mlp.fc2."}
    tops = {"visual.class_embedding": "vision_model.embeddings.class_embedding",
            "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
            "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
            "visual.ln_pre.": "vision_model.pre_layrnorm.", "visual.ln_post.": "vision_model.post_layernorm.",
            "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
            "positional_embedding": "text_model.embeddings.position_embedding.weight", "ln_final.": "text_model.final_layer_norm."}
    for k, v in state.items():
        half, rest = ("vision", k.removeprefix("visual.")) if k.startswith("visual.") else ("text", k)
        if rest.startswith("transformer.resblocks."):
            n, part = rest.removeprefix("transformer.resblocks.").split(".", 1)
            p = f"{half}_model.encoder.layers.{n}."
            if "in_proj" in part:
                for q, w in zip("qkv", v.chunk(3)):
                    new[f"{p}self_attn.{q}_proj.{part.rsplit('_', 1)[1]}"] = w
            else:
                new[p + next(part.replace(a, b) for a, b in block.items() if part.startswith(a))] = v
        else:
            for a, b in tops.items():
                if k == a or a.endswith(".") and k.startswith(a):
                    new[k.replace(a, b)] = v
    print(h.load_state_dict({k: v.contiguous() for k, v in new.items()}))  # strict
    return h


# --- timm names: DINO with and without an adapter, DreamSim's CLIP, DINOv2

def tokens(model, x):
    """Every token after the last block, before the norm: what DreamSim's hook sees."""
    seen = []
    hook = model.blocks[-1].register_forward_hook(lambda m, i, o: seen.append(o))
    model(x)
    hook.remove()
    return seen[0]


def dinos():
    torch.manual_seed(2)
    row = dict(Size=64, Patch=16, Width=64, Layers=2, Heads=4, MLP=192, Eps=1e-6, PatchBias=True, Grid=4, Activation="gelu")
    m = fill(dino.VisionTransformer([64], 16, embed_dim=64, depth=2, num_heads=4, mlp_ratio=3, qkv_bias=True,
                                    norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-6)))
    save_file({k: v.half() for k, v in m.state_dict().items()}, OUT / "dino.safetensors")
    x = synthetic(501, 2, 1, 3, 64, 64)
    yield case("dino", "dino.safetensors", "timm", row | {"Pool": "raw"}, tokens(m, x)[:, 0], Input=501)
    yield case("dino tokens", "dino.safetensors", "timm", row | {"Pool": "tokens"}, tokens(m, x), Input=501)
    yield case("dino normed", "dino.safetensors", "timm", row | {"Pool": "normed"}, m(x), Input=501)

    config = peft.LoraConfig(r=4, lora_alpha=6, target_modules=["qkv"], bias="none", lora_dropout=0.3)
    p = peft.get_peft_model(m, config)
    with torch.no_grad():
        for name, v in p.named_parameters():
            if "lora_" in name:
                v.copy_(torch.randn_like(v) * v.shape[1] ** -0.5)
    p.eval()
    save_file(peft.get_peft_model_state_dict(p), OUT / "dino_lora.safetensors")
    yield case("dino with adapter", "dino.safetensors", "timm", row | {"Pool": "tokens"}, tokens(p.base_model.model, x), Input=501,
               Adapter="dino_lora.safetensors", Rank=4, Scale=1.5)
    merged = p.merge_and_unload().state_dict()
    save_file({f"blocks.{n}.qkv.weight": merged[f"blocks.{n}.attn.qkv.weight"] for n in range(2)}, OUT / "dino_merged.safetensors")


def dreamsims():
    torch.manual_seed(3)
    row = dict(Size=40, Patch=8, Width=48, Layers=3, Heads=3, MLP=144, Eps=1e-5, PatchBias=True, PreNorm=True, Pool="normed", Projection=20, Grid=5)
    m = dino.VisionTransformer([40], 8, embed_dim=48, depth=3, num_heads=3, mlp_ratio=3, qkv_bias=True)
    m.pos_drop = torch.nn.LayerNorm(48)
    fill(m)
    proj = (torch.randn(48, 20) * 48 ** -0.5).half().float()
    torch.save({"state_dict": {k: v.half() for k, v in (m.state_dict() | {"proj": proj}).items()}}, OUT / "dreamsim_clip.pth.tar")
    x = synthetic(502, 2, 1, 3, 40, 40)
    with torch.no_grad():
        yield case("dreamsim open_clip", "dreamsim_clip.pth.tar", "timm", row | {"Activation": "gelu"}, m(x) @ proj, Input=502, Prefix="state_dict.")
        for b in m.blocks:
            b.mlp.act = QuickGELU()
        yield case("dreamsim clip", "dreamsim_clip.pth.tar", "timm", row | {"Activation": "quick-gelu"}, m(x) @ proj, Input=502, Prefix="state_dict.")


def dinov2s():
    torch.manual_seed(4)
    row = dict(Size=56, Patch=14, Width=64, Layers=2, Heads=2, MLP=160, Eps=1e-6, PatchBias=True, LayerScale=True, Grid=9, Activation="gelu")
    m = fill(timm_vit.VisionTransformer(56, 14, num_classes=0, global_pool="token", embed_dim=64, depth=2, num_heads=2, mlp_ratio=2.5,
                                        init_values=1e-5, norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-6)))
    # The stored positions are of a grid of 9; the authors' method makes those of 4.
    stored = torch.randn(1, 82, 64).mul(0.3).half().float()
    state = m.state_dict() | {"pos_embed": stored, "mask_token": torch.zeros(1, 64)}
    save_file({k: v.half() for k, v in state.items()}, OUT / "dinov2.safetensors")
    m.pos_embed.data = interpolate(stored, 56, 14)
    x = synthetic(503, 2, 1, 3, 56, 56)
    yield case("dinov2", "dinov2.safetensors", "timm", row | {"Pool": "raw"}, tokens(m, x)[:, 0], Input=503)
    yield case("dinov2 tokens", "dinov2.safetensors", "timm", row | {"Pool": "tokens"}, tokens(m, x), Input=503)


def interpolate(stored, size, patch):
    """The positions for pictures of size pixels, by DINO's own method."""
    n = size // patch
    holder = types.SimpleNamespace(pos_embed=stored, patch_embed=types.SimpleNamespace(patch_size=patch))
    return dino.VisionTransformer.interpolate_pos_encoding(holder, torch.zeros(1, 1 + n * n, stored.shape[2]), size, size)


def grids():
    """DINOv2's own grids, 37 to 16, on four channels; and one that grows."""
    for stored, size in ((37, 224), (5, 98)):
        at = synthetic(600 + stored, 1, 1, 1 + stored * stored, 4)
        yield {"From": stored, "To": size // 14, "Number": 600 + stored, "Want": interpolate(at, size, 14).flatten().tolist()}


def configs():
    """The sizes of the published models, as open_clip and DINO configure them."""
    for name in ("ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336", "ViT-H-14"):
        c = open_clip.get_model_config(name)
        v, t = c["vision_cfg"], c["text_cfg"]
        yield dict(Name=name, Size=v["image_size"], Patch=v["patch_size"], Width=v["width"], Layers=v["layers"],
                   Heads=v["width"] // v.get("head_width", 64), Projection=c["embed_dim"],
                   Text=dict(Context=t["context_length"], Vocabulary=t["vocab_size"], Width=t["width"], Layers=t["layers"], Heads=t["heads"]))
    d = dino.vit_base(patch_size=16)
    yield dict(Name="dino", Size=224, Patch=16, Width=d.embed_dim, Layers=len(d.blocks), Heads=d.blocks[0].attn.num_heads)


@torch.no_grad()
def main():
    OUT.mkdir(exist_ok=True)
    cases = [*clips(), *dinos(), *dreamsims(), *dinov2s()]
    text = json.dumps({"Cases": cases, "Grids": list(grids()), "Configs": list(configs())})
    (OUT / "vit.json").write_text(text + "\n")
    for f in sorted(OUT.iterdir()):
        print(f.name, f.stat().st_size)
    for c in cases:
        print(c["Name"], c["Shape"], max(map(abs, c["Want"])))


main()
