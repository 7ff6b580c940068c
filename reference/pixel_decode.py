"""Golden values for package pixel's decoders.

Draws small pictures, saves each in every format and mode, and records what
Pillow reads back. Lossy formats also carry Pillow's RGB bytes, so that a test
can say how far off it is and not only that it is.

Pinned: Python 3.11, numpy 2.4.6, Pillow 13.0.0 (libjpeg-turbo 3.2.0, libwebp
1.6.0, libavif 1.4.2, libtiff 4.7.2), pillow-heif 1.8.1, pillow-jxl-plugin 1.3.8.
Seed: 20260101.

    python -m venv venv
    venv/bin/pip install numpy==2.4.6 pillow==13.0.0 pillow-heif==1.8.1 pillow-jxl-plugin==1.3.8
    venv/bin/python reference/pixel_decode.py pixel/testdata/decode.json

With a second path, and the folder of outside pictures as third argument, it
also writes what Pillow reads from the files named in REAL; without the folder
that part is left alone.
"""

import base64
import hashlib
import io
import json
import os
import struct
import sys
import zlib

import numpy as np
from PIL import Image
import pillow_heif
import pillow_jxl  # registers itself

pillow_heif.register_heif_opener()

SEED = 20260101
REAL = [
    "series/comfyui_workflows/lora__lora.png",
    "series/comfyui_workflows/sdturbo__sdxlturbo_example.png",
    "series/comfyui_workflows/img2img__img2img_workflow.png",
    "reference/iqa_calibra/ref_dir/I03.bmp",
    "reference/iqa_calibra/dist_dir/I04.bmp",
    "reference/published_pairs/piq/goldhill.gif",
    "reference/published_pairs/imagereward/*.webp",
    "human/avt_ai_images/images_384/*/*.jpg",
    "series/sd_artist_grid/grid_512/*.jpg",
    "series/paintings/*.jpg",
]


def b64(b):
    return base64.b64encode(b).decode()


def sha(im):
    return hashlib.sha256(np.asarray(im).tobytes()).hexdigest()


def picture(w, h, channels, rng):
    """Gradients, an edge and noise: all that chroma filters and DCT react to."""
    y, x = np.mgrid[0:h, 0:w]
    out = np.zeros((h, w, channels))
    for c in range(channels):
        out[..., c] = 127 + 90 * np.sin(x / (3 + 2 * c)) * np.cos(y / (4 + c)) + 2 * rng.standard_normal((h, w))
        out[..., c] += 60 * ((x + (c + 1) * y) % 23 < 5)
    return np.clip(out, 0, 255).astype(np.uint8)


def smooth(w, h, rng):
    """Slow gradients, on which interpolated and repeated chroma are near each other."""
    y, x = np.mgrid[0:h, 0:w]
    out = np.stack([128 + 60 * np.sin(x / 29 + y / 37 + c / 3) for c in range(3)], -1)
    return np.clip(out + rng.normal(0, 1, (h, w, 1)), 0, 255).astype(np.uint8)


def delta(a):
    """Differences from the sample one row above, compressed."""
    a = np.ascontiguousarray(a).reshape(len(a), -1)
    return b64(zlib.compress(np.diff(a, axis=0, prepend=np.zeros_like(a[:1])).tobytes(), 9))


