"""WordPiece ids by BERT's own tokenizer as ImageReward makes it, and its tables.

  python reference/token_bert.py tables token/tables_bert.txt
  python reference/token_bert.py golden token/testdata VOCABULARY

`tables` writes what package token needs beside tables.txt: the categories of
unicodedata that transformers' BasicTokenizer asks for. `golden` writes
token/testdata/bert.jsonl.gz: the ids of the strings of clip.jsonl.gz, in its order,
and of some 2,000 more that reach what is BERT's alone (special tokens in the
text, words of a hundred characters, ideographs, planes beyond the third).
VOCABULARY is vocab.txt of bert-base-uncased.

The tokenizer is made as ImageReward 1.5 makes it: the slow
BertTokenizer.from_pretrained('bert-base-uncased'), here of a folder of that name
with the vocabulary and {"do_lower_case": true} in it, and BLIP's two tokens
[DEC] and [ENC] added.

Made with CPython 3.11.7 (unicodedata 14.0.0), transformers 4.30.2, tokenizers
0.13.3; strings by token_clip.py and what that needs. transformers 4.57.1, the last
with the slow tokenizer, gives the same file; 5 has that tokenizer no more.
"""

import gzip
import hashlib
import json
import os
import shutil
import sys
import tempfile
import unicodedata

import token_clip
from token_clip import ALL, ranges


def tables(path):
    def having(test):
        return ranges(c for c in ALL if test(unicodedata.category(chr(c))))

    sections = [
        ("assigned", having(lambda cat: cat[0] != "C")),
        ("separator", having(lambda cat: cat == "Zs")),
        ("mark", having(lambda cat: cat == "Mn")),
        ("punctuation", having(lambda cat: cat[0] == "P")),
    ]
    with open(path, "w") as f:
        f.write("# Categories of characters for BERT's tokenizer, hexadecimal; made by reference/token_bert.py.\n")
        f.write("# CPython %s (Unicode %s)\n" % (sys.version.split()[0], unicodedata.unidata_version))
        for name, words in sections:
            f.write("[%s]\n" % name)
            line = ""
            for word in words:
                if len(line) + len(word) > 118:
                    f.write(line + "\n")
                    line = ""
                line += (" " if line else "") + word
            f.write(line + "\n")


# --- strings ----------------------------------------------------------------

SPECIALS = ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "[DEC]", "[ENC]", "[cls]", "[Sep]", "[ENC", "ENC]", "[ENC]]", "[[DEC]",
            "[C\0LS]", "[SE\u0301P]", "[unused1]", "##ing", "[MASK]s", "x[PAD]"]
IDEOGRAPHS = ([c for c in range(0x3400, 0x3500)] + [0x4DBF, 0x4DC0, 0x4DFF] + list(range(0x4E00, 0x4F00)) + [0x9FFF, 0xA000] +
              list(range(0xF900, 0xFB10)) + [0x1FFFF, 0x20000, 0x2A6DF, 0x2A6E0, 0x2A700, 0x2B73F, 0x2B740, 0x2B81F, 0x2B820,
                                             0x2CEAF, 0x2CEB0, 0x2F7FF, 0x2F800, 0x2FA1F, 0x2FA20, 0x30000])
CASES = list("İIıiŞşĞğÇçÖöÜüΣσςΆάΐΰΌὈὠᾼᾳῼẞßǅǄǆℵKÅΩⅣⅳⒶⓐ\u0130\u0307\u0345\u03f4\u1e9e\u2c2e\ua64a\U0001e900\U00010400")


class Maker(token_clip.Maker):
    def specials(self):
        return self.some(SPECIALS + ["hi", " ", "Hi!", "é", "\n", "\t"], 1, 6, self.r.choice(["", " ", "\n"]))

    def long(self):
        """Words of about a hundred characters, counted before and after marks go."""
        unit = self.r.choice(["a", "ab", "é", "e\u0301", "İ", "ß", "😀", "\u0301", "é\u0323x", "가", "的", "Σ", "-"])
        n = self.r.randint(97, 103)
        text = (unit * 104)[:n]
        return self.r.choice(["", "x ", "x"]) + text + self.r.choice(["", " y", "'s", "\u0301", "\0"])

    def ideographs(self):
        return self.some([chr(c) for c in IDEOGRAPHS] + ["a", " ", "、", "。", "カ", "ﾞ", "が", "か\u3099", "한국"], 1, 12)

    def cases(self):
        return self.some(CASES + ["a", "ΑΣ", " ", "stanbul", "'", "\u0301"], 1, 9)

    def html(self):
        return self.some(["<p>", "</p>", "&amp;", "&lt;b&gt;", "&#8217;", "<br/>", "<a href='x'>", "word", " ", "é", "<!-- -->"], 1, 9)


KINDS = [("specials", 600), ("long", 400), ("ideographs", 400), ("cases", 400), ("html", 200)]
PLANES = [0xE0000, 0xE0400, 0xF0000, 0x100000, 0x10FC00]


def more():
    make = Maker(20260202)
    for name, count in KINDS:
        for _ in range(count):
            yield getattr(make, name)(), 1
    for first in PLANES:
        yield first, 0


# --- golden -----------------------------------------------------------------


def tokenizer(vocabulary):
    """As init_tokenizer of ImageReward/models/BLIP/blip.py."""
    from transformers import BertTokenizer
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "bert-base-uncased")
        os.mkdir(place)
        shutil.copy(vocabulary, os.path.join(place, "vocab.txt"))
        with open(os.path.join(place, "tokenizer_config.json"), "w") as f:
            json.dump({"do_lower_case": True, "model_max_length": 512}, f)
        t = BertTokenizer.from_pretrained(place)
    t.add_special_tokens({"bos_token": "[DEC]"})
    t.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    assert (len(t), t.convert_tokens_to_ids("[DEC]"), t.convert_tokens_to_ids("[ENC]")) == (30524, 30522, 30523)
    return t


def golden(folder, vocabulary):
    t = tokenizer(vocabulary)
    total = hashlib.sha256()
    old = list(token_clip.strings())
    with open(os.path.join(folder, "bert.jsonl.gz"), "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as f:
        for n, (text, times) in enumerate(old + list(more())):
            whole = text * times if times else token_clip.sweep(text)
            ids = t(whole, add_special_tokens=False).input_ids
            i = hashlib.sha256(" ".join(map(str, ids)).encode()).digest()
            total.update(i)
            line = {"i": i.hex()[:8]}
            if n >= len(old):
                line["s" if times else "sweep"] = text
            if times == 1 and n % 25 == 0:
                line["ids"] = ids
            if times and n % 25 == 0:
                line["frame"] = t(whole, padding="max_length", truncation=True, max_length=35).input_ids
            f.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        f.write(json.dumps({"count": n + 1, "all": total.hexdigest()}).encode() + b"\n")


if __name__ == "__main__":
    {"tables": tables, "golden": golden}[sys.argv[1]](*sys.argv[2:])
