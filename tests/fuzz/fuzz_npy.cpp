// SPDX-License-Identifier: Apache-2.0
#include "core/base/npy.h"

#include <cstdlib>

namespace {

template<class T>
void check(const qs::Result<qs::NpyData<T>>& r, size_t size) {
    if (!r) return;
    unsigned __int128 elements = 1;
    for (const size_t dim : r->shape)
        elements *= dim;
    if (elements != r->values.size() || r->values.size() * 4 > size) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::span file(reinterpret_cast<const std::byte*>(data), size);
    check(qs::parseNpyFloat(file, "fuzz"), size);
    check(qs::parseNpyInt(file, "fuzz"), size);
    return 0;
}
