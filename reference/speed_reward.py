#!/usr/bin/env python3
"""How fast PyTorch runs ImageReward: pairs of a picture and a prompt a second.

The model is the authors' own (image-reward 1.5) on a checkpoint; a synthetic one
is as fast as the official one. A pair passes ImageReward.score_gard: vision tower,
text half, head. Pictures are prepared and prompts tokenised before. All pairs of a
batch have one prompt, the authors' example, so that PyTorch need not fill it up to
35 tokens as the package does; --filled does that.

It is timed twice: as its authors wrote it, and with attention by torch's own
scaled_dot_product_attention in the place of their matmul, softmax, matmul. What
else is timed and printed is described in speed.py.

    python reference/speed_reward.py FOLDER/imagereward/ImageReward.pt VOCABULARY --batches 8 \\
        --against "ASSAY_MODELS=FOLDER assay bench -m imagereward --rounds 1 --images 16 --rate"

VOCABULARY is vocab.txt of bert-base-uncased. Versions: see imagereward_package.py.
"""
import os

import speed


def positional(parser):
    parser.add_argument("checkpoint")
    parser.add_argument("vocabulary")
    parser.add_argument("--filled", action="store_true", help="fill the prompt up to 35 tokens, as the package does")


ARGS = speed.arguments(__doc__, "1,8", positional)

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

import imagereward_package  # noqa: E402

PROMPT = "a painting of an ocean with clouds and birds, day time, low depth field effect"


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


def models():
    model = imagereward_package.load(os.path.abspath(ARGS.checkpoint), os.path.abspath(ARGS.vocabulary))
    _, vit, med = imagereward_package.modules()
    use = fast_attention(vit, med)
    same(model, use)
    t = model.blip.tokenizer(PROMPT, return_tensors="pt", truncation=True, max_length=35,
                             padding="max_length" if ARGS.filled else False)
    pair = Pair(model).eval()
    for name, fast in [("imagereward", False), ("imagereward, fused attention", True)]:
        def make(batch):
            torch.manual_seed(1)
            ids, mask = (v.expand(batch, -1).contiguous() for v in (t.input_ids, t.attention_mask))
            return pair, [torch.randn(batch, 3, 224, 224), ids, mask]

        use(fast)
        yield f"{name}, {t.input_ids.shape[1]} tokens", make, multiply_adds(t.input_ids.shape[1])


if __name__ == "__main__":
    speed.main(ARGS, models=models())
