"""Which source pixels Pillow's NEAREST takes, for every width.

Prints, for some results, the SHA-256 of the indices (int32, little-endian) of all
widths from 1 to 4096 in turn; pixel/resample_golden_test.go holds them.

Made with Pillow 11.3.0, numpy 2.4.6, Python 3.11:  python reference/pixel_nearest.py
"""
import hashlib

import numpy as np
from PIL import Image

for out in [224, 64, 299, 336, 1000]:
    h = hashlib.sha256()
    for width in range(1, 4097):
        row = Image.fromarray(np.arange(width, dtype=np.int32)[None], "I")
        h.update(np.asarray(row.resize((out, 1), Image.NEAREST), "<i4").tobytes())
        if width < 4096 and width % 64 == 0:  # columns are indexed alike
            column = Image.fromarray(np.arange(width, dtype=np.int32)[:, None], "I").resize((1, out), Image.NEAREST)
            assert np.array_equal(np.asarray(column)[:, 0], np.asarray(row.resize((out, 1), Image.NEAREST))[0])
    print(out, h.hexdigest())
