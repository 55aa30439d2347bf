#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/gguf/imatrix.gguf and imatrix.dat: importance matrices of a two-block Llama as llama.cpp's
llama-imatrix stores them (tools/imatrix/imatrix.cpp), from the description of the two formats. Standard library only.

Values: entry n, channel c of expert e has in_sum2 = (n + 1) * 10 + e + c / 4 over counts 8 (e + 1)."""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent.parent / "gguf"
ENTRIES = [("blk.0.attn_q.weight", 1, 32), ("blk.0.ffn_down.weight", 1, 64), ("blk.1.ffn_gate_exps.weight", 2, 32)]


def sums(n, experts, channels):
    return [[(n + 1) * 10 + e + c / 4 for c in range(channels)] for e in range(experts)]


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def gguf():
    pairs = [text("general.type") + struct.pack("<I", 8) + text("imatrix"),
             text("imatrix.datasets") + struct.pack("<IIQ", 9, 8, 2) + text("a.txt") + text("b.txt"),
             text("imatrix.chunk_count") + struct.pack("<II", 4, 5),
             text("imatrix.chunk_size") + struct.pack("<II", 4, 8)]
    infos, data = b"", b""

    def add(name, rows, cols, values):
        nonlocal infos, data
        dims = (cols,) if rows is None else (cols, rows)
        infos += text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        infos += struct.pack("<IQ", 0, len(data))
        raw = struct.pack(f"<{len(values)}f", *values)
        data += raw + b"\0" * (-len(raw) % 32)
    for n, (name, experts, channels) in enumerate(ENTRIES):
        add(name + ".in_sum2", experts, channels, [v for row in sums(n, experts, channels) for v in row])
        add(name + ".counts", experts, 1, [8.0 * (e + 1) for e in range(experts)])
    out = struct.pack("<4sIQQ", b"GGUF", 3, 2 * len(ENTRIES), len(pairs)) + b"".join(pairs) + infos
    (HERE / "imatrix.gguf").write_bytes(out + b"\0" * (-len(out) % 32) + data)


def legacy():
    """Means times calls, one number of calls for all experts: chunks of 8 tokens."""
    out = struct.pack("<i", len(ENTRIES))
    for n, (name, experts, channels) in enumerate(ENTRIES):
        calls = experts  # of the expert with most tokens, 8 * experts
        values = [v / (8 * (e + 1)) * calls for e, row in enumerate(sums(n, experts, channels)) for v in row]
        out += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", calls, len(values))
        out += struct.pack(f"<{len(values)}f", *values)
    out += struct.pack("<ii", 5, 5) + b"b.txt"
    (HERE / "imatrix.dat").write_bytes(out)


if __name__ == "__main__":
    gguf()
    legacy()
