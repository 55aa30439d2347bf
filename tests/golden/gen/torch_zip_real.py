#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/torch_zip/real.pt with PyTorch itself (Debian's python3-torch 1.13), and its values as
real.safetensors: what torch_zip.py spells out is thereby compared with the original."""
import json
import pathlib
import struct

import torch

HERE = pathlib.Path(__file__).resolve().parent.parent / "torch_zip"
SAFE = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64",
        torch.bool: "BOOL"}


def save(path, tensors):
    header, offset, blob = {}, 0, b""
    for name, t in tensors.items():
        t = t.detach().contiguous()
        words = t.view(torch.int16) if t.dtype == torch.bfloat16 else t
        data = words.numpy().tobytes()
        header[name] = {"dtype": SAFE[t.dtype], "shape": list(t.shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def main():
    torch.manual_seed(20260915)
    layer = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3, bias=False))
    state = layer.state_dict()
    state["tied"] = state["0.weight"]
    state["view"] = state["0.weight"].t()[1:5, ::2]
    state["half"] = torch.randn(2, 5).half()
    state["brain"] = torch.randn(5, 2).bfloat16()
    state["mask"] = torch.tensor([True, False])
    torch.save({"state_dict": state, "step": 7}, HERE / "real.pt")
    save(HERE / "real.safetensors", state)


if __name__ == "__main__":
    main()
