// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/exported_read.h"

#include "core/tensor/convert.h"

#include <cmath>

namespace qs {

Result<std::vector<float>> readExportedFloats(const H5Import& file, const H5Node& node, DType type,
                                              uint64_t first, uint64_t count) {
    if (type == DType::U8) {
        QS_TRY(const auto bytes, readElements<uint8_t>(file, node, first, count));
        return std::vector<float>(bytes.begin(), bytes.end());
    }
    std::vector<std::byte> bytes(size_t(count) * size_t(dtypeInfo(type).bits) / 8);
    QS_CHECK(file.read(node, first, count, bytes));
    std::vector<float> values(static_cast<size_t>(count));
    QS_CHECK(toFloat(type, bytes, values));
    for (const float v : values)
        if (!std::isfinite(v)) return Error::corrupt("a parameter is not finite", node.path);
    return values;
}

} // namespace qs
