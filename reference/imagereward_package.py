"""Loads the authors' own ImageReward 1.5 without what it asks for in vain.

The package imports fairscale (for checkpointing while training), diffusers and
datasets (for training), and reads its tokenizer's vocabulary and its
configuration from a hub. Here only ImageReward.ImageReward and what that imports
is loaded, a stand-in takes fairscale's place, and the two files come from a
folder: vocab.txt of bert-base-uncased, and med_config.json, which is written out
below as the hub has it.

transformers 5 has neither the slow tokenizer nor three helpers that the package
imports, so it must be older. Run with, beside requirements.txt:

    pip install --no-deps image-reward==1.5 transformers==4.30.2 tokenizers==0.13.3 huggingface_hub==0.16.4 timm==0.6.13
"""
import contextlib
import importlib.util
import json
import os
import pathlib
import shutil
import sys
import tempfile
import types

MED = {
    "architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
    "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 0,
    "type_vocab_size": 2, "vocab_size": 30524, "encoder_width": 768, "add_cross_attention": True,
}


def modules():
    """(ImageReward.ImageReward, its vit, its med), the modules."""
    if "ImageReward" not in sys.modules:
        names = ["fairscale", "fairscale.nn", "fairscale.nn.checkpoint", "fairscale.nn.checkpoint.checkpoint_activations"]
        for name in names:
            sys.modules[name] = types.ModuleType(name)
        sys.modules[names[-1]].checkpoint_wrapper = None  # nobody trains
        root = pathlib.Path(importlib.util.find_spec("ImageReward").submodule_search_locations[0])
        for name, folder in [("ImageReward", root), ("ImageReward.models", root / "models")]:
            sys.modules[name] = types.ModuleType(name)  # without the imports of their __init__
            sys.modules[name].__path__ = [str(folder)]
    from ImageReward import ImageReward as top
    from ImageReward.models.BLIP import med, vit
    return top, vit, med


@contextlib.contextmanager
def hub(vocabulary):
    """A working folder in which 'bert-base-uncased' and 'med_config.json' are found."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder) / "bert-base-uncased"
        place.mkdir()
        shutil.copy(vocabulary, place / "vocab.txt")
        (place / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, "model_max_length": 512}))
        (pathlib.Path(folder) / "med_config.json").write_text(json.dumps(MED))
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def load(checkpoint, vocabulary):
    """The model as ImageReward.load makes it, on the CPU."""
    import torch
    top, _, _ = modules()
    state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    with hub(vocabulary):
        model = top.ImageReward(device="cpu", med_config="med_config.json")
    missing, unexpected = model.load_state_dict(state, strict=False, assign=True)  # a second copy would take 1.8 GB
    # utils.load is not strict and throws both lists away.
    if missing or [n for n in unexpected if not n.endswith("position_ids")]:
        raise SystemExit(f"{checkpoint}: missing {missing}, unexpected {unexpected}")
    return model.eval()
