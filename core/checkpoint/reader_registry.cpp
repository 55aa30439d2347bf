// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/reader.h"

namespace qs {

#define QS_ENTRY(id) const ReaderDescriptor& reader_##id();
#include "qs/readers.inc"
#undef QS_ENTRY

std::span<const ReaderDescriptor* const> readers() {
    static const ReaderDescriptor* const table[] = {
#define QS_ENTRY(id) &reader_##id(),
#include "qs/readers.inc"
#undef QS_ENTRY
    };
    return table;
}

} // namespace qs
