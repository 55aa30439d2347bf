#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/gguf/written*.gguf: one small model with every type of value and odd sizes, whole and
split in three, byte by byte from the format's specification (ggml's docs/gguf.md). Standard library only."""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent.parent / "gguf"


def text(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def pair(key, kind, payload):
    return text(key) + struct.pack("<I", kind) + payload


def array(kind, payloads):
    return struct.pack("<IQ", kind, len(payloads)) + b"".join(payloads)


PAIRS = [
    pair("general.architecture", 8, text("llama")),
    pair("a.u16", 2, struct.pack("<H", 65535)),
    pair("a.u32", 4, struct.pack("<I", 4000000000)),
    pair("a.i32", 5, struct.pack("<i", -7)),
    pair("a.u64", 10, struct.pack("<Q", 1 << 63)),
    pair("a.f32", 6, struct.pack("<f", 1e-5)),
    pair("a.f64", 12, struct.pack("<d", 0.1)),
    pair("a.true", 7, b"\1"),
    pair("a.false", 7, b"\0"),
    pair("a.empty", 8, text("")),
    pair("a.texts", 9, array(8, [text("x"), text(""), text("\u2581\u00e9")])),
    pair("a.floats", 9, array(6, [struct.pack("<f", v) for v in (0.5, -2.0)])),
    pair("a.integers", 9, array(5, [struct.pack("<i", v) for v in (1, -1, 6)])),
    pair("a.octets", 9, array(0, [b"\0", b"\xff", b"\x7f"])),
    pair("a.none", 9, array(8, [])),
]
# name, row-major shape, type id, bytes; the byte at i of the n-th tensor is (37 n + i) mod 256
TENSORS = [("one", (1,), 0, 4), ("odd.weight", (3, 5), 1, 30), ("blocks", (2, 64), 8, 136),
           ("stack", (2, 3, 32), 2, 108), ("half", (7,), 30, 14)]


def data(n):
    return bytes((37 * n + i) % 256 for i in range(TENSORS[n][3]))


def pad(b):
    return b + b"\0" * (-len(b) % 32)


def write(name, pairs, members):
    out = struct.pack("<4sIQQ", b"GGUF", 3, len(members), len(pairs)) + b"".join(pairs)
    offset = 0
    for n in members:
        tensor, shape, kind, size = TENSORS[n]
        out += text(tensor) + struct.pack("<I", len(shape))
        out += b"".join(struct.pack("<Q", d) for d in reversed(shape)) + struct.pack("<IQ", kind, offset)
        offset += size + -size % 32
    (HERE / name).write_bytes(pad(out) + b"".join(pad(data(n)) for n in members))


def split(no, count):
    return [pair("split.no", 2, struct.pack("<H", no)), pair("split.count", 2, struct.pack("<H", count)),
            pair("split.tensors.count", 5, struct.pack("<i", len(TENSORS)))]


if __name__ == "__main__":
    write("written.gguf", PAIRS, range(5))
    # At most 160 bytes of padded data each: 32 + 32, 160, 128 + 32.
    for no, members in enumerate([[0, 1], [2], [3, 4]]):
        write(f"written-{no + 1:05}-of-00003.gguf", (PAIRS if no == 0 else []) + split(no, 3), members)