def png(w, h, depth, colour, rows, interlace=0, chunks=()):
    """A PNG of any colour type, which Pillow's own writer cannot make. rows are packed."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlace))
    for kind, body in chunks:
        out += chunk(kind, body)
    return out + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows), 9)) + chunk(b"IEND", b"")


def pack(values, depth):
    """One row of samples, packed as PNG packs it."""
    if depth == 16:
        return values.astype(">u2").tobytes()
    if depth == 8:
        return values.astype(np.uint8).tobytes()
    bits = "".join(format(int(v), f"0{depth}b") for v in values)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def adam7(a, depth):
    rows = []
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        part = a[y0::dy, x0::dx]
        if part.size:
            rows += [pack(r.reshape(-1), depth) for r in part]
    return rows


def pngs(rng):
    w, h = 17, 13
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    for colour, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
        for depth in depths:
            a = rng.integers(0, 1 << depth, (h, w, channels[colour]))
            variants = [("", ())]
            if colour == 3:
                n = 1 << depth
                plte = rng.integers(0, 256, 3 * n, dtype=np.uint8).tobytes()
                trns = rng.integers(0, 256, max(1, n // 2), dtype=np.uint8).tobytes()
                variants = [("", ((b"PLTE", plte),)), (" tRNS", ((b"PLTE", plte), (b"tRNS", trns)))]
                if depth == 4:
                    variants.append((" short palette", ((b"PLTE", plte[:30]),)))
            elif colour in (0, 2):
                key = b"".join(struct.pack(">H", int(v)) for v in a[3, 5])
                variants.append((" tRNS", ((b"tRNS", key),)))
            for name, chunks in variants:
                rows = [pack(r.reshape(-1), depth) for r in a]
                yield f"png colour {colour} depth {depth}{name}", png(w, h, depth, colour, rows, 0, chunks)
            yield f"png colour {colour} depth {depth} interlaced", png(w, h, depth, colour, adam7(a, depth), 1, variants[0][1])
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "png with orientation", saved(Image.fromarray(picture(17, 13, 3, rng)), "PNG", exif=exif)


def saved(im, fmt, **options):
    b = io.BytesIO()
    im.save(b, fmt, **options)
    return b.getvalue()


def jpegs(rng):
    for w, h in ((17, 13), (64, 48)):
        rgb = Image.fromarray(picture(w, h, 3, rng))
        for name, sub in (("444", "4:4:4"), ("422", "4:2:2"), ("420", "4:2:0")):
            yield f"jpeg {name} {w}x{h}", saved(rgb, "JPEG", quality=90, subsampling=sub)
        yield f"jpeg 440 {w}x{h}", jpeg440(rgb)
        rgb = rgb if w < 64 else rgb.crop((0, 0, 40, 30))
        yield f"jpeg gray {w}x{h}", saved(rgb.convert("L"), "JPEG", quality=90)
        yield f"jpeg progressive {w}x{h}", saved(rgb, "JPEG", quality=80, progressive=True)
    for w in (1, 2, 3, 4, 5):
        yield f"jpeg 420 narrow {w}x7", saved(Image.fromarray(picture(w, 7, 3, rng)), "JPEG", quality=90)
    rgb = Image.fromarray(picture(27, 21, 3, rng))
    yield "jpeg restart intervals", saved(rgb, "JPEG", quality=75, restart_marker_blocks=2)
    yield "jpeg rgb", saved(rgb, "JPEG", quality=90, keep_rgb=True)
    cmyk = Image.fromarray(picture(25, 21, 4, rng), "CMYK")
    plain = saved(cmyk, "JPEG", quality=90, subsampling="4:4:4")
    yield "jpeg cmyk", plain
    yield "jpeg 411", baseline(np.asarray(rgb.convert("YCbCr"), float), [(4, 1), (1, 1), (1, 1)])
    for name, transform in (("cmyk", 0), ("ycck", 2)):
        yield f"jpeg {name} 420", baseline(picture(25, 21, 4, rng).astype(float), [(2, 2), (1, 1), (1, 1), (2, 2)], transform)
    at = plain.index(b"Adobe") + 11
    yield "jpeg ycck", plain[:at] + b"\x02" + plain[at + 1 :]
    at = plain.index(b"\xff\xee")
    yield "jpeg cmyk without adobe", plain[:at] + plain[at + 16 :]
    exif = Image.Exif()
    exif[0x0112] = 8
    yield "jpeg with orientation", saved(rgb.crop((0, 0, 16, 16)), "JPEG", quality=90, exif=exif)


def jpeg440(rgb):
    return baseline(np.asarray(rgb.convert("YCbCr"), float), [(1, 2), (1, 1), (1, 1)])


def baseline(samples, factors, adobe=None):
    """A baseline JPEG of any sampling factors, (h, v) for each component, which
    Pillow cannot write: plain DCT, flat quantisation and Huffman codes."""
    q = np.full((8, 8), 6)
    h, w, n = samples.shape
    hmax, vmax = max(f[0] for f in factors), max(f[1] for f in factors)
    W, H = -(-w // (8 * hmax)) * 8 * hmax, -(-h // (8 * vmax)) * 8 * vmax
    samples = np.pad(samples, ((0, H - h), (0, W - w), (0, 0)), "edge")
    planes = []
    for c, (fh, fv) in enumerate(factors):
        sh, sv = hmax // fh, vmax // fv
        planes.append(samples[..., c].reshape(H // sv, sv, W // sh, sh).mean((1, 3)))
    k = np.arange(8)
    D = np.sqrt(2 / 8) * np.cos((2 * k[None] + 1) * k[:, None] * np.pi / 16)
    D[0] /= np.sqrt(2)
    zig = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
    # One table for all: every symbol has an 8-bit code, so the code is its rank.
    # A code of all ones is not allowed, hence 9 bits for those past 200.
    dc = list(range(12))
    ac = [0x00, 0xF0] + [r << 4 | s for r in range(16) for s in range(1, 11)]
    codes = {}
    for cls, symbols in (("dc", dc), ("ac", ac)):
        n8 = 12 if cls == "dc" else 100
        for i, s in enumerate(symbols[:n8]):
            codes[cls, s] = format(i, "08b")
        for i, s in enumerate(symbols[n8:]):
            codes[cls, s] = format((n8 << 1) + i, "09b")

    def table(cls, symbols):
        n8 = 12 if cls == "dc" else 100
        counts = [0] * 16
        counts[7], counts[8] = len(symbols[:n8]), len(symbols[n8:])
        return bytes([0x00 if cls == "dc" else 0x10] + counts + symbols)

    def number(v):
        s = abs(v).bit_length()
        return s, format(v if v > 0 else v + (1 << s) - 1, f"0{s}b") if s else ""

    bits, last = [], [0] * n

    def block(c, y, x):
        f = np.rint(D @ (planes[c][y : y + 8, x : x + 8] - 128) @ D.T / q).astype(int).reshape(-1)
        z = [int(f[i]) for i in zig]
        s, extra = number(z[0] - last[c])
        last[c] = z[0]
        bits.append(codes["dc", s] + extra)
        run = 0
        for v in z[1:]:
            if v == 0:
                run += 1
                continue
            while run > 15:
                bits.append(codes["ac", 0xF0])
                run -= 16
            s, extra = number(v)
            bits.append(codes["ac", run << 4 | s] + extra)
            run = 0
        if run:
            bits.append(codes["ac", 0])

    for my in range(H // (8 * vmax)):
        for mx in range(W // (8 * hmax)):
            for c, (fh, fv) in enumerate(factors):
                for y in range(fv):
                    for x in range(fh):
                        block(c, 8 * (my * fv + y), 8 * (mx * fh + x))
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    data = bytes(int(stream[i : i + 8], 2) for i in range(0, len(stream), 8)).replace(b"\xff", b"\xff\0")

    def seg(marker, body):
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    return (
        b"\xff\xd8"
        + (seg(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0") if adobe is None else seg(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([adobe])))
        + seg(0xDB, b"\0" + bytes(int(q.reshape(-1)[i]) for i in zig))
        + seg(0xC0, struct.pack(">BHHB", 8, h, w, n) + b"".join(bytes([c + 1, fh << 4 | fv, 0]) for c, (fh, fv) in enumerate(factors)))
        + seg(0xC4, table("dc", dc))
        + seg(0xC4, table("ac", ac))
        + seg(0xDA, bytes([n]) + b"".join(bytes([c + 1, 0]) for c in range(n)) + b"\0\x3f\0")
        + data
        + b"\xff\xd9"
    )


def webps(rng):
    for w, h in ((17, 13), (40, 30)):
        rgb, rgba = Image.fromarray(picture(w, h, 3, rng)), Image.fromarray(picture(w, h, 4, rng))
        yield f"webp lossless {w}x{h}", saved(rgb, "WEBP", lossless=True)
        yield f"webp lossless alpha {w}x{h}", saved(rgba, "WEBP", lossless=True, exact=True)
        yield f"webp lossy {w}x{h}", saved(rgb, "WEBP", quality=80)
        yield f"webp lossy alpha {w}x{h}", saved(rgba, "WEBP", quality=60)
    for w in (1, 2, 3):
        yield f"webp lossy narrow {w}x5", saved(Image.fromarray(picture(w, 5, 3, rng)), "WEBP", quality=90)
    frames = [Image.fromarray(picture(20, 18, 4, rng)) for _ in range(2)]
    yield "webp animated", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    frames = [f.convert("RGB") for f in frames]
    yield "webp animated lossy", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=70)
    exif = Image.Exif()
    exif[0x0112] = 3
    yield "webp with orientation", saved(frames[0], "WEBP", quality=70, exif=exif)


def gifs(rng):
    rgb = Image.fromarray(picture(17, 13, 3, rng))
    p = rgb.quantize(40)
    yield "gif", saved(p, "GIF")
    yield "gif interlaced", saved(Image.fromarray(picture(64, 48, 3, rng)).quantize(90), "GIF", interlace=1)
    yield "gif transparent", saved(p, "GIF", transparency=3)
    yield "gif grey", saved(rgb.convert("L"), "GIF")
    frames = [Image.fromarray(picture(17, 13, 3, rng)).quantize(16) for _ in range(3)]
    yield "gif animated", saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    b = bytearray(saved(p, "GIF", transparency=3, interlace=0))
    b[6:10] = struct.pack("<HH", 21, 16)  # a canvas larger than the frame
    yield "gif frame smaller than canvas", bytes(b)
    b[6:10] = struct.pack("<HH", 5, 5)
    yield "gif frame larger than canvas", bytes(b)


def bmps(rng):
    rgb = Image.fromarray(picture(17, 13, 3, rng))
    yield "bmp 24", saved(rgb, "BMP")
    yield "bmp grey", saved(rgb.convert("L"), "BMP")
    yield "bmp palette", saved(rgb.quantize(40), "BMP")
    yield "bmp 1", saved(rgb.convert("1"), "BMP")
    yield "bmp 32 masks", saved(Image.fromarray(picture(17, 13, 4, rng)), "BMP")

    def raw(bits, body, compression=0, height=13, masks=b"", palette=b"", colours=0):
        off = 54 + len(masks) + len(palette)
        head = struct.pack("<2sIHHI", b"BM", off + len(body), 0, 0, off)
        head += struct.pack("<IiiHHIIiiII", 40, 17, height, 1, bits, compression, len(body), 0, 0, colours, 0)
        return head + masks + palette + body

    noise = lambda n: rng.integers(0, 256, n, dtype=np.uint8).tobytes()
    yield "bmp 32", raw(32, noise(17 * 4 * 13))
    yield "bmp 16 555", raw(16, noise(36 * 13))
    yield "bmp 16 565", raw(16, noise(36 * 13), 3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    yield "bmp top down", raw(24, noise(52 * 13), height=-13)
    yield "bmp 4", raw(4, noise(12 * 13), palette=noise(64))
    yield "bmp 1 coloured", raw(1, noise(4 * 13), palette=noise(8))
    yield "bmp 8 short palette", raw(8, noise(20 * 13), palette=noise(4 * 100), colours=100)


def tiffs(rng):
    rgb = Image.fromarray(picture(17, 13, 3, rng))
    wide = rng.integers(0, 65536, (13, 17), dtype=np.uint16)
    for c in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield f"tiff rgb {c}", saved(rgb, "TIFF", compression=c)
    yield "tiff rgba", saved(Image.fromarray(picture(17, 13, 4, rng)), "TIFF")
    yield "tiff grey", saved(rgb.convert("L"), "TIFF")
    yield "tiff 1", saved(rgb.convert("1"), "TIFF")
    yield "tiff group4", saved(rgb.convert("1"), "TIFF", compression="group4")
    yield "tiff palette", saved(rgb.quantize(40), "TIFF")
    yield "tiff 16", saved(Image.fromarray(wide), "TIFF")
    yield "tiff 16 big endian", saved(Image.fromarray(wide.astype(">u2")), "TIFF")
    yield "tiff orientation 6", saved(rgb, "TIFF", tiffinfo={274: 6})
    yield "tiff orientation 4", saved(rgb, "TIFF", tiffinfo={274: 4})
    premultiplied = picture(17, 13, 4, rng)
    premultiplied[0, :5, 3] = (0, 1, 2, 128, 255)
    yield "tiff premultiplied", saved(Image.fromarray(premultiplied), "TIFF", tiffinfo={338: 1})


def avifs(rng):
    for w, h in ((17, 13), (34, 26)):
        rgb = Image.fromarray(smooth(w, h, rng))
        for sub in ("4:4:4", "4:2:2", "4:2:0"):
            yield f"avif {sub} {w}x{h}", saved(rgb, "AVIF", quality=90, subsampling=sub)
    yield "avif grey", saved(rgb.convert("L"), "AVIF", quality=90)
    rgba = picture(24, 20, 4, rng)
    rgba[:, :9, 3] = 0
    yield "avif alpha", saved(Image.fromarray(rgba), "AVIF", quality=90, subsampling="4:4:4")
    yield "avif studio range", saved(rgb, "AVIF", quality=90, range="limited", subsampling="4:4:4")
    yield "avif rough", saved(Image.fromarray(picture(17, 13, 3, rng)), "AVIF", quality=90, subsampling="4:4:4")
    frames = [Image.fromarray(smooth(20, 18, rng)) for _ in range(2)]
    yield "avif animated", saved(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    for o in (2, 3, 4, 5, 6, 7, 8):
        exif = Image.Exif()
        exif[0x0112] = o
        yield f"avif orientation {o}", saved(Image.fromarray(smooth(9, 7, rng)), "AVIF", quality=50, exif=exif)


def heics(rng):
    for w, h in ((17, 13), (34, 26)):
        rgb = Image.fromarray(smooth(w, h, rng))
        for sub in ("444", "420") if w % 2 else ("444", "422", "420"):
            yield f"heic {sub} {w}x{h}", saved(rgb, "HEIF", quality=90, chroma=sub)
    yield "heic grey", saved(rgb.convert("L"), "HEIF", quality=90)
    rgba = np.dstack([smooth(17, 13, rng), picture(17, 13, 1, rng)])
    yield "heic 444 alpha", saved(Image.fromarray(rgba), "HEIF", quality=90, chroma="444")
    yield "heic studio range", saved(Image.fromarray(smooth(17, 13, rng)), "HEIF", quality=90, chroma="444", matrix_coefficients=1, full_range_flag=0)
    for o in (2, 3, 4, 5, 6, 7, 8):
        exif = Image.Exif()
        exif[0x0112] = o
        yield f"heic 444 orientation {o}", saved(Image.fromarray(smooth(9, 7, rng)), "HEIF", quality=50, chroma="444", exif=exif)


def jxls(rng):
    for w, h in ((17, 13), (34, 26)):
        rgb = Image.fromarray(smooth(w, h, rng))
        yield f"jxl lossless {w}x{h}", saved(rgb, "JXL", lossless=True)
        yield f"jxl lossy {w}x{h}", saved(rgb, "JXL", quality=80)
    yield "jxl lossless alpha", saved(Image.fromarray(picture(17, 13, 4, rng)), "JXL", lossless=True)
    yield "jxl lossless grey", saved(rgb.convert("L"), "JXL", lossless=True)
    yield "jxl container", saved(rgb, "JXL", lossless=True, use_container=True)


EXACT = ("png", "jpeg", "gif", "bmp", "tiff", "webp")


def case(name, data):
    im = Image.open(io.BytesIO(data))
    fmt = name.split()[0]
    orientation = im.getexif().get(0x0112, 1)
    if fmt in ("tiff", "heic", "jxl"):
        orientation = 1  # loading turns the pixels
    im.load()
    rgb = im.convert("RGB")
    mode = im.mode
    if mode == "I;16B":
        mode = "I;16"
        im = Image.fromarray(np.asarray(im).astype("<u2"))
    if fmt == "heic" and mode == "RGBA":
        mode = "RGB"  # the WebAssembly decoder delivers no alpha
    c = {"name": name, "format": fmt, "width": im.size[0], "height": im.size[1], "mode": mode, "orientation": orientation, "file": b64(data)}
    if mode == "1":
        im = im.convert("L")  # numpy would give booleans
    if fmt in EXACT:
        c |= {"raw": sha(im), "rgb": sha(rgb), "grey": sha(rgb.convert("L") if mode == "CMYK" else im.convert("L"))}
        if mode == "P":
            c["rgba"] = sha(im.convert("RGBA"))
    else:
        c["samples"] = delta(np.asarray(rgb if fmt == "heic" and mode != "L" else im))
    return c


def real(folder):
    import glob

    for pattern in REAL:
        paths = sorted(glob.glob(os.path.join(folder, pattern)))
        for path in paths[:: max(1, len(paths) // 4)][:4]:
            with open(path, "rb") as f:
                data = f.read()
            im = Image.open(io.BytesIO(data))
            rgb = im.convert("RGB")
            a = np.asarray(rgb)
            h, w = a.shape[:2]
            c = {"path": os.path.relpath(path, folder).replace(os.sep, "/"), "file": hashlib.sha256(data).hexdigest()}
            c |= {"format": im.format.lower(), "mode": im.mode, "width": w, "height": h, "rgb": sha(rgb)}
            yield c


def main():
    rng = np.random.default_rng(SEED)
    cases = [case(n, d) for make in (pngs, jpegs, webps, gifs, bmps, tiffs, avifs, heics, jxls) for n, d in make(rng)]
    with open(sys.argv[1], "w") as f:
        json.dump({"pillow": "13.0.0", "cases": cases}, f, indent=0)
        f.write("\n")
    if len(sys.argv) > 3:
        with open(sys.argv[2], "w") as f:
            json.dump({"pillow": "13.0.0", "files": list(real(sys.argv[3]))}, f, indent=0)
            f.write("\n")


if __name__ == "__main__":
    main()
