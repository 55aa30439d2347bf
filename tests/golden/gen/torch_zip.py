#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/torch_zip: files as torch.save writes them, made without PyTorch. The pickles come from Python's own
pickle module, which sees classes of the right names; the archives from zipfile, or spelled out byte by byte.

types.pt        one tensor per element type; a strided view, shared storages, an empty and a scalar tensor, a parameter
layout.pt       the same kind of file in the layout of PyTorch's own archive writer: zip64 end records, sizes after the
                content, 64-byte alignment
nested.pt       {"epoch": ..., "state_dict": {...}, "optimizer": ...}, and a tensor rebuilt by version 3
expected.safetensors   the values of all of them (of each file's tensors, by "<file>/<name>")
model_torch/    a small seeded Llama as two .bin shards with an index; model_safetensors/ the same as safetensors
"""
import collections
import io
import json
import pathlib
import pickle
import struct
import sys
import types
import zipfile
import zlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent.parent / "torch_zip"
BF16 = "bfloat16"  # carried as uint16 words
STORAGE = {"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage", BF16: "BFloat16Storage",
           "int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage", "int8": "CharStorage",
           "uint8": "ByteStorage", "bool": "BoolStorage"}
SAFE = {"float32": "F32", "float64": "F64", "float16": "F16", BF16: "BF16", "int64": "I64", "int32": "I32",
        "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL"}


def fake_torch():
    """Modules whose members have the names that a pickle of torch refers to."""
    torch, utils, storage = (types.ModuleType(n) for n in ("torch", "torch._utils", "torch.storage"))
    for name in STORAGE.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    storage.UntypedStorage = type("UntypedStorage", (), {"__module__": "torch.storage"})
    torch.Size = type("Size", (tuple,), {"__module__": "torch", "__reduce__": lambda s: (torch.Size, (tuple(s),))})

    class DType:
        def __init__(self, name):
            self.name = name

        def __reduce__(self):
            return self.name  # a global of the module below

    DType.__module__ = "torch"
    torch.bfloat16 = DType("bfloat16")
    for name in ("_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter"):
        function = types.FunctionType((lambda *a: None).__code__, {}, name)
        function.__module__, function.__qualname__ = "torch._utils", name
        setattr(utils, name, function)
    torch._utils, torch.storage = utils, storage
    sys.modules.update({"torch": torch, "torch._utils": utils, "torch.storage": storage})
    return torch


torch = fake_torch()


class Storage:
    def __init__(self, key, array, dtype=None):
        self.key, self.data = key, np.ascontiguousarray(array)
        self.dtype = dtype or str(self.data.dtype)


class Tensor:
    def __init__(self, storage, offset, shape, strides, version=2):
        self.storage, self.offset, self.shape, self.strides, self.version = storage, offset, shape, strides, version

    def __reduce__(self):
        head = (self.storage, self.offset, tuple(self.shape), tuple(self.strides), False, collections.OrderedDict())
        if self.version == 3:
            return torch._utils._rebuild_tensor_v3, head + (torch.bfloat16,)
        return torch._utils._rebuild_tensor_v2, head

    def values(self):
        """The elements, one index at a time."""
        out = np.empty(self.shape, self.storage.data.dtype)
        flat = self.storage.data.reshape(-1)
        for index in np.ndindex(*self.shape):
            out[index] = flat[self.offset + sum(i * s for i, s in zip(index, self.strides))]
        return out


class Parameter:
    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce__(self):
        return torch._utils._rebuild_parameter, (self.tensor, True, collections.OrderedDict())

    def values(self):
        return self.tensor.values()

    storage = property(lambda self: self.tensor.storage)


def whole(key, array, dtype=None):
    storage = Storage(key, array, dtype)
    strides = [s // storage.data.itemsize for s in storage.data.strides]
    return Tensor(storage, 0, storage.data.shape, strides)


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        if obj.dtype == "untyped":
            return ("storage", torch.storage.UntypedStorage, obj.key, "cpu", obj.data.nbytes)
        return ("storage", getattr(torch, STORAGE[obj.dtype]), obj.key, "cpu", obj.data.size)


def pickled(value):
    out = io.BytesIO()
    Pickler(out, protocol=2).dump(value)
    return out.getvalue()


def entries(root, value, storages):
    yield f"{root}/data.pkl", pickled(value)
    yield f"{root}/byteorder", b"little"
    for s in storages:
        yield f"{root}/data/{s.key}", s.data.tobytes()
    yield f"{root}/version", b"3\n"


def with_zipfile(path, items):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        for name, content in items:
            z.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)


def as_pytorch(path, items):
    """Local headers with the sizes left to a descriptor, padded by an extra field "FB" so that contents start at
    multiples of 64; a directory whose sizes and offsets stand in zip64 fields; zip64 end records and then the plain one."""
    out, central, count = b"", b"", 0
    for name, content in items:
        encoded, start = name.encode(), len(out)
        pad = -(start + 30 + len(encoded) + 4) % 64
        extra = struct.pack("<2sH", b"FB", pad) + b"Z" * pad
        out += struct.pack("<IHHHHHIIIHH", 0x04034b50, 0, 0x808, 0, 0, 0, 0, 0, 0, len(encoded), len(extra))
        out += encoded + extra
        assert len(out) % 64 == 0
        crc = zlib.crc32(content)
        out += content + struct.pack("<IIII", 0x08074b50, crc, len(content), len(content))
        wide = struct.pack("<HHQQQ", 1, 24, len(content), len(content), start)
        central += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, 0, 0, 0x808, 0, 0, 0, crc, 0xFFFFFFFF, 0xFFFFFFFF,
                               len(encoded), len(wide), 0, 0, 0, 0, 0xFFFFFFFF) + encoded + wide
        count += 1
    offset, end = len(out), len(out) + len(central)
    out += central
    out += struct.pack("<IQHHIIQQQQ", 0x06064b50, 44, 0x31E, 45, 0, 0, count, count, len(central), offset)
    out += struct.pack("<IIQI", 0x07064b50, 0, end, 1)
    out += struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, count, count, len(central), 0xFFFFFFFF, 0)
    path.write_bytes(out)


def safetensors(path, tensors):
    """{name: (dtype, array)}"""
    header, offset, blob = {}, 0, b""
    for name, (dtype, array) in tensors.items():
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": SAFE[dtype], "shape": list(array.shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def bf16(array):
    """Round to nearest even of finite float32 values."""
    bits = array.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def tensors_of_types(rng):
    out = collections.OrderedDict()
    for key, dtype in enumerate(STORAGE):
        if dtype == BF16:
            array = bf16(rng.normal(size=(3, 4)))
        elif dtype == "bool":
            array = rng.integers(0, 2, (3, 4)).astype(bool)
        elif "int" in dtype:
            array = rng.integers(0, 100, (3, 4)).astype(dtype)
        else:
            array = rng.normal(size=(3, 4)).astype(dtype)
        out[dtype] = whole(str(key), array, dtype)
    base = Storage("20", rng.normal(size=120).astype(np.float32))
    out["shared.whole"] = Tensor(base, 0, (10, 12), (12, 1))
    out["shared.transposed"] = Tensor(base, 0, (12, 10), (1, 12))
    out["shared.part"] = Tensor(base, 25, (3, 4), (12, 2))
    out["shared.cube"] = Tensor(base, 1, (2, 3, 4), (1, 30, 5))
    out["shared.repeated"] = Tensor(base, 7, (3, 2), (0, 1))
    out["one_column"] = Tensor(base, 3, (10, 1), (12, 77))
    out["empty"] = Tensor(base, 0, (0, 4), (4, 1))
    out["scalar"] = Tensor(base, 17, (), ())
    out["parameter"] = Parameter(Tensor(base, 60, (5, 12), (12, 1)))
    return out


def storages_of(tensors):
    return list({t.storage.key: t.storage for t in tensors.values()}.values())


def llama(rng):
    hidden, inner, vocabulary, kv, blocks = 32, 48, 64, 16, 2
    shapes = {"model.embed_tokens.weight": (vocabulary, hidden), "model.norm.weight": (hidden,),
              "lm_head.weight": (vocabulary, hidden)}
    for b in range(blocks):
        p = f"model.layers.{b}."
        shapes |= {p + "input_layernorm.weight": (hidden,), p + "post_attention_layernorm.weight": (hidden,),
                   p + "self_attn.q_proj.weight": (hidden, hidden), p + "self_attn.k_proj.weight": (kv, hidden),
                   p + "self_attn.v_proj.weight": (kv, hidden), p + "self_attn.o_proj.weight": (hidden, hidden),
                   p + "mlp.gate_proj.weight": (inner, hidden), p + "mlp.up_proj.weight": (inner, hidden),
                   p + "mlp.down_proj.weight": (hidden, inner)}
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden,
              "intermediate_size": inner, "vocab_size": vocabulary, "num_attention_heads": 4, "num_key_value_heads": 2,
              "num_hidden_layers": blocks, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "hidden_act": "silu", "tie_word_embeddings": False}
    values = {n: (rng.normal(size=s) * 0.3 + (1 if len(s) == 1 else 0)).astype(np.float16) for n, s in shapes.items()}
    for folder in ("model_safetensors", "model_torch"):
        (HERE / folder).mkdir(parents=True, exist_ok=True)
        (HERE / folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    safetensors(HERE / "model_safetensors/model.safetensors", {n: ("float16", v) for n, v in values.items()})
    names, weight_map = list(values), {}
    for shard, part in enumerate((names[:9], names[9:]), 1):
        file = f"pytorch_model-{shard:05}-of-00002.bin"
        # Linears as a view of their transpose: what a model saved after weight.T has.
        state = collections.OrderedDict()
        for key, name in enumerate(part):
            value = values[name]
            if name.endswith("o_proj.weight"):
                state[name] = Tensor(Storage(str(key), value.T.copy()), 0, value.shape, (1, value.shape[0]))
            else:
                state[name] = whole(str(key), value)
            weight_map[name] = file
        as_pytorch(HERE / "model_torch" / file, entries("pytorch_model", state, storages_of(state)))
    index = {"metadata": {"total_size": sum(v.nbytes for v in values.values())}, "weight_map": weight_map}
    (HERE / "model_torch/pytorch_model.bin.index.json").write_text(json.dumps(index, indent=1) + "\n")


def main():
    rng = np.random.default_rng(20260915)
    HERE.mkdir(parents=True, exist_ok=True)
    expected = {}

    def keep(file, tensors):
        expected.update({f"{file}/{n}": ("bfloat16" if t.storage.dtype == "untyped" else t.storage.dtype, t.values())
                         for n, t in tensors.items()})

    for file, write in (("types.pt", with_zipfile), ("layout.pt", as_pytorch)):
        tensors = tensors_of_types(rng)
        keep(file, tensors)
        write(HERE / file, entries("archive", tensors, storages_of(tensors)))
    untyped = Storage("1", bf16(rng.normal(size=6)), "untyped")
    inner = collections.OrderedDict(linear=whole("0", rng.normal(size=(2, 3)).astype(np.float32)),
                                    v3=Tensor(untyped, 2, (2, 2), (2, 1), 3))
    keep("nested.pt", inner)
    top = {"epoch": 3, "big": 1 << 80, "lr": 0.5, "done": False, "none": None, "negative": -70000,
           "shape": torch.Size((2, 3)), "state_dict": dict(inner, steps=12), "optimizer": {"groups": [{"lr": 1e-3}]}}
    with_zipfile(HERE / "nested.pt", entries("nested", top, storages_of(inner)))
    safetensors(HERE / "expected.safetensors", expected)
    llama(rng)


if __name__ == "__main__":
    main()
