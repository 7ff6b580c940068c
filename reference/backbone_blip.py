#!/usr/bin/env python3
"""Golden rewards of a tiny ImageReward, by its authors' modules.

Writes backbone/testdata/blip.safetensors, a small network under the official
names, and blip.json with what ImageReward's own vision transformer, BertModel and
head make of synthetic pictures and tokens. The head's layers are narrower than the
official 1024, 128, 64 and 16, to keep the file small; their modules are the same.
Texts are filled up with zeros and masked, as ImageReward does it.

Pinned: see imagereward_package.py; torch 2.15. Values are drawn with
torch.manual_seed(1); another torch may draw others, then both files change.

Run from the repository root:  python3 reference/backbone_blip.py
"""
import json
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

import imagereward_package

OUT = pathlib.Path("backbone/testdata")
top, vit, med = imagereward_package.modules()

VISION = dict(Size=32, Patch=8, Width=32, Layers=2, Heads=4, MLP=128, Grid=4)
TEXT = dict(Context=12, Vocabulary=64, Width=48, Layers=3, Heads=3, MLP=96, Seen=32)
HEAD = [48, 20, 12, 8, 6, 1]
IDS = [[1, 17, 5, 9, 2], [1, 2], [1, 63, 62, 3, 4, 5, 60, 7, 0, 9, 10, 2]]


def synthetic(number, scale, *shape):
    k = torch.arange(torch.Size(shape).numel(), dtype=torch.int64)
    return (((k * 7919 + number * 104729) % 2003).double() / 1001 - 1).mul(scale).float().reshape(shape)


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        v, t = VISION, TEXT
        self.blip = nn.Module()
        self.blip.visual_encoder = vit.VisionTransformer(v["Size"], v["Patch"], embed_dim=v["Width"], depth=v["Layers"], num_heads=v["Heads"])
        config = med.BertConfig(**{**imagereward_package.MED, "hidden_size": t["Width"], "num_hidden_layers": t["Layers"],
                                   "num_attention_heads": t["Heads"], "intermediate_size": t["MLP"], "vocab_size": t["Vocabulary"],
                                   "max_position_embeddings": t["Context"]})
        config.encoder_width = t["Seen"]
        self.blip.text_encoder = med.BertModel(config=config, add_pooling_layer=False)
        self.blip.vision_proj, self.blip.text_proj = nn.Linear(v["Width"], 256), nn.Linear(t["Width"], 256)
        self.mlp = top.MLP(t["Width"])
        layers = iter(zip(HEAD, HEAD[1:]))
        self.mlp.layers = nn.Sequential(*[nn.Linear(*next(layers)) if isinstance(m, nn.Linear) else m for m in self.mlp.layers])
        self.mean, self.std, self.device = 0.16717362830052426, 1.0333394966054072, "cpu"

    score_gard = top.ImageReward.score_gard


@torch.no_grad()
def main():
    torch.manual_seed(1)
    m = Tiny()
    for name, p in m.named_parameters():
        r = torch.randn_like(p)
        if "norm" in name.lower():
            r = r * 0.2 + (1 if name.endswith("weight") else 0)
        elif p.dim() > 1 and "embed" not in name.replace("patch_embed", "") and "token" not in name:
            r = r * p[0].numel() ** -0.5 * 1.5
        else:
            r = r * 0.3
        p.copy_(r.half().float())
    m.eval()
    cases = []
    for picture in (1, 2):
        x = synthetic(picture, 2, 1, 3, VISION["Size"], VISION["Size"])
        seen = m.blip.visual_encoder(x)
        rewards = []
        for ids in IDS:
            n = TEXT["Context"]
            mask = torch.tensor([[1] * len(ids) + [0] * (n - len(ids))])
            rewards.append(m.score_gard(torch.tensor([ids + [0] * (n - len(ids))]), mask, x).item())
        cases.append({"Input": picture, "Seen": seen.flatten().tolist(), "Rewards": rewards})
    state = {k: v.half().contiguous() if v.is_floating_point() else v.contiguous() for k, v in m.state_dict().items()}
    state.setdefault("blip.text_encoder.embeddings.position_ids", torch.arange(TEXT["Context"]).expand(1, -1).contiguous())
    save_file(state, OUT / "blip.safetensors")
    body = {"Vision": VISION, "Text": TEXT, "Head": HEAD, "IDs": IDS, "Cases": cases}
    (OUT / "blip.json").write_text(json.dumps(body, separators=(",", ":")) + "\n")
    print([c["Rewards"] for c in cases], sum(p.numel() for p in m.parameters()))


main()
