// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/what_if.h"

#include "core/quant/method.h"

#include <fmt/format.h>

namespace qs {

namespace {

/// Another source with one matrix replaced.
class ChangedWeights final : public WeightSource {
public:
    ChangedWeights(std::shared_ptr<const WeightSource> base, std::string name, Matrix values)
        : base_(std::move(base)), name_(std::move(name)), values_(std::move(values)) {}
    Result<Matrix> matrix(const std::string& name) const override {
        if (name == name_) return values_.clone();
        return base_->matrix(name);
    }
    std::string fingerprint() const override { return base_->fingerprint() + "+changed:" + name_; }
    std::string label() const override { return base_->label() + " with " + name_ + " changed"; }

private:
    std::shared_ptr<const WeightSource> base_;
    std::string name_;
    Matrix values_;
};

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

} // namespace

Result<WhatIfResult> whatIf(const ModelSpec& spec, std::shared_ptr<const WeightSource> weights,
                            const WhatIfRequest& request, const TokenWindows& tokens, Backend& backend,
                            const JobContext& job) {
    QS_TRY(const Matrix original, weights->matrix(request.weight));
    for (const WeightAt& at : request.kept)
        if (at.row >= original.rows() || at.column >= original.cols())
            return Error::invalid(fmt::format("no weight [{}, {}] in a matrix [{}, {}]", at.row, at.column,
                                              original.rows(), original.cols()),
                                  request.weight);
    WhatIfResult out;
    for (size_t i = 0; i < request.changes.size(); ++i) {
        const double n = double(request.changes.size());
        QS_TRY(Matrix values, changed(original, request.changes[i], request, job));
        const ChangedWeights after(weights, request.weight, std::move(values));
        QS_TRY(const Evaluation e, evaluate(spec, after, weights.get(), tokens, {}, backend,
                                            job.part(double(i) / n, double(i + 1) / n)));
        out.loss = e.referenceNll;
        out.tokens = e.tokens;
        out.protocol = e.protocol;
        out.after.push_back({request.changes[i], e.nll, e.kl, e.klStderr});
    }
    return out;
}

} // namespace qs
