"""FID of 50,000 x 2,048 features, assay beside NumPy and SciPy, in one run.

The way measured is pytorch-fid 0.3.0's and clean-fid's: numpy.cov of float64, then
scipy.linalg.sqrtm of the product. Both sides make the same features by the formula
of set_golden.py and are timed from features in memory to the value; memory is the
most that each process held, features included.
Pinned: numpy 2.4.6, scipy 1.17.1. Needs Go, 3 GB of memory, and a machine that does
nothing else. Run from the repository root:
    python reference/speed_fid.py [ROWS [DIMENSIONS]]
"""
import os
import re
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import scipy.linalg

rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50000
dim = int(sys.argv[2]) if len(sys.argv) > 2 else 2048


def noise(seed, i, j):
    """12 bits of splitmix64 of a row and a column; see set_golden.py."""
    with np.errstate(over="ignore"):
        z = (np.uint64(seed) << np.uint64(40)) + (i.astype(np.uint64) << np.uint64(20)) + j.astype(np.uint64)
        z += np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(52)).astype(np.float64)


def features(seed, shift):
    out = np.empty((rows, dim), np.float64)  # pytorch-fid's dtype
    j = np.arange(dim)[None, :]
    along = noise(99, np.array([[0]]), j) / 4096
    for at in range(0, rows, 1000):
        i = np.arange(at, min(rows, at + 1000))[:, None]
        common = noise(seed, i, np.array([[1 << 19]])) / 4096
        out[at:at + 1000] = np.maximum(0, noise(seed, i, j) / 4096 + (common + shift) * along - 0.5).astype(np.float32)
    return out


moments, python = [], 0.0
for seed, shift in ((1, 0), (2, 0.2)):
    x = features(seed, shift)
    start = time.perf_counter()
    moments.append((x.mean(axis=0), np.cov(x, rowvar=False)))
    python += time.perf_counter() - start
    print(f"numpy: moments of set {seed} after {python:.1f} s")
    del x
start = time.perf_counter()
(m1, s1), (m2, s2) = moments
root = scipy.linalg.sqrtm(s1.dot(s2))
value = float(((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.trace(root.real))
took = time.perf_counter() - start
python += took
print(f"scipy: distance in {took:.1f} s")
# The other set would be in memory too.
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6 + rows * dim * 8 / 1e9

with tempfile.TemporaryDirectory() as folder:
    binary = os.path.join(folder, "stat.test")
    subprocess.run(["go", "test", "-c", "-o", binary, "./stat"], check=True)
    env = dict(os.environ, ASSAY_FID_ROWS=str(rows), ASSAY_FID_DIM=str(dim))
    out = subprocess.run([binary, "-test.run=^$", "-test.bench=^BenchmarkFID$", "-test.benchtime=1x"],
                         check=True, capture_output=True, text=True, env=env, cwd="stat").stdout
    ours_held = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
ours = float(re.search(r"([\d.]+) ns/op", out)[1]) / 1e9
ours_value = float(re.search(r"FID ([\d.e+-]+)", out)[1])
print(f"two sets of {rows} x {dim}, {os.cpu_count()} cores")
print(f"numpy, scipy  {python:7.1f} s  {held:5.2f} GB  FID {value:.9g}")
print(f"assay         {ours:7.1f} s  {ours_held:5.2f} GB  FID {ours_value:.9g}")
print(f"ratio {python / ours:.2f}, values apart by {abs(ours_value / value - 1):.1e}")
