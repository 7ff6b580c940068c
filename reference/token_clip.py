"""CLIP token ids by the authors' own tokenizers, and the tables of package token.

  python reference/token_clip.py tables token/tables.txt
  python reference/token_clip.py golden token/testdata VOCABULARY

`tables` writes the character tables package token embeds: they are the tables of
the reference below, so they never change with the Go version. `golden` writes
token/testdata/clip.jsonl.gz: 20,000 strings of a fixed seed, what cleaning makes of
them and their ids in three tokenizers, as hashes for all and in full for some.
VOCABULARY is bpe_simple_vocab_16e6.txt.gz, as the wheels below carry it.

Made with CPython 3.11.7 (unicodedata 14.0.0), ftfy 6.3.1, regex 2026.11.19 (Unicode
18.0), clip-anytorch 2.6.0 (its simple_tokenizer.py is openai/CLIP's, unchanged),
open_clip_torch 3.3.0, transformers 5.24.0, tokenizers 0.23.3. open_clip_torch and
clip-anytorch need only their tokenizer modules: install them with --no-deps, and
where torch is absent a stand-in of its name is enough.
"""

import gzip
import hashlib
import html
import html.entities
import importlib.util
import json
import os
import random
import sys
import types
import unicodedata

import ftfy
import ftfy.badness
import ftfy.chardata
import regex

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


# --- tables -----------------------------------------------------------------


def ranges(points):
    """Sorted code points as 'lo-hi' words, a single one as 'lo'."""
    out, points = [], sorted(points)
    i = 0
    while i < len(points):
        j = i
        while j + 1 < len(points) and points[j + 1] == points[j] + 1:
            j += 1
        out.append("%x" % points[i] if i == j else "%x-%x" % (points[i], points[j]))
        i = j + 1
    return out


def valued(pairs):
    """(code point, value) pairs as 'lo-hi:value' words; '/2' after hi means every second one."""
    out, pairs = [], sorted(pairs)
    i = 0
    while i < len(pairs):
        best = (1, i)
        for stride in (1, 2):
            j = i
            while j + 1 < len(pairs) and pairs[j + 1] == (pairs[j][0] + stride, pairs[i][1]):
                j += 1
            if j > best[1]:
                best = (stride, j)
        stride, j = best
        lo, hi, v = pairs[i][0], pairs[j][0], pairs[i][1]
        word = "%x" % lo if lo == hi else "%x-%x" % (lo, hi) + ("/2" if stride == 2 else "")
        out.append("%s:%d" % (word, v))
        i = j + 1
    return out


def class_points(text):
    """The code points of the inside of a regex character class."""
    pattern = regex.compile("[%s]" % text)
    return [c for c in ALL if pattern.match(chr(c))]


def points(text):
    return ",".join("%x" % ord(c) for c in text)


def sections():
    letter, number, space = (regex.compile(p, regex.I) for p in (r"[\p{L}]", r"[\p{N}]", r"\s"))
    yield "letter", ranges(c for c in ALL if letter.match(chr(c)))
    yield "number", ranges(c for c in ALL if number.match(chr(c)))
    yield "space", ranges(c for c in ALL if space.match(chr(c)))
    yield "word", ranges(c for c in ALL if chr(c).isalnum() or chr(c) == "_")
    yield "decimal", ranges(c for c in ALL if chr(c).isdecimal())
    yield "blank", ranges(c for c in ALL if chr(c).isspace())
    lower = [(c, ord(chr(c).lower()) - c) for c in ALL if len(chr(c).lower()) == 1 and chr(c).lower() != chr(c)]
    yield "lower", valued(lower)
    # Whether a character counts for the final sigma shows in what lower() does
    # with a sigma after it.
    cased = {c for c in ALL if (chr(c) + "Σ").lower().endswith("ς")}
    yield "cased", ranges(cased)
    yield "ignorable", ranges(c for c in ALL if c not in cased and ("A" + chr(c) + "Σ").lower().endswith("ς"))
    yield "ccc", valued((c, unicodedata.combining(chr(c))) for c in ALL if unicodedata.combining(chr(c)))
    decompositions = []
    for c in ALL:
        d = unicodedata.decomposition(chr(c))
        if d and not d.startswith("<"):
            to = "".join(chr(int(x, 16)) for x in d.split())
            mark = "=" if unicodedata.normalize("NFC", to) == chr(c) else "!"
            decompositions.append("%x%s%s" % (c, mark, points(to)))
    yield "decomposition", decompositions
    yield from hugging_face(decompositions)
    yield "width", ["%x=%s" % (k, points(v)) for k, v in ftfy.chardata.WIDTH_MAP.items()]
    yield "ligature", ["%x=%s" % (k, points(v)) for k, v in ftfy.chardata.LIGATURES.items()]
    for encoding in ftfy.chardata.CHARMAP_ENCODINGS:
        decoded = bytes(range(256)).decode(encoding)
        assert decoded[:0x1A] == bytes(range(0x1A)).decode("ascii") and len(set(decoded)) == 256
        yield "encoding " + encoding, ["%x" % ord(c) for c in decoded[0x80:]]
    for name, text in ftfy.badness.MOJIBAKE_CATEGORIES.items():
        yield "category " + name, ranges(class_points(text))
    for name, text in ftfy.chardata.UTF8_CLUES.items():
        yield "clue " + name, ranges(class_points(text))
    html5 = html.entities.html5
    yield "entity", ["%s=%s" % (k, points(v)) for k, v in sorted(html5.items())]
    more = {k[1:]: v for k, v in ftfy.chardata.HTML_ENTITIES.items() if k[1:] not in html5}
    yield "upper-entity", ["%s=%s" % (k, points(v)) for k, v in sorted(more.items())]


