#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the small HDF5 files beside it with h5py: valid, but nothing that our reader should follow."""
import os

import h5py
import numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))


def new(name, **options):
    return h5py.File(name, "w", libver=("v110", "v110"), **options)


with new("soft_link.h5") as f:
    f["real"] = np.zeros((2, 2))
    f["m"] = h5py.SoftLink("/real")
with new("external_link.h5") as f:
    f["m"] = h5py.ExternalLink("soft_link.h5", "/real")
with new("external_storage.h5") as f:
    f.create_dataset("m", (2, 2), "f8", external=[("elsewhere.bin", 0, 32)])
with new("virtual.h5") as f:
    layout = h5py.VirtualLayout((2, 2), "f8")
    layout[:] = h5py.VirtualSource("soft_link.h5", "real", (2, 2))
    f.create_virtual_dataset("m", layout)
with new("scale_offset.h5") as f:
    f.create_dataset("m", data=np.zeros((4, 4)), chunks=(4, 4), scaleoffset=2)
with new("claims_terabytes.h5") as f:
    f.create_dataset("m", (1 << 20, 1 << 20), "f8", chunks=(64, 64))
with new("no_chunks.h5") as f:
    f.create_dataset("m", (1024, 1024), "f8", chunks=(64, 64))
with new("huge_chunk.h5") as f:
    f.create_dataset("m", (1 << 14, 1 << 14), "f8", chunks=(1 << 12, 1 << 12))
with new("strings.h5") as f:
    f["m"] = np.array([b"ab", b"cd"])
    f.attrs["variable"] = "text"
    f.attrs["array"] = np.array([1, 2])
with new("scalar.h5") as f:
    f["m"] = 1.0
with h5py.File("old_format.h5", "w") as f:
    f["m"] = np.zeros((2, 2))
