// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/reader.h"

#include <algorithm>
#include <cctype>

namespace qs {

#define QS_ENTRY(id) const ReaderDescriptor& reader_##id();
#include "qs/readers.inc"
#undef QS_ENTRY

std::string lowerExtension(const std::filesystem::path& path) {
    std::string ending = path.extension().string();
    std::transform(ending.begin(), ending.end(), ending.begin(),
                   [](unsigned char c) { return char(std::tolower(c)); });
    return ending;
}

std::span<const ReaderDescriptor* const> readers() {
    static const ReaderDescriptor* const table[] = {
#define QS_ENTRY(id) &reader_##id(),
#include "qs/readers.inc"
#undef QS_ENTRY
    };
    return table;
}

} // namespace qs
