"""Golden values for the linear heads of metric/aesthetic.go.

Pinned: torch 2.15 on a CPU in float64, numpy 2.x. No seed. The heads and the
twenty real CLIP embeddings are those of the authors' repositories
(LAION-AI/aesthetic-predictor 6d122ad, crowsonkb/simulacra-aesthetic-models
701f767), under weights/clip_heads_and_vectors of the test data:

    python reference/metric_heads.py DATA > metric/testdata/heads.json

LAION's head is nn.Linear on the vector divided by its length; Simulacra's
feeds nn.Linear the vector brought to length sqrt(d), as the authors' forward()
does. The vectors are multiplied by 7 first: neither may depend on length.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

root = Path(sys.argv[1]) / "weights" / "clip_heads_and_vectors"
out = {}
for short, long in [("b32", "vit_b_32"), ("l14", "vit_l_14")]:
    vectors = [np.load(root / "laion" / f"{long}_embeddings" / f"rating{i}.npy") for i in range(10)]
    x = torch.from_numpy(np.stack(vectors).reshape(10, -1)).double() * 7
    unit = F.normalize(x, dim=-1)
    for name, file, scale in [
        ("laion-aes-v1-" + short, root / "laion" / f"sa_0_4_{long}_linear.pth", 1.0),
        ("sac-" + short, root / "sac" / f"sac_public_2022_06_29_{long}_linear.pth", x.shape[-1] ** 0.5),
    ]:
        weight, bias = (t.double() for t in torch.load(file, weights_only=True).values())
        out[name] = F.linear(unit * scale, weight, bias).flatten().tolist()
json.dump(out, sys.stdout, indent=1)
print()
