#!/usr/bin/env python3
"""Golden values of the features vgg16-fc2, by torch-fidelity.

torch-fidelity 0.4.0's FeatureExtractorVGG16 is called as its precision and recall
call it, on uint8 pictures [1, 3, h, w], with a synthetic checkpoint in the place of
torchvision's: see parity.py.

    python reference/vgg_golden.py FOLDER

Of each picture: the sum and samples of the tensor that the network reads, and the
4096 numbers of fc2_relu. Versions are in requirements.txt.
"""
import sys

import numpy as np
import torch
import torchvision
from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

import parity


@torch.inference_mode()
def main():
    path = parity.checkpoint(sys.argv[1], "vgg16", ".pth")
    net = FeatureExtractorVGG16("vgg16", ["fc2_relu"], feature_extractor_weights_path=str(path))
    images = []
    for file in parity.NAMES[:6] + ["exact.png"]:
        x = torch.from_numpy(np.asarray(parity.open_image(file).convert("RGB")).copy()).permute(2, 0, 1)[None]
        # The two lines before the network, as the package has them.
        seen = interpolate_bilinear_2d_like_tensorflow1x(x.float(), size=(224, 224), align_corners=False)
        seen = torchvision.transforms.functional.normalize(
            seen, (255 * 0.485, 255 * 0.456, 255 * 0.406), (255 * 0.229, 255 * 0.224, 255 * 0.225))
        images.append({"file": file, **parity.tensor_facts(seen), "embedding": parity.floats(net(x)[0][0])})
        print(file, float(net(x)[0].mean()), flush=True)
    parity.write("vgg16-fc2", [path], {"model": "vgg16-fc2", "images": images}, "torch_fidelity", "torchvision")


if __name__ == "__main__":
    main()
