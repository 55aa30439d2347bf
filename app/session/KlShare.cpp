// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/KlShare.h"

#include "app/session/Comparison.h"
#include "core/base/file.h"
#include "core/evaluate/changed_linears.h"
#include "widgets/models/Metric.h"

#include <algorithm>
#include <cmath>

namespace qs::app {

namespace {

struct KlInput {
    std::shared_ptr<const Model> model;
    std::shared_ptr<const Calibration> calibration; ///< may be null
    std::shared_ptr<const Run> run;                 ///< may be null
    std::vector<TransformUse> transforms;           ///< of the run
    struct Linear {
        int target;
        SchemeBook::SchemePtr scheme;
        bool byRun; ///< the run holds it as the scheme says
    };
    std::vector<Linear> linears;
    quint64 seed = 0;
    TextRequest text;
};

/// As Evaluation::textFingerprint.
std::string fingerprintOf(const TokenWindows& tokens) {
    return sha256Hex(std::as_bytes(tokens.span()));
}

bool hasInputs(const Calibration* calibration, const QuantTarget& target) {
    const SiteRecord* site = calibration ? calibration->find(target.site) : nullptr;
    return site && site->tokens > 0;
}

/// The method of the scheme cannot run without what a calibration measures.
bool isStandIn(const KlInput& in, const KlInput::Linear& linear) {
    const auto method = findMethod(linear.scheme->method);
    return !linear.byRun && method && (*method)->needs != Needs::Nothing &&
           !hasInputs(in.calibration.get(), in.model->targets()[size_t(linear.target)]);
}

/// What a value of the linear says about itself.
MeasuredKl described(const KlInput& in, const KlInput::Linear& linear, const std::string& text) {
    MeasuredKl out;
    out.target = linear.target;
    out.scheme = linear.scheme;
    out.text = text;
    const auto method = findMethod(linear.scheme->method);
    if (linear.byRun) {
        out.as = MeasuredKl::As::Run;
        out.transforms = in.transforms;
    } else if (isStandIn(in, linear)) {
        out.as = MeasuredKl::As::Nearest;
    } else if (method && (*method)->needs != Needs::Nothing) {
        out.calibration = in.calibration->info().fingerprint;
    }
    return out;
}

/// As the run wrote it; else as the scheme says; else rounded to nearest in the scheme's format.
Result<Matrix> quantizedValues(const KlInput& in, const KlInput::Linear& linear, Backend& backend,
                               const JobContext& job) {
    const QuantTarget& target = in.model->targets()[size_t(linear.target)];
    if (linear.byRun) {
        QS_TRY(const QuantizedTarget q, quantizedByRun(*in.run, target));
        Matrix values = q.codec->dequantize(*q.tensor);
        // Alone it meets the original's inputs, not those that the run's transforms scaled.
        QS_TRY(const TensorScaling scaling, in.run->scalingOf(target));
        scaling.undo(values.view());
        return values;
    }
    QS_TRY(const Matrix weight, in.model->readTarget(target));
    if (isStandIn(in, linear)) {
        const RangeChoice range = rangeChoice(linear.scheme->methodParams);
        QS_TRY(const QuantizedTarget q, quantizedToNearest(weight.view(), *linear.scheme, range, job));
        return q.codec->dequantize(*q.tensor);
    }
    QS_TRY(const auto codec, createCodec(linear.scheme->codec, linear.scheme->codecParams));
    QS_TRY(const MethodDescriptor* method, findMethod(linear.scheme->method));
    QuantizeInput q;
    q.weight = weight.view();
    q.codec = codec.get();
    q.params = linear.scheme->methodParams;
    q.seed = in.seed;
    q.backend = &backend;
    MatrixD sigma;
    if (method->needs != Needs::Nothing) {
        QS_TRY(sigma, in.calibration->sigma(target.site));
        q.sigma = &sigma;
    }
    QS_TRY(const QuantizedTensor tensor, method->quantize(q, job));
    QS_TRY(const auto written, codecOf(tensor));
    return written->dequantize(tensor);
}

/// How the linear rounds its inputs. A run's transforms have divided them before; alone it meets the
/// original's.
Result<std::shared_ptr<const RowRounder>> inputsOf(const KlInput& in, const KlInput::Linear& linear) {
    QS_TRY(auto rounder, inputRounder(*linear.scheme));
    if (!rounder || !linear.byRun) return rounder;
    QS_TRY(const TensorScaling scaling, in.run->scalingOf(in.model->targets()[size_t(linear.target)]));
    if (scaling.columns.empty()) return rounder;
    return std::make_shared<const RowRounder>(
        *createCodec(linear.scheme->inputs->codec, linear.scheme->inputs->codecParams), scaling.columns,
        float(linear.scheme->inputs->keepAbove));
}

Outcome measureAll(const KlInput& in, const JobScope& scope) {
    scope.job().report("Tokenize", 0, 1);
    auto tokens = windowsFor(*in.model, in.text, true);
    if (!tokens) return tokens.takeError();
    std::vector<LinearChange> changes;
    for (const KlInput::Linear& linear : in.linears) {
        auto inputs = inputsOf(in, linear);
        if (!inputs) return inputs.takeError();
        changes.push_back({in.model->targets()[size_t(linear.target)].module,
                           [&in, &linear, &scope](const JobContext& job) {
                               return quantizedValues(in, linear, scope.backend(), job);
                           },
                           std::move(*inputs)});
    }
    const std::string text = fingerprintOf(*tokens);
    const auto measured = [&](size_t change, const ChangeEffect& effect) {
        MeasuredKl value = described(in, in.linears[change], text);
        value.kl = effect.kl;
        scope.publish(Payload::of(std::move(value)));
    };
    const auto weights = modelWeights(*in.model);
    auto effects = measureChanges(in.model->spec(), *weights, changes, *tokens, {}, scope.backend(),
                                  scope.job(), measured);
    if (!effects) return effects.takeError();
    return Payload();
}

} // namespace

TextRequest fewWindows(const Model& model) {
    TextRequest text;
    const auto context = int(std::min<size_t>(model.spec().context, ui::kKlShareWindowLength));
    text.windowLength = context > 1 ? context : ui::kKlShareWindowLength;
    text.windows = ui::kKlShareWindows;
    return text;
}

Result<std::string> klShareText(const Model& model) {
    QS_TRY(const TokenWindows tokens, windowsFor(model, fewWindows(model), true));
    return fingerprintOf(tokens);
}

KlShare::KlShare(Session* session, QObject* parent) : QObject(parent), m_session(session) {
    connect(session, &Session::modelChanged, this, [this] {
        stop();
        m_job = nullptr;
        emit changed();
    });
}

QString KlShare::blocker() const {
    if (const QString why = m_session->evaluateBlocker(); !why.isEmpty()) return why;
    if (measuring()) return tr("KL shares are being measured.");
    const SchemeTable* table = m_session->table();
    for (int t = 0; t < table->count(); ++t)
        if (table->row(t).hasScheme() && table->row(t).block >= 0) return {};
    return tr("Every tensor is kept. Choose a format for at least one.");
}

QVector<int> KlShare::wanted() const {
    QVector<int> out;
    const SchemeTable* table = m_session->table();
    for (int t = 0; t < table->count(); ++t) {
        const ui::TargetRow& row = table->row(t);
        if (!row.hasScheme() || row.block < 0) continue;
        const bool byRun = !row.done.isEmpty() && !row.stale;
        const bool better = (row.klNearest && (byRun || row.tokens > 0)) || (row.klUnscaled && byRun);
        if (std::isnan(row.kl) || row.klStale || better) out.push_back(t);
    }
    return out;
}

JobHandle* KlShare::measure() {
    if (!blocker().isEmpty()) return nullptr;
    const SchemeTable* table = m_session->table();
    QVector<int> targets = wanted();
    if (targets.isEmpty()) return nullptr;
    KlInput input;
    input.model = m_session->model();
    input.calibration = m_session->calibration();
    input.run = m_session->run();
    if (const auto plan = m_session->runPlan()) input.transforms = plan->transforms;
    input.seed = table->seed();
    input.text = fewWindows(*input.model);
    for (const int t : targets) {
        const ui::TargetRow& row = table->row(t);
        const bool byRun = input.run && !row.done.isEmpty() && !row.stale;
        input.linears.push_back({t, table->schemes()[size_t(t)], byRun});
    }
    m_done = 0;
    m_asked = int(targets.size());
    JobHandle* job = m_session->engine()->post(
        {QStringLiteral("kl-share"), tr("Measure KL shares of %1").arg(m_session->title())},
        [input](const JobScope& scope) { return measureAll(input, scope); });
    m_job = job;
    connect(job, &JobHandle::changed, this, &KlShare::changed);
    job->onPartial(this, [this, job, model = input.model](const std::vector<Payload>& partials) {
        if (m_job != job || m_session->model() != model) return;
        std::vector<MeasuredKl> measured;
        for (const Payload& p : partials)
            if (const auto m = p.as<MeasuredKl>()) measured.push_back(*m);
        m_done += int(measured.size());
        m_session->table()->setKl(measured);
        emit changed();
    });
    job->then(this, [this, job](const Outcome& outcome) {
        if (outcome.failed())
            emit m_session->failed(job->title(), QString::fromStdString(outcome.error().describe()));
        if (m_job == job) emit changed();
    });
    emit changed();
    return job;
}

void KlShare::stop() {
    if (measuring()) m_job->cancel();
}

double KlShare::progress() const {
    return measuring() ? std::max(0.0, m_job->fraction()) : -1;
}

QString KlShare::note() const {
    if (measuring()) return tr("%1 of %n layers measured", nullptr, m_asked).arg(m_done);
    return {};
}

QString KlShare::protocol() const {
    const auto model = m_session->model();
    const int length =
        model && model->hasForward() ? fewWindows(*model).windowLength : ui::kKlShareWindowLength;
    return tr("%1 windows of %2 tokens of the built-in evaluation text; the first token of a window is "
              "context "
              "only.")
        .arg(ui::kKlShareWindows)
        .arg(length);
}

} // namespace qs::app
