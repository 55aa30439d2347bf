// SPDX-License-Identifier: Apache-2.0
#include "core/quant/rounding/row_stripes.h"

#include "core/linalg/parallel.h"

#include <algorithm>
#include <thread>

namespace qs {

namespace {

size_t stripeRows(size_t rows, size_t together) {
    // Products of fewer rows are slower; of so many, as fast as of all.
    constexpr size_t kLeast = 64, kMost = 256, kStripes = 8;
    const size_t wanted = std::clamp((rows + kStripes - 1) / kStripes, kLeast, kMost);
    const size_t unit = (kLeast + together - 1) / together * together;
    return (wanted + unit - 1) / unit * unit;
}

} // namespace

Result<void>
forRowStripes(size_t rows, size_t together, const Backend& backend, const JobContext& job,
              const std::function<Result<void>(size_t first, size_t count, const JobContext& job)>& solve) {
    const size_t stripe = backend.inMainMemory() ? stripeRows(rows, together) : rows;
    if (stripe >= rows) return solve(0, rows, job);
    const auto asking = std::this_thread::get_id();
    linalg::FirstError errors;
    linalg::parallelFor((rows + stripe - 1) / stripe, 1, [&](size_t begin, size_t end) {
        for (size_t s = begin; s < end && !errors.failed(); ++s) {
            const size_t first = s * stripe, count = std::min(stripe, rows - first);
            const bool own = std::this_thread::get_id() == asking;
            errors.note(
                solve(first, count,
                      own ? job.part(double(first) / double(rows), double(first + count) / double(rows))
                          : job.silent()));
        }
    });
    return errors.result();
}

} // namespace qs