def hugging_face(decompositions):
    """Where the tables inside the tokenizers package are others than Python's."""
    from tokenizers import Regex, normalizers
    nfc, low = normalizers.NFC().normalize_str, normalizers.Lowercase().normalize_str
    late = []  # its normalizer does not know them
    for c in ALL:
        k = unicodedata.combining(chr(c))
        probe = "Q" + chr(c) + "\u0334" if k > 1 else "Q\u0323" + chr(c)
        if k and nfc(probe) != unicodedata.normalize("NFC", probe):
            late.append(c)
    for d in decompositions:
        c = int(regex.split("[=!]", d)[0], 16)
        apart = unicodedata.normalize("NFD", chr(c))
        if nfc(apart) != unicodedata.normalize("NFC", apart):
            late.append(c)
    yield "late", ranges(late)
    for name, pattern in (("other-letter", r"[\p{L}]"), ("other-number", r"[\p{N}]")):
        gone = normalizers.Replace(Regex(pattern), "").normalize_str
        yield name, ranges(c for c in ALL if (gone(chr(c)) == "") != bool(regex.match(pattern, chr(c))))
    yield "other-lower", valued((c, ord(low(chr(c))) - c) for c in ALL if low(chr(c)) != chr(c).lower())


def tables(path):
    with open(path, "w") as f:
        f.write("# Character tables of the reference tokenizers, hexadecimal; made by reference/token_clip.py.\n")
        import tokenizers
        f.write("# CPython %s (Unicode %s), regex %s, ftfy %s, tokenizers %s\n" % (
            sys.version.split()[0], unicodedata.unidata_version, regex.__version__, ftfy.__version__, tokenizers.__version__))
        for name, words in sections():
            f.write("[%s]\n" % name)
            line = ""
            for word in words:
                if len(line) + len(word) > 118:
                    f.write(line + "\n")
                    line = ""
                line += (" " if line else "") + word
            f.write(line + "\n")


# --- strings ----------------------------------------------------------------

VECTORS = [
    "Hello World!", "a photo of a cat", "a diagram",
    "A photo depicts an orange cat and a grey cat are lying together.", "You should've done this",
    "résumé", "rÃ©sumÃ©", "“smart quotes” — it’s", "ＬＯＵＤ　ＮＯＩＳＥＳ", "2023-10-05 12:30", "emoji 😀👍🏽",
    "ΟΔΥΣΣΕΥΣ", "İstanbul", "x²+y³=½", "&amp;lt;b&amp;gt; 2 &lt; 3", "<|startoftext|> hi <|endoftext|>",
]

