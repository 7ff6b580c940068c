"""What the parity scripts share: test pictures, prompts, the golden file.

The scripts clip_golden.py, heads_golden.py, dreamsim_golden.py and
hps_golden.py load synthetic checkpoints into the authors' own packages and
write metric/testdata/parity/NAME.json.gz; metric/parity_test.go holds the
program against them. Nothing is random: pictures are formulas, prompts are a
list, and the weights are those of "assay models synth NAME --seed SEED"
(docs/synthetic.md), whose SHA-256 is kept in the golden file.

Versions are in requirements.txt. Pillow must be below 13, which orders the
passes of some resizes differently (see the comment of package pixel).

    python reference/parity.py     draws metric/testdata/parity/images
"""
import base64
import gzip
import hashlib
import importlib.metadata
import io
import json
import pathlib
import platform

import numpy as np
import PIL
import torch
from PIL import Image

SEED = 20240607  # of every synthetic checkpoint; parity_test.go has the same
ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "metric/testdata/parity"
IMAGES = OUT / "images"

if int(PIL.__version__.split(".")[0]) >= 13:
    raise SystemExit(f"Pillow {PIL.__version__} resizes some tall pictures in another order; want 12 or older")

PROMPTS = [
    "a photo of a cat",
    "",
    "A watercolour painting of a fox in the snow, soft light, muted colours",
    "an astronaut riding a horse on Mars, digital art, 4k",
    "Hello World!",
    "You should've done this",
    "r\u00e9sum\u00e9 na\u00efve fa\u00e7ade",
    "na\u0131ve caf\u00c3\u00a9 mojibake",
    "\u201csmart quotes\u201d \u2014 it\u2019s",
    "\uff2c\uff2f\uff35\uff24\u3000\uff2e\uff2f\uff29\uff33\uff25\uff33",
    "emoji \U0001f600\U0001f44d\U0001f3fd",
    "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 sails home",
    "\u0130stanbul at dusk",
    "\u7d05\u3044\u82b1\u306e\u5e8a\u306b\u5bdd\u308b\u732b",
    "x\u00b2+y\u00b3=\u00bd, 2023-10-05 12:30",
    "&amp;lt;b&amp;gt; 2 &lt; 3 &amp; 4",
    "  spaces\t\tand\nnew\r\nlines  ",
    "!!!??? ...",
    "a very long prompt: " + "intricate, highly detailed, sharp focus, " * 20,
    "cinematic still, " + "\U0001f984" * 90,
    "<|startoftext|> a dog <|endoftext|> and what follows the end",
    "a dog <end_of_text> and what follows the end",
]


