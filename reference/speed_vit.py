#!/usr/bin/env python3
"""How fast PyTorch runs the vision towers of CLIP: images a second on this machine.

The model is openai/CLIP's own code on a checkpoint (a synthetic one is as fast as
the official one), float32, clip.load(path, device="cpu", jit=False).visual. It is
timed at every batch size and in every way PyTorch can be made to run it:
eager; channels_last; torch.jit.trace + freeze, also with optimize_for_inference
(which lets oneDNN take over); torch.compile (inductor, which needs a C++
compiler; left out with the reason where it fails). All under
torch.inference_mode, with --threads threads. The best of them is what other runtimes are
compared with.

Each line of the output is one JSON object: a measurement with its median, best
and worst repetition; the matrix product that this machine reaches with
torch.mm at 2048 in float32, and the share of it that the model reaches; and the
ratio to --against CMD. CMD is run between the repetitions, so that both sides see the same
machine; it must print images a second as the last number of its output,
in which thousands may be separated by commas.

    python reference/speed_vit.py ViT-B-16.pt ViT-L-14.pt
    python reference/speed_vit.py ViT-B-16.pt --quick \\
        --against "ASSAY_MODELS=DIR assay bench -m laion-aes-v1-b16 --rounds 1 --images 16 --rate"

Run it while nothing else runs. Versions are in requirements.txt.
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
args.add_argument("checkpoints", nargs="+")
args.add_argument("--threads", type=int, default=2)
args.add_argument("--batches", default="1,4,8,16")
args.add_argument("--ways", default="eager,channels_last,trace,trace_onednn,compile")
args.add_argument("--repeat", type=int, default=7, help="repetitions; the median counts")
args.add_argument("--seconds", type=float, default=2, help="at least, of one repetition")
args.add_argument("--against", help="command that prints images a second")
args.add_argument("--quick", action="store_true", help="one repetition of one pass: only to see that it works")
ARGS = args.parse_args()
if ARGS.quick:
    ARGS.repeat, ARGS.seconds = 1, 0
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # before torch is loaded
    os.environ[name] = str(ARGS.threads)

import clip  # noqa: E402
import torch  # noqa: E402
import torchvision  # noqa: E402

warnings.filterwarnings("ignore")
torch.set_num_threads(ARGS.threads)


def say(**row):
    print(json.dumps(row), flush=True)


def processor():
    try:
        with open("/proc/cpuinfo") as f:
            return re.search(r"model name\s*:\s*(.*)", f.read()).group(1)
    except (OSError, AttributeError):
        return platform.processor()


def rate(run, batch):
    """Images a second of one repetition."""
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


def multiply_adds(v):
    """Of one picture: patches, the four products of a block's layers, attention, projection."""
    width, patch, tokens = v.conv1.weight.shape[0], v.conv1.weight.shape[-1], v.positional_embedding.shape[0]
    layers = len(v.transformer.resblocks)
    block = tokens * 12 * width * width + 2 * tokens * tokens * width
    return (tokens - 1) * 3 * patch * patch * width + layers * block + width * v.output_dim


def ways(visual, batch, side):
    """(name, function) of each way to run the network; a function is made when its turn comes."""
    x = torch.randn(batch, 3, side, side)

    def laid(layout):
        visual.to(memory_format=layout)
        return x.to(memory_format=layout)

    def called(model, y):
        return lambda: model(y)

    def traced(optimise):
        y = laid(torch.contiguous_format)
        m = torch.jit.freeze(torch.jit.trace(visual, y))
        return called(torch.jit.optimize_for_inference(m) if optimise else m, y)

    def compiled():
        torch.compiler.reset()  # else the second batch size would be compiled for any size
        return called(torch.compile(visual, dynamic=False), laid(torch.contiguous_format))

    makers = {
        "eager": lambda: called(visual, laid(torch.contiguous_format)),
        "channels_last": lambda: called(visual, laid(torch.channels_last)),
        "trace": lambda: traced(False),
        "trace_onednn": lambda: traced(True),
        "compile": compiled,
    }
    return [(n, makers[n]) for n in ARGS.ways.split(",")]


def against():
    """Images a second of the other side."""
    done = subprocess.run(ARGS.against, shell=True, capture_output=True, text=True)
    numbers = re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", done.stdout)
    if done.returncode or not numbers:
        raise SystemExit(f"{ARGS.against}: exit status {done.returncode}, printed {done.stdout[-200:]!r} {done.stderr[-400:]!r}")
    return float(numbers[-1].replace(",", ""))


@torch.inference_mode()
def measure(path, top):
    visual = clip.load(path, device="cpu", jit=False)[0].visual.eval()
    if visual.conv1.weight.dtype != torch.float32:
        raise SystemExit(f"{path} is {visual.conv1.weight.dtype}")
    work, side, model, best = multiply_adds(visual), visual.input_resolution, os.path.basename(path), None
    for batch in map(int, ARGS.batches.split(",")):
        for name, make in ways(visual, batch, side):
            try:
                run = make()
                run()  # the first passes optimise and compile
                run()
            except Exception as err:  # a way that this machine does not have
                say(model=model, way=name, batch=batch, unavailable=str(err).strip().split("\n")[0][:200])
                continue
            rates = [rate(run, batch) for _ in range(ARGS.repeat)]
            median = statistics.median(rates)
            say(model=model, way=name, batch=batch, images_per_s=round(median, 4), worst=round(min(rates), 4), most=round(max(rates), 4),
                share_of_peak=round(median * work / top, 4))
            if best is None or median > best[0]:
                best = (median, name, batch)
    if best is None:
        raise SystemExit(f"{model}: no way works")
    median, name, batch = best
    say(model=model, best=name, batch=batch, images_per_s=round(median, 4), multiply_adds=work)
    if ARGS.against:
        run = dict(ways(visual, batch, side))[name]()
        run()
        run()
        pairs = [(rate(run, batch), against()) for _ in range(ARGS.repeat)]
        ours, theirs = [statistics.median(side) for side in zip(*pairs)]
        say(model=model, best=name, batch=batch, pytorch=round(ours, 4), other=round(theirs, 4), command=ARGS.against,
            ratio=round(statistics.median(b / a for a, b in pairs), 4), ratios=[round(b / a, 4) for a, b in pairs])


def main():
    top = peak()
    say(processor=processor(), threads=ARGS.threads, torch=torch.__version__, torchvision=torchvision.__version__,
        mkldnn=torch.backends.mkldnn.is_available(), multiply_adds_per_s=round(top), load=os.getloadavg()[0])
    for path in ARGS.checkpoints:
        measure(path, top)
    say(multiply_adds_per_s_after=round(peak()), load=os.getloadavg()[0])


if __name__ == "__main__":
    main()
