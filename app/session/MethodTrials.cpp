// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/MethodTrials.h"

#include "app/session/SigmaNote.h"
#include "widgets/models/SchemeEdit.h"

#include <algorithm>

namespace qs::app {

namespace {

constexpr size_t kWhatIf = 1; ///< its place among the trials

const ParamSpec* rangeSpec(const MethodDescriptor& method) {
    for (const ParamSpec& s : method.params)
        if (s.key == "range" && s.type == ParamType::Choice) return &s;
    return nullptr;
}

struct DissectInput {
    std::shared_ptr<const LensSource> source;
    std::vector<std::shared_ptr<const QuantizedTensor>> tensors;
    std::shared_ptr<const Codec> codec;
    size_t row, group;
};

Result<Anatomy> dissected(const DissectInput& in) {
    const auto row = in.source->weight.view().rowSpan(in.row);
    Anatomy out;
    out.levels = in.codec->levels();
    QS_TRY(out.slice, groupSlice(*in.tensors.front(), row, in.row, in.group));
    for (const auto& tensor : in.tensors)
        out.codes.push_back(tensor
                                ? std::optional(groupCodes(*tensor, *in.codec, row, out.slice,
                                                           in.source->sigma ? &*in.source->sigma : nullptr))
                                : std::nullopt);
    return out;
}

} // namespace

MethodTrials::MethodTrials(Session* session, Lens* lens, QObject* parent)
    : QObject(parent), m_session(session), m_lens(lens) {
    connect(lens, &Lens::changed, this, &MethodTrials::follow);
}

void MethodTrials::setActive(bool active) {
    if (m_active == active) return;
    m_active = active;
    follow();
}

void MethodTrials::setGroup(size_t row, size_t group) {
    m_row = row;
    m_group = group;
    dissect();
}

void MethodTrials::follow() {
    if (!m_active) return;
    const LensViewPtr front = m_lens->now();
    if (m_source != m_lens->source()) {
        m_source = m_lens->source();
        startOver();
    }
    // A coarse picture holds some rows only.
    if (!front || front->rowStep > 1 || front == m_front || !front->quantized.tensor) return;
    m_front = front;
    if (m_trials.size() > kWhatIf)
        m_trials[kWhatIf] =
            m_lens->isWhatIf() ? MethodTrial{tr("What-if"), m_front->quantized.tensor, {}} : MethodTrial();
    dissect();
}

MethodTrial MethodTrials::originalTrial() const {
    const LensView& original = *m_lens->original();
    if (!original.quantized.preview) return {tr("Run"), original.quantized.tensor, {}};
    // The methods' own rows show what a recipe without a clip ratio rounds to.
    if (original.range.rule != RangeRule::MinMax || original.range.clip == 1)
        return {QString(), original.quantized.tensor, {}};
    return {tr("Recipe, rounded"), original.quantized.tensor, {}};
}

void MethodTrials::startOver() {
    for (const auto& job : m_jobs)
        if (job) job->cancel();
    m_jobs.clear();
    m_trials.clear();
    m_anatomy.reset();
    m_front.reset();
    m_row = m_group = 0;
    if (!m_source || !m_source->scheme || !m_lens->original()) {
        emit changed();
        return;
    }
    const Scheme& scheme = *m_source->scheme;
    m_trials.push_back(originalTrial());
    m_trials.push_back({}); // the what-if's place
    if (!m_lens->original()->report.worst.empty()) {
        m_row = m_lens->original()->report.worst.front().row;
        m_group = m_lens->original()->report.worst.front().group;
    }
    for (const MethodDescriptor* m : methods()) {
        Params params = ui::carriedOver(m->params, m->id == scheme.method ? scheme.methodParams : Params());
        const QString label = QString::fromStdString(m->label);
        const ParamSpec* range = rangeSpec(*m);
        if (m->needs != Needs::Nothing || !range) {
            start(*m, std::move(params), label);
            continue;
        }
        for (const std::string& choice : range->choices)
            if (auto with = ui::withParam(m->params, Params::defaults(m->params), "range", choice))
                start(*m, std::move(*with),
                      QStringLiteral("%1 · %2").arg(label, QString::fromStdString(choice)));
    }
    emit changed();
}

void MethodTrials::start(const MethodDescriptor& method, Params params, const QString& label) {
    const Scheme& scheme = *m_source->scheme;
    const bool byRun = !m_lens->original()->quantized.preview;
    if (byRun && method.id == scheme.method && params == scheme.methodParams)
        return; // the run's own codes say it
    const bool solver = method.needs != Needs::Nothing;
    QString blocker;
    if (solver && !m_source->sigma)
        blocker =
            whyNoSigma(m_session->calibration().get(), m_source->model->targets()[size_t(m_source->target)]);
    else if (method.flops && method.flops(m_source->weight.rows(), m_source->weight.cols()) > kMostFlops)
        blocker = tr("too large to solve at once; run the plan to see it");
    const size_t index = m_trials.size();
    m_trials.push_back({label, nullptr, blocker.isEmpty() ? tr("being solved") : blocker});
    if (!blocker.isEmpty()) return;
    const auto body = [source = m_source, &method, params, solver, calibration = m_session->calibration(),
                       seed = m_session->table()->seed()](const JobScope& scope) -> Outcome {
        const auto run = [&]() -> Result<QuantizedTensor> {
            QS_TRY(const auto codec, createCodec(source->scheme->codec, source->scheme->codecParams));
            QuantizeInput in;
            in.weight = source->weight.view();
            in.codec = codec.get();
            in.params = params;
            in.seed = seed;
            MatrixD sigma;
            if (solver) {
                const QuantTarget& t = source->model->targets()[size_t(source->target)];
                QS_TRY(sigma, calibration->sigma(t.site));
                scaleSigma(source->scaling.columns, sigma);
                in.sigma = &sigma;
                in.backend = &scope.backend();
            }
            return method.quantize(in, scope.job());
        };
        return Outcome::from(run());
    };
    JobLane* lane = m_session->pool();
    if (solver) lane = m_session->engine();
    JobHandle* job = lane->post(
        {QStringLiteral("trial-%1").arg(label), tr("Solve %1 for one tensor").arg(label), false, 2}, body);
    m_jobs.push_back(job);
    job->then(this, [this, source = m_source, index](const Outcome& outcome) {
        if (source != m_source || outcome.isCancelled()) return;
        m_trials[index].note =
            outcome.failed() ? QString::fromStdString(outcome.error().describe()) : QString();
        m_trials[index].tensor = outcome.as<QuantizedTensor>();
        dissect();
    });
}

void MethodTrials::dissect() {
    if (!m_source || m_trials.empty() || m_row >= m_source->weight.rows()) return;
    // A solver may end after the lens went on to another tensor, which hidden trials do not follow.
    if (m_source != m_lens->source() || !m_lens->original()) return;
    DissectInput in{m_source, {}, m_lens->original()->quantized.codec, m_row, m_group};
    for (const MethodTrial& trial : m_trials)
        in.tensors.push_back(trial.tensor);
    JobHandle* job = m_session->pool()->post({QStringLiteral("anatomy"), tr("Take a group apart"), false, 15},
                                             [in](const JobScope&) { return Outcome::from(dissected(in)); });
    job->then(this, [this, source = m_source](const Outcome& outcome) {
        if (source != m_source || outcome.isCancelled()) return;
        m_anatomy = outcome.as<Anatomy>();
        emit changed();
    });
}

} // namespace qs::app
