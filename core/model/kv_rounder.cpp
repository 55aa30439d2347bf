// SPDX-License-Identifier: Apache-2.0
#include "core/model/kv_rounder.h"

#include <algorithm>

namespace qs {

Result<void> KvRounder::round(const CacheFormat* format, size_t windowLength, MatrixView x) const {
    if (!format) return {};
    const size_t kept = std::min(exactTokens, windowLength);
    for (size_t first = 0; first + windowLength <= x.rows; first += windowLength)
        QS_CHECK(format->round(x.block(first + kept, windowLength - kept, 0, x.cols)));
    return {};
}

Result<void> KvRounder::round(const CacheFormat* format, Backend& backend, size_t windowLength,
                              Tensor& x) const {
    if (!format) return {};
    Matrix host(x.rows, x.cols);
    QS_CHECK(backend.download(x, host.view()));
    QS_CHECK(round(format, windowLength, host.view()));
    return backend.upload(std::as_const(host).view(), x);
}

} // namespace qs
