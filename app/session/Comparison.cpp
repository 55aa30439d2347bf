// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/Comparison.h"

#include "core/model/weights.h"
#include "core/quant/quantize_common.h"

#include <fmt/format.h>

namespace qs::app {

namespace {

constexpr size_t kHistogramBins = 512;

QString labelOf(const Codec& codec, const std::string& how) {
    return QStringLiteral("%1 · %2").arg(QString::fromStdString(codec.label()), QString::fromStdString(how));
}

/// Rows as the checkpoint holds them, read block by block, in the coordinates of `scaling`.
WeightRows streamed(const Model& model, const QuantTarget& target, const TensorScaling& scaling) {
    return [&, block = std::make_shared<Matrix>()](size_t first, size_t count) -> Result<ConstMatrixView> {
        if (block->rows() < count) *block = Matrix(count, target.cols);
        const MatrixView rows = block->view().block(0, count, 0, target.cols);
        QS_CHECK(model.readTargetRows(target, first, rows));
        scaling.applyRows(first, rows);
        return ConstMatrixView(rows);
    };
}

Result<QuantizedTarget> preview(const ComparisonInput& in, const QuantTarget& target, const JobContext& job) {
    if (target.rows * target.cols > kPreviewLimit)
        return Error::unsupported(
            fmt::format("{} has {} weights; a preview stops at {}. Run the plan to see it.", target.module,
                        target.rows * target.cols, kPreviewLimit));
    QS_TRY(const Matrix weight, in.model->readTarget(target));
    return quantizedToNearest(weight.view(), *in.scheme, rangeChoice(in.scheme->methodParams), job);
}

} // namespace

Result<QuantizedTarget> quantizedByRun(const Run& run, const QuantTarget& target) {
    QS_TRY(QuantizedTensor tensor, run.tensor(target.module));
    if (tensor.rows != target.rows || tensor.cols != target.cols)
        return Error::corrupt(fmt::format("the run holds [{}, {}], the model [{}, {}]", tensor.rows,
                                          tensor.cols, target.rows, target.cols),
                              target.module);
    QS_TRY(const auto codec, codecOf(tensor));
    const TensorResult* result = run.result(target.module);
    const QString label =
        QString::fromStdString(result ? result->done + " · " + result->method : codec->label());
    return QuantizedTarget{std::make_shared<const QuantizedTensor>(std::move(tensor)), codec, label, false};
}

Result<QuantizedTarget> quantizedToNearest(ConstMatrixView weight, const Scheme& scheme, RangeChoice range,
                                           const JobContext& job) {
    QS_TRY(const auto codec, createCodec(scheme.codec, scheme.codecParams));
    QS_TRY(QuantizedTensor tensor, quantizeToNearest(weight, *codec, range, job.silent()));
    QS_TRY(const MethodDescriptor* nearest, findMethod("rtn"));
    return QuantizedTarget{std::make_shared<const QuantizedTensor>(std::move(tensor)), codec,
                           labelOf(*codec, nearest->label), true};
}

Result<WeightComparison> compareWeights(const ComparisonInput& in, const JobContext& job) {
    const QuantTarget& target = in.model->targets().at(size_t(in.target));
    QuantizedTarget quantized;
    TensorScaling scaling; // what the run's transforms did before they quantized
    if (in.run && in.run->result(target.module)) {
        QS_TRY(quantized, quantizedByRun(*in.run, target));
        QS_TRY(scaling, in.run->scalingOf(target));
    } else if (in.scheme) {
        QS_TRY(quantized, preview(in, target, job));
    }
    QuantReportInput report;
    report.rows = target.rows;
    report.cols = target.cols;
    report.weight = streamed(*in.model, target, scaling);
    report.tensor = quantized.tensor.get();
    report.codec = quantized.codec.get();
    report.bins = in.bins;
    QS_TRY(QuantReport made, reportQuantized(report, job));
    return WeightComparison{in.target, quantized.label, quantized.preview, isScaled(scaling),
                            std::move(made)};
}

Result<TensorStats> statsOfTarget(const Model& model, int target, const JobContext& job) {
    const QuantTarget& t = model.targets().at(size_t(target));
    const auto read = [&](uint64_t first, MatrixView out) { return model.readTargetRows(t, first, out); };
    auto stats = tensorStats(t.rows, t.cols, read, kHistogramBins, job);
    if (!stats) return stats.takeError().at(t.module);
    return stats;
}

Result<WeightScan> scanOfTarget(const Model& model, int target, const JobContext& job) {
    const QuantTarget& t = model.targets().at(size_t(target));
    const auto read = [&](uint64_t first, MatrixView out) { return model.readTargetRows(t, first, out); };
    auto scan = scanWeights(t.rows, t.cols, read, job);
    if (!scan) return scan.takeError().at(t.module);
    return scan;
}

} // namespace qs::app
