#!/usr/bin/env python3
"""How fast PyTorch runs the convolutional networks: items a second on this machine.

  lpips-vgg, lpips-alex  the authors' lpips 0.1.4 on pairs of 256×256, weights random
  mobilenet  MobileNet v1 at 224×224 with ten outputs, as NIMA's: Keras' layers
             written in PyTorch, since Keras has no faster engine on a CPU
  inception  pytorch-fid's InceptionV3 at 299×299 up to the 2048 features

Speed does not depend on the weights, so these are random. What is timed and printed
is described in speed.py.

    python reference/speed_cnn.py lpips-vgg --batches 8 \\
        --against "ASSAY_MODELS=DIR assay bench -m lpips-vgg --rounds 1 --images 8 --rate"
"""
import speed

ARGS = speed.arguments(__doc__, "1,8", lambda p: p.add_argument("models", nargs="+", choices=["lpips-vgg", "lpips-alex", "mobilenet", "inception"]))

import torch  # noqa: E402
from torch import nn  # noqa: E402


def pairs(net):
    import lpips
    return lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False), [(3, 256, 256)] * 2


def mobilenet():
    def conv(into, out, kernel, stride=1, groups=1):
        return [nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out, eps=1e-3), nn.ReLU6()]

    layers, width = conv(3, 32, 3, 2), 32
    for out, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]:
        layers += conv(width, width, 3, stride, width) + conv(width, out, 1)
        width = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 10), nn.Softmax(1)), [(3, 224, 224)]


def inception():
    from pytorch_fid import inception as fid

    class Features(nn.Module):
        """The blocks of pytorch-fid's InceptionV3, without its resize and list of outputs."""

        def __init__(self):
            super().__init__()
            # Values of the right shapes in the place of a download.
            fid.load_state_dict_from_url = lambda *_, **__: fid._inception_v3(num_classes=1008, aux_logits=False, weights=None).state_dict()
            self.blocks = nn.Sequential(*fid.InceptionV3([3], resize_input=False, normalize_input=False).blocks)

        def forward(self, x):
            return self.blocks(x)

    return Features(), [(3, 299, 299)]


def multiply_adds(model, inputs):
    """Of the convolutions and linear layers on one item."""
    total, hooks = 0, []

    def count(m, given, out):
        nonlocal total
        per = m.weight[0].numel() if isinstance(m, nn.Conv2d) else m.in_features
        total += out.numel() * per

    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            hooks.append(m.register_forward_hook(count))
    with torch.inference_mode():
        model(*inputs)
    for h in hooks:
        h.remove()
    return total


def models():
    for name in ARGS.models:
        model, shapes = {"mobilenet": mobilenet, "inception": inception}[name]() if name in ("mobilenet", "inception") else pairs(name.removeprefix("lpips-"))
        model.eval()
        yield name, lambda n: (model, [torch.rand(n, *s) * 2 - 1 for s in shapes]), multiply_adds(model, [torch.rand(1, *s) for s in shapes])


if __name__ == "__main__":
    speed.main(ARGS, "torchvision", models=models())
