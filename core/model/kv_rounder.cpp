// SPDX-License-Identifier: Apache-2.0
#include "core/model/kv_rounder.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

std::string KvRounder::identity() const {
    std::string text = fmt::format("{} {} {}", beforeRotation, exactTokens, bestTokens);
    if (windowed) text += fmt::format(" {} {}", windowed->window, windowed->position);
    const auto name = [](const std::shared_ptr<const CacheFormat>& f) {
        return f ? f->identity() : std::string("nothing");
    };
    for (const Step& s : steps)
        text += fmt::format("\nfrom {}: keys {}, values {}", s.fromAge, name(s.keys), name(s.values));
    return text;
}

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
    if (const RowRounder* rounder = format->byToken(); rounder && exactTokens == 0)
        return rounder->round(backend, x, x);
    Matrix host(x.rows, x.cols);
    QS_CHECK(backend.download(x, host.view()));
    QS_CHECK(round(format, windowLength, host.view()));
    return backend.upload(std::as_const(host).view(), x);
}

} // namespace qs
