#!/usr/bin/env python3
"""Golden values of NIMA, by Keras' own MobileNet on synthetic checkpoints.

The network is keras.applications.MobileNet with idealo's head, as idealo's
model_builder.py has it, filled by load_weights from the HDF5 file that assay
wrote. Keras 3 pads strided convolutions at the bottom and right (variant "tf2").
The padding of Keras 2.1, on all sides, is the same layers with ZeroPadding2D((1,1))
before them; the script builds both by the same function, and first shows that
with the one padding it gives what Keras' own network gives, to the bit.

Pictures are prepared as idealo's code does: load_img, which converts to RGB and
takes nearest pixels, and preprocess_input on float64 samples. The golden shares are
those of the network in float64, on the CPU with torch; the script also runs it in
float32, as idealo does, and prints how far that is from them.

    KERAS_BACKEND=torch python reference/nima_golden.py FOLDER

FOLDER holds the models as "assay models synth" lays them out. In the golden files
embedding is the shares of keras21, raw those of tf2 (rounded to float32), scores the two means
as idealo's calc_mean_score makes them.

Made with keras 3.15.1 on torch 2.15.0, h5py 3.16.0, Pillow 11.3.0, numpy 2.4.6,
Python 3.11.
"""
import os
import pathlib
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import numpy as np
import torch
from keras import layers

import parity

BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]


def own():
    """idealo's Nima.build on Keras' MobileNet."""
    base = keras.applications.MobileNet(input_shape=(224, 224, 3), weights=None, include_top=False, pooling="avg")
    x = layers.Dropout(0)(base.output)
    return keras.Model(base.inputs, layers.Dense(10, activation="softmax")(x))


def built(stride2):
    """The same layers with the given zeros before those of stride 2."""
    x = inputs = layers.Input((224, 224, 3))

    def rest(x, name):
        x = layers.BatchNormalization(name=name + "_bn")(x)
        return layers.ReLU(6.0, name=name + "_relu")(x)
    x = layers.ZeroPadding2D(stride2, name="conv1_pad")(x)
    x = rest(layers.Conv2D(32, 3, strides=2, use_bias=False, name="conv1")(x), "conv1")
    for i, (out, stride) in enumerate(BLOCKS, 1):
        x = layers.ZeroPadding2D(stride2 if stride == 2 else (1, 1), name=f"conv_pad_{i}")(x)
        x = rest(layers.DepthwiseConv2D(3, strides=stride, use_bias=False, name=f"conv_dw_{i}")(x), f"conv_dw_{i}")
        x = rest(layers.Conv2D(out, 1, use_bias=False, name=f"conv_pw_{i}")(x), f"conv_pw_{i}")
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.Dropout(0)(x)))


def mean(shares):
    """calc_mean_score of idealo's utils.py."""
    shares = np.array(shares)
    return float((shares / shares.sum() * np.arange(1, 11)).sum())


def main():
    folder = pathlib.Path(sys.argv[1])
    crops = [keras.utils.load_img(parity.IMAGES / f, target_size=(224, 224)) for f in parity.NAMES]
    x = np.empty((len(crops), 224, 224, 3))
    for i, crop in enumerate(crops):
        x[i] = np.asarray(crop)
    x = keras.applications.mobilenet.preprocess_input(x)
    for name in ["nima-aesthetic", "nima-technical"]:
        path = parity.checkpoint(folder, name, ".hdf5")
        shares, exact = {}, {}
        for precision, into, count in [("float32", shares, 4), ("float64", exact, len(x))]:
            keras.config.set_dtype_policy(precision)
            for key, pads in [("keras21", (1, 1)), ("tf2", ((0, 1), (0, 1)))]:
                model = built(pads)
                model.load_weights(path)
                into[key] = np.concatenate([model.predict(x[i:i + 1].astype(precision), verbose=0) for i in range(count)])
        keras.config.set_dtype_policy("float32")
        theirs = own()
        theirs.load_weights(path)
        theirs = np.concatenate([theirs.predict(x[i:i + 1].astype("float32"), verbose=0) for i in range(4)])
        print(name, "built with tf2's padding against Keras' own: largest difference", np.abs(theirs - shares["tf2"]).max())
        assert np.array_equal(theirs, shares["tf2"])
        for key in shares:
            print(name, key, "float32 from float64, four pictures: shares", np.abs(shares[key] - exact[key][:4]).max())
        print(name, "paddings: shares differ by up to", np.abs(exact["tf2"] - exact["keras21"]).max(),
              "and in every picture by at least", np.abs(exact["tf2"] - exact["keras21"]).max(1).min())
        images = []
        for i, f in enumerate(parity.NAMES):
            planes = torch.from_numpy(x[i].astype(np.float32).transpose(2, 0, 1).copy())
            images.append({"file": f, "crop_sha256": parity.crop_sha(crops[i]), **parity.tensor_facts(planes),
                           "embedding": parity.floats(exact["keras21"][i].astype("f4")), "raw": parity.floats(exact["tf2"][i].astype("f4"))})
        scores = [[mean(exact["keras21"][i]), mean(exact["tf2"][i])] for i in range(len(images))]
        parity.write(name, [path], {"model": name, "images": images, "scores": scores}, "keras", "h5py")


if __name__ == "__main__":
    main()
