// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/LayerAdvice.h"

#include "app/session/SigmaNote.h"

#include "app/session/Comparison.h"
#include "core/quant/quant_report.h"
#include "core/recipe/stored_bytes.h"

#include <QCoreApplication>
#include <algorithm>
#include <cmath>

namespace qs::app {

namespace {

const ParamSpec* find(const ParamSpecs& specs, const char* key, ParamType type) {
    for (const ParamSpec& s : specs)
        if (s.key == key && s.type == type) return &s;
    return nullptr;
}

/// The next smaller usual group that divides the row; 0 when there is none.
long long smallerGroup(long long group, size_t cols) {
    const long long now = group > 0 ? group : (long long)(cols);
    for (const long long g : {1024, 512, 256, 128, 64, 32, 16})
        if (g < now && cols % size_t(g) == 0) return g;
    return 0;
}

struct AdviceInput {
    std::shared_ptr<const Model> model;
    std::shared_ptr<const Scheme> scheme;
    std::shared_ptr<const Calibration> calibration;
    int target = -1;
    double kurtosis = kNotKnown;
    quint64 seed = 0;
    std::vector<LayerOption> options;
};

/// Quantizes some rows of one tensor under many schemes.
class Bench {
public:
    Bench(const AdviceInput& in, const JobContext& job)
        : m_in(in)
        , m_job(job)
        , m_target(in.model->targets()[size_t(in.target)])
        , m_backend(makeCpuBackend(1)) {}

    Result<void> read(LayerFacts& facts, LayerAdviceResult& out) {
        const size_t step = std::max<size_t>(1, m_target.rows * m_target.cols / LayerAdvice::kMostWeights);
        m_weight = Matrix((m_target.rows + step - 1) / step, m_target.cols);
        for (size_t r = 0; r < m_weight.rows(); ++r) {
            QS_CHECK(m_job.checkpoint());
            QS_CHECK(m_in.model->readTargetRows(m_target, r * step,
                                                m_weight.view().block(r, 1, 0, m_target.cols)));
        }
        out.rows = m_target.rows;
        out.rowsUsed = m_weight.rows();
        return readSigma(facts, out);
    }

    bool runs(const MethodDescriptor& method) const { return method.needs == Needs::Nothing || m_sigma; }
    bool affordable(const MethodDescriptor& method) const {
        return !method.flops || method.flops(m_weight.rows(), m_weight.cols()) <= LayerAdvice::kMostFlops;
    }

    Result<QuantReport> measure(const Scheme& scheme) {
        QS_TRY(const MethodDescriptor* method, findMethod(scheme.method));
        QS_TRY(const auto codec, createCodec(scheme.codec, scheme.codecParams));
        QuantizeInput in;
        in.weight = m_weight.view();
        in.codec = codec.get();
        in.params = scheme.methodParams;
        in.seed = m_in.seed;
        if (method->needs != Needs::Nothing) {
            in.sigma = &*m_sigma;
            in.backend = m_backend.get();
        }
        QS_TRY(const QuantizedTensor q, method->quantize(in, m_job.silent()));
        QuantReportInput report;
        report.rows = m_weight.rows();
        report.cols = m_weight.cols();
        report.weight = rowsOf(m_weight.view());
        report.tensor = &q;
        report.codec = codec.get();
        report.sigma = m_weights ? &*m_weights : nullptr;
        report.bins = 1;
        return reportQuantized(report, m_job.silent());
    }

