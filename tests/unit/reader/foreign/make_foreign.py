#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the small HDF5 files beside it with h5py: Keras weights as Keras writes them, arrays of every type and layout, and
files that must not be followed. Element (i, j, k) of an array of numbers is base + 100 i + 10 j + k, so that the tests know
every value."""
import os

import h5py
import numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))


def new(name, **options):
    # The oldest format that holds the file, as h5py does by default.
    return h5py.File(name, "w", **options)


def numbers(shape, base=0, dtype="f4"):
    steps = (100, 10, 1)[3 - len(shape):]
    out = np.full(shape, base, "f8")
    for axis, step in enumerate(steps):
        view = [1] * len(shape)
        view[axis] = shape[axis]
        out = out + (np.arange(shape[axis]) * step).reshape(view)
    return out.astype(dtype)


def bf16_words(array):
    return (array.astype("f4").view("u4") >> 16).astype("u2")  # the numbers used are exact


def legacy_group(root, layers):
    """{layer: {weight name: array}} as Keras 2 writes it."""
    root.attrs["layer_names"] = np.array([n.encode() for n in layers])
    root.attrs["backend"] = "tensorflow"
    root.attrs["keras_version"] = "2.12.0"
    for layer, weights in layers.items():
        g = root.create_group(layer)
        g.attrs["weight_names"] = np.array([n.encode() for n in weights]) if weights else np.zeros((0,), "f8")
        for name, array in weights.items():
            g.create_dataset(name, data=array)


with new("keras2.weights.h5") as f:
    legacy_group(f, {
        "input_1": {},
        "embed": {"embed/embeddings:0": numbers((5, 4), 1000)},
        "dense": {"dense/kernel:0": numbers((2, 3)), "dense/bias:0": numbers((3,), 7)},
        "norm": {"norm/gamma:0": numbers((3,), 1), "norm/beta:0": numbers((3,), 2)},
        "conv": {"conv/kernel:0": numbers((2, 3, 4), 5), "conv/bias:0": numbers((4,))},
        "attn": {"attn/query/kernel:0": numbers((3, 2, 2)), "attn/query/bias:0": numbers((2, 2), 3),
                 "attn/attention_output/kernel:0": numbers((2, 2, 3), 9)},
    })

with new("keras2_model.h5") as f:
    # A whole model; the list of layers is long enough to be cut in two.
    f.attrs["model_config"] = '{"class_name": "Sequential"}'
    root = f.create_group("model_weights")
    legacy_group(root, {"a": {"a/kernel:0": numbers((2, 3))}, "b": {"b/kernel:0": numbers((3, 2), 50)}})
    del root.attrs["layer_names"]
    root.attrs["layer_names0"] = np.array([b"a"])
    root.attrs["layer_names1"] = np.array([b"b"])
    f.create_group("optimizer_weights").create_dataset("iteration:0", data=np.int64(3))
    f.create_dataset("optimizer_weights/a/kernel/m:0", data=numbers((2, 3)))

with new("keras3.weights.h5") as f:
    dense = f.create_dataset("layers/dense/vars/0", data=bf16_words(numbers((2, 3))).view("V2"))
    dense.attrs["dtype"] = "bfloat16"
    f.create_dataset("layers/dense/vars/1", data=numbers((3,), 7, "f2"))
    f.create_dataset("layers/embedding/vars/0", data=numbers((5, 4), 1000))
    f.create_dataset("layers/block/attn/query_dense/vars/0", data=numbers((3, 2, 2)))
    f.create_dataset("layers/block/attn/query_dense/vars/1", data=numbers((2, 2), 3))
    f.create_dataset("layers/block/attn/output_dense/vars/0", data=numbers((2, 2, 3), 9))
    f.create_group("layers/dropout/vars")
    f.create_dataset("optimizer/vars/0", data=np.int64(3))

with new("types.h5") as f:
    for name in ("f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"):
        f.create_dataset(name, data=numbers((2, 3), 1, name))
        f.create_dataset(name + "_big", data=numbers((2, 3), 1, ">" + name))
    f.create_dataset("bool", data=np.array([[True, False, True]]))
    f.create_dataset("scalar", data=np.float32(2.5))
    f.create_dataset("empty", data=np.zeros((0, 3), "f4"))
    f.create_dataset("compact_words", data=bf16_words(numbers((2, 3), 1)))
    big = np.arange(7 * 5 * 11 * 13, dtype="f4").reshape(7, 5, 11, 13)
    f.create_dataset("chunked", data=big, chunks=(2, 2, 4, 5), compression="gzip", shuffle=True, fletcher32=True)
    f.create_dataset("plain", data=big)
    f["deep/er/weight"] = numbers((2, 3), 1)
    f["hard_link"] = f["f4"]

with new("dump.h5") as f:
    f.create_dataset("activations/layers.0.attn", data=np.arange(24, dtype="f2").reshape(2, 3, 4))

with new("refused.h5") as f:
    f["good"] = numbers((2, 3))
    f["soft"] = h5py.SoftLink("/good")
    f["dangling"] = h5py.SoftLink("/nothing")
    f["external"] = h5py.ExternalLink("types.h5", "/f4")
    f["etc"] = h5py.ExternalLink("/etc/passwd", "/")
    f.create_dataset("external_storage", (2, 2), "f8", external=[("/etc/passwd", 0, 32)])
    layout = h5py.VirtualLayout((2, 3), "f4")
    layout[:] = h5py.VirtualSource("types.h5", "f4", (2, 3))
    f.create_virtual_dataset("virtual", layout)
    f.create_dataset("strings", data=np.array([b"ab", b"cd"]))
    f.create_dataset("varying", (2,), h5py.vlen_dtype(np.int32))
    f.create_dataset("varying_strings", (2,), h5py.string_dtype())
    f.create_dataset("compound", (2,), np.dtype([("a", "f4"), ("b", "i4")]))
    f.create_dataset("reference", (2,), h5py.ref_dtype)
    f.create_dataset("complex", (2,), "c8")
    f.create_dataset("long_double", (2,), "g")
    f.create_dataset("rank9", data=np.zeros((1,) * 9, "f4"))
    f.create_dataset("huge_chunk", (1 << 14, 1 << 14), "f8", chunks=(1 << 13, 1 << 13))
    f.create_dataset("terabytes", (1 << 20, 1 << 19), "f8", chunks=(64, 64))
    f.create_dataset("too_many", (1 << 21, 1 << 20), "f4", chunks=(64, 64))
    f.create_dataset("never_written", (1024, 1024), "f4")
    f.create_dataset("null", data=h5py.Empty("f4"))
    f.create_dataset("scale_offset", data=np.zeros((4, 4)), chunks=(4, 4), scaleoffset=2)
    f.create_dataset("lzf", data=numbers((4, 4)), chunks=(4, 4), compression="lzf")
    f["named_type"] = np.dtype("f4")

with new("cycle.h5") as f:
    f["a/b/w"] = numbers((2, 3))
    f["a/b/root"] = f["/"]
    f["a/again"] = f["a"]

with new("deep.h5") as f:
    f["/".join(["d"] * 40) + "/w"] = numbers((2, 3))
    f["w"] = numbers((2, 3))
