"""Reference files and proofs of loading for Keras' HDF5.

Writes into weights/testdata/hdf5, with h5py:
  keras_old.h5     Keras 2's layout as its save_weights writes it (superblock 0,
                   symbol tables), more layers than one leaf holds, every type of
                   number, values in the header, one value, no value
  keras_vlen.h5    the same names as texts of various lengths, lists cut in two,
                   a header that continues elsewhere
  keras_new.h5     libver="v108" to "v110": superblock 2, links in headers
  keras_latest.h5  libver="latest": links in fractal heaps, 100 layers
  refused_*.h5     what the reader refuses by name
  hdf5.json        type, shape and SHA-256 of every dataset, the root's texts, and
                   the first sums of a real file, if the folder with it is given

    python reference/weights_hdf5.py write weights/testdata/hdf5 [../shared/data/weights]

The other way, files that assay wrote:

    ASSAY_HDF5_DIR=DIR go test -run TestKerasHDF5 ./weights
    KERAS_BACKEND=torch python reference/weights_hdf5.py check DIR

loads DIR/NAME.h5 with h5py and holds every dataset against DIR/NAME.json, and fills
a Keras model with DIR/keras.h5 by load_weights.

Made with h5py 3.16.0 (HDF5 2.0.0), keras 3.15.1 on torch 2.15.0, numpy 2.4.6,
Python 3.11. All values come from numpy.random.default_rng(20240611).
"""
import hashlib
import json
import pathlib
import sys

import h5py
import numpy as np

TYPES = ["<f4", "<f8", "<f2", "<i1", "<u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8"]


def fill(rng, dtype, shape):
    if dtype[1] == "f":
        return rng.standard_normal(shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=np.dtype(dtype), endpoint=True)


