// SPDX-License-Identifier: Apache-2.0
// The directory of a zip archive whose entries are stored, not compressed: where each entry's bytes lie in
// the mapped file. Zip64 is understood. Source: PKWARE APPNOTE 6.3.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace qs {

struct ZipEntry {
    std::string name;
    uint64_t offset = 0; ///< of the first byte of content, from the start of the file
    uint64_t size = 0;
};

/// The files of the archive (folders are left out), in the order of their place in the file. `where` (the
/// file's name) goes into errors. Refused: compressed or encrypted entries, several disks, local headers that
/// disagree with the central directory, entries that overlap each other or the directory, names twice, names
/// that leave their folder (absolute, "..", "\", NUL), more than 2^20 entries. The CRCs are not compared:
/// writers may leave them out, and it would read every byte.
Result<std::vector<ZipEntry>> readStoredZip(std::span<const std::byte> file, const std::string& where);

} // namespace qs
