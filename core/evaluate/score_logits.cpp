// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/score_logits.h"

#include "core/backend/sums.h"

namespace qs {

void resizeScores(Evaluation& out, size_t count, bool withReference) {
    out.tokenNll.resize(count);
    out.tokenTop.resize(count);
    if (!withReference) return;
    out.tokenKl.resize(count);
    out.referenceTokenNll.resize(count);
    out.referenceTop.resize(count);
}

Result<void> scoreLogits(const ScoredWindows& windows, size_t first, size_t count, size_t firstRow,
                         const Tensor& logits, const Tensor* reference, Evaluation& out, Backend& backend) {
    std::vector<uint32_t> rows, targets;
    for (size_t i = first; i < first + count; ++i) {
        rows.push_back(uint32_t(windows.scored[i].row - firstRow));
        targets.push_back(uint32_t(windows.scored[i].target));
    }
    QS_TRY(const LogitScores s, backend.scoreLogits(logits, rows, targets, reference));
    const auto at = std::ptrdiff_t(first);
    std::copy(s.nll.begin(), s.nll.end(), out.tokenNll.begin() + at);
    std::copy(s.top.begin(), s.top.end(), out.tokenTop.begin() + at);
    if (!reference) return {};
    std::copy(s.referenceNll.begin(), s.referenceNll.end(), out.referenceTokenNll.begin() + at);
    std::copy(s.referenceTop.begin(), s.referenceTop.end(), out.referenceTop.begin() + at);
    std::copy(s.kl.begin(), s.kl.end(), out.tokenKl.begin() + at);
    return {};
}

} // namespace qs
