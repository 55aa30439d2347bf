// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/cell_quantizer.h"

#include "core/base/gaussian.h"
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_solver.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

namespace {

double squares(const Matrix& m) {
    double sum = 0;
    for (const float v : m.span())
        sum += double(v) * double(v);
    return sum;
}

/// sum w^2 / U_jj^2 over all rows.
double salienceOf(ConstMatrixView m, std::span<const double> cost) {
    double sum = 0;
    for (size_t r = 0; r < m.rows; ++r)
        for (size_t c = 0; c < m.cols; ++c)
            sum += double(m(r, c)) * double(m(r, c)) * cost[c];
    return sum;
}

} // namespace

double binnedEntropy(ConstMatrixView values, ConstMatrixView range) {
    constexpr size_t kBins = 256;
    float low = INFINITY, high = -INFINITY;
    for (size_t r = 0; r < range.rows; ++r)
        for (size_t c = 0; c < range.cols; ++c) {
            low = std::min(low, range(r, c));
            high = std::max(high, range(r, c));
        }
    if (!(high > low) || values.rows * values.cols == 0) return 0;
    std::array<size_t, kBins> counts{};
    const double scale = kBins / (double(high) - double(low));
    for (size_t r = 0; r < values.rows; ++r)
        for (size_t c = 0; c < values.cols; ++c) {
            const double at = (double(values(r, c)) - double(low)) * scale;
            ++counts[size_t(std::clamp(at, 0.0, kBins - 1.0))];
        }
    const double n = double(values.rows) * double(values.cols);
    double entropy = 0;
    for (const size_t count : counts)
        if (count > 0) entropy -= double(count) / n * std::log2(double(count) / n);
    return entropy;
}

Result<Matrix> CellQuantizer::quantize(size_t row, size_t candidate, const JobContext& job) {
    const QuantTarget& target = model_.targets()[row];
    const Scheme& scheme = table_.candidates[candidate];
    QS_CHECK(readInputs(target, row));
    QS_TRY(const auto codec, createCodec(scheme.codec, scheme.codecParams));
    QS_TRY(const MethodDescriptor* method, findMethod(scheme.method));
    QuantizeInput in;
    in.weight = weight_.view();
    in.codec = codec.get();
    in.params = scheme.methodParams;
    in.seed = table_.seed;
    in.backend = &backend_;
    if (method->needs != Needs::Nothing) {
        if (sigma_.empty())
            return Error::invalid(fmt::format("{} needs the inputs of {}, which no token of the "
                                              "calibration reached",
                                              method->label, target.module));
        in.sigma = &sigma_;
    }
    QS_TRY(const QuantizedTensor q, method->quantize(in, job));
    Matrix values = codec->dequantize(q);
    QS_CHECK(describe(values, table_.rows[row].cells[candidate]));
    return values;
}

Result<void> CellQuantizer::describe(const Matrix& values, SensitivityCell& cell) {
    QS_TRY(const QuantError error,
           measureError(weight_.view(), values.view(), sigma_.empty() ? nullptr : &sigma_, &backend_));
    cell.weightError = error.weight;
    if (error.output >= 0) cell.outputError = error.output;
    if (extras_.entropy) {
        const double before = binnedEntropy(weight_.view(), weight_.view()),
                     after = binnedEntropy(values.view(), weight_.view());
        cell.entropyLoss = before > 0 ? std::max(0.0, 1 - after / before) : 0;
    }
    if (extras_.salience && !sigma_.empty()) {
        if (salience_.empty()) {
            QS_TRY(salience_, gptqErrorCosts(sigma_, {}, backend_));
        }
        const double of = salienceOf(weight_.view(), salience_);
        const Matrix errors = residual(weight_.view(), values.clone());
        cell.salienceError = of > 0 ? salienceOf(errors.view(), salience_) / of : 0;
    }
    return {};
}

Result<Matrix> CellQuantizer::withNoise(size_t row, size_t level, const JobContext& job) {
    if (noiseRow_ != row) QS_CHECK(drawNoise(row, job));
    Matrix weight = weight_.clone();
    const auto factor = float(kNoise[level] * std::sqrt(squares(weight) / squares(noise_)));
    for (size_t i = 0; i < weight.size(); ++i)
        weight.data()[i] += factor * noise_.data()[i];
    return weight;
}

Result<std::pair<Matrix, double>> CellQuantizer::pruned(size_t row, double share) {
    QS_CHECK(readInputs(model_.targets()[row], row));
    Matrix weight = weight_.clone();
    std::vector<size_t> order(weight.size());
    for (size_t i = 0; i < order.size(); ++i)
        order[i] = i;
    const auto count = size_t(share * double(order.size()));
    // The index decides between equal values: the result must not depend on the sort.
    std::ranges::nth_element(order, order.begin() + std::ptrdiff_t(count), [&](size_t a, size_t b) {
        const float x = std::fabs(weight.data()[a]), y = std::fabs(weight.data()[b]);
        return x != y ? x < y : a < b;
    });
    double lost = 0;
    for (size_t i = 0; i < count; ++i) {
        float& v = weight.data()[order[i]];
        lost += double(v) * double(v);
        v = 0;
    }
    const double all = squares(weight_);
    return std::pair(std::move(weight), all > 0 ? lost / all : 0);
}

Result<void> CellQuantizer::drawNoise(size_t row, const JobContext& job) {
    QS_CHECK(readInputs(model_.targets()[row], row));
    noiseRow_ = row;
    noise_ = Matrix();
    if (const auto candidate = middleCandidate(row)) {
        QS_TRY(Matrix values, quantize(row, *candidate, job));
        noise_ = residual(weight_.view(), std::move(values));
    }
    const auto none = [](float v) { return v == 0; };
    if (!noise_.empty() && !std::all_of(noise_.span().begin(), noise_.span().end(), none)) return {};
    std::mt19937_64 random(table_.seed + row + 1);
    noise_ = Matrix(weight_.rows(), weight_.cols());
    for (float& v : noise_.span())
        v = float(gaussian(random));
    return {};
}

std::optional<size_t> CellQuantizer::middleCandidate(size_t row) const {
    const auto& cells = table_.rows[row].cells;
    std::vector<size_t> order;
    for (size_t c = 0; c < cells.size(); ++c)
        if (cells[c].legal()) order.push_back(c);
    if (order.empty()) return std::nullopt;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return cells[a].bytes < cells[b].bytes; });
    return order[(order.size() - 1) / 2];
}

Result<void> CellQuantizer::readInputs(const QuantTarget& target, size_t row) {
    if (row_ != row) {
        QS_TRY(weight_, model_.readTarget(target));
        row_ = row;
    }
    if (!calibration_ || site_ == target.site) return {};
    sigma_ = MatrixD();
    salience_.clear();
    site_ = target.site;
    const SiteRecord* record = calibration_->find(target.site);
    if (!record || record->tokens == 0) return {};
    QS_TRY(sigma_, calibration_->sigma(target.site));
    return {};
}

Result<void> checkCalibration(const SensitivityTable& table, const Calibration* calibration) {
    for (const Scheme& s : table.candidates) {
        QS_TRY(const MethodDescriptor* method, findMethod(s.method));
        if (method->needs != Needs::Nothing && !calibration)
            return Error::invalid(fmt::format("{} needs a calibration, and there is none", method->label));
    }
    return {};
}

} // namespace qs
