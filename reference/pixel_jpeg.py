"""Golden values for package pixel's JPEG decoder.

Makes small JPEG files, with Pillow and with the encoder below for what Pillow
cannot write (other sampling factors, scans of single components, coefficients
that no picture has), and records the SHA-256 of the bytes that Pillow reads back.

Pinned: Python 3.11, numpy 2.4.6, Pillow 13.0.0 (libjpeg-turbo 3.2.0), on x86-64
with SSE2 or AVX2. Seed: 20260102.

    python -m venv venv
    venv/bin/pip install numpy==2.4.6 pillow==13.0.0
    venv/bin/python reference/pixel_jpeg.py pixel/testdata/jpeg.json

With a second path, and the folder of outside pictures as third argument, it also
lists what Pillow reads from every JPEG file in that folder. The hashes in that
list are cut to 16 digits: it holds hundreds.
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

SEED = 20260102

# Zigzag order: along the diagonals, up those whose number is even.
ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))


def picture(w, h, channels, rng):
    """Gradients, an edge and noise: all that chroma filters and DCT react to."""
    y, x = np.mgrid[0:h, 0:w]
    out = np.zeros((h, w, channels))
    for c in range(channels):
        out[..., c] = 127 + 90 * np.sin(x / (3 + 2 * c)) * np.cos(y / (4 + c)) + 2 * rng.standard_normal((h, w))
        out[..., c] += 60 * ((x + (c + 1) * y) % 23 < 5)
    return np.clip(out, 0, 255).astype(np.uint8)


def saved(im, **options):
    b = io.BytesIO()
    im.save(b, "JPEG", **options)
    return b.getvalue()


def seg(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


# One Huffman table of each class for all files: codes of 8 bits for the first
# 100 symbols and of 9 for the others, so that a code is a symbol's rank.
DC = list(range(16))
AC = [0x00, 0xF0] + [r << 4 | s for s in range(1, 16) for r in range(16)]


def code(symbols, s):
    i = symbols.index(s)
    return format(i, "08b") if i < 100 else format(100 + i, "09b")


DC_CODES = {s: code(DC, s) for s in DC}
AC_CODES = {s: code(AC, s) for s in AC}


def table(cls, symbols):
    counts = [0] * 16
    counts[7], counts[8] = min(100, len(symbols)), max(0, len(symbols) - 100)
    return seg(0xC4, bytes([cls << 4] + counts + symbols))


def number(v):
    s = abs(v).bit_length()
    return s, format(v if v > 0 else v + (1 << s) - 1, f"0{s}b") if s else ""


def block_bits(z, last):
    """The bits of one block, coefficients in zigzag order; last is the DC before."""
    s, extra = number(z[0] - last)
    out, run = [DC_CODES[s] + extra], 0
    for v in z[1:]:
        if v == 0:
            run += 1
            continue
        while run > 15:
            out.append(AC_CODES[0xF0])
            run -= 16
        s, extra = number(v)
        out.append(AC_CODES[run << 4 | s] + extra)
        run = 0
    if run:
        out.append(AC_CODES[0])
    return "".join(out)


def stuffed(bits):
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")


class Frame:
    """Quantised coefficients of a w×h picture: coefs[c] has the shape (rows of
    blocks, blocks in a row, 64), padded to whole units, in zigzag order."""

    def __init__(self, w, h, factors, coefs=None):
        self.w, self.h, self.factors, self.coefs = w, h, factors, coefs
        self.hmax, self.vmax = max(f[0] for f in factors), max(f[1] for f in factors)
        self.mx, self.my = -(-w // (8 * self.hmax)), -(-h // (8 * self.vmax))

    def shapes(self):
        return [(self.my * v, self.mx * h) for h, v in self.factors]

    def transform(self, samples, q):
        """Sets the coefficients to those of a picture, quantised by q."""
        W, H = self.mx * 8 * self.hmax, self.my * 8 * self.vmax
        samples = np.pad(samples.astype(float), ((0, H - self.h), (0, W - self.w), (0, 0)), "edge")
        k = np.arange(8)
        D = np.sqrt(2 / 8) * np.cos((2 * k[None] + 1) * k[:, None] * np.pi / 16)
        D[0] /= np.sqrt(2)
        self.coefs = []
        for c, (fh, fv) in enumerate(self.factors):
            sh, sv = self.hmax // fh, self.vmax // fv
            p = samples[..., c].reshape(H // sv, sv, W // sh, sh).mean((1, 3)) - 128
            p = p.reshape(self.my * fv, 8, self.mx * fh, 8).swapaxes(1, 2)
            f = (D @ p @ D.T).reshape(*p.shape[:2], 64)[..., ZIGZAG]
            self.coefs.append(np.rint(f / q).astype(int))
        return self

    def scan(self, comps, interval=0):
        """The SOS segment and data of a scan of some components."""
        order = []
        if len(comps) == 1:
            fh, fv = self.factors[comps[0]]
            if len(self.factors) == 1:
                fh, fv = self.hmax, self.vmax
            for y in range(-(-self.h * fv // (8 * self.vmax))):
                for x in range(-(-self.w * fh // (8 * self.hmax))):
                    order.append([(comps[0], y, x)])
        else:
            for y in range(self.my):
                for x in range(self.mx):
                    order.append([(c, y * fv + v, x * fh + u) for c in comps for fh, fv in [self.factors[c]] for v in range(fv) for u in range(fh)])
        out, bits, last = b"", [], [0] * 4
        for i, unit in enumerate(order):
            if interval and i and i % interval == 0:
                out += stuffed("".join(bits)) + bytes([0xFF, 0xD0 + (i // interval - 1) % 8])
                bits, last = [], [0] * 4
            for c, y, x in unit:
                z = [int(v) for v in self.coefs[c][y, x]]
                bits.append(block_bits(z, last[c]))
                last[c] = z[0]
        head = bytes([len(comps)]) + b"".join(bytes([self.ids[c], 0]) for c in comps) + b"\0\x3f\0"
        return seg(0xDA, head) + out + stuffed("".join(bits))

    def file(self, tables, scans=None, tq=None, app=b"", interval=0, ids=None, sof=0xC0, between=None):
        """A whole file. tables are rows of 64 numbers, between goes before each scan but the first."""
        n = len(self.factors)
        self.ids = ids or [c + 1 for c in range(n)]
        out = b"\xff\xd8" + app
        for i, q in enumerate(tables):
            wide = max(q) > 255
            out += seg(0xDB, bytes([wide << 4 | i]) + struct.pack(">64H" if wide else ">64B", *q))
        out += seg(sof, struct.pack(">BHHB", 8, self.h, self.w, n) + b"".join(bytes([self.ids[c], fh << 4 | fv, (tq or [0] * n)[c]]) for c, (fh, fv) in enumerate(self.factors)))
        out += table(0, DC) + table(1, AC)
        if interval:
            out += seg(0xDD, struct.pack(">H", interval))
        for i, comps in enumerate(scans or [range(n)]):
            if i and between:
                out += between[i - 1]
            out += self.scan(list(comps), interval)
        return out + b"\xff\xd9"


JFIF = seg(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
FLAT = [6] * 64
YCC = {"440": [(1, 2), (1, 1), (1, 1)], "411": [(4, 1), (1, 1), (1, 1)], "410": [(4, 2), (1, 1), (1, 1)], "1x4": [(1, 4), (1, 1), (1, 1)],
       "3x1": [(3, 1), (1, 1), (1, 1)], "3x2": [(3, 2), (1, 1), (1, 1)], "421": [(2, 2), (2, 1), (1, 2)], "luma halved": [(1, 1), (2, 2), (2, 2)], "doubled": [(2, 1), (2, 1), (2, 1)],
       "1x4 2": [(1, 4), (1, 2), (1, 2)], "4x1 2": [(4, 1), (2, 1), (2, 1)]}  # fmt: skip
SIZES = [(1, 1), (7, 9), (8, 8), (9, 7), (16, 16), (17, 33), (33, 17), (31, 2), (2, 31), (3, 40), (5, 1), (1, 5), (4, 4), (49, 25)]


def adobe(transform):
    return seg(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def ordinary(rng):
    """What Pillow writes: qualities, sizes, coding modes."""
    for q in range(1, 101):
        w, h = SIZES[q % len(SIZES)]
        rgb = Image.fromarray(picture(w + 8, h + 8, 3, rng))
        sub = q % 4
        im = rgb.convert("L") if sub == 3 else rgb
        yield f"quality {q} {im.mode} {sub}", saved(im, quality=q, subsampling=min(sub, 2), optimize=True)
    for w, h in SIZES:
        rgb = Image.fromarray(picture(w, h, 3, rng))
        for sub in ("4:4:4", "4:2:2", "4:2:0"):
            yield f"{w}x{h} {sub}", saved(rgb, quality=85, subsampling=sub)
            yield f"{w}x{h} {sub} progressive", saved(rgb, quality=85, subsampling=sub, progressive=True)
        yield f"{w}x{h} grey", saved(rgb.convert("L"), quality=85, optimize=True)
        yield f"{w}x{h} grey progressive", saved(rgb.convert("L"), quality=85, progressive=True)
    noise = rng.integers(0, 256, (27, 27, 3), dtype=np.uint8)
    checks = np.indices((27, 27)).sum(0)[..., None] % 2 * np.array([255, 255, 0]) + np.array([0, 0, 255])
    for name, a in (("noise", noise), ("checks", checks.astype(np.uint8))):
        for q in (1, 50, 100):
            for sub in ("4:4:4", "4:2:0"):
                for progressive in (False, True):
                    yield f"{name} quality {q} {sub} {progressive}", saved(Image.fromarray(a), quality=q, subsampling=sub, progressive=progressive)
    for n in (1, 2, 3, 7):
        im = Image.fromarray(picture(75, 43, 3, rng))
        yield f"restart {n}", saved(im, quality=75, restart_marker_blocks=n)
        yield f"restart {n} progressive", saved(im, quality=75, restart_marker_blocks=n, progressive=True)
        yield f"restart rows {n}", saved(im, quality=75, subsampling=0, restart_marker_rows=n, optimize=True)
    yield "rgb", saved(im, quality=90, keep_rgb=True)
    yield "rgb progressive", saved(im, quality=90, keep_rgb=True, progressive=True)
    cmyk = Image.fromarray(picture(25, 21, 4, rng), "CMYK")
    yield "cmyk", saved(cmyk, quality=90)
    yield "cmyk progressive", saved(cmyk, quality=90, progressive=True)
    flat = Image.new("RGB", (640, 300), (200, 30, 90))  # long end-of-band runs
    flat.paste(im, (500, 200))
    yield "flat progressive", saved(flat, quality=80, progressive=True)


def unusual(rng):
    """Layouts and markers that Pillow does not write."""
    for name, factors in YCC.items():
        for w, h in ((1, 1), (7, 9), (17, 33), (50, 19)):
            yield f"{name} {w}x{h}", Frame(w, h, factors).transform(picture(w, h, 3, rng), 6).file([FLAT], app=JFIF)
    a = picture(45, 37, 3, rng)
    f420 = Frame(45, 37, [(2, 2), (1, 1), (1, 1)]).transform(a, 6)
    f444 = Frame(45, 37, [(1, 1)] * 3).transform(a, 6)
    grey = Frame(45, 37, [(2, 2)])
    grey.mx, grey.my, grey.hmax, grey.vmax = 6, 5, 1, 1
    grey.factors = [(1, 1)]
    grey.transform(a, 6).factors = [(2, 2)]
    yield "grey with factors 2x2", grey.file([FLAT])
    yield "scans of single components", f420.file([FLAT], [[0], [1], [2]], app=JFIF)
    yield "scans of single components, restarts", f420.file([FLAT], [[2], [0], [1]], app=JFIF, interval=3)
    yield "two scans", f420.file([FLAT], [[0], [1, 2]], app=JFIF)
    other = seg(0xDB, b"\0" + bytes([30] * 64))
    yield "table changed between scans", f420.file([FLAT], [[0], [1], [2]], app=JFIF, between=[other, b""])
    yield "table changed after its scan", f420.file([FLAT], [[0], [1], [2]], app=JFIF, between=[b"", other])
    yield "extended sequential", f420.file([FLAT], app=JFIF, sof=0xC1)
    yield "wide tables", f420.file([[300] + [6] * 63, [6] * 63 + [1000]], app=JFIF, tq=[0, 1, 1], sof=0xC1)
    for t in (0, 1, 2):
        yield f"adobe {t}", f444.file([FLAT], app=adobe(t))
        yield f"adobe {t} 420", f420.file([FLAT], app=adobe(t))
        yield f"adobe {t} and jfif", f444.file([FLAT], app=JFIF + adobe(t))
        yield f"adobe {t} called RGB", f444.file([FLAT], app=adobe(t), ids=[82, 71, 66])
    yield "short jfif", f444.file([FLAT], app=seg(0xE0, b"JFIF\0\1\1\0\0\1\0\1") + adobe(0))
    yield "short adobe", f444.file([FLAT], app=seg(0xEE, b"Adobe\0\x64\0\0\0\0"))
    yield "no application segment", f444.file([FLAT])
    yield "called RGB", f444.file([FLAT], ids=[82, 71, 66])
    yield "called RGB 420", f420.file([FLAT], ids=[82, 71, 66])
    yield "numbered from 0", f420.file([FLAT], ids=[0, 1, 2])
    yield "comments and fill bytes", f420.file([FLAT], app=b"\xff\xff\xff" + JFIF + seg(0xFE, b"hello") + b"\xff" + seg(0xE5, b"\xff\xd8\xff"))
    late = saved(Image.fromarray(a), quality=80, progressive=True)
    at = late.rindex(b"\xff\xda")  # after the table was used: too late to count
    yield "table changed before the last progressive scan", late[:at] + other + late[at:]
    past = DC_CODES[0] + 3 * AC_CODES[0xF0] + AC_CODES[0xF5] + "11111"  # the coefficient's index is 64
    lone = Frame(8, 8, [(1, 1)], [np.zeros((1, 1, 64), int)])
    whole = lone.file([FLAT])
    yield "run past the end", whole.replace(stuffed(DC_CODES[0] + AC_CODES[0]) + b"\xff\xd9", stuffed(past) + b"\xff\xd9")
    b = picture(25, 21, 4, rng)
    for name, factors in (("444", [(1, 1)] * 4), ("420", [(2, 2), (1, 1), (1, 1), (2, 2)]), ("422", [(2, 1), (1, 1), (1, 1), (2, 1)]), ("k", [(2, 2), (2, 2), (1, 1), (1, 1)])):
        f = Frame(25, 21, factors).transform(b, 6)
        for app in (b"", adobe(0), adobe(1), adobe(2)):
            yield f"four {name} {app[-1:]!r}", f.file([FLAT], app=app)


def extreme(rng):
    """Coefficients that no picture has, which overflow the arithmetic."""
    for limit in (50, 500, 2047, 32767):
        for q in (1, 16, 255, 4000, 65535):
            for density in (0, 0.02, 0.2, 1):
                f = Frame(24, 16, [(1, 1)])
                z = rng.integers(-limit, limit + 1, (2, 3, 64)) * (rng.random((2, 3, 64)) < density)
                z[..., 0] = rng.integers(-limit // 2, limit // 2 + 1, (2, 3))
                f.coefs = [z]
                yield f"extreme {limit} {q} {density}", f.file([[q] * 64])
        # Only the first row of coefficients, or the first column.
        for name, keep in (("row", [i < 8 for i in ZIGZAG]), ("column", [i % 8 == 0 for i in ZIGZAG])):
            f = Frame(24, 16, [(1, 1)])
            z = rng.integers(-limit, limit + 1, (2, 3, 64)) * np.array(keep)
            z[..., 0] //= 2
            f.coefs = [z]
            yield f"extreme {name} {limit}", f.file([[16] * 64])


def read(data):
    im = Image.open(io.BytesIO(data))
    im.load()
    return im


def main():
    rng = np.random.default_rng(SEED)
    cases, files = [], b""
    for make in (ordinary, unusual, extreme):
        for name, data in make(rng):
            im = read(data)
            cases.append({"name": name, "size": len(data), "width": im.width, "height": im.height, "mode": im.mode, "pixels": hashlib.sha256(im.tobytes()).hexdigest()})
            files += data
    with open(sys.argv[1], "w") as f:
        packed = base64.b64encode(zlib.compress(files, 9)).decode()
        json.dump({"pillow": "13.0.0", "files": packed, "cases": cases}, f, indent=0)
        f.write("\n")
    if len(sys.argv) > 3:
        folder, found = sys.argv[3], {}
        for root, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(root, name)
                if not name.lower().endswith((".jpg", ".jpeg")):
                    continue
                with open(path, "rb") as f:
                    data = f.read()
                key = os.path.relpath(path, folder).replace(os.sep, "/")
                found[key] = hashlib.sha256(data).hexdigest()[:16] + " " + hashlib.sha256(read(data).convert("RGB").tobytes()).hexdigest()[:16]
        with open(sys.argv[2], "w") as f:
            json.dump({"pillow": "13.0.0", "files": dict(sorted(found.items()))}, f, indent=0)
            f.write("\n")


if __name__ == "__main__":
    main()