# The prompts of simulacra-aesthetic-models (JD Pressman, MIT) and others in the same manner.
PROMPTS = """Abyss swallowed the moon detailed digital space art trending on artstation
Bin make of plastic on a countertop officesupplies hdphotography
Elven owl portrait wlop artgerm rossdraws  Ross Tran Bo Chen Rebecca Oborn Michael Whelan tom bagshaw Margarita Kareva Susan Schroder Sarah Ann Loreth ArtStation CGsociety
Grooving with the eternal now detailed digital art by Jonathan Solter pixiv artstation
Her flowers dying in the window the city screams like heavens gone haunted expressionist painting trending on artstation
Monsters Under The Bed
The tryptamine abyss oil painting trending on artstation
Young Arab boy in yellow robes walking into a desert of ashes.   concept art marc simonetti james tissot nekro phil hale. hd
a massive deactivated robot covered in moss in a forest clearing concept art by anton fadeev and marc simonetti and simon stalenhag trending on artstation cgsociety
a portrait of someone in a car
a sloth sitting like a human drinking tea 1940s style
childrens drawing of a monster
emotional support puppet on trial for fraud and elder abuse live courtroom coverage on CSPAN
intaglio vintage stamp portrait of Cyborg Robot Michael Jordan Greg Rutkowski James Gilleard Ishbel Myerscough Scott Radke Jean-Baptiste Monge jakub rozalski by Belacqua
kangaroo fight with conor McGregor in MMA style
megastructure appears over city time frozen. Hypperealist symmetrical dramatic cinematic composition environment scene poster illustration by John Harris
orange tabby cat wearing a green wig by scott christian sava
subsurface scattering
the thundering joy of the divine observer Alphonse Mucha looking from above incredible amazingly beautiful oil painting smooth concept art 4k matte painting by greg rutkowski thomas kinkade Ted Nasmith key art artstation
three long fingers on one hand
masterpiece, best quality, 1girl, (long hair:1.3), looking at viewer, [[lowres]], cherry blossoms, <lora:style:0.8>
A cinematic shot of a baby racoon wearing an intricate italian priest robe.
photo of a rhino dressed suit and tie sitting at a table in a bar with a bar stools, award winning photography, Elke vogelsang
“Portrait of a woman — 1920’s”, f/2.8, ISO 100, 85mm; don't crop!!!
an oil painting of Mt. Fuji at 5:30am, by Hokusai & friends; 50% clouds""".split("\n")

WORDS = (
    "portrait landscape castle dragon forest ocean neon cyberpunk watercolor oil painting photograph render studio "
    "lighting golden hour bokeh 85mm f/1.8 35mm film grain 4k 8k uhd hdr masterpiece best quality highly detailed "
    "intricate ornate baroque art nouveau ukiyo-e isometric low-poly voxel pixel-art vaporwave steampunk girl boy "
    "cat dog astronaut horse teapot mountain river night morning fog rain snow red blue green (red:1.2) [blurry] "
    "<lora:add_detail:0.6> {a|b|c} ((sharp)) --ar 16:9 --v 5 by Greg Rutkowski trending on artstation don't it's "
    "we've they'll I'm he'd you're cat's L'été NAÏVE Ångström façade jalapeño über coöperate Dvořák Łódź ½ ¼ 10³ №5"
).split(" ")

PHRASES = """The quick brown fox — “jumps” over the lazy dog…
L’été à la plage, où l’œuvre naïve coûte 25 € — déjà vu
Falsches Üben von Xylophonmusik quält jeden größeren Zwerg
El pingüino Wenceslao hizo kilómetros ¿y qué? ¡Olé!
À noite, vovô Kowalsky vê o ímã cair no pé do pinguim; às vezes àquela
Zażółć gęślą jaźń Pchnąć w tę łódź jeża lub ośm skrzyń fig
Příliš žluťoučký kůň úpěl ďábelské ódy
Árvíztűrő tükörfúrógép
Muzicologă în bej vând whisky și tequila, preț fix
Pijamalı hasta yağız şoföre çabucak güvendi İIıiŞşĞğ
Glāžšķūņa rūķīši dzērumā čiepj Baha koncertflīģeļu vākus
Įlinkdama fechtuotojo špaga sublykčiojusi pragręžė apvalų arbūzą
Съешь ещё этих мягких французских булок, да выпей чаю
Чуєш їх, доцю, га? Кумедна ж ти, прощайся без ґольфів!
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία ΟΔΥΣΣΕΥΣ Σ ΣΑΣ σας’Σ
דג סקרן שט בים מאוכזב ולפתע מצא חברה שָׁלוֹם
نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر
いろはにほへと ちりぬるを ｶﾞｷﾞｸﾞ ﾊﾟﾋﾟ 日本語のテキスト
天地玄黃 宇宙洪荒 日月盈昃 辰宿列張
키스의 고유조건은 입술끼리 만나야 하고 ﾡﾤﾷￂￇ
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า
Tiếng Việt: Kính gửi quý khách, ngày hết hạn
𝒥ohn ℋancock 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ⅷ Ⅷ ⓐ ① ㊀ ㎏ ﬁﬂﬀﬃﬄﬅﬆ Ĳĳŉ Ǆǅǆ
😀👍🏽 👩‍👩‍👧‍👦 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇯🇵 ☺️ 1️⃣ ❤️‍🔥
± ² ³ µ ¶ · ¹ º » ¼ ½ ¾ ¿ × ÷ ¢£¥€ © ® ™ † ‡ • ‰ ‹› √ ∫ ≈ ≠ ◊
¯\\_(ツ)_/¯ (╯°□°)╯︵ ┻━┻ ʕ•ᴥ•ʔ ┌(ò_ó)┐ ♪♫""".split("\n")