    bool weighted() const { return m_weights.has_value(); }

private:
    Result<void> readSigma(LayerFacts& facts, LayerAdviceResult& out) {
        facts.activations = ActivationsKnown::NotCalibrated;
        if (m_target.site.empty()) facts.activations = ActivationsKnown::Never;
        if (!m_in.calibration || m_target.site.empty()) return {};
        const SiteRecord* site = m_in.calibration->find(m_target.site);
        facts.activations = ActivationsKnown::NoTokens;
        if (!site || site->tokens == 0) return {};
        if (m_target.cols > kSigmaLimit) {
            facts.activations = ActivationsKnown::Yes;
            out.tooWide = true;
            for (size_t c = 0; c < m_target.cols; ++c) // the diagonal follows from the statistics
                facts.inputEnergy.push_back(
                    double(site->tokens) *
                    (std::pow(double(site->stats.stddev[c]), 2) + std::pow(double(site->stats.mean[c]), 2)));
            return {};
        }
        QS_TRY(m_sigma, m_in.calibration->sigma(m_target.site));
        QS_TRY(m_weights, SigmaWeights::make(*m_sigma, m_target.cols));
        if (!m_weights) {
            m_sigma.reset();
            return {};
        }
        facts.activations = ActivationsKnown::Yes;
        for (size_t c = 0; c < m_target.cols; ++c)
            facts.inputEnergy.push_back((*m_sigma)(c, c));
        return {};
    }

