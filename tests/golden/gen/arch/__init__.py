# SPDX-License-Identifier: Apache-2.0
"""Architectures of language models in NumPy, straight from their equations; see ../architectures.py."""
