#!/usr/bin/env python3
"""Golden values of the feature rows, by the packages that measures of sets are taken from.

The rows of Inception-v3 load the synthetic pt_inception-2015-12-05-6726825d.pth:

  inception-tf          torch-fidelity 0.4.0, its extractor as its metrics call it, on 8-bit RGB
  inception-pytorch     pytorch-fid 0.3.0, its InceptionV3 on ToTensor of the RGB picture
  inception-clean       clean-fid 0.1.35's resizer of the mode "clean" and its normalising, then
                        pytorch-fid's network: clean-fid's own is a TorchScript file of the same weights
  inception-spatial     torch-fidelity: channels 0 to 6 of Mixed_6d.branch1x1, [row, column, channel]
  inception-spatial-6e  pytorch-fid's network: channels 0 to 6 of Mixed_6e, as dgm-eval flattens them
  inception-spatial-6a  pytorch-fid's network on clean-fid's tensor: channels 0 to 6 of Mixed_6a

clip-l14-336-square loads the synthetic ViT-L-14-336px.pt with openai/CLIP and prepares pictures as
cmmd-pytorch f7673a9 does (crop, then Pillow), after a conversion to RGB, which that lacks; see
square(). vgg16-fc2 is torch-fidelity's second extractor, on the synthetic torchvision checkpoint.

fid is FID of the first five parity pictures against the next five, in each of the three ways: as the
package's own function gives it of its own features, and exactly, of the same features in float64: the
package's root of a product of rank 4 in 2048 dimensions is noisy.

What a network was given is taken by a hook at its first layer, or at the front of the square crop's.
The checkpoints are synthetic: see parity.py.

    python reference/inception_golden.py FOLDER [NAME ...]

Versions are in requirements.txt; pip install --no-deps pytorch-fid torch-fidelity clean-fid.
"""
import sys
import warnings

import numpy as np
import torch
from PIL import Image

import parity

INCEPTION = {  # row: pictures
    "inception-tf": ["natural.png", "rgba.png", "tall.png", "big.png"],
    "inception-pytorch": ["natural.png", "palette.png", "wide.png", "dot.png"],
    "inception-clean": ["natural.png", "grey.png", "tall.png", "big.png"],
    "inception-spatial": ["natural.png", "portrait.png"],
    "inception-spatial-6e": ["natural.png", "rgba.png"],
    "inception-spatial-6a": ["natural.png", "flat.bmp"],
}


class Given:
    """Keeps what a layer was given, or what it gave."""
    def __init__(self, layer, gave=False):
        if gave:
            layer.register_forward_hook(lambda m, i, o: setattr(self, "x", o.clone()))
        else:
            layer.register_forward_pre_hook(lambda m, i: setattr(self, "x", i[0].clone()))


def levels(img):
    """uint8 [1, 3, h, w]."""
    return torch.from_numpy(np.array(img.convert("RGB"))).permute(2, 0, 1)[None].contiguous()


class Fidelity:
    """torch-fidelity, whatever the extractor."""
    def __init__(self, path, name):
        if name == "vgg16":
            from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16
            self.net = FeatureExtractorVGG16("vgg16", ["fc2_relu"], str(path))
            self.given = Given(self.net.model.features[0])
        else:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
            self.net = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))
            self.given = Given(self.net.Conv2d_1a_3x3)
            self.tap = Given(self.net.Mixed_6d.branch1x1, gave=True)

    def __call__(self, img):
        out = self.net(levels(img))[0]
        return self.given.x, out[0]


class PytorchFID:
    def __init__(self, path):
        import pytorch_fid.inception as module
        state = torch.load(path, weights_only=True)
        module.load_state_dict_from_url = lambda url, progress=True: state
        self.net = module.InceptionV3([module.InceptionV3.BLOCK_INDEX_BY_DIM[2048]]).eval()
        self.given = Given(self.net.blocks[0][0])
        blocks = list(self.net.blocks[2])  # Mixed_5b to Mixed_6e
        self.taps = {"6a": Given(blocks[3], gave=True), "6e": Given(blocks[7], gave=True)}

    def plain(self, img):
        from torchvision.transforms.functional import to_tensor
        self.net.resize_input = self.net.normalize_input = True
        out = self.net(to_tensor(img.convert("RGB"))[None])[0]
        return self.given.x, out[0, :, 0, 0]

    def clean(self, img):
        from cleanfid.resize import build_resizer
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of Pillow's, at mode="F"
            small = build_resizer("clean")(np.array(img.convert("RGB")))
        x = torch.from_numpy(small.transpose(2, 0, 1))[None]
        x = (x - 128) / 128  # inception_torchscript.py
        self.net.resize_input = self.net.normalize_input = False
        out = self.net(x.contiguous())[0]
        return self.given.x, out[0, :, 0, 0]

    def seven(self, tap):
        return self.taps[tap].x[0, :7].flatten()