CONTROL = [chr(c) for c in list(range(0, 0x20)) + [0x7F] + list(range(0x80, 0xA1))]
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u2003", "\u2028",
          "\u2029", "\u202f", "\u205f", "\u3000", "\u200b", "\ufeff", "\u180e"]
QUOTES = list("ʼ‘’‚‛“”„‟'\"`´«»‹›′″＂＇ﹸ")
SPECIALS = ["<|startoftext|>", "<|endoftext|>", "<start_of_text>", "<end_of_text>", "<|STARTOFTEXT|>", "<|EndOfText|>",
            "<START_OF_TEXT>", "<|ſtartoftext|>", "<ſtart_of_text>", "<|startoftext|", "<|endoftext", "&lt;|endoftext|&gt;",
            "<|endoftext|>!", "!<|startoftext|>", "<|end oftext|>", "<ＥＮＤ_OF_TEXT>"]
ENDINGS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'ſ", "’s", "'ŝ", "''s", "'sa", "'rex", "'l", "´s", "'ﬅ", "ŉ", "'ſt"]
ASSIGNED = [c for c in ALL if unicodedata.category(chr(c)) not in ("Cn", "Co")]
RECENT = [c for c in ALL if unicodedata.category(chr(c)) == "Cn" and regex.match(r"\P{Cn}", chr(c))]
RECENT_SMALL = [c for c in RECENT if regex.match(r"[\p{M}\p{Lu}\p{Ll}\p{N}\p{S}]", chr(c))]
BMP = [c for c in ASSIGNED if c < 0x10000 and not 0xAC00 <= c < 0xD7A4 and not 0x3400 <= c < 0xA000]
MARKS = [c for c in ASSIGNED if unicodedata.combining(chr(c))]
COMPOSED = [c for c in ASSIGNED if unicodedata.decomposition(chr(c))]
CASED = [c for c in ASSIGNED if chr(c).lower() != chr(c) or chr(c).upper() != chr(c)]
MOJIBAKE = "".join(sorted(set(
    chr(c) for text in list(ftfy.badness.MOJIBAKE_CATEGORIES.values()) + list(ftfy.chardata.UTF8_CLUES.values())
    for c in class_points(text))))
TRICKY = ("ŒœÂÃÎÐ€Šš¢£Ÿž\xa0\xad®©°·»–—´×²³ØÙµàá¹¼½¾√±∂†≠™≤≥¥ø≈‚Äìîïòôúùû πâóäêвЂВГРСўĀāβΆΒΓΞΟ� ?aZe.,!\n\x1a")
NAMES = sorted(html.entities.html5)
UPPER = sorted(k[1:] for k in ftfy.chardata.HTML_ENTITIES if k[1:] not in html.entities.html5)


