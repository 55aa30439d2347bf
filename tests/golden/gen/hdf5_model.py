# SPDX-License-Identifier: Apache-2.0
"""A model in the HDF5 layout of core/checkpoint/exported_hdf5.h, written with h5py, and the values that the layout
gives its tensors; or the other way round: reads an exported file with h5py and compares it with a dequantized export.

usage: hdf5_model.py                       writes ../hdf5/model.h5 and values.json (python3-h5py, python3-numpy)
       hdf5_model.py FILE.h5 FOLDER        FOLDER: the same run exported as dequantized, dtype f32
"""
import json
import os
import struct
import sys

import h5py
import numpy as np


def bfloat(values):
    """Bits of float32 values that bfloat16 has exactly."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    assert not (bits & 0xFFFF).any()
    return (bits >> 16).astype(np.uint16)


def text_of(node, name):
    """Texts of fixed length, as this program writes them, are bytes to h5py."""
    value = node.attrs.get(name)
    return value.decode() if isinstance(value, bytes) else value


def hadamard(p):
    h = np.ones((1, 1))
    while len(h) < p:
        h = np.block([[h, h], [h, -h]])
    return h


def with_extras(values, group):
    """What a linear holds beside its codes: the text of the manual. Sums of products are made in the order of the
    columns of the first factor."""
    if "rotation_signs" in group:
        cols = values.shape[1]
        q = group["rotation_q"][()] if "rotation_q" in group else np.eye(1)
        p = cols // len(q)
        values = values @ np.kron(hadamard(p), q) * group["rotation_signs"][()] / np.sqrt(p)
        if "rotation_scale" in group:
            values = values / group["rotation_scale"][()].astype(np.float64)
    if "low_rank_a" in group:
        values = values + group["low_rank_a"][()].astype(np.float64) @ group["low_rank_b"][()].astype(np.float64)
    if "kept_start" in group:
        start, values = group["kept_start"][()], values.copy()
        for r in range(len(start) - 1):
            values[r, group["kept_column"][start[r]:start[r + 1]]] = group["kept_value"][start[r]:start[r + 1]]
    return values


def values_of(group, file):
    """[rows, cols] of one linear."""
    return with_extras(code_values(group, file), group)


def code_values(group, file):
    scale, zero = group["scale"][()], group["zero"][()].astype(np.float32)
    if text_of(group["scale"], "qs_dtype") == "BF16":
        scale = (scale.astype(np.uint32) << 16).view(np.float32)
    codes = group["codes"][()]
    columns = group["group_of_column"][()]
    rows = np.arange(codes.shape[0]) // group.attrs["block_rows"] if len(scale) > 1 else np.zeros(len(codes), int)
    if "table" in group:
        return group["table"][()][rows[:, None], columns[None, :], codes]
    scale = scale.astype(np.float32)[rows][:, columns]
    zero = zero[rows][:, columns]
    if "levels" not in group.attrs:
        return scale * (codes.astype(np.float32) - zero)
    return scale * file[text_of(group, "levels")][()][codes] - zero


def tensor_of(node, file):
    if isinstance(node, h5py.Dataset):
        stored = node[()]
        if text_of(node, "qs_dtype") == "BF16":
            stored = (stored.astype(np.uint32) << 16).view(np.float32)
        return stored.reshape(json.loads(text_of(node, "shape")))
    if "codes" in node:
        return values_of(node, file)
    shape = json.loads(text_of(node, "shape"))
    out = tensor_of(node["kept"], file).astype(np.float32) if "kept" in node else np.zeros(shape, np.float32)
    for name, part in node.items():
        if name == "kept":
            continue
        w = values_of(part, file)
        ranges = part["row_ranges"][()] if "row_ranges" in part else [(0, len(w))]
        outputs = np.concatenate([np.arange(first, first + count) for first, count in ranges])
        if text_of(part, "stored") == "transposed":
            out[:, outputs] = w.T
        else:
            out[outputs] = w
    return out


def without_times(kind):
    """Creation properties: running the script again changes no byte."""
    properties = h5py.h5p.create(kind)
    properties.set_obj_track_times(False)
    return properties


def new_file(path):
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    return h5py.File(h5py.h5f.create(path.encode(), h5py.h5f.ACC_TRUNC, without_times(h5py.h5p.FILE_CREATE), access))


def new_group(parent, name):
    return h5py.Group(h5py.h5g.create(parent.id, name.encode(), gcpl=without_times(h5py.h5p.GROUP_CREATE)))


def put_linear(group, module, codes, scale, zero, group_of, block_rows, stored, levels=None, mark=None, table=None):
    group.create_dataset("codes", data=np.asarray(codes, np.uint8))
    group.create_dataset("scale", data=scale)
    if mark:
        group["scale"].attrs["qs_dtype"] = mark
    group.create_dataset("zero", data=zero)
    group.create_dataset("group_of_column", data=np.asarray(group_of, np.int32))
    group.attrs["module"] = module
    group.attrs["block_rows"] = np.int64(block_rows)
    group.attrs["stored"] = stored
    group.attrs["values"] = "scale * level - zero" if levels else "scale * (code - zero)"
    if levels:
        group.attrs["levels"] = levels
    if table is not None:
        group.attrs["values"] = "table[row, group, code]"
        group.create_dataset("table", data=table)


def put_rotation(group, signs, q=None, scale=None):
    group.create_dataset("rotation_signs", data=np.asarray(signs, np.int8))
    if q is not None:
        group.create_dataset("rotation_q", data=np.asarray(q, np.float64))
    if scale is not None:
        group.create_dataset("rotation_scale", data=np.asarray(scale, np.float16))


def put_kept(parent, path, name, array, shape, mark=None):
    d = parent.create_dataset(path, data=array)
    d.attrs["name"], d.attrs["shape"] = name, json.dumps(shape)
    if mark:
        d.attrs["qs_dtype"] = mark


def write(folder):
    rng = np.random.default_rng(5)
    os.makedirs(folder, exist_ok=True)
    with new_file(os.path.join(folder, "model.h5")) as f:
        for name in ("tensors", "levels", "files"):
            new_group(f, name)
        f.attrs["schema"], f.attrs["schema_version"] = "quantoscope-model", np.int64(1)
        t = f["tensors"]

        def group(name, shape, form):
            g = new_group(t, name.replace("%", "%25").replace("/", "%2F"))
            g.attrs["name"], g.attrs["shape"], g.attrs["format"] = name, json.dumps(shape), form
            return g

        half = lambda *shape: (rng.integers(1, 64, shape) / 256).astype(np.float16)
        codes = lambda n, *shape: rng.integers(0, n, shape).astype(np.uint8)
        put_linear(group("a/b.weight", [4, 6], "int4 g3"), "a/b", codes(16, 4, 6), half(4, 2),
                   rng.integers(0, 16, (4, 2)).astype(np.uint8), [0, 1, 1, 0, 0, 1], 1, "whole")
        f.create_dataset("levels/0", data=np.array([-1, -0.25, 0, 0.5, 2], np.float32))
        put_linear(group("blocks.weight", [5, 4], "five levels"), "blocks", codes(5, 5, 4),
                   bfloat(rng.integers(1, 99, (3, 2)) / 64), np.full((3, 2), 0.125, np.float32), [0, 0, 1, 1], 2, "whole",
                   "/levels/0", "BF16")
        fused = group("fused.weight", [7, 3], "int2, kept rows")
        for name, ranges in (("q", [(5, 1), (0, 2)]), ("k", [(3, 1)])):
            n = sum(count for _, count in ranges)
            part = new_group(fused, name)
            put_linear(part, name, codes(4, n, 3), half(1, 1), np.zeros((1, 1), np.uint8), [0, 0, 0], 1, "rows")
            part.create_dataset("row_ranges", data=np.array(ranges, np.int32))
        put_kept(fused, "kept", "fused.weight", half(7, 3), [7, 3])
        conv = group("conv.weight", [3, 4], "int3")
        put_linear(new_group(conv, "conv"), "conv", codes(8, 4, 3), half(4, 1), codes(8, 4, 1), [0, 0, 0], 1, "transposed")
        put_kept(t, "norm", "norm", np.array([1.5, -2, 0.25], np.float32), [3])
        put_kept(t, "embed", "embed", bfloat(rng.integers(-9, 9, (3, 2)) / 8), [3, 2], "BF16")
        put_kept(t, "step", "step", np.array([[7]], np.int64), [])
        # Everything beside codes, in numbers that float32 has exactly: 12 columns are a Hadamard matrix of 4 and a Q of
        # 3, here a permutation; 4 columns are a Hadamard matrix alone.
        beside = group("beside.weight", [5, 12], "int4, rotated, corrected, kept")
        put_linear(beside, "beside", codes(16, 5, 12), half(5, 3), codes(16, 5, 3), np.arange(12) // 4, 1, "whole")
        put_rotation(beside, rng.choice([-1, 1], 12), [[0, 1, 0], [0, 0, 1], [1, 0, 0]], 2.0 ** rng.integers(-2, 3, 12))
        beside.create_dataset("low_rank_a", data=half(5, 2))
        beside.create_dataset("low_rank_b", data=half(2, 12))
        beside.create_dataset("kept_start", data=np.array([0, 2, 2, 3, 3, 4], np.int32))
        beside.create_dataset("kept_column", data=np.array([1, 11, 0, 5], np.uint16))
        beside.create_dataset("kept_value", data=np.array([9.5, -7, 0.125, 33], np.float16))
        turned = group("turned.weight", [3, 4], "int4, rotated")
        part = new_group(turned, "turned")
        put_linear(part, "turned", codes(16, 3, 4), half(1, 1), codes(16, 1, 1), [0, 0, 0, 0], 1, "rows")
        put_rotation(part, [1, -1, -1, 1])
        part.create_dataset("row_ranges", data=np.array([[1, 2], [0, 1]], np.int32))
        put_linear(group("table.weight", [4, 6], "any values"), "table", codes(3, 4, 6), half(2, 2), codes(9, 2, 2),
                   [1, 0, 0, 1, 1, 0], 2, "whole", table=(rng.integers(-64, 64, (2, 2, 3)) / 32).astype(np.float32))
        config = json.dumps({"model_type": "nothing known", "hidden_size": 3}).encode()
        f.create_dataset("files/config.json", data=np.frombuffer(config, np.uint8)).attrs["name"] = "config.json"
        values = {text_of(node, "name"): tensor_of(node, f).astype(float).reshape(-1).tolist() for node in t.values()}
    with open(os.path.join(folder, "values.json"), "w") as out:
        json.dump(values, out, indent=0, sort_keys=True)
        out.write("\n")


def compare(h5, folder):
    with open(os.path.join(folder, "model.safetensors"), "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        start, kinds = f.tell(), {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
        header.pop("__metadata__", None)
        with h5py.File(h5, "r") as model:
            seen = 0
            for node in model["tensors"].values():
                entry = header.pop(text_of(node, "name"))
                f.seek(start + entry["data_offsets"][0])
                want = np.frombuffer(f.read(entry["data_offsets"][1] - entry["data_offsets"][0]), kinds[entry["dtype"]])
                if entry["dtype"] == "BF16":
                    want = (want.astype(np.uint32) << 16).view(np.float32)
                have = tensor_of(node, model).astype(np.float32).reshape(-1)
                want = want.astype(np.float32)
                if "extras" in node.attrs:  # sums of products, here in double
                    assert np.abs(have - want).max() <= 1e-5 * np.abs(want).max(), text_of(node, "name")
                else:
                    assert np.array_equal(have, want), text_of(node, "name")
                seen += 1
            assert not header, "not in the HDF5 file: %s" % sorted(header)
            print("%d tensors are equal; files: %s" % (seen, ", ".join(text_of(n, "name") for n in model["files"].values())))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        compare(*sys.argv[1:])
    else:
        write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hdf5"))