@torch.inference_mode()
def inception(folder, names):
    path = parity.checkpoint(folder, "inception-fid", ".pth")
    tf, torch_fid = Fidelity(path, "inception"), PytorchFID(path)

    def row(name, img):
        match name:
            case "inception-tf":
                return tf(img)
            case "inception-pytorch":
                return torch_fid.plain(img)
            case "inception-clean":
                return torch_fid.clean(img)
            case "inception-spatial":
                x, _ = tf(img)
                return x, tf.tap.x[0, :7].permute(1, 2, 0).flatten()
            case "inception-spatial-6e":
                x, _ = torch_fid.plain(img)
                return x, torch_fid.seven("6e")
            case "inception-spatial-6a":
                x, _ = torch_fid.clean(img)
                return x, torch_fid.seven("6a")
        raise SystemExit(f"no row {name}")

    for name in names:
        images = []
        for file in INCEPTION[name]:
            x, feature = row(name, parity.open_image(file))
            if tuple(x.shape) != (1, 3, 299, 299):
                raise SystemExit(f"{name}: the network was given {tuple(x.shape)}")
            images.append({"file": file, **parity.tensor_facts(x), "embedding": parity.floats(feature)})
        parity.write(name, [path], {"model": name, "images": images}, "pytorch-fid", "torch-fidelity", "clean-fid", "torchvision")


def exactly(a, b):
    """FID of two small sets in float64: the trace of the root is a sum of singular values."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    da, db = (x - x.mean(0) for x in (a, b))
    n, m = len(a) - 1, len(b) - 1
    root = np.linalg.svd(da @ db.T, compute_uv=False).sum() / np.sqrt(n * m)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + (da**2).sum() / n + (db**2).sum() / m - 2 * root)


@torch.inference_mode()
def fid(folder):
    import cleanfid.fid
    import pytorch_fid.fid_score
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
    path = parity.checkpoint(folder, "inception-fid", ".pth")
    tf, torch_fid = Fidelity(path, "inception"), PytorchFID(path)

    def statistics(x):  # as in both packages
        return np.mean(x, axis=0), np.cov(x, rowvar=False)

    ways = {
        "inception-tf": (tf, lambda a, b: fid_statistics_to_metric(
            *(fid_features_to_statistics(torch.from_numpy(x)) for x in (a, b)), False)[KEY_METRIC_FID]),
        "inception-pytorch": (torch_fid.plain, lambda a, b: pytorch_fid.fid_score.calculate_frechet_distance(*statistics(a), *statistics(b))),
        "inception-clean": (torch_fid.clean, lambda a, b: cleanfid.fid.frechet_distance(*statistics(a), *statistics(b))),
    }
    files, out = parity.NAMES[:10], {}
    for name, (network, measure) in ways.items():
        x = np.stack([network(parity.open_image(f))[1].numpy() for f in files])
        out[name] = {"exact": exactly(x[:5], x[5:]), "package": float(measure(x[:5], x[5:]))}
        print(name, out[name], flush=True)
    parity.write("fid", [path], {"model": "fid", "images": [{"file": f} for f in files], "fid": out},
                 "pytorch-fid", "torch-fidelity", "clean-fid", "scipy")


def square(img, side=336):
    """cmmd-pytorch's _center_crop_and_resize on the RGB picture.

    It opens files as they are: grey ones are resized as such and tiled afterwards, which is the same;
    palettes would be resized by their indices and read as grey, and alpha fails.
    """
    img = img.convert("RGB")
    w, h = img.size
    n = min(w, h)
    left, top = (w - n) // 2, (h - n) // 2
    return img.crop((left, top, left + n, top + n)).resize((side, side), resample=Image.BICUBIC)


@torch.inference_mode()
def clip_square(folder):
    import clip
    path = parity.checkpoint(folder, "clip-vit-l14-336", ".pt")
    model, transform = clip.load(str(path), device="cpu", jit=False)
    if model.dtype != torch.float32:
        raise SystemExit(f"{path} computes in {model.dtype}")
    steps = transform.transforms[3:]  # to tensor, normalise
    images = []
    for file in ["natural.png", "crop3.png"]:  # margins of 107 and 3
        small = square(parity.open_image(file))
        x = steps[1](steps[0](small))[None]
        images.append({"file": file, "crop_sha256": parity.crop_sha(small), **parity.tensor_facts(x),
                       "embedding": parity.floats(model.encode_image(x)[0])})
    parity.write("clip-l14-336-square", [path], {"model": "clip-l14-336-square", "images": images}, "torchvision")


@torch.inference_mode()
def vgg(folder):
    path = parity.checkpoint(folder, "vgg16", ".pth")
    net = Fidelity(path, "vgg16")
    images = []
    for file in ["natural.png", "rgba.png"]:
        x, feature = net(parity.open_image(file))
        if tuple(x.shape) != (1, 3, 224, 224):
            raise SystemExit(f"vgg16-fc2: the network was given {tuple(x.shape)}")
        images.append({"file": file, **parity.tensor_facts(x), "embedding": parity.floats(feature)})
    parity.write("vgg16-fc2", [path], {"model": "vgg16-fc2", "images": images}, "torch-fidelity", "torchvision")


def main():
    folder, names = sys.argv[1], sys.argv[2:] or [*INCEPTION, "fid", "clip-l14-336-square", "vgg16-fc2"]
    torch.set_num_threads(2)
    inception(folder, [n for n in names if n in INCEPTION])
    if "fid" in names:
        fid(folder)
    if "clip-l14-336-square" in names:
        clip_square(folder)
    if "vgg16-fc2" in names:
        vgg(folder)


if __name__ == "__main__":
    main()
