// SPDX-License-Identifier: Apache-2.0
// Keeps what is mapped of weight files from piling up in memory: a model may be several times larger.
#pragma once

#include "core/base/file.h"

namespace qs {

/// Bytes [offset, offset + length) of `file`, for reading. Of the ranges handed out so the older ones, beyond
/// some 256 MiB in all of the process's files, are given back to the system; they stay valid, and are read
/// again when touched. Thread-safe.
std::span<const std::byte> residentRange(const std::shared_ptr<const MappedFile>& file, size_t offset,
                                         size_t length);

} // namespace qs
