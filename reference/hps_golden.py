#!/usr/bin/env python3
"""Golden values of HPS v2 and v2.1, computed by the authors' package.

hpsv2 1.2.0: its img_score module makes the model and the preparation, its own
copy of open_clip computes. On the CPU its autocast is off and precision "amp" means
float32. Changed are only what cannot work here: the weights of LAION, which
img_score fetches and then replaces wholly by the checkpoint's, are not fetched;
and three modules that are imported and never used (turtle, and the progress bar
of the download helpers) are stand-ins. The wheel lacks the vocabulary file, so copy it from
open_clip (bpe_simple_vocab_16e6.txt.gz, the same bytes) into hpsv2/src/open_clip.

Pictures in mode RGBA are converted to RGB first: the package leaves them with
four channels, and its convolution then fails. The tensor resize has torchvision's
present default, antialias=True.

    python reference/hps_golden.py FOLDER [hps-v2] [hps-v2.1]

Checkpoints are synthetic: see parity.py. Versions are in requirements.txt.
"""
import pathlib
import sys
import types

import torch

import parity
from clip_golden import prompts

PICTURES = {"hps-v2": 4, "hps-v2.1": 3}
PROMPTS = {"hps-v2": 6, "hps-v2.1": 3}


def scorer():
    """hpsv2.img_score with its base model not fetched."""
    sys.modules["turtle"] = types.SimpleNamespace(forward=None)
    clint, textui = types.ModuleType("clint"), types.ModuleType("clint.textui")
    textui.progress = None
    sys.modules["clint"], sys.modules["clint.textui"] = clint, textui
    import hpsv2.img_score as s
    make = s.create_model_and_transforms
    s.create_model_and_transforms = lambda arch, pretrained, **kw: make(arch, None, **kw)
    return s


def picture(file):
    img = parity.open_image(file)
    return img.convert("RGB") if img.mode == "RGBA" else img


@torch.inference_mode()
def golden(scr, folder, name):
    path = parity.checkpoint(folder, name, ".pt")
    files, texts = parity.NAMES[:PICTURES[name]], prompts(PROMPTS[name])
    # The public function once; it loads the checkpoint at each call.
    public = float(scr.score(picture(files[0]), texts[0][1], cp=str(path))[0])
    model, prepare = scr.model_dict["model"], scr.model_dict["preprocess_val"]
    tokenizer = scr.get_tokenizer("ViT-H-14")
    images, vectors = [], []
    for file in files:
        x = prepare(picture(file))[None]
        raw = model.encode_image(x)[0]
        vectors.append(model.encode_image(x, normalize=True)[0])
        images.append({"file": file, **parity.tensor_facts(x), "embedding": parity.floats(raw)})
    words, rows = [], []
    for i, text in texts:
        ids = tokenizer([text])
        words.append(model.encode_text(ids, normalize=True)[0])
        rows.append({"index": i, "text": text, "ids": ids[0, :int(ids[0].argmax()) + 1].tolist(), "embedding": parity.floats(model.encode_text(ids)[0])})
    scores = torch.stack(vectors) @ torch.stack(words).T
    if abs(scores[0, 0].item() - public) > 1e-6:
        raise SystemExit(f"img_score.score gives {public}, its parts give {scores[0, 0].item()}")
    parity.write(name, [path], {"model": name, "images": images, "prompts": rows, "scores": scores.tolist(), "public": public},
                 "hpsv2", "torchvision", "ftfy", "regex")


def main():
    folder = pathlib.Path(sys.argv[1])
    scr = scorer()
    for name in sys.argv[2:] or PICTURES:
        golden(scr, folder, name)


if __name__ == "__main__":
    main()
