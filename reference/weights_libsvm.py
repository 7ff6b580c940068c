"""Predictions of a LIBSVM text model by LIBSVM itself, for package weights.

Writes weights/testdata/libsvm.json: for a small epsilon-SVR trained here (its
text is kept in the file, with zeros left out as LIBSVM does), and for the BRISQUE
model if its path is given, inputs drawn from numpy.random.default_rng(7)
uniform in [-1, 1] and LIBSVM's predictions.

Made with libsvm-official 3.37.0, numpy 2.4.6, Python 3.11:

  python reference/weights_libsvm.py weights/testdata [.../brisque_svm/official_774sv_allmodel]
"""

import json
import os
import sys
import tempfile

import numpy as np
from libsvm.svmutil import svm_load_model, svm_predict, svm_save_model, svm_train


def predictions(model, x):
    rows = [{i + 1: float(v) for i, v in enumerate(row)} for row in x]
    return svm_predict([0.0] * len(rows), rows, model, "-q")[2]


def main(out, brisque=None):
    rng = np.random.default_rng(7)
    x = rng.uniform(-1, 1, (40, 4))
    x[rng.uniform(size=x.shape) < 0.2] = 0
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]
    rows = [{i + 1: float(v) for i, v in enumerate(row) if v} for row in x]
    model = svm_train(list(y), rows, "-s 3 -t 2 -g 0.7 -c 10 -p 0.05 -q")
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "m")
        svm_save_model(path, model)
        model = svm_load_model(path)
        with open(path) as f:
            text = f.read()
    probe = rng.uniform(-1, 1, (10, 4))
    result = {"small": {"model": text, "x": probe.tolist(), "y": [v[0] for v in predictions(model, probe)]}}
    if brisque:
        probe = rng.uniform(-1, 1, (20, 36))
        model = svm_load_model(brisque)
        result["brisque"] = {"x": probe.tolist(), "y": [v[0] for v in predictions(model, probe)]}
    with open(os.path.join(out, "libsvm.json"), "w") as f:
        json.dump(result, f)
        f.write("\n")


main(*sys.argv[1:])
