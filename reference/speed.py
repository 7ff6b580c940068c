"""What the speed_*.py scripts share: PyTorch in every way it can be made to run a
network, and beside another command in one run.

A network is timed at every batch size and in every way: eager; channels_last;
torch.jit.trace + freeze, also with optimize_for_inference (which lets oneDNN take
over), each in both memory layouts; torch.compile (inductor, which needs a C++
compiler), also in channels_last. A way that fails is left out with the reason. All
under torch.inference_mode, float32, with --threads threads. The best of them is
what other runtimes are compared with.

Each line of the output is one JSON object: a measurement with its median, best and
worst repetition; the matrix product that this machine reaches with torch.mm at
2048 in float32, and the share of it that the network reaches; and the ratio to
--against CMD. CMD is run between the repetitions, so that both sides see the same
machine; it must print items a second as the last number of its output, in which
thousands may be separated by commas.

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

WAYS = "eager,channels_last,trace,trace_onednn,trace_last,trace_onednn_last,compile,compile_last"


def arguments(doc, batches, add=lambda parser: None):
    """The script's arguments, with torch set up for them."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    add(parser)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", default=batches)
    parser.add_argument("--ways", default=WAYS)
    parser.add_argument("--repeat", type=int, default=7, help="repetitions; the median counts")
    parser.add_argument("--seconds", type=float, default=2, help="at least, of one repetition")
    parser.add_argument("--against", help="command that prints items a second")
    parser.add_argument("--quick", action="store_true", help="one repetition of one pass: only to see that it works")
    args = parser.parse_args()
    if args.quick:
        args.repeat, args.seconds = 1, 0
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # before torch is loaded
        os.environ[name] = str(args.threads)
    import torch
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore")
    return args


def say(**row):
    print(json.dumps(row), flush=True)


def processor():
    try:
        with open("/proc/cpuinfo") as f:
            return re.search(r"model name\s*:\s*(.*)", f.read()).group(1)
    except (OSError, AttributeError):
        return platform.processor()


def peak(args):
    """Multiply-adds a second of a large product of matrices: the median of a few."""
    import torch
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    torch.mm(a, b)
    rates = []
    for _ in range(3 if args.quick else 7):
        start = time.perf_counter()
        torch.mm(a, b)
        rates.append(2048 ** 3 / (time.perf_counter() - start))
    return statistics.median(rates)


def rate(args, run, batch):
    """Items a second of one repetition."""
    n, start = 0, time.perf_counter()
    while True:
        run()
        n += batch
        spent = time.perf_counter() - start
        if spent >= args.seconds:
            return n / spent


def makers(model, inputs):
    """(name, function) of each way to run the module on the inputs; a function is
    made when its turn comes."""
    import torch
    plain, last = torch.contiguous_format, torch.channels_last

    def laid(layout):
        model.to(memory_format=layout)
        return [x.to(memory_format=layout) if x.dim() == 4 else x for x in inputs]

    def called(m, given):
        return lambda: m(*given)

    def traced(layout, optimise):
        given = laid(layout)
        m = torch.jit.freeze(torch.jit.trace(model, tuple(given), check_trace=False))
        return called(torch.jit.optimize_for_inference(m) if optimise else m, given)

    def compiled(layout):
        torch.compiler.reset()  # else the second batch size would be compiled for any size
        return called(torch.compile(model, dynamic=False), laid(layout))

    return {
        "eager": lambda: called(model, laid(plain)),
        "channels_last": lambda: called(model, laid(last)),
        "trace": lambda: traced(plain, False),
        "trace_onednn": lambda: traced(plain, True),
        "trace_last": lambda: traced(last, False),
        "trace_onednn_last": lambda: traced(last, True),
        "compile": lambda: compiled(plain),
        "compile_last": lambda: compiled(last),
    }


def against(args):
    """Items a second of the other side."""
    done = subprocess.run(args.against, shell=True, capture_output=True, text=True)
    numbers = re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", done.stdout)
    if done.returncode or not numbers:
        raise SystemExit(f"{args.against}: exit status {done.returncode}, printed {done.stdout[-200:]!r} {done.stderr[-400:]!r}")
    return float(numbers[-1].replace(",", ""))


def measure(args, name, make, work, top):
    """Time the module; make(batch) returns it and its inputs, work is the
    multiply-adds of one item, top those that the machine does a second."""
    import torch
    best = None
    with torch.inference_mode():
        for batch in map(int, args.batches.split(",")):
            for way in args.ways.split(","):
                try:
                    run = makers(*make(batch))[way]()
                    run()  # the first passes optimise and compile
                    run()
                except Exception as err:  # a way that this machine does not have
                    say(model=name, way=way, batch=batch, unavailable=str(err).strip().split("\n")[0][:200])
                    continue
                rates = [rate(args, run, batch) for _ in range(args.repeat)]
                median = statistics.median(rates)
                say(model=name, way=way, batch=batch, per_s=round(median, 4), worst=round(min(rates), 4), most=round(max(rates), 4),
                    share_of_peak=round(median * work / top, 4))
                if best is None or median > best[0]:
                    best = (median, way, batch)
        if best is None:
            raise SystemExit(f"{name}: no way works")
        median, way, batch = best
        say(model=name, best=way, batch=batch, per_s=round(median, 4), multiply_adds=work)
        if args.against:
            run = makers(*make(batch))[way]()
            run()
            run()
            pairs = [(rate(args, run, batch), against(args)) for _ in range(args.repeat)]
            ours, theirs = [statistics.median(side) for side in zip(*pairs)]
            say(model=name, best=way, batch=batch, pytorch=round(ours, 4), other=round(theirs, 4), command=args.against,
                ratio=round(statistics.median(b / a for a, b in pairs), 4), ratios=[round(b / a, 4) for a, b in pairs])


def main(args, *packages, models):
    """Measure every (name, make, work) of models between two looks at the machine."""
    import importlib.metadata

    import torch
    top = peak(args)
    say(processor=processor(), threads=args.threads, torch=torch.__version__, mkldnn=torch.backends.mkldnn.is_available(),
        multiply_adds_per_s=round(top), load=os.getloadavg()[0], **{p: importlib.metadata.version(p) for p in packages})
    for name, make, work in models:
        measure(args, name, make, work, top)
    say(multiply_adds_per_s_after=round(peak(args)), load=os.getloadavg()[0])
