#!/usr/bin/env python3
"""How fast PyTorch runs ImageReward: pairs of a picture and a prompt a second.

The model is the authors' own (image-reward 1.5) on a checkpoint; a synthetic one
is as fast as the official one. A pair passes ImageReward.score_gard: vision tower,
text half, head. Pictures are prepared and prompts tokenised before. All pairs of a
batch have one prompt, the authors' example, so that PyTorch need not fill it up to
35 tokens as the package does; --filled does that.

It is timed at every batch size and in every way PyTorch can be made to run it:
eager; channels_last; torch.jit.trace + freeze, also with optimize_for_inference
(oneDNN); torch.compile (inductor, which needs a C++ compiler; left out with the
reason where it fails); and each of these with sdpa_ before its name, where
attention is torch's scaled_dot_product_attention instead of the authors' matmul,
softmax, matmul. All under torch.inference_mode, with --threads threads. The best of
them is what other runtimes are compared with.

Each line of the output is one JSON object, as of speed_vit.py: measurements, the
matrix product that this machine reaches with torch.mm at 2048 in float32, and the
ratio to --against CMD, which is run between the repetitions and must print pairs a
second as the last number of its output.

    python reference/speed_reward.py FOLDER/imagereward/ImageReward.pt VOCABULARY \\
        --against "ASSAY_MODELS=FOLDER assay bench -m imagereward --rounds 1 --images 16 --rate"

VOCABULARY is vocab.txt of bert-base-uncased. Run it while nothing else runs.
Versions: see imagereward_package.py.
"""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import time
import warnings

args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
args.add_argument("checkpoint")
args.add_argument("vocabulary")
args.add_argument("--threads", type=int, default=2)
args.add_argument("--batches", default="1,8")
args.add_argument("--ways", default="eager,channels_last,trace,trace_onednn,compile,sdpa_eager,sdpa_trace,sdpa_trace_onednn,sdpa_compile")
args.add_argument("--repeat", type=int, default=5, help="repetitions; the median counts")
args.add_argument("--seconds", type=float, default=5, help="at least, of one repetition")
args.add_argument("--filled", action="store_true", help="fill the prompt up to 35 tokens, as the package does")
args.add_argument("--against", help="command that prints pairs a second")
args.add_argument("--quick", action="store_true", help="one repetition of one pass: only to see that it works")
ARGS = args.parse_args()
if ARGS.quick:
    ARGS.repeat, ARGS.seconds = 1, 0
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # before torch is loaded
    os.environ[name] = str(ARGS.threads)

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

import imagereward_package  # noqa: E402

warnings.filterwarnings("ignore")
torch.set_num_threads(ARGS.threads)
PROMPT = "a painting of an ocean with clouds and birds, day time, low depth field effect"


def say(**row):
    print(json.dumps(row), flush=True)


def processor():
    try:
        with open("/proc/cpuinfo") as f:
            return re.search(r"model name\s*:\s*(.*)", f.read()).group(1)
    except (OSError, AttributeError):
        return platform.processor()


def rate(run, batch):
    """Pairs a second of one repetition."""
    n, start = 0, time.perf_counter()
    while True:
        run()
        n += batch
        spent = time.perf_counter() - start
        if spent >= ARGS.seconds:
            return n / spent


def peak():
    """Multiply-adds a second of a large product of matrices: the median of a few."""
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    torch.mm(a, b)
    rates = []
    for _ in range(3 if ARGS.quick else 7):
        start = time.perf_counter()
        torch.mm(a, b)
        rates.append(2048 ** 3 / (time.perf_counter() - start))
    return statistics.median(rates)


def multiply_adds(tokens):
    """Of one pair whose prompt has so many tokens."""
    w, n = 1024, 197
    vision = 196 * 768 * w + 24 * (n * 12 * w * w + 2 * n * n * w)
    t = 768
    layer = tokens * 14 * t * t + n * 2 * 1024 * t + 2 * tokens * (tokens + n) * t
    return vision + 12 * layer


class Pair(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels, ids, mask):
        return self.model.score_gard(ids, mask, pixels)


def fast_attention(vit, med):
    """The same attention by torch's own function: the vision tower's, and the text half's."""
    def vision(self, x, register_hook=False):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.num_heads, c // self.num_heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c))

    def text(self, hidden_states, attention_mask=None, head_mask=None, encoder_hidden_states=None,
             encoder_attention_mask=None, past_key_value=None, output_attentions=False):
        other = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        mask = attention_mask if encoder_hidden_states is None else encoder_attention_mask
        q, k, v = self.query(hidden_states), self.key(other), self.value(other)
        y = F.scaled_dot_product_attention(*[self.transpose_for_scores(z) for z in (q, k, v)], attn_mask=mask)
        return y.transpose(1, 2).flatten(2), None

    slow = vit.Attention.forward, med.BertSelfAttention.forward

    def use(fast):
        vit.Attention.forward, med.BertSelfAttention.forward = (vision, text) if fast else slow
    return use


