// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/score_logits.h"

#include "core/evaluate/log_softmax.h"
#include "core/linalg/parallel.h"

namespace qs {

void resizeScores(Evaluation& out, size_t count, bool withReference) {
    out.tokenNll.resize(count);
    out.tokenTop.resize(count);
    if (!withReference) return;
    out.tokenKl.resize(count);
    out.referenceTokenNll.resize(count);
    out.referenceTop.resize(count);
}

void scoreLogits(const ScoredWindows& windows, size_t first, size_t count, size_t firstRow,
                 const Matrix& logits, const Matrix* reference, Evaluation& out) {
    linalg::parallelFor(count, 16, [&](size_t begin, size_t end) {
        for (size_t i = first + begin; i < first + end; ++i) {
            const size_t r = windows.scored[i].row - firstRow, target = windows.scored[i].target;
            const std::span<const float> row(logits.row(r), logits.cols());
            const LogSoftmax own = logSoftmax(row);
            out.tokenNll[i] = float(own.logSum - double(row[target]));
            out.tokenTop[i] = int32_t(own.argmax);
            if (!reference) continue;
            const std::span<const float> other(reference->row(r), reference->cols());
            const LogSoftmax ref = logSoftmax(other);
            out.referenceTokenNll[i] = float(ref.logSum - double(other[target]));
            out.referenceTop[i] = int32_t(ref.argmax);
            out.tokenKl[i] = float(klDivergence(other, ref, row, own));
        }
    });
}

} // namespace qs
