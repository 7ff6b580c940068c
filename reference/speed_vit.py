#!/usr/bin/env python3
"""How fast PyTorch runs the vision towers of CLIP: images a second on this machine.

The model is openai/CLIP's own code on a checkpoint (a synthetic one is as fast as
the official one), float32, clip.load(path, device="cpu", jit=False).visual. What is
timed and printed is described in speed.py.

    python reference/speed_vit.py ViT-B-16.pt ViT-L-14.pt
    python reference/speed_vit.py ViT-B-16.pt --quick \\
        --against "ASSAY_MODELS=DIR assay bench -m laion-aes-v1-b16 --rounds 1 --images 16 --rate"
"""
import os

import speed

ARGS = speed.arguments(__doc__, "1,4,8,16", lambda p: p.add_argument("checkpoints", nargs="+"))

import clip  # noqa: E402
import torch  # noqa: E402


def multiply_adds(v):
    """Of one picture: patches, the four products of a block's layers, attention, projection."""
    width, patch, tokens = v.conv1.weight.shape[0], v.conv1.weight.shape[-1], v.positional_embedding.shape[0]
    layers = len(v.transformer.resblocks)
    block = tokens * 12 * width * width + 2 * tokens * tokens * width
    return (tokens - 1) * 3 * patch * patch * width + layers * block + width * v.output_dim


def models():
    for path in ARGS.checkpoints:
        visual = clip.load(path, device="cpu", jit=False)[0].visual.eval()
        if visual.conv1.weight.dtype != torch.float32:
            raise SystemExit(f"{path} is {visual.conv1.weight.dtype}")
        side = visual.input_resolution
        yield os.path.basename(path), lambda n: (visual, [torch.randn(n, 3, side, side)]), multiply_adds(visual)


if __name__ == "__main__":
    speed.main(ARGS, "torchvision", models=models())
