# SPDX-License-Identifier: Apache-2.0
"""A tiny seeded checkpoint: a forward pass asks for weights by name and shape, and they come into being."""
import json
import re
import struct
import zlib

import numpy as np

from . import equations as eq


class Tiny:
    """Weights of one case, and the switches that turn its features off one at a time.

    The same name gives the same values whatever is switched off, so that a run with a feature off differs in that
    feature only.
    """

    def __init__(self, config, seed, off=None, **options):
        self.config, self.seed, self.off, self.options = config, seed, off, options
        self.arrays, self.features, self.closest_routing = {}, set(), np.inf

    def __getitem__(self, key):
        return self.config[key]

    def on(self, feature):
        self.features.add(feature)
        return feature != self.off

    def weight(self, name, shape, std, mean=0.0):
        if name not in self.arrays:
            rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
            self.arrays[name] = (mean + std * rng.normal(size=shape)).astype(np.float32)
        assert self.arrays[name].shape == tuple(shape), name
        return self.arrays[name].astype(np.float64)

    def matrix(self, x, name, out, gain=1.0):
        size = x.shape[-1]
        return x @ self.weight(name, (out, size), gain / np.sqrt(size)).T

    def linear(self, x, name, out, bias=False, gain=1.0):
        y = self.matrix(x, name + ".weight", out, gain)
        return self.add_bias(y, name, out) if bias else y

    def conv1d(self, x, name, out, gain=1.0):
        """GPT-2's layer: the weight is [in, out]."""
        size = x.shape[-1]
        y = x @ self.weight(name + ".weight", (size, out), gain / np.sqrt(size))
        return self.add_bias(y, name, out)

    def add_bias(self, y, name, out):
        values = self.weight(name + ".bias", (out,), 0.4)
        return y + values if self.on(feature_name(name) + ".bias") else y

    def rms_norm(self, x, name, eps):
        return eq.rms_norm(x, self.weight(name + ".weight", x.shape[-1:], 0.3, 1.0), eps)

    def layer_norm(self, x, name, eps, bias=True):
        gain = self.weight(name + ".weight", x.shape[-1:], 0.3, 1.0)
        shift = self.weight(name + ".bias", x.shape[-1:], 0.3) if bias else 0.0
        return eq.layer_norm(x, gain, shift if self.on(feature_name(name) + ".bias") else 0.0, eps) if bias else \
            eq.layer_norm(x, gain, 0.0, eps)

    def embedding(self, name, rows, size, std):
        return self.weight(name + ".weight", (rows, size), std)


def feature_name(name):
    """Without numbers and without the path of the blocks: a feature is switched in all blocks at once."""
    return re.sub(r"^.*\.\d+\.", "", name)


def write_safetensors(path, arrays):
    header, offset, blob = {"__metadata__": {"format": "pt"}}, 0, b""
    for name in sorted(arrays):
        data = np.ascontiguousarray(arrays[name], "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(arrays[name].shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        blob += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)
