#!/usr/bin/env python3
"""Golden values of the CLIP family, computed by the authors' own packages.

OpenAI's checkpoints are loaded with clip.load(path, device="cpu", jit=False),
which computes in float32; LAION's with open_clip.create_model_and_transforms
and the mean and deviation that its pretrained table gives their tag; PickScore
with transformers' CLIPModel, the Pillow image processor and the configuration
of laion/CLIP-ViT-H-14-laion2B-s32B-b79K, written out below because no hub is
read. The checkpoints are synthetic: see parity.py.

Of each picture: SHA-256 of the 8-bit crop and of the normalised tensor, and the
embedding as the encoder gives it, not normalised. Of each prompt: the token
numbers and the embedding. And the cosine of each pair.

    python reference/clip_golden.py FOLDER [NAME ...]
    python reference/clip_golden.py --photos ../shared/data FOLDER

The second form writes jpeg.json.gz: embeddings by clip-vit-b32 of photographs
as Pillow decodes them. Versions are in requirements.txt.
"""
import argparse
import gzip
import pathlib

import torch

import parity

# name: (architecture, tag in open_clip's table or None, pictures, prompts).
# Large models get the first pictures and a choice of prompts.
MODELS = {
    "clip-vit-b32": ("ViT-B/32", None, 17, 22),
    "clip-vit-b16": ("ViT-B/16", None, 9, 6),
    "clip-vit-l14": ("ViT-L/14", None, 4, 6),
    "clip-vit-l14-336": ("ViT-L/14@336px", None, 3, 6),
    "openclip-vit-b32": ("ViT-B-32", "laion2b_s34b_b79k", 17, 22),
    "openclip-vit-b16": ("ViT-B-16", "laion2b_s34b_b88k", 6, 6),
    "openclip-vit-l14": ("ViT-L-14", "laion2b_s32b_b82k", 3, 6),
    "openclip-vit-h14": ("ViT-H-14", "laion2b_s32b_b79k", 3, 6),
    "pickscore": ("ViT-H-14", None, 4, 22),
}
FEW = [0, 2, 6, 10, 18, 20]  # prompts for large models: plain, long, accents, emoji, over-long, with a special token


def prompts(n):
    return list(enumerate(parity.PROMPTS)) if n >= len(parity.PROMPTS) else [(i, parity.PROMPTS[i]) for i in FEW[:n]]


class OpenAI:
    def __init__(self, path, arch):
        import clip
        self.tokenize = lambda text: clip.tokenize([text], truncate=True)
        self.model, self.transform = clip.load(str(path), device="cpu", jit=False)
        if self.model.dtype != torch.float32:
            raise SystemExit(f"{path} computes in {self.model.dtype}")
        self.scale = self.model.logit_scale
        steps = self.transform.transforms  # resize, crop, to RGB, to tensor, normalise
        self.crop = lambda img: steps[2](steps[1](steps[0](img)))

    def prepare(self, img):
        return parity.crop_sha(self.crop(img)), self.transform(img)[None]

    def image(self, x):
        return self.model.encode_image(x)[0]

    def text(self, text):
        ids = self.tokenize(text)
        n = int(ids[0].argmax()) + 1
        return ids[0, :n].tolist(), self.model.encode_text(ids)[0]


class OpenCLIP(OpenAI):
    def __init__(self, path, arch, tag):
        import open_clip
        cfg = open_clip.get_pretrained_cfg(arch, tag)
        if not cfg or cfg.get("quick_gelu"):
            raise SystemExit(f"open_clip's table has {cfg} for {arch} {tag}")
        self.model, _, self.transform = open_clip.create_model_and_transforms(
            arch, pretrained=str(path), image_mean=cfg.get("mean"), image_std=cfg.get("std"), image_resize_mode=cfg.get("resize_mode"))
        self.model.eval()
        tokenizer = open_clip.get_tokenizer(arch)
        self.tokenize = lambda text: tokenizer([text])
        self.scale = self.model.logit_scale
        steps = self.transform.transforms
        names = [type(s).__name__ for s in steps]
        if names != ["Resize", "CenterCrop", "MaybeConvertMode", "MaybeToTensor", "Normalize"]:
            raise SystemExit(f"open_clip prepares pictures by {names}")
        self.crop = lambda img: steps[2](steps[1](steps[0](img)))


H14 = {  # laion/CLIP-ViT-H-14-laion2B-s32B-b79K, config.json: what differs from the defaults
    "projection_dim": 1024,
    "text_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24,
                    "hidden_act": "gelu", "projection_dim": 1024, "vocab_size": 49408, "max_position_embeddings": 77,
                    "bos_token_id": 0, "eos_token_id": 2},
    "vision_config": {"hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 16, "num_hidden_layers": 32,
                      "hidden_act": "gelu", "projection_dim": 1024, "patch_size": 14, "image_size": 224},
}


