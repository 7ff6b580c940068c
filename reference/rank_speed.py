"""Package rank beside choix and evalica: the same votes, the same estimates, the
ratio of times, in one run.

Pinned: choix 0.4.1, evalica 0.4.2. Run from the repository root on a quiet
machine:
    python reference/rank_speed.py

Votes are of 20 items (1,000 votes: enough for a maximum to exist) or 100, with
normal strengths, without ties (choix knows none) and without a prior. Each fit is timed alone, data in memory in the form it takes
(choix: a list of pairs; evalica: lists of names; package rank: []Vote), the best
of three (choix of a million votes: one); package rank by its benchmark FitFile, which reads the same file.
"""
import os
import re
import subprocess
import tempfile
import time

import choix
import evalica
import numpy as np


def best(fit, runs=3):
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        result = fit()
        times.append(time.perf_counter() - begin)
    return min(times), result


def ours(path):
    out = subprocess.run(["go", "test", "./rank", "-run", "^$", "-bench", "FitFile", "-benchtime", "3x", "-v"],
                         env=dict(os.environ, ASSAY_BENCH_VOTES=path), capture_output=True, text=True, check=True).stdout
    nanoseconds = float(re.search(r"BenchmarkFitFile\S*\s+\d+\s+([\d.]+) ns/op", out).group(1))
    strengths = [float(x) for x in re.search(r"strengths (.*)", out).group(1).split()]
    return nanoseconds / 1e9, np.array(strengths)


def main():
    rng = np.random.Generator(np.random.PCG64(8))
    print("votes     choix MM   evalica BT   evalica Newman   rank    choix/rank  BT/rank  Newman/rank  largest difference")
    for n, m in ((20, 10**3), (100, 10**5), (100, 10**6)):
        theta = rng.normal(size=n)
        a = rng.integers(n, size=m)
        b = (a + 1 + rng.integers(n - 1, size=m)) % n
        first = rng.random(m) < 1 / (1 + np.exp(theta[b] - theta[a]))
        won, lost = np.where(first, a, b), np.where(first, b, a)
        with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as f:
            f.writelines(f"{w} {l}\n" for w, l in zip(won, lost))
        pairs = list(zip(won.tolist(), lost.tolist()))
        xs, ys = [str(i) for i in won], [str(i) for i in lost]
        winners = [evalica.Winner.X] * m
        t_choix, mm = best(lambda: choix.mm_pairwise(n, pairs, tol=1e-8), 1 if m == 10**6 else 3)
        t_bt, bt = best(lambda: evalica.bradley_terry(xs, ys, winners, tolerance=1e-8, limit=100000))
        t_newman, _ = best(lambda: evalica.newman(xs, ys, winners, tolerance=1e-8, limit=100000))
        t_rank, strengths = ours(f.name)
        os.unlink(f.name)
        log_bt = np.log(np.array([bt.scores[str(i)] for i in range(n)]))
        log_bt -= log_bt.mean()
        apart = max(np.abs(mm - mm.mean() - strengths).max(), np.abs(log_bt - strengths).max())
        print(f"{m:8d}  {t_choix:8.4f}   {t_bt:8.4f}     {t_newman:8.4f}        {t_rank:8.5f}  {t_choix / t_rank:8.1f}  {t_bt / t_rank:8.1f} {t_newman / t_rank:8.1f}      {apart:.1e}")


if __name__ == "__main__":
    main()
