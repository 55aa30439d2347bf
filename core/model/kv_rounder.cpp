// SPDX-License-Identifier: Apache-2.0
#include "core/model/kv_rounder.h"

#include <algorithm>

namespace qs {

namespace {

/// Whole runs of tokens; each channel of a run is a row of its own.
Result<void> roundChannels(const RowRounder& rounder, MatrixView context) {
    Matrix run(context.cols, KvRounder::kRun);
    for (size_t first = 0; first + KvRounder::kRun <= context.rows; first += KvRounder::kRun) {
        for (size_t t = 0; t < run.cols(); ++t)
            for (size_t c = 0; c < run.rows(); ++c)
                run(c, t) = context(first + t, c);
        QS_CHECK(rounder.round(run.view()));
        for (size_t t = 0; t < run.cols(); ++t)
            for (size_t c = 0; c < run.rows(); ++c)
                context(first + t, c) = run(c, t);
    }
    return {};
}

Result<void> round(const RowRounder& rounder, bool perChannel, size_t exact, size_t windowLength,
                   Backend& backend, Tensor& x) {
    Matrix host(x.rows, x.cols);
    QS_CHECK(backend.download(x, host.view()));
    for (size_t first = 0; first + windowLength <= x.rows; first += windowLength) {
        const size_t kept = std::min(exact, windowLength);
        const MatrixView context = host.view().block(first + kept, windowLength - kept, 0, x.cols);
        QS_CHECK(perChannel ? roundChannels(rounder, context) : rounder.round(context));
    }
    return backend.upload(std::as_const(host).view(), x);
}

} // namespace

Result<void> KvRounder::roundKeys(Backend& backend, size_t windowLength, Tensor& k) const {
    if (!keys) return {};
    return round(*keys, keysPerChannel, exactTokens, windowLength, backend, k);
}

Result<void> KvRounder::roundValues(Backend& backend, size_t windowLength, Tensor& v) const {
    if (!values) return {};
    return round(*values, false, exactTokens, windowLength, backend, v);
}

} // namespace qs