class PickScore:
    def __init__(self, path, arch):
        import safetensors.torch
        from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel
        with torch.device("meta"):
            model = CLIPModel(CLIPConfig(**H14))
        state = safetensors.torch.load_file(str(path))
        for name in [n for n in state if n.endswith("embeddings.position_ids")]:  # 0, 1, 2, ...: a buffer that older releases kept
            want = torch.arange(state[name].shape[-1])
            if not torch.equal(state.pop(name).reshape(-1), want):
                raise SystemExit(f"{name} is not 0, 1, 2, ...")
        model.load_state_dict(state, strict=True, assign=True)
        for part in (model.text_model, model.vision_model):
            n = part.embeddings.position_ids.shape[-1]
            part.embeddings.position_ids = torch.arange(n).expand(1, -1)
        self.model = model.eval()
        self.scale = model.logit_scale
        self.processor = CLIPImageProcessorPil(
            size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}, resample=3, do_convert_rgb=True)
        self.tokenizer = hf_tokenizer()

    def prepare(self, img):
        # Releases before 5 convert("RGB"), which drops alpha; 5 lays the picture on white.
        # PickScore was published, and is used, with the former.
        img = img.convert("RGB")
        crop = self.processor(images=img, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
        rgb = crop.transpose(1, 2, 0)
        if str(rgb.dtype) != "uint8":
            raise SystemExit(f"the crop is {rgb.dtype}")
        from PIL import Image
        return parity.crop_sha(Image.fromarray(rgb)), self.processor(images=img, return_tensors="pt")["pixel_values"]

    def image(self, x):
        return features(self.model.get_image_features(pixel_values=x))

    def text(self, text):
        t = self.tokenizer(text, padding=True, truncation=True, max_length=77, return_tensors="pt")
        ids = t["input_ids"][0]
        n = int(ids.argmax()) + 1
        return ids[:n].tolist(), features(self.model.get_text_features(**t))


def features(out):
    """The projected feature: transformers 5 wraps it, 4 does not."""
    return (out if isinstance(out, torch.Tensor) else out.pooler_output)[0]


def hf_tokenizer():
    """transformers' CLIP tokenizer over the vocabulary that all CLIP share."""
    import open_clip.tokenizer as oc
    from transformers import CLIPTokenizer
    merges = gzip.open(oc.default_bpe()).read().decode().split("\n")[1:49152 - 256 - 2 + 1]
    vocab = list(oc.bytes_to_unicode().values())
    vocab += [v + "</w>" for v in vocab] + ["".join(m.split()) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={v: i for i, v in enumerate(vocab)}, merges=[tuple(m.split()) for m in merges], model_max_length=77)


def load(name, path):
    arch, tag, _, _ = MODELS[name]
    if name == "pickscore":
        return PickScore(path, arch)
    return OpenCLIP(path, arch, tag) if tag else OpenAI(path, arch)


def find(folder, name):
    return parity.checkpoint(folder, name, ".pt", ".bin", ".safetensors")


PACKAGES = ["open_clip_torch", "transformers", "tokenizers", "torchvision", "ftfy", "regex"]


@torch.inference_mode()
def golden(folder, name):
    path = find(folder, name)
    model = load(name, path)
    _, _, n_images, n_prompts = MODELS[name]
    images, vectors = [], []
    for file in parity.NAMES[:n_images]:
        crop, x = model.prepare(parity.open_image(file))
        v = model.image(x)
        vectors.append(v)
        images.append({"file": file, "crop_sha256": crop, **parity.tensor_facts(x), "embedding": parity.floats(v)})
    texts, words = [], []
    for i, text in prompts(n_prompts):
        ids, t = model.text(text)
        words.append(t)
        texts.append({"index": i, "text": text, "ids": ids, "embedding": parity.floats(t)})
    v, t = (torch.nn.functional.normalize(torch.stack(x).double(), dim=-1) for x in (vectors, words))
    parity.write(name, [path], {
        "model": name, "images": images, "prompts": texts, "logit_scale": float(model.scale.detach()),
        "cosines": (v @ t.T).tolist(),  # [image][prompt]
    }, *PACKAGES)


@torch.inference_mode()
def photos(folder, data):
    path = find(folder, "clip-vit-b32")
    model = load("clip-vit-b32", path)
    rows = []
    for file, img, sampling in parity.photos(data):
        crop, x = model.prepare(img)
        rows.append({"file": file, "sampling": sampling, "crop_sha256": crop, **parity.tensor_facts(x),
                     "embedding": parity.floats(model.image(x))})
    parity.write("jpeg", [path], {"model": "clip-vit-b32", "images": rows}, *PACKAGES)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--photos", help="folder with the photographs")
    args.add_argument("folder", type=pathlib.Path)
    args.add_argument("names", nargs="*")
    a = args.parse_args()
    if a.photos:
        return photos(a.folder, a.photos)
    for name in a.names or MODELS:
        golden(a.folder, name)


if __name__ == "__main__":
    main()