def draw():
    """The pictures by file name. Each reaches a corner of the preparation."""
    def grid(w, h):
        y, x = np.mgrid[0:h, 0:w]
        return x.astype(np.int64), y.astype(np.int64)

    def noise(w, h, seed):
        """Bytes of a 64-bit hash (SplitMix64) of the pixel's number."""
        with np.errstate(over="ignore"):
            z = (np.arange(w * h, dtype=np.uint64) + np.uint64(seed) * np.uint64(1 << 32)) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
        return (z & np.uint64(255)).astype(np.int64).reshape(h, w)

    def scene(w, h, seed, grain=4):
        """Blobs, edges and some grain: integer arithmetic only."""
        x, y = grid(w, h)
        out = np.zeros((h, w, 3), np.int64)
        s = seed
        for c in range(3):
            out[..., c] = (x * (40 + 60 * c) // w + y * (150 - 50 * c) // h) + 40
        for _ in range(14):
            s = (s * 6364136223846793005 + 1442695040888963407) % 2**64
            cx, cy, r = (s >> 20) % w, (s >> 33) % h, 6 + (s >> 45) % max(7, min(w, h) // 3)
            d2 = (x - cx) ** 2 + (y - cy) ** 2
            weight = np.clip(256 - d2 * 256 // (r * r), 0, 256)
            if (s >> 60) % 3 == 0:  # a hard disc
                weight = (weight > 0) * 200
            for c in range(3):
                target = (s >> (3 + 9 * c)) % 256
                out[..., c] += (target - out[..., c]) * weight // 256
        stripes = (x + 2 * y) // 7 % 9 == 0
        out[stripes] = out[stripes] * 3 // 4
        return np.clip(out + (noise(w, h, seed)[..., None] * grain // 256 - grain // 2), 0, 255).astype(np.uint8)

    def alpha(w, h):
        x, y = grid(w, h)
        a = np.clip(x * 300 // w - 20, 0, 255)
        a[(x // 24 + y // 24) % 3 == 0] = 0
        return a.astype(np.uint8)

    files = {
        "natural.png": Image.fromarray(scene(320, 213, 1, grain=2)),
        "portrait.png": Image.fromarray(scene(171, 298, 2, grain=3)),
        "wide.png": Image.fromarray(scene(1000, 37, 3)),
        "tall.png": Image.fromarray(scene(31, 900, 4)),
        "rgba.png": Image.fromarray(np.dstack([scene(257, 180, 5, grain=1), alpha(257, 180)])),
        "grey.png": Image.fromarray(scene(301, 199, 6)[..., 1]),
        "greyalpha.png": Image.fromarray(np.dstack([scene(190, 260, 7)[..., 0], alpha(190, 260)])),
        "dot.png": Image.new("RGB", (1, 1), (200, 30, 90)),
        "exact.png": Image.fromarray(scene(224, 224, 8, grain=1)),
        "near.png": Image.fromarray(scene(223, 225, 9, grain=1)),
        "crop3.png": Image.fromarray(scene(227, 224, 10, grain=1)),  # a crop of 3: even and floor rounding differ
        "flat.bmp": Image.new("RGB", (64, 48), (17, 130, 210)),
        "small.bmp": Image.fromarray(scene(97, 131, 11)),
    }
    w, h = 321, 240
    x, y = grid(w, h)
    palette = Image.fromarray(((x // 5 * 7 + y // 4 * 13) % 256).astype(np.uint8)).convert("L")
    palette = Image.frombytes("P", (w, h), palette.tobytes())
    palette.putpalette(bytes(noise(256, 3, 12).ravel().tolist()))
    files["palette.png"] = palette
    files["bilevel.png"] = Image.fromarray(((x * x + y * y) // 300 % 2 * 255).astype(np.uint8)).convert("1", dither=Image.Dither.NONE)
    w, h = 260, 230
    x, y = grid(w, h)
    deep = (x * 400 // w) + (y // 20 % 2) * (x * 500 // w)  # most of 0..255, and some saturation
    files["grey16.png"] = Image.fromarray(deep.astype(np.uint16))
    tile = np.tile(noise(32, 64, 13), (16, 32))  # repeats, so the file stays small
    x, y = grid(1024, 1024)
    ramps = np.dstack([x // 8 * 2, y // 8 * 2, (x + y) // 16 * 2])
    rough = ((x // 128 + y // 128) % 2 == 1)[..., None]
    files["big.png"] = Image.fromarray(np.where(rough, np.dstack([tile, tile // 2, 255 - tile]), ramps).astype(np.uint8))
    return files


NAMES = [  # in order of interest: a prefix is used where a model is slow
    "natural.png", "rgba.png", "tall.png", "palette.png", "portrait.png", "grey.png", "wide.png", "big.png",
    "crop3.png", "exact.png", "near.png", "greyalpha.png", "grey16.png", "bilevel.png", "dot.png", "flat.bmp", "small.bmp",
]

# Photographs of the test data that lives outside the repository: for the JPEG
# decoder. 4:2:0 and 4:4:4.
PHOTOS = [
    "reference/published_pairs/laion/cat_normal.jpg",
    "reference/published_pairs/hpsv2/demo_image.jpg",
    "series/paintings/titu1994__red-canna.jpg",
    "series/sd_artist_grid/grid_512/Earle-Bergey.jpg",
    "human/avt_ai_images/images_384/midjourney/p21.jpg",
    "human/avt_ai_images/images_384/stable_diffusion/p11.jpg",
    "human/material_triplets/havran1_ennis_298x298_LDR/yellow-plastic.jpg",
    "reference/published_pairs/clipscore/image1.jpg",
    "weights/coral_mobilenet/images/hot_dog.jpg",
    "weights/coral_mobilenet/images/owl.jpg",
    "weights/coral_mobilenet/images/parrot.jpg",
]


def draw_all():
    IMAGES.mkdir(parents=True, exist_ok=True)
    files = draw()
    if sorted(files) != sorted(NAMES):
        raise SystemExit("NAMES and draw() disagree")
    for name, img in files.items():
        b = io.BytesIO()
        img.save(b, name.rsplit(".", 1)[1].upper(), **({"optimize": True} if name.endswith("png") else {}))
        (IMAGES / name).write_bytes(b.getvalue())
    print(len(files), "pictures,", sum((IMAGES / n).stat().st_size for n in files), "bytes")


def open_image(name):
    return Image.open(IMAGES / name)


def photos(data):
    """(path, picture, subsampling) of the photographs below the folder."""
    for path in PHOTOS:
        img = Image.open(pathlib.Path(data) / path)
        factors = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0"}
        layer = img.layer if img.mode != "L" else [(1, 1, 1, 0)]
        yield path, img, factors.get(tuple(layer[0][1:3]), "?") if len(layer) > 1 else "grey"


def checkpoint(folder, model, *suffixes):
    """The one file of an installed model with one of the suffixes."""
    found = [p for p in sorted((pathlib.Path(folder) / model).iterdir()) if p.is_file() and p.name.endswith(suffixes)]
    if len(found) != 1:
        raise SystemExit(f"{folder}/{model}: {len(found)} files end in {suffixes}, want 1; "
                         f"make it: assay models synth {model} --seed {SEED} -o {folder}")
    return found[0]


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def floats(x):
    """float32 values as base64 of their little-endian bytes."""
    x = x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
    if x.dtype != np.float32:
        raise TypeError(f"{x.dtype} is not float32")
    if not np.isfinite(x).all():
        raise ValueError("a value is not finite")
    return base64.b64encode(np.ascontiguousarray(x, "<f4").tobytes()).decode()


def tensor_facts(t):
    """SHA-256 of a float32 tensor's bytes, its sum in float64 and 8 samples."""
    v = np.ascontiguousarray(t.detach().numpy(), "<f4").ravel()
    at = np.linspace(0, v.size - 1, 8).astype(int)
    return {"tensor_sha256": hashlib.sha256(v.tobytes()).hexdigest(), "tensor_sum": float(v.astype(np.float64).sum()),
            "at": at.tolist(), "samples": [float(s) for s in v[at]]}


def crop_sha(img):
    """SHA-256 of an 8-bit RGB picture's bytes."""
    if img.mode != "RGB":
        raise ValueError(f"mode {img.mode}")
    return hashlib.sha256(img.tobytes()).hexdigest()


def versions(*packages):
    out = {"python": platform.python_version(), "torch": torch.__version__, "pillow": PIL.__version__, "numpy": np.__version__}
    for p in packages:
        out[p] = importlib.metadata.version(p)
    return out


def write(name, files, body, *packages):
    """Write a golden file; files are the checkpoints it stands on."""
    OUT.mkdir(parents=True, exist_ok=True)
    doc = {"seed": SEED, "versions": versions(*packages), "checkpoints": {f"{p.parent.name}/{p.name}": sha256(p) for p in files}, **body}
    raw = json.dumps(doc, indent=1, ensure_ascii=False).encode()
    path = OUT / f"{name}.json.gz"
    path.write_bytes(gzip.compress(raw, 9, mtime=0))
    print(f"{path.name}: {path.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    draw_all()
