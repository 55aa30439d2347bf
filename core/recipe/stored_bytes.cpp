// SPDX-License-Identifier: Apache-2.0
#include "core/recipe/stored_bytes.h"

namespace qs {

uint64_t storedBytes(const StoredBits& b) {
    const auto up = [](uint64_t bits) { return (bits + 7) / 8; };
    return up(b.codes) + up(b.scales) + up(b.zeros) + up(b.tables) + up(b.index) + up(b.kept) +
           up(b.lowRank) + up(b.rotation) + up(b.reassembly);
}

Result<StoredBits> storedBits(const Codec& codec, const MethodDescriptor& method, const Scheme& scheme,
                              size_t rows, size_t cols) {
    QS_TRY(StoredBits bits, codec.storedBits(rows, cols));
    const ExtrasSize size = extrasOf(method, scheme, rows, cols);
    bits.kept = keptBits(size, rows, cols);
    bits.lowRank = lowRankBits(size, rows, cols);
    bits.rotation = size.rotated ? rotationBits(size.scaled, cols) : 0;
    bits.reassembly = size.reassembled ? reassemblyBits(cols) : 0;
    return bits;
}

ExtrasSize extrasOf(const MethodDescriptor& method, const Scheme& scheme, size_t rows, size_t cols) {
    ExtrasSize size = method.extras ? method.extras(scheme.methodParams, rows, cols) : ExtrasSize{};
    size.reassembled = scheme.inputs && scheme.inputs->reassemble;
    return size;
}

} // namespace qs
