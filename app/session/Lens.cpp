// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/Lens.h"

#include "widgets/models/SchemeEdit.h"

#include <QElapsedTimer>
#include <algorithm>
#include <cmath>

namespace qs::app {

namespace {

constexpr size_t kCoarseWeights = size_t(1) << 18;
constexpr size_t kBins = 512;

/// Every `step`-th row, without a copy.
ConstMatrixView everyNth(ConstMatrixView m, size_t step) {
    return {m.data, (m.rows + step - 1) / step, m.cols, m.stride * step};
}

QuantizedTensor everyNth(const QuantizedTensor& q, size_t step) {
    QuantizedTensor out;
    out.codec = q.codec;
    out.codecParams = q.codecParams;
    out.rows = (q.rows + step - 1) / step;
    out.cols = q.cols;
    out.layout = q.layout;
    out.layout.scaleRows = out.rows;
    out.groupOfColumn = q.groupOfColumn;
    out.scale = Matrix(out.rows, q.layout.groups);
    out.zero = Matrix(out.rows, q.layout.groups);
    out.codes.resize(out.rows * out.cols);
    for (size_t r = 0; r < out.rows; ++r) {
        std::copy_n(q.codes.data() + r * step * q.cols, q.cols, out.codes.data() + r * q.cols);
        std::copy_n(q.scale.row(r * step), q.layout.groups, out.scale.row(r));
        std::copy_n(q.zero.row(r * step), q.layout.groups, out.zero.row(r));
    }
    return out;
}

/// 1 when all rows are few enough, or one scale serves all of them: it cannot be fitted on some.
size_t coarseStep(const LensSource& source, const QuantizedTensor& tensor) {
    if (tensor.layout.scaleRows != tensor.rows) return 1;
    return std::max<size_t>(1, source.weight.size() / kCoarseWeights);
}

double meanClip(const QuantizedTensor& tensor, const QuantizedTensor& whole) {
    if (tensor.scale.size() != whole.scale.size()) return 1;
    double sum = 0;
    for (size_t i = 0; i < whole.scale.size(); ++i)
        sum += double(tensor.scale.data()[i]) / double(whole.scale.data()[i]);
    return std::clamp(sum / double(whole.scale.size()), 0.05, 1.0);
}

Result<LensView> look(const LensSource& source, QuantizedTarget quantized, RangeChoice range,
                      const QuantizedTensor* axis, size_t rowStep, const JobContext& job) {
    const ConstMatrixView weight = everyNth(source.weight.view(), rowStep);
    QuantReportInput in;
    in.rows = weight.rows;
    in.cols = weight.cols;
    in.weight = rowsOf(weight);
    in.tensor = quantized.tensor.get();
    in.codec = quantized.codec.get();
    in.axis = axis;
    in.sigma = source.sigma ? &*source.sigma : nullptr;
    in.bins = kBins;
    QS_TRY(QuantReport report, reportQuantized(in, job));
    LensView view;
    view.quantized = std::move(quantized);
    view.range = range;
    view.clip = range.clip;
    view.report = std::move(report);
    view.rowStep = rowStep;
    return view;
}

/// Code units on `axis`, or on the what-if's own grid when it is null.
Result<LensView> whatIf(const LensSource& source, RangeChoice range, const QuantizedTensor* axis,
                        const QuantizedTensor& whole, size_t rowStep, const JobContext& job) {
    QElapsedTimer clock;
    clock.start();
    std::optional<QuantizedTensor> someAxis;
    if (axis && rowStep > 1) {
        someAxis = everyNth(*axis, rowStep);
        axis = &*someAxis;
    }
    QS_TRY(QuantizedTarget q,
           quantizedToNearest(everyNth(source.weight.view(), rowStep), *source.scheme, range, job.silent()));
    const auto tensor = q.tensor;
    QS_TRY(LensView view, look(source, std::move(q), range, axis, rowStep, job));
    if (range.rule != RangeRule::MinMax)
        view.clip = rowStep > 1 ? meanClip(*tensor, everyNth(whole, rowStep)) : meanClip(*tensor, whole);
    view.milliseconds = double(clock.nsecsElapsed()) / 1e6;
    return view;
}

} // namespace

Result<Scheme> withRange(const Scheme& scheme, RangeChoice range) {
    QS_TRY(const MethodDescriptor* method, findMethod(scheme.method));
    const auto has = [&](const char* key) {
        return std::any_of(method->params.begin(), method->params.end(),
                           [&](const ParamSpec& s) { return s.key == key; });
    };
    Scheme out = scheme;
    if (!has("range") || !has("clip")) {
        QS_TRY(method, findMethod("rtn"));
        out.method = method->id;
        out.methodParams = ui::carriedOver(method->params, scheme.methodParams);
    }
    const std::string rule = rangeRuleName(range.rule);
    QS_TRY(out.methodParams, ui::withParam(method->params, out.methodParams, "range", rule));
    // Four decimals: what was chosen, without the digits of its float.
    const double clip = std::round(double(range.clip) * 1e4) / 1e4;
    QS_TRY(out.methodParams, ui::withParam(method->params, out.methodParams, "clip", clip));
    return out;
}

struct Lens::Opened {
    std::shared_ptr<const LensSource> source;
    LensViewPtr baseline, original;
};

Lens::Lens(Session* session, QObject* parent) : QObject(parent), m_session(session) {}

double Lens::progress() const {
    return m_job && !m_job->isEnded() ? std::max(0.0, m_job->fraction()) : -1;
}

void Lens::show(int target) {
    const auto model = m_session->model();
    if (!model || target < 0 || target >= m_session->table()->count()) target = -1;
    Asked asked;
    if (target >= 0)
        asked = {model, m_session->table()->schemes()[size_t(target)],
                 m_session->table()->row(target).stale ? nullptr : m_session->run(), m_session->calibration(),
                 target};
    if (asked == m_asked) return;
    m_asked = asked;
    m_target = target;
    m_source.reset();
    m_keeping = false;
    m_baseline = m_original = m_now = m_before = m_kept = nullptr;
    m_note.clear();
    if (m_job) m_job->cancel();
    if (target >= 0) open();
    emit changed();
}

void Lens::open() {
    const Asked asked = m_asked;
    const QuantTarget& target = asked.model->targets()[size_t(asked.target)];
    if (target.rows * target.cols > kPreviewLimit) {
        m_note = tr("%1 weights are more than the %2 that are looked at in one piece.")
                     .arg(target.rows * target.cols)
                     .arg(kPreviewLimit);
        return;
    }
    const auto body = [asked](const JobScope& scope) -> Outcome {
        const auto made = [&]() -> Result<Opened> {
            const QuantTarget& t = asked.model->targets()[size_t(asked.target)];
            auto source = std::make_shared<LensSource>();
            source->model = asked.model;
            source->target = asked.target;
            source->scheme = asked.scheme;
            QS_TRY(source->weight, asked.model->readTarget(t));
            if (asked.run && asked.run->result(t.module)) { // the lens looks at what the run quantized
                QS_TRY(source->scaling, asked.run->scalingOf(t));
                source->scaling.apply(source->weight.view());
            }
            if (asked.scheme && asked.calibration && t.cols <= kSigmaLimit && !t.site.empty() &&
                asked.calibration->find(t.site)) {
                QS_TRY(MatrixD sigma, asked.calibration->sigma(t.site));
                scaleSigma(source->scaling.columns, sigma);
                QS_TRY(source->sigma, SigmaWeights::make(sigma, t.cols));
            }
            Opened out;
            out.source = source;
            if (!asked.scheme) {
                QS_TRY(LensView kept, look(*source, {}, {}, nullptr, 1, scope.job()));
                out.original = std::make_shared<const LensView>(std::move(kept));
                return out;
            }
            const auto nearest = [&](RangeChoice range) -> Result<LensViewPtr> {
                QS_TRY(QuantizedTarget q,
                       quantizedToNearest(source->weight.view(), *asked.scheme, range, scope.job().silent()));
                const auto tensor = q.tensor;
                QS_TRY(LensView view, look(*source, std::move(q), range, nullptr, 1, scope.job()));
                if (range.rule != RangeRule::MinMax && out.baseline)
                    view.clip = meanClip(*tensor, *out.baseline->quantized.tensor);
                return LensViewPtr(std::make_shared<const LensView>(std::move(view)));
            };
            QS_TRY(out.baseline, nearest({}));
            const RangeChoice range = rangeChoice(asked.scheme->methodParams);
            if (asked.run && asked.run->result(t.module)) {
                QS_TRY(QuantizedTarget q, quantizedByRun(*asked.run, t));
                const auto tensor = q.tensor;
                QS_TRY(LensView view, look(*source, std::move(q), range, nullptr, 1, scope.job()));
                if (range.rule != RangeRule::MinMax)
                    view.clip = meanClip(*tensor, *out.baseline->quantized.tensor);
                out.original = std::make_shared<const LensView>(std::move(view));
            } else if (range == RangeChoice()) {
                out.original = out.baseline;
            } else {
                QS_TRY(out.original, nearest(range));
            }
            return out;
        };
        return Outcome::from(made());
    };
    JobHandle* job = m_session->pool()->post(
        {QStringLiteral("lens"), tr("Read %1").arg(QString::fromStdString(target.module)), false, 8}, body);
    watch(job);
    job->then(this, [this, asked](const Outcome& outcome) {
        if (!(asked == m_asked) || outcome.isCancelled()) return;
        if (outcome.failed()) m_note = QString::fromStdString(outcome.error().describe());
        if (const auto opened = outcome.as<Opened>()) {
            m_source = opened->source;
            m_baseline = opened->baseline;
            m_original = m_now = m_kept = opened->original;
            m_range = m_original->range;
        }
        emit progressChanged();
        emit changed();
    });
}

void Lens::watch(JobHandle* job) {
    m_job = job;
    connect(job, &JobHandle::changed, this, &Lens::progressChanged);
    emit progressChanged();
}

void Lens::tryRange(RangeChoice range) {
    if (!m_source || !m_source->scheme || range == m_range) return;
    if (!m_before) m_before = m_kept;
    m_range = range;
    m_keeping = false;
    post(coarseStep(*m_source, *m_baseline->quantized.tensor));
}

void Lens::post(size_t rowStep) {
    const auto axis = m_keeping ? nullptr : m_kept->quantized.tensor, whole = m_baseline->quantized.tensor;
    JobHandle* job = m_session->pool()->post(
        {QStringLiteral("lens"), tr("Try another range"), false, rowStep > 1 ? 20 : 8},
        [source = m_source, range = m_range, axis, whole, rowStep](const JobScope& scope) {
            return Outcome::from(whatIf(*source, range, axis.get(), *whole, rowStep, scope.job()));
        });
    watch(job);
    job->then(this, [this, source = m_source](const Outcome& outcome) {
        if (source != m_source || outcome.isCancelled()) return;
        if (outcome.failed()) m_note = QString::fromStdString(outcome.error().describe());
        if (const auto view = outcome.as<LensView>()) adopt(view);
    });
}

void Lens::adopt(LensViewPtr view) {
    if (view->range != m_range) return;
    m_now = std::move(view);
    if (m_now->rowStep > 1) {
        post(1);
    } else if (m_keeping) {
        m_kept = m_now;
        m_before.reset();
        m_keeping = false;
    }
    emit progressChanged();
    emit changed();
}

void Lens::keep() {
    if (!m_before || m_keeping) return;
    m_keeping = true;
    post(1);
}

void Lens::restore() {
    if (!m_kept || (m_now == m_kept && m_range == m_kept->range)) return;
    if (m_job) m_job->cancel();
    m_keeping = false;
    m_now = m_kept;
    m_range = m_kept->range;
    m_before.reset();
    emit progressChanged();
    emit changed();
}

void Lens::reset() {
    if (!m_original) return;
    m_kept = m_original;
    restore();
}

} // namespace qs::app
