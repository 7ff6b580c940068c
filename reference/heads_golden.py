#!/usr/bin/env python3
"""Golden values of the aesthetic heads over OpenAI's CLIP.

LAION V1 (LAION-AI/aesthetic-predictor 6d122ad): torch.nn.Linear on the unit
embedding. LAION V2 (christophschuhmann/improved-aesthetic-predictor 6934dd8,
simple_inference.py): five linear layers, nothing between them, on the unit
embedding. SAC (crowsonkb/simulacra-aesthetic-models 701f767): the repository's
own AestheticMeanPredictionLinearModel, imported from a checkout, which scales the unit
embedding by the root of its length. Towers are loaded with clip.load as in
clip_golden.py; pictures are prepared by clip's own transform, as the heads'
training sets were (SAC's demonstration script, rank_images.py, resizes with
Lanczos instead). All in float32 on the CPU; checkpoints are synthetic.

    python reference/heads_golden.py FOLDER SIMULACRA_CHECKOUT [TOWER ...]

FOLDER holds the towers and the heads as "assay models synth" lays them out.
Versions are in requirements.txt.
"""
import pathlib
import sys
import types

import numpy as np
import torch

import clip_golden
import parity

TOWERS = {
    "clip-vit-b32": ["laion-aes-v1-b32", "sac-b32"],
    "clip-vit-b16": ["laion-aes-v1-b16", "sac-b16"],
    "clip-vit-l14": ["laion-aes-v1-l14", "laion-aes-v2", "sac-l14"],
}
PICTURES = {"clip-vit-b32": 17, "clip-vit-b16": 9, "clip-vit-l14": 4}  # as in clip_golden.py


def unit(a):
    """normalized() of both of LAION's scripts."""
    l2 = np.atleast_1d(np.linalg.norm(a, 2, -1))
    l2[l2 == 0] = 1
    return a / np.expand_dims(l2, -1)


def laion(head):
    return lambda v: head(torch.from_numpy(unit(v.numpy())).float()).item()


def load_head(name, path, width, sac):
    state = torch.load(path, map_location="cpu", weights_only=True)
    if name.startswith("sac"):
        m = sac.AestheticMeanPredictionLinearModel(width)
        m.load_state_dict(state)
        return lambda v: m(v).item()
    if name == "laion-aes-v2":
        sizes = [768, 1024, 128, 64, 16, 1]
        m = torch.nn.Sequential()
        for i, (a, b) in enumerate(zip(sizes, sizes[1:])):  # layers.0, 2, 4, 6, 7: dropouts are between
            m.add_module(str([0, 2, 4, 6, 7][i]), torch.nn.Linear(a, b))
        m.load_state_dict({k.removeprefix("layers."): v for k, v in state.items()})
        return laion(m)
    m = torch.nn.Linear(width, 1)
    m.load_state_dict(state)
    return laion(m)


def simulacra(checkout):
    """The repository's module; scikit-learn, which it imports for training, need not be there."""
    parts = {"sklearn": {}, "sklearn.linear_model": {"Ridge": None}, "sklearn.model_selection": {"train_test_split": None}}
    for name, names in parts.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(names)
    sys.path.insert(0, checkout)
    try:
        import simulacra_fit_linear_model
        return simulacra_fit_linear_model
    finally:
        for name in parts:
            del sys.modules[name]


@torch.inference_mode()
def main():
    folder, sac = pathlib.Path(sys.argv[1]), simulacra(sys.argv[2])
    dims = {"clip-vit-b32": 512, "clip-vit-b16": 512, "clip-vit-l14": 768}
    for tower in sys.argv[3:] or TOWERS:
        path = clip_golden.find(folder, tower)
        files, heads = [path], {}
        model = clip_golden.load(tower, path)
        vectors = {f: model.image(model.prepare(parity.open_image(f))[1]) for f in parity.NAMES[:PICTURES[tower]]}
        for name in TOWERS[tower]:
            head = parity.checkpoint(folder, name, ".pth")
            files.append(head)
            score = load_head(name, head, dims[tower], sac)
            heads[name] = [{"file": f, "score": score(v)} for f, v in vectors.items()]
        parity.write("heads-" + tower, files, {"model": tower, "heads": heads}, *clip_golden.PACKAGES)
        del model


if __name__ == "__main__":
    main()
