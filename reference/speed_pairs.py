#!/usr/bin/env python3
"""How fast PyTorch runs LPIPS and DISTS: pairs of 256 x 256 pixels a second.

lpips 0.1.4 and DISTS-pytorch 0.1, with torchvision's networks and drawn weights (the
values do not matter to the time), float32, in every way PyTorch can be made to run
them: eager; channels_last; torch.jit.trace + freeze, also with
optimize_for_inference and channels_last. All under torch.inference_mode. The best of
them is what other runtimes are compared with. Each line of the output is one JSON
object: the median and the best of the repetitions, and the mode.

    python reference/speed_pairs.py [--threads 2] [--batch 8] [--repeat 7] [alex vgg dists]

Run it while nothing else runs. Versions are in requirements.txt.
"""
import argparse
import json
import os
import statistics
import time
import warnings

args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
args.add_argument("nets", nargs="*", default=["alex", "vgg", "dists"])
args.add_argument("--threads", type=int, default=2)
args.add_argument("--batch", type=int, default=8)
args.add_argument("--repeat", type=int, default=7)
ARGS = args.parse_args()
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # before torch is loaded
    os.environ[name] = str(ARGS.threads)

import torch  # noqa: E402
import torchvision.models as models  # noqa: E402

warnings.filterwarnings("ignore")
torch.set_num_threads(ARGS.threads)
VGG16 = models.vgg16


def build(net):
    torch.manual_seed(1)
    if net == "dists":
        models.vgg16 = lambda pretrained=True: VGG16(weights=None)
        import DISTS_pytorch.DISTS_pt as authors
        return authors.DISTS().eval()
    import lpips
    return lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval()


def ways(net, x, y):
    model = build(net)
    last = torch.channels_last
    yield "eager", model, (x, y)
    traced = torch.jit.freeze(torch.jit.trace(model, (x, y)))
    yield "trace", traced, (x, y)
    yield "trace_onednn", torch.jit.optimize_for_inference(traced), (x, y)
    model = build(net).to(memory_format=last)
    inputs = x.to(memory_format=last), y.to(memory_format=last)
    yield "channels_last", model, inputs
    yield "trace_channels_last", torch.jit.freeze(torch.jit.trace(model, inputs)), inputs


@torch.inference_mode()
def main():
    for net in ARGS.nets:
        x, y = torch.rand(ARGS.batch, 3, 256, 256), torch.rand(ARGS.batch, 3, 256, 256)
        for way, model, inputs in ways(net, x, y):
            for _ in range(2):
                model(*inputs)
            rates = []
            for _ in range(ARGS.repeat):
                start = time.perf_counter()
                model(*inputs)
                rates.append(ARGS.batch / (time.perf_counter() - start))
            print(json.dumps({"net": net, "way": way, "batch": ARGS.batch, "threads": ARGS.threads, "torch": torch.__version__,
                              "median": statistics.median(rates), "best": max(rates)}), flush=True)


if __name__ == "__main__":
    main()