    const AdviceInput& m_in;
    const JobContext& m_job;
    const QuantTarget& m_target;
    std::unique_ptr<Backend> m_backend;
    Matrix m_weight;
    std::optional<MatrixD> m_sigma;
    std::optional<SigmaWeights> m_weights;
};

double errorOf(const QuantReport& report, bool output) {
    return output ? report.error.output : report.error.weight;
}

/// Round to nearest in the same format, with the same range.
Result<Scheme> nearestOf(const Scheme& scheme) {
    QS_TRY(const MethodDescriptor* method, findMethod("rtn"));
    Scheme out = scheme;
    out.method = method->id;
    out.methodParams = ui::carriedOver(method->params, scheme.methodParams);
    return out;
}

Result<void> measureOptions(Bench& bench, const AdviceInput& in, LayerAdviceResult& out) {
    for (LayerOption& option : out.options) {
        QS_TRY(const auto edited, ui::applyEdit(in.scheme.get(), option.edit, *in.scheme));
        if (!edited) {
            option.error = 0; // kept
            continue;
        }
        Scheme scheme = *edited;
        QS_TRY(const MethodDescriptor* method, findMethod(scheme.method));
        const bool sameMethod = scheme.method == in.scheme->method;
        if (out.nearest && sameMethod) {
            QS_TRY(scheme, nearestOf(scheme)); // as the present one was
        } else if (!bench.runs(*method)) {
            option.note = whyNoSigma(in.calibration.get(), in.model->targets()[size_t(in.target)]);
            if (option.note.isEmpty()) option.note = LayerAdvice::tr("Σ of this tensor is all zero");
            continue;
        } else if (!bench.affordable(*method)) {
            option.note = LayerAdvice::tr("too much work for a preview; measured by a run");
            continue;
        }
        QS_TRY(const QuantReport report, bench.measure(scheme));
        option.error = errorOf(report, out.outputError);
    }
    return {};
}

Result<LayerAdviceResult> advise(const AdviceInput& in, const JobContext& job) {
    LayerAdviceResult out;
    out.target = in.target;
    out.options = in.options;
    LayerFacts facts;
    facts.kurtosis = in.kurtosis;
    facts.kept = !in.scheme;
    Bench bench(in, job);
    QS_CHECK(bench.read(facts, out));
    facts.outputError = out.outputError = bench.weighted();
    if (in.scheme) {
        QS_TRY(const MethodDescriptor* method, findMethod(in.scheme->method));
        QS_TRY(const Scheme nearest, nearestOf(*in.scheme));
        QS_TRY(const QuantReport rounded, bench.measure(nearest));
        facts.errorNearest = errorOf(rounded, out.outputError);
        facts.groupShare = rounded.groupShare;
        facts.groupSize = rounded.layout.groupSize;
        out.nearest = !bench.runs(*method) || !bench.affordable(*method);
        out.errorNow = facts.errorNearest;
        if (!out.nearest && nearest == *in.scheme) {
            facts.errorNow = facts.errorNearest;
            facts.errorNearest = kNotKnown; // the same thing
        } else if (!out.nearest) {
            QS_TRY(const QuantReport now, bench.measure(*in.scheme));
            facts.errorNow = out.errorNow = errorOf(now, out.outputError);
            facts.groupShare = now.groupShare;
        }
        QS_CHECK(measureOptions(bench, in, out));
    }
    out.findings = layerFindings(facts);
    return out;
}

} // namespace

std::vector<LayerOption> layerOptions(const Scheme& scheme, const QuantTarget& target, quint64 bytesNow,
                                      const QString& sourceType, bool calibrated) {
    std::vector<LayerOption> out;
    const auto codec = findCodec(scheme.codec);
    const auto method = findMethod(scheme.method);
    if (!codec || !method) return out;
    const auto add = [&](const QString& label, ui::SchemeEdit edit) {
        const auto after = ui::applyEdit(&scheme, edit, scheme);
        if (!after || !*after) return;
        const auto made = createCodec((*after)->codec, (*after)->codecParams);
        if (!made) return;
        const auto solver = findMethod((*after)->method);
        if (!solver) return;
        const auto bits = storedBits(**made, **solver, **after, target.rows, target.cols);
        if (!bits) return;
        out.push_back(
            {label, std::move(edit), qint64(storedBytes(*bits)) - qint64(bytesNow), ui::kNotMeasured, {}});
    };
    if (const ParamSpec* bits = find((*codec)->params, "bits", ParamType::Int))
        if (const long long next = scheme.codecParams.integer("bits") + 1; double(next) <= bits->maximum)
            add(LayerAdvice::tr("Raise to %1 bits").arg(next), ui::SchemeEdit::codecParam("bits", next));
    if (find((*codec)->params, "group", ParamType::Int))
        if (const long long group = smallerGroup(scheme.codecParams.integer("group"), target.cols); group > 0)
            add(LayerAdvice::tr("Group %1").arg(group), ui::SchemeEdit::codecParam("group", group));
    for (const MethodDescriptor* m : methods())
        if (m->notWorseThanRtn && m->id != scheme.method && (m->needs == Needs::Nothing || calibrated))
            add(LayerAdvice::tr("Use %1").arg(QString::fromStdString(m->label)),
                ui::SchemeEdit::method(m->id));
    if (const ParamSpec* range = find((*method)->params, "range", ParamType::Choice))
        if (std::count(range->choices.begin(), range->choices.end(), "mse") &&
            scheme.methodParams.choice("range") != "mse")
            add(LayerAdvice::tr("MSE range"), ui::SchemeEdit::methodParam("range", std::string("mse")));
    out.push_back(
        {LayerAdvice::tr("Keep in %1").arg(sourceType), ui::SchemeEdit::keep(), 0, ui::kNotMeasured, {}});
    return out;
}

LayerAdvice::LayerAdvice(Session* session, QObject* parent) : QObject(parent), m_session(session) {}

void LayerAdvice::show(int target) {
    const SchemeTable& table = *m_session->table();
    const auto model = m_session->model();
    Asked asked;
    if (model && target >= 0 && target < table.count())
        asked = {model, table.schemes()[size_t(target)], m_session->calibration(), target,
                 !std::isnan(table.row(target).kurtosis)};
    if (asked == m_asked) return;
    m_asked = asked;
    m_result.reset();
    m_note.clear();
    emit changed();
    if (asked.target < 0) return;
    const ui::TargetRow& row = table.row(target);
    AdviceInput in{model, asked.scheme, asked.calibration, target, row.kurtosis, table.seed(), {}};
    if (in.scheme) {
        const QuantTarget& t = model->targets()[size_t(target)];
        const bool calibrated = in.calibration && !t.site.empty() && in.calibration->find(t.site);
        in.options = layerOptions(*in.scheme, t, row.bytesAfter, row.sourceType, calibrated);
        in.options.back().bytesChange = qint64(row.bytesBefore) - qint64(row.bytesAfter);
    }
    JobHandle* job = m_session->pool()->post(
        {QStringLiteral("advice"), tr("Advise on %1").arg(row.module), false, 1},
        [in](const JobScope& scope) { return Outcome::from(advise(in, scope.job())); });
    job->then(this, [this, asked](const Outcome& outcome) {
        if (!(asked == m_asked) || outcome.isCancelled()) return;
        m_result = outcome.as<LayerAdviceResult>();
        m_note = outcome.failed() ? QString::fromStdString(outcome.error().describe()) : QString();
        emit changed();
    });
}

} // namespace qs::app
