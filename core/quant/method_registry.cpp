// SPDX-License-Identifier: Apache-2.0
#include "core/quant/method.h"

#include "core/linalg/differences.h"
#include "core/linalg/parallel.h"
#include "core/linalg/second_moment.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

#define QS_ENTRY(id) const MethodDescriptor& method_##id();
#include "qs/methods.inc"
#undef QS_ENTRY

std::span<const MethodDescriptor* const> methods() {
#define QS_ENTRY(id) &method_##id(),
    static const MethodDescriptor* const table[] = {
#include "qs/methods.inc"
    };
#undef QS_ENTRY
    return table;
}

Result<const MethodDescriptor*> findMethod(const std::string& id) {
    std::string known;
    for (const MethodDescriptor* d : methods()) {
        if (d->id == id) return d;
        known += (known.empty() ? "" : ", ") + d->id;
    }
    return Error::notFound(fmt::format("no method '{}'; known: {}", id, known));
}

const char* needsName(Needs needs) {
    return needs == Needs::Sigma ? "sigma" : needs == Needs::Importance ? "importance" : "data-free";
}

Result<QuantError> measureError(ConstMatrixView weight, ConstMatrixView dequantized, const MatrixD* sigma,
                                Backend* backend) {
    if (weight.rows != dequantized.rows || weight.cols != dequantized.cols)
        return Error::invalid("weight and dequantized matrix differ in shape");
    QuantError e;
    Matrix difference(sigma ? weight.rows : 0, sigma ? weight.cols : 0);
    std::vector<DifferenceSums> rows(weight.rows);
    linalg::parallelFor(weight.rows, 16, [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r)
            rows[r] = sumDifferences(weight.row(r), dequantized.row(r), weight.cols,
                                     sigma ? difference.row(r) : nullptr);
    });
    double errorSum = 0, weightSum = 0; // in the order of the rows, whoever computed them
    for (const DifferenceSums& row : rows) {
        errorSum += row.squares;
        weightSum += row.reference;
        if (!(double(row.most) <= e.maxAbs)) e.maxAbs = double(row.most); // keeps NaN
    }
    e.weight = weightSum > 0 ? errorSum / weightSum : errorSum;
    if (!sigma) return e;
    if (sigma->rows() != weight.cols || sigma->cols() != weight.cols)
        return Error::invalid(fmt::format("Sigma is [{}, {}] for a row length of {}", sigma->rows(),
                                          sigma->cols(), weight.cols));
    double top = 0;
    for (size_t i = 0; i < weight.cols; ++i)
        top = std::max(top, (*sigma)(i, i));
    if (!(top > 0)) return e;
    const auto norm = [&](ConstMatrixView a) -> Result<double> {
        if (backend) return backend->quadraticForm(a, *sigma);
        return linalg::quadraticForm(a, sigma->view());
    };
    QS_TRY(const double reference, norm(weight));
    QS_TRY(const double error, norm(difference.view()));
    e.output = reference > 0 ? std::max(0.0, error) / reference : 0;
    return e;
}

} // namespace qs
