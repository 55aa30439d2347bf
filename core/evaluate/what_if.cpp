// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/what_if.h"

#include "core/evaluate/changed_linears.h"
#include "core/quant/method.h"

#include <fmt/format.h>

namespace qs {

namespace {

Result<Matrix> rounded(const Matrix& original, const Codec& codec, const JobContext& job) {
    QS_TRY(const MethodDescriptor* const nearest, findMethod("rtn"));
    QuantizeInput in;
    in.weight = original.view();
    in.codec = &codec;
    in.params = Params::defaults(nearest->params);
    QS_TRY(const QuantizedTensor tensor, nearest->quantize(in, job.silent()));
    Matrix out(original.rows(), original.cols());
    codec.dequantizeRows(tensor, 0, out.view());
    return out;
}

Result<Matrix> changed(const Matrix& original, Change change, const WhatIfRequest& request,
                       const JobContext& job) {
    Matrix m = original.clone();
    if (change != Change::Zero) {
        if (!request.codec) return Error::invalid("a format is needed to round", request.weight);
        QS_TRY(m, rounded(original, *request.codec, job));
    }
    for (const WeightAt& at : request.kept) {
        if (change == Change::Zero) m(at.row, at.column) = 0;
        if (change == Change::RoundRest) m(at.row, at.column) = original(at.row, at.column);
    }
    return m;
}

/// The module of the linear that reads `weight`.
Result<std::string> moduleOf(const ModelSpec& spec, const std::string& weight) {
    for (const BlockSpec& block : spec.blocks)
        for (const LinearSpec* l : block.linears())
            if (l->weight == weight) return l->module;
    return Error::invalid("no block has a linear with this weight", weight);
}

} // namespace

Result<WhatIfResult> whatIf(const ModelSpec& spec, std::shared_ptr<const WeightSource> weights,
                            const WhatIfRequest& request, const TokenWindows& tokens, Backend& backend,
                            const JobContext& job) {
    QS_TRY(const std::string module, moduleOf(spec, request.weight));
    QS_TRY(const Matrix original, weights->matrix(request.weight));
    for (const WeightAt& at : request.kept)
        if (at.row >= original.rows() || at.column >= original.cols())
            return Error::invalid(fmt::format("no weight [{}, {}] in a matrix [{}, {}]", at.row, at.column,
                                              original.rows(), original.cols()),
                                  request.weight);
    std::vector<LinearChange> changes;
    for (const Change change : request.changes)
        changes.push_back({module, [&request, &original, change](const JobContext& inner) {
                               return changed(original, change, request, inner);
                           }});
    QS_TRY(const ChangeEffects effects, measureChanges(spec, *weights, changes, tokens, {}, backend, job));
    WhatIfResult out{effects.loss, {}, effects.tokens, effects.protocol};
    for (size_t i = 0; i < request.changes.size(); ++i)
        out.after.push_back({request.changes[i], effects.effects[i].loss, effects.effects[i].kl,
                             effects.effects[i].klStderr});
    return out;
}

} // namespace qs