class Maker:
    """The strings, from one seeded generator; each method makes one kind."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def some(self, pool, lo, hi, glue=""):
        return glue.join(self.r.choice(pool) for _ in range(self.r.randint(lo, hi)))

    def chars(self, pool, lo, hi):
        return "".join(chr(self.r.choice(pool)) for _ in range(self.r.randint(lo, hi)))

    def cut(self, text, lo=3, hi=40):
        i = self.r.randrange(max(1, len(text) - lo))
        return text[i : i + self.r.randint(lo, hi)]

    def prompt(self):
        if self.r.random() < 0.2:
            return self.r.choice(PROMPTS)
        return self.some(WORDS, 2, 12, self.r.choice([" ", ", ", ",", " ", "  "]))

    def phrase(self):
        text = self.cut(self.r.choice(PHRASES))
        return self.r.choice([str, str, str.upper, str.lower, str.title, str.swapcase,
                              lambda s: unicodedata.normalize("NFD", s), lambda s: unicodedata.normalize("NFKD", s)])(text)

    def misread(self, text):
        """UTF-8 read in a wrong encoding, perhaps losing something."""
        r = self.r
        data = text.encode("utf-8")
        if r.random() < 0.06:
            data = text.encode("utf-16-be", "surrogatepass")
            units = [data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)]
            data = b"".join(b"\xc0\x80" if u == 0 else chr(u).encode("utf-8", "surrogatepass") for u in units)
        encoding = r.choice(ftfy.chardata.CHARMAP_ENCODINGS + ["sloppy-windows-1252"] * 6 + ["latin-1"] * 2 +
                            ["windows-1252", "windows-1251", "windows-1250", "windows-1253", "windows-1254", "windows-1257",
                             "windows-1255", "cp866", "koi8-r", "iso-8859-7"])
        out = data.decode(encoding, "replace")
        how = r.random()
        if how < 0.12:
            out = out.replace("\xa0", " ")
        elif how < 0.18:
            out = out.replace("�", "?")
        elif how < 0.24 and out:
            i = r.randrange(len(out))
            out = out[:i] + r.choice(["?", "�", "", " ", "\x1a", "\n"]) + out[i + 1 :]
        elif how < 0.28:
            out = out.lower() if r.random() < 0.5 else out.upper()
        return out

    def mojibake(self):
        text = self.phrase()
        for _ in range(self.r.choice([1, 1, 1, 1, 2, 2, 3])):
            if self.r.random() < 0.15:
                text = html.escape(text)
            text = self.misread(text[:30])
        where = self.r.random()
        if where < 0.15:
            text = self.phrase()[:15] + self.r.choice([" ", "", "\n", "¡", "–"]) + text
        elif where < 0.3:
            text += self.r.choice([" ", "", "\n", "€", "à "]) + self.phrase()[:15]
        return text[:60]

    def soup(self):
        pool = self.r.choice([MOJIBAKE, TRICKY, TRICKY, MOJIBAKE + "  aAzZ09.,?"])
        return self.some(pool, 1, 8) + self.some(["", " ", "a", "Z", "日", "\n", "é"], 0, 2) + self.some(pool, 0, 4)

    def octets(self):
        r = self.r
        leads = [0xC0, 0xC2, 0xC3, 0xC5, 0xCE, 0xD0, 0xD9, 0xDF, 0xE0, 0xE1, 0xE2, 0xE3, 0xED, 0xEF, 0xF0, 0xF3, 0xF4]
        tails = [0x80, 0x85, 0x8F, 0x99, 0xA0, 0xA1, 0xAF, 0xB0, 0xBF, 0x20, 0x1A, 0x3F, 0x0A, 0xED, 0x61]
        data = b""
        for _ in range(r.randint(1, 4)):
            data += r.choice([b"", b"a", b" ", b"s ", b"quela"]) + bytes([r.choice(leads)]) + bytes(
                r.choice(tails) for _ in range(r.randint(1, 3)))
            if r.random() < 0.2:
                data += bytes([0xED, r.choice([0xA0, 0xA9, 0xAF]), r.choice([0x80, 0xBD, 0x1A, 0x3F]), 0xED,
                               r.choice([0xB0, 0xB8, 0xBF]), r.choice([0x80, 0x8D, 0x1A, 0x3F, 0x0A])])
        if r.random() < 0.3:
            data += r.choice([b"\xc0\n", b"\xed\n", b"\xc0", b"\xed", b"\xed\xa0\n", b"\xed\xa0\x80\xed\xb0\n", b"\n", b"\xc0\x80"])
        return data.decode(r.choice(ftfy.chardata.CHARMAP_ENCODINGS[:2] + ["sloppy-windows-1252", "macroman", "sloppy-windows-1251"]))

    def number(self):
        r = self.r
        n = r.choice([r.randrange(0x300), r.randrange(0x110000), r.choice([0, 9, 10, 12, 13, 38, 59, 60, 0x1C, 0x7F, 0x80, 0x81, 0x85,
                      0x99, 0x9F, 0xA0, 0xAD, 0xD800, 0xDFFF, 0xFDD0, 0xFFFE, 0xFFFD, 0x1FFFF, 0x10FFFF, 0x110000, 1 << 33, 1 << 70])])
        form = r.choice(["&#%d", "&#x%x", "&#X%X", "&#0%d", "&#x00%x", "&# %d", "&#x", "&#", "&#%dabc", "&#x%xg"])
        return (form % n if "%" in form else form) + r.choice([";", ";", ";", "", " ", "&"])

    def entity(self):
        r = self.r
        how = r.random()
        if how < 0.3:
            return self.number()
        name = r.choice(NAMES) if how < 0.85 else r.choice(UPPER)
        bare = name.rstrip(";")
        text = "&" + r.choice([name, name, bare, bare + ";", bare.upper() + ";", bare.lower() + ";", bare.title(), bare + "x;",
                               bare + self.some(NAMES, 1, 1), bare[:-1] + ";", bare + self.some(list("aé=ſ😀-"), 1, 40)])
        for _ in range(r.choice([0, 0, 0, 1, 2, 3])):
            text = text.replace("&", r.choice(["&amp;", "&amp", "&AMP;", "&#38;", "&#x26;"]))
        return text

    def markup(self):
        glue = self.r.choice(["", " ", "x", ";", "\n", "<b>", " < ", "&"])
        return self.some(["P", "the ", "", "ß"], 0, 1) + glue.join(self.entity() for _ in range(self.r.randint(1, 3)))

    def controls(self):
        r = self.r
        escapes = ["\x1b[31m", "\x1b[0;1;36;44m", "\x1b[m", "\x1b[2J", "\x1b[٣m", "\x1b[", "\x1b]0;x", "\x1b[1", "\x1b[;é", "\x1b\x1b[1mA"]
        parts = [r.choice([r.choice(CONTROL), r.choice(SPACES), r.choice(escapes), "word", "Word,", "é", "\u206a", "\ufff9", "\ufffc", "\u200d"])
                 for _ in range(r.randint(2, 9))]
        return "".join(parts)

    def typography(self):
        wide = [chr(c) for c in range(0xFF00, 0xFFF0)] + list("ĲĳŉǱǲǳǄǅǆǇǈǉǊǋǌﬀﬁﬂﬃﬄﬅﬆ\u3000")
        return self.some(wide + QUOTES + list("abc de fg"), 2, 12)

    def unicode(self):
        pool = self.r.choice([ASSIGNED, BMP, BMP, COMPOSED, CASED, CASED, list(range(0x80, 0x600)), RECENT, RECENT_SMALL, ALL])
        return self.chars(pool, 1, 10)

    def marks(self):
        r = self.r
        base = r.choice(["a", "e\u0323", "Å", "각", "ᄀ", "가", "가", "Ω", "Σ", "ΑΣ", "क", "ا", "", "\u0345", "ᾳ", "ש", "\u1100\u1161\u11a8\u11a8"])
        text = base + self.chars(r.choice([MARKS, list(range(0x300, 0x350)), [0x345, 0x301, 0x308]]), 0, r.choice([3, 6, 45]))
        return self.some(["", "x", "ΑΣ", "'"], 0, 2) + text + self.some(["", "Σ", "b", " c", "\u0301"], 0, 2)

    def special(self):
        return self.some(SPECIALS + ["hi", " ", "Hi!", "a'", "é", "<", "|>"], 1, 5, self.r.choice(["", " ", "\n"]))

    def english(self):
        parts = ["".join(self.r.choice([self.r.choice(["cat", "don", "É", "7", "x2", "!", "_", "-", "Σ", "№", "½", "٣"]), self.r.choice(ENDINGS)])
                         for _ in range(self.r.randint(1, 3))) for _ in range(self.r.randint(1, 4))]
        return " ".join(parts)


KINDS = [("prompt", 2400), ("phrase", 1500), ("mojibake", 5000), ("soup", 2800), ("octets", 1500), ("markup", 2500),
         ("controls", 900), ("typography", 600), ("unicode", 1100), ("marks", 650), ("special", 400), ("english", 404)]


def sweep(first):
    """Every character of a block: joined to a letter or a sign, and beside a sigma."""
    return "".join("a%s! %sΣ A%sΣ\n" % (chr(c), chr(c), chr(c)) for c in range(first, first + 0x400) if not 0xD800 <= c < 0xE000)


def strings():
    """All 20,000 as (text, repetitions), or (first character, 0) of a sweep."""
    make = Maker(20260101)
    for text in VECTORS:
        yield text, 1
    for name, count in KINDS:
        for _ in range(count):
            yield getattr(make, name)(), 1
    for _ in range(30):  # 10 kB and more
        unit = make.r.choice([make.prompt, make.phrase, make.mojibake, make.soup, make.markup, make.marks, make.controls])()
        unit += make.r.choice(["", " ", "\n"])
        yield unit, 10000 // max(1, len(unit.encode())) + 1
    for first in range(0, 0x32000, 0x400):
        yield first, 0


# --- golden -----------------------------------------------------------------


def module(package, name):
    """One module of an installed package, without the rest of it."""
    folder = importlib.util.find_spec(package).submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location("reference_" + name, os.path.join(folder, name + ".py"))
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def stand_in_for_torch():
    try:
        import torch  # noqa: F401
    except ImportError:
        import numpy
        sys.modules["torch"] = types.SimpleNamespace(
            LongTensor=object, Tensor=object, long=numpy.int64, tensor=numpy.array,
            zeros=lambda *shape, dtype: numpy.zeros(shape, dtype))


class Reference:
    def __init__(self, vocabulary):
        from transformers import CLIPTokenizerFast  # before the stand-in, which it would look at
        stand_in_for_torch()
        self.openai_module = module("clip", "simple_tokenizer")
        self.open_module = module("open_clip", "tokenizer")
        self.openai = self.openai_module.SimpleTokenizer(vocabulary)
        self.open = self.open_module.SimpleTokenizer(vocabulary)
        merges = gzip.open(vocabulary).read().decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
        self.hf = CLIPTokenizerFast(vocab=dict(self.openai.encoder), merges=[tuple(m.split()) for m in merges])

    def cleaned(self, text):
        m, o = self.openai_module, self.open_module
        hf = "".join(part if part in ("<|startoftext|>", "<|endoftext|>") else
                     self.hf.backend_tokenizer.normalizer.normalize_str(part)
                     for part in regex.split(r"(<\|startoftext\|>|<\|endoftext\|>)", text) if part)
        return [m.whitespace_clean(m.basic_clean(text)).lower(), o._clean_lower(text), hf]

    def ids(self, text):
        self.openai.cache = {k: v for k, v in self.openai.cache.items() if k.startswith("<|")}
        return [self.openai.encode(text), self.open.encode(text), self.hf(text, add_special_tokens=False).input_ids]

    def frames(self, text):
        """What the packages give a network, of the two that truncate by themselves."""
        return [[int(i) for i in self.open([text])[0]], self.hf(text, truncation=True, max_length=77).input_ids]


def golden(folder, vocabulary):
    reference = Reference(vocabulary)
    total = hashlib.sha256()
    with open(os.path.join(folder, "clip.jsonl.gz"), "wb") as raw, gzip.GzipFile(
            "", "wb", 9, raw, mtime=0) as f:
        for n, (text, times) in enumerate(strings()):
            whole = text * times if times else sweep(text)
            cleaned, ids = reference.cleaned(whole), reference.ids(whole)
            c = hashlib.sha256("\0".join(cleaned).encode())
            i = hashlib.sha256("\n".join(" ".join(map(str, x)) for x in ids).encode())
            total.update(c.digest() + i.digest())
            line = {"s" if times else "sweep": text, "c": c.hexdigest()[:8], "i": i.hexdigest()[:8]}
            if times > 1:
                line["n"] = times
            if times == 1 and (n < len(VECTORS) or n % 25 == 0):
                line["clean"], line["ids"] = cleaned, ids
            if times and (n < len(VECTORS) or n % 25 == 0):
                line["frames"] = reference.frames(whole)
            f.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        f.write(json.dumps({"count": n + 1, "all": total.hexdigest()}).encode() + b"\n")


if __name__ == "__main__":
    {"tables": tables, "golden": golden}[sys.argv[1]](*sys.argv[2:])