def ways(model, use, batch, ids):
    """(name, function) of each way to run the model; a function is made when its turn comes."""
    pair = Pair(model).eval()
    x = torch.randn(batch, 3, 224, 224)
    ids, mask = (v.expand(batch, -1).contiguous() for v in ids)

    def laid(layout):
        pair.to(memory_format=layout)
        return x.to(memory_format=layout), ids, mask

    def traced(optimise):
        y = laid(torch.contiguous_format)
        m = torch.jit.freeze(torch.jit.trace(pair, y, check_trace=False))
        m = torch.jit.optimize_for_inference(m) if optimise else m
        return lambda: m(*y)

    def compiled():
        torch.compiler.reset()  # else the second batch size would be compiled for any size
        y = laid(torch.contiguous_format)
        m = torch.compile(pair, dynamic=False)
        return lambda: m(*y)

    def eager(layout):
        y = laid(layout)
        return lambda: pair(*y)

    makers = {
        "eager": lambda: eager(torch.contiguous_format),
        "channels_last": lambda: eager(torch.channels_last),
        "trace": lambda: traced(False),
        "trace_onednn": lambda: traced(True),
        "compile": compiled,
    }

    def make(name):
        use(name.startswith("sdpa_"))
        return makers[name.removeprefix("sdpa_")]()
    return [(n, lambda n=n: make(n)) for n in ARGS.ways.split(",")]


def against():
    """Pairs a second of the other side."""
    done = subprocess.run(ARGS.against, shell=True, capture_output=True, text=True)
    numbers = re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", done.stdout)
    if done.returncode or not numbers:
        raise SystemExit(f"{ARGS.against}: exit status {done.returncode}, printed {done.stdout[-200:]!r} {done.stderr[-400:]!r}")
    return float(numbers[-1].replace(",", ""))


@torch.inference_mode()
def measure(model, use, top):
    t = model.blip.tokenizer(PROMPT, return_tensors="pt", truncation=True, max_length=35,
                             padding="max_length" if ARGS.filled else False)
    ids, tokens, best = (t.input_ids, t.attention_mask), t.input_ids.shape[1], None
    work = multiply_adds(tokens)
    for batch in map(int, ARGS.batches.split(",")):
        for name, make in ways(model, use, batch, ids):
            try:
                torch.manual_seed(1)
                run = make()
                run()  # the first passes optimise and compile
                run()
            except Exception as err:  # a way that this machine does not have
                say(way=name, batch=batch, unavailable=str(err).strip().split("\n")[0][:200])
                continue
            rates = [rate(run, batch) for _ in range(ARGS.repeat)]
            median = statistics.median(rates)
            say(way=name, batch=batch, tokens=tokens, pairs_per_s=round(median, 4), worst=round(min(rates), 4), most=round(max(rates), 4),
                share_of_peak=round(median * work / top, 4))
            if best is None or median > best[0]:
                best = (median, name, batch)
    if best is None:
        raise SystemExit("no way works")
    median, name, batch = best
    say(best=name, batch=batch, pairs_per_s=round(median, 4), multiply_adds=work)
    if ARGS.against:
        run = dict(ways(model, use, batch, ids))[name]()
        run()
        run()
        pairs = [(rate(run, batch), against()) for _ in range(ARGS.repeat)]
        ours, theirs = [statistics.median(side) for side in zip(*pairs)]
        say(best=name, batch=batch, pytorch=round(ours, 4), other=round(theirs, 4), command=ARGS.against,
            ratio=round(statistics.median(b / a for a, b in pairs), 4), ratios=[round(b / a, 4) for a, b in pairs])


@torch.inference_mode()
def same(model, use):
    """The faster attention must not change what is computed."""
    t = model.blip.tokenizer(PROMPT, return_tensors="pt")
    torch.manual_seed(1)
    x, out = torch.randn(1, 3, 224, 224), []
    for fast in (False, True):
        use(fast)
        out.append(model.score_gard(t.input_ids, t.attention_mask, x).item())
    if abs(out[0] - out[1]) > 1e-3:
        raise SystemExit(f"rewards {out} with the two kinds of attention")


def main():
    model = imagereward_package.load(os.path.abspath(ARGS.checkpoint), os.path.abspath(ARGS.vocabulary))
    _, vit, med = imagereward_package.modules()
    use = fast_attention(vit, med)
    same(model, use)
    top = peak()
    say(processor=processor(), threads=ARGS.threads, torch=torch.__version__, mkldnn=torch.backends.mkldnn.is_available(),
        multiply_adds_per_s=round(top), load=os.getloadavg()[0])
    measure(model, use, top)
    say(multiply_adds_per_s_after=round(peak()), load=os.getloadavg()[0])


if __name__ == "__main__":
    main()