def compact(group, name, data):
    """A dataset whose values lie in its header."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple(data.shape)
    lcpl = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    lcpl.set_create_intermediate_group(True)
    d = h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(data.dtype), space, plist, lcpl)
    d.write(h5py.h5s.ALL, h5py.h5s.ALL, data)


def layers(f, rng, count, vlen=False):
    """Layers as Keras writes them; every third has no weights."""
    text = (lambda names: np.array(names, dtype=h5py.string_dtype())) if vlen else (lambda names: [n.encode() for n in names])
    names = [f"layer_{i}" for i in range(count)]
    for i, layer in enumerate(names):
        g = f.create_group(layer)
        if i % 3 == 2:
            g.attrs["weight_names"] = []
            continue
        weights = [f"{layer}/kernel:0", f"{layer}/bias:0"]
        g.attrs["weight_names"] = text(weights)
        dtype = TYPES[i % len(TYPES)]
        g.create_dataset(weights[0], data=fill(rng, dtype, (2, 3)))
        if i % 2:
            compact(g, weights[1], fill(rng, dtype, (3,)))
        else:
            g.create_dataset(weights[1], data=fill(rng, dtype, (3,)))
    return names, text


def write(out):
    rng = np.random.default_rng(20240611)
    with h5py.File(out / "keras_old.h5", "w", libver="earliest") as f:
        names, text = layers(f, rng, 26)
        f.attrs["layer_names"] = text(names)
        f.attrs["backend"] = b"tensorflow"
        f.attrs["keras_version"] = b"2.1.6"
        f.attrs["epochs"] = 12
        f["layer_2"].create_dataset("one", data=np.float32(0.1))
        f["layer_2"].create_dataset("none", data=np.zeros((0, 4), "<f4"))
    with h5py.File(out / "keras_vlen.h5", "w", libver="earliest") as f:
        names, text = layers(f, rng, 9, vlen=True)
        f.attrs["layer_names0"], f.attrs["layer_names1"] = text(names[:5]), text(names[5:])
        f.attrs["backend"] = "tensorflow"
        f.attrs["note"] = "r\u00e9sum\u00e9 \U0001f600"
        f.attrs["empty"] = ""
        for i in range(12):
            f.attrs[f"extra_{i}"] = f"text {i} " * 20
    for name, libver in [("keras_new", ("v108", "v110")), ("keras_latest", "latest")]:
        with h5py.File(out / f"{name}.h5", "w", libver=libver) as f:
            names, text = layers(f, rng, 100 if libver == "latest" else 7)
            f.attrs["layer_names"] = text(names)
            f.attrs["backend"] = "torch"
    with h5py.File(out / "refused_gzip.h5", "w") as f:
        f.create_dataset("a/kernel:0", data=np.zeros((4, 4), "<f4"), compression="gzip", shuffle=True)
    with h5py.File(out / "refused_chunks.h5", "w") as f:
        f.create_dataset("a/kernel:0", data=np.zeros((4, 4), "<f4"), chunks=(2, 2))
    with h5py.File(out / "refused_big.h5", "w") as f:
        f.create_dataset("a/kernel:0", data=np.zeros(4, ">f4"))
    with h5py.File(out / "refused_text.h5", "w") as f:
        f.create_dataset("a/kernel:0", data=[b"x"])
    with h5py.File(out / "refused_bool.h5", "w") as f:
        f.create_dataset("a/kernel:0", data=[True])
    with h5py.File(out / "refused_soft.h5", "w") as f:
        f.create_dataset("a/kernel:0", data=np.zeros(4, "<f4"))
        f["a/alias"] = h5py.SoftLink("/a/kernel:0")
    with h5py.File(out / "refused_hard.h5", "w") as f:
        f.create_dataset("a/kernel:0", data=np.zeros(4, "<f4"))
        f["a/alias"] = f["a/kernel:0"]
    with h5py.File(out / "refused_loop.h5", "w") as f:
        f.create_dataset("a/kernel:0", data=np.zeros(4, "<f4"))
        f["a/up"] = f["/"]
    with h5py.File(out / "refused_external.h5", "w", libver="latest") as f:
        f.create_dataset("a/kernel:0", shape=(4,), dtype="<f4", external=[("/etc/passwd", 0, 16)])
    with h5py.File(out / "refused_link.h5", "w", libver="latest") as f:
        f["other"] = h5py.ExternalLink("/etc/passwd", "/x")
    with h5py.File(out / "refused_unwritten.h5", "w") as f:
        f.create_dataset("a/kernel:0", shape=(4,), dtype="<f4")
    with h5py.File(out / "refused_names.h5", "w") as f:
        f.create_dataset("a/kernel:0", data=np.zeros(4, "<f4"))
        f["a"].attrs["weight_names"] = [b"kernel:0", b"bias:0"]
    with h5py.File(out / "refused_null.h5", "w") as f:
        f.create_dataset("a/kernel:0", data=h5py.Empty("f4"))
    with h5py.File(out / "refused_block.h5", "w", userblock_size=512) as f:
        f.create_dataset("a/kernel:0", data=np.zeros(4, "<f4"))


def describe(path):
    """Type, shape and SHA-256 of every dataset, and the root's texts."""
    tensors, texts = {}, {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            raw = np.ascontiguousarray(item[()])
            tensors[name] = {"dtype": raw.dtype.name, "shape": list(item.shape), "sha256": hashlib.sha256(raw.tobytes()).hexdigest()}
    with h5py.File(path) as f:
        f.visititems(visit)
        for key, value in f.attrs.items():
            flat = [v.decode() if isinstance(v, bytes) else v for v in np.asarray(value).ravel().tolist()]
            if all(isinstance(v, str) for v in flat) and flat:
                texts[key] = "\n".join(flat)
    return {"tensors": tensors, "texts": texts}


def golden(out, real):
    doc = {p.name: describe(p) for p in sorted(out.glob("keras_*.h5"))}
    if real:
        path = pathlib.Path(real) / "squeezenet11_caffe_notop/squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
        doc[f"{path.parent.name}/{path.name}"] = describe(path)
    (out / "hdf5.json").write_text(json.dumps(doc, indent=1, ensure_ascii=False) + "\n")


def check(folder):
    for path in sorted(folder.glob("*.h5")):
        want = json.loads(path.with_suffix(".json").read_text())
        got = describe(path)
        assert got["tensors"] == want["tensors"], (path, got["tensors"], want["tensors"])
        for key, text in want["texts"].items():
            assert got["texts"][key] == text, (path, key, got["texts"])
        print(path.name, len(got["tensors"]), "datasets read by h5py as they were written")
    import keras
    model = keras.Sequential([
        keras.layers.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, use_bias=False, name="conv1"),
        keras.layers.BatchNormalization(name="conv1_bn"),
        keras.layers.ReLU(name="conv1_relu"),
        keras.layers.DepthwiseConv2D(3, use_bias=False, name="conv_dw_1"),
        keras.layers.GlobalAveragePooling2D(name="pool"),
        keras.layers.Dense(10, activation="softmax", name="dense_1"),
    ])
    model.load_weights(folder / "keras.h5")
    with h5py.File(folder / "keras.h5") as f:
        count = 0
        for layer in model.layers:
            for w, name in zip(layer.weights, f[layer.name].attrs["weight_names"], strict=True):
                assert np.array_equal(keras.ops.convert_to_numpy(w), f[layer.name][name][()]), (layer.name, name)
                count += 1
        assert count == len(json.loads((folder / "keras.json").read_text())["tensors"]), count
    assert model(np.zeros((1, 8, 8, 3), "f4")).shape == (1, 10)
    print("keras.h5: load_weights of keras", keras.__version__, "filled", count, "weights")


if __name__ == "__main__":
    if sys.argv[1] == "write":
        out = pathlib.Path(sys.argv[2])
        write(out)
        golden(out, sys.argv[3] if len(sys.argv) > 3 else None)
    else:
        check(pathlib.Path(sys.argv[2]))
