#!/usr/bin/env python3
"""Golden rewards of ImageReward v1.0, computed by the authors' own package.

ImageReward.score(prompt, picture) of image-reward 1.5, loaded with the synthetic
checkpoint as its utils.load does it; see imagereward_package.py for how, and for
versions. Of each picture: SHA-256 of the 8-bit crop and of the normalised tensor,
and four of the 197 tokens that the vision tower makes of it. Of each prompt: the
token numbers, without what ImageReward fills them up with to 35. And the reward of
each pair.

    python reference/imagereward_golden.py FOLDER VOCABULARY

VOCABULARY is vocab.txt of bert-base-uncased. It writes
metric/testdata/parity/imagereward.json.gz.
"""
import argparse
import pathlib

import torch

import imagereward_package
import parity

PICTURES = ["natural.png", "rgba.png", "tall.png", "palette.png"]
PROMPTS = [parity.PROMPTS[i] for i in (0, 2, 10, 12, 13, 18)] + ["[CLS] a dog [SEP] and what follows, [ENC] r\u00e9sum\u00e9"]
TOKENS = [0, 1, 98, 196]  # of the picture


class Once(torch.nn.Module):
    """Does not look at one picture again for every prompt."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.x, self.out = inner, None, None

    def forward(self, x):
        if self.out is None:
            self.x, self.out = x, self.inner(x)
        if not torch.equal(x, self.x):
            raise SystemExit("another picture")
        return self.out


@torch.inference_mode()
def main():
    a = argparse.ArgumentParser()
    a.add_argument("folder")
    a.add_argument("vocabulary", type=pathlib.Path)
    args = a.parse_args()
    path = parity.checkpoint(args.folder, "imagereward", ".pt").resolve()
    model = imagereward_package.load(path, args.vocabulary.resolve())
    steps = model.preprocess.transforms
    names = [type(s).__name__ for s in steps]
    if names != ["Resize", "CenterCrop", "function", "ToTensor", "Normalize"]:
        raise SystemExit(f"ImageReward prepares pictures by {names}")
    vision = model.blip.visual_encoder = Once(model.blip.visual_encoder)
    images, scores = [], []
    for file in PICTURES:
        img = parity.open_image(file)
        vision.out = None
        scores.append([model.score(p, img) for p in PROMPTS])
        images.append({"file": file, "crop_sha256": parity.crop_sha(steps[2](steps[1](steps[0](img)))),
                       **parity.tensor_facts(model.preprocess(img)), "embedding": parity.floats(vision.out[0][TOKENS].flatten())})
        print(file, " ".join(f"{s:8.4f}" for s in scores[-1]), flush=True)
    prompts = []
    for text in PROMPTS:
        t = model.blip.tokenizer(text, padding="max_length", truncation=True, max_length=35)
        prompts.append({"text": text, "ids": t.input_ids[:sum(t.attention_mask)]})
    parity.write("imagereward", [path], {"model": "imagereward", "images": images, "prompts": prompts, "scores": scores},
                 "image-reward", "transformers", "tokenizers", "timm", "torchvision")


main()
